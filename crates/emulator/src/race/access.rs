//! Which dwords of LDS an instruction touches.

use cdna4::{Encoding, Field, Inst};

use crate::{
    memory::{APERTURE_BYTES, SHARED_BASE},
    op::{Arg, Op},
    wave::Wave,
};

/// How LDS is accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
    /// Both, in one step: atomics.
    Update,
    /// A load from device memory writes, some time later.
    Arrival,
}

/// What an instruction does to LDS; none for those that only pass through it.
pub(super) fn kind(inst: &Inst) -> Option<Access> {
    let name = inst.mnemonic();
    if inst.encoding() == Encoding::Flat {
        return match () {
            () if name.contains("load") => Some(Access::Read),
            () if name.contains("store") => Some(Access::Write),
            () => Some(Access::Update),
        };
    }
    if inst.encoding() != Encoding::Ds {
        return is_to_lds(inst).then_some(Access::Arrival);
    }
    let lanes_only = ["ds_bpermute", "ds_permute", "ds_swizzle", "ds_gws", "ds_nop"];
    match () {
        () if lanes_only.iter().any(|prefix| name.starts_with(prefix)) => None,
        () if name.starts_with("ds_read") => Some(Access::Read),
        () if name.starts_with("ds_write") => Some(Access::Write),
        () => Some(Access::Update),
    }
}

/// Whether loaded data goes to LDS instead of a register.
pub(super) fn is_to_lds(inst: &Inst) -> bool {
    inst.encoding() != Encoding::Ds
        && (inst.mnemonic().contains("_lds_") || inst.value(Field::Lds).unwrap_or(0) != 0)
}

/// Calls `touch(first byte, bytes)` for every contiguous piece of every active lane. `kind` is not `None`.
pub(super) fn pieces(inst: &Inst, wave: &Wave, op: &Op, mut touch: impl FnMut(u32, u32)) {
    let exec = wave.exec();
    let lanes = (0..64).filter(|lane| exec >> lane & 1 == 1);
    let name = inst.mnemonic();
    if inst.encoding() == Encoding::Flat {
        return flat_pieces(name, wave, op, touch);
    }
    if inst.encoding() != Encoding::Ds {
        let base = (wave.m0() & 0x3_fffc).wrapping_add(op.imm as u32);
        let dwords = (op.dwords as u32).max(1);
        let stride = if dwords > 2 { 16 } else { 4 };
        return lanes.for_each(|lane| touch(base.wrapping_add(lane as u32 * stride), 4 * dwords));
    }
    if name.contains("append") || name.contains("consume") {
        return touch(wave.m0().wrapping_add(op.imm as u32), 4);
    }
    let bytes = element_bytes(name);
    if name.contains("addtid") {
        let base = (wave.m0() & 0xffff) + op.imm as u32;
        return lanes.for_each(|lane| touch(base + 4 * lane as u32, bytes));
    }
    let Arg::Vector(register) = op.src[0] else { return };
    let Ok(base) = wave.vector(register) else { return };
    let offset = op.imm as u32;
    for lane in lanes {
        if op_is_pair(name) {
            touch(base[lane].wrapping_add((offset & 0xff) * op.bits), bytes);
            touch(base[lane].wrapping_add((offset >> 8 & 0xff) * op.bits), bytes);
        } else {
            touch(base[lane].wrapping_add(offset), bytes);
        }
    }
}

/// Those lanes of a FLAT instruction whose address is LDS.
fn flat_pieces(name: &str, wave: &Wave, op: &Op, mut touch: impl FnMut(u32, u32)) {
    let Arg::Vector(register) = op.src[0] else { return };
    let (Ok(low), Ok(high)) = (wave.vector(register), wave.vector(register + 1)) else { return };
    let bytes = match name {
        _ if name.contains("byte") => 1,
        _ if name.contains("short") => 2,
        _ => 4 * (op.dwords as u32).max(1),
    };
    for lane in (0..64).filter(|lane| wave.exec() >> lane & 1 == 1) {
        let address = (low[lane] as u64 | (high[lane] as u64) << 32).wrapping_add_signed(op.imm as i64);
        if address & !(APERTURE_BYTES - 1) == SHARED_BASE {
            touch(address as u32, bytes);
        }
    }
}

/// Bytes of one element: what its type at the end of the mnemonic says.
fn element_bytes(name: &str) -> u32 {
    let sizes = [
        ("128", 16),
        ("96", 12),
        ("64", 8),
        ("32", 4),
        ("bf16", 4),
        ("f16", 4),
        ("16", 2),
        ("u8", 1),
        ("i8", 1),
        ("b8", 1),
    ];
    // The transposing reads end in the size of an element, `ds_read_b64_tr_b8`; halves in `_d16` or `_hi`.
    let size = name.split("_tr_").next().unwrap_or(name);
    let size = size.split("_d16").next().unwrap_or(size);
    sizes.iter().find(|(suffix, _)| size.ends_with(suffix)).map_or(4, |(_, bytes)| *bytes)
}

/// Whether the offset field holds two offsets.
fn op_is_pair(name: &str) -> bool {
    ["read2_", "read2st64_", "write2_", "write2st64_", "wrxchg2_", "wrxchg2st64_"]
        .iter()
        .any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mnemonic_says_how_many_bytes() {
        let bytes = |name| element_bytes(name);
        assert_eq!(
            (bytes("ds_read_b128"), bytes("ds_read_b96_tr_b6"), bytes("ds_read_b64_tr_b8")),
            (16, 12, 8)
        );
        assert_eq!((bytes("ds_write2st64_b64"), bytes("ds_add_u32"), bytes("ds_pk_add_bf16")), (8, 4, 4));
        assert_eq!(
            (bytes("ds_read_u16_d16_hi"), bytes("ds_write_b8_d16_hi"), bytes("ds_read_i8")),
            (2, 1, 1)
        );
        assert_eq!((bytes("ds_write_b16"), bytes("ds_pk_add_rtn_f16"), bytes("ds_min_rtn_f64")), (2, 4, 8));
    }
}
