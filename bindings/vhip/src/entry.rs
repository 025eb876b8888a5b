//! Finding functions by name at run time.

use std::ffi::{c_char, c_int, c_ulonglong, c_void};

use hip_sys::*;

use crate::api::{Status, api, put, text};

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

/// Writes the function `name`, and to `status` whether there is one, in the words of `found` and `missing`.
///
/// # Safety
/// Both are null or out-parameters.
unsafe fn give<T>(name: &str, function: *mut *mut c_void, status: *mut T, found: T, missing: T) -> Status {
    let place = address(name);
    if !status.is_null() {
        // SAFETY: the caller's out-parameter, not null.
        unsafe { put(status, if place.is_null() { missing } else { found })? };
    }
    // SAFETY: the caller's out-parameter.
    unsafe { put(function, place)? };
    if place.is_null() { Err(hipError_t::hipErrorNotFound) } else { Ok(()) }
}

/// The exported name of a function of today's headers.
fn current_name(name: &str) -> String {
    let layout = matches!(name, "hipGetDeviceProperties" | "hipChooseDevice");
    format!("{name}{}", if layout { "R0600" } else { "" })
}

api! {
    /// The function `symbol` as a program of today's headers knows it. The flags choose between default streams,
    /// which are one here.
    fn hipGetDriverEntryPoint(
        symbol: *const c_char, function: *mut *mut c_void, _flags: c_ulonglong,
        status: *mut hipDriverEntryPointQueryResult,
    ) {
        // SAFETY: the caller's string.
        let name = current_name(unsafe { text(symbol) }?);
        let found = hipDriverEntryPointQueryResult_hipDriverEntryPointSuccess;
        let missing = hipDriverEntryPointQueryResult_hipDriverEntryPointSymbolNotFound;
        // SAFETY: the caller's out-parameters.
        unsafe { give(&name, function, status, found, missing) }
    }
    /// As `hipGetDriverEntryPoint`, with the function for a default stream of each thread where there is one.
    fn hipGetDriverEntryPoint_spt(
        symbol: *const c_char, function: *mut *mut c_void, _flags: c_ulonglong,
        status: *mut hipDriverEntryPointQueryResult,
    ) {
        // SAFETY: the caller's string.
        let name = unsafe { text(symbol) }?;
        let own = format!("{name}_spt");
        let name = if address(&own).is_null() { current_name(name) } else { own };
        let found = hipDriverEntryPointQueryResult_hipDriverEntryPointSuccess;
        let missing = hipDriverEntryPointQueryResult_hipDriverEntryPointSymbolNotFound;
        // SAFETY: the caller's out-parameters.
        unsafe { give(&name, function, status, found, missing) }
    }
    /// The function `symbol` as a program of HIP `version` (major times 100 plus minor) knows it. The flags
    /// choose between default streams, which are one here.
    fn hipGetProcAddress(
        symbol: *const c_char, function: *mut *mut c_void, version: c_int, _flags: u64,
        status: *mut hipDriverProcAddressQueryResult,
    ) {
        // SAFETY: the caller's string.
        let name = unsafe { text(symbol) }?;
        let name = if version >= R0600_SINCE { current_name(name) } else { name.to_owned() };
        let found = hipDriverProcAddressQueryResult_HIP_GET_PROC_ADDRESS_SUCCESS;
        let missing = hipDriverProcAddressQueryResult_HIP_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
        // SAFETY: the caller's out-parameters.
        unsafe { give(&name, function, status, found, missing) }
    }
}
