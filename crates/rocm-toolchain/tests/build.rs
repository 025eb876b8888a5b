//! Small kernels folders through the real compiler.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use rocm_toolchain::{Built, Compiler, Error, Registry, Result, build};
use tempfile::TempDir;

use crate::real_toolchain;

const PARAMS: &str = "#pragma once\n#include <stdint.h>\n/// Copies.\nstruct Copy {\n  /// To.\n  float* to;\n  /// From.\n  const float* from;\n};\n";

const KERNEL: &str = r#"#include "params.h"
#ifndef FACTOR
#define FACTOR 1
#endif
extern "C" __attribute__((global)) __attribute__((amdgpu_flat_work_group_size(64, 64))) void copy(Copy p) {
  int i = __builtin_amdgcn_workitem_id_x();
  p.to[i] = FACTOR * p.from[i];
}
"#;

const INSTANCES: &str = r#"flags = ["-nogpuinc"]
[[instance]]
name = "copy_{FACTOR}"
source = "copy.hip"
symbol = "copy"
params = "Copy"
axes = { FACTOR = ["2", "3"] }
min_waves_per_simd = 8
"#;

/// A kernels folder with one operator.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(TempDir::new().unwrap());
        fs::create_dir_all(folder.path("kernels/include")).unwrap();
        fs::create_dir_all(folder.path("kernels/copy")).unwrap();
        folder.write("params.h", PARAMS);
        folder.write("copy.hip", KERNEL);
        folder.write("instances.toml", INSTANCES);
        folder.write("contract.toml", "[shape]\n");
        folder
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path("kernels/copy").join(name), text).unwrap();
    }

    fn build(&self) -> Result<Built> {
        let toolchain = real_toolchain();
        build(&Compiler { toolchain: &toolchain, jobs: 2 }, &self.path("kernels"), &self.path("out"))
    }
}

#[test]
fn only_what_changed_is_compiled() {
    let folder = Folder::new();
    let built = folder.build().unwrap();
    assert_eq!(built.counts(), (2, 2));
    let first = built.operators[0].kernels[0].compiled.clone();
    assert_eq!(folder.build().unwrap().counts(), (0, 2));

    // A comment is a changed source, but the code object stays the same to the bit.
    folder.write("copy.hip", &format!("{KERNEL}// more\n"));
    let built = folder.build().unwrap();
    assert_eq!(built.counts(), (2, 2));
    let again = &built.operators[0].kernels[0].compiled;
    assert_ne!(again.fingerprint, first.fingerprint);
    assert_eq!(again.sha256, first.sha256);

    // An included header and a definition count too.
    folder.write("params.h", &format!("{PARAMS}// more\n"));
    assert_eq!(folder.build().unwrap().counts(), (2, 2));
    folder.write("instances.toml", &INSTANCES.replace("\"3\"", "\"4\""));
    assert_eq!(folder.build().unwrap().counts(), (1, 2));
    // A damaged output is made anew.
    fs::write(folder.path("out/copy/copy_2.co"), b"damaged").unwrap();
    assert_eq!(folder.build().unwrap().counts(), (1, 2));
}

#[test]
fn the_registry_carries_resources_and_structs() {
    let folder = Folder::new();
    let built = folder.build().unwrap();
    let source = Registry(&built).source();
    for expected in [
        "name: Cow::Borrowed(\"copy_2\")",
        "symbol: Cow::Borrowed(\"copy\")",
        "pub struct Copy {",
        "waves_per_simd: 8",
        "vgpr_spills: 0",
    ] {
        assert!(source.contains(expected), "{expected} is not in\n{source}");
    }
}

fn message(folder: &Folder) -> (Error, String) {
    let error = folder.build().expect_err("this folder must not build");
    let text = error.to_string();
    (error, text)
}

#[test]
fn a_syntax_error_shows_the_compilers_own_words() {
    let folder = Folder::new();
    folder.write("copy.hip", &KERNEL.replace("p.to[i] =", "p.too[i] ="));
    let (error, text) = message(&folder);
    assert!(matches!(&error, Error::Compile(failures) if failures.len() == 2), "{error:?}");
    assert!(text.contains("copy.hip:7:5: error: no member named 'too' in 'Copy'"), "{text}");
    assert!(text.contains("command: "), "{text}");
}

#[test]
fn a_kernel_that_spills_needs_a_reason() {
    // An array indexed at run time cannot live in registers, so it goes to scratch.
    let folder = Folder::new();
    let spilling = KERNEL.replace(
        "p.to[i] = FACTOR * p.from[i];",
        "volatile float a[64]; a[i & 63] = p.from[i]; p.to[i] = a[(i * 7) & 63];",
    );
    folder.write("copy.hip", &spilling);
    let (error, text) = message(&folder);
    assert!(matches!(&error, Error::Gate(failures) if failures.len() == 2), "{error:?}");
    assert!(text.contains("bytes of scratch per lane") && text.contains("allow_spills"), "{text}");
    folder.write("instances.toml", &format!("{INSTANCES}allow_spills = \"the test wants it\"\n"));
    assert_eq!(folder.build().unwrap().counts().1, 2);
}

#[test]
fn a_kernel_below_its_declared_occupancy_needs_a_reason() {
    let folder = Folder::new();
    let large = KERNEL.replace(
        "  int i",
        "  __attribute__((shared)) static float lds[20000];\n  lds[__builtin_amdgcn_workitem_id_x()] = 1;\n  int i",
    );
    folder.write("copy.hip", &large.replace("p.from[i]", "lds[i + p.from[0] > 0]"));
    let (_, text) = message(&folder);
    assert!(text.contains("runs 1 waves per SIMD and declares 8"), "{text}");
    assert!(text.contains("80000 + 0 bytes of LDS"), "{text}");
    folder.write("instances.toml", &format!("{INSTANCES}allow_low_occupancy = \"the test wants it\"\n"));
    assert_eq!(folder.build().unwrap().counts().1, 2);
}

#[test]
fn names_that_do_not_meet_are_reported() {
    let cases: [(&str, &str, &str, &str); 4] = [
        (
            "instances.toml",
            "symbol = \"copy\"",
            "symbol = \"kopy\"",
            "defines no kernel \"kopy\" (it defines: copy)",
        ),
        ("instances.toml", "params = \"Copy\"", "params = \"Kopy\"", "params.h has no struct Kopy"),
        ("instances.toml", "source = \"copy.hip\"", "source = \"kopy.hip\"", "no file kopy.hip"),
        (
            "copy.hip",
            "void copy(Copy p)",
            "void copy(Copy p, int n)",
            "the kernel's arguments are [by_value of 16 bytes",
        ),
    ];
    for (file, from, to, expected) in cases {
        let folder = Folder::new();
        let text = if file == "copy.hip" { KERNEL } else { INSTANCES };
        folder.write(file, &text.replace(from, to));
        let (_, text) = message(&folder);
        assert!(text.contains(expected), "{text:?} lacks {expected:?}");
    }
    let folder = Folder::new();
    folder.write("orphan.hip", KERNEL);
    assert!(message(&folder).1.contains("no instance compiles orphan.hip"));
}

#[test]
fn an_output_folder_that_is_a_file_is_an_error_with_advice() {
    let folder = Folder::new();
    fs::write(folder.path("out"), b"").unwrap();
    let (error, text) = message(&folder);
    assert!(matches!(error, Error::NotWritable { .. }), "{error:?}");
    assert!(text.contains("CARGO_TARGET_DIR"), "{text}");
}

#[test]
fn a_full_disk_is_named_before_the_linker_dies_of_it() {
    let folder = Folder::new();
    let out = folder.path("out");
    fs::create_dir(&out).unwrap();
    let mount = |program: &str, arguments: &[&str]| {
        Command::new(program).args(arguments).arg(&out).output().is_ok_and(|o| o.status.success())
    };
    if !mount("mount", &["-t", "tmpfs", "-o", "size=4m", "none"]) {
        // libtest keeps back what `println!` writes.
        let why =
            "skipped: a_full_disk_is_named_before_the_linker_dies_of_it: only root may mount a small disk";
        return writeln!(std::io::stderr(), "{why}").expect("stderr is open");
    }
    let outcome = folder.build();
    assert!(mount("umount", &[]));
    let error = outcome.unwrap_err();
    assert!(matches!(error, Error::NotEnoughSpace { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("has 4 MB free and 16 MB are needed; free some"), "{text}");
}

#[test]
fn a_missing_kernels_folder_is_an_error() {
    let toolchain = real_toolchain();
    let compiler = Compiler { toolchain: &toolchain, jobs: 1 };
    let error = build(&compiler, Path::new("no/such/kernels"), Path::new("out")).unwrap_err();
    assert!(error.to_string().contains("cannot read no/such/kernels"), "{error}");
}

/// The line tables say the same wherever the sources and the compiler lie.
#[test]
fn a_code_object_does_not_depend_on_its_folder() {
    let [here, there] = [Folder::new(), Folder::new()].map(|folder| {
        let kernel = folder.build().unwrap().operators[0].kernels[0].compiled.clone();
        (folder, kernel)
    });
    assert_ne!(here.0.path(""), there.0.path(""));
    assert_eq!(here.1.sha256, there.1.sha256);
    let folder = here.0.path("").display().to_string();
    let text = String::from_utf8_lossy(&here.1.code_object);
    assert!(text.contains(".debug_line") && !text.contains(&folder));
}
