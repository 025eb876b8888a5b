//! Beginning and ending captures, and what a capturing stream says about itself.

use std::{cell::RefCell, ffi::c_uint, sync::Arc};

use hip_sys::*;

use crate::{
    api::{Status, api, put},
    capture::{Capture, CaptureState},
    runtime::lock,
    stream::{PER_THREAD, Stream, resolve},
};

const INVALID: hipError_t = hipError_t::hipErrorInvalidValue;

pub(crate) fn begin_capture(stream: hipStream_t, mode: hipStreamCaptureMode) -> Status {
    if (stream as usize) < PER_THREAD {
        return Err(hipError_t::hipErrorStreamCaptureUnsupported);
    }
    if mode > hipStreamCaptureMode_hipStreamCaptureModeRelaxed {
        return Err(hipError_t::hipErrorInvalidValue);
    }
    Capture::begin(&*resolve(stream)?, mode)
}

pub(crate) fn end_capture(stream: hipStream_t, graph: *mut hipGraph_t) -> Status {
    if graph.is_null() {
        return Err(hipError_t::hipErrorInvalidValue);
    }
    let handle = Capture::end(&*resolve(stream)?)?;
    // SAFETY: the caller's out-parameter, not null.
    unsafe { put(graph, handle) }
}

pub(crate) fn is_capturing(stream: hipStream_t, status: *mut hipStreamCaptureStatus) -> Status {
    let stream = resolve(stream)?;
    // The null stream waits for blocking streams, and a capturing one cannot be waited for.
    if stream.is_null() && stream.blocking_peers().any(|other| lock(&other.capture).is_some()) {
        return Err(hipError_t::hipErrorStreamCaptureImplicit);
    }
    // SAFETY: the caller's out-parameter.
    unsafe { put(status, state(&stream).0) }
}

pub(crate) fn capture_info(stream: hipStream_t, status: *mut hipStreamCaptureStatus, id: *mut u64) -> Status {
    let (code, number) = state(&*resolve(stream)?);
    if !id.is_null() {
        // SAFETY: the caller's out-parameter, not null.
        unsafe { put(id, number)? };
    }
    // SAFETY: the caller's out-parameter.
    unsafe { put(status, code) }
}

thread_local! {
    /// The nodes that the thread last asked for: their list is the library's.
    static NODES: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// Capture status, the capture's number, its graph, and the nodes that the next command follows.
///
/// # Safety
/// Every pointer but the first is null or an out-parameter.
pub(crate) unsafe fn whole_capture_info(
    stream: hipStream_t,
    status: *mut hipStreamCaptureStatus,
    id: *mut u64,
    graph: *mut hipGraph_t,
    nodes: *mut *const hipGraphNode_t,
    count: *mut usize,
) -> Status {
    if status.is_null() {
        return Err(INVALID);
    }
    capture_info(stream, status, id)?;
    let stream: Arc<Stream> = resolve(stream)?;
    let place = lock(&stream.capture).as_ref().map(Capture::place);
    let Some((handle, last)) = place else { return Ok(()) };
    // SAFETY: the caller's out-parameters, each of which may be left out.
    unsafe {
        if !graph.is_null() {
            put(graph, handle)?;
        }
        if !count.is_null() {
            put(count, last.len())?;
        }
        if !nodes.is_null() {
            let list = NODES.with_borrow_mut(|own| {
                *own = last;
                own.as_ptr()
            });
            put(nodes, list.cast())?;
        }
    }
    Ok(())
}

/// A caller's list of nodes.
///
/// # Safety
/// `nodes` holds `count` handles, or `count` is 0.
unsafe fn listed<'a>(nodes: *const hipGraphNode_t, count: usize) -> Result<&'a [hipGraphNode_t], hipError_t> {
    match (count, nodes.is_null()) {
        (0, _) => Ok(&[]),
        (_, true) => Err(INVALID),
        // SAFETY: not null, and the caller's promise.
        (count, false) => Ok(unsafe { std::slice::from_raw_parts(nodes, count) }),
    }
}

api! {
    /// Starts capturing `stream` into a new graph.
    fn hipStreamBeginCapture(stream: hipStream_t, mode: hipStreamCaptureMode) {
        begin_capture(stream, mode)
    }
    /// Ends the capture and hands out its graph.
    fn hipStreamEndCapture(stream: hipStream_t, graph: *mut hipGraph_t) {
        end_capture(stream, graph)
    }
    /// Whether `stream` is capturing: 0 none, 1 active, 2 invalidated.
    fn hipStreamIsCapturing(stream: hipStream_t, status: *mut hipStreamCaptureStatus) {
        is_capturing(stream, status)
    }
    /// Capture status and the capture's number.
    fn hipStreamGetCaptureInfo(stream: hipStream_t, status: *mut hipStreamCaptureStatus, id: *mut u64) {
        capture_info(stream, status, id)
    }
    /// Exchanges the thread's capture mode, which decides whether calls that wait or allocate are refused
    /// during captures.
    fn hipThreadExchangeStreamCaptureMode(mode: *mut hipStreamCaptureMode) {
        if mode.is_null() {
            return Err(hipError_t::hipErrorInvalidValue);
        }
        // SAFETY: the caller's in-out parameter, not null.
        let wanted = unsafe { *mode };
        if wanted > 2 {
            return Err(hipError_t::hipErrorInvalidValue);
        }
        let before = CAPTURE_MODE.replace(wanted);
        // SAFETY: as above.
        unsafe { put(mode, before) }
    }
    /// Starts capturing `stream` into a graph that there is, behind some of its nodes.
    fn hipStreamBeginCaptureToGraph(
        stream: hipStream_t, graph: hipGraph_t, nodes: *const hipGraphNode_t, _edges: *const hipGraphEdgeData,
        count: usize, mode: hipStreamCaptureMode,
    ) {
        if (stream as usize) < PER_THREAD {
            return Err(hipError_t::hipErrorStreamCaptureUnsupported);
        }
        if mode > hipStreamCaptureMode_hipStreamCaptureModeRelaxed {
            return Err(INVALID);
        }
        // SAFETY: the caller's list.
        let nodes = unsafe { listed(nodes, count) }?;
        Capture::begin_behind(&*resolve(stream)?, mode, graph, nodes)
    }
    /// As `hipStreamGetCaptureInfo`, with the graph and the nodes that the next command follows; their list
    /// lives until the thread asks again.
    fn hipStreamGetCaptureInfo_v2(
        stream: hipStream_t, status: *mut hipStreamCaptureStatus, id: *mut u64, graph: *mut hipGraph_t,
        nodes: *mut *const hipGraphNode_t, count: *mut usize,
    ) {
        // SAFETY: the caller's out-parameters.
        unsafe { whole_capture_info(stream, status, id, graph, nodes, count) }
    }
    /// Changes the nodes that the next command follows: flag 0 adds some, 1 replaces them.
    fn hipStreamUpdateCaptureDependencies(
        stream: hipStream_t, nodes: *mut hipGraphNode_t, count: usize, flags: c_uint,
    ) {
        if flags > 1 {
            return Err(INVALID);
        }
        // SAFETY: the caller's list.
        let nodes = unsafe { listed(nodes, count) }?;
        let stream = resolve(stream)?;
        let mut slot = lock(&stream.capture);
        slot.as_mut().ok_or(hipError_t::hipErrorIllegalState)?.follow(nodes, flags == 0)
    }
}

thread_local! {
    static CAPTURE_MODE: std::cell::Cell<hipStreamCaptureMode> = const { std::cell::Cell::new(0) };
}

/// The calling thread's capture mode.
pub(crate) fn thread_mode() -> hipStreamCaptureMode {
    CAPTURE_MODE.get()
}

fn state(stream: &Stream) -> (hipStreamCaptureStatus, u64) {
    match lock(&stream.capture).as_ref() {
        None => (0, 0),
        Some(capture) => match capture.state() {
            CaptureState::Active => (1, capture.number()),
            _ => (2, capture.number()),
        },
    }
}
