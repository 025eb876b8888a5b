//! The extra functions that the virtual MI355X exports beside HIP's.

use core::ffi::{c_char, c_int};

use libloading::os::unix;

/// Functions named `vhip*`, present in the virtual runtime only.
///
/// A `None` field means that the library has no such function, which is how ROCm's library looks.
/// Text is UTF-8; functions with a buffer write at most `length` bytes including the terminating
/// NUL and return the full length of the text without it, `0` when there is nothing to say.
#[derive(Debug, Clone, Copy, Default)]
pub struct VhipApi {
    /// `const char* vhipInfo(void)`: JSON that identifies the virtual device and its version.
    /// The text lives as long as the process.
    pub info: Option<unsafe extern "C" fn() -> *const c_char>,
    /// `int vhipLastFault(char* buffer, size_t length)`: JSON of the fault that stopped the current
    /// device, else of one that stopped another device; nothing after `hipDeviceReset`.
    pub last_fault: Option<unsafe extern "C" fn(*mut c_char, usize) -> c_int>,
    /// `int vhipReport(char* buffer, size_t length)`: JSON of the last launch's counters.
    pub report: Option<unsafe extern "C" fn(*mut c_char, usize) -> c_int>,
    /// `int vhipSetOption(const char* key, const char* value)`: `0` when accepted, `1` for an unknown
    /// key, `2` for a value that the option cannot take.
    pub set_option: Option<unsafe extern "C" fn(*const c_char, *const c_char) -> c_int>,
}

impl VhipApi {
    /// Looks the functions up in `library`.
    ///
    /// # Safety
    /// Every `vhip*` symbol of the library must have the signature written above, and the library
    /// must stay mapped for as long as the pointers are used.
    pub(crate) unsafe fn load(library: &unix::Library) -> Self {
        // SAFETY: the caller vouches for the symbols' types; each field's type is the symbol's.
        unsafe {
            Self {
                info: library.get(b"vhipInfo\0").ok().map(|symbol| *symbol),
                last_fault: library.get(b"vhipLastFault\0").ok().map(|symbol| *symbol),
                report: library.get(b"vhipReport\0").ok().map(|symbol| *symbol),
                set_option: library.get(b"vhipSetOption\0").ok().map(|symbol| *symbol),
            }
        }
    }

    /// Whether the library is the virtual runtime: it identifies itself.
    pub fn is_virtual(&self) -> bool {
        self.info.is_some()
    }
}
