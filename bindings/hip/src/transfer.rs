//! Copies between host and device that run while the host goes on.

use std::mem::ManuallyDrop;

use bytemuck::Pod;

use crate::{DeviceSlice, DeviceSliceMut, Event, PinnedBuffer, Result, Stream};

/// A host buffer that a queued copy is using; [`wait`](Self::wait) gives it back.
///
/// It owns the buffer, so the host can neither change nor free it under the copy. Dropping it waits;
/// forgetting it leaks the buffer, which is safe.
#[derive(Debug)]
pub struct InFlight<T: Pod> {
    buffer: ManuallyDrop<PinnedBuffer<T>>,
    done: Event,
}

impl Stream {
    /// Queues a copy of `source` to the device and returns.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) when the lengths differ, or the status of
    /// `hipMemcpyAsync` or `hipEventRecord`.
    pub fn upload<T: Pod>(
        &self,
        source: PinnedBuffer<T>,
        mut target: DeviceSliceMut<'_, T>,
    ) -> Result<InFlight<T>> {
        self.fly(source, |buffer| {
            // SAFETY: the buffer is owned by the InFlight until the stream has passed the copy.
            unsafe { target.copy_from_async(buffer, self) }
        })
    }

    /// Queues a copy of `source` to the host and returns; the elements are in the buffer that
    /// [`InFlight::wait`] gives back.
    ///
    /// # Errors
    /// As [`upload`](Self::upload).
    pub fn download<T: Pod>(
        &self,
        source: DeviceSlice<'_, T>,
        target: PinnedBuffer<T>,
    ) -> Result<InFlight<T>> {
        self.fly(target, |buffer| {
            // SAFETY: the buffer is owned by the InFlight until the stream has passed the copy.
            unsafe { source.copy_to_async(buffer, self) }
        })
    }

    fn fly<T: Pod>(
        &self,
        buffer: PinnedBuffer<T>,
        submit: impl FnOnce(&mut [T]) -> Result<()>,
    ) -> Result<InFlight<T>> {
        let done = Event::without_timing(self.device())?;
        let mut flight = InFlight { buffer: ManuallyDrop::new(buffer), done };
        // Should a step fail, dropping `flight` waits for what may have been queued: an event that
        // was not recorded has nothing to wait for, so the stream itself is waited for then.
        submit(&mut flight.buffer)?;
        if let Err(error) = flight.done.record(self) {
            self.synchronize()?;
            return Err(error);
        }
        Ok(flight)
    }
}

impl<T: Pod> InFlight<T> {
    /// Waits for the copy and gives the buffer back.
    ///
    /// # Errors
    /// The status of `hipEventSynchronize`, among them those of kernels that were stopped.
    pub fn wait(self) -> Result<PinnedBuffer<T>> {
        self.done.synchronize()?;
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is never dropped nor used again, so each field is moved out once.
        unsafe {
            std::ptr::drop_in_place(&mut this.done);
            Ok(ManuallyDrop::take(&mut this.buffer))
        }
    }

    /// Whether the copy is done.
    ///
    /// # Errors
    /// The status of `hipEventQuery`.
    pub fn is_complete(&self) -> Result<bool> {
        self.done.is_complete()
    }
}

impl<T: Pod> Drop for InFlight<T> {
    fn drop(&mut self) {
        match self.done.synchronize_in_drop() {
            // SAFETY: the buffer is not used again; `wait` does not come here.
            Ok(()) => unsafe { ManuallyDrop::drop(&mut self.buffer) },
            // Whether the device still uses the buffer is unknown: leak it.
            Err(error) => self.buffer.device().context().remember(Err(error)),
        }
    }
}
