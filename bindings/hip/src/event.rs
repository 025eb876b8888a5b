//! A mark in a stream, and the device time between two of them.

use std::fmt;
use std::ptr;

use hip_sys::{hipError_t, hipEvent_t};

use crate::context::{call, call_in_drop};
use crate::{Device, Result, Stream};

/// `hipEventDisableTiming`, a macro in the header.
const DISABLE_TIMING: u32 = 2;

/// A mark that a stream passes.
pub struct Event {
    device: Device,
    handle: hipEvent_t,
}

// SAFETY: HIP's functions may be called with an event from any thread; the handle is an opaque
// pointer that this crate never dereferences.
unsafe impl Send for Event {}
// SAFETY: as above; HIP serialises concurrent uses of one event.
unsafe impl Sync for Event {}

impl Event {
    /// An event that takes the device's time.
    ///
    /// # Errors
    /// The status of `hipEventCreateWithFlags`.
    pub fn new(device: &Device) -> Result<Self> {
        Self::with_flags(device, 0)
    }

    /// An event for ordering only, which costs the device less.
    ///
    /// # Errors
    /// The status of `hipEventCreateWithFlags`.
    pub fn without_timing(device: &Device) -> Result<Self> {
        Self::with_flags(device, DISABLE_TIMING)
    }

    /// The device it was made on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Puts the mark at the end of `stream`, replacing an earlier one.
    ///
    /// # Errors
    /// The status of `hipEventRecord`.
    pub fn record(&self, stream: &Stream) -> Result<()> {
        stream.device().make_current()?;
        // SAFETY: the event is live, the stream is null or live.
        unsafe {
            call!(self.device.context(), hipEventRecord(self.handle, stream.handle()), "{self:?}, {stream:?}")
        }
    }

    /// Waits until the stream has passed the mark. Returns at once when nothing was recorded.
    ///
    /// # Errors
    /// The status of `hipEventSynchronize`, among them those of kernels that were stopped.
    pub fn synchronize(&self) -> Result<()> {
        // SAFETY: the event is live.
        unsafe { call!(self.device.context(), hipEventSynchronize(self.handle), "{self:?}") }
    }

    /// Whether the stream has passed the mark.
    ///
    /// # Errors
    /// The status of `hipEventQuery`, unless it is `hipErrorNotReady`.
    pub fn is_complete(&self) -> Result<bool> {
        // SAFETY: the event is live.
        match unsafe { call!(self.device.context(), hipEventQuery(self.handle), "{self:?}") } {
            Ok(()) => Ok(true),
            Err(error) if error.code() == Some(hipError_t::hipErrorNotReady) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Device time from `start` to this event, in milliseconds. Both must have been passed.
    ///
    /// On the virtual runtime this is modelled time. HIP gives it as an f32, so about seven digits
    /// are real.
    ///
    /// # Errors
    /// The status of `hipEventElapsedTime`: `hipErrorNotReady` before both were passed,
    /// `hipErrorInvalidHandle` when one was not recorded or was made without timing.
    pub fn elapsed_ms_since(&self, start: &Event) -> Result<f64> {
        let mut milliseconds = 0f32;
        // SAFETY: both events are live and the out-pointer is valid for one float.
        unsafe {
            call!(
                self.device.context(),
                hipEventElapsedTime(&mut milliseconds, start.handle, self.handle),
                "from {start:?} to {self:?}"
            )
        }?;
        Ok(f64::from(milliseconds))
    }

    pub(crate) fn handle(&self) -> hipEvent_t {
        self.handle
    }

    /// [`synchronize`](Self::synchronize) without reporting failed releases, for `Drop`.
    pub(crate) fn synchronize_in_drop(&self) -> Result<()> {
        // SAFETY: the event is live.
        unsafe { call_in_drop!(self.device.context(), hipEventSynchronize(self.handle), "{self:?}") }
    }

    fn with_flags(device: &Device, flags: u32) -> Result<Self> {
        device.make_current()?;
        let mut handle = ptr::null_mut();
        // SAFETY: the out-pointer is valid for one handle.
        unsafe {
            call!(
                device.context(),
                hipEventCreateWithFlags(&mut handle, flags),
                "device = {}, flags = {flags:#x}",
                device.ordinal()
            )
        }?;
        Ok(Self { device: device.clone(), handle })
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        let context = self.device.context();
        // SAFETY: the handle came from hipEventCreateWithFlags and nothing uses it after this.
        context.remember(unsafe { call_in_drop!(context, hipEventDestroy(self.handle), "{self:?}") });
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event = {:p} of device {}", self.handle, self.device.ordinal())
    }
}
