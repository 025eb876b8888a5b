//! What can go wrong, each with what to do next.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A failure of finding, fetching or running the compiler, or of a kernel itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No candidate holds a `hipcc`.
    #[error(
        "no HIP compiler found (looked at {}); install ROCm, or set ROCM_PATH to the folder that holds bin/hipcc, \
         or on Debian 12 run `sh tools/setup-rocm.sh .rocm` (no root, 117 MB)",
        .looked_at.join(", ")
    )]
    NotFound {
        /// Every place that was looked at, in order.
        looked_at: Vec<String>,
    },
    /// A place that the user named holds no `hipcc`.
    #[error("{origin} names {}, which has no executable bin/hipcc; correct it or unset it", .root.display())]
    BrokenChoice {
        /// The variable or argument.
        origin: String,
        /// Its value.
        root: PathBuf,
    },
    /// A `hipcc` is there but does not report a version.
    #[error("{} --version {what}; reinstall that ROCm or name another by ROCM_PATH", .hipcc.display())]
    Probe {
        /// The program that was run.
        hipcc: PathBuf,
        /// How it failed, with its output.
        what: String,
    },
    /// No compiler, and fetching one is switched off.
    #[error(
        "no HIP compiler found and MI355X_PROVISION=off forbids fetching one; unset MI355X_PROVISION, or install ROCm, \
         or set ROCM_PATH"
    )]
    ProvisioningOff,
    /// No compiler, and this system is not one that a compiler can be fetched for.
    #[error(
        "no HIP compiler found, and one can be fetched for Debian 12 on x86-64 only (this is {system}); install ROCm 6.4 or \
         later from AMD's repository for this system, or set ROCM_PATH to an existing one"
    )]
    UnsupportedSystem {
        /// Name and version of this system.
        system: String,
    },
    /// The setup script is not where it belongs.
    #[error("{} is missing; restore it from version control, or set ROCM_PATH", .script.display())]
    ScriptMissing {
        /// Where it was expected.
        script: PathBuf,
    },
    /// The folder's name would fall apart in a shell.
    #[error(
        "no compiler can be put into {}: hipcc does not quote its own path, and this one holds {character:?}; move the \
         workspace to a path of letters, digits and ./_+-, or set ROCM_PATH to a compiler elsewhere",
        .prefix.display()
    )]
    UnquotablePrefix {
        /// The folder.
        prefix: PathBuf,
        /// The first character that does not do.
        character: char,
    },
    /// The setup script failed.
    #[error(
        "{script} failed after {seconds:.0} s: {last_line}; the whole output is in {}; when it is a network failure, \
         run the build again, else set ROCM_PATH to an existing ROCm",
        .log.display()
    )]
    ProvisioningFailed {
        /// The command.
        script: String,
        /// How long it ran.
        seconds: f64,
        /// The script's last progress line.
        last_line: String,
        /// Its whole output.
        log: PathBuf,
    },
    /// A folder that must be written cannot be.
    #[error("cannot write {}: {source}; make it writable, or point CARGO_TARGET_DIR (for build output) or ROCM_PATH \
             (for the compiler) elsewhere", .path.display())]
    NotWritable {
        /// The folder or file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The disk is full, or would be.
    #[error("{} has {available_mb} MB free and {needed_mb} MB are needed; free some, or point CARGO_TARGET_DIR (for build \
             output), TMPDIR (for intermediate files) or ROCM_PATH (for the compiler) elsewhere", .path.display())]
    NotEnoughSpace {
        /// A folder on that disk.
        path: PathBuf,
        /// Megabytes needed.
        needed_mb: u64,
        /// Megabytes free.
        available_mb: u64,
    },
    /// A file cannot be read, or a program cannot be started.
    #[error("cannot {what} {}: {source}", .path.display())]
    Io {
        /// What was tried, as a verb.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Kernels do not compile. Shows the compiler's own messages.
    #[error("{}", several(.0))]
    Compile(
        /// One entry per instance.
        Vec<CompileFailure>,
    ),
    /// Kernels compile but spill or run too few waves.
    #[error("{}", several(.0))]
    Gate(
        /// One entry per instance.
        Vec<GateFailure>,
    ),
    /// An `instances.toml` is wrong.
    #[error("{}: {what}", .file.display())]
    Instances {
        /// The file.
        file: PathBuf,
        /// What is wrong, with the line where known.
        what: String,
    },
    /// A `params.h` is outside the grammar that is shared with Rust.
    #[error("{}:{line}: {what}", .file.display())]
    Params {
        /// The file.
        file: PathBuf,
        /// One-based.
        line: usize,
        /// What is wrong and what is accepted.
        what: String,
    },
    /// A kernel's argument differs from the struct that its instance names.
    #[error("{kernel}: {what}; kernels take exactly one argument, the struct of params.h by value")]
    Arguments {
        /// `op/instance`.
        kernel: String,
        /// Both sizes.
        what: String,
    },
    /// A code object lacks the kernel that its instance names.
    #[error("{kernel}: {} defines no kernel \"{symbol}\" (it defines: {found}); is it extern \"C\"?", .file.display())]
    NoSymbol {
        /// `op/instance`.
        kernel: String,
        /// The name that was looked for.
        symbol: String,
        /// The `.hip` file.
        file: PathBuf,
        /// The names that are there.
        found: String,
    },
    /// A code object cannot be read.
    #[error("unreadable code object: {0}")]
    CodeObject(
        /// What is wrong with it.
        String,
    ),
}

impl Error {
    /// A failed write to `path`, as the error that says what to do about it.
    pub(crate) fn write(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::NotEnoughSpace { path: path.into(), needed_mb: 1, available_mb: 0 }
            }
            _ => Self::NotWritable { path: path.into(), source },
        }
    }

    /// A failed read of `path`.
    pub(crate) fn read(path: &Path, source: io::Error) -> Self {
        Self::Io { what: "read", path: path.into(), source }
    }
}

/// One instance that does not compile.
#[derive(Debug)]
pub struct CompileFailure {
    /// `op/instance`.
    pub kernel: String,
    /// The `.hip` file.
    pub source: PathBuf,
    /// The whole command, to run it by hand.
    pub command: String,
    /// What the compiler wrote, unaltered.
    pub stderr: String,
}

impl fmt::Display for CompileFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} does not compile ({}):\n{}\n  command: {}",
            self.kernel,
            self.source.display(),
            self.stderr.trim_end(),
            self.command
        )
    }
}

/// One kernel that uses more than its instance declares.
#[derive(Debug)]
pub struct GateFailure {
    /// `op/instance`.
    pub kernel: String,
    /// The `.hip` file.
    pub source: PathBuf,
    /// The numbers, and the key that would permit them.
    pub what: String,
}

impl fmt::Display for GateFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.kernel, self.source.display(), self.what)
    }
}

fn several<T: fmt::Display>(all: &[T]) -> String {
    all.iter().map(T::to_string).collect::<Vec<_>>().join("\n")
}
