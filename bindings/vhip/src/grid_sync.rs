//! The barrier of a cooperative launch: what `grid.sync()` counts in.
//!
//! The layout is what the device libraries' `__ockl_grid_sync` reads behind `hidden_multigrid_sync_arg`: a counter
//! of arrivals at byte 32 and the number of workgroups at byte 40. Each workgroup counts itself and reads the
//! counter until all have.

use emulator::{AllocationKind, ArgKind, KernelInfo, MemoryError};

use crate::device::VirtualDevice;

const BYTES: u64 = 48;
const GROUPS: u64 = 40;

/// Workgroups that a launch can have when they wait for each other: each runs on a host thread of its own.
pub(crate) const MAX_GROUPS: u64 = 1024;

/// One launch's barrier.
pub(crate) struct GridSync<'a> {
    device: &'a VirtualDevice,
    base: u64,
}

impl<'a> GridSync<'a> {
    /// A barrier of so many workgroups.
    pub(crate) fn new(device: &'a VirtualDevice, groups: u64) -> Result<GridSync<'a>, MemoryError> {
        let memory = device.emulator.memory();
        let base = memory.alloc_kind(BYTES, AllocationKind::Code)?;
        let sync = GridSync { device, base };
        memory.write(base + GROUPS, &(groups as u32).to_le_bytes())?;
        Ok(sync)
    }

    /// Puts the barrier's address into its place behind the explicit arguments.
    pub(crate) fn place(&self, info: &KernelInfo, kernarg: &mut Vec<u8>) {
        kernarg.resize(info.explicit_bytes() as usize, 0);
        if let Some(at) = offset(info) {
            kernarg.resize(kernarg.len().max(at + 8), 0);
            kernarg[at..at + 8].copy_from_slice(&self.base.to_le_bytes());
        }
    }
}

impl Drop for GridSync<'_> {
    fn drop(&mut self) {
        // Its own allocation: nobody else frees it.
        let _freed = self.device.emulator.memory().free(self.base);
    }
}

/// Whether a kernel's workgroups may wait for each other.
pub(crate) fn is_used_by(info: &KernelInfo) -> bool {
    offset(info).is_some()
}

fn offset(info: &KernelInfo) -> Option<usize> {
    let found = info.args.iter().find(|arg| arg.kind == ArgKind::HiddenMultigridSyncArg);
    found.map(|arg| arg.offset as usize)
}
