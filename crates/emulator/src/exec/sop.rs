//! The scalar ALU: SOP1, SOP2, SOPC and SOPK.
//!
//! An instruction is a *shape* (how wide its sources and result are) and a *rule* on plain integers.
//! A rule takes SCC and gives it back, so one that leaves SCC alone returns what it got.

use cdna4::{Encoding, Field, Inst};

use crate::{
    fault::{Fault, FaultKind},
    memory::{PRIVATE_BASE, SHARED_BASE},
    op::{Arg, EXEC, M0, Op, arg},
    simd::{Exec, Step},
    wave::{Cx, GPR_INDEX, INLINE_F64, VSKIP, Wave},
};

/// Claims the scalar ALU encodings. `src` is `ssrc0`, `ssrc1` (SOPK: the register it reads, which is its
/// destination field); `imm` is SOPK's `simm16`, `s_set_gpr_idx_on`'s mask; `bits` a hardware register's literal.
pub(super) fn decode(inst: &Inst, op: &mut Op) -> bool {
    let table = match inst.encoding() {
        Encoding::Sop1 => sop1,
        Encoding::Sop2 => sop2,
        Encoding::Sopc => sopc,
        Encoding::Sopk => sopk,
        _ => return false,
    };
    let Some(exec) = table(inst.mnemonic()) else { return false };
    op.exec = exec;
    op.dst = arg(inst, Field::Sdst);
    op.src[0] = arg(inst, Field::Ssrc0);
    op.src[1] = arg(inst, Field::Ssrc1);
    match inst.encoding() {
        Encoding::Sopk => {
            op.src[0] = op.dst;
            op.imm = inst.bits() as u16 as i16 as i32;
            op.bits = inst.literal().unwrap_or(0);
        }
        _ => op.imm = (inst.bits() >> 8) as u8 as i32,
    }
    true
}

/// A handler from a shape and a rule.
macro_rules! shape {
    ($read0:ident, $read1:ident, $write:ident: $rule:expr) => {{
        fn handler(wave: &mut Wave, op: &Op, _cx: &mut Cx<'_>) -> Step {
            let (result, scc) = ($rule)($read0(wave, op.src[0]), $read1(wave, op.src[1]), wave.scc);
            $write(wave, op.dst, result);
            wave.scc = scc;
            Ok(())
        }
        handler as Exec
    }};
}
macro_rules! w32 { ($rule:expr) => { shape!(read32, read32, write32: $rule as fn(u32, u32, bool) -> (u32, bool)) }; }
macro_rules! w64 { ($rule:expr) => { shape!(read64, read64, write64: $rule as fn(u64, u64, bool) -> (u64, bool)) }; }
macro_rules! shift64 { ($rule:expr) => { shape!(read64, read32, write64: $rule as fn(u64, u32, bool) -> (u64, bool)) }; }
macro_rules! un32 { ($rule:expr) => { shape!(read32, nothing, write32: $rule as fn(u32, (), bool) -> (u32, bool)) }; }
macro_rules! un64 { ($rule:expr) => { shape!(read64, nothing, write64: $rule as fn(u64, (), bool) -> (u64, bool)) }; }
macro_rules! narrow { ($rule:expr) => { shape!(read64, nothing, write32: $rule as fn(u64, (), bool) -> (u32, bool)) }; }
macro_rules! widen { ($rule:expr) => { shape!(read32, nothing, write64: $rule as fn(u32, (), bool) -> (u64, bool)) }; }
macro_rules! compare32 { ($rule:expr) => { shape!(read32, read32, discard: |a, b, _| ((), ($rule as fn(u32, u32) -> bool)(a, b))) }; }
macro_rules! compare64 { ($rule:expr) => { shape!(read64, read64, discard: |a, b, _| ((), ($rule as fn(u64, u64) -> bool)(a, b))) }; }
macro_rules! bit64 { ($rule:expr) => { shape!(read64, read32, discard: |a, b, _| ((), ($rule as fn(u64, u32) -> bool)(a, b))) }; }
/// Result and "is not zero".
macro_rules! logic32 {
    ($rule:expr) => {
        w32!(|a, b, _| nonzero32(($rule as fn(u32, u32) -> u32)(a, b)))
    };
}
macro_rules! logic64 {
    ($rule:expr) => {
        w64!(|a, b, _| nonzero64(($rule as fn(u64, u64) -> u64)(a, b)))
    };
}
/// EXEC from source and EXEC; the destination gets the old EXEC.
macro_rules! save_exec {
    ($rule:expr) => {{
        fn handler(wave: &mut Wave, op: &Op, _cx: &mut Cx<'_>) -> Step {
            let (source, old) = (read64(wave, op.src[0]), wave.exec());
            let new = ($rule as fn(u64, u64) -> u64)(source, old);
            write64(wave, op.dst, old);
            wave.set_scalar64(EXEC, new);
            wave.scc = new != 0;
            Ok(())
        }
        handler as Exec
    }};
}
/// The register against the immediate.
macro_rules! compare_signed {
    ($rule:expr) => {
        immediate!(|register, imm, _| (register, ($rule as fn(i32, i32) -> bool)(register as i32, imm)))
    };
}
macro_rules! compare_unsigned {
    ($rule:expr) => {
        immediate!(|register, imm, _| (
            register,
            ($rule as fn(u32, u32) -> bool)(register, imm as u16 as u32)
        ))
    };
}
macro_rules! immediate {
    ($rule:expr) => {{
        fn handler(wave: &mut Wave, op: &Op, _cx: &mut Cx<'_>) -> Step {
            let rule: fn(u32, i32, bool) -> (u32, bool) = $rule;
            let (result, scc) = rule(read32(wave, op.src[0]), op.imm, wave.scc);
            write32(wave, op.dst, result);
            wave.scc = scc;
            Ok(())
        }
        handler as Exec
    }};
}

#[rustfmt::skip]
fn sop2(name: &str) -> Option<Exec> {
    Some(match name {
        "s_add_u32" => w32!(|a, b, _| a.overflowing_add(b)),
        "s_sub_u32" => w32!(|a, b, _| a.overflowing_sub(b)),
        "s_add_i32" => w32!(|a, b, _| signed((a as i32).overflowing_add(b as i32))),
        "s_sub_i32" => w32!(|a, b, _| signed((a as i32).overflowing_sub(b as i32))),
        "s_addc_u32" => w32!(|a, b, c| a.carrying_add(b, c)),
        "s_subb_u32" => w32!(|a, b, c| a.borrowing_sub(b, c)),
        "s_min_i32" => w32!(|a, b, _| ((a as i32).min(b as i32) as u32, (a as i32) < b as i32)),
        "s_min_u32" => w32!(|a, b, _| (a.min(b), a < b)),
        // The ISA's pseudocode sets SCC for equal sources here, and does not for the minimum.
        "s_max_i32" => w32!(|a, b, _| ((a as i32).max(b as i32) as u32, a as i32 >= b as i32)),
        "s_max_u32" => w32!(|a, b, _| (a.max(b), a >= b)),
        "s_cselect_b32" => w32!(|a, b, c| (if c { a } else { b }, c)),
        "s_cselect_b64" => w64!(|a, b, c| (if c { a } else { b }, c)),
        "s_and_b32" => logic32!(|a, b| a & b),
        "s_and_b64" => logic64!(|a, b| a & b),
        "s_or_b32" => logic32!(|a, b| a | b),
        "s_or_b64" => logic64!(|a, b| a | b),
        "s_xor_b32" => logic32!(|a, b| a ^ b),
        "s_xor_b64" => logic64!(|a, b| a ^ b),
        "s_andn2_b32" => logic32!(|a, b| a & !b),
        "s_andn2_b64" => logic64!(|a, b| a & !b),
        "s_orn2_b32" => logic32!(|a, b| a | !b),
        "s_orn2_b64" => logic64!(|a, b| a | !b),
        "s_nand_b32" => logic32!(|a, b| !(a & b)),
        "s_nand_b64" => logic64!(|a, b| !(a & b)),
        "s_nor_b32" => logic32!(|a, b| !(a | b)),
        "s_nor_b64" => logic64!(|a, b| !(a | b)),
        "s_xnor_b32" => logic32!(|a, b| !(a ^ b)),
        "s_xnor_b64" => logic64!(|a, b| !(a ^ b)),
        "s_lshl_b32" => logic32!(|a, b| a << (b & 31)),
        "s_lshl_b64" => shift64!(|a, b, _| nonzero64(a << (b & 63))),
        "s_lshr_b32" => logic32!(|a, b| a >> (b & 31)),
        "s_lshr_b64" => shift64!(|a, b, _| nonzero64(a >> (b & 63))),
        "s_ashr_i32" => logic32!(|a, b| (a as i32 >> (b & 31)) as u32),
        "s_ashr_i64" => shift64!(|a, b, _| nonzero64((a as i64 >> (b & 63)) as u64)),
        "s_bfm_b32" => w32!(|a, b, c| (((1 << (a & 31)) - 1) << (b & 31), c)),
        "s_bfm_b64" => shape!(read32, read32, write64: |a: u32, b: u32, c| (((1u64 << (a & 63)) - 1) << (b & 63), c)),
        "s_mul_i32" => w32!(|a, b, c| (a.wrapping_mul(b), c)),
        "s_mul_hi_u32" => w32!(|a, b, c| (((a as u64 * b as u64) >> 32) as u32, c)),
        "s_mul_hi_i32" => w32!(|a, b, c| (((a as i32 as i64 * b as i32 as i64) >> 32) as u32, c)),
        "s_bfe_u32" => logic32!(|a, b| (a >> (b & 31)) & low_mask(b >> 16 & 0x7f) as u32),
        "s_bfe_i32" => logic32!(|a, b| extend(((a as i32) >> (b & 31)) as i64, b >> 16 & 0x7f) as u32),
        "s_bfe_u64" => shift64!(|a, b, _| nonzero64((a >> (b & 63)) & low_mask(b >> 16 & 0x7f))),
        "s_bfe_i64" => shift64!(|a, b, _| nonzero64(extend(a as i64 >> (b & 63), b >> 16 & 0x7f) as u64)),
        "s_absdiff_i32" => logic32!(|a, b| (a as i32).wrapping_sub(b as i32).wrapping_abs() as u32),
        "s_lshl1_add_u32" => w32!(|a, b, _| shift_add(a, b, 1)),
        "s_lshl2_add_u32" => w32!(|a, b, _| shift_add(a, b, 2)),
        "s_lshl3_add_u32" => w32!(|a, b, _| shift_add(a, b, 3)),
        "s_lshl4_add_u32" => w32!(|a, b, _| shift_add(a, b, 4)),
        "s_pack_ll_b32_b16" => w32!(|a, b, c| (a & 0xffff | b << 16, c)),
        "s_pack_lh_b32_b16" => w32!(|a, b, c| (a & 0xffff | b & 0xffff_0000, c)),
        "s_pack_hh_b32_b16" => w32!(|a, b, c| (a >> 16 | b & 0xffff_0000, c)),
        _ => return None,
    })
}

#[rustfmt::skip]
fn sop1(name: &str) -> Option<Exec> {
    Some(match name {
        "s_mov_b32" => un32!(|a, _, c| (a, c)),
        "s_mov_b64" => un64!(|a, _, c| (a, c)),
        "s_cmov_b32" => conditional_move32,
        "s_cmov_b64" => conditional_move64,
        "s_not_b32" => un32!(|a, _, _| nonzero32(!a)),
        "s_not_b64" => un64!(|a, _, _| nonzero64(!a)),
        "s_wqm_b32" => un32!(|a, _, _| nonzero32(whole_quads(a as u64) as u32)),
        "s_wqm_b64" => un64!(|a, _, _| nonzero64(whole_quads(a))),
        "s_quadmask_b32" => un32!(|a, _, _| nonzero32(quad_mask(a as u64) as u32)),
        "s_quadmask_b64" => un64!(|a, _, _| nonzero64(quad_mask(a))),
        "s_brev_b32" => un32!(|a, _, c| (a.reverse_bits(), c)),
        "s_brev_b64" => un64!(|a, _, c| (a.reverse_bits(), c)),
        "s_bcnt0_i32_b32" => un32!(|a, _, _| nonzero32(a.count_zeros())),
        "s_bcnt0_i32_b64" => narrow!(|a, _, _| nonzero32(a.count_zeros())),
        "s_bcnt1_i32_b32" => un32!(|a, _, _| nonzero32(a.count_ones())),
        "s_bcnt1_i32_b64" => narrow!(|a, _, _| nonzero32(a.count_ones())),
        "s_ff0_i32_b32" => un32!(|a, _, c| (first_one(!a as u64), c)),
        "s_ff0_i32_b64" => narrow!(|a, _, c| (first_one(!a), c)),
        "s_ff1_i32_b32" => un32!(|a, _, c| (first_one(a as u64), c)),
        "s_ff1_i32_b64" => narrow!(|a, _, c| (first_one(a), c)),
        "s_flbit_i32_b32" => un32!(|a, _, c| (if a == 0 { !0 } else { a.leading_zeros() }, c)),
        "s_flbit_i32_b64" => narrow!(|a, _, c| (if a == 0 { !0 } else { a.leading_zeros() }, c)),
        "s_flbit_i32" => un32!(|a, _, c| (sign_bits32(a), c)),
        "s_flbit_i32_i64" => narrow!(|a, _, c| (sign_bits64(a), c)),
        "s_sext_i32_i8" => un32!(|a, _, c| (a as i8 as u32, c)),
        "s_sext_i32_i16" => un32!(|a, _, c| (a as i16 as u32, c)),
        "s_abs_i32" => un32!(|a, _, _| nonzero32((a as i32).wrapping_abs() as u32)),
        "s_bitset0_b32" => bit_set32::<false>,
        "s_bitset0_b64" => bit_set64::<false>,
        "s_bitset1_b32" => bit_set32::<true>,
        "s_bitset1_b64" => bit_set64::<true>,
        "s_bitreplicate_b64_b32" => widen!(|a, _, c| (twice_each_bit(a), c)),
        "s_getpc_b64" => get_pc,
        "s_setpc_b64" => set_pc,
        "s_swappc_b64" => swap_pc,
        "s_and_saveexec_b64" => save_exec!(|s, e| s & e),
        "s_or_saveexec_b64" => save_exec!(|s, e| s | e),
        "s_xor_saveexec_b64" => save_exec!(|s, e| s ^ e),
        "s_andn2_saveexec_b64" => save_exec!(|s, e| s & !e),
        "s_orn2_saveexec_b64" => save_exec!(|s, e| s | !e),
        "s_nand_saveexec_b64" => save_exec!(|s, e| !(s & e)),
        "s_nor_saveexec_b64" => save_exec!(|s, e| !(s | e)),
        "s_xnor_saveexec_b64" => save_exec!(|s, e| !(s ^ e)),
        "s_andn1_saveexec_b64" => save_exec!(|s, e| !s & e),
        "s_orn1_saveexec_b64" => save_exec!(|s, e| !s | e),
        "s_andn1_wrexec_b64" => write_exec::<true>,
        "s_andn2_wrexec_b64" => write_exec::<false>,
        "s_movrels_b32" => move_relative::<true, 1>,
        "s_movrels_b64" => move_relative::<true, 2>,
        "s_movreld_b32" => move_relative::<false, 1>,
        "s_movreld_b64" => move_relative::<false, 2>,
        "s_set_gpr_idx_idx" => set_gpr_index,
        _ => return None,
    })
}

#[rustfmt::skip]
fn sopc(name: &str) -> Option<Exec> {
    Some(match name {
        "s_cmp_eq_i32" | "s_cmp_eq_u32" => compare32!(|a, b| a == b),
        "s_cmp_lg_i32" | "s_cmp_lg_u32" => compare32!(|a, b| a != b),
        "s_cmp_gt_i32" => compare32!(|a, b| a as i32 > b as i32),
        "s_cmp_ge_i32" => compare32!(|a, b| a as i32 >= b as i32),
        "s_cmp_lt_i32" => compare32!(|a, b| (a as i32) < b as i32),
        "s_cmp_le_i32" => compare32!(|a, b| a as i32 <= b as i32),
        "s_cmp_gt_u32" => compare32!(|a, b| a > b),
        "s_cmp_ge_u32" => compare32!(|a, b| a >= b),
        "s_cmp_lt_u32" => compare32!(|a, b| a < b),
        "s_cmp_le_u32" => compare32!(|a, b| a <= b),
        "s_cmp_eq_u64" => compare64!(|a, b| a == b),
        "s_cmp_lg_u64" => compare64!(|a, b| a != b),
        "s_bitcmp0_b32" => compare32!(|a, b| a >> (b & 31) & 1 == 0),
        "s_bitcmp1_b32" => compare32!(|a, b| a >> (b & 31) & 1 == 1),
        "s_bitcmp0_b64" => bit64!(|a, b| a >> (b & 63) & 1 == 0),
        "s_bitcmp1_b64" => bit64!(|a, b| a >> (b & 63) & 1 == 1),
        "s_setvskip" => set_vskip,
        "s_set_gpr_idx_on" => gpr_index_on,
        _ => return None,
    })
}

#[rustfmt::skip]
fn sopk(name: &str) -> Option<Exec> {
    Some(match name {
        "s_movk_i32" => immediate!(|_, imm, c| (imm as u32, c)),
        "s_cmovk_i32" => immediate!(|old, imm, c| (if c { imm as u32 } else { old }, c)),
        "s_addk_i32" => immediate!(|old, imm, _| signed((old as i32).overflowing_add(imm))),
        "s_mulk_i32" => immediate!(|old, imm, c| ((old as i32).wrapping_mul(imm) as u32, c)),
        "s_cmpk_eq_i32" => compare_signed!(|a, b| a == b),
        "s_cmpk_lg_i32" => compare_signed!(|a, b| a != b),
        "s_cmpk_gt_i32" => compare_signed!(|a, b| a > b),
        "s_cmpk_ge_i32" => compare_signed!(|a, b| a >= b),
        "s_cmpk_lt_i32" => compare_signed!(|a, b| a < b),
        "s_cmpk_le_i32" => compare_signed!(|a, b| a <= b),
        "s_cmpk_eq_u32" => compare_unsigned!(|a, b| a == b),
        "s_cmpk_lg_u32" => compare_unsigned!(|a, b| a != b),
        "s_cmpk_gt_u32" => compare_unsigned!(|a, b| a > b),
        "s_cmpk_ge_u32" => compare_unsigned!(|a, b| a >= b),
        "s_cmpk_lt_u32" => compare_unsigned!(|a, b| a < b),
        "s_cmpk_le_u32" => compare_unsigned!(|a, b| a <= b),
        "s_getreg_b32" => get_register,
        "s_setreg_b32" => set_register::<false>,
        "s_setreg_imm32_b32" => set_register::<true>,
        "s_call_b64" => call,
        _ => return None,
    })
}

/// A source as 32 bits.
#[inline(always)]
fn read32(wave: &Wave, arg: Arg) -> u32 {
    wave.scalar_arg(arg)
}

/// A source as 64 bits: inline integers sign-extend, inline floats are doubles, literals zero-extend
/// (LLVM's assembler accepts for a 64-bit scalar operand what fits 32 bits unsigned).
#[inline(always)]
fn read64(wave: &Wave, arg: Arg) -> u64 {
    match arg {
        Arg::Scalar(index) => wave.scalar64(index),
        Arg::Int(value) => value as i64 as u64,
        Arg::Float(index) => INLINE_F64[index as usize],
        Arg::Literal(word) => word as u64,
        Arg::Special(which) => wave.special64(which),
        Arg::None | Arg::Vector(_) => 0,
    }
}

#[inline(always)]
fn nothing(_wave: &Wave, _arg: Arg) {}

#[inline(always)]
fn write32(wave: &mut Wave, arg: Arg, value: u32) {
    if let Arg::Scalar(index) = arg {
        wave.scalar[index as usize & 127] = value;
    }
}

#[inline(always)]
fn write64(wave: &mut Wave, arg: Arg, value: u64) {
    if let Arg::Scalar(index) = arg {
        wave.set_scalar64(index, value);
    }
}

#[inline(always)]
fn discard(_wave: &mut Wave, _arg: Arg, _value: ()) {}

#[inline(always)]
fn nonzero32(value: u32) -> (u32, bool) {
    (value, value != 0)
}

#[inline(always)]
fn nonzero64(value: u64) -> (u64, bool) {
    (value, value != 0)
}

#[inline(always)]
fn signed((value, overflow): (i32, bool)) -> (u32, bool) {
    (value as u32, overflow)
}

fn low_mask(width: u32) -> u64 {
    if width >= 64 { !0 } else { (1 << width) - 1 }
}

/// The low `width` bits as a signed number.
fn extend(value: i64, width: u32) -> i64 {
    match width {
        0 => 0,
        1..=63 => value << (64 - width) >> (64 - width),
        _ => value,
    }
}

fn shift_add(a: u32, b: u32, shift: u32) -> (u32, bool) {
    let sum = ((a as u64) << shift) + b as u64;
    (sum as u32, sum >> 32 != 0)
}

fn first_one(value: u64) -> u32 {
    match value.trailing_zeros() {
        64 => !0,
        n => n,
    }
}

/// How many bits from the top equal the sign; −1 if all do.
fn sign_bits32(value: u32) -> u32 {
    let changes = value ^ (value as i32 >> 31) as u32;
    if changes == 0 { !0 } else { changes.leading_zeros() }
}

fn sign_bits64(value: u64) -> u32 {
    let changes = value ^ (value as i64 >> 63) as u64;
    if changes == 0 { !0 } else { changes.leading_zeros() }
}

/// Bit i: any of bits 4i to 4i+3.
fn quad_mask(value: u64) -> u64 {
    (0..16).filter(|quad| value >> (4 * quad) & 15 != 0).fold(0, |mask, quad| mask | 1 << quad)
}

/// All four bits of every group that has one.
fn whole_quads(value: u64) -> u64 {
    (0..16).filter(|quad| value >> (4 * quad) & 15 != 0).fold(0, |mask, quad| mask | 15 << (4 * quad))
}

fn twice_each_bit(value: u32) -> u64 {
    (0..32).fold(0, |all, bit| all | ((value as u64 >> bit & 1) * (3 << (2 * bit))))
}

fn conditional_move32(wave: &mut Wave, op: &Op, _cx: &mut Cx<'_>) -> Step {
    if wave.scc {
        let value = read32(wave, op.src[0]);
        write32(wave, op.dst, value);
    }
    Ok(())
}

fn conditional_move64(wave: &mut Wave, op: &Op, _cx: &mut Cx<'_>) -> Step {
    if wave.scc {
        let value = read64(wave, op.src[0]);
        write64(wave, op.dst, value);
    }
    Ok(())
}

fn bit_set32<const TO: bool>(wave: &mut Wave, op: &Op, _cx: &mut Cx<'_>) -> Step {
    let bit = 1 << (read32(wave, op.src[0]) & 31);
    let old = read32(wave, op.dst);
    write32(wave, op.dst, if TO { old | bit } else { old & !bit });
    Ok(())
}

fn bit_set64<const TO: bool>(wave: &mut Wave, op: &Op, _cx: &mut Cx<'_>) -> Step {
    let bit = 1 << (read32(wave, op.src[0]) & 63);
    let old = read64(wave, op.dst);
    write64(wave, op.dst, if TO { old | bit } else { old & !bit });
    Ok(())
}

fn write_exec<const SOURCE_INVERTED: bool>(wave: &mut Wave, op: &Op, _cx: &mut Cx<'_>) -> Step {
    let (source, old) = (read64(wave, op.src[0]), wave.exec());
    let new = if SOURCE_INVERTED { !source & old } else { source & !old };
    wave.set_scalar64(EXEC, new);
    write64(wave, op.dst, new);
    wave.scc = new != 0;
    Ok(())
}

fn get_pc(wave: &mut Wave, op: &Op, _cx: &mut Cx<'_>) -> Step {
    let next = wave.next_pc;
    write64(wave, op.dst, next);
    Ok(())
}

fn set_pc(wave: &mut Wave, op: &Op, _cx: &mut Cx<'_>) -> Step {
    wave.next_pc = read64(wave, op.src[0]);
    Ok(())
}

fn swap_pc(wave: &mut Wave, op: &Op, _cx: &mut Cx<'_>) -> Step {
    let (target, back) = (read64(wave, op.src[0]), wave.next_pc);
    write64(wave, op.dst, back);
    wave.next_pc = target;
    Ok(())
}

fn call(wave: &mut Wave, op: &Op, _cx: &mut Cx<'_>) -> Step {
    let back = wave.next_pc;
    write64(wave, op.dst, back);
    wave.next_pc = back.wrapping_add_signed(4 * op.imm as i64);
    Ok(())
}

/// The scalar register `M0` after the named one. A register beyond the file is a fault: the device leaves
/// the outcome open.
fn move_relative<const FROM: bool, const DWORDS: usize>(wave: &mut Wave, op: &Op, _cx: &mut Cx<'_>) -> Step {
    let relative = if FROM { op.src[0] } else { op.dst };
    let Arg::Scalar(base) = relative else { return Ok(()) };
    let index = base as u64 + wave.m0() as u64;
    if index + DWORDS as u64 > M0 as u64 {
        return Err(Fault::new(FaultKind::BadRegister {
            register: index.min(u16::MAX as u64) as u16,
            allocated: M0 as u16,
        }));
    }
    let moved = Arg::Scalar(index as u8);
    let (from, to) = if FROM { (moved, op.dst) } else { (op.src[0], moved) };
    if DWORDS == 1 {
        let value = read32(wave, from);
        write32(wave, to, value);
    } else {
        let value = read64(wave, from);
        write64(wave, to, value);
    }
    Ok(())
}

/// `s_set_gpr_idx_on`: the index to M0\[7:0\], the mask of indexed operands to M0\[15:12\].
fn gpr_index_on(wave: &mut Wave, op: &Op, _cx: &mut Cx<'_>) -> Step {
    let index = read32(wave, op.src[0]) & 0xff;
    wave.scalar[M0 as usize] = wave.m0() & !0xf0ff | index | (op.imm as u32 & 15) << 12;
    wave.mode |= GPR_INDEX;
    Ok(())
}

fn set_gpr_index(wave: &mut Wave, op: &Op, _cx: &mut Cx<'_>) -> Step {
    wave.scalar[M0 as usize] = wave.m0() & !0xff | read32(wave, op.src[0]) & 0xff;
    Ok(())
}

fn set_vskip(wave: &mut Wave, op: &Op, _cx: &mut Cx<'_>) -> Step {
    let skip = read32(wave, op.src[0]) >> (read32(wave, op.src[1]) & 31) & 1 == 1;
    wave.mode = if skip { wave.mode | VSKIP } else { wave.mode & !VSKIP };
    Ok(())
}

/// Hardware registers by number (LLVM, `SIDefines.h`).
const HW_MODE: u32 = 1;
const HW_STATUS: u32 = 2;
const HW_SH_MEM_BASES: u32 = 15;

/// `s_getreg_b32`: MODE, the flags of STATUS and the apertures; what describes placement on a real chip
/// (HW_ID, XCC_ID, allocations) reads 0.
fn get_register(wave: &mut Wave, op: &Op, _cx: &mut Cx<'_>) -> Step {
    let (id, offset, width) = hardware_field(op);
    let whole = match id {
        HW_MODE => wave.mode,
        HW_STATUS => wave.scc as u32 | ((wave.exec() == 0) as u32) << 9 | ((wave.vcc() == 0) as u32) << 10,
        HW_SH_MEM_BASES => (PRIVATE_BASE >> 48) as u32 | ((SHARED_BASE >> 48) as u32) << 16,
        _ => 0,
    };
    write32(wave, op.dst, whole >> offset & low_mask(width) as u32);
    Ok(())
}

/// `s_setreg`: only MODE has an effect.
fn set_register<const LITERAL: bool>(wave: &mut Wave, op: &Op, _cx: &mut Cx<'_>) -> Step {
    let (id, offset, width) = hardware_field(op);
    let value = if LITERAL { op.bits } else { read32(wave, op.src[0]) };
    if id == HW_MODE {
        let mask = (low_mask(width) << offset) as u32;
        wave.mode = wave.mode & !mask | value << offset & mask;
    }
    Ok(())
}

/// Number, first bit and width of the field that `simm16` names.
fn hardware_field(op: &Op) -> (u32, u32, u32) {
    let code = op.imm as u32;
    (code & 63, code >> 6 & 31, (code >> 11 & 31) + 1)
}
