//! Work that is captured once and launched many times.

use std::fmt;
use std::ptr;

use hip_sys::{hipGraph_t, hipGraphExec_t, hipStreamCaptureMode_hipStreamCaptureModeThreadLocal};

use crate::context::{call, call_in_drop};
use crate::{Device, Error, Result, Stream};

/// Captured work.
pub struct Graph {
    device: Device,
    handle: hipGraph_t,
}

/// A graph made ready to launch.
pub struct GraphExec {
    device: Device,
    handle: hipGraphExec_t,
}

// SAFETY: HIP's functions may be called with a graph from any thread; the handle is an opaque
// pointer that this crate never dereferences, and no method changes the graph.
unsafe impl Send for Graph {}
// SAFETY: as above.
unsafe impl Sync for Graph {}
// SAFETY: as above.
unsafe impl Send for GraphExec {}
// SAFETY: as above; HIP serialises launches of one executable graph.
unsafe impl Sync for GraphExec {}

impl Graph {
    /// Captures what `record` submits to `stream`, which does not run.
    ///
    /// `stream` must not be the null stream. HIP refuses calls that would wait or allocate on this
    /// thread meanwhile; they invalidate the capture.
    ///
    /// # Errors
    /// `record`'s error first; else the status of `hipStreamBeginCapture` or `hipStreamEndCapture`.
    pub fn capture(stream: &Stream, record: impl FnOnce(&Stream) -> Result<()>) -> Result<Self> {
        let device = stream.device();
        device.make_current()?;
        let mode = hipStreamCaptureMode_hipStreamCaptureModeThreadLocal;
        // SAFETY: the stream is null, which HIP refuses, or live.
        unsafe { call!(device.context(), hipStreamBeginCapture(stream.handle(), mode), "{stream:?}") }?;
        // Ends the capture also when `record` panics, so that the stream stays usable.
        let mut capture = Capture { stream, ended: false };
        let recorded = record(stream);
        let graph = capture.end();
        recorded?;
        graph
    }

    /// Makes the graph ready to launch.
    ///
    /// # Errors
    /// The status of `hipGraphInstantiate`.
    pub fn instantiate(&self) -> Result<GraphExec> {
        self.device.make_current()?;
        let mut handle = ptr::null_mut();
        // SAFETY: the out-pointer is valid for one handle, the graph is live, and HIP takes a null
        // log with size 0.
        unsafe {
            call!(
                self.device.context(),
                hipGraphInstantiate(&mut handle, self.handle, ptr::null_mut(), ptr::null_mut(), 0),
                "{self:?}"
            )
        }?;
        Ok(GraphExec { device: self.device.clone(), handle })
    }

    /// Number of captured operations.
    ///
    /// # Errors
    /// The status of `hipGraphGetNodes`.
    pub fn node_count(&self) -> Result<usize> {
        let mut count = 0;
        // SAFETY: with a null list HIP only writes the count, to a valid out-pointer.
        unsafe {
            call!(
                self.device.context(),
                hipGraphGetNodes(self.handle, ptr::null_mut(), &mut count),
                "{self:?}"
            )
        }?;
        Ok(count)
    }
}

impl GraphExec {
    /// Queues all captured work and returns.
    ///
    /// # Errors
    /// The status of `hipGraphLaunch`.
    ///
    /// # Safety
    /// What was captured runs again: the contracts of the captured launches and copies must hold
    /// anew. In particular every buffer, module and host slice they name must still exist.
    pub unsafe fn launch(&self, stream: &Stream) -> Result<()> {
        stream.device().make_current()?;
        // SAFETY: the graph is live, the stream is null or live; the rest is the caller's.
        unsafe {
            call!(self.device.context(), hipGraphLaunch(self.handle, stream.handle()), "{self:?}, {stream:?}")
        }
    }
}

/// A capture that has begun.
struct Capture<'a> {
    stream: &'a Stream,
    ended: bool,
}

impl Capture<'_> {
    fn end(&mut self) -> Result<Graph> {
        self.ended = true;
        let device = self.stream.device();
        let mut handle = ptr::null_mut();
        // SAFETY: the stream is live and capturing, the out-pointer is valid for one handle. Failed
        // releases are not reported here: the capture must end.
        unsafe {
            call_in_drop!(
                device.context(),
                hipStreamEndCapture(self.stream.handle(), &mut handle),
                "{:?}",
                self.stream
            )
        }?;
        if handle.is_null() {
            return Err(Error::Argument {
                call: "hipGraphInstantiate",
                reason: format!("the capture of {:?} gave no graph", self.stream),
            });
        }
        Ok(Graph { device: device.clone(), handle })
    }
}

impl Drop for Capture<'_> {
    fn drop(&mut self) {
        if !self.ended {
            let abandoned = self.end().map(drop);
            self.stream.device().context().remember(abandoned);
        }
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        let context = self.device.context();
        // SAFETY: the handle came from hipStreamEndCapture and nothing uses it after this.
        context.remember(unsafe { call_in_drop!(context, hipGraphDestroy(self.handle), "{self:?}") });
    }
}

impl Drop for GraphExec {
    fn drop(&mut self) {
        let context = self.device.context();
        // SAFETY: the handle came from hipGraphInstantiate and nothing uses it after this.
        context.remember(unsafe { call_in_drop!(context, hipGraphExecDestroy(self.handle), "{self:?}") });
    }
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "graph = {:p} of device {}", self.handle, self.device.ordinal())
    }
}

impl fmt::Debug for GraphExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "executable graph = {:p} of device {}", self.handle, self.device.ordinal())
    }
}
