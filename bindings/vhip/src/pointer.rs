//! Addresses: which allocation they belong to, checked copies and fills.

use std::{
    ffi::{c_int, c_uint, c_void},
    sync::Arc,
};

use emulator::{Allocation, AllocationKind, MemoryError};
use hip_sys::*;

use crate::{
    api::{Status, api, put},
    clock,
    command::Address,
    device::{LINK_BYTES_PER_NANO, MEMORY_BYTES_PER_NANO, VirtualDevice},
    reserved,
    runtime::runtime,
    unified,
};

/// The device and allocation that `address` lies in. Shared memory belongs to the device that allocated it,
/// the others have it as a registered range.
pub(crate) fn owner(address: Address) -> Option<(&'static Arc<VirtualDevice>, Allocation)> {
    let mut registered = None;
    for device in &runtime().devices {
        match device.emulator.memory().allocation(address) {
            Some(found) if found.kind == AllocationKind::Registered => {
                // What is mapped by hand is registered too.
                if let Some((owner, found)) = reserved::find(address) {
                    return Some((&runtime().devices[owner], found));
                }
                registered.get_or_insert((device, found));
            }
            Some(found) => return Some((device, found)),
            None => {}
        }
    }
    registered
}

/// Refuses a range that starts in a known allocation and leaves it, or that was freed.
pub(crate) fn check(address: Address, bytes: u64) -> Status {
    match owner(address) {
        None => {
            let freed = runtime().devices.iter().find_map(|device| {
                let error = device.emulator.memory().read(address, &mut []).err()?;
                matches!(error, MemoryError::Freed { .. }).then_some(error)
            });
            match freed {
                Some(error) => {
                    eprintln!("vhip: copy of {bytes} bytes: {error}");
                    Err(hipError_t::hipErrorInvalidValue)
                }
                None => Ok(()),
            }
        }
        Some((_, allocation)) if bytes > allocation.bytes - (address - allocation.base) => {
            if reserved::spans(address, bytes) {
                return Ok(());
            }
            eprintln!(
                "vhip: a copy or fill of {bytes} bytes at {address:#x} leaves its allocation of {} bytes at {:#x}",
                allocation.bytes, allocation.base
            );
            Err(hipError_t::hipErrorInvalidValue)
        }
        _ => Ok(()),
    }
}

/// Copies `bytes` bytes between any two addresses of the process.
pub(crate) fn copy(target: Address, source: Address, bytes: u64) -> Status {
    if bytes == 0 {
        return Ok(());
    }
    if target == 0 || source == 0 {
        return Err(hipError_t::hipErrorInvalidValue);
    }
    check(target, bytes)?;
    check(source, bytes)?;
    if on_device(target) {
        clock::memory_changed();
    }
    // SAFETY: device ranges were checked just now; host ranges are the caller's promise (hipMemcpy's contract).
    // `copy` and not `copy_nonoverlapping`: HIP does not forbid overlap.
    unsafe { std::ptr::copy(source as *const u8, target as *mut u8, bytes as usize) };
    Ok(())
}

/// Fills `count` elements of `element` (1, 2 or 4) bytes.
pub(crate) fn fill(target: Address, value: u32, element: u32, count: u64) -> Status {
    if count == 0 {
        return Ok(());
    }
    let bytes = count.checked_mul(element as u64).ok_or(hipError_t::hipErrorInvalidValue)?;
    if owner(target).is_none() && !unified::reaches(target, bytes, true) {
        return Err(hipError_t::hipErrorInvalidValue);
    }
    check(target, bytes)?;
    clock::memory_changed();
    // SAFETY: the range was checked to lie in one live allocation or in writable pages, and HIP requires `target` to be aligned to
    // the element (checked below for 2 and 4).
    unsafe {
        match element {
            1 => std::ptr::write_bytes(target as *mut u8, value as u8, count as usize),
            2 if target.is_multiple_of(2) => {
                std::slice::from_raw_parts_mut(target as *mut u16, count as usize).fill(value as u16);
            }
            4 if target.is_multiple_of(4) => {
                std::slice::from_raw_parts_mut(target as *mut u32, count as usize).fill(value)
            }
            _ => return Err(hipError_t::hipErrorInvalidValue),
        }
    }
    Ok(())
}

/// Whether the memory at `address` is the device's own: neither the host's nor unknown.
pub(crate) fn on_device(address: Address) -> bool {
    owner(address).is_some_and(|(_, found)| memory_type(found.kind) != hipMemoryType_hipMemoryTypeHost)
}

/// Virtual nanoseconds of a copy: its bytes twice over device memory, or once over the link to the host.
pub(crate) fn copy_nanos(target: Address, source: Address, bytes: u64) -> f64 {
    match (on_device(target), on_device(source)) {
        (true, true) => 2.0 * bytes as f64 / MEMORY_BYTES_PER_NANO,
        (false, false) => 0.0,
        _ => bytes as f64 / LINK_BYTES_PER_NANO,
    }
}

/// Virtual nanoseconds of a fill.
pub(crate) fn fill_nanos(bytes: u64) -> f64 {
    bytes as f64 / MEMORY_BYTES_PER_NANO
}

/// hipInvalidDeviceId.
const NO_DEVICE: c_int = -2;

/// HIP's memory type of an allocation.
fn memory_type(kind: AllocationKind) -> hipMemoryType {
    match kind {
        AllocationKind::Device | AllocationKind::Code => hipMemoryType_hipMemoryTypeDevice,
        AllocationKind::Host | AllocationKind::Registered => hipMemoryType_hipMemoryTypeHost,
        AllocationKind::Managed => hipMemoryType_hipMemoryTypeManaged,
    }
}

/// Writes one attribute of a pointer.
///
/// # Safety
/// `data` is null or an out-parameter of the type that `which` documents.
unsafe fn attribute(data: *mut c_void, which: hipPointer_attribute, pointer: hipDeviceptr_t) -> Status {
    let (device, allocation) = owner(pointer as Address).ok_or(hipError_t::hipErrorInvalidValue)?;
    // SAFETY: the caller's out-parameter has the type that `which` documents.
    unsafe {
        match which {
            hipPointer_attribute_HIP_POINTER_ATTRIBUTE_CONTEXT => {
                put(data.cast(), std::ptr::null_mut::<c_void>())
            }
            hipPointer_attribute_HIP_POINTER_ATTRIBUTE_MEMORY_TYPE => {
                put(data.cast::<c_uint>(), memory_type(allocation.kind))
            }
            hipPointer_attribute_HIP_POINTER_ATTRIBUTE_DEVICE_POINTER => put(data.cast(), pointer),
            hipPointer_attribute_HIP_POINTER_ATTRIBUTE_HOST_POINTER => match allocation.kind {
                AllocationKind::Device | AllocationKind::Code => Err(hipError_t::hipErrorInvalidValue),
                _ => put(data.cast(), pointer),
            },
            hipPointer_attribute_HIP_POINTER_ATTRIBUTE_IS_MANAGED => {
                put(data.cast::<c_uint>(), (allocation.kind == AllocationKind::Managed) as c_uint)
            }
            hipPointer_attribute_HIP_POINTER_ATTRIBUTE_DEVICE_ORDINAL => {
                put(data.cast::<c_int>(), device.id as c_int)
            }
            hipPointer_attribute_HIP_POINTER_ATTRIBUTE_RANGE_START_ADDR => {
                put(data.cast::<u64>(), allocation.base)
            }
            hipPointer_attribute_HIP_POINTER_ATTRIBUTE_RANGE_SIZE => {
                put(data.cast::<usize>(), allocation.bytes as usize)
            }
            hipPointer_attribute_HIP_POINTER_ATTRIBUTE_MAPPED => put(data.cast::<c_uint>(), 1),
            _ => Err(hipError_t::hipErrorNotSupported),
        }
    }
}

api! {
    /// What a pointer points to; host memory that nobody registered is no error.
    fn hipPointerGetAttributes(attributes: *mut hipPointerAttribute_t, pointer: *const c_void) {
        if pointer.is_null() {
            return Err(hipError_t::hipErrorInvalidValue);
        }
        let mut found = hipPointerAttribute_t {
            type_: hipMemoryType_hipMemoryTypeUnregistered,
            device: NO_DEVICE,
            devicePointer: std::ptr::null_mut(),
            hostPointer: std::ptr::null_mut(),
            isManaged: 0,
            allocationFlags: 0,
        };
        if let Some((device, allocation)) = owner(pointer as Address) {
            found.type_ = memory_type(allocation.kind);
            found.device = device.id as c_int;
            found.devicePointer = pointer.cast_mut();
            if found.type_ != hipMemoryType_hipMemoryTypeDevice {
                found.hostPointer = pointer.cast_mut();
            }
            found.isManaged = (allocation.kind == AllocationKind::Managed) as c_int;
        }
        // SAFETY: the caller's out-parameter.
        unsafe { put(attributes, found) }
    }
    /// One attribute of a pointer.
    fn hipPointerGetAttribute(data: *mut c_void, which: hipPointer_attribute, pointer: hipDeviceptr_t) {
        // SAFETY: the caller's out-parameter.
        unsafe { attribute(data, which, pointer) }
    }
    /// Several attributes of a pointer.
    fn hipDrvPointerGetAttributes(
        count: c_uint, which: *mut hipPointer_attribute, data: *mut *mut c_void, pointer: hipDeviceptr_t,
    ) {
        if count == 0 || which.is_null() || data.is_null() {
            return Err(hipError_t::hipErrorInvalidValue);
        }
        for index in 0..count as usize {
            // SAFETY: the caller's lists have `count` entries.
            unsafe { attribute(*data.add(index), *which.add(index), pointer)? };
        }
        Ok(())
    }
    /// Whether work on a device's allocation is finished when the call that enqueues it returns: it always is.
    fn hipPointerSetAttribute(value: *const c_void, which: hipPointer_attribute, pointer: hipDeviceptr_t) {
        if value.is_null() || pointer.is_null() || which != hipPointer_attribute_HIP_POINTER_ATTRIBUTE_SYNC_MEMOPS
        {
            return Err(hipError_t::hipErrorInvalidValue);
        }
        match owner(pointer as Address) {
            Some((_, allocation)) if allocation.kind == AllocationKind::Device => Ok(()),
            _ => Err(hipError_t::hipErrorInvalidDevicePointer),
        }
    }
    /// Base and size of the allocation that a pointer lies in.
    fn hipMemGetAddressRange(base: *mut hipDeviceptr_t, size: *mut usize, pointer: hipDeviceptr_t) {
        let (_, allocation) = owner(pointer as Address).ok_or(hipError_t::hipErrorNotFound)?;
        // SAFETY: the caller's out-parameters.
        unsafe {
            put(base, allocation.base as hipDeviceptr_t)?;
            put(size, allocation.bytes as usize)
        }
    }
    /// Bytes of the allocation that starts at a pointer.
    fn hipMemPtrGetInfo(pointer: *mut c_void, size: *mut usize) {
        let (_, allocation) = owner(pointer as Address).ok_or(hipError_t::hipErrorInvalidValue)?;
        // SAFETY: the caller's out-parameter.
        unsafe { put(size, allocation.bytes as usize) }
    }
}
