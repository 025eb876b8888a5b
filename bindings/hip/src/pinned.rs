//! Host memory that the device reaches directly.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};
use std::slice;

use bytemuck::Pod;

use crate::context::{call, call_in_drop};
use crate::memory::size_in_bytes;
use crate::{Device, Error, Result};

/// Page-locked host memory, used as a `[T]`. Copies from and to it need no staging.
pub struct PinnedBuffer<T: Pod> {
    device: Device,
    elements: NonNull<T>,
    len: usize,
}

// SAFETY: the buffer owns its memory as a Vec does, and HIP frees it from any thread.
unsafe impl<T: Pod + Send> Send for PinnedBuffer<T> {}
// SAFETY: shared access gives `&[T]` only.
unsafe impl<T: Pod + Sync> Sync for PinnedBuffer<T> {}

impl<T: Pod> PinnedBuffer<T> {
    /// Allocates `len` elements of zero bytes.
    ///
    /// # Errors
    /// The status of `hipHostMalloc`, [`Error::Argument`] when the size in bytes overflows, or after
    /// [`Function::launch_bytes`](crate::Function::launch_bytes) that of `hipDeviceSynchronize`.
    pub fn zeroed(device: &Device, len: usize) -> Result<Self> {
        let bytes = size_in_bytes::<T>("hipHostMalloc", len)?;
        if bytes == 0 {
            return Ok(Self { device: device.clone(), elements: NonNull::dangling(), len });
        }
        device.make_current()?;
        let mut pointer = ptr::null_mut();
        // SAFETY: the out-pointer is valid for one pointer.
        unsafe {
            call!(
                device.context(),
                hipHostMalloc(&mut pointer, bytes, 0),
                "bytes = {bytes}, device = {}",
                device.ordinal()
            )
        }?;
        let elements = NonNull::new(pointer.cast::<T>())
            .filter(|elements| elements.is_aligned())
            .ok_or_else(|| Error::Argument {
                call: "hipHostMalloc",
                reason: format!("the library returned {pointer:p}, which cannot hold {bytes} bytes of it"),
            })?;
        // Dropped, and with it freed and uncounted, when the wait fails.
        let buffer = Self { device: device.clone(), elements, len };
        device.context().reach().pin(device.context())?;
        // SAFETY: the allocation has this many bytes, and zero bytes are a valid Pod.
        unsafe { ptr::write_bytes(pointer.cast::<u8>(), 0, bytes) };
        Ok(buffer)
    }

    /// Allocates and copies `elements` in.
    ///
    /// # Errors
    /// Those of [`zeroed`](Self::zeroed).
    pub fn from_slice(device: &Device, elements: &[T]) -> Result<Self> {
        let mut buffer = Self::zeroed(device, elements.len())?;
        buffer.copy_from_slice(elements);
        Ok(buffer)
    }

    /// The device it was allocated for.
    pub fn device(&self) -> &Device {
        &self.device
    }
}

impl<T: Pod> Deref for PinnedBuffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: aligned, initialised when allocated, and valid for `len` elements; a copy in
        // flight owns the buffer, so the device does not write it meanwhile.
        unsafe { slice::from_raw_parts(self.elements.as_ptr(), self.len) }
    }
}

impl<T: Pod> DerefMut for PinnedBuffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`, and borrowed exclusively.
        unsafe { slice::from_raw_parts_mut(self.elements.as_ptr(), self.len) }
    }
}

impl<T: Pod> Drop for PinnedBuffer<T> {
    fn drop(&mut self) {
        if self.len * size_of::<T>() == 0 {
            return;
        }
        let context = self.device.context();
        let pointer = self.elements.as_ptr();
        context.remember(self.device.make_current_in_drop());
        // SAFETY: the pointer came from hipHostMalloc and nothing borrows it any more.
        let freed = unsafe { call_in_drop!(context, hipHostFree(pointer.cast()), "pointer = {pointer:p}") };
        // A buffer that could not be freed stays within reach.
        if freed.is_ok() {
            context.reach().unpin();
        }
        context.remember(freed);
    }
}

impl<T: Pod> fmt::Debug for PinnedBuffer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}; {}] pinned at {:p}", std::any::type_name::<T>(), self.len, self.elements)
    }
}
