//! A program that hipcc compiled and linked, run with our library in the place of ROCm's.

use std::{os::unix::fs::symlink, process::Command};

use crate::rig::{hipcc, library};

#[test]
fn a_program_of_hipcc_runs() {
    run(&[]);
}

/// The same program calls the functions whose names end in `_spt`.
#[test]
fn a_program_with_a_default_stream_of_each_thread_runs() {
    run(&["-fgpu-default-stream=per-thread"]);
}

fn run(arguments: &[&str]) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let program = folder.path().join("program");
    hipcc("program.hip", arguments, &program);
    // The name that the program asks for.
    symlink(library(), folder.path().join("libamdhip64.so.7")).unwrap();
    let output = Command::new(&program).env("LD_LIBRARY_PATH", folder.path()).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{:?}\n{out}\n{err}", output.status);
    assert_eq!(out, "AMD Instinct MI355X (virtual)\nall checks passed\n");
    let logged: Vec<&str> = err.lines().filter(|line| line.contains("hipMemPoolTrimTo")).collect();
    assert_eq!(
        logged,
        ["vhip: hipMemPoolTrimTo is not implemented by the virtual MI355X: hipErrorNotSupported"],
        "logged once: {err}"
    );
    assert!(!err.contains("version information"), "the loader found every symbol version: {err}");
}
