//! Copies of rows and slices: what every function that copies comes down to.

use std::ffi::{c_int, c_void};

use hip_sys::*;

use crate::{
    api::{Status, api, put},
    command::{Address, Command},
    copy, fill, memory, pointer, stream,
};

/// A copy of `slices` slices of `rows` rows of `width` bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Transfer {
    pub target: Side,
    pub source: Side,
    pub width: u64,
    pub rows: u64,
    pub slices: u64,
    pub kind: hipMemcpyKind,
}

/// Where one side begins, and its bytes from row to row and from slice to slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Side {
    pub address: Address,
    pub pitch: u64,
    pub slice: u64,
}

impl Transfer {
    /// A copy without rows.
    pub(crate) fn linear(target: Address, source: Address, bytes: u64, kind: hipMemcpyKind) -> Transfer {
        let side = |address| Side { address, pitch: bytes, slice: bytes };
        Transfer { target: side(target), source: side(source), width: bytes, rows: 1, slices: 1, kind }
    }

    fn is_empty(&self) -> bool {
        self.width == 0 || self.rows == 0 || self.slices == 0
    }

    /// Refuses what can be seen to be wrong before the copy runs.
    pub(crate) fn check(&self) -> Status {
        if self.is_empty() {
            return Ok(());
        }
        for side in [self.target, self.source] {
            if self.rows > 1 && self.width > side.pitch {
                return Err(hipError_t::hipErrorInvalidPitchValue);
            }
        }
        copy::check_kind(self.target.address, self.source.address, self.width, self.kind)?;
        if self.target.address == 0 || self.source.address == 0 {
            return Err(hipError_t::hipErrorInvalidValue);
        }
        self.stays_inside()
    }

    /// Refuses a region that begins in an allocation and leaves it, in a later row too.
    fn stays_inside(&self) -> Status {
        for side in [self.target, self.source] {
            let span = || {
                let (slices, rows) = (self.slices.checked_sub(1)?, self.rows.checked_sub(1)?);
                let start = slices.checked_mul(side.slice)?.checked_add(rows.checked_mul(side.pitch)?)?;
                start.checked_add(self.width)
            };
            pointer::check(side.address, span().ok_or(hipError_t::hipErrorInvalidValue)?)?;
        }
        Ok(())
    }

    /// Copies, and yields the virtual nanoseconds that it takes.
    pub(crate) fn run(&self) -> Result<f64, hipError_t> {
        if self.is_empty() {
            return Ok(0.0);
        }
        // Allocations may have gone since a graph was made.
        self.stays_inside()?;
        for slice in 0..self.slices {
            for row in 0..self.rows {
                let at = |side: Side| side.address + slice * side.slice + row * side.pitch;
                pointer::copy(at(self.target), at(self.source), self.width)?;
            }
        }
        let bytes = self.width * self.rows * self.slices;
        Ok(pointer::copy_nanos(self.target.address, self.source.address, bytes))
    }

    /// Whether `other` moves bytes between the same kinds of memory.
    pub(crate) fn has_direction_of(&self, other: &Transfer) -> bool {
        let kind = |side: Side| pointer::on_device(side.address);
        kind(self.target) == kind(other.target) && kind(self.source) == kind(other.source)
    }

    /// What `hipMemcpy3D` takes.
    ///
    /// # Errors
    /// hipErrorInvalidValue for two sources or none and for regions that leave their rows or slices,
    /// hipErrorNotSupported for arrays, which the virtual device has none of.
    pub(crate) fn of_params(params: &hipMemcpy3DParms) -> Result<Transfer, hipError_t> {
        let side = |array: hipArray_t, pointer: hipPitchedPtr, at: hipPos| {
            match (array.is_null(), pointer.ptr.is_null()) {
                (true, false) => {}
                (false, true) => return Err(hipError_t::hipErrorNotSupported),
                _ => return Err(hipError_t::hipErrorInvalidValue),
            }
            Region {
                base: pointer.ptr as Address,
                pitch: pointer.pitch as u64,
                height: pointer.ysize as u64,
                at: [at.x as u64, at.y as u64, at.z as u64],
            }
            .side(
                params.extent.width as u64,
                params.extent.height as u64,
                params.extent.depth as u64,
            )
        };
        Ok(Transfer {
            target: side(params.dstArray, params.dstPtr, params.dstPos)?,
            source: side(params.srcArray, params.srcPtr, params.srcPos)?,
            width: params.extent.width as u64,
            rows: params.extent.height as u64,
            slices: params.extent.depth as u64,
            kind: params.kind,
        })
    }

    /// This copy as `hipMemcpy3D` takes it; positions are part of the pointers.
    pub(crate) fn params(&self) -> hipMemcpy3DParms {
        let pointer = |side: Side| hipPitchedPtr {
            ptr: side.address as *mut c_void,
            pitch: side.pitch as usize,
            xsize: self.width as usize,
            ysize: side.slice.checked_div(side.pitch).unwrap_or(0) as usize,
        };
        let start = hipPos { x: 0, y: 0, z: 0 };
        hipMemcpy3DParms {
            srcArray: std::ptr::null_mut(),
            srcPos: start,
            srcPtr: pointer(self.source),
            dstArray: std::ptr::null_mut(),
            dstPos: start,
            dstPtr: pointer(self.target),
            extent: hipExtent {
                width: self.width as usize,
                height: self.rows as usize,
                depth: self.slices as usize,
            },
            kind: self.kind,
        }
    }

    /// This copy as `hipDrvMemcpy3D` takes it; positions are part of the pointers.
    pub(crate) fn driver(&self) -> HIP_MEMCPY3D {
        // SAFETY: integers, and pointers that may be null.
        let mut found: HIP_MEMCPY3D = unsafe { std::mem::zeroed() };
        let (source, target) = (self.source.address, self.target.address);
        if pointer::on_device(source) {
            (found.srcMemoryType, found.srcDevice) =
                (hipMemoryType_hipMemoryTypeDevice, source as hipDeviceptr_t);
        } else {
            (found.srcMemoryType, found.srcHost) = (hipMemoryType_hipMemoryTypeHost, source as *const c_void);
        }
        if pointer::on_device(target) {
            (found.dstMemoryType, found.dstDevice) =
                (hipMemoryType_hipMemoryTypeDevice, target as hipDeviceptr_t);
        } else {
            (found.dstMemoryType, found.dstHost) = (hipMemoryType_hipMemoryTypeHost, target as *mut c_void);
        }
        let height = |side: Side| side.slice.checked_div(side.pitch).unwrap_or(0) as usize;
        (found.srcPitch, found.srcHeight) = (self.source.pitch as usize, height(self.source));
        (found.dstPitch, found.dstHeight) = (self.target.pitch as usize, height(self.target));
        (found.WidthInBytes, found.Height, found.Depth) =
            (self.width as usize, self.rows as usize, self.slices as usize);
        found
    }

    /// What `hipDrvMemcpy3D` takes.
    ///
    /// # Errors
    /// As [`Transfer::of_params`].
    pub(crate) fn of_driver(p: &HIP_MEMCPY3D) -> Result<Transfer, hipError_t> {
        let (width, rows, slices) = (p.WidthInBytes as u64, p.Height as u64, p.Depth as u64);
        let (source, from_device) = place(p.srcMemoryType, p.srcHost, p.srcDevice)?;
        let (target, to_device) = place(p.dstMemoryType, p.dstHost, p.dstDevice)?;
        let source = Region {
            base: source,
            pitch: p.srcPitch as u64,
            height: p.srcHeight as u64,
            at: [p.srcXInBytes as u64, p.srcY as u64, p.srcZ as u64],
        };
        let target = Region {
            base: target,
            pitch: p.dstPitch as u64,
            height: p.dstHeight as u64,
            at: [p.dstXInBytes as u64, p.dstY as u64, p.dstZ as u64],
        };
        Ok(Transfer {
            target: target.side(width, rows, slices)?,
            source: source.side(width, rows, slices)?,
            width,
            rows,
            slices,
            kind: kind_of(from_device, to_device),
        })
    }

    /// What `hipMemcpyParam2D` takes.
    fn of_driver_2d(p: &hip_Memcpy2D) -> Result<Transfer, hipError_t> {
        let (width, rows) = (p.WidthInBytes as u64, p.Height as u64);
        let (source, from_device) = place(p.srcMemoryType, p.srcHost, p.srcDevice)?;
        let (target, to_device) = place(p.dstMemoryType, p.dstHost, p.dstDevice)?;
        let region = |base, pitch: usize, x: usize, y: usize| Region {
            base,
            pitch: pitch as u64,
            height: rows + y as u64,
            at: [x as u64, y as u64, 0],
        };
        Ok(Transfer {
            target: region(target, p.dstPitch, p.dstXInBytes, p.dstY).side(width, rows, 1)?,
            source: region(source, p.srcPitch, p.srcXInBytes, p.srcY).side(width, rows, 1)?,
            width,
            rows,
            slices: 1,
            kind: kind_of(from_device, to_device),
        })
    }

    /// Enqueues the copy; an empty one is nothing.
    pub(crate) fn submit(self, stream: hipStream_t) -> Status {
        if self.is_empty() {
            return Ok(());
        }
        self.check()?;
        stream::resolve(stream)?.enqueue(Command::Copy(self))
    }
}

/// A place in rows and slices: `pitch` bytes a row, `height` rows a slice.
struct Region {
    base: Address,
    pitch: u64,
    height: u64,
    at: [u64; 3],
}

impl Region {
    /// The side of a copy of this extent, which must stay inside rows and slices.
    fn side(&self, width: u64, rows: u64, slices: u64) -> Result<Side, hipError_t> {
        let [x, y, z] = self.at;
        let invalid = hipError_t::hipErrorInvalidValue;
        // A single row or slice needs no distance to the next.
        let pitch = if self.pitch == 0 && rows <= 1 && slices <= 1 { x + width } else { self.pitch };
        if pitch < width {
            return Err(hipError_t::hipErrorInvalidPitchValue);
        }
        let past = |start: u64, length: u64, end: u64| start.checked_add(length).is_none_or(|sum| sum > end);
        if past(x, width, pitch) || (slices > 1 || z > 0) && past(y, rows, self.height) {
            return Err(invalid);
        }
        let slice = pitch.checked_mul(self.height).ok_or(invalid)?;
        let offset = || z.checked_mul(slice)?.checked_add(y.checked_mul(pitch)?)?.checked_add(x);
        let address = offset().and_then(|offset| self.base.checked_add(offset)).ok_or(invalid)?;
        // Every address of the copy exists.
        let span = || slices.checked_mul(slice)?.checked_add(rows.checked_mul(pitch)?)?.checked_add(address);
        span().ok_or(invalid)?;
        Ok(Side { address, pitch, slice })
    }
}

/// The address that a driver function's memory type means, and whether it is the device's.
fn place(
    kind: hipMemoryType,
    host: *const c_void,
    device: hipDeviceptr_t,
) -> Result<(Address, bool), hipError_t> {
    let (pointer, on_device) = match kind {
        hipMemoryType_hipMemoryTypeHost => (host, false),
        hipMemoryType_hipMemoryTypeDevice
        | hipMemoryType_hipMemoryTypeUnified
        | hipMemoryType_hipMemoryTypeManaged => (device.cast_const(), true),
        hipMemoryType_hipMemoryTypeArray => return Err(hipError_t::hipErrorNotSupported),
        _ => return Err(hipError_t::hipErrorInvalidValue),
    };
    if pointer.is_null() {
        Err(hipError_t::hipErrorInvalidValue)
    } else {
        Ok((pointer as Address, on_device))
    }
}

fn kind_of(from_device: bool, to_device: bool) -> hipMemcpyKind {
    match (from_device, to_device) {
        (false, false) => hipMemcpyKind_hipMemcpyHostToHost,
        (false, true) => hipMemcpyKind_hipMemcpyHostToDevice,
        (true, false) => hipMemcpyKind_hipMemcpyDeviceToHost,
        (true, true) => hipMemcpyKind_hipMemcpyDeviceToDevice,
    }
}

/// A struct of the caller.
///
/// # Safety
/// `pointer` is null or points to a `T`.
pub(crate) unsafe fn get<T: Copy>(pointer: *const T) -> Result<T, hipError_t> {
    if pointer.is_null() {
        return Err(hipError_t::hipErrorInvalidValue);
    }
    // SAFETY: not null, and the caller's promise.
    Ok(unsafe { *pointer })
}

/// # Safety
/// `params` is null or points to a struct.
pub(crate) unsafe fn copy(params: *const hipMemcpy3DParms, stream: hipStream_t) -> Status {
    // SAFETY: the caller's promise.
    let params = unsafe { get(params) }?;
    Transfer::of_params(&params)?.submit(stream)
}

pub(crate) fn fill(region: hipPitchedPtr, value: c_int, extent: hipExtent, stream: hipStream_t) -> Status {
    let (rows, slice) = (extent.height, region.pitch.checked_mul(region.ysize));
    let slice = slice.ok_or(hipError_t::hipErrorInvalidValue)?;
    if extent.width == 0 || rows == 0 || extent.depth == 0 {
        return Ok(());
    }
    if extent.width > region.pitch || extent.depth > 1 && rows > region.ysize {
        return Err(hipError_t::hipErrorInvalidValue);
    }
    for index in 0..extent.depth {
        let start = index.checked_mul(slice).ok_or(hipError_t::hipErrorInvalidValue)?;
        let target = region.ptr.wrapping_byte_add(start);
        fill::fill(target, region.pitch, value as u32, 1, extent.width, rows, stream)?;
    }
    Ok(())
}

const NULL: hipStream_t = std::ptr::null_mut();

api! {
    /// Copies slices.
    fn hipMemcpy3D(params: *const hipMemcpy3DParms) {
        // SAFETY: the caller's struct.
        memory::now(|| unsafe { copy(params, NULL) })
    }
    /// Copies slices in stream order.
    fn hipMemcpy3DAsync(params: *const hipMemcpy3DParms, stream: hipStream_t) {
        // SAFETY: the caller's struct.
        unsafe { copy(params, stream) }
    }
    /// Copies slices.
    fn hipDrvMemcpy3D(params: *const HIP_MEMCPY3D) {
        // SAFETY: the caller's struct.
        let params = unsafe { get(params) }?;
        memory::now(|| Transfer::of_driver(&params)?.submit(NULL))
    }
    /// Copies slices in stream order.
    fn hipDrvMemcpy3DAsync(params: *const HIP_MEMCPY3D, stream: hipStream_t) {
        // SAFETY: the caller's struct.
        let params = unsafe { get(params) }?;
        Transfer::of_driver(&params)?.submit(stream)
    }
    /// Copies rows.
    fn hipMemcpyParam2D(params: *const hip_Memcpy2D) {
        // SAFETY: the caller's struct.
        let params = unsafe { get(params) }?;
        memory::now(|| Transfer::of_driver_2d(&params)?.submit(NULL))
    }
    /// As `hipMemcpyParam2D`, without alignment of rows, which the other does not need either.
    fn hipDrvMemcpy2DUnaligned(params: *const hip_Memcpy2D) {
        // SAFETY: the caller's struct.
        let params = unsafe { get(params) }?;
        memory::now(|| Transfer::of_driver_2d(&params)?.submit(NULL))
    }
    /// Copies rows in stream order.
    fn hipMemcpyParam2DAsync(params: *const hip_Memcpy2D, stream: hipStream_t) {
        // SAFETY: the caller's struct.
        let params = unsafe { get(params) }?;
        Transfer::of_driver_2d(&params)?.submit(stream)
    }
    /// Fills slices of bytes.
    fn hipMemset3D(region: hipPitchedPtr, value: c_int, extent: hipExtent) {
        memory::now(|| fill(region, value, extent, NULL))
    }
    /// Fills slices of bytes in stream order.
    fn hipMemset3DAsync(region: hipPitchedPtr, value: c_int, extent: hipExtent, stream: hipStream_t) {
        fill(region, value, extent, stream)
    }
    /// Slices of rows that are padded to a multiple of 256 bytes.
    fn hipMalloc3D(target: *mut hipPitchedPtr, extent: hipExtent) {
        if target.is_null() {
            return Err(hipError_t::hipErrorInvalidValue);
        }
        let rows = extent.height.checked_mul(extent.depth).ok_or(hipError_t::hipErrorOutOfMemory)?;
        let (ptr, pitch) = memory::allocate_rows(extent.width, rows)?;
        // SAFETY: the caller's out-parameter, not null.
        unsafe { put(target, hipPitchedPtr { ptr, pitch, xsize: extent.width, ysize: extent.height }) }
    }
}
