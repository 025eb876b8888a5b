//! Triton's kernels on the virtual MI355X, where there are any, and spoilt copies of them, which must not pass.

use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use hip::LibraryChoice;
use triton_peer::{Installation, Kernel, Lab, Manifest, OBJECTS_VARIABLE, Outcome, Report, compile};

/// `s_nop 0`.
const NOP: u32 = 0xbf80_0000;

/// The compiled kernels, or `None` and a line that names the skipped test.
fn manifest(test: &str) -> Option<Manifest> {
    match env::var_os(OBJECTS_VARIABLE).filter(|value| !value.is_empty()) {
        None => {
            let line = format!(
                "skipped {test}: {OBJECTS_VARIABLE} names no folder of compiled kernels; set it to one, or to \
                 `install` to make one (1.1 GB)"
            );
            say(&line);
            None
        }
        Some(value) if value == "install" => Some(installed()),
        Some(value) => Some(Manifest::read(Path::new(&value)).unwrap()),
    }
}

/// Not `eprintln!`, which the test harness keeps to itself when a test passes.
fn say(line: &str) {
    let mut stderr = std::io::stderr();
    writeln!(stderr, "{line}").unwrap();
}

fn installed() -> Manifest {
    let target = Installation::target_folder();
    let objects = target.join("triton-objects");
    if let Ok(manifest) = Manifest::read(&objects)
        && manifest.is_current()
    {
        return manifest;
    }
    let mut progress = say;
    let python = PathBuf::from("python3");
    let installation = Installation::ensure(&target.join("triton-venv"), &python, &mut progress).unwrap();
    compile(&installation, &objects, &mut progress).unwrap()
}

/// One run at a time: a stopped kernel stops the device for all, and its schedule is the process's.
static DEVICE: Mutex<()> = Mutex::new(());

fn run(manifest: &Manifest) -> Report {
    let _guard = DEVICE.lock().unwrap_or_else(PoisonError::into_inner);
    Lab::new(LibraryChoice::Virtual, 1).unwrap().run(manifest, |_| ()).unwrap()
}

/// The kernel of this name alone.
fn only(manifest: &Manifest, name: &str) -> Manifest {
    let kernels: Vec<Kernel> =
        manifest.kernels.iter().filter(|kernel| kernel.name == name).cloned().collect();
    assert_eq!(kernels.len(), 1, "{name}");
    Manifest { kernels, ..manifest.clone() }
}

/// A copy of one kernel in which every instruction that `choose` picks does nothing. Its argument is a word of the
/// executable section, in which these kernels have nothing but instructions; the words that are asked for are no
/// literals of theirs.
fn without(manifest: &Manifest, name: &str, folder: &Path, choose: fn(u32) -> bool) -> Manifest {
    let mut spoilt = only(manifest, name);
    let kernel = &spoilt.kernels[0];
    let mut bytes = fs::read(manifest.object(kernel)).unwrap();
    let mut removed = 0;
    for word in bytes.as_chunks_mut::<4>().0 {
        if choose(u32::from_le_bytes(*word)) {
            *word = NOP.to_le_bytes();
            removed += 1;
        }
    }
    assert!(removed > 0, "{name} has no such instruction");
    fs::write(folder.join(&kernel.object), bytes).unwrap();
    folder.clone_into(&mut spoilt.folder);
    spoilt
}

#[test]
fn every_kernel_of_triton_is_right_on_the_virtual_device() {
    let Some(manifest) = manifest("every_kernel_of_triton_is_right_on_the_virtual_device") else { return };
    let report = run(&manifest);
    let failures: Vec<String> = report.failures().map(ToString::to_string).collect();
    assert!(failures.is_empty(), "{}\n{}", failures.join("\n"), report.table());
    assert!(report.lines.len() >= manifest.kernels.len());
}

#[test]
fn a_kernel_without_its_barriers_is_wrong() {
    let Some(manifest) = manifest("a_kernel_without_its_barriers_is_wrong") else { return };
    for name in ["softmax", "sort", "mxfp4_gemm_16", "bf16_gemm_aligned"] {
        let folder = tempfile::tempdir().unwrap();
        // s_barrier
        let spoilt = without(&manifest, name, folder.path(), |word| word == 0xbf8a_0000);
        assert!(run(&spoilt).failures().next().is_some(), "{name} is right without barriers");
    }
}

#[test]
fn a_kernel_without_its_waits_is_wrong() {
    let Some(manifest) = manifest("a_kernel_without_its_waits_is_wrong") else { return };
    for name in ["vector_add", "softmax_1_wave", "fp8_gemm_16", "attention"] {
        let folder = tempfile::tempdir().unwrap();
        // s_waitcnt, whatever it waits for
        let spoilt = without(&manifest, name, folder.path(), |word| word >> 16 == 0xbf8c);
        assert!(run(&spoilt).failures().next().is_some(), "{name} is right without waits");
    }
}

/// Inputs and references of another format than the code's: every comparison that could not see it would be empty.
#[test]
fn a_kernel_of_another_format_is_wrong() {
    let Some(manifest) = manifest("a_kernel_of_another_format_is_wrong") else { return };
    let mut spoilt = only(&manifest, "fp8_gemm_16");
    spoilt.kernels[0].arguments[0].kind = "*fp8e5".to_owned();
    let report = run(&spoilt);
    let wrong = report.lines.iter().filter(|line| matches!(line.outcome, Outcome::Wrong { .. })).count();
    assert_eq!(wrong, report.lines.len(), "{}", report.table());
    let mut spoilt = only(&manifest, "attention");
    spoilt.kernels[0].constants.insert("CAUSAL".to_owned(), 1);
    assert!(run(&spoilt).failures().next().is_some(), "a causal mask makes no difference");
}
