//! Functions of programs that are compiled for a default stream of each thread.
//!
//! Where other functions take null for the device's null stream, these take it for the thread's own.

use std::ffi::{c_int, c_uint, c_void};

use hip_sys::*;

use crate::{api::api, capture_info, copy, event, fill, graph, launch, memory, stream, symbol, transfer};

/// The thread's stream.
const OWN: hipStream_t = std::ptr::without_provenance_mut(stream::PER_THREAD);

/// The stream that a handle means in such a program.
fn meant(stream: hipStream_t) -> hipStream_t {
    if stream.is_null() { OWN } else { stream }
}

api! {
    /// As `hipMemcpy3D`.
    fn hipMemcpy3D_spt(params: *const hipMemcpy3DParms) {
        // SAFETY: the same contract.
        memory::now(|| unsafe { transfer::copy(params, OWN) })
    }
    /// As `hipMemcpy3DAsync`.
    fn hipMemcpy3DAsync_spt(params: *const hipMemcpy3DParms, stream: hipStream_t) {
        // SAFETY: the same contract.
        unsafe { transfer::copy(params, meant(stream)) }
    }
    /// As `hipMemset3D`.
    fn hipMemset3D_spt(region: hipPitchedPtr, value: c_int, extent: hipExtent) {
        memory::now(|| transfer::fill(region, value, extent, OWN))
    }
    /// As `hipMemset3DAsync`.
    fn hipMemset3DAsync_spt(region: hipPitchedPtr, value: c_int, extent: hipExtent, stream: hipStream_t) {
        transfer::fill(region, value, extent, meant(stream))
    }
    /// As `hipLaunchCooperativeKernel`.
    fn hipLaunchCooperativeKernel_spt(
        symbol: *const c_void, grid: dim3, block: dim3, params: *mut *mut c_void, dynamic_lds: c_uint,
        stream: hipStream_t,
    ) {
        // SAFETY: the same contract.
        unsafe { launch::cooperative(symbol, grid, block, params, dynamic_lds, meant(stream)) }
    }
    /// As `hipLaunchHostFunc`.
    fn hipLaunchHostFunc_spt(stream: hipStream_t, function: hipHostFn_t, data: *mut c_void) {
        stream::launch_host_function(meant(stream), function, data)
    }
    /// As `hipMemcpy2DAsync`.
    fn hipMemcpy2DAsync_spt(
        target: *mut c_void, target_pitch: usize, source: *const c_void, source_pitch: usize, width: usize,
        height: usize, kind: hipMemcpyKind, stream: hipStream_t,
    ) {
        copy::copy_rows(target, target_pitch, source, source_pitch, width, height, kind, meant(stream))
    }
    /// As `hipMemcpy2D`.
    fn hipMemcpy2D_spt(
        target: *mut c_void, target_pitch: usize, source: *const c_void, source_pitch: usize, width: usize,
        height: usize, kind: hipMemcpyKind,
    ) {
        memory::now(|| copy::copy_rows(target, target_pitch, source, source_pitch, width, height, kind, OWN))
    }
    /// As `hipMemcpyFromSymbolAsync`.
    fn hipMemcpyFromSymbolAsync_spt(
        target: *mut c_void, symbol: *const c_void, bytes: usize, offset: usize, kind: hipMemcpyKind,
        stream: hipStream_t,
    ) {
        symbol::copy_from(target, symbol, bytes, offset, kind, meant(stream))
    }
    /// As `hipMemcpyFromSymbol`.
    fn hipMemcpyFromSymbol_spt(
        target: *mut c_void, symbol: *const c_void, bytes: usize, offset: usize, kind: hipMemcpyKind,
    ) {
        memory::now(|| symbol::copy_from(target, symbol, bytes, offset, kind, OWN))
    }
    /// As `hipMemcpyToSymbolAsync`.
    fn hipMemcpyToSymbolAsync_spt(
        symbol: *const c_void, source: *const c_void, bytes: usize, offset: usize, kind: hipMemcpyKind,
        stream: hipStream_t,
    ) {
        symbol::copy_to(symbol, source, bytes, offset, kind, meant(stream))
    }
    /// As `hipMemcpyToSymbol`.
    fn hipMemcpyToSymbol_spt(
        symbol: *const c_void, source: *const c_void, bytes: usize, offset: usize, kind: hipMemcpyKind,
    ) {
        memory::now(|| symbol::copy_to(symbol, source, bytes, offset, kind, OWN))
    }
    /// As `hipMemset2DAsync`.
    fn hipMemset2DAsync_spt(
        target: *mut c_void, pitch: usize, value: c_int, width: usize, height: usize, stream: hipStream_t,
    ) {
        fill::fill(target, pitch, value as u32, 1, width, height, meant(stream))
    }
    /// As `hipMemset2D`.
    fn hipMemset2D_spt(target: *mut c_void, pitch: usize, value: c_int, width: usize, height: usize) {
        memory::now(|| fill::fill(target, pitch, value as u32, 1, width, height, OWN))
    }
    /// As `hipMemsetAsync`.
    fn hipMemsetAsync_spt(target: *mut c_void, value: c_int, bytes: usize, stream: hipStream_t) {
        fill::fill(target, 0, value as u32, 1, bytes, 1, meant(stream))
    }
    /// As `hipMemset`.
    fn hipMemset_spt(target: *mut c_void, value: c_int, bytes: usize) {
        memory::now(|| fill::fill(target, 0, value as u32, 1, bytes, 1, OWN))
    }
    /// As `hipStreamAddCallback`.
    fn hipStreamAddCallback_spt(
        stream: hipStream_t, callback: hipStreamCallback_t, data: *mut c_void, flags: c_uint,
    ) {
        stream::add_callback(meant(stream), callback, data, flags)
    }
    /// As `hipStreamBeginCapture`.
    fn hipStreamBeginCapture_spt(stream: hipStream_t, mode: hipStreamCaptureMode) {
        capture_info::begin_capture(meant(stream), mode)
    }
    /// As `hipStreamEndCapture`.
    fn hipStreamEndCapture_spt(stream: hipStream_t, graph: *mut hipGraph_t) {
        capture_info::end_capture(meant(stream), graph)
    }
    /// As `hipStreamGetCaptureInfo`.
    fn hipStreamGetCaptureInfo_spt(stream: hipStream_t, status: *mut hipStreamCaptureStatus, id: *mut u64) {
        capture_info::capture_info(meant(stream), status, id)
    }
    /// As `hipStreamGetCaptureInfo_v2`.
    fn hipStreamGetCaptureInfo_v2_spt(
        stream: hipStream_t, status: *mut hipStreamCaptureStatus, id: *mut u64, graph: *mut hipGraph_t,
        nodes: *mut *const hipGraphNode_t, count: *mut usize,
    ) {
        // SAFETY: the same contract.
        unsafe { capture_info::whole_capture_info(meant(stream), status, id, graph, nodes, count) }
    }
    /// As `hipStreamGetFlags`.
    fn hipStreamGetFlags_spt(stream: hipStream_t, flags: *mut c_uint) {
        stream::give_flags(meant(stream), flags)
    }
    /// As `hipStreamGetPriority`.
    fn hipStreamGetPriority_spt(stream: hipStream_t, priority: *mut c_int) {
        stream::give_priority(meant(stream), priority)
    }
    /// As `hipStreamIsCapturing`.
    fn hipStreamIsCapturing_spt(stream: hipStream_t, status: *mut hipStreamCaptureStatus) {
        capture_info::is_capturing(meant(stream), status)
    }
    /// As `hipStreamWaitEvent`.
    fn hipStreamWaitEvent_spt(stream: hipStream_t, event: hipEvent_t, flags: c_uint) {
        stream::wait_event(meant(stream), event, flags)
    }
    /// As `hipStreamSynchronize`.
    fn hipStreamSynchronize_spt(stream: hipStream_t) { stream::synchronize(meant(stream)) }
    /// As `hipStreamQuery`.
    fn hipStreamQuery_spt(stream: hipStream_t) { stream::query(meant(stream)) }
    /// As `hipEventRecord`.
    fn hipEventRecord_spt(event: hipEvent_t, stream: hipStream_t) { event::record(event, meant(stream)) }
    /// As `hipMemcpy`.
    fn hipMemcpy_spt(target: *mut c_void, source: *const c_void, bytes: usize, kind: hipMemcpyKind) {
        memory::now(|| copy::copy(target, source, bytes, kind, OWN))
    }
    /// As `hipMemcpyAsync`.
    fn hipMemcpyAsync_spt(
        target: *mut c_void, source: *const c_void, bytes: usize, kind: hipMemcpyKind, stream: hipStream_t,
    ) {
        copy::copy(target, source, bytes, kind, meant(stream))
    }
    /// As `hipGraphLaunch`.
    fn hipGraphLaunch_spt(graph: hipGraphExec_t, stream: hipStream_t) { graph::launch(graph, meant(stream)) }
    /// As `hipLaunchKernel`.
    fn hipLaunchKernel_spt(
        symbol: *const c_void, grid: dim3, block: dim3, params: *mut *mut c_void, dynamic_lds: usize,
        stream: hipStream_t,
    ) {
        // SAFETY: the same contract.
        unsafe { launch::launch_symbol(symbol, grid, block, params, dynamic_lds, meant(stream)) }
    }
}
