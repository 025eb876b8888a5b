//! Local data share (DS) instructions.
//!
//! | file | instructions |
//! |---|---|
//! | `ds.rs` | decode, reads and writes of 8 to 128 bits, pairs, M0-relative ones |
//! | `ds/atomic.rs` | read-modify-write, append and consume |
//! | `ds/lane.rs` | permute, bpermute, swizzle: lanes exchange registers, no LDS is touched |
//! | `ds/transpose.rs` | the transposing reads of gfx950 |
//!
//! Address of a lane: `vaddr + offset`, modulo 2³² (LLVM folds offsets onto negative bases since GFX7).
//! gfx950 needs no M0 for LDS: GFX9 has no M0 clamp (LLVM, `ldsRequiresM0Init`). Beyond the workgroup's
//! allocation the hardware reads 0 and drops writes, dword by dword; here that is a fault, unless
//! `RunOptions::clamp_lds` asks for the hardware's rule. Plain accesses may be unaligned
//! (amdhsa sets SH_MEM_CONFIG.ALIGNMENT_MODE to unaligned); an unaligned atomic faults.
//! The lanes write in ascending order, so of several writes to one address the highest lane's stays.

mod atomic;
mod lane;
mod transpose;

use cdna4::{Encoding, Field, Inst};

use crate::{
    fault::{Access, Fault, FaultKind},
    lanes::Lanes,
    op::{Arg, Op, arg},
    pending::Counter,
    simd::{Exec, Step},
    wave::{Cx, Wave},
};

/// Byte addresses of the 64 lanes.
pub(super) type Addresses = [u32; 64];

/// Claims the DS encoding. `src` is address, data 0, data 1; `imm` the offset, of a pair
/// `offset0 | offset1 << 8`; `bits` the bytes that one step of a pair's offsets means.
pub(super) fn decode(inst: &Inst, op: &mut Op) -> bool {
    if inst.encoding() != Encoding::Ds {
        return false;
    }
    let name = inst.mnemonic();
    let Some(exec) = access(name)
        .or_else(|| atomic::handler(name))
        .or_else(|| lane::handler(name))
        .or_else(|| transpose::handler(name))
    else {
        return false;
    };
    op.exec = if inst.value(Field::Gds) == Some(1) && !name.starts_with("ds_gws") { no_gds } else { exec };
    op.dst = arg(inst, Field::Vdst);
    op.src[0] = arg(inst, Field::Vaddr);
    op.src[1] = arg(inst, Field::Data0);
    op.src[2] = arg(inst, Field::Data1);
    op.imm = match inst.value(Field::Offset0) {
        Some(first) => (first | inst.value(Field::Offset1).unwrap_or(0) << 8) as i32,
        None => inst.value(Field::Offset).unwrap_or(0) as i32,
    };
    op.bits = pair_unit(name);
    true
}

/// Handlers of plain reads and writes.
fn access(name: &str) -> Option<Exec> {
    Some(match name {
        "ds_read_b32" => read::<1>,
        "ds_read_b64" => read::<2>,
        "ds_read_b96" => read::<3>,
        "ds_read_b128" => read::<4>,
        "ds_read_u8" => read_small::<1, false>,
        "ds_read_i8" => read_small::<1, true>,
        "ds_read_u16" => read_small::<2, false>,
        "ds_read_i16" => read_small::<2, true>,
        "ds_read_u8_d16" => read_half::<1, false, false>,
        "ds_read_u8_d16_hi" => read_half::<1, false, true>,
        "ds_read_i8_d16" => read_half::<1, true, false>,
        "ds_read_i8_d16_hi" => read_half::<1, true, true>,
        "ds_read_u16_d16" => read_half::<2, false, false>,
        "ds_read_u16_d16_hi" => read_half::<2, false, true>,
        "ds_read2_b32" | "ds_read2st64_b32" => read_pair::<1, 2>,
        "ds_read2_b64" | "ds_read2st64_b64" => read_pair::<2, 4>,
        "ds_read_addtid_b32" => read_by_lane,
        "ds_write_b32" => write::<1>,
        "ds_write_b64" => write::<2>,
        "ds_write_b96" => write::<3>,
        "ds_write_b128" => write::<4>,
        "ds_write_b8" => write_small::<1, 0>,
        "ds_write_b8_d16_hi" => write_small::<1, 16>,
        "ds_write_b16" => write_small::<2, 0>,
        "ds_write_b16_d16_hi" => write_small::<2, 16>,
        "ds_write2_b32" | "ds_write2st64_b32" => write_pair::<1>,
        "ds_write2_b64" | "ds_write2st64_b64" => write_pair::<2>,
        "ds_write_addtid_b32" => write_by_lane,
        "ds_nop" => nop,
        "ds_gws_init"
        | "ds_gws_barrier"
        | "ds_gws_sema_v"
        | "ds_gws_sema_br"
        | "ds_gws_sema_p"
        | "ds_gws_sema_release_all" => no_gws,
        _ => return None,
    })
}

/// Bytes per step of `offset0` and `offset1`.
fn pair_unit(name: &str) -> u32 {
    let element = if name.ends_with("b64") { 8 } else { 4 };
    if name.contains("st64") { 64 * element } else { element }
}

fn read<const DWORDS: usize>(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    let at = addresses(wave, op, op.imm as u32)?;
    let mut result = [Lanes::ZERO; DWORDS];
    let exec = wave.exec();
    gather(cx, &at, exec, &mut result)?;
    wave.deliver(cx, Counter::Lgkm, destination(op), &result, exec)
}

fn read_pair<const DWORDS: usize, const BOTH: usize>(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    let mut result = [Lanes::ZERO; BOTH];
    let exec = wave.exec();
    for (half, offset) in pair_offsets(op).into_iter().enumerate() {
        let at = addresses(wave, op, offset)?;
        let part: &mut [Lanes; DWORDS] =
            (&mut result[half * DWORDS..][..DWORDS]).try_into().expect("length is DWORDS");
        gather(cx, &at, exec, part)?;
    }
    wave.deliver(cx, Counter::Lgkm, destination(op), &result, exec)
}

fn read_small<const BYTES: usize, const SIGNED: bool>(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    let exec = wave.exec();
    let value = small::<BYTES, SIGNED>(wave, op, cx, exec)?;
    wave.deliver(cx, Counter::Lgkm, destination(op), &[value], exec)
}

fn read_half<const BYTES: usize, const SIGNED: bool, const HIGH: bool>(
    wave: &mut Wave,
    op: &Op,
    cx: &mut Cx<'_>,
) -> Step {
    let exec = wave.exec();
    let value = small::<BYTES, SIGNED>(wave, op, cx, exec)?;
    wave.deliver_half(cx, Counter::Lgkm, destination(op), &value, HIGH, exec)
}

fn small<const BYTES: usize, const SIGNED: bool>(
    wave: &Wave,
    op: &Op,
    cx: &Cx<'_>,
    exec: u64,
) -> Result<Lanes, Box<Fault>> {
    let at = addresses(wave, op, op.imm as u32)?;
    let mut value = Lanes::ZERO;
    for lane in active(exec) {
        if let Some(bytes) = cx.lds.get(at[lane] as usize..at[lane] as usize + BYTES) {
            let raw = bytes.iter().rev().fold(0, |word, &byte| word << 8 | byte as u32);
            let unused = 32 - 8 * BYTES as u32;
            value[lane] = if SIGNED { ((raw << unused) as i32 >> unused) as u32 } else { raw };
        } else {
            cx.outside_lds(Access::Read, lane, at[lane], BYTES)?;
        }
    }
    Ok(value)
}

/// `ds_read_addtid_b32`: LDS[M0[15:0] + offset + 4·lane].
fn read_by_lane(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    let at = lane_addresses(wave, op);
    let mut result = [Lanes::ZERO; 1];
    let exec = wave.exec();
    gather(cx, &at, exec, &mut result)?;
    wave.deliver(cx, Counter::Lgkm, destination(op), &result, exec)
}

fn write<const DWORDS: usize>(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    let at = addresses(wave, op, op.imm as u32)?;
    let data = sources::<DWORDS>(wave, op, 1)?;
    scatter(cx, &at, wave.exec(), data)?;
    wave.count_store(cx, Counter::Lgkm);
    Ok(())
}

fn write_pair<const DWORDS: usize>(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    for (half, offset) in pair_offsets(op).into_iter().enumerate() {
        let at = addresses(wave, op, offset)?;
        let data = sources::<DWORDS>(wave, op, 1 + half)?;
        scatter(cx, &at, wave.exec(), data)?;
    }
    wave.count_store(cx, Counter::Lgkm);
    Ok(())
}

fn write_small<const BYTES: usize, const SHIFT: u32>(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    let at = addresses(wave, op, op.imm as u32)?;
    let [data] = sources::<1>(wave, op, 1)?;
    for lane in active(wave.exec()) {
        let from = at[lane] as usize;
        if let Some(target) = cx.lds.get_mut(from..from + BYTES) {
            target.copy_from_slice(&(data[lane] >> SHIFT).to_le_bytes()[..BYTES]);
        } else {
            cx.outside_lds(Access::Write, lane, at[lane], BYTES)?;
        }
    }
    wave.count_store(cx, Counter::Lgkm);
    Ok(())
}

/// `ds_write_addtid_b32`: LDS[M0[15:0] + offset + 4·lane].
fn write_by_lane(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    let at = lane_addresses(wave, op);
    let data = sources::<1>(wave, op, 1)?;
    scatter(cx, &at, wave.exec(), data)?;
    wave.count_store(cx, Counter::Lgkm);
    Ok(())
}

fn nop(_wave: &mut Wave, _op: &Op, _cx: &mut Cx<'_>) -> Step {
    Ok(())
}

fn no_gws(_wave: &mut Wave, _op: &Op, _cx: &mut Cx<'_>) -> Step {
    Err(Fault::new(FaultKind::Unsupported {
        mnemonic: "ds_gws",
        detail: "there is no global wave sync between workgroups",
    }))
}

fn no_gds(_wave: &mut Wave, _op: &Op, _cx: &mut Cx<'_>) -> Step {
    Err(Fault::new(FaultKind::Unsupported {
        mnemonic: "ds",
        detail: "gfx950 has no global data share (gds modifier)",
    }))
}

/// `vaddr + offset` per lane.
#[inline(always)]
pub(super) fn addresses(wave: &Wave, op: &Op, offset: u32) -> Result<Addresses, Box<Fault>> {
    let mut spread = Lanes::ZERO;
    let base = wave.lanes(op, 0, &mut spread)?;
    Ok(std::array::from_fn(|lane| base[lane].wrapping_add(offset)))
}

pub(super) fn lane_addresses(wave: &Wave, op: &Op) -> Addresses {
    let base = (wave.m0() & 0xffff) + op.imm as u32;
    std::array::from_fn(|lane| base + 4 * lane as u32)
}

pub(super) fn pair_offsets(op: &Op) -> [u32; 2] {
    [(op.imm as u32 & 0xff) * op.bits, (op.imm as u32 >> 8 & 0xff) * op.bits]
}

/// The destination register; a DS instruction's is always a vector register.
#[inline(always)]
fn destination(op: &Op) -> u16 {
    match op.dst {
        Arg::Vector(register) => register,
        _ => 0,
    }
}

/// `DWORDS` consecutive data registers.
#[inline(always)]
fn sources<'a, const DWORDS: usize>(
    wave: &'a Wave,
    op: &Op,
    source: usize,
) -> Result<[&'a Lanes; DWORDS], Box<Fault>> {
    let Arg::Vector(first) = op.src[source] else {
        return Ok([&Lanes::ZERO; DWORDS]);
    };
    let mut data = [&Lanes::ZERO; DWORDS];
    for (i, lanes) in data.iter_mut().enumerate() {
        *lanes = wave.vector(first + i as u16)?;
    }
    Ok(data)
}

/// The set bits of `exec`, ascending.
#[inline(always)]
fn active(exec: u64) -> impl Iterator<Item = usize> {
    (0..64).filter(move |lane| exec >> lane & 1 == 1)
}

/// Reads `DWORDS` dwords per active lane; `result` must be zero.
///
/// # Errors
/// `LdsOutOfBounds`.
#[inline(always)]
fn gather<const DWORDS: usize>(cx: &Cx<'_>, at: &Addresses, exec: u64, result: &mut [Lanes; DWORDS]) -> Step {
    for lane in active(exec) {
        let from = at[lane] as usize;
        if let Some(bytes) = cx.lds.get(from..from + 4 * DWORDS) {
            for (i, dword) in bytes.as_chunks::<4>().0.iter().enumerate() {
                result[i][lane] = u32::from_le_bytes(*dword);
            }
        } else {
            cx.outside_lds(Access::Read, lane, at[lane], 4 * DWORDS)?;
            for (i, lanes) in result.iter_mut().enumerate() {
                lanes[lane] = dword_at(cx.lds, at[lane].wrapping_add(4 * i as u32));
            }
        }
    }
    Ok(())
}

/// Writes `DWORDS` dwords per active lane.
///
/// # Errors
/// `LdsOutOfBounds`.
#[inline(always)]
fn scatter<const DWORDS: usize>(cx: &mut Cx<'_>, at: &Addresses, exec: u64, data: [&Lanes; DWORDS]) -> Step {
    for lane in active(exec) {
        let from = at[lane] as usize;
        if let Some(bytes) = cx.lds.get_mut(from..from + 4 * DWORDS) {
            for (i, dword) in bytes.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                *dword = data[i][lane].to_le_bytes();
            }
        } else {
            cx.outside_lds(Access::Write, lane, at[lane], 4 * DWORDS)?;
            for (i, lanes) in data.iter().enumerate() {
                let from = at[lane].wrapping_add(4 * i as u32) as usize;
                if let Some(target) = cx.lds.get_mut(from..from + 4) {
                    target.copy_from_slice(&lanes[lane].to_le_bytes());
                }
            }
        }
    }
    Ok(())
}

#[cold]
fn dword_at(lds: &[u8], at: u32) -> u32 {
    lds.get(at as usize..at as usize + 4)
        .map_or(0, |bytes| u32::from_le_bytes(bytes.try_into().expect("length is 4")))
}

#[cfg(test)]
mod tests;
