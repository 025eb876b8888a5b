//! What a launch sees of device memory: exact bounds for every lane, fast when lanes agree.

use std::{cell::Cell, sync::Arc};

use super::{mapping::Mapping, raw};
use crate::{
    fault::{Access, Fault, FaultKind},
    lanes::Lanes,
    simd::Step,
};

/// Allocated bytes as of a moment, and a share in their pages.
#[derive(Clone, Debug)]
pub(super) struct Interval {
    pub(super) base: u64,
    pub(super) bytes: u64,
    /// Keeps the pages mapped while a view shows them.
    pub(super) _pages: Option<Arc<Mapping>>,
}

/// All allocations as of a moment, ascending.
#[derive(Debug)]
pub(super) struct Snapshot {
    intervals: Vec<Interval>,
    /// Host memory that kernels may only read; looked at when no interval has the address.
    read_only: Vec<Interval>,
}

impl Snapshot {
    /// Both are ascending and disjoint.
    pub(super) fn new(intervals: Vec<Interval>, read_only: Vec<Interval>) -> Snapshot {
        Snapshot { intervals, read_only }
    }

    /// Whether the bytes lie in one read-only range.
    fn reads(&self, address: u64, bytes: u32) -> bool {
        let above = self.read_only.partition_point(|interval| interval.base <= address);
        above.checked_sub(1).is_some_and(|index| {
            let Interval { base, bytes: length, .. } = self.read_only[index];
            address - base < length && length - (address - base) >= bytes as u64
        })
    }
}

/// A launch's view of device memory, for one thread: it remembers the last allocation it hit.
#[derive(Clone, Debug)]
pub struct View {
    snapshot: Arc<Snapshot>,
    last: Cell<usize>,
}

impl View {
    pub(super) fn new(snapshot: Arc<Snapshot>) -> View {
        View { snapshot, last: Cell::new(0) }
    }

    /// Loads `D` dwords per active lane, at any alignment (gfx950 under the HSA runtime runs with
    /// SH_MEM_CONFIG.ALIGNMENT_MODE = unaligned). Inactive lanes of `out` are left alone.
    ///
    /// # Errors
    /// [`FaultKind::OutOfBounds`] for the first lane that leaves every allocation; then nothing is loaded.
    #[inline(always)]
    pub(crate) fn gather<const D: usize>(
        &self,
        addresses: &[u64; 64],
        mask: u64,
        out: &mut [Lanes; D],
    ) -> Step {
        self.check(Access::Read, addresses, 4 * D as u32, mask)?;
        let low = low_bits(addresses, mask);
        for_lanes(mask, |lane| {
            let address = addresses[lane];
            // SAFETY: `check` found every active lane's 4·D bytes in a mapped allocation, which this
            // view keeps mapped, or in a host range, which `Memory::set_host_ranges`' caller keeps mapped;
            // the alignment that a branch needs is the branch's condition.
            unsafe {
                if D.is_multiple_of(2) && low.is_multiple_of(8) {
                    for pair in 0..D / 2 {
                        let both = raw::load64(address + 8 * pair as u64);
                        out[2 * pair][lane] = both as u32;
                        out[2 * pair + 1][lane] = (both >> 32) as u32;
                    }
                } else if low.is_multiple_of(4) {
                    for (dword, out) in out.iter_mut().enumerate() {
                        out[lane] = raw::load32(address + 4 * dword as u64);
                    }
                } else {
                    for (dword, out) in out.iter_mut().enumerate() {
                        out[lane] = raw::load32_bytes(address + 4 * dword as u64);
                    }
                }
            }
        });
        Ok(())
    }

    /// Loads one or two bytes per active lane, zero-extended.
    ///
    /// # Errors
    /// As [`View::gather`].
    #[inline(always)]
    pub(crate) fn gather_small<const BYTES: u32>(
        &self,
        addresses: &[u64; 64],
        mask: u64,
        out: &mut Lanes,
    ) -> Step {
        self.check(Access::Read, addresses, BYTES, mask)?;
        for_lanes(mask, |lane| {
            // SAFETY: as in `gather`.
            out[lane] = unsafe {
                if BYTES == 1 {
                    raw::load8(addresses[lane]) as u32
                } else {
                    raw::load16(addresses[lane]) as u32
                }
            };
        });
        Ok(())
    }

    /// Stores `D` dwords per active lane, at any alignment; of lanes that hit the same bytes the highest wins.
    ///
    /// # Errors
    /// [`FaultKind::OutOfBounds`] for the first lane that leaves every allocation; then nothing is stored.
    #[inline(always)]
    pub(crate) fn scatter<const D: usize>(
        &self,
        addresses: &[u64; 64],
        mask: u64,
        data: [&Lanes; D],
    ) -> Step {
        self.check(Access::Write, addresses, 4 * D as u32, mask)?;
        let low = low_bits(addresses, mask);
        for_lanes(mask, |lane| {
            let address = addresses[lane];
            // SAFETY: as in `gather`.
            unsafe {
                if D.is_multiple_of(2) && low.is_multiple_of(8) {
                    for pair in 0..D / 2 {
                        let both = data[2 * pair][lane] as u64 | (data[2 * pair + 1][lane] as u64) << 32;
                        raw::store64(address + 8 * pair as u64, both);
                    }
                } else if low.is_multiple_of(4) {
                    for (dword, data) in data.iter().enumerate() {
                        raw::store32(address + 4 * dword as u64, data[lane]);
                    }
                } else {
                    for (dword, data) in data.iter().enumerate() {
                        raw::store32_bytes(address + 4 * dword as u64, data[lane]);
                    }
                }
            }
        });
        Ok(())
    }

    /// Stores the low one or two bytes per active lane.
    ///
    /// # Errors
    /// As [`View::scatter`].
    #[inline(always)]
    pub(crate) fn scatter_small<const BYTES: u32>(
        &self,
        addresses: &[u64; 64],
        mask: u64,
        data: &Lanes,
    ) -> Step {
        self.check(Access::Write, addresses, BYTES, mask)?;
        for_lanes(mask, |lane| {
            // SAFETY: as in `gather`.
            unsafe {
                if BYTES == 1 {
                    raw::store8(addresses[lane], data[lane] as u8);
                } else {
                    raw::store16(addresses[lane], data[lane] as u16);
                }
            }
        });
        Ok(())
    }

    /// Replaces each active lane's dword by `update(lane, old)`, lane after lane, each one atomically;
    /// the old values go to `old`.
    ///
    /// # Errors
    /// [`FaultKind::OutOfBounds`], [`FaultKind::Unaligned`] (atomics need natural alignment in every mode).
    #[inline(always)]
    pub(crate) fn atomic32(
        &self,
        addresses: &[u64; 64],
        mask: u64,
        old: &mut Lanes,
        update: impl Fn(usize, u32) -> u32,
    ) -> Step {
        self.check_atomic(addresses, 4, mask)?;
        for_lanes(mask, |lane| {
            // SAFETY: as in `gather`; `check_atomic` found the address aligned.
            old[lane] = unsafe { raw::update32(addresses[lane], |value| update(lane, value)) };
        });
        Ok(())
    }

    /// [`View::atomic32`] for quadwords: `old` is low and high dword.
    ///
    /// # Errors
    /// As [`View::atomic32`].
    #[inline(always)]
    pub(crate) fn atomic64(
        &self,
        addresses: &[u64; 64],
        mask: u64,
        old: &mut [Lanes; 2],
        update: impl Fn(usize, u64) -> u64,
    ) -> Step {
        self.check_atomic(addresses, 8, mask)?;
        for_lanes(mask, |lane| {
            // SAFETY: as in `atomic32`.
            let value = unsafe { raw::update64(addresses[lane], |value| update(lane, value)) };
            old[0][lane] = value as u32;
            old[1][lane] = (value >> 32) as u32;
        });
        Ok(())
    }

    /// Scalar load of consecutive dwords; `address` is a multiple of 4.
    ///
    /// # Errors
    /// As [`View::gather`], lane 0.
    pub(crate) fn load(&self, address: u64, out: &mut [u32]) -> Step {
        self.check_one(Access::Read, 0, address, 4 * out.len() as u32)?;
        debug_assert!(address.is_multiple_of(4));
        for (i, out) in out.iter_mut().enumerate() {
            // SAFETY: checked; SMEM handlers clear the two low bits of the address.
            *out = unsafe { raw::load32(address + 4 * i as u64) };
        }
        Ok(())
    }

    /// Scalar store of consecutive dwords; `address` is a multiple of 4.
    ///
    /// # Errors
    /// As [`View::scatter`], lane 0.
    pub(crate) fn store(&self, address: u64, data: &[u32]) -> Step {
        self.check_one(Access::Write, 0, address, 4 * data.len() as u32)?;
        debug_assert!(address.is_multiple_of(4));
        for (i, data) in data.iter().enumerate() {
            // SAFETY: as in `load`.
            unsafe { raw::store32(address + 4 * i as u64, *data) };
        }
        Ok(())
    }

    /// Checks that every active lane's `[address, address + bytes)` lies in one allocation.
    ///
    /// # Errors
    /// [`FaultKind::OutOfBounds`] for the first lane that does not.
    #[inline(always)]
    pub(crate) fn check(&self, access: Access, addresses: &[u64; 64], bytes: u32, mask: u64) -> Step {
        if mask == 0 {
            return Ok(());
        }
        let (base, length) = self.hit(addresses[mask.trailing_zeros() as usize]);
        if length >= bytes as u64 {
            // A lane's distance is beyond the room if it or the room left has its sign bit set: an OR
            // over lanes vectorises, a comparison of unsigned quadwords does not.
            let room = length - bytes as u64;
            let mut beyond = 0;
            for (lane, address) in addresses.iter().enumerate() {
                let distance = address.wrapping_sub(base);
                let active = (mask >> lane & 1).wrapping_neg();
                beyond |= (distance | room.wrapping_sub(distance)) & active;
            }
            if beyond >> 63 == 0 {
                return Ok(());
            }
        }
        self.check_each(access, addresses, bytes, mask)
    }

    #[cold]
    #[inline(never)]
    fn check_each(&self, access: Access, addresses: &[u64; 64], bytes: u32, mask: u64) -> Step {
        for lane in 0..64u8 {
            if mask >> lane & 1 == 1 {
                self.check_one(access, lane, addresses[lane as usize], bytes)?;
            }
        }
        Ok(())
    }

    /// [`View::check`] for one lane.
    ///
    /// # Errors
    /// [`FaultKind::OutOfBounds`].
    pub(crate) fn check_one(&self, access: Access, lane: u8, address: u64, bytes: u32) -> Step {
        let (base, length) = self.hit(address);
        let room = length.checked_sub(bytes as u64);
        if room.is_some_and(|room| address.wrapping_sub(base) <= room) {
            return Ok(());
        }
        if access == Access::Read && self.snapshot.reads(address, bytes) {
            return Ok(());
        }
        Err(Fault::new(FaultKind::OutOfBounds {
            access,
            lane,
            address,
            bytes,
            nearest: self.nearest(address),
        }))
    }

    #[inline(always)]
    fn check_atomic(&self, addresses: &[u64; 64], bytes: u32, mask: u64) -> Step {
        if !low_bits(addresses, mask).is_multiple_of(bytes as u64) {
            let lane = (0..64u8)
                .find(|lane| mask >> lane & 1 == 1 && !addresses[*lane as usize].is_multiple_of(bytes as u64))
                .unwrap_or(0);
            let address = addresses[lane as usize];
            return Err(Fault::new(FaultKind::Unaligned {
                access: Access::Atomic,
                lane,
                address,
                align: bytes,
            }));
        }
        self.check(Access::Atomic, addresses, bytes, mask)
    }

    /// Base and bytes of the allocation that starts at or below `address`; (0, 0) if none does.
    #[inline(always)]
    fn hit(&self, address: u64) -> (u64, u64) {
        let intervals = &self.snapshot.intervals;
        if let Some(last) = intervals.get(self.last.get())
            && address.wrapping_sub(last.base) < last.bytes
        {
            return (last.base, last.bytes);
        }
        self.search(address)
    }

    #[inline(never)]
    fn search(&self, address: u64) -> (u64, u64) {
        let intervals = &self.snapshot.intervals;
        let above = intervals.partition_point(|interval| interval.base <= address);
        let Some(index) = above.checked_sub(1) else { return (0, 0) };
        self.last.set(index);
        (intervals[index].base, intervals[index].bytes)
    }

    fn nearest(&self, address: u64) -> Option<(u64, u64)> {
        let distance = |interval: &Interval| {
            let past = interval.base + interval.bytes - 1;
            if address < interval.base { interval.base - address } else { address.saturating_sub(past) }
        };
        self.snapshot
            .intervals
            .iter()
            .min_by_key(|interval| distance(interval))
            .map(|interval| (interval.base, interval.bytes))
    }
}

/// Calls `each` for the active lanes, ascending; the full mask costs no bit scan.
#[inline(always)]
pub(crate) fn for_lanes(mask: u64, mut each: impl FnMut(usize)) {
    if mask == !0 {
        for lane in 0..64 {
            each(lane);
        }
        return;
    }
    let mut rest = mask;
    while rest != 0 {
        each(rest.trailing_zeros() as usize);
        rest &= rest - 1;
    }
}

/// The OR of all active addresses: its low zero bits are zero in every one.
#[inline(always)]
fn low_bits(addresses: &[u64; 64], mask: u64) -> u64 {
    let mut all = 0;
    for (lane, address) in addresses.iter().enumerate() {
        all |= address & (mask >> lane & 1).wrapping_neg();
    }
    all
}
