//! What can go wrong, and what to do then.

use std::io;
use std::path::PathBuf;

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that stops a run. A wrong element is not among them: it is a line of the report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The environment forbids fetching, and nothing is there.
    #[error(
        "there is no Triton in {} and MI355X_PROVISION=off forbids fetching it; unset MI355X_PROVISION, or name a \
         folder of compiled objects with --objects",
        venv.display()
    )]
    ProvisioningOff {
        /// Where the virtual environment would be.
        venv: PathBuf,
    },
    /// No Python interpreter.
    #[error(
        "cannot start {}: {source}; install Python 3.10 or later with its venv module (Debian: apt-get install \
         python3-venv), or name an interpreter with --python",
        python.display()
    )]
    NoPython {
        /// What was started.
        python: PathBuf,
        /// Why it did not.
        source: io::Error,
    },
    /// `python -m venv` failed.
    #[error("making the virtual environment {} failed: {reason}; Debian has the module in python3-venv", venv.display())]
    Venv {
        /// The environment.
        venv: PathBuf,
        /// The last lines of the program.
        reason: String,
    },
    /// pip knows no Triton for this Python or this machine.
    #[error(
        "pip has no wheel of {requirement} for this interpreter: {reason}; Triton has wheels for Linux on x86-64 and \
         aarch64 and CPython 3.10 to 3.14: name another interpreter with --python"
    )]
    NoWheel {
        /// What was asked for.
        requirement: String,
        /// The last lines of pip.
        reason: String,
    },
    /// pip failed for another reason: most often the network.
    #[error(
        "pip install {requirement} failed: {reason}; check the network and pip's index and proxy settings, then run \
         the command again"
    )]
    Pip {
        /// What was asked for.
        requirement: String,
        /// The last lines of pip.
        reason: String,
    },
    /// The script that compiles the kernels failed.
    #[error("{script} failed: {reason}", script = script.display())]
    Compile {
        /// The script.
        script: PathBuf,
        /// The last lines of Python.
        reason: String,
    },
    /// A file or folder cannot be used.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// The verb.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The manifest is not what the compile script writes.
    #[error("{}: {reason}; compile the kernels again: --recompile, without --objects", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The values of a launch do not fit the parameter list.
    #[error(
        "kernel {kernel}, parameter {parameter}: {reason}; the manifest's list and the case's must agree"
    )]
    Argument {
        /// Name of the variant.
        kernel: String,
        /// Name of the parameter.
        parameter: String,
        /// What is wrong.
        reason: String,
    },
    /// The manifest has a kernel for which there are no cases.
    #[error("kernel {kernel} has no cases; add them beside those of the other kernels")]
    NoCases {
        /// Name of the Python function.
        kernel: String,
    },
    /// HIP refused something outside a launch.
    #[error(transparent)]
    Hip(#[from] hip::Error),
}
