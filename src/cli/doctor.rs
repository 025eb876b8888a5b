//! `mi355x doctor`: what is there, what is missing, what to do next.

use std::path::Path;
use std::process::Command;

use clap::Args;
use hip::{LibraryChoice, Runtime};
use serde::Serialize;

use crate::device::{DeviceChoice, OpenDevice};
use crate::error::in_one_line;
use crate::kernels::{Kernels, workspace_of};
use crate::report;
use crate::{Result, exit};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Print one JSON document instead of a table
    #[arg(long)]
    json: bool,
}

/// One part of the environment.
#[derive(Debug, Serialize)]
struct Part {
    part: &'static str,
    state: State,
    /// Whether the commands of this program need it.
    needed: bool,
    detail: String,
    /// What to do, where there is something to do.
    next: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Found,
    Missing,
    Broken,
}

pub(super) fn run(arguments: &Arguments) -> Result<u8> {
    let python = python();
    let executable = python.as_ref().ok().map(|(path, _)| path.clone());
    let parts = vec![
        kernels(),
        compiler(),
        device("virtual MI355X", DeviceChoice::Virtual, true),
        rocm_library(),
        device("ROCm device", DeviceChoice::Rocm, false),
        match python {
            Ok((path, version)) => Part::found("Python", format!("{version}, {path}")),
            Err(what) => {
                Part::missing("Python", what, "install Python 3.10 or later; only AITER and SGLang need it")
            }
        },
        module(
            "AITER",
            "aiter",
            executable.as_deref(),
            "install AITER from its repository, to compare with its kernels",
        ),
        module("SGLang", "sglang", executable.as_deref(), "pip install sglang, to run kernels in the server"),
    ];
    let well = parts.iter().all(|p| !p.needed || p.state == State::Found);
    if arguments.json {
        report::print_json("doctor", &serde_json::json!({ "parts": parts, "ready": well }))?;
    } else {
        let rows = parts.iter().map(|p| {
            let word = match p.state {
                State::Found => "found",
                State::Missing => "missing",
                State::Broken => "broken",
            };
            vec![p.part.into(), report::coloured(word, p.state == State::Found), p.detail.clone()]
        });
        let mut text = report::table(&["part", "state", "detail"], &[], rows);
        let advice: Vec<_> = parts.iter().filter_map(|p| Some((p.part, p.next.as_ref()?))).collect();
        if !advice.is_empty() {
            text += "\nwhat to do next\n";
        }
        for (part, next) in advice {
            text += &format!("  {part}: {next}\n");
        }
        text += match well {
            true => "\n`mi355x check` and `mi355x bench` work here, on the virtual device at least\n",
            false => "\n`mi355x check` cannot run here yet\n",
        };
        report::print(&text)?;
    }
    Ok(if well { exit::SUCCESS } else { exit::ENVIRONMENT })
}

fn kernels() -> Part {
    let kernels = Kernels::built_in();
    let compiler = kernels.instances.first().map_or("no compiler", |i| i.compiler.as_ref());
    let detail = format!("{} for {}, compiled by {compiler}", kernels.instances.len(), rocm_toolchain::ARCH);
    Part { needed: true, ..Part::found("built-in kernels", detail) }
}

fn compiler() -> Part {
    let workspace = workspace_of(Path::new("."));
    match rocm_toolchain::find(&rocm_toolchain::Search::from_env(&workspace)) {
        Ok(t) => Part::found(
            "HIP compiler",
            format!("{}, {}, found by {}", t.versions(), t.hipcc.display(), t.origin),
        ),
        Err(error @ rocm_toolchain::Error::NotFound { .. }) => {
            Part::missing("HIP compiler", "only --kernels and building need it", &error.to_string())
        }
        Err(error) => Part::broken("HIP compiler", "set, but unusable", error.to_string()),
    }
}

fn rocm_library() -> Part {
    match Runtime::open(&LibraryChoice::Rocm) {
        Ok(runtime) => {
            let version = runtime.version().map_or_else(|e| e.to_string(), |v| format!("version {v}"));
            Part::found("ROCm runtime library", format!("{version}, {}", runtime.library_path().display()))
        }
        Err(error @ hip::Error::NotFound(_)) => {
            Part::missing("ROCm runtime library", "no libamdhip64.so", &format!("for a real MI355X: {error}"))
        }
        Err(error) => Part::broken("ROCm runtime library", "found, but unusable", in_one_line(&error)),
    }
}

fn device(part: &'static str, choice: DeviceChoice, needed: bool) -> Part {
    let described = match OpenDevice::open(choice) {
        Ok(open) => {
            let p = &open.properties;
            Part::found(
                part,
                format!(
                    "{}, {}, {} CUs, {} GiB, {}",
                    p.name,
                    p.arch,
                    p.compute_units,
                    p.memory_bytes >> 30,
                    open.runtime.library_path().display()
                ),
            )
        }
        Err(error) => {
            let next = miette::Diagnostic::help(&error).map_or(String::new(), |h| h.to_string());
            Part::missing(part, in_one_line(&error), &next)
        }
    };
    Part { needed, ..described }
}

/// The interpreter's path and version.
fn python() -> std::result::Result<(String, String), String> {
    let script = "import sys; print(sys.executable); print('Python', sys.version.split()[0])";
    let out = Command::new("python3").args(["-c", script]).output().map_err(|e| format!("python3: {e}"))?;
    let text = String::from_utf8_lossy(&out.stdout);
    let mut lines = text.lines();
    match (lines.next(), lines.next()) {
        (Some(path), Some(version)) => Ok((path.to_owned(), version.to_owned())),
        _ => Err(format!("python3 ended with {}", out.status)),
    }
}

/// A Python package: looked for, not imported, for importing may start a GPU runtime.
fn module(part: &'static str, name: &str, python: Option<&str>, next: &str) -> Part {
    let Some(python) = python else { return Part::missing(part, "no Python to look in", next) };
    let script = "import importlib.util, importlib.metadata, sys\n\
                  spec = importlib.util.find_spec(sys.argv[1])\n\
                  if spec is None: sys.exit(3)\n\
                  try: version = importlib.metadata.version(sys.argv[1])\n\
                  except importlib.metadata.PackageNotFoundError: version = 'unknown version'\n\
                  print(version, spec.origin or list(spec.submodule_search_locations))";
    match Command::new(python).args(["-c", script, name]).output() {
        Ok(out) if out.status.success() => {
            Part::found(part, String::from_utf8_lossy(&out.stdout).trim().to_owned())
        }
        Ok(out) if out.status.code() == Some(3) => {
            Part::missing(part, format!("no package {name} in {python}"), next)
        }
        Ok(out) => {
            let stderr = String::from_utf8_lossy(&out.stderr);
            Part::broken(part, stderr.lines().last().unwrap_or("no output").to_owned(), next.to_owned())
        }
        Err(error) => Part::broken(part, format!("{python}: {error}"), next.to_owned()),
    }
}

impl Part {
    fn found(part: &'static str, detail: impl Into<String>) -> Self {
        Self { part, state: State::Found, needed: false, detail: detail.into(), next: None }
    }

    fn missing(part: &'static str, detail: impl Into<String>, next: &str) -> Self {
        let next = Some(next.to_owned());
        Self { part, state: State::Missing, needed: false, detail: detail.into(), next }
    }

    fn broken(part: &'static str, detail: impl Into<String>, next: String) -> Self {
        Self { part, state: State::Broken, needed: false, detail: detail.into(), next: Some(next) }
    }
}
