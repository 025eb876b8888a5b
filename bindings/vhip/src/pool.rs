//! Memory pools: allocation in stream order.
//!
//! Commands run when they are enqueued, so that memory is free as soon as its free is enqueued: a pool keeps
//! nothing in reserve, and what is reserved is what is used.

use std::{
    collections::{BTreeMap, HashMap},
    ffi::{c_int, c_void},
    sync::{Arc, Mutex},
};

use emulator::AllocationKind;
use hip_sys::*;

use crate::{
    api::{Status, api, put},
    command::{Address, Command},
    device::VirtualDevice,
    graph_memory::GraphMemory,
    memory,
    runtime::{current, device, lock, runtime},
    stream,
    transfer::get,
};

const INVALID: hipError_t = hipError_t::hipErrorInvalidValue;

/// A pool of one device.
pub(crate) struct Pool {
    device: usize,
    state: Mutex<State>,
}

struct State {
    /// Bytes that are allocated, and the most that ever were.
    used: u64,
    high: u64,
    /// Bytes to keep when the device synchronises; remembered only.
    threshold: u64,
    /// The three reuse policies, which no schedule here needs; remembered only.
    reuse: [c_int; 3],
}

/// Which pool an allocation came from, by address, and what each device allocates from.
#[derive(Default)]
struct Book {
    origin: BTreeMap<Address, (Arc<Pool>, u64)>,
    /// Handles by device.
    default: HashMap<usize, usize>,
    current: HashMap<usize, usize>,
}

static BOOK: Mutex<Option<Book>> = Mutex::new(None);

fn book<T>(work: impl FnOnce(&mut Book) -> T) -> T {
    work(lock(&BOOK).get_or_insert_with(Book::default))
}

impl Pool {
    fn new(device: usize) -> Arc<Pool> {
        Arc::new(Pool { device, state: Mutex::new(State { used: 0, high: 0, threshold: 0, reuse: [1; 3] }) })
    }

    /// Device memory out of this pool.
    fn allocate(self: &Arc<Pool>, bytes: u64) -> Result<Address, hipError_t> {
        let device = &runtime().devices[self.device];
        let address = memory::allocate_shared(device, bytes, AllocationKind::Device)?;
        let mut state = lock(&self.state);
        state.used += bytes;
        state.high = state.high.max(state.used);
        drop(state);
        book(|book| book.origin.insert(address, (self.clone(), bytes)));
        Ok(address)
    }
}

/// Notes that the allocation at `address` was freed, by whichever function.
pub(crate) fn forget(address: Address) {
    if let Some((pool, bytes)) = book(|book| book.origin.remove(&address)) {
        lock(&pool.state).used -= bytes;
    }
}

/// Notes that everything on a device was freed; its pools stay.
pub(crate) fn forget_device(id: usize) {
    let gone: Vec<Address> = book(|book| {
        book.origin.iter().filter(|(_, (pool, _))| pool.device == id).map(|(address, _)| *address).collect()
    });
    gone.into_iter().for_each(forget);
}

fn resolve(pool: hipMemPool_t) -> Result<Arc<Pool>, hipError_t> {
    runtime().pools.get(pool).map_err(|_| INVALID)
}

/// The pool that a device has from the start.
fn default(device: &VirtualDevice) -> hipMemPool_t {
    book(|book| {
        let make = || runtime().pools.insert::<c_void>(Pool::new(device.id)) as usize;
        *book.default.entry(device.id).or_insert_with(make) as hipMemPool_t
    })
}

/// The pool that `hipMallocAsync` takes memory from.
fn chosen(device: &VirtualDevice) -> hipMemPool_t {
    match book(|book| book.current.get(&device.id).copied()) {
        Some(pool) => pool as hipMemPool_t,
        None => default(device),
    }
}

/// Allocates from `pool`, or from the current device's without one.
pub(crate) fn allocate(
    target: *mut *mut c_void,
    bytes: usize,
    pool: Option<hipMemPool_t>,
    stream: hipStream_t,
) -> Status {
    if target.is_null() {
        return Err(INVALID);
    }
    let pool = resolve(pool.unwrap_or_else(|| chosen(current())))?;
    let queue = stream::resolve(stream)?;
    let address = if bytes == 0 {
        0
    } else if lock(&queue.capture).is_some() {
        let memory = GraphMemory::new(pool.device, bytes as u64)?;
        queue.enqueue(Command::Allocate(memory.clone()))?;
        memory.address()
    } else {
        pool.allocate(bytes as u64)?
    };
    // SAFETY: the caller's out-parameter, not null.
    unsafe { put(target, address as *mut c_void) }
}

/// The place of a reuse policy.
fn policy(which: hipMemPoolAttr) -> Option<usize> {
    match which {
        hipMemPoolAttr_hipMemPoolReuseFollowEventDependencies
        | hipMemPoolAttr_hipMemPoolReuseAllowOpportunistic
        | hipMemPoolAttr_hipMemPoolReuseAllowInternalDependencies => Some(which as usize - 1),
        _ => None,
    }
}

api! {
    /// Memory out of a pool, in stream order.
    fn hipMallocFromPoolAsync(target: *mut *mut c_void, bytes: usize, pool: hipMemPool_t, stream: hipStream_t) {
        if pool.is_null() {
            return Err(INVALID);
        }
        allocate(target, bytes, Some(pool), stream)
    }
    /// A pool of device memory. Handles for other processes are refused.
    fn hipMemPoolCreate(target: *mut hipMemPool_t, props: *const hipMemPoolProps) {
        // SAFETY: the caller's struct.
        let props = unsafe { get(props) }?;
        let pinned = props.allocType == hipMemAllocationType_hipMemAllocationTypePinned;
        if target.is_null() || !pinned || props.location.type_ != hipMemLocationType_hipMemLocationTypeDevice {
            return Err(INVALID);
        }
        let device = device(props.location.id).map_err(|_| INVALID)?;
        if props.handleTypes != 0 {
            return Err(hipError_t::hipErrorNotSupported);
        }
        // SAFETY: the caller's out-parameter, not null.
        unsafe { put(target, runtime().pools.insert(Pool::new(device.id))) }
    }
    /// Destroys a pool; what was allocated from it stays. A device's default pool cannot go.
    fn hipMemPoolDestroy(pool: hipMemPool_t) {
        let id = resolve(pool)?.device;
        if default(&runtime().devices[id]) == pool {
            return Err(INVALID);
        }
        runtime().pools.remove(pool).map_err(|_| INVALID)?;
        book(|book| book.current.retain(|_, chosen| *chosen != pool as usize));
        Ok(())
    }
    /// The pool that the device has from the start.
    fn hipDeviceGetDefaultMemPool(target: *mut hipMemPool_t, ordinal: c_int) {
        let device = device(ordinal)?;
        // SAFETY: the caller's out-parameter.
        unsafe { put(target, default(device)) }
    }
    /// The pool that `hipMallocAsync` takes memory from.
    fn hipDeviceGetMemPool(target: *mut hipMemPool_t, ordinal: c_int) {
        let device = device(ordinal)?;
        // SAFETY: the caller's out-parameter.
        unsafe { put(target, chosen(device)) }
    }
    /// Chooses the pool that `hipMallocAsync` takes memory from: one of that device.
    fn hipDeviceSetMemPool(ordinal: c_int, pool: hipMemPool_t) {
        let device = device(ordinal)?;
        if resolve(pool)?.device != device.id {
            return Err(hipError_t::hipErrorInvalidDevice);
        }
        book(|book| book.current.insert(device.id, pool as usize));
        Ok(())
    }
    /// Gives back what is in reserve beyond `keep` bytes: there is nothing.
    fn hipMemPoolTrimTo(pool: hipMemPool_t, _keep: usize) { resolve(pool).map(drop) }
    /// One attribute: the reuse policies are int, bytes are u64.
    fn hipMemPoolGetAttribute(pool: hipMemPool_t, which: hipMemPoolAttr, value: *mut c_void) {
        let pool = resolve(pool)?;
        let state = lock(&pool.state);
        // SAFETY: the caller's out-parameter has the type that `which` documents.
        unsafe {
            match which {
                hipMemPoolAttr_hipMemPoolAttrReleaseThreshold => put(value.cast(), state.threshold),
                hipMemPoolAttr_hipMemPoolAttrReservedMemCurrent
                | hipMemPoolAttr_hipMemPoolAttrUsedMemCurrent => put(value.cast(), state.used),
                hipMemPoolAttr_hipMemPoolAttrReservedMemHigh
                | hipMemPoolAttr_hipMemPoolAttrUsedMemHigh => put(value.cast(), state.high),
                other => put(value.cast(), state.reuse[policy(other).ok_or(INVALID)?]),
            }
        }
    }
    /// Changes an attribute; the high marks can only be set to 0, which makes them what is used now.
    fn hipMemPoolSetAttribute(pool: hipMemPool_t, which: hipMemPoolAttr, value: *mut c_void) {
        let pool = resolve(pool)?;
        let mut state = lock(&pool.state);
        // SAFETY: the caller's parameter has the type that `which` documents.
        unsafe {
            match which {
                hipMemPoolAttr_hipMemPoolAttrReleaseThreshold => state.threshold = get(value.cast::<u64>())?,
                hipMemPoolAttr_hipMemPoolAttrReservedMemHigh | hipMemPoolAttr_hipMemPoolAttrUsedMemHigh => {
                    if get(value.cast::<u64>())? != 0 {
                        return Err(INVALID);
                    }
                    state.high = state.used;
                }
                other => state.reuse[policy(other).ok_or(INVALID)?] = get(value.cast::<c_int>())?,
            }
        }
        Ok(())
    }
    /// Who may access the pool's memory: its own device.
    fn hipMemPoolGetAccess(flags: *mut hipMemAccessFlags, pool: hipMemPool_t, location: *mut hipMemLocation) {
        let pool = resolve(pool)?;
        // SAFETY: the caller's struct.
        let location = unsafe { get(location.cast_const()) }?;
        if location.type_ != hipMemLocationType_hipMemLocationTypeDevice {
            return Err(INVALID);
        }
        let own = device(location.id).map_err(|_| INVALID)?.id == pool.device;
        let found = match own {
            true => hipMemAccessFlags_hipMemAccessFlagsProtReadWrite,
            false => hipMemAccessFlags_hipMemAccessFlagsProtNone,
        };
        // SAFETY: the caller's out-parameter.
        unsafe { put(flags, found) }
    }
    /// Only what is so already can be asked for: read and write for the own device, nothing for others.
    fn hipMemPoolSetAccess(pool: hipMemPool_t, list: *const hipMemAccessDesc, count: usize) {
        let pool = resolve(pool)?;
        if list.is_null() || count == 0 {
            return Err(INVALID);
        }
        // SAFETY: the caller's list, not null.
        for access in unsafe { std::slice::from_raw_parts(list, count) } {
            if access.location.type_ != hipMemLocationType_hipMemLocationTypeDevice {
                return Err(INVALID);
            }
            let own = device(access.location.id).map_err(|_| INVALID)?.id == pool.device;
            let all = access.flags == hipMemAccessFlags_hipMemAccessFlagsProtReadWrite;
            let none = access.flags == hipMemAccessFlags_hipMemAccessFlagsProtNone;
            if !(own && all || !own && none) {
                return Err(if own { INVALID } else { hipError_t::hipErrorPeerAccessUnsupported });
            }
        }
        Ok(())
    }
}
