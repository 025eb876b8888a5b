//! `mi355x explain`, and times that say what they are worth.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use mi355x::exit;
use rocm_toolchain::{Compilation, Compiler, Search};
use serde_json::Value;

use crate::command::Mi355x;

/// `tests/launch/explain.hip`, compiled once.
static OBJECT: LazyLock<(tempfile::TempDir, PathBuf)> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let toolchain = rocm_toolchain::find(&Search::from_env(root)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("explain.co");
    let work = [Compilation {
        label: "tests/launch".into(),
        source: root.join("tests/launch/explain.hip"),
        flags: Vec::new(),
        output: output.clone(),
    }];
    Compiler { toolchain: &toolchain, jobs: 1 }.run(&work).unwrap();
    (folder, output)
});

/// What `explain --json` says of a kernel of the object.
fn explained(arguments: &[&str]) -> Value {
    let command = Mi355x::new(&["explain", "--json", "--object"]).arg(&OBJECT.1);
    let command = arguments.iter().fold(command, |command, argument| command.arg(argument));
    command.run().expect(exit::SUCCESS).json()["content"].take()
}

fn copy() -> Value {
    let floats = 16 * 1024 * 1024;
    let (x, y) = (format!("f32x{floats}=zeros"), format!("f32x{floats}=zeros"));
    explained(&[
        "--kernel", "copy", "--grid", "2048", "--block", "256", "--arg", &x, "--arg", &y, "--arg", "u32=8",
    ])
}

fn column(kernel: &str) -> Value {
    explained(&[
        "--kernel",
        kernel,
        "--grid",
        "256",
        "--block",
        "64",
        "--arg",
        "f32x16384=zeros",
        "--arg",
        "u32=1024",
    ])
}

fn sum(list: &Value, field: &str) -> f64 {
    list.as_array().unwrap().iter().map(|entry| entry[field].as_f64().unwrap()).sum()
}

#[test]
fn a_copy_is_bound_by_memory_and_its_causes_add_up() {
    let content = copy();
    let explanation = &content["explanation"];
    assert_eq!(explanation["binding"]["part"], "HBM", "{:#}", explanation["parts"]);
    let (causes, time) = (sum(&explanation["causes"], "ns"), explanation["time_ns"].as_f64().unwrap());
    assert!((causes / time - 1.0).abs() < 1e-9, "{causes}, {time}");
    assert!((content["ns"].as_f64().unwrap() - time).abs() < 1e-3);
    // 128 MiB at no more than 8 TB/s.
    assert!(time > 128.0 * 1024.0 * 1024.0 / 8000.0, "{time}");
    // No measured launch was like that, so the error is wider than that of the best.
    assert_eq!(content["label"], "extrapolated");
    assert!(content["band"]["p90"].as_f64().unwrap() > 0.2, "{}", content["band"]);
    assert!(!content["reasons"].as_array().unwrap().is_empty());
}

#[test]
fn a_bank_conflict_shows_at_its_instruction_and_line() {
    let source = std::fs::read_to_string("tests/launch/explain.hip").unwrap();
    let line = 1 + source.lines().position(|line| line.ends_with("// the column")).unwrap();
    let conflicts = |content: &Value| -> Vec<Value> {
        let places = content["explanation"]["places"].as_array().unwrap().iter();
        places.filter(|place| place["conflict_cycles"].as_f64() > Some(0.0)).cloned().collect()
    };
    let (rough, smooth) = (column("column_of_one_bank"), column("column_of_all_banks"));
    assert_eq!(conflicts(&smooth), Vec::<Value>::new());
    let found = conflicts(&rough);
    assert!(!found.is_empty());
    for place in &found {
        assert!(place["mnemonic"].as_str().unwrap().starts_with("ds_read"), "{place:#}");
        assert_eq!(place["source"], format!("launch/explain.hip:{line}"), "{place:#}");
    }
    // All lanes of a phase aim at one bank, 16 of them in the widest reads: 15 of 16 cycles are lost.
    for place in &found {
        let share = place["conflict_cycles"].as_f64().unwrap() / place["lds_cycles"].as_f64().unwrap();
        assert!(share >= 15.0 / 16.0, "{place:#}");
    }
    assert_eq!(rough["explanation"]["binding"]["part"], "LDS port");
    assert!(rough["ns"].as_f64() > smooth["ns"].as_f64());
}

#[test]
fn an_explanation_is_the_same_again() {
    let mut both = [column("column_of_one_bank"), column("column_of_one_bank")];
    for content in &mut both {
        content["device"].take();
    }
    assert_eq!(both[0], both[1]);
}

#[test]
fn text_names_causes_parts_waits_and_lines() {
    let text = Mi355x::new(&["explain", "quant/mxfp4_bf16_even_raw", "--case", "1024x7168", "--mode", "hot"])
        .run()
        .expect(exit::SUCCESS)
        .stdout;
    for part in [
        "quant/mxfp4_bf16_even_raw, m=1024 k=7168 Normal: ",
        "(hot caches, model ",
        "Where the time goes",
        "launch",
        "together",
        "100.0",
        "occupancy: ",
        "Longest waits:",
        "global_load_dwordx4",
        "include/memory.h:",
        "No LDS bank conflicts.",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

/// What `ui.perfetto.dev` and `chrome://tracing` load: the Trace Event Format's JSON object.
#[test]
fn a_trace_for_perfetto_is_in_its_format() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trace.json");
    Mi355x::new(&["explain", "quant/rms_norm_bf16_even_shuffled", "--perfetto"])
        .arg(&file)
        .run()
        .expect(exit::SUCCESS);
    let trace: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let (mut waves, mut slices) = (0, 0);
    for event in events {
        assert!(event["pid"].is_u64() && event["tid"].is_u64() && event["name"].is_string(), "{event}");
        if event["ph"] == "M" {
            waves += usize::from(event["args"]["name"].as_str().unwrap().starts_with("wave "));
        } else {
            assert_eq!(event["ph"], "X");
            assert!(event["ts"].as_f64() >= Some(0.0) && event["dur"].as_f64() > Some(0.0), "{event}");
            slices += 1;
        }
    }
    assert!(waves >= 4 && slices > 100, "{waves} waves, {slices} slices");
    assert_eq!(trace["otherData"]["times"], "modelled");
    let gone = Mi355x::new(&["explain", "quant/weights_shuffle", "--perfetto", "/nowhere/trace.json"]).run();
    gone.expect(exit::STORE);
}

#[test]
fn run_says_what_its_time_is_worth() {
    let run = |clock: &str| {
        let arguments = ["run", "--kernel", "copy", "--grid", "4", "--block", "64"];
        let arguments =
            arguments.into_iter().chain(["--arg", "f32x1024=zeros", "--arg", "f32x1024=zeros,out"]);
        let arguments: Vec<&str> = arguments.chain(["--arg", "u32=1"]).collect();
        let command = Mi355x::new(&arguments).arg(&OBJECT.1).env("MI355X_VIRTUAL_CLOCK", clock);
        command.run().expect(exit::SUCCESS).stdout
    };
    let text = run("auto");
    assert!(text.contains("µs, modelled ± ") && text.contains(", cold caches)"), "{text}");
    assert!(run("issue").contains(", issue cycles only, a lower bound\n"));
}
