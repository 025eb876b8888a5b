//! Host memory that the device reaches: pinned allocations and registered ranges, with the flags that they were
//! made with.

use std::{
    collections::BTreeMap,
    ffi::{c_uint, c_void},
    sync::Mutex,
};

use emulator::AllocationKind;
use hip_sys::*;

use crate::{
    api::{Status, api, put},
    command::Address,
    image,
    memory::{allocate, refusal, release},
    pointer::owner,
    runtime::{lock, runtime},
};

const INVALID: hipError_t = hipError_t::hipErrorInvalidValue;
/// hipHostRegister's flags: portable, mapped, I/O, read-only, uncached.
const REGISTER_FLAGS: u32 = 0xf | 0x8000_0000;
/// hipHostMalloc's flags: portable, mapped, write-combined, uncached, NUMA, coherent, non-coherent.
const MALLOC_FLAGS: u32 = 0x7 | 0x1000_0000 | 0x2000_0000 | COHERENCES;
/// hipHostMallocCoherent and hipHostMallocNonCoherent.
const COHERENCES: u32 = 0x4000_0000 | 0x8000_0000;

/// The flags of pinned and registered memory, by base; 0 is not kept. They make no difference to the device.
static FLAGS: Mutex<BTreeMap<Address, u32>> = Mutex::new(BTreeMap::new());

/// Forgets the flags of the memory at `base`.
pub(crate) fn forget(base: Address) {
    lock(&FLAGS).remove(&base);
}

fn allocate_with(target: *mut *mut c_void, bytes: usize, flags: u32) -> Status {
    if flags & !MALLOC_FLAGS != 0 || flags & COHERENCES == COHERENCES {
        return Err(INVALID);
    }
    allocate(target, bytes, AllocationKind::Host)?;
    // SAFETY: `allocate` has found the caller's out-parameter not to be null, and written it.
    let base = unsafe { *target } as Address;
    if flags != 0 && base != 0 {
        lock(&FLAGS).insert(base, flags);
    }
    Ok(())
}

api! {
    /// Pinned host memory.
    fn hipHostMalloc(target: *mut *mut c_void, bytes: usize, flags: c_uint) {
        allocate_with(target, bytes, flags)
    }
    /// Pinned host memory.
    fn hipHostAlloc(target: *mut *mut c_void, bytes: usize, flags: c_uint) {
        allocate_with(target, bytes, flags)
    }
    /// Pinned host memory.
    fn hipMallocHost(target: *mut *mut c_void, bytes: usize) { allocate(target, bytes, AllocationKind::Host) }
    /// Pinned host memory.
    fn hipMemAllocHost(target: *mut *mut c_void, bytes: usize) {
        allocate(target, bytes, AllocationKind::Host)
    }
    /// Frees pinned host memory.
    fn hipHostFree(pointer: *mut c_void) { release(pointer, &[AllocationKind::Host]) }
    /// Frees pinned host memory.
    fn hipFreeHost(pointer: *mut c_void) { release(pointer, &[AllocationKind::Host]) }
    /// Makes a host range visible to the device.
    fn hipHostRegister(pointer: *mut c_void, bytes: usize, flags: c_uint) {
        if pointer.is_null() || bytes == 0 || flags & !REGISTER_FLAGS != 0 {
            return Err(INVALID);
        }
        if image::readable_bytes(pointer) < bytes {
            eprintln!("vhip: hipHostRegister of {bytes} bytes at {pointer:p}, which are not all mapped");
            return Err(INVALID);
        }
        if owner(pointer as Address).is_some() {
            return Err(hipError_t::hipErrorHostMemoryAlreadyRegistered);
        }
        for device in &runtime().devices {
            // SAFETY: the caller keeps the range mapped until hipHostUnregister, as HIP demands.
            unsafe { device.emulator.memory().register(pointer as Address, bytes as u64) }.map_err(refusal)?;
        }
        if flags != 0 {
            lock(&FLAGS).insert(pointer as Address, flags);
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
        forget(pointer as Address);
        Ok(())
    }
    /// The device's view of pinned memory: the same address.
    fn hipHostGetDevicePointer(target: *mut *mut c_void, pointer: *mut c_void, flags: c_uint) {
        if flags != 0 {
            return Err(INVALID);
        }
        let (_, allocation) = owner(pointer as Address).ok_or(INVALID)?;
        if matches!(allocation.kind, AllocationKind::Device | AllocationKind::Code) {
            return Err(INVALID);
        }
        // SAFETY: the caller's out-parameter.
        unsafe { put(target, pointer) }
    }
    /// The flags that pinned or registered memory was made with.
    fn hipHostGetFlags(flags: *mut c_uint, pointer: *mut c_void) {
        let (_, allocation) = owner(pointer as Address).ok_or(INVALID)?;
        if !matches!(allocation.kind, AllocationKind::Host | AllocationKind::Registered) {
            return Err(INVALID);
        }
        let found = lock(&FLAGS).get(&allocation.base).copied().unwrap_or(0);
        // SAFETY: the caller's out-parameter.
        unsafe { put(flags, found) }
    }
}
