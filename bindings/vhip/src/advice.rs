//! Advice about managed memory: remembered, so that programs can ask for it, and without effect on one memory.

use std::{
    collections::BTreeMap,
    ffi::{c_int, c_uint, c_void},
    sync::Mutex,
};

use emulator::AllocationKind;
use hip_sys::*;

use crate::{
    api::{Status, api, put},
    command::Address,
    memory::known,
    pointer::owner,
    runtime::{device, lock},
    stream,
};

const INVALID: hipError_t = hipError_t::hipErrorInvalidValue;
/// hipCpuDeviceId.
const HOST: c_int = -1;
/// hipInvalidDeviceId.
const NOWHERE: c_int = -2;

/// What a managed allocation was advised; one piece of advice holds for the whole of it.
#[derive(Clone)]
struct Advice {
    read_mostly: bool,
    preferred: c_int,
    accessed_by: Vec<c_int>,
    prefetched: c_int,
    coarse: bool,
}

impl Default for Advice {
    fn default() -> Advice {
        Advice {
            read_mostly: false,
            preferred: NOWHERE,
            accessed_by: Vec::new(),
            prefetched: NOWHERE,
            coarse: false,
        }
    }
}

static ADVICE: Mutex<BTreeMap<Address, Advice>> = Mutex::new(BTreeMap::new());

/// Forgets what the allocation at `base` was advised.
pub(crate) fn forget(base: Address) {
    lock(&ADVICE).remove(&base);
}

/// The managed allocation that holds `bytes` bytes at `pointer`.
fn managed(pointer: *const c_void, bytes: usize) -> Result<Address, hipError_t> {
    let (_, allocation) = owner(pointer as Address).ok_or(INVALID)?;
    let inside = pointer as Address - allocation.base;
    if allocation.kind != AllocationKind::Managed || bytes == 0 || bytes as u64 > allocation.bytes - inside {
        return Err(INVALID);
    }
    Ok(allocation.base)
}

/// Follows a piece of advice about memory that is not managed too, where it changes nothing.
pub(crate) fn note(pointer: *const c_void, bytes: usize, advice: hipMemoryAdvise, place: c_int) -> Status {
    if place != HOST {
        device(place)?;
    }
    let Ok(base) = managed(pointer, bytes) else { return Ok(()) };
    let mut all = lock(&ADVICE);
    let entry = all.entry(base).or_default();
    match advice {
        hipMemoryAdvise_hipMemAdviseSetReadMostly => entry.read_mostly = true,
        hipMemoryAdvise_hipMemAdviseUnsetReadMostly => entry.read_mostly = false,
        hipMemoryAdvise_hipMemAdviseSetPreferredLocation => entry.preferred = place,
        hipMemoryAdvise_hipMemAdviseUnsetPreferredLocation => entry.preferred = NOWHERE,
        hipMemoryAdvise_hipMemAdviseSetAccessedBy if !entry.accessed_by.contains(&place) => {
            entry.accessed_by.push(place);
        }
        hipMemoryAdvise_hipMemAdviseSetAccessedBy => {}
        hipMemoryAdvise_hipMemAdviseUnsetAccessedBy => entry.accessed_by.retain(|other| *other != place),
        hipMemoryAdvise_hipMemAdviseSetCoarseGrain => entry.coarse = true,
        hipMemoryAdvise_hipMemAdviseUnsetCoarseGrain => entry.coarse = false,
        _ => return Err(INVALID),
    }
    Ok(())
}

/// Remembers where managed memory was prefetched to.
pub(crate) fn prefetched(pointer: *const c_void, bytes: usize, place: c_int) -> Status {
    if place != HOST {
        device(place)?;
    }
    if let Ok(base) = managed(pointer, bytes) {
        lock(&ADVICE).entry(base).or_default().prefetched = place;
    }
    Ok(())
}

/// The number that stands for a location: a device's, or the host's.
fn place(location: hipMemLocation) -> Result<c_int, hipError_t> {
    match location.type_ {
        hipMemLocationType_hipMemLocationTypeDevice => Ok(location.id),
        hipMemLocationType_hipMemLocationTypeHost
        | hipMemLocationType_hipMemLocationTypeHostNuma
        | hipMemLocationType_hipMemLocationTypeHostNumaCurrent => Ok(HOST),
        _ => Err(INVALID),
    }
}

/// Writes one attribute of `size` bytes.
///
/// # Safety
/// `data` is null or has `size` bytes.
unsafe fn give(data: *mut c_void, size: usize, which: hipMemRangeAttribute, base: Address) -> Status {
    let advice = lock(&ADVICE).get(&base).cloned().unwrap_or_default();
    let data = data.cast::<c_int>();
    if which == hipMemRangeAttribute_hipMemRangeAttributeAccessedBy {
        // A list of devices, the rest of it filled up.
        if data.is_null() || size == 0 || !size.is_multiple_of(4) {
            return Err(INVALID);
        }
        for index in 0..size / 4 {
            let place = advice.accessed_by.get(index).copied().unwrap_or(NOWHERE);
            // SAFETY: inside the caller's array.
            unsafe { data.add(index).write(place) };
        }
        return Ok(());
    }
    if size != 4 {
        return Err(INVALID);
    }
    let value = match which {
        hipMemRangeAttribute_hipMemRangeAttributeReadMostly => advice.read_mostly as c_int,
        hipMemRangeAttribute_hipMemRangeAttributePreferredLocation => advice.preferred,
        hipMemRangeAttribute_hipMemRangeAttributeLastPrefetchLocation => advice.prefetched,
        // hipMemRangeCoherencyMode: 0 is fine-grained, 1 coarse-grained.
        hipMemRangeAttribute_hipMemRangeAttributeCoherencyMode => advice.coarse as c_int,
        _ => return Err(INVALID),
    };
    // SAFETY: the caller's buffer of 4 bytes.
    unsafe { put(data, value) }
}

api! {
    /// Managed memory is always resident.
    fn hipMemPrefetchAsync(pointer: *const c_void, bytes: usize, place: c_int, stream: hipStream_t) {
        stream::resolve(stream)?;
        known(pointer, bytes)?;
        prefetched(pointer, bytes, place)
    }
    /// Advice about placement makes no difference to one memory.
    fn hipMemAdvise(pointer: *const c_void, bytes: usize, piece: hipMemoryAdvise, place: c_int) {
        known(pointer, bytes)?;
        note(pointer, bytes, piece, place)
    }
    /// As `hipMemPrefetchAsync`, to a place that is a device or the host.
    fn hipMemPrefetchAsync_v2(
        pointer: *const c_void, bytes: usize, location: hipMemLocation, flags: c_uint, stream: hipStream_t,
    ) {
        if flags != 0 {
            return Err(INVALID);
        }
        stream::resolve(stream)?;
        known(pointer, bytes)?;
        prefetched(pointer, bytes, place(location)?)
    }
    /// As `hipMemAdvise`, about a place that is a device or the host.
    fn hipMemAdvise_v2(
        pointer: *const c_void, bytes: usize, piece: hipMemoryAdvise, location: hipMemLocation,
    ) {
        known(pointer, bytes)?;
        note(pointer, bytes, piece, place(location)?)
    }
    /// One attribute of managed memory, as advice and prefetches left it.
    fn hipMemRangeGetAttribute(
        data: *mut c_void, size: usize, which: hipMemRangeAttribute, pointer: *const c_void, bytes: usize,
    ) {
        let base = managed(pointer, bytes)?;
        // SAFETY: the caller's buffer.
        unsafe { give(data, size, which, base) }
    }
    /// Several attributes of managed memory.
    fn hipMemRangeGetAttributes(
        data: *mut *mut c_void, sizes: *mut usize, which: *mut hipMemRangeAttribute, count: usize,
        pointer: *const c_void, bytes: usize,
    ) {
        if data.is_null() || sizes.is_null() || which.is_null() || count == 0 {
            return Err(INVALID);
        }
        let base = managed(pointer, bytes)?;
        for index in 0..count {
            // SAFETY: the caller's lists have `count` entries, each buffer its size.
            unsafe { give(*data.add(index), *sizes.add(index), *which.add(index), base)? };
        }
        Ok(())
    }
}
