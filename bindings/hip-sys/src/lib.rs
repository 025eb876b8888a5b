//! Raw bindings to libamdhip64, opened at run time.
//!
//! ```text
//! find_rocm() / find_virtual()  ->  absolute path            (search.rs)
//!        HipLibrary::open(path)  ->  HipApi + VhipApi         (library.rs, extension.rs)
//!   hip_call!(library, hipX(..)) ->  Result<hipError_t, MissingSymbol>
//! ```
//!
//! Nothing is linked: a program built against this crate starts on a machine without ROCm, and two
//! libraries (ROCm's and the virtual MI355X) can be open in one process. [`HipApi`] holds one
//! `Result` per function, so a runtime that lacks a function is usable for all the others.
//!
//! `src/generated.rs` is bindgen's output and is checked in; building needs neither libclang nor
//! ROCm's headers. Regenerate it, or compare it with the headers of another ROCm, by
//! `cargo run -p hip-sys --features bindgen --bin hip-sys-bindgen -- [--check] [--rocm DIR]`.

mod extension;
#[expect(
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    reason = "bindgen's output keeps the C names and carries no comments"
)]
mod generated;
pub mod image;
mod library;
mod search;

pub use extension::VhipApi;
pub use generated::*;
pub use library::{HipLibrary, MissingSymbol, OpenError};
pub use search::{
    LibraryNotFound, ROCM_LIBRARY_VARIABLE, VIRTUAL_LIBRARY_NAME, VIRTUAL_LIBRARY_VARIABLE, find_rocm,
    find_virtual,
};

use core::ffi::c_void;

/// Tag in the `extra` list of `hipModuleLaunchKernel`: the next entry points at the argument buffer.
///
/// The header defines it as a pointer cast, which bindgen cannot express.
pub const HIP_LAUNCH_PARAM_BUFFER_POINTER: *mut c_void = core::ptr::without_provenance_mut(1);
/// Tag in the `extra` list: the next entry points at the buffer's size in bytes, a `size_t`.
pub const HIP_LAUNCH_PARAM_BUFFER_SIZE: *mut c_void = core::ptr::without_provenance_mut(2);
/// Tag that ends the `extra` list.
pub const HIP_LAUNCH_PARAM_END: *mut c_void = core::ptr::without_provenance_mut(3);
