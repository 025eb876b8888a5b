//! VOP3P: packed 16-bit and packed f32 arithmetic, mixed-precision fma, dot products.

use crate::{
    exec::valu::{
        bit, each,
        fetch::{Kind, constant, old, write},
        float::{self, max2_nan, min2_nan, propagate3_nan},
        half::{self, fma_odd, to_f32},
        integer::{saturate_i16, saturate_u16, sext},
        packed::{
            dot_f32, dot_i32, packed_f16x2, packed_f16x3, packed_int2, packed_mad, packed_pick2,
            packed_pick3, pair_f32x2, pair_f32x3, pair_mov,
        },
        soft::{
            Arith::{Add, Fma, Mul},
            Round,
        },
    },
    fault::Fault,
    lanes::Lanes,
    op::{Arg, Op},
    simd::{Exec, Step, simd},
    wave::Wave,
};

pub(super) fn handler(mnemonic: &str) -> Option<Exec> {
    Some(match mnemonic {
        "v_pk_add_f16" => each!(packed_f16x2[Add]: |a, b| a + b),
        "v_pk_mul_f16" => each!(packed_f16x2[Mul]: |a, b| a * b),
        "v_pk_fma_f16" => each!(packed_f16x3[Fma]: fma_odd),
        "v_pk_min_f16" => each!(packed_pick2[min2_nan]: |a, b| a.min(b)),
        "v_pk_max_f16" => each!(packed_pick2[max2_nan]: |a, b| a.max(b)),
        "v_pk_minimum3_f16" => each!(packed_pick3[propagate3_nan]: |a, b, c| a.min(b).min(c)),
        "v_pk_maximum3_f16" => each!(packed_pick3[propagate3_nan]: |a, b, c| a.max(b).max(c)),

        "v_pk_add_u16" => each!(packed_int2[u16::saturating_add]: |a, b| a.wrapping_add(b)),
        "v_pk_sub_u16" => each!(packed_int2[u16::saturating_sub]: |a, b| a.wrapping_sub(b)),
        "v_pk_add_i16" => {
            each!(packed_int2[|a, b| (a as i16).saturating_add(b as i16) as u16]: |a, b| a.wrapping_add(b))
        }
        "v_pk_sub_i16" => {
            each!(packed_int2[|a, b| (a as i16).saturating_sub(b as i16) as u16]: |a, b| a.wrapping_sub(b))
        }
        "v_pk_mul_lo_u16" => each!(packed_int2[|a, b| a.wrapping_mul(b)]: |a, b| a.wrapping_mul(b)),
        "v_pk_lshlrev_b16" => each!(packed_int2[|a, b| b << (a & 15)]: |a, b| b << (a & 15)),
        "v_pk_lshrrev_b16" => each!(packed_int2[|a, b| b >> (a & 15)]: |a, b| b >> (a & 15)),
        "v_pk_ashrrev_i16" => {
            each!(packed_int2[|a, b| (b as i16 >> (a & 15)) as u16]: |a, b| (b as i16 >> (a & 15)) as u16)
        }
        "v_pk_max_i16" => {
            each!(packed_int2[|a, b| (a as i16).max(b as i16) as u16]: |a, b| (a as i16).max(b as i16) as u16)
        }
        "v_pk_min_i16" => {
            each!(packed_int2[|a, b| (a as i16).min(b as i16) as u16]: |a, b| (a as i16).min(b as i16) as u16)
        }
        "v_pk_max_u16" => each!(packed_int2[|a, b| a.max(b)]: |a, b| a.max(b)),
        "v_pk_min_u16" => each!(packed_int2[|a, b| a.min(b)]: |a, b| a.min(b)),
        "v_pk_mad_i16" => each!(packed_mad: mad_i16),
        "v_pk_mad_u16" => each!(packed_mad: mad_u16),

        "v_pk_add_f32" => each!(pair_f32x2[Add]: |a, b| a + b),
        "v_pk_mul_f32" => each!(pair_f32x2[Mul]: |a, b| a * b),
        "v_pk_fma_f32" => each!(pair_f32x3[Fma]: |a, b, c| a.mul_add(b, c)),
        "v_pk_mov_b32" => simd!(|wave, op, _cx| pair_mov(wave, op)),

        "v_fma_mix_f32" | "v_mad_mix_f32" => simd!(|wave, op, _cx| mix(wave, op, None)),
        "v_fma_mixlo_f16" | "v_mad_mixlo_f16" => simd!(|wave, op, _cx| mix(wave, op, Some(0))),
        "v_fma_mixhi_f16" | "v_mad_mixhi_f16" => simd!(|wave, op, _cx| mix(wave, op, Some(16))),

        "v_dot2_f32_f16" => each!(dot_f32[Kind::PackedF16]: f16_pair),
        "v_dot2_f32_bf16" => each!(dot_f32[Kind::PackedBf16]: |a, b, c| {
            let high = f32::from_bits(a & 0xffff_0000) * f32::from_bits(b & 0xffff_0000);
            (f32::from_bits(a << 16) * f32::from_bits(b << 16) + high) + c
        }),
        "v_dot2_i32_i16" => each!(dot_i32[16, true]: |x| sext(x, 16) as i64),
        "v_dot2_u32_u16" => each!(dot_i32[16, false]: |x| (x & 0xffff) as i64),
        "v_dot4_i32_i8" => each!(dot_i32[8, true]: |x| sext(x, 8) as i64),
        "v_dot4_u32_u8" => each!(dot_i32[8, false]: |x| (x & 0xff) as i64),
        "v_dot8_i32_i4" => each!(dot_i32[4, true]: |x| sext(x, 4) as i64),
        "v_dot8_u32_u4" => each!(dot_i32[4, false]: |x| (x & 0xf) as i64),
        _ => return None,
    })
}

/// Two f16 products added one after the other: products are exact in f32.
#[inline(always)]
pub(super) fn f16_pair(a: u32, b: u32, c: f32) -> f32 {
    (c + to_f32(a) * to_f32(b)) + to_f32(a >> 16) * to_f32(b >> 16)
}

/// Two bf16 products added one after the other.
#[inline(always)]
pub(super) fn bf16_pair(a: u32, b: u32, c: f32) -> f32 {
    let low = c + f32::from_bits(a << 16) * f32::from_bits(b << 16);
    low + f32::from_bits(a & 0xffff_0000) * f32::from_bits(b & 0xffff_0000)
}

#[inline(always)]
pub(super) fn mad_i16(a: u16, b: u16, c: u16, clamp: bool) -> u16 {
    let wide = a as i16 as i32 * b as i16 as i32;
    if clamp {
        saturate_i16(wide.saturating_add(c as i16 as i32))
    } else {
        wide.wrapping_add(c as i16 as i32) as u16
    }
}

#[inline(always)]
pub(super) fn mad_u16(a: u16, b: u16, c: u16, clamp: bool) -> u16 {
    let wide = a as u32 as i64 * b as i64 + c as i64;
    if clamp { saturate_u16(wide.min(u16::MAX as i64) as i32) } else { wide as u16 }
}

/// Mixed-precision fma in f32; `half` is the bit position of an f16 result that keeps the other half.
#[inline(always)]
fn mix(wave: &mut Wave, op: &Op, half: Option<u32>) -> Step {
    let (a, b, c) = (mix_source(wave, op, 0)?, mix_source(wave, op, 1)?, mix_source(wave, op, 2)?);
    let mut result = float::apply(wave, Fma, [&a, &b, &c], |[a, b, c]| a.mul_add(b, c));
    if op.bits & bit::FINISH != 0 {
        float::finish(wave.mode, op, &mut result);
    }
    let Some(shift) = half else { return write(wave, op, &result) };
    let round = Round::half_double(wave.mode);
    let mut rounded =
        Lanes(std::array::from_fn(|lane| half::from_f32_rounded(f32::from_bits(result[lane]), round)));
    half::flush(wave.mode, &mut rounded);
    let old = old(wave, op)?;
    let merged = Lanes(std::array::from_fn(|lane| old[lane] & !(0xffff << shift) | rounded[lane] << shift));
    write(wave, op, &merged)
}

/// A mixed-precision source as f32: `op_sel_hi` says f16, `op_sel` which half; `neg_hi` is the magnitude.
#[inline(never)]
fn mix_source(wave: &Wave, op: &Op, i: usize) -> Result<Lanes, Box<Fault>> {
    let on = |mask: u8| mask >> i & 1 != 0;
    let is_half = on(op.mods.op_sel_hi);
    let mut lanes = match op.src[i] {
        Arg::Vector(register) => *wave.vector(register)?,
        other => Lanes::splat(constant(wave, other, if is_half { Kind::F16 } else { Kind::F32 }, 0)),
    };
    let shift = if on(op.mods.op_sel) { 16 } else { 0 };
    for bits in lanes.iter_mut() {
        let mut value = if is_half { to_f32(*bits >> shift).to_bits() } else { *bits };
        if on(op.mods.abs) {
            value &= !(1 << 31);
        }
        if on(op.mods.neg) {
            value ^= 1 << 31;
        }
        *bits = value;
    }
    Ok(lanes)
}
