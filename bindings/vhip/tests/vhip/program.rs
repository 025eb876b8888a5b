//! Programs that hipcc compiled and linked, run with our library in the place of ROCm's.

use std::{collections::BTreeSet, os::unix::fs::symlink, process::Command};

use crate::rig::{hipcc, library};

/// What a program wrote.
struct Output {
    out: String,
    err: String,
}

/// Builds `tests/programs/NAME` and runs it; it has to succeed.
fn run(name: &str, arguments: &[&str]) -> Output {
    run_with(name, arguments, &[])
}

/// As `run`, with variables in the program's environment.
fn run_with(name: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let program = folder.path().join("program");
    hipcc(&format!("programs/{name}"), arguments, &program);
    // The name that the program asks for.
    symlink(library(), folder.path().join(env!("VHIP_SONAME"))).unwrap();
    let mut command = Command::new(&program);
    let output =
        command.env("LD_LIBRARY_PATH", folder.path()).envs(environment.iter().copied()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{:?}\n{out}\n{err}", output.status);
    assert!(!err.contains("version information"), "the loader found every symbol version: {err}");
    Output { out, err }
}

fn saxpy(arguments: &[&str]) {
    let Output { out, err } = run("saxpy.hip", arguments);
    assert_eq!(out, "AMD Instinct MI355X (virtual)\nall checks passed\n");
    let logged: Vec<&str> = err.lines().filter(|line| line.contains("hipFreeMipmappedArray")).collect();
    assert_eq!(
        logged,
        ["vhip: hipFreeMipmappedArray is not implemented by the virtual MI355X: hipErrorNotSupported"],
        "logged once: {err}"
    );
}

#[test]
fn a_program_of_hipcc_runs() {
    saxpy(&[]);
}

/// The same program calls the functions whose names end in `_spt`.
#[test]
fn a_program_with_a_default_stream_of_each_thread_runs() {
    saxpy(&["-fgpu-default-stream=per-thread"]);
}

#[test]
fn a_program_with_a_compressed_fat_binary_runs() {
    saxpy(&["--offload-compress"]);
}

#[test]
fn streams_events_atomics_and_a_captured_graph() {
    assert_eq!(run("reduce.hip", &[]).out, "all checks passed\n");
}

#[test]
fn launches_in_several_calls_and_on_several_devices() {
    let output = run_with("early.hip", &[], &[("MI355X_VIRTUAL_DEVICES", "2")]);
    assert_eq!(output.out, "all checks passed\n", "{}", output.err);
}

/// What the kernels of `print.hip` print; the C library of the host makes the same of these conversions.
const PRINTED: &str = "\
before
lane 0 is even
lane 1 is odd
lane 2 is even
lane 3 is odd
between
  -42|42   |00042|ffffffff|123456789abcdef|A|text|3.142|1.234568e+04|0.5|%|     7|cu
no conversion
44 4464 -5 4 (nil)
a line that is longer than the fifty-six bytes that one packet of the protocol can carry: 1
";

#[test]
fn kernels_print() {
    let Output { out, err } = run("print.hip", &[]);
    assert_eq!(err, "");
    let (printed, rest) = out.split_at(PRINTED.len().min(out.len()));
    assert_eq!(printed, PRINTED);
    // The sides of a branch have no order.
    let sides = ["low 0\nlow 1\nhigh 2\nhigh 3\n", "high 2\nhigh 3\nlow 0\nlow 1\n"];
    let rest = rest.strip_suffix("all checks passed\n").expect("the program ends with this");
    assert!(sides.contains(&rest), "{rest}");
}

/// The other way of printing: a buffer that the host reads when the kernel has ended.
#[test]
fn kernels_print_into_a_buffer() {
    let Output { out, err } = run("print.hip", &["-mprintf-kind=buffered", "-DBUFFERED"]);
    assert_eq!(err, "");
    let mut lines: Vec<&str> = out.lines().collect();
    let mut wanted: Vec<&str> = PRINTED.lines().collect();
    wanted.extend(["low 0", "low 1", "high 2", "high 3", "all checks passed"]);
    lines.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(lines, wanted);
}

/// Every wave holds one packet of the protocol at most, and no two the same: in any order, with results that
/// arrive as late as they may, and on more host threads than there are cores.
#[test]
fn waves_print_at_the_same_time() {
    let wanted: BTreeSet<String> =
        (0..20).flat_map(|group| (0..256).map(move |item| format!("{group}/{item}"))).collect();
    let late = [("MI355X_VIRTUAL_SEED", "3"), ("MI355X_VIRTUAL_LATE_DELIVERY", "1")];
    for environment in [&[][..], &late, &[("MI355X_VIRTUAL_THREADS", "8")]] {
        let Output { out, err } = run_with("chorus.hip", &[], environment);
        assert_eq!(out.lines().count(), wanted.len());
        assert_eq!(out.lines().map(str::to_owned).collect::<BTreeSet<_>>(), wanted, "{environment:?}");
        let failed: Vec<&str> =
            err.lines().filter(|line| line.contains("assertion `n == 3' failed")).collect();
        assert_eq!(failed.len(), 1, "{err}");
        assert!(err.contains("trap 2: an abort or a failed assertion"), "{err}");
    }
}
