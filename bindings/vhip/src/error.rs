//! Error codes: the thread's last error, names and texts.

use std::{
    cell::Cell,
    ffi::{CStr, c_char},
};

use hip_sys::hipError_t;

use crate::api::{api, put};

thread_local! {
    static LAST: Cell<hipError_t> = const { Cell::new(hipError_t::hipSuccess) };
}

/// Remembers a failure for `hipGetLastError`; success does not clear it.
pub(crate) fn record(code: hipError_t) {
    if code != hipError_t::hipSuccess && code != hipError_t::hipErrorNotReady {
        LAST.set(code);
    }
}

/// Returns and clears the calling thread's last error.
///
/// # Safety
/// None: it has no arguments.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hipGetLastError() -> hipError_t {
    LAST.replace(hipError_t::hipSuccess)
}
crate::api::version!(hipGetLastError);

/// As `hipGetLastError`, under the name of the extension.
///
/// # Safety
/// None: it has no arguments.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hipExtGetLastError() -> hipError_t {
    LAST.replace(hipError_t::hipSuccess)
}
crate::api::version!(hipExtGetLastError);

/// Returns the calling thread's last error without clearing it.
///
/// # Safety
/// None: it has no arguments.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hipPeekAtLastError() -> hipError_t {
    LAST.get()
}
crate::api::version!(hipPeekAtLastError);

/// The constant's name, for example `hipErrorInvalidValue`.
#[unsafe(no_mangle)]
pub extern "C" fn hipGetErrorName(code: hipError_t) -> *const c_char {
    describe(code).0.as_ptr()
}
crate::api::version!(hipGetErrorName);

/// One phrase about the error.
#[unsafe(no_mangle)]
pub extern "C" fn hipGetErrorString(code: hipError_t) -> *const c_char {
    describe(code).1.as_ptr()
}
crate::api::version!(hipGetErrorString);

api! {
    /// As `hipGetErrorName`; an unknown code is an error.
    fn hipDrvGetErrorName(code: hipError_t, text: *mut *const c_char) {
        let known = known(code).ok_or(hipError_t::hipErrorInvalidValue)?;
        // SAFETY: the caller's out-parameter.
        unsafe { put(text, known.0.as_ptr()) }
    }
    /// As `hipGetErrorString`; an unknown code is an error.
    fn hipDrvGetErrorString(code: hipError_t, text: *mut *const c_char) {
        let known = known(code).ok_or(hipError_t::hipErrorInvalidValue)?;
        // SAFETY: the caller's out-parameter.
        unsafe { put(text, known.1.as_ptr()) }
    }
}

fn describe(code: hipError_t) -> (&'static CStr, &'static CStr) {
    known(code).unwrap_or((c"hipErrorUnknown", c"unknown error"))
}

/// Name and phrase of a HIP error; `None` for a number that HIP does not define.
fn known(code: hipError_t) -> Option<(&'static CStr, &'static CStr)> {
    macro_rules! table {
        ($($name:ident $text:literal,)*) => {
            match code {
                $(hipError_t::$name => Some((
                    const { as_c_str(concat!(stringify!($name), "\0")) },
                    const { as_c_str(concat!($text, "\0")) },
                )),)*
                _ => None,
            }
        };
    }
    table! {
        hipSuccess "no error",
        hipErrorInvalidValue "invalid argument",
        hipErrorOutOfMemory "out of memory",
        hipErrorNotInitialized "initialization error",
        hipErrorDeinitialized "driver shutting down",
        hipErrorProfilerNotInitialized "profiler is not initialized",
        hipErrorProfilerAlreadyStarted "profiler already started",
        hipErrorProfilerAlreadyStopped "profiler already stopped",
        hipErrorProfilerDisabled "profiler disabled while using external profiling tool",
        hipErrorInvalidConfiguration "invalid configuration argument",
        hipErrorInvalidPitchValue "invalid pitch argument",
        hipErrorInvalidSymbol "invalid device symbol",
        hipErrorInvalidDevicePointer "invalid device pointer",
        hipErrorInvalidMemcpyDirection "invalid copy direction for memcpy",
        hipErrorInsufficientDriver "driver version is insufficient for runtime version",
        hipErrorMissingConfiguration "__global__ function call is not configured",
        hipErrorPriorLaunchFailure "unspecified launch failure in prior launch",
        hipErrorInvalidDeviceFunction "invalid device function",
        hipErrorNoDevice "no ROCm-capable device is detected",
        hipErrorInvalidDevice "invalid device ordinal",
        hipErrorInvalidImage "device kernel image is invalid",
        hipErrorInvalidContext "invalid device context",
        hipErrorContextAlreadyCurrent "context is already current context",
        hipErrorArrayIsMapped "array is mapped",
        hipErrorAlreadyMapped "resource already mapped",
        hipErrorAlreadyAcquired "resource already acquired",
        hipErrorNotMappedAsArray "resource not mapped as array",
        hipErrorNotMappedAsPointer "resource not mapped as pointer",
        hipErrorECCNotCorrectable "uncorrectable ECC error encountered",
        hipErrorContextAlreadyInUse "exclusive-thread device already in use by a different thread",
        hipErrorMapFailed "mapping of buffer object failed",
        hipErrorUnmapFailed "unmapping of buffer object failed",
        hipErrorNoBinaryForGpu "no kernel image is available for execution on the device",
        hipErrorNotMapped "resource not mapped",
        hipErrorUnsupportedLimit "limit is not supported on this architecture",
        hipErrorPeerAccessUnsupported "peer access is not supported between these two devices",
        hipErrorInvalidKernelFile "invalid kernel file",
        hipErrorInvalidGraphicsContext "invalid OpenGL or DirectX context",
        hipErrorInvalidSource "device kernel image is invalid",
        hipErrorFileNotFound "file not found",
        hipErrorSharedObjectSymbolNotFound "shared object symbol not found",
        hipErrorSharedObjectInitFailed "shared object initialization failed",
        hipErrorOperatingSystem "OS call failed or operation not supported on this OS",
        hipErrorInvalidHandle "invalid resource handle",
        hipErrorIllegalState "the operation cannot be performed in the present state",
        hipErrorNotFound "named symbol not found",
        hipErrorNotReady "device not ready",
        hipErrorIllegalAddress "an illegal memory access was encountered",
        hipErrorLaunchOutOfResources "too many resources requested for launch",
        hipErrorLaunchTimeOut "the launch timed out and was terminated",
        hipErrorPeerAccessAlreadyEnabled "peer access is already enabled",
        hipErrorPeerAccessNotEnabled "peer access has not been enabled",
        hipErrorSetOnActiveProcess "cannot set while device is active in this process",
        hipErrorContextIsDestroyed "context is destroyed",
        hipErrorAssert "device-side assert triggered",
        hipErrorHostMemoryAlreadyRegistered "part or all of the requested memory range is already mapped",
        hipErrorHostMemoryNotRegistered "pointer does not correspond to a registered memory region",
        hipErrorLaunchFailure "unspecified launch failure",
        hipErrorCooperativeLaunchTooLarge "too many blocks in cooperative launch",
        hipErrorNotSupported "operation not supported",
        hipErrorStreamCaptureUnsupported "operation not permitted when stream is capturing",
        hipErrorStreamCaptureInvalidated "operation failed due to a previous error during capture",
        hipErrorStreamCaptureMerge "operation would result in a merge of separate capture sequences",
        hipErrorStreamCaptureUnmatched "capture was not ended in the same stream as it began",
        hipErrorStreamCaptureUnjoined "capturing stream has unjoined work",
        hipErrorStreamCaptureIsolation "dependency created on uncaptured work in another stream",
        hipErrorStreamCaptureImplicit "operation would make the legacy stream depend on a capturing blocking stream",
        hipErrorCapturedEvent "operation not permitted on an event last recorded in a capturing stream",
        hipErrorStreamCaptureWrongThread "attempt to terminate a thread-local capture sequence from another thread",
        hipErrorGraphExecUpdateFailure "the graph update was not performed because it included changes which violated constraints specific to instantiated graph update",
        hipErrorInvalidChannelDescriptor "invalid channel descriptor",
        hipErrorInvalidTexture "invalid texture",
        hipErrorUnknown "unknown error",
        hipErrorRuntimeMemory "runtime memory call returned error",
        hipErrorRuntimeOther "runtime call other than memory returned error",
        hipErrorTbd "not yet defined",
    }
}

/// A literal that ends with its only NUL as a C string.
const fn as_c_str(text: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(text.as_bytes()) {
        Ok(text) => text,
        Err(_) => panic!("not NUL-terminated"),
    }
}
