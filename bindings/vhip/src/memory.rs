//! Allocation, copies and fills.

use std::{
    ffi::{c_int, c_uint, c_void},
    sync::Arc,
};

use emulator::{Allocation, AllocationKind, MemoryError};
use hip_sys::*;

use crate::{
    advice,
    api::{Status, api, put},
    capture,
    command::{Address, Command},
    device::{MEMORY_BYTES, VirtualDevice},
    extension, image,
    pointer::owner,
    pool,
    runtime::{current, lock, runtime},
    stream,
    transfer::{Side, Transfer},
    unified,
};

/// Pitch granule of 2-D allocations, bytes.
const PITCH: usize = 256;
/// hipHostRegister's flags: portable, mapped, I/O, read-only, uncached.
const REGISTER_FLAGS: u32 = 0xf | 0x8000_0000;

fn allocate(target: *mut *mut c_void, bytes: usize, kind: AllocationKind) -> Status {
    if target.is_null() {
        return Err(hipError_t::hipErrorInvalidValue);
    }
    if bytes == 0 {
        // SAFETY: the caller's out-parameter, not null.
        return unsafe { put(target, std::ptr::null_mut()) };
    }
    capture::refuse_unsafe()?;
    let address = allocate_shared(current(), bytes as u64, kind)?;
    // SAFETY: as above.
    unsafe { put(target, address as *mut c_void) }
}

/// Device memory for `rows` rows of `width` bytes, padded: its address and pitch.
pub(crate) fn allocate_rows(width: usize, rows: usize) -> Result<(*mut c_void, usize), hipError_t> {
    let pitch = width.checked_next_multiple_of(PITCH).ok_or(hipError_t::hipErrorOutOfMemory)?;
    let bytes = pitch.checked_mul(rows).ok_or(hipError_t::hipErrorOutOfMemory)?;
    let mut address = std::ptr::null_mut();
    allocate(&mut address, bytes, AllocationKind::Device)?;
    Ok((address, pitch))
}

fn give_rows(target: *mut *mut c_void, pitch: *mut usize, width: usize, rows: usize) -> Status {
    if target.is_null() || pitch.is_null() {
        return Err(hipError_t::hipErrorInvalidValue);
    }
    let (address, padded) = allocate_rows(width, rows)?;
    // SAFETY: the caller's out-parameters, not null.
    unsafe {
        put(target, address)?;
        put(pitch, padded)
    }
}

/// Allocates on `device`; host and managed memory is made visible to the other devices too.
pub(crate) fn allocate_shared(
    device: &Arc<VirtualDevice>,
    bytes: u64,
    kind: AllocationKind,
) -> Result<Address, hipError_t> {
    let memory = device.emulator.memory();
    let address = memory.alloc_kind(bytes, kind).map_err(refusal)?;
    if kind == AllocationKind::Device && extension::poisons() {
        memory.poison(address).map_err(refusal)?;
    }
    if kind != AllocationKind::Device {
        for other in others(device) {
            // SAFETY: the range stays mapped until `release`, which withdraws it from the others first.
            unsafe { other.emulator.memory().register(address, bytes) }.map_err(refusal)?;
        }
    }
    Ok(address)
}

/// All devices but one.
fn others(device: &VirtualDevice) -> impl Iterator<Item = &'static Arc<VirtualDevice>> {
    let id = device.id;
    runtime().devices.iter().filter(move |other| other.id != id)
}

/// Takes shared memory away from the devices that it was not allocated on.
fn withdraw(device: &VirtualDevice, allocation: &Allocation) {
    if allocation.kind != AllocationKind::Device {
        for other in others(device) {
            // Registered by `allocate_shared`; a device without it has nothing to lose.
            let _unregistered = other.emulator.memory().unregister(allocation.base);
        }
    }
}

fn refusal(error: MemoryError) -> hipError_t {
    eprintln!("vhip: {error}");
    match error {
        MemoryError::OutOfMemory { .. } | MemoryError::HostRefused { .. } => hipError_t::hipErrorOutOfMemory,
        _ => hipError_t::hipErrorInvalidValue,
    }
}

/// Frees an allocation of one of `kinds`; null is no error.
fn release(pointer: *mut c_void, kinds: &[AllocationKind]) -> Status {
    if pointer.is_null() {
        return Ok(());
    }
    capture::refuse_unsafe()?;
    let (device, allocation) = owner(pointer as Address).ok_or(hipError_t::hipErrorInvalidValue)?;
    if allocation.base != pointer as Address || !kinds.contains(&allocation.kind) {
        return Err(hipError_t::hipErrorInvalidValue);
    }
    // As on hardware, freeing waits for what runs.
    let _turn = device.turn();
    withdraw(device, &allocation);
    pool::forget(allocation.base);
    advice::forget(allocation.base);
    device.emulator.memory().free(allocation.base).map_err(refusal)
}

/// Frees everything that the program allocated on `device`.
pub(crate) fn free_all(device: &VirtualDevice) {
    let _turn = device.turn();
    let memory = device.emulator.memory();
    for allocation in memory.allocations() {
        if matches!(allocation.kind, AllocationKind::Host | AllocationKind::Managed) {
            withdraw(device, &allocation);
            advice::forget(allocation.base);
        }
    }
    pool::forget_device(device.id);
    memory.free_all();
}

/// A linear copy in stream order. `kind` is checked against what the addresses are.
pub(crate) fn copy(
    target: *mut c_void,
    source: *const c_void,
    bytes: usize,
    kind: hipMemcpyKind,
    stream: hipStream_t,
) -> Status {
    copy_rows(target, bytes, source, bytes, bytes, 1, kind, stream)
}

/// A copy of `rows` rows of `width` bytes.
#[expect(clippy::too_many_arguments, reason = "hipMemcpy2DAsync's own list")]
pub(crate) fn copy_rows(
    target: *mut c_void,
    target_pitch: usize,
    source: *const c_void,
    source_pitch: usize,
    width: usize,
    rows: usize,
    kind: hipMemcpyKind,
    stream: hipStream_t,
) -> Status {
    let side = |address, pitch: usize| Side { address, pitch: pitch as u64, slice: 0 };
    let transfer = Transfer {
        target: side(target as Address, target_pitch),
        source: side(source as Address, source_pitch),
        width: width as u64,
        rows: rows as u64,
        slices: 1,
        kind,
    };
    transfer.submit(stream)
}

/// Refuses a copy whose `kind` does not fit the addresses.
pub(crate) fn check_kind(target: Address, source: Address, bytes: u64, kind: hipMemcpyKind) -> Status {
    let needs_device = |address: Address| known(address as *const c_void, bytes as usize);
    match kind {
        hipMemcpyKind_hipMemcpyHostToHost | hipMemcpyKind_hipMemcpyDefault => Ok(()),
        hipMemcpyKind_hipMemcpyHostToDevice => needs_device(target),
        hipMemcpyKind_hipMemcpyDeviceToHost => needs_device(source),
        hipMemcpyKind_hipMemcpyDeviceToDevice | hipMemcpyKind_hipMemcpyDeviceToDeviceNoCU => {
            needs_device(target)?;
            needs_device(source)
        }
        _ => Err(hipError_t::hipErrorInvalidMemcpyDirection),
    }
}

/// Refuses an address that the device does not reach.
fn known(pointer: *const c_void, bytes: usize) -> Status {
    let reached =
        owner(pointer as Address).is_some() || unified::reaches(pointer as Address, bytes as u64, false);
    if reached { Ok(()) } else { Err(hipError_t::hipErrorInvalidValue) }
}

/// A fill in stream order.
pub(crate) fn fill(
    target: *mut c_void,
    pitch: usize,
    value: u32,
    element: u32,
    count: usize,
    rows: usize,
    stream: hipStream_t,
) -> Status {
    if count == 0 || rows == 0 {
        return Ok(());
    }
    if target.is_null() {
        return Err(hipError_t::hipErrorInvalidValue);
    }
    stream::resolve(stream)?.enqueue(Command::Fill {
        target: target as Address,
        pitch: pitch as u64,
        value,
        element,
        count: count as u64,
        rows: rows as u64,
    })
}

/// Does synchronous work on a default stream, which no capture survives.
pub(crate) fn now(work: impl FnOnce() -> Status) -> Status {
    capture::refuse_all(hipError_t::hipErrorStreamCaptureImplicit)?;
    work()
}

/// Graphs here have no memory nodes.
pub(crate) fn refuse_captured(stream: hipStream_t) -> Status {
    match lock(&stream::resolve(stream)?.capture).as_ref() {
        Some(capture) => {
            capture.invalidate();
            Err(hipError_t::hipErrorNotSupported)
        }
        None => Ok(()),
    }
}

const NULL: hipStream_t = std::ptr::null_mut();

api! {
    /// Device memory, 256-byte aligned; access beyond the requested size is a fault.
    fn hipMalloc(target: *mut *mut c_void, bytes: usize) { allocate(target, bytes, AllocationKind::Device) }
    /// As `hipMalloc`; the flags (fine-grained, signal memory) make no difference to a coherent device.
    fn hipExtMallocWithFlags(target: *mut *mut c_void, bytes: usize, _flags: c_uint) {
        allocate(target, bytes, AllocationKind::Device)
    }
    /// As `hipMalloc`, in stream order; memory nodes of graphs are not implemented.
    fn hipMallocAsync(target: *mut *mut c_void, bytes: usize, stream: hipStream_t) {
        pool::allocate(target, bytes, None, stream)
    }
    /// Memory for host and device.
    fn hipMallocManaged(target: *mut *mut c_void, bytes: usize, flags: c_uint) {
        if !(flags == 1 || flags == 2) || bytes == 0 {
            return Err(hipError_t::hipErrorInvalidValue);
        }
        allocate(target, bytes, AllocationKind::Managed)
    }
    /// Rows padded to a multiple of 256 bytes.
    fn hipMallocPitch(target: *mut *mut c_void, pitch: *mut usize, width: usize, height: usize) {
        give_rows(target, pitch, width, height)
    }
    /// As `hipMallocPitch`; the size of an element (4, 8 or 16 bytes) makes no difference to the pitch.
    fn hipMemAllocPitch(
        target: *mut hipDeviceptr_t, pitch: *mut usize, width: usize, height: usize, element: c_uint,
    ) {
        if !matches!(element, 4 | 8 | 16) {
            return Err(hipError_t::hipErrorInvalidValue);
        }
        give_rows(target, pitch, width, height)
    }
    /// Pinned host memory.
    fn hipHostMalloc(target: *mut *mut c_void, bytes: usize, _flags: c_uint) {
        allocate(target, bytes, AllocationKind::Host)
    }
    /// Pinned host memory.
    fn hipHostAlloc(target: *mut *mut c_void, bytes: usize, _flags: c_uint) {
        allocate(target, bytes, AllocationKind::Host)
    }
    /// Pinned host memory.
    fn hipMallocHost(target: *mut *mut c_void, bytes: usize) { allocate(target, bytes, AllocationKind::Host) }
    /// Pinned host memory.
    fn hipMemAllocHost(target: *mut *mut c_void, bytes: usize) {
        allocate(target, bytes, AllocationKind::Host)
    }
    /// Frees device or managed memory.
    fn hipFree(pointer: *mut c_void) { release(pointer, &[AllocationKind::Device, AllocationKind::Managed]) }
    /// Frees device memory in stream order.
    fn hipFreeAsync(pointer: *mut c_void, stream: hipStream_t) {
        refuse_captured(stream)?;
        if pointer.is_null() {
            return Err(hipError_t::hipErrorInvalidValue);
        }
        release(pointer, &[AllocationKind::Device])
    }
    /// Frees pinned host memory.
    fn hipHostFree(pointer: *mut c_void) { release(pointer, &[AllocationKind::Host]) }
    /// Frees pinned host memory.
    fn hipFreeHost(pointer: *mut c_void) { release(pointer, &[AllocationKind::Host]) }
    /// Makes a host range visible to the device.
    fn hipHostRegister(pointer: *mut c_void, bytes: usize, flags: c_uint) {
        if pointer.is_null() || bytes == 0 || flags & !REGISTER_FLAGS != 0 {
            return Err(hipError_t::hipErrorInvalidValue);
        }
        if image::readable_bytes(pointer) < bytes {
            eprintln!("vhip: hipHostRegister of {bytes} bytes at {pointer:p}, which are not all mapped");
            return Err(hipError_t::hipErrorInvalidValue);
        }
        if owner(pointer as Address).is_some() {
            return Err(hipError_t::hipErrorHostMemoryAlreadyRegistered);
        }
        for device in &runtime().devices {
            // SAFETY: the caller keeps the range mapped until hipHostUnregister, as HIP demands.
            unsafe { device.emulator.memory().register(pointer as Address, bytes as u64) }.map_err(refusal)?;
        }
        Ok(())
    }
    /// Takes a registered host range away from the device.
    fn hipHostUnregister(pointer: *mut c_void) {
        let registered = owner(pointer as Address).is_some_and(|(_, allocation)| {
            allocation.kind == AllocationKind::Registered && allocation.base == pointer as Address
        });
        if !registered {
            return Err(hipError_t::hipErrorHostMemoryNotRegistered);
        }
        for device in &runtime().devices {
            device.emulator.memory().unregister(pointer as Address).map_err(refusal)?;
        }
        Ok(())
    }
    /// The device's view of pinned memory: the same address.
    fn hipHostGetDevicePointer(target: *mut *mut c_void, pointer: *mut c_void, _flags: c_uint) {
        let (_, allocation) = owner(pointer as Address).ok_or(hipError_t::hipErrorInvalidValue)?;
        if matches!(allocation.kind, AllocationKind::Device | AllocationKind::Code) {
            return Err(hipError_t::hipErrorInvalidValue);
        }
        // SAFETY: the caller's out-parameter.
        unsafe { put(target, pointer) }
    }
    /// Free and total bytes of the current device.
    fn hipMemGetInfo(free: *mut usize, total: *mut usize) {
        let (available, _) = current().emulator.memory().usage();
        // SAFETY: the caller's out-parameters.
        unsafe {
            put(free, available as usize)?;
            put(total, MEMORY_BYTES as usize)
        }
    }
    /// Copies `bytes` bytes.
    fn hipMemcpy(target: *mut c_void, source: *const c_void, bytes: usize, kind: hipMemcpyKind) {
        now(|| copy(target, source, bytes, kind, NULL))
    }
    /// Copies in stream order.
    fn hipMemcpyAsync(
        target: *mut c_void, source: *const c_void, bytes: usize, kind: hipMemcpyKind, stream: hipStream_t,
    ) { copy(target, source, bytes, kind, stream) }
    /// Copies in stream order and waits.
    fn hipMemcpyWithStream(
        target: *mut c_void, source: *const c_void, bytes: usize, kind: hipMemcpyKind, stream: hipStream_t,
    ) { copy(target, source, bytes, kind, stream) }
    /// Host to device.
    fn hipMemcpyHtoD(target: hipDeviceptr_t, source: *const c_void, bytes: usize) {
        now(|| copy(target, source, bytes, hipMemcpyKind_hipMemcpyHostToDevice, NULL))
    }
    /// Host to device, in stream order.
    fn hipMemcpyHtoDAsync(target: hipDeviceptr_t, source: *const c_void, bytes: usize, stream: hipStream_t) {
        copy(target, source, bytes, hipMemcpyKind_hipMemcpyHostToDevice, stream)
    }
    /// Device to host.
    fn hipMemcpyDtoH(target: *mut c_void, source: hipDeviceptr_t, bytes: usize) {
        now(|| copy(target, source, bytes, hipMemcpyKind_hipMemcpyDeviceToHost, NULL))
    }
    /// Device to host, in stream order.
    fn hipMemcpyDtoHAsync(target: *mut c_void, source: hipDeviceptr_t, bytes: usize, stream: hipStream_t) {
        copy(target, source, bytes, hipMemcpyKind_hipMemcpyDeviceToHost, stream)
    }
    /// Device to device.
    fn hipMemcpyDtoD(target: hipDeviceptr_t, source: hipDeviceptr_t, bytes: usize) {
        now(|| copy(target, source, bytes, hipMemcpyKind_hipMemcpyDeviceToDevice, NULL))
    }
    /// Device to device, in stream order.
    fn hipMemcpyDtoDAsync(target: hipDeviceptr_t, source: hipDeviceptr_t, bytes: usize, stream: hipStream_t) {
        copy(target, source, bytes, hipMemcpyKind_hipMemcpyDeviceToDevice, stream)
    }
    /// Copies rows.
    fn hipMemcpy2D(
        target: *mut c_void, target_pitch: usize, source: *const c_void, source_pitch: usize,
        width: usize, height: usize, kind: hipMemcpyKind,
    ) { now(|| copy_rows(target, target_pitch, source, source_pitch, width, height, kind, NULL)) }
    /// Copies rows in stream order.
    fn hipMemcpy2DAsync(
        target: *mut c_void, target_pitch: usize, source: *const c_void, source_pitch: usize,
        width: usize, height: usize, kind: hipMemcpyKind, stream: hipStream_t,
    ) { copy_rows(target, target_pitch, source, source_pitch, width, height, kind, stream) }
    /// Fills bytes.
    fn hipMemset(target: *mut c_void, value: c_int, bytes: usize) {
        now(|| fill(target, 0, value as u32, 1, bytes, 1, NULL))
    }
    /// Fills bytes in stream order.
    fn hipMemsetAsync(target: *mut c_void, value: c_int, bytes: usize, stream: hipStream_t) {
        fill(target, 0, value as u32, 1, bytes, 1, stream)
    }
    /// Fills bytes.
    fn hipMemsetD8(target: hipDeviceptr_t, value: u8, count: usize) {
        now(|| fill(target, 0, value as u32, 1, count, 1, NULL))
    }
    /// Fills bytes in stream order.
    fn hipMemsetD8Async(target: hipDeviceptr_t, value: u8, count: usize, stream: hipStream_t) {
        fill(target, 0, value as u32, 1, count, 1, stream)
    }
    /// Fills 16-bit elements.
    fn hipMemsetD16(target: hipDeviceptr_t, value: u16, count: usize) {
        now(|| fill(target, 0, value as u32, 2, count, 1, NULL))
    }
    /// Fills 16-bit elements in stream order.
    fn hipMemsetD16Async(target: hipDeviceptr_t, value: u16, count: usize, stream: hipStream_t) {
        fill(target, 0, value as u32, 2, count, 1, stream)
    }
    /// Fills 32-bit elements.
    fn hipMemsetD32(target: hipDeviceptr_t, value: c_int, count: usize) {
        now(|| fill(target, 0, value as u32, 4, count, 1, NULL))
    }
    /// Fills 32-bit elements in stream order.
    fn hipMemsetD32Async(target: hipDeviceptr_t, value: c_int, count: usize, stream: hipStream_t) {
        fill(target, 0, value as u32, 4, count, 1, stream)
    }
    /// Fills rows of bytes.
    fn hipMemset2D(target: *mut c_void, pitch: usize, value: c_int, width: usize, height: usize) {
        now(|| fill(target, pitch, value as u32, 1, width, height, NULL))
    }
    /// Fills rows of bytes in stream order.
    fn hipMemset2DAsync(
        target: *mut c_void, pitch: usize, value: c_int, width: usize, height: usize, stream: hipStream_t,
    ) { fill(target, pitch, value as u32, 1, width, height, stream) }
    /// Managed memory is always resident.
    fn hipMemPrefetchAsync(pointer: *const c_void, bytes: usize, place: c_int, stream: hipStream_t) {
        stream::resolve(stream)?;
        known(pointer, bytes)?;
        advice::prefetched(pointer, bytes, place)
    }
    /// Advice about placement makes no difference to one memory.
    fn hipMemAdvise(pointer: *const c_void, bytes: usize, piece: hipMemoryAdvise, place: c_int) {
        known(pointer, bytes)?;
        advice::note(pointer, bytes, piece, place)
    }
}
