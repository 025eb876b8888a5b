//! Where the lanes of a memory instruction aim.

use cdna4::{Encoding, Field, Inst};

use super::{AccessKind, LINE_BYTES, LdsAccess, MemoryAccess, Moved, lds_cycles};
use crate::{
    exec,
    op::{Arg, Op},
    wave::Wave,
};

/// Allocations by ascending address: begin and end.
pub(super) type Regions = Vec<(u64, u64)>;

/// What the instruction is about to move, and the lines of device memory that it touches (ascending).
pub(super) fn moved(inst: &Inst, wave: &Wave, op: &Op, regions: &Regions, lines: &mut Vec<u64>) -> Moved {
    lines.clear();
    match inst.encoding() {
        Encoding::Ds => lds(inst, wave, op),
        Encoding::Smem => scalar(inst, wave, op, regions, lines),
        Encoding::Flat | Encoding::Global | Encoding::Scratch | Encoding::Mubuf => {
            vector(inst, wave, op, regions, lines)
        }
        _ => Moved::Nothing,
    }
}

fn lds(inst: &Inst, wave: &Wave, op: &Op) -> Moved {
    let name = inst.mnemonic();
    let write = name.starts_with("ds_write");
    if !write && !name.starts_with("ds_read") {
        // Permutes, swizzles and atomics pass the port once for each half of the wave.
        return Moved::Lds { cycles: 2, conflicts: 0 };
    }
    let (pair, wide) = (name.contains("2_b") || name.contains("2st64_b"), name.contains("b64"));
    let dwords = match name {
        _ if name.contains("b128") => 4,
        _ if name.contains("b96") => 3,
        _ if wide => 2,
        _ => 1,
    };
    let Arg::Vector(register) = op.src[0] else { return Moved::Lds { cycles: 1, conflicts: 0 } };
    let Ok(base) = wave.vector(register) else { return Moved::Nothing };
    let offsets = match pair {
        true => [(op.imm as u32 & 0xff) * op.bits, (op.imm as u32 >> 8 & 0xff) * op.bits],
        false => [op.imm as u32, 0],
    };
    let (mut cycles, mut conflicts) = (0, 0);
    for offset in &offsets[..1 + pair as usize] {
        let addresses = std::array::from_fn(|lane| base[lane].wrapping_add(*offset));
        let (all, lost) = lds_cycles(LdsAccess { dwords, write }, &addresses, wave.exec());
        (cycles, conflicts) = (cycles + all, conflicts + lost);
    }
    Moved::Lds { cycles: cycles as u16, conflicts: conflicts as u16 }
}

fn scalar(inst: &Inst, wave: &Wave, op: &Op, regions: &Regions, lines: &mut Vec<u64>) -> Moved {
    if !inst.may_load() && !inst.may_store() {
        return Moved::Nothing;
    }
    let (address, dwords) = exec::scalar_target(wave, op);
    if dwords > 0 {
        lines.extend(address / LINE_BYTES..=(address + 4 * dwords as u64 - 1) / LINE_BYTES);
    }
    Moved::Memory(MemoryAccess {
        allocation: region(regions, address),
        bytes: 4 * dwords as u32,
        lines: lines.len() as u16,
        sectors: lines.len() as u16,
        kind: if inst.may_store() { AccessKind::Store } else { AccessKind::Load },
        to_lds: false,
    })
}

fn vector(inst: &Inst, wave: &Wave, op: &Op, regions: &Regions, lines: &mut Vec<u64>) -> Moved {
    let name = inst.mnemonic();
    let bytes = match name {
        _ if name.contains("byte") => 1,
        _ if name.contains("short") || name.contains("d16") => 2,
        _ => 4 * op.dwords as u32,
    };
    let kind = match () {
        () if inst.is_atomic() || name.contains("atomic") => AccessKind::Atomic,
        () if name.contains("store") => AccessKind::Store,
        () if name.contains("load") => AccessKind::Load,
        () => return Moved::Nothing,
    };
    let Some(Ok(aim)) = exec::aim(inst.encoding(), wave, op, bytes) else { return Moved::Nothing };
    let step = bytes.min(4) as u64;
    let half = LINE_BYTES / 2;
    let mut moved = 0;
    let mut first = None;
    for lane in 0..64 {
        for dword in 0..bytes.div_ceil(4) as usize {
            if aim.live[dword.min(3)] >> lane & 1 == 1 {
                let address = aim.addresses[lane].wrapping_add(4 * dword as u64);
                first = first.or(Some(address));
                moved += step;
                let sector = address / half;
                if lines.last() != Some(&sector) {
                    lines.push(sector);
                }
            }
        }
    }
    lines.sort_unstable();
    lines.dedup();
    let sectors = lines.len();
    lines.iter_mut().for_each(|sector| *sector /= LINE_BYTES / half);
    lines.dedup();
    Moved::Memory(MemoryAccess {
        allocation: first.map_or(u16::MAX, |address| region(regions, address)),
        bytes: moved as u32,
        lines: lines.len() as u16,
        sectors: sectors as u16,
        kind,
        to_lds: to_lds(inst),
    })
}

/// Whether loaded data goes to LDS.
pub(super) fn to_lds(inst: &Inst) -> bool {
    inst.mnemonic().contains("_lds_") || inst.value(Field::Lds).unwrap_or(0) != 0
}

/// Index of the allocation that holds an address.
fn region(regions: &Regions, address: u64) -> u16 {
    let after = regions.partition_point(|(begin, _)| *begin <= address);
    match after.checked_sub(1) {
        Some(index) if address < regions[index].1 => index as u16,
        _ => u16::MAX,
    }
}
