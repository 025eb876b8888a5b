//! Two-source instructions, conversions and 64-bit shifts apart.

use crate::{
    exec::valu::{
        each,
        fetch::{Kind, Rest, read_mask, source, write},
        float::{f32_pick2, f32x2, f32x3, max2_nan, min2_nan},
        half::{self, f16_pick2, f16x2, f16x3, fma_odd, from_f32, to_f32},
        integer::{carry, int2, int2_clamp, sext, word2, word2_clamp},
        packed::{dot_f32, dot_i32, packed_f16x3},
        soft::{
            self,
            Arith::{Add, Exact, Fma, Mul, Sub, SubRev},
        },
        vop3p::{bf16_pair, f16_pair},
    },
    lanes::Lanes,
    op::Op,
    simd::{Exec, Step, simd},
    wave::Wave,
};

pub(super) fn handler(mnemonic: &str) -> Option<Exec> {
    Some(match mnemonic {
        "v_cndmask_b32" => simd!(|wave, op, _cx| cndmask(wave, op)),
        "v_add_f32" => each!(f32x2[Add]: |a, b| a + b),
        "v_sub_f32" => each!(f32x2[Sub]: |a, b| a - b),
        "v_subrev_f32" => each!(f32x2[SubRev]: |a, b| b - a),
        "v_mul_f32" => each!(f32x2[Mul]: |a, b| a * b),
        "v_mul_legacy_f32" => each!(f32x2[Exact]: |a, b| if a == 0.0 || b == 0.0 { 0.0 } else { a * b }),
        "v_fmac_f32" | "v_fmaak_f32" | "v_fmamk_f32" => each!(f32x3[Fma]: |a, b, c| a.mul_add(b, c)),
        "v_min_f32" => each!(f32_pick2[min2_nan]: |a, b| a.min(b)),
        "v_max_f32" => each!(f32_pick2[max2_nan]: |a, b| a.max(b)),

        "v_mul_i32_i24" => each!(int2: |a, b| sext(a, 24).wrapping_mul(sext(b, 24)) as u32),
        "v_mul_hi_i32_i24" => each!(int2: |a, b| ((sext(a, 24) as i64 * sext(b, 24) as i64) >> 32) as u32),
        "v_mul_u32_u24" => each!(int2: |a, b| (a & 0xff_ffff).wrapping_mul(b & 0xff_ffff)),
        "v_mul_hi_u32_u24" => {
            each!(int2: |a, b| (((a & 0xff_ffff) as u64 * (b & 0xff_ffff) as u64) >> 32) as u32)
        }
        "v_min_i32" => each!(int2: |a, b| (a as i32).min(b as i32) as u32),
        "v_max_i32" => each!(int2: |a, b| (a as i32).max(b as i32) as u32),
        "v_min_u32" => each!(int2: |a, b| a.min(b)),
        "v_max_u32" => each!(int2: |a, b| a.max(b)),
        "v_lshrrev_b32" => each!(int2: |a, b| b >> (a & 31)),
        "v_ashrrev_i32" => each!(int2: |a, b| (b as i32 >> (a & 31)) as u32),
        "v_lshlrev_b32" => each!(int2: |a, b| b << (a & 31)),
        "v_and_b32" => each!(int2: |a, b| a & b),
        "v_or_b32" => each!(int2: |a, b| a | b),
        "v_xor_b32" => each!(int2: |a, b| a ^ b),
        "v_xnor_b32" => each!(int2: |a, b| !(a ^ b)),
        "v_add_u32" => each!(int2_clamp[u32::saturating_add]: |a, b| a.wrapping_add(b)),
        "v_sub_u32" => each!(int2_clamp[u32::saturating_sub]: |a, b| a.wrapping_sub(b)),
        "v_subrev_u32" => each!(int2_clamp[|a, b| b.saturating_sub(a)]: |a, b| b.wrapping_sub(a)),

        "v_add_co_u32" => each!(carry[false]: |a, b, _| a + b),
        "v_sub_co_u32" => each!(carry[false]: |a, b, _| a.wrapping_sub(b)),
        "v_subrev_co_u32" => each!(carry[false]: |a, b, _| b.wrapping_sub(a)),
        "v_addc_co_u32" => each!(carry[true]: |a, b, c| a + b + c),
        "v_subb_co_u32" => each!(carry[true]: |a, b, c| a.wrapping_sub(b + c)),
        "v_subbrev_co_u32" => each!(carry[true]: |a, b, c| b.wrapping_sub(a + c)),

        "v_add_f16" => each!(f16x2[Add]: |a, b| a + b),
        "v_sub_f16" => each!(f16x2[Sub]: |a, b| a - b),
        "v_subrev_f16" => each!(f16x2[SubRev]: |a, b| b - a),
        "v_mul_f16" => each!(f16x2[Mul]: |a, b| a * b),
        "v_mac_f16" | "v_madmk_f16" | "v_madak_f16" => {
            each!(f16x3[Exact, Rest::Keep]: |a, b, c| to_f32(from_f32(a * b)) + c)
        }
        "v_fmac_f16" | "v_fmamk_f16" | "v_fmaak_f16" => {
            each!(f16x3[Fma, Rest::Keep]: fma_odd)
        }
        "v_min_f16" => each!(f16_pick2[min2_nan]: |a, b| a.min(b)),
        "v_max_f16" => each!(f16_pick2[max2_nan]: |a, b| a.max(b)),
        "v_ldexp_f16" => simd!(|wave, op, _cx| ldexp16(wave, op)),

        "v_add_u16" => each!(word2_clamp[Rest::Zero, u16::saturating_add]: |a, b| a.wrapping_add(b)),
        "v_sub_u16" => each!(word2_clamp[Rest::Zero, u16::saturating_sub]: |a, b| a.wrapping_sub(b)),
        "v_subrev_u16" => {
            each!(word2_clamp[Rest::Zero, |a, b| b.saturating_sub(a)]: |a, b| b.wrapping_sub(a))
        }
        "v_mul_lo_u16" => each!(word2[Rest::Zero]: |a, b| a.wrapping_mul(b)),
        "v_lshlrev_b16" => each!(word2[Rest::Zero]: |a, b| b << (a & 15)),
        "v_lshrrev_b16" => each!(word2[Rest::Zero]: |a, b| b >> (a & 15)),
        "v_ashrrev_i16" => each!(word2[Rest::Zero]: |a, b| (b as i16 >> (a & 15)) as u16),
        "v_max_u16" => each!(word2[Rest::Zero]: |a, b| a.max(b)),
        "v_min_u16" => each!(word2[Rest::Zero]: |a, b| a.min(b)),
        "v_max_i16" => each!(word2[Rest::Zero]: |a, b| (a as i16).max(b as i16) as u16),
        "v_min_i16" => each!(word2[Rest::Zero]: |a, b| (a as i16).min(b as i16) as u16),

        "v_dot2c_f32_f16" => each!(dot_f32[Kind::PackedF16]: f16_pair),
        "v_dot2c_f32_bf16" => each!(dot_f32[Kind::PackedBf16]: bf16_pair),
        "v_dot2c_i32_i16" => each!(dot_i32[16, true]: |x| sext(x, 16) as i64),
        "v_dot4c_i32_i8" => each!(dot_i32[8, true]: |x| sext(x, 8) as i64),
        "v_dot8c_i32_i4" => each!(dot_i32[4, true]: |x| sext(x, 4) as i64),
        "v_pk_fmac_f16" => each!(packed_f16x3[Fma]: fma_odd),
        _ => return None,
    })
}

/// Source 1 where the mask in source 2 is set, else source 0; VOP3 may negate both.
#[inline(always)]
fn cndmask(wave: &mut Wave, op: &Op) -> Step {
    source!(a, wave, op, 0, Kind::F32);
    source!(b, wave, op, 1, Kind::F32);
    let mask = read_mask(wave, op.src[2]);
    let mut result = Lanes::ZERO;
    for lane in 0..64 {
        let chosen = ((mask >> lane) as u32 & 1).wrapping_neg();
        result[lane] = a[lane] ^ ((a[lane] ^ b[lane]) & chosen);
    }
    write(wave, op, &result)
}

/// f16 · 2^i16 with one rounding.
#[inline(always)]
fn ldexp16(wave: &mut Wave, op: &Op) -> Step {
    source!(a, wave, op, 0, Kind::F16);
    source!(b, wave, op, 1, Kind::B16);
    let round = soft::Round::half_double(wave.mode);
    let mut result = Lanes(std::array::from_fn(|lane| {
        let exponent = (b[lane] as u16 as i16 as i32).clamp(-64, 64);
        half::from_f32_rounded(to_f32(a[lane]) * f32::from_bits(((exponent + 127) as u32) << 23), round)
    }));
    half::settle_nans(&mut result, &[a]);
    half::flush(wave.mode, &mut result);
    half::finish_write(wave, op, result, Rest::Zero)
}
