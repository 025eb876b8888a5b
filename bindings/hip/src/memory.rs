//! Device memory: an owned buffer, borrowed slices of it, copies and fills.

use std::fmt;
use std::marker::PhantomData;
use std::mem::size_of;
use std::ops::{Bound, RangeBounds};
use std::ptr;

use bytemuck::{Pod, Zeroable};
use hip_sys::{
    hipMemcpyKind_hipMemcpyDeviceToDevice as DEVICE_TO_DEVICE,
    hipMemcpyKind_hipMemcpyDeviceToHost as DEVICE_TO_HOST,
    hipMemcpyKind_hipMemcpyHostToDevice as HOST_TO_DEVICE,
};

use crate::context::{call, call_in_drop};
use crate::{Device, Error, Result, Stream};

/// A device address as a kernel's argument struct holds it: eight bytes.
#[repr(transparent)]
pub struct DevicePtr<T> {
    address: u64,
    pointee: PhantomData<T>,
}

/// `Vec<T>` on the device, of fixed length. Freed when dropped; freeing waits for the device.
///
/// A new buffer holds whatever was in memory before.
pub struct DeviceBuffer<T: Pod> {
    device: Device,
    address: u64,
    len: usize,
    elements: PhantomData<T>,
}

/// `&[T]` on the device.
#[derive(Clone, Copy)]
pub struct DeviceSlice<'a, T: Pod> {
    device: &'a Device,
    address: u64,
    len: usize,
    elements: PhantomData<T>,
}

/// `&mut [T]` on the device.
pub struct DeviceSliceMut<'a, T: Pod> {
    shared: DeviceSlice<'a, T>,
}

impl<T: Pod> DeviceBuffer<T> {
    /// Allocates `len` elements. Zero elements need no memory and have the null address.
    ///
    /// # Errors
    /// The status of `hipMalloc`, or [`Error::Argument`] when the size in bytes overflows.
    pub fn new(device: &Device, len: usize) -> Result<Self> {
        let bytes = size_in_bytes::<T>("hipMalloc", len)?;
        let mut pointer = ptr::null_mut();
        if bytes > 0 {
            device.make_current()?;
            // SAFETY: the out-pointer is valid for one pointer.
            unsafe {
                call!(
                    device.context(),
                    hipMalloc(&mut pointer, bytes),
                    "bytes = {bytes}, device = {}",
                    device.ordinal()
                )
            }?;
        }
        Ok(Self { device: device.clone(), address: pointer.addr() as u64, len, elements: PhantomData })
    }

    /// Allocates and copies `elements` in.
    ///
    /// # Errors
    /// Those of [`new`](Self::new) and of `hipMemcpy`.
    pub fn from_slice(device: &Device, elements: &[T]) -> Result<Self> {
        let mut buffer = Self::new(device, elements.len())?;
        buffer.copy_from(elements)?;
        Ok(buffer)
    }

    /// Allocates `len` elements of zero bytes.
    ///
    /// # Errors
    /// Those of [`new`](Self::new) and of `hipMemset`.
    pub fn zeroed(device: &Device, len: usize) -> Result<Self> {
        let mut buffer = Self::new(device, len)?;
        buffer.fill_bytes(0)?;
        Ok(buffer)
    }

    /// The whole buffer, to read.
    pub fn as_slice(&self) -> DeviceSlice<'_, T> {
        DeviceSlice { device: &self.device, address: self.address, len: self.len, elements: PhantomData }
    }

    /// The whole buffer, to write.
    pub fn as_mut_slice(&mut self) -> DeviceSliceMut<'_, T> {
        DeviceSliceMut { shared: self.as_slice() }
    }

    /// The elements of `range`, to read.
    ///
    /// # Errors
    /// [`Error::Argument`] when the range is not inside the buffer.
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Result<DeviceSlice<'_, T>> {
        self.as_slice().slice(range)
    }

    /// The elements of `range`, to write.
    ///
    /// # Errors
    /// [`Error::Argument`] when the range is not inside the buffer.
    pub fn slice_mut(&mut self, range: impl RangeBounds<usize>) -> Result<DeviceSliceMut<'_, T>> {
        self.as_mut_slice().slice_mut(range)
    }

    /// See [`DeviceSliceMut::copy_from`].
    ///
    /// # Errors
    /// As there.
    pub fn copy_from(&mut self, source: &[T]) -> Result<()> {
        self.as_mut_slice().copy_from(source)
    }

    /// See [`DeviceSlice::copy_to`].
    ///
    /// # Errors
    /// As there.
    pub fn copy_to(&self, target: &mut [T]) -> Result<()> {
        self.as_slice().copy_to(target)
    }

    /// See [`DeviceSlice::to_vec`].
    ///
    /// # Errors
    /// As there.
    pub fn to_vec(&self) -> Result<Vec<T>> {
        self.as_slice().to_vec()
    }

    /// See [`DeviceSliceMut::fill_bytes`].
    ///
    /// # Errors
    /// As there.
    pub fn fill_bytes(&mut self, value: u8) -> Result<()> {
        self.as_mut_slice().fill_bytes(value)
    }

    /// The address of the first element, for a kernel's argument struct.
    pub fn ptr(&self) -> DevicePtr<T> {
        DevicePtr::from_address(self.address)
    }

    /// The address of the first element as a number.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no element.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Size in bytes.
    pub fn size_bytes(&self) -> usize {
        self.as_slice().size_bytes()
    }

    /// The device it lies on.
    pub fn device(&self) -> &Device {
        &self.device
    }
}

impl<T: Pod> Drop for DeviceBuffer<T> {
    fn drop(&mut self) {
        if self.address == 0 {
            return;
        }
        let context = self.device.context();
        context.remember(self.device.make_current_in_drop());
        // SAFETY: the address came from hipMalloc and every slice of it borrowed this buffer.
        context.remember(unsafe {
            call_in_drop!(context, hipFree(raw(self.address)), "address = {:#x}", self.address)
        });
    }
}

impl<'a, T: Pod> DeviceSlice<'a, T> {
    /// The elements of `range`.
    ///
    /// # Errors
    /// [`Error::Argument`] when the range is not inside the slice.
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Result<DeviceSlice<'a, T>> {
        let start = match range.start_bound() {
            Bound::Included(&start) => Some(start),
            Bound::Excluded(&before) => before.checked_add(1),
            Bound::Unbounded => Some(0),
        };
        let end = match range.end_bound() {
            Bound::Included(&last) => last.checked_add(1),
            Bound::Excluded(&end) => Some(end),
            Bound::Unbounded => Some(self.len),
        };
        match (start, end) {
            (Some(start), Some(end)) if start <= end && end <= self.len => Ok(DeviceSlice {
                address: self.address + (start * size_of::<T>()) as u64,
                len: end - start,
                ..*self
            }),
            _ => Err(Error::Argument {
                call: "slicing device memory",
                reason: format!(
                    "the range {:?} to {:?} is not inside the {} element(s) of {self:?}",
                    range.start_bound(),
                    range.end_bound(),
                    self.len
                ),
            }),
        }
    }

    /// The same bytes as elements of another type.
    ///
    /// # Errors
    /// [`Error::Argument`] when the size is not a multiple of `U`'s or the address is not aligned for it.
    pub fn cast<U: Pod>(&self) -> Result<DeviceSlice<'a, U>> {
        let bytes = self.size_bytes();
        let fits = if size_of::<U>() == 0 { bytes == 0 } else { bytes.is_multiple_of(size_of::<U>()) };
        if !fits || !self.address.is_multiple_of(align_of::<U>() as u64) {
            return Err(Error::Argument {
                call: "casting device memory",
                reason: format!(
                    "{self:?} is not a whole number of aligned {} ({} bytes each, aligned to {})",
                    std::any::type_name::<U>(),
                    size_of::<U>(),
                    align_of::<U>()
                ),
            });
        }
        let len = bytes.checked_div(size_of::<U>()).unwrap_or(0);
        Ok(DeviceSlice { device: self.device, address: self.address, len, elements: PhantomData })
    }

    /// Copies all elements to the host; returns when they are there.
    ///
    /// Runs on the null stream: see [`Stream`] for what that waits for.
    ///
    /// # Errors
    /// [`Error::Argument`] when the lengths differ; else the status of `hipMemcpy`, among them those
    /// of kernels that were stopped.
    pub fn copy_to(&self, target: &mut [T]) -> Result<()> {
        self.same_len("hipMemcpy", target.len())?;
        self.copy(target.as_mut_ptr().cast(), raw(self.address), DEVICE_TO_HOST)
    }

    /// Copies all elements into a new vector; see [`copy_to`](Self::copy_to).
    ///
    /// # Errors
    /// As there.
    pub fn to_vec(&self) -> Result<Vec<T>> {
        let mut elements = vec![T::zeroed(); self.len];
        self.copy_to(&mut elements)?;
        Ok(elements)
    }

    /// Queues a copy of all elements to the host and returns.
    /// [`Stream::download`] is the safe form.
    ///
    /// # Errors
    /// [`Error::Argument`] when the lengths differ, or the status of `hipMemcpyAsync`.
    ///
    /// # Safety
    /// `target` must stay allocated, and be neither read nor written, until `stream` has passed this
    /// copy; in a captured graph, for as long as the graph may be launched.
    pub unsafe fn copy_to_async(&self, target: &mut [T], stream: &Stream) -> Result<()> {
        self.same_len("hipMemcpyAsync", target.len())?;
        let (to, from) = (target.as_mut_ptr().cast(), raw(self.address));
        // SAFETY: both sides have this size, and the caller keeps the host side untouched.
        unsafe { self.copy_async(to, from, DEVICE_TO_HOST, stream) }
    }

    /// The address of the first element, for a kernel's argument struct.
    pub fn ptr(&self) -> DevicePtr<T> {
        DevicePtr::from_address(self.address)
    }

    /// The address of the first element as a number.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no element.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Size in bytes.
    pub fn size_bytes(&self) -> usize {
        // Cannot overflow: the buffer's size was computed when it was allocated.
        self.len * size_of::<T>()
    }

    fn same_len(&self, call: &'static str, other: usize) -> Result<()> {
        if self.len == other {
            return Ok(());
        }
        Err(Error::Argument {
            call,
            reason: format!("one side has {other} element(s), the other is {self:?}"),
        })
    }

    /// One synchronous copy of this slice's size. Both sides are valid for it by construction: they
    /// are this slice, a slice of the same length, or a host slice that the caller has borrowed.
    fn copy(&self, to: *mut core::ffi::c_void, from: *const core::ffi::c_void, kind: u32) -> Result<()> {
        let bytes = self.size_bytes();
        if bytes == 0 {
            return Ok(());
        }
        self.device.make_current()?;
        // SAFETY: see above; the call has finished with both sides when it returns.
        unsafe {
            call!(
                self.device.context(),
                hipMemcpy(to, from, bytes, kind),
                "to = {to:p}, from = {from:p}, bytes = {bytes}, {}",
                direction(kind)
            )
        }
    }

    /// # Safety
    /// Both sides must be valid for this slice's size until the stream has passed the copy.
    unsafe fn copy_async(
        &self,
        to: *mut core::ffi::c_void,
        from: *const core::ffi::c_void,
        kind: u32,
        stream: &Stream,
    ) -> Result<()> {
        let bytes = self.size_bytes();
        if bytes == 0 {
            return Ok(());
        }
        stream.device().make_current()?;
        // SAFETY: the caller's.
        unsafe {
            call!(
                self.device.context(),
                hipMemcpyAsync(to, from, bytes, kind, stream.handle()),
                "to = {to:p}, from = {from:p}, bytes = {bytes}, {}, {stream:?}",
                direction(kind)
            )
        }
    }
}

impl<'a, T: Pod> DeviceSliceMut<'a, T> {
    /// The same elements, to read.
    pub fn as_slice(&self) -> DeviceSlice<'_, T> {
        self.shared
    }

    /// The elements of `range`; the rest is given up. See [`reborrow`](Self::reborrow).
    ///
    /// # Errors
    /// [`Error::Argument`] when the range is not inside the slice.
    pub fn slice_mut(self, range: impl RangeBounds<usize>) -> Result<DeviceSliceMut<'a, T>> {
        Ok(DeviceSliceMut { shared: self.shared.slice(range)? })
    }

    /// A shorter loan of the same elements.
    pub fn reborrow(&mut self) -> DeviceSliceMut<'_, T> {
        DeviceSliceMut { shared: self.shared }
    }

    /// The same bytes as elements of another type; see [`DeviceSlice::cast`].
    ///
    /// # Errors
    /// As there.
    pub fn cast_mut<U: Pod>(self) -> Result<DeviceSliceMut<'a, U>> {
        Ok(DeviceSliceMut { shared: self.shared.cast()? })
    }

    /// Copies `source` from the host; returns when the host side may change again.
    ///
    /// Runs on the null stream: see [`Stream`] for what that waits for.
    ///
    /// # Errors
    /// [`Error::Argument`] when the lengths differ, or the status of `hipMemcpy`.
    pub fn copy_from(&mut self, source: &[T]) -> Result<()> {
        self.shared.same_len("hipMemcpy", source.len())?;
        self.shared.copy(raw(self.shared.address), source.as_ptr().cast(), HOST_TO_DEVICE)
    }

    /// Copies `source`, which lies on the same runtime's device memory.
    ///
    /// # Errors
    /// [`Error::Argument`] when the lengths differ, or the status of `hipMemcpy`.
    pub fn copy_from_device(&mut self, source: &DeviceSlice<'_, T>) -> Result<()> {
        self.same_runtime("hipMemcpy", source)?;
        self.shared.copy(raw(self.shared.address), raw(source.address), DEVICE_TO_DEVICE)
    }

    /// Queues a copy from the host and returns. [`Stream::upload`] is the safe form.
    ///
    /// # Errors
    /// [`Error::Argument`] when the lengths differ, or the status of `hipMemcpyAsync`.
    ///
    /// # Safety
    /// `source` must stay allocated and unchanged until `stream` has passed this copy; in a captured
    /// graph, for as long as the graph may be launched.
    pub unsafe fn copy_from_async(&mut self, source: &[T], stream: &Stream) -> Result<()> {
        self.shared.same_len("hipMemcpyAsync", source.len())?;
        let (to, from) = (raw(self.shared.address), source.as_ptr().cast());
        // SAFETY: both sides have this size, and the caller keeps the host side unchanged.
        unsafe { self.shared.copy_async(to, from, HOST_TO_DEVICE, stream) }
    }

    /// Queues a copy between device memories and returns.
    ///
    /// Safe without waiting: freeing device memory waits for the device, so neither side can vanish
    /// under the copy, and any bytes are valid elements.
    ///
    /// # Errors
    /// [`Error::Argument`] when the lengths differ, or the status of `hipMemcpyAsync`.
    pub fn copy_from_device_async(&mut self, source: &DeviceSlice<'_, T>, stream: &Stream) -> Result<()> {
        self.same_runtime("hipMemcpyAsync", source)?;
        let (to, from) = (raw(self.shared.address), raw(source.address));
        // SAFETY: both sides are live buffers of this size, and hipFree waits for the copy.
        unsafe { self.shared.copy_async(to, from, DEVICE_TO_DEVICE, stream) }
    }

    /// Sets every byte to `value`, on the null stream.
    ///
    /// # Errors
    /// The status of `hipMemset`.
    pub fn fill_bytes(&mut self, value: u8) -> Result<()> {
        let (address, bytes) = (self.shared.address, self.shared.size_bytes());
        if bytes == 0 {
            return Ok(());
        }
        self.shared.device.make_current()?;
        // SAFETY: the slice is live device memory of this size.
        unsafe {
            call!(
                self.shared.device.context(),
                hipMemset(raw(address), i32::from(value), bytes),
                "address = {address:#x}, value = {value:#x}, bytes = {bytes}"
            )
        }
    }

    /// Queues setting every byte to `value` and returns.
    ///
    /// # Errors
    /// The status of `hipMemsetAsync`.
    pub fn fill_bytes_async(&mut self, value: u8, stream: &Stream) -> Result<()> {
        let (address, bytes) = (self.shared.address, self.shared.size_bytes());
        if bytes == 0 {
            return Ok(());
        }
        stream.device().make_current()?;
        // SAFETY: the slice is live device memory of this size, and hipFree waits for the fill.
        unsafe {
            call!(
                self.shared.device.context(),
                hipMemsetAsync(raw(address), i32::from(value), bytes, stream.handle()),
                "address = {address:#x}, value = {value:#x}, bytes = {bytes}, {stream:?}"
            )
        }
    }

    /// The address of the first element, for a kernel's argument struct.
    pub fn ptr(&self) -> DevicePtr<T> {
        self.shared.ptr()
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shared.len
    }

    /// Whether it has no element.
    pub fn is_empty(&self) -> bool {
        self.shared.len == 0
    }

    fn same_runtime(&self, call: &'static str, source: &DeviceSlice<'_, T>) -> Result<()> {
        self.shared.same_len(call, source.len)?;
        if std::sync::Arc::ptr_eq(self.shared.device.context(), source.device.context()) {
            return Ok(());
        }
        Err(Error::Argument {
            call,
            reason: format!(
                "the source belongs to {} and the target to {}; copy through the host",
                source.device.context().library().path().display(),
                self.shared.device.context().library().path().display()
            ),
        })
    }
}

impl<T> DevicePtr<T> {
    /// The null address.
    pub const NULL: Self = Self::from_address(0);

    /// A pointer to this address; whether a kernel may use it is the launch's question.
    pub const fn from_address(address: u64) -> Self {
        Self { address, pointee: PhantomData }
    }

    /// The address as a number.
    pub const fn address(self) -> u64 {
        self.address
    }
}

impl<T> Clone for DevicePtr<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for DevicePtr<T> {}

// SAFETY: one u64 under a transparent representation; zero is a valid address.
unsafe impl<T> Zeroable for DevicePtr<T> {}
// SAFETY: one u64 under a transparent representation: no padding, every bit pattern valid.
unsafe impl<T: 'static> Pod for DevicePtr<T> {}

impl<T> fmt::Debug for DevicePtr<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.address)
    }
}

impl<T: Pod> fmt::Debug for DeviceBuffer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().fmt(f)
    }
}

impl<T: Pod> fmt::Debug for DeviceSlice<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "[{}; {}] at {:#x} of device {}",
            std::any::type_name::<T>(),
            self.len,
            self.address,
            self.device.ordinal()
        )
    }
}

impl<T: Pod> fmt::Debug for DeviceSliceMut<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

/// `len` elements in bytes.
pub(crate) fn size_in_bytes<T>(call: &'static str, len: usize) -> Result<usize> {
    len.checked_mul(size_of::<T>()).ok_or_else(|| Error::Argument {
        call,
        reason: format!("{len} elements of {} bytes overflow the address space", size_of::<T>()),
    })
}

/// A device address as HIP takes it. The host never dereferences it.
fn raw(address: u64) -> *mut core::ffi::c_void {
    ptr::without_provenance_mut(address as usize)
}

fn direction(kind: u32) -> &'static str {
    match kind {
        HOST_TO_DEVICE => "host to device",
        DEVICE_TO_HOST => "device to host",
        _ => "device to device",
    }
}
