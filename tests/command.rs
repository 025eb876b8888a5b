//! Running `mi355x` and looking at what it did.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The program, with nothing of the caller's environment that would change what it does.
pub(crate) struct Mi355x {
    command: Command,
}

/// What a run left.
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Mi355x {
    pub(crate) fn new(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mi355x"));
        command.args(arguments);
        for name in [
            "MI355X_CACHE",
            "MI355X_DEVICE",
            "MI355X_HIP_LIBRARY",
            "MI355X_PROVISION",
            "MI355X_RUNS",
            "ROCM_PATH",
            "HIP_PATH",
            "NO_COLOR",
        ] {
            command.env_remove(name);
        }
        Self { command }
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn current_dir(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    pub(crate) fn run(mut self) -> Outcome {
        let out = self.command.output().expect("the program starts");
        Outcome {
            code: out.status.code().expect("the program ends by itself"),
            stdout: String::from_utf8(out.stdout).expect("UTF-8"),
            stderr: String::from_utf8(out.stderr).expect("UTF-8"),
        }
    }
}

impl Outcome {
    /// Fails with everything that the program said unless it ended with `code`.
    #[track_caller]
    pub(crate) fn expect(self, code: u8) -> Self {
        let Self { code: found, stdout, stderr } = &self;
        assert_eq!(*found, i32::from(code), "exit code; stdout:\n{stdout}\nstderr:\n{stderr}");
        self
    }

    /// The `--json` document.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e} in\n{}", self.stdout))
    }
}

/// The kernels folder of the deliberate mistakes.
pub(crate) fn broken() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken")
}
