//! Device memory that lies in ranges of `mapping.rs` and not in an allocation of the emulator: virtual memory, and
//! what graphs allocate.

use std::{collections::BTreeMap, sync::Mutex};

use emulator::{Allocation, AllocationKind};
use hip_sys::hipError_t;

use crate::{
    api::Status,
    command::Address,
    memory::refusal,
    runtime::{lock, runtime},
};

/// A range that is open to devices.
struct Range {
    bytes: u64,
    /// The device whose memory it is.
    owner: usize,
    /// The devices that may use it, the owner among them or not.
    open_to: Vec<usize>,
}

static RANGES: Mutex<BTreeMap<Address, Range>> = Mutex::new(BTreeMap::new());

/// Lets kernels of `device` use `bytes` bytes at `base`, memory of device `owner`.
///
/// # Safety
/// The range stays readable and writable until [`close`].
pub(crate) unsafe fn open(base: Address, bytes: u64, owner: usize, device: usize) -> Status {
    let mut ranges = lock(&RANGES);
    let range = ranges.entry(base).or_insert(Range { bytes, owner, open_to: Vec::new() });
    if range.open_to.contains(&device) {
        return Ok(());
    }
    // SAFETY: the caller's promise.
    let registered = unsafe { runtime().devices[device].emulator.memory().register(base, bytes) };
    if registered.is_ok() {
        range.open_to.push(device);
    }
    if range.open_to.is_empty() {
        ranges.remove(&base);
    }
    registered.map_err(refusal)
}

/// Takes a range away from one device, or from all. What runs there has ended: the caller has the devices'
/// turns.
pub(crate) fn close(base: Address, device: Option<usize>) {
    let mut ranges = lock(&RANGES);
    let Some(range) = ranges.get_mut(&base) else { return };
    range.open_to.retain(|open| {
        let stays = device.is_some_and(|device| device != *open);
        if !stays {
            // Registered by `open`.
            let _unregistered = runtime().devices[*open].emulator.memory().unregister(base);
        }
        stays
    });
    if range.open_to.is_empty() {
        ranges.remove(&base);
    }
}

/// The open range that holds `address`, as an allocation of its owner.
pub(crate) fn find(address: Address) -> Option<(usize, Allocation)> {
    let ranges = lock(&RANGES);
    let (base, range) = ranges.range(..=address).next_back()?;
    let allocation = Allocation { base: *base, bytes: range.bytes, kind: AllocationKind::Device };
    (address - base < range.bytes).then_some((range.owner, allocation))
}

/// Whether a device may use the range at `base`.
pub(crate) fn is_open(base: Address, device: usize) -> bool {
    lock(&RANGES).get(&base).is_some_and(|range| range.open_to.contains(&device))
}

/// Whether `[address, address + bytes)` is open without a gap, over several ranges.
pub(crate) fn spans(address: Address, bytes: u64) -> bool {
    let Some(end) = address.checked_add(bytes) else { return false };
    let mut at = address;
    while at < end {
        match find(at) {
            Some((_, range)) => at = range.base + range.bytes,
            None => return false,
        }
    }
    true
}

/// hipErrorOutOfMemory, with the host's reason on stderr.
pub(crate) fn refused(bytes: u64) -> impl FnOnce(std::io::Error) -> hipError_t {
    move |error| {
        eprintln!("vhip: {bytes} bytes of address space: {error}");
        hipError_t::hipErrorOutOfMemory
    }
}
