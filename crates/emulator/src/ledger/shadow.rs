//! Which dwords derive from an assumed result.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use super::plan::Origins;
use crate::effects::{REGISTERS, SCALAR};

/// Marks that a register has room for.
pub(super) const MOST_ORIGINS: usize = 16;

/// What a register derives from: the lanes of each origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Taint([u64; MOST_ORIGINS]);

impl Taint {
    /// The same in all lanes, as a scalar has it.
    pub(super) fn scalar(origins: Origins) -> Taint {
        Taint(std::array::from_fn(|origin| if origins >> origin & 1 == 1 { !0 } else { 0 }))
    }

    /// Of one lane.
    pub(super) fn lane(lane: usize, origins: Origins) -> Taint {
        Taint::scalar(origins).within(1 << lane)
    }

    /// What any lane derives from.
    #[inline(always)]
    pub(super) fn origins(self) -> Origins {
        let bit = |(origin, lanes): (usize, &u64)| ((*lanes != 0) as Origins) << origin;
        self.0.iter().enumerate().map(bit).fold(0, |all, one| all | one)
    }

    #[inline(always)]
    pub(super) fn join(self, other: Taint) -> Taint {
        Taint(std::array::from_fn(|origin| self.0[origin] | other.0[origin]))
    }

    /// Restricted to lanes.
    #[inline(always)]
    pub(super) fn within(self, mask: u64) -> Taint {
        Taint(self.0.map(|lanes| lanes & mask))
    }

    /// What any lane has, in all lanes.
    #[inline(always)]
    pub(super) fn spread(self) -> Taint {
        Taint(self.0.map(|lanes| if lanes == 0 { 0 } else { !0 }))
    }
}

/// The registers of a wave.
#[derive(Debug)]
pub(super) struct Registers {
    taints: Box<[Taint; REGISTERS]>,
    /// Whether anything may be marked.
    pub marked: bool,
}

impl Registers {
    /// None marked.
    pub(super) fn new() -> Registers {
        Registers { taints: Box::new([Taint::default(); REGISTERS]), marked: false }
    }

    pub(super) fn clear(&mut self) {
        if self.marked {
            self.taints.fill(Taint::default());
            self.marked = false;
        }
    }

    #[inline(always)]
    pub(super) fn get(&self, register: usize) -> Taint {
        self.taints[register]
    }

    /// Replaces the marks of a register's lanes in `mask`, or with `keep` adds to them; a scalar has one mark.
    #[inline(always)]
    pub(super) fn set(&mut self, register: usize, taint: Taint, mask: u64, keep: bool) {
        let new = taint.within(mask);
        let target = &mut self.taints[register];
        self.marked |= new != Taint::default();
        *target = if register >= SCALAR as usize {
            new.spread()
        } else {
            target.within(if keep { !0 } else { !mask }).join(new)
        };
    }
}

/// Dwords of a page of device memory.
const PAGE_DWORDS: usize = 1024;

type Page = [AtomicU64; PAGE_DWORDS];

/// Device memory, shared by the host threads of a launch. Only pages that were ever marked exist.
#[derive(Debug, Default)]
pub(crate) struct DeviceShadow {
    marked: AtomicBool,
    pages: RwLock<HashMap<u64, Arc<Page>>>,
}

impl DeviceShadow {
    /// Whether anything may be marked.
    #[inline(always)]
    pub(super) fn is_marked(&self) -> bool {
        self.marked.load(Ordering::Relaxed)
    }

    /// A reader and writer for neighbouring addresses.
    pub(super) fn cursor(&self) -> Cursor<'_> {
        Cursor { shadow: self, number: u64::MAX, page: None }
    }

    fn find(&self, number: u64) -> Option<Arc<Page>> {
        self.pages.read().unwrap_or_else(PoisonError::into_inner).get(&number).cloned()
    }

    fn make(&self, number: u64) -> Arc<Page> {
        self.marked.store(true, Ordering::Relaxed);
        let mut pages = self.pages.write().unwrap_or_else(PoisonError::into_inner);
        let empty = || Arc::new(std::array::from_fn(|_| AtomicU64::new(0)));
        pages.entry(number).or_insert_with(empty).clone()
    }
}

/// Remembers the page of the last address.
pub(super) struct Cursor<'a> {
    shadow: &'a DeviceShadow,
    number: u64,
    page: Option<Arc<Page>>,
}

impl Cursor<'_> {
    /// Marks of the dword at an address.
    pub(super) fn get(&mut self, address: u64) -> Origins {
        if !self.shadow.is_marked() {
            return 0;
        }
        self.turn_to(address);
        self.page.as_ref().map_or(0, |page| page[slot(address)].load(Ordering::Relaxed))
    }

    /// Replaces them, or with `keep` adds to them.
    pub(super) fn set(&mut self, address: u64, origins: Origins, keep: bool) {
        if origins == 0 && (keep || !self.shadow.is_marked()) {
            return;
        }
        self.turn_to(address);
        if self.page.is_none() && origins != 0 {
            self.page = Some(self.shadow.make(self.number));
        }
        let Some(page) = &self.page else { return };
        let slot = &page[slot(address)];
        if keep {
            slot.fetch_or(origins, Ordering::Relaxed);
        } else {
            slot.store(origins, Ordering::Relaxed);
        }
    }

    fn turn_to(&mut self, address: u64) {
        let number = address / (4 * PAGE_DWORDS as u64);
        // A page that was not there may have been made by another host thread: no is not remembered.
        if number != self.number || self.page.is_none() {
            (self.number, self.page) = (number, self.shadow.find(number));
        }
    }
}

fn slot(address: u64) -> usize {
    (address / 4) as usize % PAGE_DWORDS
}

/// The LDS of a workgroup.
#[derive(Debug, Default)]
pub(super) struct LdsShadow {
    dwords: Vec<Origins>,
}

impl LdsShadow {
    pub(super) fn clear(&mut self) {
        self.dwords.clear();
    }

    pub(super) fn is_marked(&self) -> bool {
        !self.dwords.is_empty()
    }

    pub(super) fn get(&self, address: u64) -> Origins {
        self.dwords.get((address / 4) as usize).copied().unwrap_or(0)
    }

    pub(super) fn set(&mut self, address: u64, origins: Origins, keep: bool) {
        // Beyond the LDS of any workgroup the access faults or is dropped.
        if address >= crate::LDS_BYTES as u64 || origins == 0 && !self.is_marked() {
            return;
        }
        let at = (address / 4) as usize;
        if at >= self.dwords.len() {
            self.dwords.resize(at + 1, 0);
        }
        self.dwords[at] = if keep { self.dwords[at] | origins } else { origins };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_write_replaces_active_lanes_only() {
        let mut registers = Registers::new();
        registers.set(3, Taint::scalar(1).within(0b1100), !0, false);
        registers.set(3, Taint::scalar(2), 0b0110, false);
        let expected = Taint::scalar(1).within(0b1000).join(Taint::scalar(2).within(0b0110));
        assert_eq!((registers.get(3), expected.origins()), (expected, 3));
        assert_eq!(registers.get(3).within(0b0110).origins(), 2, "each lane has its own");
        registers.set(3, Taint::default(), 0b1010, false);
        assert_eq!(registers.get(3), Taint::scalar(2).within(0b0100));
        registers.set(3, Taint::default(), !0, true);
        assert_eq!(registers.get(3).origins(), 2, "a partial write keeps what is there");
        registers.set(3, Taint::default(), !0, false);
        assert_eq!(registers.get(3), Taint::default());
        let scalar = SCALAR as usize + 4;
        registers.set(scalar, Taint::lane(7, 5), 1 << 7, false);
        assert_eq!(registers.get(scalar), Taint::scalar(5));
        registers.set(scalar, Taint::lane(7, 5), 1 << 8, false);
        assert_eq!(registers.get(scalar), Taint::default(), "an inactive lane's");
    }

    #[test]
    fn clean_stores_clear_and_make_no_pages() {
        let shadow = DeviceShadow::default();
        let mut cursor = shadow.cursor();
        cursor.set(0x5000, 0, false);
        assert!(!shadow.is_marked());
        cursor.set(0x5004, 6, false);
        cursor.set(0x5004, 1, true);
        assert_eq!((cursor.get(0x5007), cursor.get(0x5000), cursor.get(0x9004)), (7, 0, 0));
        cursor.set(0x5004, 0, false);
        assert_eq!((cursor.get(0x5004), shadow.pages.read().expect("not poisoned").len()), (0, 1));
    }
}
