//! The last accesses of every dword of LDS.

use super::RaceKind;
use crate::{fault::Access, pending::Counter};

/// One memory operation of a wave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation {
    /// Address of the instruction.
    pub pc: u64,
    /// Its wave.
    pub wave: u8,
    /// Barriers of the workgroup before its issue.
    pub epoch: u32,
    /// Barriers before the wait that proved it; [`OUTSTANDING`] until then.
    pub done: u32,
    /// Whether it writes to LDS when it arrives, not when LDS serves it.
    pub arrives: bool,
    /// Whether it reads and writes LDS in one step.
    pub atomic: bool,
    /// The counter that it holds.
    pub counter: Counter,
    /// Whether it completes in issue order among those of its counter.
    pub ordered: bool,
}

/// No wait has proven it.
pub(super) const OUTSTANDING: u32 = u32::MAX;

/// No operation.
const NONE: u32 = u32::MAX;

/// The last accesses of one dword.
#[derive(Clone, Copy, Debug)]
struct Dword {
    /// Index of the last writing operation, and its bytes.
    write: u32,
    write_bytes: u8,
    /// Bytes that `reads` read.
    read_bytes: u8,
    /// Since then, the last reading operations of two different waves: of any third wave one is another's.
    reads: [u32; 2],
}

/// The LDS of a workgroup.
#[derive(Debug, Default)]
pub(super) struct Shadow {
    dwords: Vec<Dword>,
}

impl Shadow {
    /// Nothing has been accessed.
    pub(super) fn clear(&mut self) {
        self.dwords.clear();
    }

    /// Operation `index` accesses `bytes` bytes from `at`; `race(kind, earlier operation, byte)` for what it races
    /// with.
    pub(super) fn access(
        &mut self,
        operations: &[Operation],
        index: u32,
        access: Access,
        at: u32,
        bytes: u32,
        mut race: impl FnMut(RaceKind, u32, u32),
    ) {
        // What lies beyond the LDS is dropped or faults.
        let end = at.saturating_add(bytes).min(crate::LDS_BYTES);
        let mut byte = at;
        while byte < end {
            let next = (byte / 4 * 4 + 4).min(end);
            let mask = ((1u16 << (next - byte)) - 1) as u8 * (1 << (byte % 4));
            self.dword(operations, index, access, byte, mask, &mut race);
            byte = next;
        }
    }

    fn dword(
        &mut self,
        operations: &[Operation],
        index: u32,
        access: Access,
        byte: u32,
        mask: u8,
        race: &mut impl FnMut(RaceKind, u32, u32),
    ) {
        let slot = (byte / 4) as usize;
        if slot >= self.dwords.len() {
            let empty = Dword { write: NONE, write_bytes: 0, read_bytes: 0, reads: [NONE; 2] };
            self.dwords.resize(slot + 1, empty);
        }
        let dword = &mut self.dwords[slot];
        let now = &operations[index as usize];
        let mut check = |earlier: u32, kind| {
            if earlier != NONE
                && earlier != index
                && let Some(kind) = unordered(&operations[earlier as usize], now, kind)
            {
                race(kind, earlier, byte);
            }
        };
        let reads = access != Access::Write;
        let writes = access != Access::Read;
        if dword.write_bytes & mask != 0 {
            let kind = if reads { RaceKind::ReadAfterWrite } else { RaceKind::WriteAfterWrite };
            check(dword.write, kind);
        }
        if writes && dword.read_bytes & mask != 0 {
            dword.reads.iter().for_each(|read| check(*read, RaceKind::WriteAfterRead));
        }
        if writes {
            (dword.write, dword.write_bytes) = (index, mask);
            (dword.reads, dword.read_bytes) = ([NONE; 2], 0);
        } else if reads {
            let other = dword
                .reads
                .iter()
                .find(|read| **read != NONE && operations[**read as usize].wave != now.wave);
            dword.reads = [index, other.copied().unwrap_or(NONE)];
            dword.read_bytes |= mask;
        }
    }
}

/// What is missing between two accesses of a dword; `kind` when it is a barrier.
fn unordered(earlier: &Operation, now: &Operation, kind: RaceKind) -> Option<RaceKind> {
    if earlier.wave == now.wave {
        // LDS serves the instructions of a wave in order, and its loads arrive in order.
        let early = earlier.arrives && earlier.done == OUTSTANDING && !now.arrives;
        return early.then_some(RaceKind::EarlyLds);
    }
    match () {
        () if earlier.atomic && now.atomic => None,
        () if earlier.done != OUTSTANDING && earlier.done < now.epoch => None,
        () if earlier.epoch == now.epoch => Some(kind),
        () if earlier.arrives => Some(RaceKind::EarlyLds),
        () => Some(RaceKind::UnwaitedLds),
    }
}
