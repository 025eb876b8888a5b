//! Compiles the kernels with Triton and compares what they compute with f64 references.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use peers::{Exit, Session};
use triton_peer::{Error, Installation, Lab, Manifest, OBJECTS_VARIABLE, Outcome, Result, compile};

/// Runs kernels that Triton compiled for gfx950 on a device and compares them with f64 references.
///
/// Makes a virtual environment with Triton under the target folder when there is none (about 1.1 GB), unless
/// MI355X_PROVISION=off. Exit codes: 0 all within bounds, 1 something is not, 2 usage, 3 no Triton, 4 no device.
#[derive(Parser)]
#[command(name = "triton-peer")]
struct Arguments {
    /// Runs the objects of this folder instead of compiling.
    #[arg(long, env = OBJECTS_VARIABLE)]
    objects: Option<PathBuf>,
    /// Compiles again although the objects are there.
    #[arg(long, conflicts_with = "objects")]
    recompile: bool,
    /// The interpreter that makes the virtual environment.
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// Only kernels whose name contains this.
    #[arg(long, default_value = "")]
    kernel: String,
    #[command(flatten)]
    session: Session,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => Exit::Right.into(),
        Ok(false) => Exit::Wrong.into(),
        Err(error) => {
            eprintln!("triton-peer: {error}");
            match error {
                Error::ProvisioningOff { .. }
                | Error::NoPython { .. }
                | Error::Venv { .. }
                | Error::NoWheel { .. }
                | Error::Pip { .. }
                | Error::Compile { .. } => Exit::NoPeer.into(),
                _ => Exit::Broken.into(),
            }
        }
    }
}

/// Whether everything was right.
fn run(arguments: &Arguments) -> Result<bool> {
    let manifest = match arguments.objects.as_deref() {
        Some(folder) if !["", "install"].map(Path::new).contains(&folder) => Manifest::read(folder)?,
        _ => compiled(arguments)?,
    };
    let mut lab = Lab::new(arguments.session.library(), arguments.session.seed)?;
    Session::announce(lab.device())?;
    eprintln!("{} kernels of Triton {}", manifest.kernels.len(), manifest.triton);
    lab.only(&arguments.kernel);
    let report = lab.run(&manifest, |line| eprintln!("{line}"))?;
    println!("{}", report.table());
    let cases = report.lines.len();
    let failures = report.failures().count();
    let faults = report.failures().filter(|line| matches!(line.outcome, Outcome::Failed { .. })).count();
    println!("{cases} cases: {} right, {} wrong, {faults} failed", cases - failures, failures - faults);
    Ok(failures == 0 && cases > 0)
}

/// The kernels, compiled now when they are not.
fn compiled(arguments: &Arguments) -> Result<Manifest> {
    let target = Installation::target_folder();
    let mut progress = |line: &str| eprintln!("triton-peer: {line}");
    let objects = target.join("triton-objects");
    if !arguments.recompile
        && let Ok(manifest) = Manifest::read(&objects)
        && manifest.is_current()
    {
        return Ok(manifest);
    }
    let installation = Installation::ensure(&target.join("triton-venv"), &arguments.python, &mut progress)?;
    compile(&installation, &objects, &mut progress)
}
