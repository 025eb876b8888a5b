//! Memory that graphs allocate and free: its address is known when the node is made, and it is there from the
//! run of its allocating node to that of its freeing one, or to `hipFree`.

use std::{
    collections::BTreeMap,
    ffi::{c_int, c_void},
    sync::{Arc, Mutex},
};

use hip_sys::*;

use crate::{
    api::{Status, api, put},
    command::{Address, Command},
    device::VirtualDevice,
    graph,
    mapping::{PAGE_BYTES, Reservation},
    node, reserved,
    runtime::{device, lock, runtime},
    transfer::get,
};

const INVALID: hipError_t = hipError_t::hipErrorInvalidValue;

/// An allocation of a graph.
pub(crate) struct GraphMemory {
    device: usize,
    /// What was asked for; the reservation is whole pages.
    bytes: u64,
    range: Reservation,
}

/// What graphs will allocate or have allocated: bytes by address.
static MADE: Mutex<BTreeMap<Address, u64>> = Mutex::new(BTreeMap::new());
/// What is allocated now, by address.
static LIVE: Mutex<BTreeMap<Address, Arc<GraphMemory>>> = Mutex::new(BTreeMap::new());
/// Bytes that are allocated, and the most that ever were, by device.
static USE: Mutex<BTreeMap<usize, Use>> = Mutex::new(BTreeMap::new());

#[derive(Clone, Copy, Default)]
struct Use {
    now: u64,
    high: u64,
}

impl GraphMemory {
    /// `bytes` bytes of a device, not there yet.
    pub(crate) fn new(device: usize, bytes: u64) -> Result<Arc<GraphMemory>, hipError_t> {
        if bytes == 0 {
            return Err(INVALID);
        }
        let whole = bytes.checked_next_multiple_of(PAGE_BYTES).ok_or(hipError_t::hipErrorOutOfMemory)?;
        let range = Reservation::new(whole, PAGE_BYTES, 0).map_err(reserved::refused(bytes))?;
        lock(&MADE).insert(range.base(), bytes);
        Ok(Arc::new(GraphMemory { device, bytes, range }))
    }

    /// Its address.
    pub(crate) fn address(&self) -> Address {
        self.range.base()
    }

    /// Makes it be there.
    ///
    /// # Errors
    /// hipErrorInvalidValue when it is there: a graph that does not free its memory cannot run again before
    /// somebody else does. hipErrorOutOfMemory when the device has no room.
    pub(crate) fn appear(self: &Arc<GraphMemory>) -> Status {
        let mut live = lock(&LIVE);
        if live.contains_key(&self.address()) {
            eprintln!("vhip: a graph allocates its {} bytes at {:#x} again", self.bytes, self.address());
            return Err(INVALID);
        }
        let (free, _) = runtime().devices[self.device].emulator.memory().usage();
        if self.range.bytes() > free.saturating_sub(used(self.device)) {
            return Err(hipError_t::hipErrorOutOfMemory);
        }
        // SAFETY: the whole reservation, which shows nothing.
        unsafe { self.range.back(self.address(), self.range.bytes(), None) }
            .map_err(reserved::refused(self.bytes))?;
        // SAFETY: the range stays until `vanish`, which takes it from the device first.
        unsafe { reserved::open(self.address(), self.bytes, self.device, self.device)? };
        live.insert(self.address(), self.clone());
        let mut all = lock(&USE);
        let entry = all.entry(self.device).or_default();
        entry.now += self.range.bytes();
        entry.high = entry.high.max(entry.now);
        Ok(())
    }
}

impl Drop for GraphMemory {
    fn drop(&mut self) {
        lock(&MADE).remove(&self.address());
    }
}

/// Whether a graph allocates `address` when it runs: a copy from or to there can be made a node.
pub(crate) fn is_to_come(address: Address) -> bool {
    let made = lock(&MADE);
    made.range(..=address).next_back().is_some_and(|(base, bytes)| address - base < *bytes)
}

/// Frees what a graph allocated at `address`; `None` when nothing of a graph is there. The caller has the
/// device's turn.
pub(crate) fn vanish(address: Address) -> Option<Status> {
    let memory = lock(&LIVE).remove(&address)?;
    reserved::close(address, None);
    if let Some(entry) = lock(&USE).get_mut(&memory.device) {
        entry.now -= memory.range.bytes();
    }
    // SAFETY: the whole reservation, which the device has just lost.
    let cleared = unsafe { memory.range.clear(address, memory.range.bytes()) };
    Some(cleared.map_err(reserved::refused(memory.bytes)))
}

/// Frees everything that graphs allocated on a device. The caller has its turn.
pub(crate) fn vanish_all(device: usize) {
    let bases: Vec<Address> =
        lock(&LIVE).iter().filter(|(_, memory)| memory.device == device).map(|(base, _)| *base).collect();
    for base in bases {
        // The host may refuse to take the pages back; the device has lost them all the same.
        let _cleared = vanish(base);
    }
}

/// The device whose memory a graph allocated at `address`.
pub(crate) fn owner(address: Address) -> Option<&'static Arc<VirtualDevice>> {
    let device = lock(&LIVE).get(&address)?.device;
    Some(&runtime().devices[device])
}

/// Bytes of a device that graphs have allocated.
pub(crate) fn used(device: usize) -> u64 {
    lock(&USE).get(&device).map_or(0, |entry| entry.now)
}

/// The memory that a node's parameters mean; writes its address there.
pub(crate) fn of_params(params: &mut hipMemAllocNodeParams) -> Result<Command, hipError_t> {
    let place = params.poolProps.location;
    let pinned = params.poolProps.allocType == hipMemAllocationType_hipMemAllocationTypePinned;
    if !pinned || place.type_ != hipMemLocationType_hipMemLocationTypeDevice {
        return Err(INVALID);
    }
    let id = device(place.id).map_err(|_| INVALID)?.id;
    let memory = GraphMemory::new(id, params.bytesize as u64)?;
    params.dptr = memory.address() as *mut c_void;
    Ok(Command::Allocate(memory))
}

/// The parameters of a node.
fn params(memory: &GraphMemory) -> hipMemAllocNodeParams {
    // SAFETY: integers, and pointers that may be null.
    let mut found: hipMemAllocNodeParams = unsafe { std::mem::zeroed() };
    found.poolProps.allocType = hipMemAllocationType_hipMemAllocationTypePinned;
    found.poolProps.location =
        hipMemLocation { type_: hipMemLocationType_hipMemLocationTypeDevice, id: memory.device as c_int };
    found.bytesize = memory.bytes as usize;
    found.dptr = memory.address() as *mut c_void;
    found
}

fn command(node: hipGraphNode_t) -> Result<Command, hipError_t> {
    let (graph, index) = graph::find(node)?;
    let command = lock(&graph).nodes[index].command.clone();
    Ok(command)
}

api! {
    /// Allocates; the address is known at once, the memory is there once the node has run.
    fn hipGraphAddMemAllocNode(
        node: *mut hipGraphNode_t, graph: hipGraph_t, after: *const hipGraphNode_t, count: usize,
        params: *mut hipMemAllocNodeParams,
    ) {
        // SAFETY: the caller's struct.
        let mut copy = unsafe { get(params.cast_const()) }?;
        let command = of_params(&mut copy)?;
        // SAFETY: the caller's list and out-parameters.
        unsafe {
            node::add(node, graph, after, count, command)?;
            put(params, copy)
        }
    }
    /// What a node allocates.
    fn hipGraphMemAllocNodeGetParams(node: hipGraphNode_t, target: *mut hipMemAllocNodeParams) {
        let Command::Allocate(memory) = command(node)? else { return Err(INVALID) };
        // SAFETY: the caller's out-parameter.
        unsafe { put(target, params(&memory)) }
    }
    /// Frees what a graph allocated.
    fn hipGraphAddMemFreeNode(
        node: *mut hipGraphNode_t, graph: hipGraph_t, after: *const hipGraphNode_t, count: usize,
        pointer: *mut c_void,
    ) {
        if pointer.is_null() {
            return Err(INVALID);
        }
        // SAFETY: the caller's list and out-parameter.
        unsafe { node::add(node, graph, after, count, Command::Release { address: pointer as Address }) }
    }
    /// As `hipGraphAddMemFreeNode`.
    fn hipDrvGraphAddMemFreeNode(
        node: *mut hipGraphNode_t, graph: hipGraph_t, after: *const hipGraphNode_t, count: usize,
        pointer: hipDeviceptr_t,
    ) {
        if pointer.is_null() {
            return Err(INVALID);
        }
        // SAFETY: the caller's list and out-parameter.
        unsafe { node::add(node, graph, after, count, Command::Release { address: pointer as Address }) }
    }
    /// The address that a node frees.
    fn hipGraphMemFreeNodeGetParams(node: hipGraphNode_t, target: *mut c_void) {
        let Command::Release { address } = command(node)? else { return Err(INVALID) };
        // SAFETY: the caller's out-parameter is a pointer to a pointer.
        unsafe { put(target.cast::<*mut c_void>(), address as *mut c_void) }
    }
    /// Bytes (u64) that graphs have allocated on a device; nothing is kept in reserve.
    fn hipDeviceGetGraphMemAttribute(ordinal: c_int, which: hipGraphMemAttributeType, value: *mut c_void) {
        let id = device(ordinal)?.id;
        let found = lock(&USE).get(&id).copied().unwrap_or_default();
        let bytes = match which {
            hipGraphMemAttributeType_hipGraphMemAttrUsedMemCurrent
            | hipGraphMemAttributeType_hipGraphMemAttrReservedMemCurrent => found.now,
            hipGraphMemAttributeType_hipGraphMemAttrUsedMemHigh
            | hipGraphMemAttributeType_hipGraphMemAttrReservedMemHigh => found.high,
            _ => return Err(INVALID),
        };
        // SAFETY: the caller's out-parameter is a u64.
        unsafe { put(value.cast::<u64>(), bytes) }
    }
    /// Sets a high mark to 0, which makes it what is used now.
    fn hipDeviceSetGraphMemAttribute(ordinal: c_int, which: hipGraphMemAttributeType, value: *mut c_void) {
        let id = device(ordinal)?.id;
        // SAFETY: the caller's parameter is a u64.
        let wanted = unsafe { get(value.cast::<u64>().cast_const()) }?;
        match which {
            hipGraphMemAttributeType_hipGraphMemAttrUsedMemHigh
            | hipGraphMemAttributeType_hipGraphMemAttrReservedMemHigh
                if wanted == 0 =>
            {
                let mut all = lock(&USE);
                let entry = all.entry(id).or_default();
                entry.high = entry.now;
                Ok(())
            }
            _ => Err(INVALID),
        }
    }
    /// Gives back what is in reserve: there is nothing.
    fn hipDeviceGraphMemTrim(ordinal: c_int) { device(ordinal).map(drop) }
}
