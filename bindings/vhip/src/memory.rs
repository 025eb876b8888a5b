//! Device and managed memory.

use std::{
    ffi::{c_uint, c_void},
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
    extension, graph_memory, host,
    pointer::owner,
    pool,
    runtime::{current, lock, runtime},
    stream, unified, virtual_memory,
};

/// Pitch granule of 2-D allocations, bytes.
const PITCH: usize = 256;

pub(crate) fn allocate(target: *mut *mut c_void, bytes: usize, kind: AllocationKind) -> Status {
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

pub(crate) fn refusal(error: MemoryError) -> hipError_t {
    eprintln!("vhip: {error}");
    match error {
        MemoryError::OutOfMemory { .. } | MemoryError::HostRefused { .. } => hipError_t::hipErrorOutOfMemory,
        _ => hipError_t::hipErrorInvalidValue,
    }
}

/// Frees an allocation of one of `kinds`; null is no error.
pub(crate) fn release(pointer: *mut c_void, kinds: &[AllocationKind]) -> Status {
    if pointer.is_null() {
        return Ok(());
    }
    capture::refuse_unsafe()?;
    free_one(pointer as Address, kinds)
}

/// Frees what a graph's node frees: memory of a graph, or of `hipMalloc`.
pub(crate) fn release_now(address: Address) -> Status {
    free_one(address, &[AllocationKind::Device])
}

fn free_one(address: Address, kinds: &[AllocationKind]) -> Status {
    if let Some(device) = graph_memory::owner(address) {
        let _turn = device.turn();
        return graph_memory::vanish(address).unwrap_or(Err(hipError_t::hipErrorInvalidValue));
    }
    let (device, allocation) = owner(address).ok_or(hipError_t::hipErrorInvalidValue)?;
    if allocation.base != address || !kinds.contains(&allocation.kind) {
        return Err(hipError_t::hipErrorInvalidValue);
    }
    // As on hardware, freeing waits for what runs.
    let _turn = device.turn();
    withdraw(device, &allocation);
    pool::forget(allocation.base);
    advice::forget(allocation.base);
    host::forget(allocation.base);
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
            host::forget(allocation.base);
        }
    }
    pool::forget_device(device.id);
    graph_memory::vanish_all(device.id);
    memory.free_all();
}

/// Refuses an address that the device does not reach.
pub(crate) fn known(pointer: *const c_void, bytes: usize) -> Status {
    let reached = owner(pointer as Address).is_some()
        || graph_memory::is_to_come(pointer as Address)
        || unified::reaches(pointer as Address, bytes as u64, false);
    if reached { Ok(()) } else { Err(hipError_t::hipErrorInvalidValue) }
}

/// Does synchronous work on a default stream, which no capture survives.
pub(crate) fn now(work: impl FnOnce() -> Status) -> Status {
    capture::refuse_all(hipError_t::hipErrorStreamCaptureImplicit)?;
    work()
}

api! {
    /// Device memory, 256-byte aligned; access beyond the requested size is a fault.
    fn hipMalloc(target: *mut *mut c_void, bytes: usize) { allocate(target, bytes, AllocationKind::Device) }
    /// As `hipMalloc`; the flags (fine-grained, signal memory) make no difference to a coherent device.
    fn hipExtMallocWithFlags(target: *mut *mut c_void, bytes: usize, _flags: c_uint) {
        allocate(target, bytes, AllocationKind::Device)
    }
    /// As `hipMalloc`, in stream order; captured, it becomes a node of the graph.
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
    /// Frees device or managed memory.
    fn hipFree(pointer: *mut c_void) { release(pointer, &[AllocationKind::Device, AllocationKind::Managed]) }
    /// Frees device memory in stream order.
    fn hipFreeAsync(pointer: *mut c_void, stream: hipStream_t) {
        if pointer.is_null() {
            return Err(hipError_t::hipErrorInvalidValue);
        }
        let queue = stream::resolve(stream)?;
        if lock(&queue.capture).is_some() {
            return queue.enqueue(Command::Release { address: pointer as Address });
        }
        release(pointer, &[AllocationKind::Device])
    }
    /// Free and total bytes of the current device.
    fn hipMemGetInfo(free: *mut usize, total: *mut usize) {
        let (available, _) = current().emulator.memory().usage();
        let elsewhere = graph_memory::used(current().id) + virtual_memory::used(current().id);
        let available = available.saturating_sub(elsewhere);
        // SAFETY: the caller's out-parameters.
        unsafe {
            put(free, available as usize)?;
            put(total, MEMORY_BYTES as usize)
        }
    }
}
