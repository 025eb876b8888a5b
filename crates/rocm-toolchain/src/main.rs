//! `rocm-toolchain find|provision`: the two steps of a build script by hand, for CI and for trouble-shooting.

use std::env;
use std::path::Path;
use std::process::ExitCode;

use rocm_toolchain::{Progress, Provisioner, Result, Search, Toolchain, find, provision};

const USAGE: &str = "usage: rocm-toolchain find       print the HIP compiler that a build here would use
       rocm-toolchain provision  fetch one into ./.rocm (Debian 12, no root)";

fn main() -> ExitCode {
    let done = match env::args().nth(1).as_deref() {
        Some("find") => find(&Search::from_env(Path::new(&here()))),
        Some("provision") => fetch(),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(found) => {
            println!("{}  {}  found by {}", found.root.display(), found.versions(), found.origin);
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}

fn fetch() -> Result<Toolchain> {
    let (toolchain, summary) = provision(Provisioner::new(Path::new(&here()), Progress::Stderr))?;
    eprintln!("{summary}");
    Ok(toolchain)
}

fn here() -> std::ffi::OsString {
    env::current_dir().map_or_else(|_| ".".into(), Into::into)
}
