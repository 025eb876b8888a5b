//! Results on disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use mi355x::exit;
use serde_json::Value;

use crate::command::Mi355x;

/// The one run's folder below `base`.
fn only_run(base: &Path) -> PathBuf {
    let mut runs: Vec<_> = fs::read_dir(base).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(runs.len(), 1, "{runs:?}");
    runs.remove(0)
}

fn lines(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("results.jsonl")).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is whole");
    text.lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}"))).collect()
}

#[test]
fn a_run_leaves_one_line_per_case() {
    let base = tempfile::tempdir().unwrap();
    let text =
        Mi355x::new(&["check", "scales_shuffle", "--runs"]).arg(base.path()).run().expect(exit::SUCCESS);
    let run = only_run(base.path());
    assert!(run.to_string_lossy().ends_with("-check"), "{run:?}");
    assert!(text.stdout.contains(&format!("results: {}", run.display())), "{}", text.stdout);
    let about: Value = serde_json::from_str(&fs::read_to_string(run.join("run.json")).unwrap()).unwrap();
    let lines = lines(&run);
    assert_eq!((&about["version"], &about["content"]["cases"]), (&2.into(), &lines.len().into()));
    for line in &lines {
        assert_eq!(
            (&line["version"], &line["verb"], &line["content"]["right"]),
            (&2.into(), &"check".into(), &true.into())
        );
        assert_eq!(line["content"]["code"]["sha256"].as_str().unwrap().len(), 64);
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_its_own_error() {
    let base = tempfile::tempdir().unwrap();
    let file = base.path().join("runs");
    fs::write(&file, "a file, not a folder").unwrap();
    let outcome = Mi355x::new(&["check", "scales_shuffle", "--runs"]).arg(&file).run().expect(exit::STORE);
    assert!(outcome.stderr.contains(&format!("cannot write {}", file.display())), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("help: make the folder writable, or choose another with --runs"),
        "{}",
        outcome.stderr
    );
    assert_eq!(outcome.stdout, "", "nothing was checked");
}

#[test]
fn a_disk_that_fills_up_keeps_what_it_has() {
    let base = tempfile::tempdir().unwrap();
    // A limit on file size stands for a full disk: the write is cut short, then refused.
    let script = "trap '' XFSZ; ulimit -f 8; exec \"$0\" check scales_ weights_ --runs \"$1\"";
    let out = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_mi355x")])
        .arg(base.path())
        .output()
        .unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert_eq!(out.status.code(), Some(i32::from(exit::STORE)), "{stdout}\n{stderr}");
    assert!(stderr.contains("results are no longer stored: cannot write "), "{stderr}");
    assert!(
        stderr.contains(
            "help: free some space, or choose another folder with --runs; what was stored before is intact"
        ),
        "{stderr}"
    );
    // The check itself went on to its end.
    assert!(stdout.contains(" cases right on 4 kernel(s)"), "{stdout}");
    let stored = lines(&only_run(base.path()));
    assert!((1..20).contains(&stored.len()), "{} lines", stored.len());
}
