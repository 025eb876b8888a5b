//! Virtual memory: addresses, memory, and which device may use it, each in calls of their own.
//!
//! ```text
//! hipMemAddressReserve ─▶ addresses ─┐
//! hipMemCreate ─────────▶ memory ────┴─ hipMemMap ─▶ mapped ─ hipMemSetAccess ─▶ kernels reach it
//! ```
//!
//! Memory is a file without a name: it can be mapped at several addresses, and its descriptor given away.

use std::{
    collections::BTreeMap,
    ffi::{c_int, c_ulonglong, c_void},
    os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd},
    sync::{Arc, Mutex},
};

use hip_sys::*;

use crate::{
    api::{api, put},
    command::Address,
    device::MEMORY_BYTES,
    mapping::{PAGE_BYTES, Reservation, anonymous_file},
    reserved,
    runtime::{device, lock, runtime},
    transfer::get,
};

const INVALID: hipError_t = hipError_t::hipErrorInvalidValue;
/// What memory is best made and mapped in, bytes: the large page of the driver.
const RECOMMENDED_BYTES: usize = 2 << 20;

/// Memory without an address.
pub(crate) struct Physical {
    file: OwnedFd,
    bytes: u64,
    device: usize,
    handle_type: hipMemAllocationHandleType,
    /// How often `hipMemRelease` has to be called.
    count: Mutex<usize>,
}

impl Physical {
    fn new(file: OwnedFd, bytes: u64, device: usize, handle_type: hipMemAllocationHandleType) -> Physical {
        *lock(&USED).entry(device).or_default() += bytes;
        Physical { file, bytes, device, handle_type, count: Mutex::new(1) }
    }
}

impl Drop for Physical {
    fn drop(&mut self) {
        if let Some(used) = lock(&USED).get_mut(&self.device) {
            *used -= self.bytes;
        }
    }
}

/// Memory at an address.
struct Mapped {
    memory: Arc<Physical>,
    bytes: u64,
}

#[derive(Default)]
struct Space {
    reserved: BTreeMap<Address, Reservation>,
    mapped: BTreeMap<Address, Mapped>,
}

static SPACE: Mutex<Space> = Mutex::new(Space { reserved: BTreeMap::new(), mapped: BTreeMap::new() });
/// Bytes of memory that exist, by device.
static USED: Mutex<BTreeMap<usize, u64>> = Mutex::new(BTreeMap::new());

/// Bytes of a device's memory that were made here.
pub(crate) fn used(device: usize) -> u64 {
    lock(&USED).get(&device).copied().unwrap_or(0)
}

impl Space {
    /// The reservation that holds a range.
    fn reservation(&self, address: Address, bytes: u64) -> Result<&Reservation, hipError_t> {
        let (_, found) = self.reserved.range(..=address).next_back().ok_or(INVALID)?;
        if found.holds(address, bytes) { Ok(found) } else { Err(INVALID) }
    }

    /// Addresses of the mappings that a range consists of.
    fn mappings(&self, address: Address, bytes: u64) -> Result<Vec<Address>, hipError_t> {
        let end = address.checked_add(bytes).ok_or(INVALID)?;
        let (mut at, mut found) = (address, Vec::new());
        while at < end {
            let mapped = self.mapped.get(&at).ok_or(INVALID)?;
            found.push(at);
            at += mapped.bytes;
        }
        if at == end && !found.is_empty() { Ok(found) } else { Err(INVALID) }
    }
}

/// The device of memory with these properties.
fn check(prop: &hipMemAllocationProp) -> Result<usize, hipError_t> {
    let pinned = prop.type_ == hipMemAllocationType_hipMemAllocationTypePinned
        || prop.type_ == hipMemAllocationType_hipMemAllocationTypeUncached;
    if !pinned || prop.location.type_ != hipMemLocationType_hipMemLocationTypeDevice {
        return Err(INVALID);
    }
    Ok(device(prop.location.id).map_err(|_| INVALID)?.id)
}

fn resolve(handle: hipMemGenericAllocationHandle_t) -> Result<Arc<Physical>, hipError_t> {
    runtime().physical.get(handle).map_err(|_| INVALID)
}

/// Waits for what runs on any device, since kernels may use a mapping that is to go.
fn all_turns() -> Vec<std::sync::MutexGuard<'static, ()>> {
    runtime().devices.iter().map(|device| device.turn()).collect()
}

fn whole_pages(bytes: usize) -> bool {
    bytes != 0 && (bytes as u64).is_multiple_of(PAGE_BYTES)
}

api! {
    /// Addresses for memory to be mapped at; aligned as wanted, at `wanted` if that is free.
    fn hipMemAddressReserve(
        target: *mut *mut c_void, bytes: usize, alignment: usize, wanted: *mut c_void, flags: c_ulonglong,
    ) {
        if target.is_null() || flags != 0 {
            return Err(INVALID);
        }
        if !whole_pages(bytes) || alignment != 0 && !alignment.is_power_of_two() {
            return Err(hipError_t::hipErrorOutOfMemory);
        }
        let made = Reservation::new(bytes as u64, alignment as u64, wanted as Address);
        let made = made.map_err(reserved::refused(bytes as u64))?;
        let base = made.base();
        lock(&SPACE).reserved.insert(base, made);
        // SAFETY: the caller's out-parameter, not null.
        unsafe { put(target, base as *mut c_void) }
    }
    /// Gives addresses back, all that one call reserved; nothing may be mapped there.
    fn hipMemAddressFree(pointer: *mut c_void, bytes: usize) {
        let mut space = lock(&SPACE);
        let base = pointer as Address;
        let whole = space.reserved.get(&base).is_some_and(|found| found.bytes() == bytes as u64);
        if !whole || space.mapped.range(base..base + bytes as u64).next().is_some() {
            return Err(INVALID);
        }
        space.reserved.remove(&base);
        Ok(())
    }
    /// Memory of a device, without an address.
    fn hipMemCreate(
        handle: *mut hipMemGenericAllocationHandle_t, bytes: usize, prop: *const hipMemAllocationProp,
        flags: c_ulonglong,
    ) {
        // SAFETY: the caller's struct.
        let prop = unsafe { get(prop) }?;
        if handle.is_null() || flags != 0 || !whole_pages(bytes) {
            return Err(INVALID);
        }
        let id = check(&prop)?;
        // SAFETY: both members of the union are this number.
        let handle_type = unsafe { prop.__bindgen_anon_1.requestedHandleType };
        let known = hipMemAllocationHandleType_hipMemHandleTypePosixFileDescriptor;
        if handle_type != hipMemAllocationHandleType_hipMemHandleTypeNone && handle_type != known {
            return Err(hipError_t::hipErrorNotSupported);
        }
        let (free, _) = runtime().devices[id].emulator.memory().usage();
        if bytes as u64 > free.saturating_sub(used(id)) {
            eprintln!("vhip: {bytes} bytes of virtual memory are more than is free of {MEMORY_BYTES}");
            return Err(hipError_t::hipErrorOutOfMemory);
        }
        let file = anonymous_file(bytes as u64).map_err(reserved::refused(bytes as u64))?;
        let made = Physical::new(file, bytes as u64, id, handle_type);
        // SAFETY: the caller's out-parameter, not null.
        unsafe { put(handle, runtime().physical.insert(Arc::new(made))) }
    }
    /// Gives up a handle; mapped memory stays until it is unmapped.
    fn hipMemRelease(handle: hipMemGenericAllocationHandle_t) {
        let memory = resolve(handle)?;
        let mut count = lock(&memory.count);
        *count -= 1;
        if *count == 0 {
            runtime().physical.remove(handle).map_err(|_| INVALID)?;
        }
        Ok(())
    }
    /// The handle of the memory that is mapped at an address; it has to be released once more.
    fn hipMemRetainAllocationHandle(handle: *mut hipMemGenericAllocationHandle_t, pointer: *mut c_void) {
        let space = lock(&SPACE);
        let (base, mapped) = space.mapped.range(..=pointer as Address).next_back().ok_or(INVALID)?;
        if handle.is_null() || pointer as Address - base >= mapped.bytes {
            return Err(INVALID);
        }
        // A handle that was given up comes back as another number.
        let known = runtime().physical.handle(&mapped.memory);
        let found = known.unwrap_or_else(|| runtime().physical.insert(mapped.memory.clone()));
        *lock(&mapped.memory.count) += 1;
        // SAFETY: the caller's out-parameter, not null.
        unsafe { put(handle, found) }
    }
    /// Maps memory at reserved addresses; no kernel reaches it before `hipMemSetAccess`.
    fn hipMemMap(
        pointer: *mut c_void, bytes: usize, offset: usize, handle: hipMemGenericAllocationHandle_t,
        flags: c_ulonglong,
    ) {
        let memory = resolve(handle)?;
        // As ROCm, only from the memory's start.
        if offset != 0 || flags != 0 || !whole_pages(bytes) || bytes as u64 > memory.bytes {
            return Err(INVALID);
        }
        let (base, bytes) = (pointer as Address, bytes as u64);
        if !base.is_multiple_of(PAGE_BYTES) {
            return Err(INVALID);
        }
        let mut space = lock(&SPACE);
        let below = space.mapped.range(..base + bytes).next_back();
        if below.is_some_and(|(start, mapped)| start + mapped.bytes > base) {
            return Err(INVALID);
        }
        let reservation = space.reservation(base, bytes)?;
        // SAFETY: the part lies in the reservation, and nothing is mapped there.
        let backed = unsafe { reservation.back(base, bytes, Some(memory.file.as_fd())) };
        backed.map_err(reserved::refused(bytes))?;
        space.mapped.insert(base, Mapped { memory, bytes });
        Ok(())
    }
    /// Unmaps what one or several calls have mapped; no device may use it any more.
    fn hipMemUnmap(pointer: *mut c_void, bytes: usize) {
        let mut space = lock(&SPACE);
        let bases = space.mappings(pointer as Address, bytes as u64)?;
        let _turns = all_turns();
        for base in bases {
            reserved::close(base, None);
            let bytes = space.mapped.get(&base).map_or(0, |mapped| mapped.bytes);
            // SAFETY: the part lies in the reservation, and devices have just lost it.
            let cleared = unsafe { space.reservation(base, bytes)?.clear(base, bytes) };
            cleared.map_err(reserved::refused(bytes))?;
            space.mapped.remove(&base);
        }
        Ok(())
    }
    /// Lets devices use mapped memory, to read and write, or not at all; reading alone is refused.
    fn hipMemSetAccess(pointer: *mut c_void, bytes: usize, list: *const hipMemAccessDesc, count: usize) {
        if list.is_null() || count == 0 {
            return Err(INVALID);
        }
        let space = lock(&SPACE);
        let bases = space.mappings(pointer as Address, bytes as u64)?;
        // SAFETY: the caller's list, not null.
        let list = unsafe { std::slice::from_raw_parts(list, count) };
        for access in list {
            if access.location.type_ != hipMemLocationType_hipMemLocationTypeDevice {
                return Err(INVALID);
            }
            let device = device(access.location.id).map_err(|_| INVALID)?;
            for base in &bases {
                let Some(mapped) = space.mapped.get(base) else { return Err(INVALID) };
                match access.flags {
                    hipMemAccessFlags_hipMemAccessFlagsProtReadWrite => {
                        let owner = mapped.memory.device;
                        // SAFETY: the mapping stays until `hipMemUnmap`, which takes it from the devices.
                        unsafe { reserved::open(*base, mapped.bytes, owner, device.id)? };
                    }
                    hipMemAccessFlags_hipMemAccessFlagsProtNone => {
                        let _turn = device.turn();
                        reserved::close(*base, Some(device.id));
                    }
                    hipMemAccessFlags_hipMemAccessFlagsProtRead => {
                        eprintln!("vhip: hipMemSetAccess: memory that can only be read is not implemented");
                        return Err(hipError_t::hipErrorNotSupported);
                    }
                    _ => return Err(INVALID),
                }
            }
        }
        Ok(())
    }
    /// What a device may do with mapped memory.
    fn hipMemGetAccess(flags: *mut c_ulonglong, location: *const hipMemLocation, pointer: *mut c_void) {
        // SAFETY: the caller's struct.
        let location = unsafe { get(location) }?;
        if location.type_ != hipMemLocationType_hipMemLocationTypeDevice {
            return Err(INVALID);
        }
        let device = device(location.id).map_err(|_| INVALID)?;
        let space = lock(&SPACE);
        let (base, mapped) = space.mapped.range(..=pointer as Address).next_back().ok_or(INVALID)?;
        if pointer as Address - base >= mapped.bytes {
            return Err(INVALID);
        }
        let found = match reserved::is_open(*base, device.id) {
            true => hipMemAccessFlags_hipMemAccessFlagsProtReadWrite,
            false => hipMemAccessFlags_hipMemAccessFlagsProtNone,
        };
        // SAFETY: the caller's out-parameter.
        unsafe { put(flags, found as c_ulonglong) }
    }
    /// What sizes and addresses have to be multiples of, bytes.
    fn hipMemGetAllocationGranularity(
        granularity: *mut usize, prop: *const hipMemAllocationProp, option: hipMemAllocationGranularity_flags,
    ) {
        // SAFETY: the caller's struct.
        check(&unsafe { get(prop) }?)?;
        let found = match option {
            hipMemAllocationGranularity_flags_hipMemAllocationGranularityMinimum => PAGE_BYTES as usize,
            hipMemAllocationGranularity_flags_hipMemAllocationGranularityRecommended => RECOMMENDED_BYTES,
            _ => return Err(INVALID),
        };
        // SAFETY: the caller's out-parameter.
        unsafe { put(granularity, found) }
    }
    /// What memory was made with.
    fn hipMemGetAllocationPropertiesFromHandle(
        prop: *mut hipMemAllocationProp, handle: hipMemGenericAllocationHandle_t,
    ) {
        let memory = resolve(handle)?;
        // SAFETY: integers, and a pointer that may be null.
        let mut found: hipMemAllocationProp = unsafe { std::mem::zeroed() };
        found.type_ = hipMemAllocationType_hipMemAllocationTypePinned;
        found.__bindgen_anon_1.requestedHandleType = memory.handle_type;
        found.location =
            hipMemLocation { type_: hipMemLocationType_hipMemLocationTypeDevice, id: memory.device as c_int };
        // SAFETY: the caller's out-parameter.
        unsafe { put(prop, found) }
    }
    /// A file descriptor of memory that was made to have one; the caller closes it.
    fn hipMemExportToShareableHandle(
        target: *mut c_void, handle: hipMemGenericAllocationHandle_t, kind: hipMemAllocationHandleType,
        flags: c_ulonglong,
    ) {
        let memory = resolve(handle)?;
        if flags != 0 || target.is_null() {
            return Err(INVALID);
        }
        if kind != hipMemAllocationHandleType_hipMemHandleTypePosixFileDescriptor || kind != memory.handle_type {
            return Err(hipError_t::hipErrorNotSupported);
        }
        let copy = memory.file.try_clone().map_err(reserved::refused(memory.bytes))?;
        // SAFETY: the caller's out-parameter is a C int for this kind.
        unsafe { put(target.cast::<c_int>(), copy.into_raw_fd()) }
    }
    /// Memory of the current device behind a file descriptor that `hipMemExportToShareableHandle` gave, in this
    /// process or another one. The descriptor stays the caller's.
    fn hipMemImportFromShareableHandle(
        handle: *mut hipMemGenericAllocationHandle_t, descriptor: *mut c_void, kind: hipMemAllocationHandleType,
    ) {
        if handle.is_null() {
            return Err(INVALID);
        }
        if kind != hipMemAllocationHandleType_hipMemHandleTypePosixFileDescriptor {
            return Err(hipError_t::hipErrorNotSupported);
        }
        let raw = c_int::try_from(descriptor as isize).ok().filter(|raw| *raw >= 0).ok_or(INVALID)?;
        // SAFETY: the caller's descriptor is open during the call; a wrong number is an error of `fstat`.
        let file = unsafe { BorrowedFd::borrow_raw(raw) }.try_clone_to_owned().map_err(|_| INVALID)?;
        let file = std::fs::File::from(file);
        let bytes = file.metadata().map_err(|_| INVALID)?.len();
        if !whole_pages(bytes as usize) {
            return Err(INVALID);
        }
        let made = Physical::new(file.into(), bytes, crate::runtime::current().id, kind);
        // SAFETY: the caller's out-parameter, not null.
        unsafe { put(handle, runtime().physical.insert(Arc::new(made))) }
    }
}
