//! Fills.

use std::ffi::{c_int, c_uint, c_void};

use hip_sys::*;

use crate::{
    api::{Status, api},
    command::{Address, Command},
    memory::now,
    stream,
};

/// A fill in stream order.
pub(crate) fn fill(
    target: *mut c_void,
    pitch: usize,
    value: u32,
    element: u32,
    count: usize,
    rows: usize,
    stream: hipStream_t,
) -> Status {
    if count == 0 || rows == 0 {
        return Ok(());
    }
    if target.is_null() {
        return Err(hipError_t::hipErrorInvalidValue);
    }
    stream::resolve(stream)?.enqueue(Command::Fill {
        target: target as Address,
        pitch: pitch as u64,
        value,
        element,
        count: count as u64,
        rows: rows as u64,
    })
}

/// A fill of rows of `count` elements, which must fit their pitch in bytes and be aligned in each row.
fn rows(
    target: *mut c_void,
    pitch: usize,
    value: u32,
    element: u32,
    count: usize,
    rows: usize,
    stream: hipStream_t,
) -> Status {
    let width = count.checked_mul(element as usize).ok_or(hipError_t::hipErrorInvalidValue)?;
    if rows > 1 && (width > pitch || !pitch.is_multiple_of(element as usize)) {
        return Err(hipError_t::hipErrorInvalidValue);
    }
    fill(target, pitch, value, element, count, rows, stream)
}

const NULL: hipStream_t = std::ptr::null_mut();

api! {
    /// Fills bytes.
    fn hipMemset(target: *mut c_void, value: c_int, bytes: usize) {
        now(|| fill(target, 0, value as u32, 1, bytes, 1, NULL))
    }
    /// Fills bytes in stream order.
    fn hipMemsetAsync(target: *mut c_void, value: c_int, bytes: usize, stream: hipStream_t) {
        fill(target, 0, value as u32, 1, bytes, 1, stream)
    }
    /// Fills bytes.
    fn hipMemsetD8(target: hipDeviceptr_t, value: u8, count: usize) {
        now(|| fill(target, 0, value as u32, 1, count, 1, NULL))
    }
    /// Fills bytes in stream order.
    fn hipMemsetD8Async(target: hipDeviceptr_t, value: u8, count: usize, stream: hipStream_t) {
        fill(target, 0, value as u32, 1, count, 1, stream)
    }
    /// Fills 16-bit elements.
    fn hipMemsetD16(target: hipDeviceptr_t, value: u16, count: usize) {
        now(|| fill(target, 0, value as u32, 2, count, 1, NULL))
    }
    /// Fills 16-bit elements in stream order.
    fn hipMemsetD16Async(target: hipDeviceptr_t, value: u16, count: usize, stream: hipStream_t) {
        fill(target, 0, value as u32, 2, count, 1, stream)
    }
    /// Fills 32-bit elements.
    fn hipMemsetD32(target: hipDeviceptr_t, value: c_int, count: usize) {
        now(|| fill(target, 0, value as u32, 4, count, 1, NULL))
    }
    /// Fills 32-bit elements in stream order.
    fn hipMemsetD32Async(target: hipDeviceptr_t, value: c_int, count: usize, stream: hipStream_t) {
        fill(target, 0, value as u32, 4, count, 1, stream)
    }
    /// Fills rows of bytes.
    fn hipMemset2D(target: *mut c_void, pitch: usize, value: c_int, width: usize, height: usize) {
        now(|| fill(target, pitch, value as u32, 1, width, height, NULL))
    }
    /// Fills rows of bytes in stream order.
    fn hipMemset2DAsync(
        target: *mut c_void, pitch: usize, value: c_int, width: usize, height: usize, stream: hipStream_t,
    ) { fill(target, pitch, value as u32, 1, width, height, stream) }
    /// Fills rows of 8-bit elements.
    fn hipMemsetD2D8(target: hipDeviceptr_t, pitch: usize, value: u8, width: usize, height: usize) {
        now(|| rows(target, pitch, value as u32, 1, width, height, NULL))
    }
    /// Fills rows of 8-bit elements in stream order.
    fn hipMemsetD2D8Async(
        target: hipDeviceptr_t, pitch: usize, value: u8, width: usize, height: usize, stream: hipStream_t,
    ) { rows(target, pitch, value as u32, 1, width, height, stream) }
    /// Fills rows of 16-bit elements.
    fn hipMemsetD2D16(target: hipDeviceptr_t, pitch: usize, value: u16, width: usize, height: usize) {
        now(|| rows(target, pitch, value as u32, 2, width, height, NULL))
    }
    /// Fills rows of 16-bit elements in stream order.
    fn hipMemsetD2D16Async(
        target: hipDeviceptr_t, pitch: usize, value: u16, width: usize, height: usize, stream: hipStream_t,
    ) { rows(target, pitch, value as u32, 2, width, height, stream) }
    /// Fills rows of 32-bit elements.
    fn hipMemsetD2D32(target: hipDeviceptr_t, pitch: usize, value: c_uint, width: usize, height: usize) {
        now(|| rows(target, pitch, value as u32, 4, width, height, NULL))
    }
    /// Fills rows of 32-bit elements in stream order.
    fn hipMemsetD2D32Async(
        target: hipDeviceptr_t, pitch: usize, value: c_uint, width: usize, height: usize, stream: hipStream_t,
    ) { rows(target, pitch, value as u32, 4, width, height, stream) }
}
