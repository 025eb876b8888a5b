//! SMEM: scalar memory.
//!
//! Operands of an [`Op`]: `dst` = loaded data, `src[0]` = base (an address pair or a V#), `src[1]` = data
//! of stores and atomics, `src[2]` = scalar offset, `imm` = signed byte offset, `bits` = [`GLC`],
//! [`BUFFER`], `dwords` = length. The two low bits of an address do not count.

use cdna4::{Encoding, Field, Inst};

use super::flat::{ATOMIC_SHIFT, dwords, first, index32, index64, update32, update64};
use crate::{
    lanes::Lanes,
    op::{Arg, Op, arg},
    simd::{Exec, Step},
    wave::{Cx, Wave},
};

/// `bits`: an atomic returns the old value.
const GLC: u32 = 1;

/// `bits`: the base is a V#.
const BUFFER: u32 = 2;

/// Claims every SMEM instruction but the scalar scratch ones, which gfx950 compilers do not emit.
pub(super) fn decode(inst: &Inst, op: &mut Op) -> bool {
    if inst.encoding() != Encoding::Smem {
        return false;
    }
    let Some(name) = inst.mnemonic().strip_prefix("s_") else { return false };
    let (name, buffer) = match name.strip_prefix("buffer_") {
        Some(rest) => (rest, BUFFER),
        None => (name, 0),
    };
    let Some((exec, bits)) = pick(name) else { return false };
    op.exec = exec;
    op.dst = first(inst, &[Field::Sdst, Field::Sdata]);
    op.src[0] = arg(inst, Field::Sbase);
    op.src[1] = first(inst, &[Field::Sdata, Field::Sdst]);
    op.src[2] = arg(inst, Field::Soffset);
    op.imm = inst.value(Field::SmemOffset).unwrap_or(0) as i32;
    op.bits = bits | buffer;
    op.bits |= if inst.value(Field::Glc).unwrap_or(0) != 0 { GLC } else { 0 };
    op.dwords = dwords(name);
    true
}

fn pick(name: &str) -> Option<(Exec, u32)> {
    let exec: Exec = match name {
        "load_dword" | "load_dwordx2" | "load_dwordx4" | "load_dwordx8" | "load_dwordx16" => load,
        "store_dword" | "store_dwordx2" | "store_dwordx4" => store,
        "dcache_inv" | "dcache_inv_vol" | "dcache_wb" | "dcache_wb_vol" | "dcache_discard"
        | "dcache_discard_x2" => cache,
        "atc_probe" | "atc_probe_buffer" => cache,
        "memtime" | "memrealtime" => time,
        "atomic_cmpswap" => compare_swap32,
        "atomic_cmpswap_x2" => compare_swap64,
        _ => {
            let name = name.strip_prefix("atomic_")?;
            if let Some(index) = index32(name) {
                return Some((modify32, (index as u32) << ATOMIC_SHIFT));
            }
            return index64(name).map(|index| (modify64 as Exec, (index as u32) << ATOMIC_SHIFT));
        }
    };
    Some((exec, 0))
}

/// Where an access starts, and how many of its dwords a V# lets through.
pub(super) struct Target {
    pub(super) address: u64,
    pub(super) dwords: usize,
}

pub(super) fn target(wave: &Wave, op: &Op) -> Target {
    let Arg::Scalar(base) = op.src[0] else { return Target { address: 0, dwords: op.dwords as usize } };
    let register_offset = if op.src[2] == Arg::None { 0 } else { wave.scalar_arg(op.src[2]) };
    let low = wave.scalar64(base);
    if op.bits & BUFFER == 0 {
        let address = low.wrapping_add(register_offset as u64).wrapping_add(op.imm as i64 as u64) & !3;
        return Target { address, dwords: op.dwords as usize };
    }
    // The stride of a V# scales the record count and nothing else (ISA 8.2.1.1); a dword whose offset
    // lies beyond is not accessed (8.4).
    let words = wave.scalar64(base.wrapping_add(2));
    let stride = low >> 48 & 0x3fff;
    let bytes = (words & 0xffff_ffff) * stride.max(1);
    let offset = (register_offset.wrapping_add(op.imm as u32) & !3) as u64;
    let inside = bytes.saturating_sub(offset).div_ceil(4).min(op.dwords as u64);
    Target { address: (low & 0xffff_ffff_ffff).wrapping_add(offset) & !3, dwords: inside as usize }
}

/// Dwords from memory; those that a V# cuts off are 0.
fn load(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    let target = target(wave, op);
    let mut data = [0; 16];
    if target.dwords > 0 {
        cx.memory.load(target.address, &mut data[..target.dwords])?;
    }
    if let Arg::Scalar(first) = op.dst {
        wave.deliver_scalar(cx, first, &data[..op.dwords as usize]);
    }
    Ok(())
}

/// Dwords to memory.
fn store(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    let target = target(wave, op);
    if let Arg::Scalar(first) = op.src[1]
        && let Some(data) = wave.scalar.get(first as usize..first as usize + target.dwords)
        && !data.is_empty()
    {
        cx.memory.store(target.address, data)?;
    }
    wave.count_scalar(cx);
    Ok(())
}

/// Cache maintenance and probes: there is no scalar cache.
fn cache(wave: &mut Wave, _op: &Op, cx: &mut Cx<'_>) -> Step {
    wave.count_scalar(cx);
    Ok(())
}

/// `s_memtime`, `s_memrealtime`: the instructions that the wave has issued so far. It is no time: it is
/// monotonic and the same in every run, so a kernel that times itself or seeds from the clock stays
/// reproducible.
fn time(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    if let Arg::Scalar(first) = op.dst {
        let now = wave.issued;
        wave.deliver_scalar(cx, first, &[now as u32, (now >> 32) as u32]);
    }
    Ok(())
}

fn modify32(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    let update = update32((op.bits >> ATOMIC_SHIFT) as usize);
    let data = dword(wave, op.src[1], 0);
    atomic32(wave, op, cx, |old| update(old, data))
}

fn modify64(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    let update = update64((op.bits >> ATOMIC_SHIFT) as usize);
    let data = quadword(wave, op.src[1], 0);
    atomic64(wave, op, cx, |old| update(old, data))
}

fn compare_swap32(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    let (new, expected) = (dword(wave, op.src[1], 0), dword(wave, op.src[1], 1));
    atomic32(wave, op, cx, |old| if old == expected { new } else { old })
}

fn compare_swap64(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    let (new, expected) = (quadword(wave, op.src[1], 0), quadword(wave, op.src[1], 2));
    atomic64(wave, op, cx, |old| if old == expected { new } else { old })
}

fn atomic32(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>, update: impl Fn(u32) -> u32) -> Step {
    let target = target(wave, op);
    let mut old = Lanes::ZERO;
    if target.dwords > 0 {
        cx.memory.atomic32(&[target.address; 64], 1, &mut old, |_, value| update(value))?;
    }
    old_value(wave, op, cx, &[old[0]]);
    Ok(())
}

fn atomic64(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>, update: impl Fn(u64) -> u64) -> Step {
    let target = target(wave, op);
    let mut old = [Lanes::ZERO; 2];
    if target.dwords > 1 {
        cx.memory.atomic64(&[target.address; 64], 1, &mut old, |_, value| update(value))?;
    }
    old_value(wave, op, cx, &[old[0][0], old[1][0]]);
    Ok(())
}

fn old_value(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>, old: &[u32]) {
    match op.dst {
        Arg::Scalar(first) if op.bits & GLC != 0 => wave.deliver_scalar(cx, first, old),
        _ => wave.count_scalar(cx),
    }
}

fn dword(wave: &Wave, arg: Arg, plus: usize) -> u32 {
    let Arg::Scalar(first) = arg else { return 0 };
    wave.scalar.get(first as usize + plus).copied().unwrap_or(0)
}

fn quadword(wave: &Wave, arg: Arg, plus: usize) -> u64 {
    dword(wave, arg, plus) as u64 | (dword(wave, arg, plus + 1) as u64) << 32
}

#[cfg(test)]
mod tests;
