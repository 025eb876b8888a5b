//! What tracers and debuggers ask the library for: names of functions and commands, its build, a callback.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};

use hip_sys::{hipChannelFormatDesc, hipChannelFormatKind};

/// A tracer's callback: domain, operation, record. It answers 0 when it wants the record.
pub(crate) type TracerCallback =
    unsafe extern "C" fn(domain: c_uint, operation: u32, data: *mut c_void) -> c_int;

/// ROCclr's commands by number: those of OpenCL's `cl_command_type`, and its own.
const COMMANDS: [(u32, &CStr); 33] = [
    (0, c"InternalMarker"),
    (0x11f0, c"KernelExecution"),
    (0x11f1, c"Task"),
    (0x11f2, c"NativeKernel"),
    (0x11f3, c"CopyDeviceToHost"),
    (0x11f4, c"CopyHostToDevice"),
    (0x11f5, c"CopyDeviceToDevice"),
    (0x11f6, c"ReadImage"),
    (0x11f7, c"WriteImage"),
    (0x11f8, c"CopyImage"),
    (0x11f9, c"CopyImageToBuffer"),
    (0x11fa, c"CopyBufferToImage"),
    (0x11fb, c"MapBuffer"),
    (0x11fc, c"MapImage"),
    (0x11fd, c"UnmapMemObject"),
    (0x11fe, c"Marker"),
    (0x11ff, c"AcquireGLObjects"),
    (0x1200, c"ReleaseGLObjects"),
    (0x1201, c"CopyDeviceToHost2D"),
    (0x1202, c"CopyHostToDevice2D"),
    (0x1203, c"CopyDeviceToDevice2D"),
    (0x1204, c"User"),
    (0x1205, c"Barrier"),
    (0x1206, c"MigrateMemObjects"),
    (0x1207, c"FillBuffer"),
    (0x1208, c"FillImage"),
    (0x1209, c"SvmFree"),
    (0x120a, c"SvmMemcpy"),
    (0x120b, c"SvmMemFill"),
    (0x120c, c"SvmMap"),
    (0x120d, c"SvmUnmap"),
    (0x4501, c"StreamWait"),
    (0x4502, c"StreamWrite"),
];

/// The function that `hip_api_id_t` numbers so in HIP 7.2's headers; `unknown` for any other number.
fn api_name(id: u32) -> &'static CStr {
    include!(concat!(env!("OUT_DIR"), "/api_names.rs"))
}

/// The name of a function by its number in a tracer's records.
#[unsafe(no_mangle)]
pub extern "C" fn hipApiName(id: u32) -> *const c_char {
    api_name(id).as_ptr()
}
crate::api::version!(hipApiName);

/// The name of a kind of command by its number in a tracer's records.
#[unsafe(no_mangle)]
pub extern "C" fn hipGetCmdName(id: u32) -> *const c_char {
    let known = COMMANDS.iter().find(|(number, _)| *number == id);
    known.map_or(c"Unknown command kind", |(_, name)| *name).as_ptr()
}
crate::api::version!(hipGetCmdName);

/// Refuses a tracer, once in words: nothing is recorded in the form that it reads, so it is never called. ROCm
/// calls it at every function with all arguments in a structure of some 12 000 lines; `vhipReport` and the
/// ledger are what this device has instead. The function has no result by which to refuse.
#[unsafe(no_mangle)]
pub extern "C" fn hipRegisterTracerCallback(callback: Option<TracerCallback>) {
    static SAID: std::sync::Once = std::sync::Once::new();
    if callback.is_some() {
        SAID.call_once(|| {
            eprintln!("vhip: hipRegisterTracerCallback: the virtual MI355X reports no activity to tracers");
        });
    }
}
crate::api::version!(hipRegisterTracerCallback);

/// The description of a texture's channels: the arguments as a structure.
#[unsafe(no_mangle)]
pub extern "C" fn hipCreateChannelDesc(
    x: c_int,
    y: c_int,
    z: c_int,
    w: c_int,
    f: hipChannelFormatKind,
) -> hipChannelFormatDesc {
    hipChannelFormatDesc { x, y, z, w, f }
}
crate::api::version!(hipCreateChannelDesc);

/// The precompiled header for run-time compilers: there is none, so null and 0 bytes.
///
/// # Safety
/// Each pointer is null or an out-parameter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __hipGetPCH(header: *mut *const c_char, bytes: *mut c_uint) {
    if !header.is_null() {
        // SAFETY: the caller's out-parameter, not null.
        unsafe { header.write(std::ptr::null()) };
    }
    if !bytes.is_null() {
        // SAFETY: the caller's out-parameter, not null.
        unsafe { bytes.write(0) };
    }
}
crate::api::version!(__hipGetPCH);

/// The build's number: 0, as in the build of ROCm's library whose symbols these are.
#[unsafe(no_mangle)]
pub extern "C" fn amd_dbgapi_get_build_id() -> usize {
    0
}
crate::api::version!(amd_dbgapi_get_build_id);

/// The build's name: empty, as in the build of ROCm's library whose symbols these are.
#[unsafe(no_mangle)]
pub extern "C" fn amd_dbgapi_get_build_name() -> *const c_char {
    c"".as_ptr()
}
crate::api::version!(amd_dbgapi_get_build_name);

/// The commit of the build: empty, as in the build of ROCm's library whose symbols these are.
#[unsafe(no_mangle)]
pub extern "C" fn amd_dbgapi_get_git_hash() -> *const c_char {
    c"".as_ptr()
}
crate::api::version!(amd_dbgapi_get_git_hash);
