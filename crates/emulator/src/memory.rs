//! Device memory: allocations, their exact bounds, and what the host may do with them.
//!
//! A guest address is a host address: an allocation is an anonymous mapping of this process, reserved
//! without backing, so that a device of 288 GB costs host memory only where it was touched, and so that
//! host ranges ([`Memory::register`]) need no translation.
//!
//! ```text
//! Memory (device lifetime) ──view()──▶ View (one launch, one thread) ──▶ exec/{flat,mubuf,smem}
//!    │ alloc, free, read, write             │ checks every lane against exact bounds
//!    └─ Mapping (mmap, guard pages)         └─ raw (relaxed atomic accesses)
//! ```

mod error;
mod host_range;
mod mapping;
mod raw;
mod view;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

pub use error::MemoryError;
pub use host_range::HostRange;
use mapping::{Mapping, PAGE_BYTES};
pub(crate) use view::View;
use view::{Interval, Snapshot};

/// Alignment of every allocation, bytes: what `hipMalloc` guarantees.
pub const ALLOCATION_ALIGN: u64 = 256;

/// Base of the flat aperture onto LDS. The kernel driver puts the LDS aperture at 1 << 48 and the
/// scratch aperture at 2 << 48 on GFX9 (amdkfd, `MAKE_LDS_APP_BASE_V9`): both outside canonical user
/// addresses, hence never a host address.
pub(crate) const SHARED_BASE: u64 = 1 << 48;

/// Base of the flat aperture onto the lane's scratch.
pub(crate) const PRIVATE_BASE: u64 = 2 << 48;

/// Bytes that the two apertures cover: a 32-bit offset.
pub(crate) const APERTURE_BYTES: u64 = 1 << 32;

/// Freed allocations that stay reserved, so that a stale pointer faults instead of hitting a successor.
const QUARANTINE: usize = 64;

/// What an allocation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AllocationKind {
    /// Device memory; counts against the capacity.
    Device,
    /// Pinned host memory that the device reaches.
    Host,
    /// Memory of both; counts against the capacity.
    Managed,
    /// The loaded segments of a code object; counts against the capacity, survives [`Memory::free_all`].
    Code,
    /// A host range that the program registered and still owns.
    Registered,
}

/// One live allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// First byte.
    pub base: u64,
    /// Length as requested: accesses beyond it fault, though the pages go on.
    pub bytes: u64,
    /// What it is for.
    pub kind: AllocationKind,
}

impl Allocation {
    fn holds(&self, address: u64, bytes: u64) -> bool {
        address >= self.base && bytes <= self.bytes && address - self.base <= self.bytes - bytes
    }
}

/// One device's memory. All methods take `&self`: host threads share it.
#[derive(Debug)]
pub struct Memory {
    capacity_bytes: u64,
    table: RwLock<Table>,
    /// The current allocations as launches see them; dropped by every change.
    snapshot: Mutex<Option<Arc<Snapshot>>>,
}

#[derive(Debug, Default)]
struct Table {
    live: BTreeMap<u64, Block>,
    freed: VecDeque<Block>,
    used_bytes: u64,
    /// Host memory that kernels reach without an allocation, ascending.
    host: Vec<HostRange>,
}

#[derive(Clone, Debug)]
struct Block {
    allocation: Allocation,
    /// `None` for registered ranges, which belong to the host program.
    mapping: Option<Arc<Mapping>>,
}

impl Memory {
    /// An empty memory of `capacity_bytes`; reserves nothing.
    pub fn new(capacity_bytes: u64) -> Memory {
        Memory { capacity_bytes, table: RwLock::default(), snapshot: Mutex::new(None) }
    }

    /// Allocates zeroed device memory and returns its address, aligned to [`ALLOCATION_ALIGN`].
    ///
    /// # Errors
    /// [`MemoryError::ZeroBytes`], [`MemoryError::OutOfMemory`] beyond the capacity,
    /// [`MemoryError::HostRefused`] if the host has no address space left.
    pub fn alloc(&self, bytes: u64) -> Result<u64, MemoryError> {
        self.alloc_kind(bytes, AllocationKind::Device)
    }

    /// Allocates pinned host memory that the device reaches at the same address.
    ///
    /// # Errors
    /// As [`Memory::alloc`], without a capacity.
    pub fn alloc_host(&self, bytes: u64) -> Result<u64, MemoryError> {
        self.alloc_kind(bytes, AllocationKind::Host)
    }

    /// Allocates zeroed memory of any kind but [`AllocationKind::Registered`] (see [`Memory::register`]).
    ///
    /// # Errors
    /// As [`Memory::alloc`].
    pub fn alloc_kind(&self, bytes: u64, kind: AllocationKind) -> Result<u64, MemoryError> {
        if bytes == 0 || kind == AllocationKind::Registered {
            return Err(MemoryError::ZeroBytes);
        }
        let mut table = self.table_mut();
        let charge = charge(bytes, kind);
        let free = self.capacity_bytes - table.used_bytes;
        if charge > free {
            return Err(MemoryError::OutOfMemory { bytes, free, total: self.capacity_bytes });
        }
        let mapping = Mapping::new(bytes)?;
        let allocation = Allocation { base: mapping.base(), bytes, kind };
        table.used_bytes += charge;
        table.live.insert(allocation.base, Block { allocation, mapping: Some(Arc::new(mapping)) });
        self.forget_snapshot();
        Ok(allocation.base)
    }

    /// Frees the allocation that starts at `address`. Its pages go back to the host once no launch
    /// holds a view of them; its addresses stay unused for a while, so that stale pointers fault.
    ///
    /// # Errors
    /// [`MemoryError::Freed`] for a double free, [`MemoryError::NotABase`] inside an allocation,
    /// [`MemoryError::Unallocated`] elsewhere.
    pub fn free(&self, address: u64) -> Result<(), MemoryError> {
        let mut table = self.table_mut();
        match table.live.get(&address) {
            Some(block) if block.mapping.is_some() => {}
            Some(block) => return Err(MemoryError::NotABase { address, inside: block.allocation }),
            None => {
                return Err(match table.find(address, 1) {
                    Some(block) => MemoryError::NotABase { address, inside: block.allocation },
                    None => table.missing("free", address, 1),
                });
            }
        }
        self.forget_snapshot();
        table.retire(address);
        Ok(())
    }

    /// Frees everything but code and registered ranges.
    pub fn free_all(&self) {
        let mut table = self.table_mut();
        self.forget_snapshot();
        let bases: Vec<u64> = table
            .live
            .values()
            .filter(|block| {
                !matches!(block.allocation.kind, AllocationKind::Code | AllocationKind::Registered)
            })
            .map(|block| block.allocation.base)
            .collect();
        for base in bases {
            table.retire(base);
        }
    }

    /// Makes a host range visible to the device.
    ///
    /// # Safety
    /// The range stays readable and writable until [`Memory::unregister`] and until every launch that
    /// began before it has ended.
    ///
    /// # Errors
    /// [`MemoryError::ZeroBytes`]; [`MemoryError::Overlap`] with a live allocation.
    pub unsafe fn register(&self, address: u64, bytes: u64) -> Result<(), MemoryError> {
        if bytes == 0 || address.checked_add(bytes).is_none() {
            return Err(MemoryError::ZeroBytes);
        }
        let mut table = self.table_mut();
        if let Some((_, below)) = table.live.range(..address + bytes).next_back()
            && below.allocation.base + below.allocation.bytes > address
        {
            return Err(MemoryError::Overlap { address, bytes, with: below.allocation });
        }
        let allocation = Allocation { base: address, bytes, kind: AllocationKind::Registered };
        table.live.insert(address, Block { allocation, mapping: None });
        self.forget_snapshot();
        Ok(())
    }

    /// Takes a registered range away from the device.
    ///
    /// # Errors
    /// [`MemoryError::NotRegistered`] unless `address` is the start of one.
    pub fn unregister(&self, address: u64) -> Result<(), MemoryError> {
        let mut table = self.table_mut();
        match table.live.get(&address) {
            Some(block) if block.mapping.is_none() => {
                table.live.remove(&address);
                self.forget_snapshot();
                Ok(())
            }
            _ => Err(MemoryError::NotRegistered { address }),
        }
    }

    /// Lets kernels reach host memory that is no allocation, from the next launch on. `ranges` are ascending
    /// and disjoint, and replace those of the call before; allocations keep their exact bounds within them.
    ///
    /// # Safety
    /// Each range stays mapped, readable, and writable if it says so, until it is replaced and every launch
    /// that began before that has ended.
    pub unsafe fn set_host_ranges(&self, ranges: Vec<HostRange>) {
        let mut table = self.table_mut();
        if table.host != ranges {
            table.host = ranges;
            self.forget_snapshot();
        }
    }

    /// Copies bytes out of one allocation.
    ///
    /// # Errors
    /// [`MemoryError::OutOfBounds`], [`MemoryError::Unallocated`], [`MemoryError::Freed`].
    pub fn read(&self, address: u64, target: &mut [u8]) -> Result<(), MemoryError> {
        let table = self.table();
        let _block = table.within("read", address, target.len() as u64)?;
        // SAFETY: the range lies in a live allocation, which cannot go while the table is locked.
        unsafe { raw::copy_out(address, target) };
        Ok(())
    }

    /// Copies bytes into one allocation.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn write(&self, address: u64, source: &[u8]) -> Result<(), MemoryError> {
        let table = self.table();
        let _block = table.within("write", address, source.len() as u64)?;
        // SAFETY: as in `read`.
        unsafe { raw::copy_in(address, source) };
        Ok(())
    }

    /// Copies between allocations; the ranges may overlap.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn copy(&self, target: u64, source: u64, bytes: u64) -> Result<(), MemoryError> {
        let table = self.table();
        let _from = table.within("copy source", source, bytes)?;
        let _to = table.within("copy target", target, bytes)?;
        // SAFETY: as in `read`, for both ranges.
        unsafe { raw::copy(target, source, bytes as usize) };
        Ok(())
    }

    /// Repeats `pattern` `count` times from `address` on.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn fill(&self, address: u64, pattern: &[u8], count: u64) -> Result<(), MemoryError> {
        let bytes = (pattern.len() as u64).saturating_mul(count);
        let table = self.table();
        let _block = table.within("fill", address, bytes)?;
        // SAFETY: as in `read`.
        unsafe { raw::fill(address, pattern, count as usize) };
        Ok(())
    }

    /// Fills a whole allocation with a pattern that is NaN as FP16, BF16, FP32, FP64 and FP8, and no
    /// valid address: a kernel that relies on fresh memory being zero shows it. Touches every page.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn poison(&self, address: u64) -> Result<(), MemoryError> {
        let allocation =
            self.allocation(address).ok_or_else(|| self.table().missing("poison", address, 1))?;
        let pattern = crate::pending::POISON.to_le_bytes();
        let whole = allocation.bytes / 4;
        self.fill(allocation.base, &pattern, whole)?;
        self.write(allocation.base + 4 * whole, &pattern[..(allocation.bytes % 4) as usize])
    }

    /// The live allocation that `address` lies in.
    pub fn allocation(&self, address: u64) -> Option<Allocation> {
        self.table().find(address, 1).map(|block| block.allocation)
    }

    /// Every live allocation, by address.
    pub fn allocations(&self) -> Vec<Allocation> {
        self.table().live.values().map(|block| block.allocation).collect()
    }

    /// Free and total bytes of the device. Pages are charged whole.
    pub fn usage(&self) -> (u64, u64) {
        (self.capacity_bytes - self.table().used_bytes, self.capacity_bytes)
    }

    /// The allocations as of now, for one launch; one clone per thread. A view keeps the pages that it
    /// shows alive: a free during a launch is the host program's bug, not this process's end.
    pub fn view(&self) -> View {
        let table = self.table();
        let mut cached = self.snapshot_slot();
        let snapshot = cached.get_or_insert_with(|| Arc::new(table.snapshot()));
        View::new(snapshot.clone())
    }

    fn forget_snapshot(&self) {
        *self.snapshot_slot() = None;
    }

    fn snapshot_slot(&self) -> MutexGuard<'_, Option<Arc<Snapshot>>> {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn table(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn table_mut(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn find(&self, address: u64, bytes: u64) -> Option<&Block> {
        let (_, block) = self.live.range(..=address).next_back()?;
        block.allocation.holds(address, bytes).then_some(block)
    }

    fn within(&self, operation: &'static str, address: u64, bytes: u64) -> Result<&Block, MemoryError> {
        if let Some(block) = self.find(address, bytes) {
            return Ok(block);
        }
        Err(match self.find(address, 1) {
            Some(block) => MemoryError::OutOfBounds { operation, address, bytes, inside: block.allocation },
            None => self.missing(operation, address, bytes),
        })
    }

    fn missing(&self, operation: &'static str, address: u64, bytes: u64) -> MemoryError {
        match self.freed.iter().rev().find(|block| block.allocation.holds(address, 1)) {
            Some(block) => MemoryError::Freed { operation, address, was: block.allocation },
            None => MemoryError::Unallocated { operation, address, bytes },
        }
    }

    fn retire(&mut self, base: u64) {
        let Some(mut block) = self.live.remove(&base) else { return };
        self.used_bytes -= charge(block.allocation.bytes, block.allocation.kind);
        if let Some(mapping) = block.mapping.as_mut().and_then(Arc::get_mut) {
            mapping.close();
        }
        self.freed.push_back(block);
        if self.freed.len() > QUARANTINE {
            self.freed.pop_front();
        }
    }

    fn snapshot(&self) -> Snapshot {
        let mut intervals: Vec<Interval> = self
            .live
            .values()
            .map(|block| Interval {
                base: block.allocation.base,
                bytes: block.allocation.bytes,
                _pages: block.mapping.clone(),
            })
            .collect();
        if self.host.is_empty() {
            return Snapshot::new(intervals, Vec::new());
        }
        // An allocation has its pages to itself, a registered range has not.
        let taken: Vec<(u64, u64)> = self
            .live
            .values()
            .map(|Block { allocation, mapping }| match mapping {
                Some(_) => (allocation.base, allocation.bytes.next_multiple_of(PAGE_BYTES)),
                None => (allocation.base, allocation.bytes),
            })
            .collect();
        let (writable, read_only): (Vec<_>, Vec<_>) =
            HostRange::without(&self.host, &taken).into_iter().partition(|range| range.writable);
        let interval = |range: HostRange| Interval { base: range.base, bytes: range.bytes, _pages: None };
        intervals.extend(writable.into_iter().map(interval));
        intervals.sort_unstable_by_key(|interval| interval.base);
        Snapshot::new(intervals, read_only.into_iter().map(interval).collect())
    }
}

/// What an allocation takes from the capacity: whole pages, nothing for host memory.
fn charge(bytes: u64, kind: AllocationKind) -> u64 {
    match kind {
        AllocationKind::Device | AllocationKind::Managed | AllocationKind::Code => {
            bytes.checked_next_multiple_of(PAGE_BYTES).unwrap_or(u64::MAX)
        }
        AllocationKind::Host | AllocationKind::Registered => 0,
    }
}

#[cfg(test)]
mod tests;
