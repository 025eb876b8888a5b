//! What can go wrong, each time with the call, its operands and the library.

use std::fmt;
use std::path::PathBuf;

use hip_sys::{LibraryNotFound, MissingSymbol, OpenError, hipError_t};

use crate::DeviceFault;

/// The result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the safe layer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No runtime library at the places where it may lie.
    #[error(transparent)]
    NotFound(#[from] LibraryNotFound),
    /// The runtime library could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The runtime library lacks the function.
    #[error(transparent)]
    MissingSymbol(#[from] MissingSymbol),
    /// HIP answered with an error status.
    #[error(transparent)]
    Call(#[from] Box<CallError>),
    /// The operands were refused before HIP was called.
    #[error("{call} was not called: {reason}")]
    Argument {
        /// The HIP function, or the operation of this crate, that would have run.
        call: &'static str,
        /// What is wrong with which operand.
        reason: String,
    },
    /// A file with a code object could not be read.
    #[error("reading the code object {} failed", path.display())]
    ReadCodeObject {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// The virtual runtime refused a setting, or the runtime is not a virtual one.
    #[error("setting {key} = {value} on {} failed: {reason}", library.display())]
    Setting {
        /// The setting.
        key: String,
        /// Its refused value.
        value: String,
        /// Why.
        reason: &'static str,
        /// The runtime library.
        library: PathBuf,
    },
    /// The library names itself virtual, but its `vhip*` text cannot be read.
    #[error("{function} of {} gave text that cannot be read: {reason}", library.display())]
    Extension {
        /// The extension function.
        function: &'static str,
        /// The parser's reason.
        reason: String,
        /// The runtime library.
        library: PathBuf,
    },
    /// An object could not be released when it was dropped; reported by the first call afterwards,
    /// which was not carried out.
    #[error("{count} earlier release(s) failed, the first: {first}")]
    Deferred {
        /// How many releases failed since the last report.
        count: usize,
        /// The first of them.
        #[source]
        first: Box<Error>,
    },
}

impl Error {
    /// HIP's status, when HIP was reached.
    pub fn code(&self) -> Option<hipError_t> {
        match self {
            Error::Call(error) => Some(error.code),
            Error::Deferred { first, .. } => first.code(),
            _ => None,
        }
    }

    /// The virtual device's report of the kernel that was stopped, when that is what happened.
    pub fn fault(&self) -> Option<&DeviceFault> {
        match self {
            Error::Call(error) => error.fault.as_deref(),
            Error::Deferred { first, .. } => first.fault(),
            _ => None,
        }
    }
}

/// An error status from HIP.
#[derive(Debug, Clone)]
pub struct CallError {
    /// The C name of the function.
    pub call: &'static str,
    /// The operands that decide its outcome, `name = value, …`.
    pub operands: String,
    /// The status.
    pub code: hipError_t,
    /// HIP's name of the status, such as `hipErrorOutOfMemory`.
    pub name: String,
    /// HIP's sentence about the status.
    pub text: String,
    /// The library that answered.
    pub library: PathBuf,
    /// On the virtual device: the kernel that was stopped.
    pub fault: Option<Box<DeviceFault>>,
}

impl std::error::Error for CallError {}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, operands, code, name, text, library, fault } = self;
        write!(f, "{call}({operands}) failed: {name} ({}): {text}; library {}", code.0, library.display())?;
        if let Some(fault) = fault {
            write!(f, "; device fault: {fault}")?;
        }
        Ok(())
    }
}

/// Whether a status may stem from a kernel that the device stopped, now or earlier.
///
/// The statuses are HIP's asynchronous ones; any other status is about the call itself, and an old
/// fault must not be blamed for it.
pub(crate) fn may_stem_from_a_kernel(code: hipError_t) -> bool {
    matches!(
        code,
        hipError_t::hipErrorIllegalAddress
            | hipError_t::hipErrorLaunchTimeOut
            | hipError_t::hipErrorAssert
            | hipError_t::hipErrorLaunchFailure
            | hipError_t::hipErrorUnknown
    )
}
