//! One integration binary: finding, fetching, compiling.

mod build;
mod find;
mod provision;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rocm_toolchain::{Search, Toolchain};

/// The workspace's root folder.
fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The compiler that builds of this workspace use.
fn real_toolchain() -> Toolchain {
    rocm_toolchain::find(&Search::from_env(workspace())).unwrap_or_else(|e| {
        panic!("these tests compile kernels: {e}; `cargo build` in the workspace fetches one")
    })
}

/// An executable shell script.
fn script(path: PathBuf, body: &str) -> PathBuf {
    fs::create_dir_all(path.parent().expect("a script is in a folder")).unwrap();
    fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}
