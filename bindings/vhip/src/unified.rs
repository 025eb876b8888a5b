//! Unified memory, the option `unified`: every host pointer is a device pointer, as on hardware with HMM and
//! XNACK, so that a CPU tensor of another framework can be a kernel's argument.
//!
//! | an address in | a kernel's access |
//! | --- | --- |
//! | an allocation or registered range | as without the option: its exact bounds |
//! | the page rest behind an allocation, freed memory, another device's memory | a fault |
//! | pages of the process that are mapped | goes ahead if the pages allow it; no bounds but theirs |
//! | pages that are not mapped, or a write to pages that are read-only | a fault |
//! | pages of a device file | a fault |
//!
//! What is mapped is read from the kernel's list at every launch, so that memory the program got meanwhile
//! counts. Host threads must not unmap, while a kernel runs, what it uses.

use std::{fs, sync::Arc};

use emulator::{AllocationKind, HostRange};

use crate::{command::Address, device::VirtualDevice, extension, runtime::runtime};

/// Pages of allocations are not shared with anything else.
const PAGE_BYTES: u64 = 4096;

/// Shows the next launch on `device` the host memory that it may reach: none without the option.
pub(crate) fn prepare(device: &Arc<VirtualDevice>) {
    let ranges = if extension::is_unified() { without_other_devices(device, mapped()) } else { Vec::new() };
    // SAFETY: the kernel's list says that the ranges are mapped with these rights now; that they stay so is the
    // program's part of the option's contract, and the next launch, which waits for this one, replaces them.
    unsafe { device.emulator.memory().set_host_ranges(ranges) };
}

/// Whether the option makes `bytes` bytes at `address` valid for the device.
pub(crate) fn reaches(address: Address, bytes: u64, write: bool) -> bool {
    extension::is_unified()
        && mapped().iter().any(|range| {
            let inside = address.checked_sub(range.base).filter(|inside| *inside < range.bytes);
            inside.is_some_and(|inside| range.bytes - inside >= bytes) && (range.writable || !write)
        })
}

/// The process's readable memory, ascending; neighbours with equal rights are one range.
fn mapped() -> Vec<HostRange> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mut ranges: Vec<HostRange> = Vec::new();
    for range in maps.lines().filter_map(parse) {
        match ranges.last_mut() {
            Some(last) if last.base + last.bytes == range.base && last.writable == range.writable => {
                last.bytes += range.bytes;
            }
            _ => ranges.push(range),
        }
    }
    ranges
}

/// One line of the list: range, rights, offset, device, inode, name.
fn parse(line: &str) -> Option<HostRange> {
    let mut fields = line.split_ascii_whitespace();
    let (from, to) = fields.next()?.split_once('-')?;
    let (from, to) = (u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?);
    let rights = fields.next()?;
    let name = fields.nth(3).unwrap_or("");
    // Reading a device's registers may have effects; the kernel's own pages are for its calls.
    let special = name.starts_with("/dev/") && !name.starts_with("/dev/shm/") && name != "/dev/zero";
    let kernels = name.starts_with("[v");
    let usable = rights.starts_with('r') && !special && !kernels;
    usable.then(|| HostRange { base: from, bytes: to - from, writable: rights[1..].starts_with('w') })
}

/// `ranges` without the memory of the other devices, which is mapped into the process too.
fn without_other_devices(device: &VirtualDevice, ranges: Vec<HostRange>) -> Vec<HostRange> {
    let mut taken: Vec<(u64, u64)> = Vec::new();
    for other in runtime().devices.iter().filter(|other| other.id != device.id) {
        let allocations = other.emulator.memory().allocations().into_iter();
        taken.extend(
            allocations
                .filter(|allocation| matches!(allocation.kind, AllocationKind::Device | AllocationKind::Code))
                .map(|allocation| (allocation.base, allocation.bytes.next_multiple_of(PAGE_BYTES))),
        );
    }
    taken.sort_unstable();
    HostRange::without(&ranges, &taken)
}
