//! Device variables by the host symbols that stand for them.

use std::ffi::c_void;

use hip_sys::*;

use crate::{
    api::{Status, api, put},
    copy, memory, register,
};

/// The address `offset` bytes into a variable, for `bytes` bytes.
pub(crate) fn place(symbol: *const c_void, bytes: usize, offset: usize) -> Result<*mut c_void, hipError_t> {
    let (address, size) = register::variable(symbol)?;
    match offset.checked_add(bytes) {
        Some(end) if end as u64 <= size => Ok((address as usize + offset) as *mut c_void),
        _ => Err(hipError_t::hipErrorInvalidValue),
    }
}

pub(crate) fn copy_to(
    symbol: *const c_void,
    source: *const c_void,
    bytes: usize,
    offset: usize,
    kind: hipMemcpyKind,
    stream: hipStream_t,
) -> Status {
    if kind == hipMemcpyKind_hipMemcpyDeviceToHost || kind == hipMemcpyKind_hipMemcpyHostToHost {
        return Err(hipError_t::hipErrorInvalidMemcpyDirection);
    }
    copy::copy(place(symbol, bytes, offset)?, source, bytes, kind, stream)
}

pub(crate) fn copy_from(
    target: *mut c_void,
    symbol: *const c_void,
    bytes: usize,
    offset: usize,
    kind: hipMemcpyKind,
    stream: hipStream_t,
) -> Status {
    if kind == hipMemcpyKind_hipMemcpyHostToDevice || kind == hipMemcpyKind_hipMemcpyHostToHost {
        return Err(hipError_t::hipErrorInvalidMemcpyDirection);
    }
    copy::copy(target, place(symbol, bytes, offset)?, bytes, kind, stream)
}

const NULL: hipStream_t = std::ptr::null_mut();

api! {
    /// The variable's address on the current device.
    fn hipGetSymbolAddress(target: *mut *mut c_void, symbol: *const c_void) {
        let (address, _) = register::variable(symbol)?;
        // SAFETY: the caller's out-parameter.
        unsafe { put(target, address as *mut c_void) }
    }
    /// The variable's bytes.
    fn hipGetSymbolSize(target: *mut usize, symbol: *const c_void) {
        let (_, bytes) = register::variable(symbol)?;
        // SAFETY: the caller's out-parameter.
        unsafe { put(target, bytes as usize) }
    }
    /// Copies into a variable.
    fn hipMemcpyToSymbol(
        symbol: *const c_void, source: *const c_void, bytes: usize, offset: usize, kind: hipMemcpyKind,
    ) { memory::now(|| copy_to(symbol, source, bytes, offset, kind, NULL)) }
    /// Copies into a variable in stream order.
    fn hipMemcpyToSymbolAsync(
        symbol: *const c_void, source: *const c_void, bytes: usize, offset: usize, kind: hipMemcpyKind,
        stream: hipStream_t,
    ) { copy_to(symbol, source, bytes, offset, kind, stream) }
    /// Copies out of a variable.
    fn hipMemcpyFromSymbol(
        target: *mut c_void, symbol: *const c_void, bytes: usize, offset: usize, kind: hipMemcpyKind,
    ) { memory::now(|| copy_from(target, symbol, bytes, offset, kind, NULL)) }
    /// Copies out of a variable in stream order.
    fn hipMemcpyFromSymbolAsync(
        target: *mut c_void, symbol: *const c_void, bytes: usize, offset: usize, kind: hipMemcpyKind,
        stream: hipStream_t,
    ) { copy_from(target, symbol, bytes, offset, kind, stream) }
}
