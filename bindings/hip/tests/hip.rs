//! The safe layer over libraries that lack things, refuse things, or say too much.
//!
//! Each test compiles a small C library that behaves as it needs. That kernels run is tested where a
//! device is: in `bindings/vhip`.

#[path = "hip/stub.rs"]
mod stub;

#[path = "hip/errors.rs"]
mod errors;
#[path = "hip/memory.rs"]
mod memory;
#[path = "hip/runtime.rs"]
mod runtime;
