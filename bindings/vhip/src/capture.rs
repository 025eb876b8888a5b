//! Stream capture: what streams record instead of running it.
//!
//! One capture is a [`Session`] with one graph. The stream that began it, and every stream that waited for
//! an event of it, hold a [`Capture`]: the session and the nodes that the stream's next command follows.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, ThreadId},
};

use hip_sys::*;

use crate::{
    api::Status,
    capture_info,
    command::Command,
    graph::{self, Graph},
    runtime::{lock, runtime},
    stream::Stream,
};

/// One stream's part in a capture.
pub(crate) struct Capture {
    session: Arc<Session>,
    /// Nodes that the next command follows.
    last: Vec<usize>,
    /// Whether the capture began here.
    origin: bool,
}

/// Where in a capture an event was recorded.
#[derive(Clone)]
pub(crate) struct CapturePoint {
    session: Arc<Session>,
    last: Vec<usize>,
}

/// A capture from its begin to its end.
struct Session {
    number: u64,
    mode: hipStreamCaptureMode,
    thread: ThreadId,
    recording: Mutex<Recording>,
}

struct Recording {
    graph: Arc<Mutex<Graph>>,
    /// The graph's handle, which programs may ask for before the capture ends.
    handle: usize,
    /// The first node of this capture, in a graph that had nodes before.
    first: usize,
    /// Whether the graph was made for this capture.
    own: bool,
    state: CaptureState,
}

/// Whether a capture still makes a graph.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum CaptureState {
    Active,
    /// A forbidden call was made; only the end of the capture is left.
    Invalidated,
    /// Its graph was handed out or thrown away.
    Finished,
}

impl Capture {
    /// Starts a capture on `stream` into a new graph.
    pub(crate) fn begin(stream: &Stream, mode: hipStreamCaptureMode) -> Status {
        if lock(&stream.capture).is_some() {
            return Err(hipError_t::hipErrorIllegalState);
        }
        let graph = Arc::new(Mutex::new(Graph::default()));
        let handle = runtime().graphs.insert::<ihipGraph>(graph.clone());
        let recording =
            Recording { graph, handle: handle as usize, first: 0, own: true, state: CaptureState::Active };
        Capture::begin_in(stream, mode, recording, Vec::new())
    }

    /// Starts a capture on `stream` that goes on with a graph behind the nodes with these handles.
    pub(crate) fn begin_behind(
        stream: &Stream,
        mode: hipStreamCaptureMode,
        handle: hipGraph_t,
        nodes: &[hipGraphNode_t],
    ) -> Status {
        let graph = graph::resolve(handle)?;
        let (first, last) = {
            let graph = lock(&graph);
            let last: Option<Vec<usize>> = nodes.iter().map(|node| graph.index_of(*node)).collect();
            (graph.nodes.len(), last.ok_or(hipError_t::hipErrorInvalidValue)?)
        };
        let recording =
            Recording { graph, handle: handle as usize, first, own: false, state: CaptureState::Active };
        Capture::begin_in(stream, mode, recording, last)
    }

    fn begin_in(
        stream: &Stream,
        mode: hipStreamCaptureMode,
        recording: Recording,
        last: Vec<usize>,
    ) -> Status {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let mut slot = lock(&stream.capture);
        if slot.is_some() {
            return Err(hipError_t::hipErrorIllegalState);
        }
        let session = Session {
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            mode,
            thread: thread::current().id(),
            recording: Mutex::new(recording),
        };
        *slot = Some(Capture { session: Arc::new(session), last, origin: true });
        Ok(())
    }

    /// Ends the capture that began on `stream` and yields its graph's handle.
    pub(crate) fn end(stream: &Stream) -> Result<hipGraph_t, hipError_t> {
        let (session, last) = {
            let mut slot = lock(&stream.capture);
            let capture = slot.as_ref().ok_or(hipError_t::hipErrorIllegalState)?;
            if !capture.origin {
                capture.invalidate();
                return Err(hipError_t::hipErrorStreamCaptureUnmatched);
            }
            let relaxed = capture.session.mode == hipStreamCaptureMode_hipStreamCaptureModeRelaxed;
            if !relaxed && capture.session.thread != thread::current().id() {
                return Err(hipError_t::hipErrorStreamCaptureWrongThread);
            }
            let Some(capture) = slot.take() else { return Err(hipError_t::hipErrorIllegalState) };
            (capture.session, capture.last)
        };
        for other in runtime().streams.all() {
            let mut slot = lock(&other.capture);
            if slot.as_ref().is_some_and(|capture| Arc::ptr_eq(&capture.session, &session)) {
                *slot = None;
            }
        }
        let mut recording = lock(&session.recording);
        let state = std::mem::replace(&mut recording.state, CaptureState::Finished);
        let handle = recording.handle as hipGraph_t;
        let outcome = if state != CaptureState::Active {
            Err(hipError_t::hipErrorStreamCaptureInvalidated)
        } else if !lock(&recording.graph).all_before(&last, recording.first) {
            Err(hipError_t::hipErrorStreamCaptureUnjoined)
        } else {
            Ok(handle)
        };
        if outcome.is_err() && recording.own {
            // The program may have destroyed it already.
            let _graph = runtime().graphs.remove(handle);
        }
        outcome
    }

    /// Makes `stream` take part in the capture that `point` belongs to, after that point.
    pub(crate) fn join(stream: &Stream, point: CapturePoint) -> Status {
        let mut slot = lock(&stream.capture);
        match slot.as_mut() {
            Some(capture) if Arc::ptr_eq(&capture.session, &point.session) => {
                for node in point.last {
                    if !capture.last.contains(&node) {
                        capture.last.push(node);
                    }
                }
                capture.session.usable()
            }
            Some(capture) => {
                capture.invalidate();
                point.session.invalidate();
                Err(hipError_t::hipErrorStreamCaptureMerge)
            }
            None => {
                if lock(&point.session.recording).state == CaptureState::Finished {
                    return Err(hipError_t::hipErrorCapturedEvent);
                }
                point.session.usable()?;
                if stream.is_null() {
                    point.session.invalidate();
                    return Err(hipError_t::hipErrorStreamCaptureImplicit);
                }
                *slot = Some(Capture { session: point.session, last: point.last, origin: false });
                Ok(())
            }
        }
    }

    /// Records `command` as the stream's next one.
    pub(crate) fn add(&mut self, command: Command) -> Status {
        self.session.usable()?;
        let node = lock(&lock(&self.session.recording).graph).add(command, self.last.clone());
        self.last = vec![node];
        Ok(())
    }

    /// The place that an event recorded now marks.
    pub(crate) fn point(&self) -> CapturePoint {
        CapturePoint { session: self.session.clone(), last: self.last.clone() }
    }

    /// Makes the capture end without a graph.
    pub(crate) fn invalidate(&self) {
        self.session.invalidate();
    }

    pub(crate) fn state(&self) -> CaptureState {
        lock(&self.session.recording).state
    }

    /// The graph's handle, and the handles of the nodes that the stream's next command follows.
    pub(crate) fn place(&self) -> (hipGraph_t, Vec<usize>) {
        let recording = lock(&self.session.recording);
        let graph = lock(&recording.graph);
        let last = self.last.iter().filter_map(|index| graph.nodes.get(*index)).map(|node| node.handle);
        (recording.handle as hipGraph_t, last.collect())
    }

    /// Makes the stream's next command follow the nodes with these handles, in the place of what it followed or
    /// beside it.
    pub(crate) fn follow(&mut self, nodes: &[hipGraphNode_t], beside: bool) -> Status {
        self.session.usable()?;
        let found: Option<Vec<usize>> = {
            let recording = lock(&self.session.recording);
            let graph = lock(&recording.graph);
            nodes.iter().map(|node| graph.index_of(*node)).collect()
        };
        let found = found.ok_or(hipError_t::hipErrorInvalidValue)?;
        if !beside {
            self.last.clear();
        }
        for index in found {
            if !self.last.contains(&index) {
                self.last.push(index);
            }
        }
        Ok(())
    }

    /// The capture's number, unique in the process.
    pub(crate) fn number(&self) -> u64 {
        self.session.number
    }
}

impl Session {
    fn usable(&self) -> Status {
        match lock(&self.recording).state {
            CaptureState::Active => Ok(()),
            _ => Err(hipError_t::hipErrorStreamCaptureInvalidated),
        }
    }

    fn invalidate(&self) {
        let mut recording = lock(&self.recording);
        if recording.state == CaptureState::Active {
            recording.state = CaptureState::Invalidated;
        }
    }
}

/// Refuses, with `status`, a call that no capture survives: one that waits for the whole device.
pub(crate) fn refuse_all(status: hipError_t) -> Status {
    let mut found = Ok(());
    for stream in runtime().streams.all() {
        if let Some(capture) = lock(&stream.capture).as_ref() {
            capture.invalidate();
            found = Err(status);
        }
    }
    found
}

/// Refuses a call that waits or allocates while a capture forbids it to the calling thread, and invalidates
/// that capture: one begun by this thread in thread-local mode, or by any thread in global mode. A thread
/// in relaxed mode (`hipThreadExchangeStreamCaptureMode`) may do anything.
pub(crate) fn refuse_unsafe() -> Status {
    let relaxed = hipStreamCaptureMode_hipStreamCaptureModeRelaxed;
    if capture_info::thread_mode() == relaxed {
        return Ok(());
    }
    let mut found = Ok(());
    for stream in runtime().streams.all() {
        let slot = lock(&stream.capture);
        let Some(capture) = slot.as_ref().filter(|capture| capture.origin) else { continue };
        let session = &capture.session;
        let own = session.thread == thread::current().id();
        let global = session.mode == hipStreamCaptureMode_hipStreamCaptureModeGlobal
            && capture_info::thread_mode() == hipStreamCaptureMode_hipStreamCaptureModeGlobal;
        if session.mode != relaxed && (own || global) {
            session.invalidate();
            found = Err(hipError_t::hipErrorStreamCaptureUnsupported);
        }
    }
    found
}
