//! Compiles the HIP sources beside this file, for the tests and the benchmark.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Where ROCm is: `ROCM_PATH`, the workspace's own, or the usual place.
pub(crate) fn rocm() -> Option<PathBuf> {
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../.rocm");
    let places =
        [std::env::var_os("ROCM_PATH").map(PathBuf::from), Some(workspace), Some("/opt/rocm".into())];
    places.into_iter().flatten().find(|place| place.join("bin/hipcc").exists())
}

/// The gfx950 code object of `tests/kernels/<name>.hip`, written to `scratch` on the way; `None` without a
/// compiler.
pub(crate) fn compile(name: &str, scratch: &Path) -> Option<Vec<u8>> {
    compile_with(name, &[], scratch)
}

/// [`compile`] with further options for hipcc.
pub(crate) fn compile_with(name: &str, options: &[&str], scratch: &Path) -> Option<Vec<u8>> {
    let rocm = rocm()?;
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/kernels").join(format!("{name}.hip"));
    // Other processes may compile the same source.
    let target = scratch.join(format!("{name}{}-{}.co", options.concat(), std::process::id()));
    let status = Command::new(rocm.join("bin/hipcc"))
        .env("ROCM_PATH", &rocm)
        .args(["--genco", "--offload-arch=gfx950", "-O2"])
        .args(options)
        .arg("-o")
        .arg(&target)
        .arg(&source)
        .status()
        .expect("hipcc starts");
    assert!(status.success(), "hipcc failed on {}", source.display());
    let image = std::fs::read(&target).expect("hipcc wrote it");
    std::fs::remove_file(&target).expect("its own file");
    Some(image)
}
