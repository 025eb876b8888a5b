//! Linear copies and copies of rows.

use std::ffi::c_void;

use hip_sys::*;

use crate::{
    api::{Status, api},
    command::Address,
    memory::{known, now},
    transfer::{Side, Transfer},
};

/// A linear copy in stream order. `kind` is checked against what the addresses are.
pub(crate) fn copy(
    target: *mut c_void,
    source: *const c_void,
    bytes: usize,
    kind: hipMemcpyKind,
    stream: hipStream_t,
) -> Status {
    copy_rows(target, bytes, source, bytes, bytes, 1, kind, stream)
}

/// A copy of `rows` rows of `width` bytes.
#[expect(clippy::too_many_arguments, reason = "hipMemcpy2DAsync's own list")]
pub(crate) fn copy_rows(
    target: *mut c_void,
    target_pitch: usize,
    source: *const c_void,
    source_pitch: usize,
    width: usize,
    rows: usize,
    kind: hipMemcpyKind,
    stream: hipStream_t,
) -> Status {
    let side = |address, pitch: usize| Side { address, pitch: pitch as u64, slice: 0 };
    let transfer = Transfer {
        target: side(target as Address, target_pitch),
        source: side(source as Address, source_pitch),
        width: width as u64,
        rows: rows as u64,
        slices: 1,
        kind,
    };
    transfer.submit(stream)
}

/// Refuses a copy whose `kind` does not fit the addresses.
pub(crate) fn check_kind(target: Address, source: Address, bytes: u64, kind: hipMemcpyKind) -> Status {
    let needs_device = |address: Address| known(address as *const c_void, bytes as usize);
    match kind {
        hipMemcpyKind_hipMemcpyHostToHost | hipMemcpyKind_hipMemcpyDefault => Ok(()),
        hipMemcpyKind_hipMemcpyHostToDevice => needs_device(target),
        hipMemcpyKind_hipMemcpyDeviceToHost => needs_device(source),
        hipMemcpyKind_hipMemcpyDeviceToDevice | hipMemcpyKind_hipMemcpyDeviceToDeviceNoCU => {
            needs_device(target)?;
            needs_device(source)
        }
        _ => Err(hipError_t::hipErrorInvalidMemcpyDirection),
    }
}

const NULL: hipStream_t = std::ptr::null_mut();

api! {
    /// Copies `bytes` bytes.
    fn hipMemcpy(target: *mut c_void, source: *const c_void, bytes: usize, kind: hipMemcpyKind) {
        now(|| copy(target, source, bytes, kind, NULL))
    }
    /// Copies in stream order.
    fn hipMemcpyAsync(
        target: *mut c_void, source: *const c_void, bytes: usize, kind: hipMemcpyKind, stream: hipStream_t,
    ) { copy(target, source, bytes, kind, stream) }
    /// Copies in stream order and waits.
    fn hipMemcpyWithStream(
        target: *mut c_void, source: *const c_void, bytes: usize, kind: hipMemcpyKind, stream: hipStream_t,
    ) { copy(target, source, bytes, kind, stream) }
    /// Host to device.
    fn hipMemcpyHtoD(target: hipDeviceptr_t, source: *const c_void, bytes: usize) {
        now(|| copy(target, source, bytes, hipMemcpyKind_hipMemcpyHostToDevice, NULL))
    }
    /// Host to device, in stream order.
    fn hipMemcpyHtoDAsync(target: hipDeviceptr_t, source: *const c_void, bytes: usize, stream: hipStream_t) {
        copy(target, source, bytes, hipMemcpyKind_hipMemcpyHostToDevice, stream)
    }
    /// Device to host.
    fn hipMemcpyDtoH(target: *mut c_void, source: hipDeviceptr_t, bytes: usize) {
        now(|| copy(target, source, bytes, hipMemcpyKind_hipMemcpyDeviceToHost, NULL))
    }
    /// Device to host, in stream order.
    fn hipMemcpyDtoHAsync(target: *mut c_void, source: hipDeviceptr_t, bytes: usize, stream: hipStream_t) {
        copy(target, source, bytes, hipMemcpyKind_hipMemcpyDeviceToHost, stream)
    }
    /// Device to device.
    fn hipMemcpyDtoD(target: hipDeviceptr_t, source: hipDeviceptr_t, bytes: usize) {
        now(|| copy(target, source, bytes, hipMemcpyKind_hipMemcpyDeviceToDevice, NULL))
    }
    /// Device to device, in stream order.
    fn hipMemcpyDtoDAsync(target: hipDeviceptr_t, source: hipDeviceptr_t, bytes: usize, stream: hipStream_t) {
        copy(target, source, bytes, hipMemcpyKind_hipMemcpyDeviceToDevice, stream)
    }
    /// Copies rows.
    fn hipMemcpy2D(
        target: *mut c_void, target_pitch: usize, source: *const c_void, source_pitch: usize,
        width: usize, height: usize, kind: hipMemcpyKind,
    ) { now(|| copy_rows(target, target_pitch, source, source_pitch, width, height, kind, NULL)) }
    /// Copies rows in stream order.
    fn hipMemcpy2DAsync(
        target: *mut c_void, target_pitch: usize, source: *const c_void, source_pitch: usize,
        width: usize, height: usize, kind: hipMemcpyKind, stream: hipStream_t,
    ) { copy_rows(target, target_pitch, source, source_pitch, width, height, kind, stream) }
}
