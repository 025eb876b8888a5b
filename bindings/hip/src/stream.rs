//! A queue of work on a device.

use std::fmt;
use std::ptr;

use hip_sys::{hipError_t, hipStream_t};

use crate::context::{call, call_in_drop};
use crate::{Device, Event, Result};

/// `hipStreamNonBlocking`, a macro in the header: no implicit order with the null stream.
const NON_BLOCKING: u32 = 1;

/// A queue whose entries run in order.
///
/// A stream of [`Stream::new`] and the device's null stream wait for each other, so the synchronous
/// copies of [`DeviceSlice`](crate::DeviceSlice), which use the null stream, see its results. One of
/// [`Stream::non_blocking`] must be synchronised first.
pub struct Stream {
    device: Device,
    /// Null for the null stream, which is not ours to destroy.
    handle: hipStream_t,
}

// SAFETY: HIP's functions may be called with a stream from any thread; the handle is an opaque
// pointer that this crate never dereferences.
unsafe impl Send for Stream {}
// SAFETY: as above; HIP serialises concurrent submissions to one stream.
unsafe impl Sync for Stream {}

impl Stream {
    /// A stream that is ordered with the null stream.
    ///
    /// # Errors
    /// The status of `hipStreamCreateWithFlags`.
    pub fn new(device: &Device) -> Result<Self> {
        Self::with_flags(device, 0)
    }

    /// A stream that is not ordered with the null stream.
    ///
    /// # Errors
    /// The status of `hipStreamCreateWithFlags`.
    pub fn non_blocking(device: &Device) -> Result<Self> {
        Self::with_flags(device, NON_BLOCKING)
    }

    /// The device's null stream.
    pub fn null(device: &Device) -> Self {
        Self { device: device.clone(), handle: ptr::null_mut() }
    }

    /// The device whose work it queues.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Waits until everything submitted so far is done.
    ///
    /// # Errors
    /// The status of `hipStreamSynchronize`, among them those of kernels that were stopped.
    pub fn synchronize(&self) -> Result<()> {
        self.device.make_current()?;
        // SAFETY: the handle is null or a live stream.
        unsafe { call!(self.device.context(), hipStreamSynchronize(self.handle), "{self:?}") }
    }

    /// Whether everything submitted so far is done.
    ///
    /// # Errors
    /// The status of `hipStreamQuery`, unless it is `hipErrorNotReady`.
    pub fn is_idle(&self) -> Result<bool> {
        self.device.make_current()?;
        // SAFETY: the handle is null or a live stream.
        match unsafe { call!(self.device.context(), hipStreamQuery(self.handle), "{self:?}") } {
            Ok(()) => Ok(true),
            Err(error) if error.code() == Some(hipError_t::hipErrorNotReady) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Lets later work of this stream wait for what `event` recorded.
    ///
    /// # Errors
    /// The status of `hipStreamWaitEvent`.
    pub fn wait(&self, event: &Event) -> Result<()> {
        self.device.make_current()?;
        // SAFETY: the stream is null or live, the event is live.
        unsafe {
            call!(
                self.device.context(),
                hipStreamWaitEvent(self.handle, event.handle(), 0),
                "{self:?}, {event:?}"
            )
        }
    }

    pub(crate) fn handle(&self) -> hipStream_t {
        self.handle
    }

    fn with_flags(device: &Device, flags: u32) -> Result<Self> {
        device.make_current()?;
        let mut handle = ptr::null_mut();
        // SAFETY: the out-pointer is valid for one handle.
        unsafe {
            call!(
                device.context(),
                hipStreamCreateWithFlags(&mut handle, flags),
                "device = {}, flags = {flags:#x}",
                device.ordinal()
            )
        }?;
        Ok(Self { device: device.clone(), handle })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.handle.is_null() {
            return;
        }
        let context = self.device.context();
        // SAFETY: the handle came from hipStreamCreateWithFlags and nothing uses it after this.
        context.remember(unsafe { call_in_drop!(context, hipStreamDestroy(self.handle), "{self:?}") });
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stream = {:p} of device {}", self.handle, self.device.ordinal())
    }
}
