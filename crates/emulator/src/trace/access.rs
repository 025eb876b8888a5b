//! What an instruction is about to move, from its [`footprints`].
//!
//! | access | counts as |
//! |---|---|
//! | device memory | the lines that the lanes touch |
//! | scratch | the same: it is device memory, dword by dword the lanes' next to each other, in no allocation of the program |
//! | LDS | cycles of its port, by bank |
//! | FLAT | the lanes in device memory and scratch; if there are none, those in LDS |
//! | a load to LDS | what it reads; [`MemoryAccess::to_lds`] says that the data then passes the port of LDS |

use super::{AccessKind, LINE_BYTES, LdsAccess, MemoryAccess, Moved, NO_ALLOCATION, SCRATCH, lds_cycles};
use crate::{
    cost::Class,
    exec::footprint::{Footprint, Memory, Shape, footprints},
    fault::Access,
    op::Op,
    wave::Wave,
};

/// Allocations by ascending address: begin and end.
pub(super) type Regions = Vec<(u64, u64)>;

/// Half a line: what L2 fetches at least.
const SECTOR_BYTES: u64 = LINE_BYTES / 2;

/// What the instruction is about to move, and the lines of device memory that it touches (ascending).
pub(super) fn moved(
    shape: Option<Shape>,
    wave: &Wave,
    op: &Op,
    regions: &Regions,
    lines: &mut Vec<u64>,
) -> Moved {
    lines.clear();
    let Some(shape) = shape else {
        // Permutes and swizzles access no LDS, but the halves of the wave pass its port.
        let exchange = op.class == Class::Lds && op.dst != crate::op::Arg::None;
        return if exchange { Moved::Lds { cycles: 2, conflicts: 0 } } else { Moved::Nothing };
    };
    let (mut lds, mut memory) = (Port::default(), Traffic::default());
    // A register beyond the allocation is the handler's to report.
    let refused = footprints(shape, wave, op, |one| match one.memory {
        Memory::Lds => lds.add(one),
        Memory::Device | Memory::Scratch => memory.add(one, regions, lines),
    });
    if refused.is_err() {
        return Moved::Nothing;
    }
    if op.class == Class::Lds || memory.bytes == 0 && lds.cycles > 0 && !shape.is_to_lds() {
        return Moved::Lds { cycles: lds.cycles as u16, conflicts: lds.conflicts as u16 };
    }
    lines.sort_unstable();
    lines.dedup();
    let sectors = lines.len();
    lines.iter_mut().for_each(|sector| *sector /= LINE_BYTES / SECTOR_BYTES);
    lines.dedup();
    Moved::Memory(MemoryAccess {
        allocation: memory.allocation.unwrap_or(NO_ALLOCATION),
        bytes: memory.bytes,
        lines: lines.len() as u16,
        sectors: sectors as u16,
        kind: match shape.access() {
            Access::Read => AccessKind::Load,
            Access::Write => AccessKind::Store,
            Access::Atomic => AccessKind::Atomic,
        },
        to_lds: shape.is_to_lds(),
    })
}

/// The port of LDS.
#[derive(Default)]
struct Port {
    cycles: u32,
    conflicts: u32,
}

impl Port {
    /// Atomics pass it as writes do.
    fn add(&mut self, one: &Footprint) {
        let exec = one.live[0];
        // Of FLAT accesses, those that do not go to LDS.
        if exec == 0 {
            return;
        }
        let addresses = std::array::from_fn(|lane| one.address(lane, 0) as u32);
        let access = LdsAccess { dwords: one.dwords as u8, write: one.access != Access::Read };
        let (cycles, conflicts) = lds_cycles(access, &addresses, exec);
        (self.cycles, self.conflicts) = (self.cycles + cycles, self.conflicts + conflicts);
    }
}

/// Device memory.
#[derive(Default)]
struct Traffic {
    bytes: u32,
    /// Of the first lane.
    allocation: Option<u16>,
}

impl Traffic {
    /// Adds to `sectors` those that are touched.
    fn add(&mut self, one: &Footprint, regions: &Regions, sectors: &mut Vec<u64>) {
        let step = one.bytes.min(4);
        for dword in 0..one.dwords {
            for lane in one.lanes(dword) {
                let address = one.address(lane, dword);
                self.bytes += step;
                self.allocation.get_or_insert_with(|| match one.memory {
                    Memory::Scratch => SCRATCH,
                    _ => region(regions, address),
                });
                // An access that is not aligned may end in the next sector.
                for sector in address / SECTOR_BYTES..=address.saturating_add(step as u64 - 1) / SECTOR_BYTES
                {
                    if sectors.last() != Some(&sector) {
                        sectors.push(sector);
                    }
                }
            }
        }
    }
}

/// Index of the allocation that holds an address.
fn region(regions: &Regions, address: u64) -> u16 {
    let after = regions.partition_point(|(begin, _)| *begin <= address);
    match after.checked_sub(1) {
        Some(index) if address < regions[index].1 => index as u16,
        _ => NO_ALLOCATION,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        exec::{resolve, rig::Rig},
        memory::{PRIVATE_BASE, SHARED_BASE},
    };

    /// What an instruction of the rig moves, with the allocations that the rig has.
    fn of(rig: &Rig, text: &str) -> Moved {
        let inst = Rig::decode(text);
        let mut regions: Regions =
            rig.memory.allocations().iter().map(|one| (one.base, one.base + one.bytes)).collect();
        regions.sort_unstable();
        moved(Shape::of(&inst), &rig.wave, &resolve(&inst), &regions, &mut Vec::new())
    }

    fn memory(rig: &Rig, text: &str) -> MemoryAccess {
        match of(rig, text) {
            Moved::Memory(access) => access,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn lines_and_sectors_are_those_that_lanes_touch() {
        let mut rig = Rig::new();
        let base = rig.place(&[0; 8192]);
        rig.set_pair(2, |lane| base + 4 * lane as u64);
        let expected = MemoryAccess {
            allocation: 0,
            bytes: 256,
            lines: 2,
            sectors: 4,
            kind: AccessKind::Store,
            to_lds: false,
        };
        assert_eq!(memory(&rig, "global_store_dword v[2:3], v8, off"), expected);
        rig.set_pair(2, |lane| base + 126 + 128 * (lane as u64 % 2));
        let straddling = memory(&rig, "global_store_dword v[2:3], v8, off");
        assert_eq!((straddling.lines, straddling.sectors), (3, 4), "from 126 of two lines");
        let load = memory(&rig, "global_load_sbyte v8, v[2:3], off offset:-3");
        assert_eq!((load.kind, load.bytes, load.lines), (AccessKind::Load, 64, 2));
        let atomic = memory(&rig, "global_atomic_add_f64 v[12:13], v[2:3], v[8:9], off sc0");
        assert_eq!((atomic.kind, atomic.bytes), (AccessKind::Atomic, 512));
    }

    #[test]
    fn scratch_is_device_memory_with_the_lanes_next_to_each_other() {
        let mut rig = Rig::new();
        (rig.wave.scratch_base, rig.wave.scratch_bytes_per_lane) = (1 << 20, 64);
        rig.set(4, |_| 8);
        for text in ["scratch_store_dword v4, v8, off", "scratch_load_dword v12, v4, off"] {
            let access = memory(&rig, text);
            assert_eq!((access.allocation, access.bytes, access.lines), (SCRATCH, 256, 2), "{text}");
        }
        rig.set_pair(2, |_| PRIVATE_BASE + 12);
        let through_flat = memory(&rig, "flat_store_dwordx2 v[2:3], v[8:9]");
        assert_eq!((through_flat.allocation, through_flat.bytes, through_flat.lines), (SCRATCH, 512, 4));
    }

    #[test]
    fn flat_goes_where_its_lanes_aim() {
        let mut rig = Rig::new();
        let base = rig.place(&[0; 4096]);
        let load = "flat_load_dword v8, v[2:3] offset:4";
        rig.set_pair(2, |lane| SHARED_BASE + 4 * lane as u64);
        assert_eq!(of(&rig, load), Moved::Lds { cycles: 2, conflicts: 0 });
        rig.set_pair(2, |lane| SHARED_BASE + 256 * lane as u64);
        assert_eq!(of(&rig, load), Moved::Lds { cycles: 128, conflicts: 126 });
        rig.set_pair(2, |lane| if lane < 32 { SHARED_BASE } else { base });
        let mixed = memory(&rig, load);
        assert_eq!((mixed.allocation, mixed.bytes, mixed.lines), (0, 128, 1));
        rig.exec(0);
        assert_eq!(memory(&rig, load).allocation, NO_ALLOCATION);
    }

    #[test]
    fn a_load_to_lds_counts_what_it_reads() {
        let mut rig = Rig::new();
        let base = rig.place(&[0; 8192]);
        rig.set_pair(2, |lane| base + 12 * lane as u64);
        let access = memory(&rig, "global_load_lds_dwordx3 v[2:3], off");
        assert_eq!((access.bytes, access.lines, access.to_lds), (768, 6, true));
        assert_eq!(access.kind, AccessKind::Load);
        rig.set(4, |lane| 16 * lane as u32);
        rig.wave.set_scalar64(8, base);
        rig.wave.set_scalar64(10, 128);
        rig.wave.scalar[6] = 0;
        let access = memory(&rig, "buffer_load_dwordx4 v4, s[8:11], s6 offen offset:16 lds");
        assert_eq!((access.bytes, access.lines), (112, 1), "the range check leaves seven lanes");
    }

    #[test]
    fn scalar_loads_and_their_range_count() {
        let mut rig = Rig::new();
        let base = rig.place(&[0; 4096]);
        rig.wave.set_scalar64(4, base + 64);
        rig.wave.scalar[6] = 0;
        let access = memory(&rig, "s_load_dwordx8 s[16:23], s[4:5], s6 offset:0x20");
        assert_eq!((access.allocation, access.bytes, access.lines, access.sectors), (0, 32, 1, 1));
        assert_eq!(of(&rig, "s_memtime s[16:17]"), Moved::Nothing);
    }

    #[test]
    fn lds_atomics_conflict_and_exchanges_pass_the_port() {
        let mut rig = Rig::new();
        let lds = |rig: &Rig, word: u64| {
            let inst = cdna4::decode(&word.to_le_bytes()).expect("a gfx950 instruction");
            moved(Shape::of(&inst), &rig.wave, &resolve(&inst), &Vec::new(), &mut Vec::new())
        };
        let (add, permute) = (0x0000_0804_d800_0000, 0x0800_0804_d87c_0000);
        rig.set(4, |lane| 4 * lane as u32);
        assert_eq!(lds(&rig, add), Moved::Lds { cycles: 2, conflicts: 0 }, "ds_add_u32 v4, v8");
        rig.set(4, |lane| 128 * lane as u32);
        assert_eq!(lds(&rig, add), Moved::Lds { cycles: 64, conflicts: 62 });
        assert_eq!(lds(&rig, permute), Moved::Lds { cycles: 2, conflicts: 0 }, "ds_permute_b32 v8, v4, v8");
    }
}
