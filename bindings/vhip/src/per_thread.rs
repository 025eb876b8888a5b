//! Functions of programs that are compiled for a default stream of each thread.
//!
//! That stream is the null stream here: its order is one of those that such a program allows.

use std::ffi::{c_int, c_uint, c_void};

use hip_sys::*;

use crate::{api::api, launch, memory, stream, symbol};

const NULL: hipStream_t = std::ptr::null_mut();

api! {
    /// As `hipLaunchCooperativeKernel`.
    fn hipLaunchCooperativeKernel_spt(
        symbol: *const c_void, grid: dim3, block: dim3, params: *mut *mut c_void, dynamic_lds: c_uint,
        stream: hipStream_t,
    ) {
        // SAFETY: the same contract.
        unsafe { launch::cooperative(symbol, grid, block, params, dynamic_lds, stream) }
    }
    /// As `hipLaunchHostFunc`.
    fn hipLaunchHostFunc_spt(stream: hipStream_t, function: hipHostFn_t, data: *mut c_void) {
        stream::launch_host_function(stream, function, data)
    }
    /// As `hipMemcpy2DAsync`.
    fn hipMemcpy2DAsync_spt(
        target: *mut c_void, target_pitch: usize, source: *const c_void, source_pitch: usize, width: usize,
        height: usize, kind: hipMemcpyKind, stream: hipStream_t,
    ) {
        memory::copy_rows(target, target_pitch, source, source_pitch, width, height, kind, stream)
    }
    /// As `hipMemcpy2D`.
    fn hipMemcpy2D_spt(
        target: *mut c_void, target_pitch: usize, source: *const c_void, source_pitch: usize, width: usize,
        height: usize, kind: hipMemcpyKind,
    ) {
        memory::copy_rows(target, target_pitch, source, source_pitch, width, height, kind, NULL)
    }
    /// As `hipMemcpyFromSymbolAsync`.
    fn hipMemcpyFromSymbolAsync_spt(
        target: *mut c_void, symbol: *const c_void, bytes: usize, offset: usize, kind: hipMemcpyKind,
        stream: hipStream_t,
    ) {
        symbol::copy_from(target, symbol, bytes, offset, kind, stream)
    }
    /// As `hipMemcpyFromSymbol`.
    fn hipMemcpyFromSymbol_spt(
        target: *mut c_void, symbol: *const c_void, bytes: usize, offset: usize, kind: hipMemcpyKind,
    ) {
        symbol::copy_from(target, symbol, bytes, offset, kind, NULL)
    }
    /// As `hipMemcpyToSymbolAsync`.
    fn hipMemcpyToSymbolAsync_spt(
        symbol: *const c_void, source: *const c_void, bytes: usize, offset: usize, kind: hipMemcpyKind,
        stream: hipStream_t,
    ) {
        symbol::copy_to(symbol, source, bytes, offset, kind, stream)
    }
    /// As `hipMemcpyToSymbol`.
    fn hipMemcpyToSymbol_spt(
        symbol: *const c_void, source: *const c_void, bytes: usize, offset: usize, kind: hipMemcpyKind,
    ) {
        symbol::copy_to(symbol, source, bytes, offset, kind, NULL)
    }
    /// As `hipMemset2DAsync`.
    fn hipMemset2DAsync_spt(
        target: *mut c_void, pitch: usize, value: c_int, width: usize, height: usize, stream: hipStream_t,
    ) {
        memory::fill(target, pitch, value as u32, 1, width, height, stream)
    }
    /// As `hipMemset2D`.
    fn hipMemset2D_spt(target: *mut c_void, pitch: usize, value: c_int, width: usize, height: usize) {
        memory::fill(target, pitch, value as u32, 1, width, height, NULL)
    }
    /// As `hipMemsetAsync`.
    fn hipMemsetAsync_spt(target: *mut c_void, value: c_int, bytes: usize, stream: hipStream_t) {
        memory::fill(target, 0, value as u32, 1, bytes, 1, stream)
    }
    /// As `hipMemset`.
    fn hipMemset_spt(target: *mut c_void, value: c_int, bytes: usize) {
        memory::fill(target, 0, value as u32, 1, bytes, 1, NULL)
    }
    /// As `hipStreamAddCallback`.
    fn hipStreamAddCallback_spt(
        stream: hipStream_t, callback: hipStreamCallback_t, data: *mut c_void, flags: c_uint,
    ) {
        stream::add_callback(stream, callback, data, flags)
    }
    /// As `hipStreamBeginCapture`.
    fn hipStreamBeginCapture_spt(stream: hipStream_t, mode: hipStreamCaptureMode) {
        stream::begin_capture(stream, mode)
    }
    /// As `hipStreamEndCapture`.
    fn hipStreamEndCapture_spt(stream: hipStream_t, graph: *mut hipGraph_t) {
        stream::end_capture(stream, graph)
    }
    /// As `hipStreamGetCaptureInfo`.
    fn hipStreamGetCaptureInfo_spt(stream: hipStream_t, status: *mut hipStreamCaptureStatus, id: *mut u64) {
        stream::capture_info(stream, status, id)
    }
    /// As `hipStreamGetFlags`.
    fn hipStreamGetFlags_spt(stream: hipStream_t, flags: *mut c_uint) {
        stream::give_flags(stream, flags)
    }
    /// As `hipStreamGetPriority`.
    fn hipStreamGetPriority_spt(stream: hipStream_t, priority: *mut c_int) {
        stream::give_priority(stream, priority)
    }
    /// As `hipStreamIsCapturing`.
    fn hipStreamIsCapturing_spt(stream: hipStream_t, status: *mut hipStreamCaptureStatus) {
        stream::is_capturing(stream, status)
    }
    /// As `hipStreamWaitEvent`.
    fn hipStreamWaitEvent_spt(stream: hipStream_t, event: hipEvent_t, flags: c_uint) {
        stream::wait_event(stream, event, flags)
    }
}
