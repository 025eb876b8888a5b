//! Opening a HIP runtime, and what it says about itself.

use std::ffi::CString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hip_sys::{HipLibrary, find_rocm, find_virtual};

use crate::context::{Context, call, static_text};
use crate::{Device, DeviceFault, Error, Result};

/// Which library to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LibraryChoice {
    /// The virtual MI355X: `$MI355X_VHIP_LIBRARY`, else the `libvhip.so` that Cargo built beside
    /// the running executable.
    Virtual,
    /// ROCm's runtime: `$MI355X_HIP_LIBRARY`, else `$ROCM_PATH/lib`, else `/opt/rocm/lib`.
    Rocm,
    /// The library at this path, of whichever kind it turns out to be.
    Path(PathBuf),
}

/// What executes the kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RuntimeKind {
    /// The virtual MI355X: times are modelled.
    Virtual,
    /// ROCm on a GPU: times are measured.
    Rocm,
}

impl fmt::Display for RuntimeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RuntimeKind::Virtual => "virtual",
            RuntimeKind::Rocm => "rocm",
        })
    }
}

/// An open HIP runtime; clones are handles to the same one.
#[derive(Debug, Clone)]
pub struct Runtime {
    context: Arc<Context>,
}

impl Runtime {
    /// Finds and opens the library.
    ///
    /// The kind is decided by the library itself, not by the choice: a library that identifies
    /// itself by `vhipInfo` is virtual wherever it was found.
    ///
    /// # Errors
    /// [`Error::NotFound`], or [`Error::Open`] when the file is not a usable HIP library.
    pub fn open(choice: &LibraryChoice) -> Result<Self> {
        let path = match choice {
            LibraryChoice::Virtual => find_virtual()?,
            LibraryChoice::Rocm => find_rocm()?,
            LibraryChoice::Path(path) => path.clone(),
        };
        let library = HipLibrary::open(&path)?;
        Ok(Self { context: Arc::new(Context::new(library)) })
    }

    /// Whether times from this runtime are modelled or measured.
    pub fn kind(&self) -> RuntimeKind {
        if self.context.library().extension().is_virtual() { RuntimeKind::Virtual } else { RuntimeKind::Rocm }
    }

    /// The library's file: absolute, symbolic links resolved. Belongs in every record of a result.
    pub fn library_path(&self) -> &Path {
        self.context.library().path()
    }

    /// The runtime's version.
    ///
    /// # Errors
    /// The status of `hipRuntimeGetVersion`.
    pub fn version(&self) -> Result<RuntimeVersion> {
        let mut version = 0;
        // SAFETY: the out-pointer is valid for one int.
        unsafe { call!(self.context, hipRuntimeGetVersion(&mut version), "") }?;
        Ok(RuntimeVersion(version))
    }

    /// Number of devices. Zero is an answer: a runtime that says `hipErrorNoDevice` has none.
    ///
    /// # Errors
    /// Any other status of `hipGetDeviceCount`.
    pub fn device_count(&self) -> Result<u32> {
        let mut count = 0;
        // SAFETY: the out-pointer is valid for one int.
        match unsafe { call!(self.context, hipGetDeviceCount(&mut count), "") } {
            Ok(()) => Ok(u32::try_from(count).unwrap_or(0)),
            Err(error) if error.code() == Some(hip_sys::hipError_t::hipErrorNoDevice) => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// The device with this ordinal, from 0.
    ///
    /// # Errors
    /// [`Error::Argument`] when the runtime has no such device.
    pub fn device(&self, ordinal: u32) -> Result<Device> {
        let count = self.device_count()?;
        if ordinal >= count {
            return Err(Error::Argument {
                call: "hipSetDevice",
                reason: format!(
                    "device {ordinal} does not exist, {} has {count} device(s)",
                    self.library_path().display()
                ),
            });
        }
        Ok(Device::new(Arc::clone(&self.context), ordinal))
    }

    /// All devices, in the order of their ordinals.
    ///
    /// # Errors
    /// Those of [`device_count`](Self::device_count).
    pub fn devices(&self) -> Result<Vec<Device>> {
        let count = self.device_count()?;
        Ok((0..count).map(|ordinal| Device::new(Arc::clone(&self.context), ordinal)).collect())
    }

    /// Resets a device: its memory, modules and streams are gone, and so is the fault that made it
    /// refuse all work. The virtual device is usable again after it; a GPU may not be.
    ///
    /// # Errors
    /// [`Error::Argument`] while anything made from this runtime is alive, for it would be left
    /// dangling; else the status of `hipDeviceReset`.
    pub fn reset_device(&mut self, ordinal: u32) -> Result<()> {
        // Objects that could not be released because of the fault are gone with it.
        let _ = self.context.report_failed_releases();
        if Arc::get_mut(&mut self.context).is_none() {
            return Err(Error::Argument {
                call: "hipDeviceReset",
                reason: format!("objects of {} are still in use", self.library_path().display()),
            });
        }
        self.device(ordinal)?.make_current()?;
        // SAFETY: the call takes nothing, and no handle of ours is left that it could invalidate.
        unsafe { call!(self.context, hipDeviceReset(), "device = {ordinal}") }
    }

    /// How the virtual device identifies itself; `None` on ROCm.
    ///
    /// # Errors
    /// [`Error::Extension`] when the text is not JSON.
    pub fn virtual_info(&self) -> Result<Option<serde_json::Value>> {
        let Some(function) = self.context.library().extension().info else { return Ok(None) };
        // SAFETY: the function takes nothing and returns text that lives as long as the process.
        let text = static_text(unsafe { function() });
        self.parse("vhipInfo", text)
    }

    /// The virtual device's counters of the last launch; `None` on ROCm and before any launch.
    ///
    /// # Errors
    /// [`Error::Extension`] when the text is not JSON.
    pub fn last_report(&self) -> Result<Option<serde_json::Value>> {
        let Some(function) = self.context.library().extension().report else { return Ok(None) };
        self.parse("vhipReport", self.context.extension_text(function))
    }

    /// The last kernel that the virtual device stopped; `None` on ROCm and when none was.
    ///
    /// Errors of this crate carry the fault already, see [`Error::fault`].
    pub fn last_fault(&self) -> Option<DeviceFault> {
        self.context.last_fault()
    }

    /// Changes a setting of the virtual device.
    ///
    /// # Errors
    /// [`Error::Setting`] on ROCm, and when the virtual runtime refuses the key or the value.
    pub fn set_option(&self, key: &str, value: &str) -> Result<()> {
        let refuse = |reason| {
            Err(Error::Setting {
                key: key.to_owned(),
                value: value.to_owned(),
                reason,
                library: self.library_path().to_owned(),
            })
        };
        let Some(function) = self.context.library().extension().set_option else {
            return refuse("only the virtual runtime has settings");
        };
        let (Ok(c_key), Ok(c_value)) = (CString::new(key), CString::new(value)) else {
            return refuse("a NUL byte cannot be passed on");
        };
        // SAFETY: both are NUL-terminated and live across the call.
        match unsafe { function(c_key.as_ptr(), c_value.as_ptr()) } {
            0 => Ok(()),
            1 => refuse("the runtime has no such setting"),
            _ => refuse(
                "the setting cannot take this value, or not any more; the runtime's log has the reason",
            ),
        }
    }

    /// Fails if an object could not be released when it was dropped, for the end of a program, where
    /// no later call would tell.
    ///
    /// # Errors
    /// [`Error::Deferred`].
    pub fn check_releases(&self) -> Result<()> {
        self.context.report_failed_releases()
    }

    pub(crate) fn from_context(context: Arc<Context>) -> Self {
        Self { context }
    }

    fn parse(&self, function: &'static str, text: Option<String>) -> Result<Option<serde_json::Value>> {
        text.map(|text| serde_json::from_str(&text)).transpose().map_err(|error| Error::Extension {
            function,
            reason: error.to_string(),
            library: self.library_path().to_owned(),
        })
    }
}

/// A runtime's version in HIP's decimal form, `major * 10^7 + minor * 10^5 + patch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuntimeVersion(pub i32);

impl fmt::Display for RuntimeVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0 / 10_000_000, self.0 / 100_000 % 100, self.0 % 100_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_shown_as_the_headers_spell_it() {
        assert_eq!(RuntimeVersion(70_253_211).to_string(), "7.2.53211");
    }
}
