//! A buffer between two bands of known bytes, which shows writes past its ends.

use std::ops::Range;

use bytemuck::Pod;

use crate::{Device, DeviceBuffer, DevicePtr, DeviceSlice, DeviceSliceMut, Error, Result};

/// Byte that fills both bands. As a number it is large in every format, so that a kernel that reads
/// a band by mistake shows it in its results too.
const PATTERN: u8 = 0x7b;

/// Device memory with a guard band on either side.
///
/// A GPU does not notice a store that misses its buffer by a few rows; the bands do. (The virtual
/// device reports such a store by itself when it leaves the allocation, bands included.)
#[derive(Debug)]
pub struct GuardedBuffer<T: Pod> {
    bytes: DeviceBuffer<u8>,
    band_bytes: usize,
    len: usize,
    elements: std::marker::PhantomData<T>,
}

/// Bytes of a guard band that were overwritten.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{count} guard byte(s) were overwritten, the first {first} and the last {last} byte(s) from the \
     buffer's start, whose size is {size_bytes} bytes"
)]
pub struct GuardViolation {
    /// The first overwritten byte relative to the buffer's first: negative before it, at least
    /// `size_bytes` behind it.
    pub first: i64,
    /// The last overwritten byte, likewise.
    pub last: i64,
    /// How many.
    pub count: usize,
    /// The buffer's size without bands.
    pub size_bytes: usize,
}

impl<T: Pod> GuardedBuffer<T> {
    /// Alignment of the buffer and unit of its bands, in bytes; hipMalloc aligns to at least as much.
    pub const ALIGNMENT: usize = 256;

    /// Allocates `len` elements between bands of at least `band_bytes`, rounded up to
    /// [`ALIGNMENT`](Self::ALIGNMENT). The band behind begins at the very byte after the elements.
    ///
    /// # Errors
    /// The status of `hipMalloc` or `hipMemset`, or [`Error::Argument`] when the size overflows.
    pub fn new(device: &Device, len: usize, band_bytes: usize) -> Result<Self> {
        let overflow = || Error::Argument {
            call: "hipMalloc",
            reason: format!(
                "{len} elements of {} bytes with bands of {band_bytes} bytes overflow the address space",
                size_of::<T>()
            ),
        };
        let band_bytes = band_bytes.checked_next_multiple_of(Self::ALIGNMENT).ok_or_else(overflow)?;
        let total = len
            .checked_mul(size_of::<T>())
            .and_then(|bytes| bytes.checked_add(band_bytes.checked_mul(2)?))
            .ok_or_else(overflow)?;
        let mut bytes = DeviceBuffer::new(device, total)?;
        bytes.fill_bytes(PATTERN)?;
        Ok(Self { bytes, band_bytes, len, elements: std::marker::PhantomData })
    }

    /// Compares both bands with what they were filled with; `None` when they are intact.
    ///
    /// # Errors
    /// The status of `hipMemcpy`.
    pub fn check(&self) -> Result<Option<GuardViolation>> {
        let inner = self.inner();
        let mut violation: Option<GuardViolation> = None;
        for band in [0..inner.start, inner.end..self.bytes.len()] {
            let start = band.start;
            for (index, _) in
                self.bytes.slice(band)?.to_vec()?.iter().enumerate().filter(|&(_, &byte)| byte != PATTERN)
            {
                // Allocations are far below 2^63 bytes.
                let at = (start + index) as i64 - inner.start as i64;
                let found = violation.get_or_insert(GuardViolation {
                    first: at,
                    last: at,
                    count: 0,
                    size_bytes: inner.len(),
                });
                found.last = at;
                found.count += 1;
            }
        }
        Ok(violation)
    }

    /// The elements, to read.
    ///
    /// # Errors
    /// [`Error::Argument`] when the library's allocation is not aligned for `T`.
    pub fn as_slice(&self) -> Result<DeviceSlice<'_, T>> {
        self.bytes.slice(self.inner())?.cast()
    }

    /// The elements, to write.
    ///
    /// # Errors
    /// As [`as_slice`](Self::as_slice).
    pub fn as_mut_slice(&mut self) -> Result<DeviceSliceMut<'_, T>> {
        let inner = self.inner();
        self.bytes.slice_mut(inner)?.cast_mut()
    }

    /// The address of the first element, for a kernel's argument struct.
    pub fn ptr(&self) -> DevicePtr<T> {
        DevicePtr::from_address(self.bytes.address() + self.band_bytes as u64)
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no element.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The elements' bytes in the allocation.
    fn inner(&self) -> Range<usize> {
        self.band_bytes..self.bytes.len() - self.band_bytes
    }
}
