//! One opened HIP runtime library.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use libloading::os::unix;

use crate::image::{self, ImageError};
use crate::{HipApi, VhipApi};

/// A HIP runtime library that is open in this process.
///
/// The library stays mapped until the process ends, even after this value is dropped: a HIP runtime
/// owns threads that would otherwise run unmapped code.
pub struct HipLibrary {
    path: PathBuf,
    api: HipApi,
    extension: VhipApi,
}

impl HipLibrary {
    /// Opens the library at `path` and looks up every function the bindings know.
    ///
    /// The path is made absolute with its symbolic links resolved before it is opened, so that
    /// [`path`](Self::path) names the very file that runs. A bare name is never given to the loader:
    /// its search path would decide which runtime answers, and Cargo puts its own target folder on it.
    ///
    /// # Errors
    /// [`OpenError::Unreadable`] when there is no file to read, [`OpenError::BadFile`] when it is no ELF
    /// file or cut short, [`OpenError::Load`] with the loader's own words when it refuses it, and [`OpenError::NotHip`] when it
    /// loads but has none of HIP's functions.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let resolved =
            path.canonicalize().map_err(|source| OpenError::Unreadable { path: path.to_owned(), source })?;
        let data =
            fs::read(&resolved).map_err(|source| OpenError::Unreadable { path: resolved.clone(), source })?;
        image::check_elf(&data).map_err(|problem| OpenError::BadFile { path: resolved.clone(), problem })?;
        drop(data);
        let load = |source| OpenError::Load { path: resolved.clone(), source };
        // SAFETY: loading runs the library's initialisers. The path is absolute and was chosen by the
        // caller as a HIP runtime, whose initialisers have no precondition. RTLD_NODELETE keeps the
        // code mapped, so no function pointer taken from it can dangle.
        let library = unsafe {
            unix::Library::open(Some(&resolved), libc::RTLD_NOW | libc::RTLD_LOCAL | libc::RTLD_NODELETE)
        }
        .map_err(load)?;
        // SAFETY: the extension's symbols have the C signatures of `VhipApi`, which is the contract
        // of every library that exports a `vhip*` name.
        let extension = unsafe { VhipApi::load(&library) };
        // SAFETY: the generated signatures are those of HIP's headers, whose C ABI a library that
        // exports `hip*` names promises.
        let api = unsafe { HipApi::from_library(library) }.map_err(load)?;
        if api.hipGetDeviceCount.is_err() && api.hipMalloc.is_err() && api.hipModuleLaunchKernel.is_err() {
            return Err(OpenError::NotHip { path: resolved });
        }
        Ok(Self { path: resolved, api, extension })
    }

    /// The file that is mapped: absolute, symbolic links resolved.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// HIP's functions, each a `Result`. [`hip_call!`](crate::hip_call) is the convenient way in.
    pub fn api(&self) -> &HipApi {
        &self.api
    }

    /// The virtual runtime's extra functions; on ROCm's library all of them are absent.
    pub fn extension(&self) -> &VhipApi {
        &self.extension
    }

    /// The function in a field of [`HipApi`], or an error that names it and this library.
    pub fn function<F: Copy>(
        &self,
        symbol: &'static str,
        field: &Result<F, libloading::Error>,
    ) -> Result<F, MissingSymbol> {
        field.as_ref().copied().map_err(|_| MissingSymbol { symbol, library: self.path.clone() })
    }
}

impl fmt::Debug for HipLibrary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HipLibrary").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Calls a HIP function of an open [`HipLibrary`]: `hip_call!(library, hipInit(0))`.
///
/// Evaluates to `Result<hipError_t, MissingSymbol>` (or the function's other return type). Must stand
/// in an `unsafe` block: the arguments are the caller's responsibility.
#[macro_export]
macro_rules! hip_call {
    ($library:expr, $name:ident($($argument:expr),* $(,)?)) => {{
        let library: &$crate::HipLibrary = $library;
        match library.function(stringify!($name), &library.api().$name) {
            Ok(function) => Ok(function($($argument),*)),
            Err(missing) => Err(missing),
        }
    }};
}

/// The library has no function of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the HIP library {} has no symbol {symbol}; it is older than this call, or not a full HIP runtime", library.display())]
pub struct MissingSymbol {
    /// The C name of the function.
    pub symbol: &'static str,
    /// The library that was asked.
    pub library: PathBuf,
}

/// Why a library could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The path does not lead to a file that can be read.
    #[error("reading the HIP library {} failed", path.display())]
    Unreadable {
        /// The path as it was given.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// The file is not a library, or cut short; the loader would end the process on such a file.
    #[error("the HIP library {} {problem}", path.display())]
    BadFile {
        /// The resolved path.
        path: PathBuf,
        /// What its headers say.
        problem: ImageError,
    },
    /// The loader refused the file.
    #[error("loading the HIP library {} failed", path.display())]
    Load {
        /// The resolved path.
        path: PathBuf,
        /// The loader's reason: a missing dependency, a foreign machine.
        source: libloading::Error,
    },
    /// The file is a library, but not HIP's.
    #[error("{} is a library without HIP's functions; name a libamdhip64.so or the virtual runtime", path.display())]
    NotHip {
        /// The resolved path.
        path: PathBuf,
    },
}
