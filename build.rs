//! Compiles `kernels/` to gfx950 code objects and generates the registry that `src/registry.rs` includes.
//!
//! The work is in `crates/rocm-toolchain`, where it is tested; this script only connects it to Cargo.

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;

use rocm_toolchain::{
    Compiler, Error, Progress, Provisioner, Registry, Result, Search, Toolchain, build, find, provision,
};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            for line in e.to_string().lines() {
                println!("cargo::error={line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    for name in ["ROCM_PATH", "HIP_PATH", "MI355X_PROVISION", "PATH"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    for path in ["build.rs", "kernels", "tools/setup-rocm.sh"] {
        println!("cargo::rerun-if-changed={path}");
    }
    let workspace = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let out = PathBuf::from(variable("OUT_DIR"));
    let toolchain = find_or_provision(&workspace)?;
    // A compiler that is replaced in place, such as by an upgrade, shows by its driver's date.
    println!("cargo::rerun-if-changed={}", toolchain.hipcc.display());
    println!("cargo::rustc-env=MI355X_ROCM_PATH={}", toolchain.root.display());
    println!("cargo::rustc-env=MI355X_COMPILER={}", toolchain.versions());

    let jobs = env::var("NUM_JOBS").ok().and_then(|n| n.parse().ok());
    let jobs = jobs.unwrap_or_else(|| thread::available_parallelism().map_or(1, Into::into));
    let compiler = Compiler { toolchain: &toolchain, jobs };
    let built = build(&compiler, &workspace.join("kernels"), &out.join("kernels"))?;
    Registry(&built).write(&out.join("registry.rs"))
}

fn find_or_provision(workspace: &Path) -> Result<Toolchain> {
    match find(&Search::from_env(workspace)) {
        Err(Error::NotFound { .. }) => {
            let (toolchain, summary) = provision(Provisioner::new(workspace, Progress::terminal()))?;
            println!("cargo::warning={summary}");
            Ok(toolchain)
        }
        found => found,
    }
}

/// A variable that Cargo sets for every build script.
fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is unset: this program is a Cargo build script"))
}
