//! Machines with something missing or broken: each its own error, with the next step.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use mi355x::exit;
use mi355x::kernels::Kernels;
use snapbox::{assert_data_eq, str};

use crate::command::{Mi355x, broken};

/// A copy of the broken kernels that is not inside this repository, whose compiler would be found.
fn kernels_elsewhere(folder: &Path) -> PathBuf {
    let kernels = folder.join("kernels");
    fs::create_dir_all(kernels.join("quant")).unwrap();
    for entry in fs::read_dir(broken().join("quant")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, kernels.join("quant").join(path.file_name().unwrap())).unwrap();
    }
    kernels
}

/// A shared library of this C source.
fn library(folder: &Path, source: &str) -> PathBuf {
    let (file, library) = (folder.join("stub.c"), folder.join("libamdhip64.so"));
    fs::write(&file, source).unwrap();
    let built =
        Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&file).status().unwrap();
    assert!(built.success());
    library
}

fn check_on_rocm(library: &Path) -> crate::command::Outcome {
    Mi355x::new(&["check", "--device", "rocm", "--no-store"]).env("MI355X_HIP_LIBRARY", library).run()
}

#[test]
fn no_compiler_and_no_provisioning() {
    if Path::new("/opt/rocm/bin/hipcc").exists() {
        // libtest keeps back what `println!` writes.
        let why = "skipped: no_compiler_and_no_provisioning: this machine's /opt/rocm would be found";
        return writeln!(std::io::stderr(), "{why}").expect("stderr is open");
    }
    let folder = tempfile::tempdir().unwrap();
    let kernels = kernels_elsewhere(folder.path());
    let outcome = Mi355x::new(&["check", "--kernels"])
        .arg(kernels)
        .current_dir(folder.path())
        .env("PATH", "")
        .env("HOME", folder.path())
        .env("MI355X_PROVISION", "off")
        .run()
        .expect(exit::ENVIRONMENT);
    assert_eq!(outcome.stdout, "");
    assert_data_eq!(
        outcome.stderr,
        str![[r#"
  x no HIP compiler found and MI355X_PROVISION=off forbids fetching one; unset MI355X_PROVISION, or install ROCm, or set ROCM_PATH


"#]]
    );
}

#[test]
fn a_compiler_choice_that_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = Mi355x::new(&["check", "--kernels"])
        .arg(broken())
        .env("ROCM_PATH", "/nowhere/rocm")
        .env("HOME", folder.path())
        .run()
        .expect(exit::ENVIRONMENT);
    assert_data_eq!(
        outcome.stderr,
        str![[r#"
  x ROCM_PATH names /nowhere/rocm, which has no executable bin/hipcc; correct it or unset it


"#]]
    );
}

#[test]
fn a_kernel_with_a_syntax_error() {
    let folder = tempfile::tempdir().unwrap();
    let kernels = kernels_elsewhere(folder.path());
    let file = kernels.join("quant/right.hip");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("const uint32_t groups", "const uint32_t group s")).unwrap();
    let toolchain = mi355x::kernels::find_or_provision(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let outcome = Mi355x::new(&["check", "--kernels"])
        .arg(&kernels)
        .arg("--cache")
        .arg(folder.path().join("cache"))
        .env("ROCM_PATH", toolchain.root)
        .run()
        .expect(exit::KERNELS);
    // The compiler's own words, with file and line.
    assert!(outcome.stderr.contains("right.hip:5:"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("error: "), "{}", outcome.stderr);
}

#[test]
fn a_cache_that_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cache");
    fs::write(&file, "a file, not a folder").unwrap();
    let outcome = Mi355x::new(&["check", "--kernels"])
        .arg(broken())
        .arg("--cache")
        .arg(&file)
        .run()
        .expect(exit::ENVIRONMENT);
    assert!(outcome.stderr.contains(&format!("cannot write {}", file.display())), "{}", outcome.stderr);
}

#[test]
fn a_truncated_code_object() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kernel.co");
    let kernels = Kernels::built_in();
    let name = "quant/mxfp4_bf16_even_raw";
    let code = &kernels.select(&[name.to_owned()]).unwrap()[0].code_object;
    let check = || Mi355x::new(&["check", name, "--no-store", "--code-object"]).arg(&file).run();
    fs::write(&file, code).unwrap();
    check().expect(exit::SUCCESS);
    for length in [0, 3, 64, 1000, code.len() / 2] {
        fs::write(&file, &code[..length]).unwrap();
        let outcome = check().expect(exit::KERNELS);
        let start = format!("{} is no usable code object", file.display());
        assert!(outcome.stderr.contains(&start), "{length} bytes: {}", outcome.stderr);
        assert!(outcome.stderr.contains("help: compile it again with `hipcc"), "{}", outcome.stderr);
    }
    let two = Mi355x::new(&["check", "mxfp4", "--no-store", "--code-object"]).arg(&file).run();
    assert!(two.expect(exit::USAGE).stderr.contains("--code-object replaces the code of one kernel"));
}

#[test]
fn a_library_without_a_needed_symbol() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(
        folder.path(),
        "int hipGetDeviceCount(int *n) { *n = 1; return 0; } int hipSetDevice(int n) { return 0; }",
    );
    let outcome = check_on_rocm(&library).expect(exit::ENVIRONMENT);
    let stderr =
        outcome.stderr.replace(&*folder.path().canonicalize().unwrap().to_string_lossy(), "[FOLDER]");
    assert_data_eq!(
        stderr,
        str![[r#"
  x the rocm runtime cannot be used
  `-> the HIP library [FOLDER]/libamdhip64.so has no symbol hipGetDevicePropertiesR0600; it is older than this call, or not a full HIP runtime
  help: install ROCm 6.4 or later, or set ROCM_PATH or MI355X_HIP_LIBRARY to it; `--device virtual` needs neither


"#]]
    );
}

#[test]
fn a_library_that_is_not_hip() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(folder.path(), "int unrelated(void) { return 0; }");
    let outcome = check_on_rocm(&library).expect(exit::ENVIRONMENT);
    assert!(outcome.stderr.contains("is a library without HIP's functions"), "{}", outcome.stderr);
}

#[test]
fn a_library_that_is_cut_short() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(folder.path(), "int hipGetDeviceCount(int *n) { *n = 1; return 0; }");
    let bytes = fs::read(&library).unwrap();
    fs::write(&library, &bytes[..bytes.len() / 2]).unwrap();
    let outcome = check_on_rocm(&library).expect(exit::ENVIRONMENT);
    assert!(outcome.stderr.contains("the rocm runtime cannot be used"), "{}", outcome.stderr);
}

#[test]
fn a_machine_without_a_gpu() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(folder.path(), "int hipGetDeviceCount(int *n) { *n = 0; return 100; }");
    let outcome = check_on_rocm(&library).expect(exit::NO_DEVICE);
    let stderr =
        outcome.stderr.replace(&*folder.path().canonicalize().unwrap().to_string_lossy(), "[FOLDER]");
    assert_data_eq!(
        stderr,
        str![[r#"
  x no MI355X: [FOLDER]/libamdhip64.so has no device
  help: run where `rocminfo` lists gfx950, or use `--device virtual`; `mi355x doctor` shows what was found


"#]]
    );
}

#[test]
fn the_doctor_says_what_is_missing_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(folder.path(), "int hipGetDeviceCount(int *n) { *n = 0; return 100; }");
    let doctor = || {
        Mi355x::new(&["doctor"])
            .env("MI355X_HIP_LIBRARY", &library)
            .env("ROCM_PATH", "/nowhere/rocm")
            .env("PATH", folder.path())
    };
    let outcome = doctor().run().expect(exit::SUCCESS);
    let shown = outcome.stdout.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "));
    let shown = shown.collect::<Vec<_>>().join("\n");
    let kernels = format!("built-in kernels found {} for gfx950", Kernels::built_in().instances.len());
    for expected in [
        kernels.as_str(),
        "HIP compiler broken set, but unusable",
        "virtual MI355X found AMD Instinct MI355X (virtual), gfx950",
        "ROCm device missing no MI355X: ",
        "Python missing python3: ",
        "AITER missing no Python to look in",
        "HIP compiler: ROCM_PATH names /nowhere/rocm, which has no executable bin/hipcc; correct it or unset it",
    ] {
        assert!(shown.contains(expected), "{expected:?} is not in\n{shown}");
    }
    let document = doctor().arg("--json").run().expect(exit::SUCCESS).json();
    assert_eq!(document["content"]["ready"], true);
    assert_eq!(document["content"]["parts"].as_array().unwrap().len(), 8);
    // Without the virtual device nothing works, and the exit code says so.
    let none = doctor().env("MI355X_VHIP_LIBRARY", "/nowhere/libvhip.so").run().expect(exit::ENVIRONMENT);
    assert!(none.stdout.contains("cannot run here yet"), "{}", none.stdout);
}
