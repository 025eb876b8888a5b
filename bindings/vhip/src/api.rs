//! The shape of every exported function.

use std::{
    ffi::{CStr, c_char},
    panic::{AssertUnwindSafe, catch_unwind},
};

use hip_sys::hipError_t;

use crate::error;

/// What the body of an exported function yields; `?` leaves it with a HIP error.
pub(crate) type Status = Result<(), hipError_t>;

/// Runs the body of `name`: a panic must not cross the C ABI, and the thread's last error is recorded.
pub(crate) fn enter(name: &'static str, body: impl FnOnce() -> Status) -> hipError_t {
    let status = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| {
        eprintln!("vhip: {name}: internal error of the virtual MI355X; please report it");
        Err(hipError_t::hipErrorUnknown)
    });
    let code = status.err().unwrap_or(hipError_t::hipSuccess);
    error::record(code);
    code
}

/// Writes an out-parameter, refusing null as HIP does.
///
/// # Safety
/// `pointer` is null or valid for a write of `T`: the caller of the exported function promised it.
pub(crate) unsafe fn put<T>(pointer: *mut T, value: T) -> Status {
    if pointer.is_null() {
        return Err(hipError_t::hipErrorInvalidValue);
    }
    // SAFETY: not null, and the caller's promise.
    unsafe { pointer.write(value) };
    Ok(())
}

/// A C string of the caller.
///
/// # Safety
/// `pointer` is null or points to a NUL-terminated string that outlives the use of the result.
pub(crate) unsafe fn text<'a>(pointer: *const c_char) -> Result<&'a str, hipError_t> {
    if pointer.is_null() {
        return Err(hipError_t::hipErrorInvalidValue);
    }
    // SAFETY: not null, and the caller's promise.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_str().map_err(|_| hipError_t::hipErrorInvalidValue)
}

/// Defines exported functions with libamdhip64's symbol versions.
///
/// The arguments are what the C caller passed: a pointer is null or valid for what HIP documents.
///
/// No Rust code calls an exported function: when the optimiser copies one into another codegen unit, LLVM copies
/// its `.symver` line along, but not its definition, and the assembler refuses the line. What two of them
/// share is a function of its own.
macro_rules! api {
    ($($(#[$meta:meta])* fn $name:ident($($arg:ident: $type:ty),* $(,)?) $body:block)*) => {$(
        $(#[$meta])*
        ///
        /// # Safety
        /// The C contract of the function of this name in the HIP documentation.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($arg: $type),*) -> hip_sys::hipError_t {
            $crate::api::enter(stringify!($name), || -> $crate::api::Status { $body })
        }
        $crate::api::version!($name);
    )*};
}
pub(crate) use api;

/// Assigns libamdhip64's version node to an exported symbol of the same module.
macro_rules! version {
    ($name:ident) => {
        #[cfg(target_os = "linux")]
        std::arch::global_asm!(concat!(
            ".symver ",
            stringify!($name),
            ", ",
            stringify!($name),
            "@@",
            node!($name),
            ", remove"
        ));
    };
}
pub(crate) use version;
