//! What ends a command early, each with its exit code and what to do next.

use std::fmt;
use std::io;
use std::path::PathBuf;

use miette::Diagnostic;

use crate::exit;

/// Results of the harness.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of the command line, the environment or the device; bugs panic instead.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No kernel matches the filters.
    #[error("no kernel matches {}; {available} are available", .filters.join(", "))]
    NoMatch {
        /// The filters, as given.
        filters: Vec<String>,
        /// Kernels in the catalogue.
        available: usize,
    },
    /// A code object can replace that of one kernel only.
    #[error("--code-object replaces the code of one kernel, but {count} match the filters")]
    NotOneKernel {
        /// Kernels that match.
        count: usize,
    },
    /// A verb that works on one kernel was given several.
    #[error("one kernel is explained at a time, but {count} match")]
    ManyKernels {
        /// Kernels that match.
        count: usize,
    },
    /// An option's value cannot be used.
    #[error("{option} {value}: {reason}")]
    Option {
        /// The option.
        option: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A kernel does not take operands of this size.
    #[error("{kernel} does not take {operands}: {reason}")]
    Shape {
        /// `op/instance`.
        kernel: String,
        /// The operands' size.
        operands: String,
        /// What it takes.
        reason: String,
    },
    /// The compiler is missing or broken.
    #[error(transparent)]
    Toolchain(rocm_toolchain::Error),
    /// Kernels do not build.
    #[error(transparent)]
    Kernels(rocm_toolchain::Error),
    /// An argument struct differs from the one that this program was built with.
    #[error("{struct_name} of {} {what}", .file.display())]
    Layout {
        /// The struct.
        struct_name: String,
        /// The `params.h`.
        file: PathBuf,
        /// How it differs.
        what: String,
    },
    /// A kernel's declaration lacks something that the harness needs to launch it.
    #[error("{kernel}: {what}")]
    Declaration {
        /// `op/instance`.
        kernel: String,
        /// What is missing or wrong.
        what: String,
    },
    /// A `contract.toml` cannot be read.
    #[error("contract.toml of {op}: {reason}")]
    Contract {
        /// The operator.
        op: String,
        /// The parser's reason.
        reason: String,
    },
    /// A file cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A code object is cut short or something else.
    #[error("{} is no usable code object: {reason}", .path.display())]
    CodeObject {
        /// The file.
        path: PathBuf,
        /// What its headers say.
        reason: String,
    },
    /// No runtime library of that kind can be opened, or it lacks a function.
    #[error("the {kind} runtime cannot be used")]
    Runtime {
        /// `virtual` or `rocm`.
        kind: &'static str,
        /// Why.
        source: hip::Error,
    },
    /// The runtime works but has no MI355X.
    #[error("no MI355X: {} has {found}", .library.display())]
    NoDevice {
        /// The runtime library.
        library: PathBuf,
        /// What it has instead.
        found: String,
    },
    /// A virtual runtime that says nothing about time.
    #[error("{} gives no modelled times", .library.display())]
    NoModel {
        /// The runtime library.
        library: PathBuf,
    },
    /// A call to the device failed for a reason that is not the kernel's.
    #[error(transparent)]
    Device(#[from] hip::Error),
    /// A run's results cannot be stored.
    #[error("cannot write {}", .path.display())]
    Store {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The leaderboard flow.
    #[error(transparent)]
    Flow(#[from] crate::e2e::Error),
    /// Standard output is closed or full.
    #[error("cannot write the results")]
    Output(
        /// The system's reason.
        #[source]
        io::Error,
    ),
}

impl Error {
    /// The process's exit code.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoMatch { .. }
            | Self::NotOneKernel { .. }
            | Self::ManyKernels { .. }
            | Self::Option { .. }
            | Self::Shape { .. } => exit::USAGE,
            Self::Toolchain(_) | Self::Runtime { .. } | Self::Read { .. } | Self::NoModel { .. } => {
                exit::ENVIRONMENT
            }
            Self::Kernels(_)
            | Self::Layout { .. }
            | Self::Declaration { .. }
            | Self::Contract { .. }
            | Self::CodeObject { .. } => exit::KERNELS,
            Self::NoDevice { .. } => exit::NO_DEVICE,
            Self::Device(_) => exit::DEVICE,
            Self::Store { .. } | Self::Output(_) => exit::STORE,
            Self::Flow(error) => error.exit_code(),
        }
    }

    /// What to do next; nothing for errors that say so themselves.
    fn advice(&self) -> Option<&'static str> {
        Some(match self {
            Self::NoMatch { .. } => {
                "a filter is part of a kernel's name, such as `quant/mxfp4_bf16`; `mi355x ops` lists them all"
            }
            Self::NotOneKernel { .. } | Self::ManyKernels { .. } => {
                "give the whole name of one kernel, such as `quant/mxfp4_bf16_even_raw`; \
                 `mi355x ops` lists them"
            }
            Self::Option { .. } => "see `mi355x help`",
            Self::Shape { .. } => "choose another --shape",
            Self::Layout { .. } => {
                "the host fills this struct: change kernels/<op>/params.h of the source tree and \
                 rebuild the program"
            }
            Self::Declaration { .. } => {
                "correct the entry in instances.toml; kernels/quant/instances.toml explains the definitions"
            }
            Self::Contract { .. } => "correct the file; kernels/quant/contract.toml is the model",
            Self::CodeObject { .. } => {
                "compile it again with `hipcc --genco --no-gpu-bundle-output --offload-arch=gfx950`"
            }
            Self::Read { .. } => "check the path and its permissions",
            Self::Runtime { kind: "virtual", .. } => {
                "build it with `cargo build --release -p mi355x`, or set MI355X_VHIP_LIBRARY to its libvhip.so"
            }
            Self::NoModel { .. } => {
                "build the library that belongs to this program: `cargo build --release -p mi355x`"
            }
            Self::Runtime { .. } => {
                "install ROCm 6.4 or later, or set ROCM_PATH or MI355X_HIP_LIBRARY to it; \
                 `--device virtual` needs neither"
            }
            Self::NoDevice { .. } => {
                "run where `rocminfo` lists gfx950, or use `--device virtual`; \
                 `mi355x doctor` shows what was found"
            }
            Self::Store { source, .. } if is_full(source) => {
                "free some space, or choose another folder with --runs; what was stored before is intact"
            }
            Self::Store { .. } => "make the folder writable, or choose another with --runs",
            Self::Device(error) if error.fault().is_some() => {
                "a kernel was stopped; `mi355x check` shows on which operands"
            }
            Self::Device(_) => "`mi355x doctor` shows the runtime and its device",
            Self::Output(_) => "send the results elsewhere; the run's folder has a copy of them",
            Self::Flow(error) => return error.advice(),
            Self::Toolchain(_) | Self::Kernels(_) => return None,
        })
    }
}

impl Diagnostic for Error {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.advice().map(|advice| Box::new(advice) as Box<dyn fmt::Display>)
    }
}

impl From<rocm_toolchain::Error> for Error {
    /// Sorts what is the kernels' fault from what is the compiler's or the machine's.
    fn from(error: rocm_toolchain::Error) -> Self {
        use rocm_toolchain::Error as E;
        match error {
            E::Compile(_)
            | E::Gate(_)
            | E::Instances { .. }
            | E::Params { .. }
            | E::Arguments { .. }
            | E::NoSymbol { .. }
            | E::CodeObject(_) => Self::Kernels(error),
            other => Self::Toolchain(other),
        }
    }
}

/// An error and its causes in one line, for tables and notes.
#[must_use]
pub fn in_one_line(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

/// Whether a write failed for want of space.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}
