//! The part of a command line that all peers have.

use std::path::PathBuf;
use std::process::ExitCode;

use hip::{Device, LibraryChoice};

/// The device and the inputs of a run.
#[derive(Debug, Clone, clap::Args)]
pub struct Session {
    /// Seed of the inputs.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Uses ROCm's runtime instead of the virtual MI355X.
    #[arg(long, conflicts_with = "library")]
    rocm: bool,
    /// Uses the HIP runtime in this file.
    #[arg(long)]
    library: Option<PathBuf>,
}

impl Session {
    /// The HIP library that was asked for.
    pub fn library(&self) -> LibraryChoice {
        match (&self.library, self.rocm) {
            (Some(path), _) => LibraryChoice::Path(path.clone()),
            (None, true) => LibraryChoice::Rocm,
            (None, false) => LibraryChoice::Virtual,
        }
    }

    /// The device and its runtime, for the head of a report. Says on standard error where the runtime is.
    ///
    /// # Errors
    /// HIP's.
    pub fn announce(device: &Device) -> hip::Result<String> {
        let runtime = device.runtime();
        let name = format!("{}, {} runtime", device.properties()?.name, runtime.kind());
        eprintln!("{name} on {}", runtime.library_path().display());
        Ok(name)
    }
}

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All is as it should be: 0.
    Right,
    /// A kernel is not: 1.
    Wrong,
    /// There is nothing of the peer to run: 3.
    NoPeer,
    /// No device, or the peer's files are not what they should be: 4.
    Broken,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Right => Self::from(0),
            Exit::Wrong => Self::from(1),
            Exit::NoPeer => Self::from(3),
            Exit::Broken => Self::from(4),
        }
    }
}
