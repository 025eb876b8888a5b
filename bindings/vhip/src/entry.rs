//! Finding functions by name at run time.

use std::ffi::{c_char, c_int, c_void};

use hip_sys::*;

use crate::api::{api, put, text};

/// The first HIP version, in `hipRuntimeGetVersion`'s form, whose headers mean the R0600 layout by the plain
/// names.
const R0600_SINCE: c_int = 600;

/// The address of an exported function of this very library, whichever others are loaded; null when there
/// is none.
fn address(name: &str) -> *mut c_void {
    let Ok(name) = std::ffi::CString::new(name) else { return std::ptr::null_mut() };
    // SAFETY: `dladdr` gets the address of a function of this library and an out-parameter; `dlopen` with
    // RTLD_NOLOAD gives a handle of the library that is mapped already, under the name by which it is.
    unsafe {
        let mut own: libc::Dl_info = std::mem::zeroed();
        if libc::dladdr(address as *const c_void, &mut own) == 0 {
            return std::ptr::null_mut();
        }
        let library = libc::dlopen(own.dli_fname, libc::RTLD_LAZY | libc::RTLD_NOLOAD);
        if library.is_null() {
            return std::ptr::null_mut();
        }
        let found = libc::dlsym(library, name.as_ptr());
        libc::dlclose(library);
        found
    }
}

api! {
    /// The function `symbol` as a program of HIP `version` (major times 100 plus minor) knows it. The flags
    /// choose between default streams, which are one here.
    fn hipGetProcAddress(
        symbol: *const c_char, function: *mut *mut c_void, version: c_int, _flags: u64,
        status: *mut hipDriverProcAddressQueryResult,
    ) {
        // SAFETY: the caller's string.
        let name = unsafe { text(symbol) }?;
        let layout = matches!(name, "hipGetDeviceProperties" | "hipChooseDevice") && version >= R0600_SINCE;
        let found = address(&format!("{name}{}", if layout { "R0600" } else { "" }));
        if !status.is_null() {
            let outcome = if found.is_null() {
                hipDriverProcAddressQueryResult_HIP_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND
            } else {
                hipDriverProcAddressQueryResult_HIP_GET_PROC_ADDRESS_SUCCESS
            };
            // SAFETY: the caller's out-parameter, not null.
            unsafe { put(status, outcome)? };
        }
        // SAFETY: the caller's out-parameter.
        unsafe { put(function, found)? };
        if found.is_null() { Err(hipError_t::hipErrorNotFound) } else { Ok(()) }
    }
}
