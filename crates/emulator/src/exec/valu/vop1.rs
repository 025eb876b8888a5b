//! One-source instructions, conversions apart.

use crate::{
    exec::valu::{
        double::{f64x1, wide_source, write_wide},
        each,
        fetch::{Kind, Rest, source, write, write_half},
        float::{f32x1, flush, flush_mask, mode},
        half::{f16x1, to_f32},
        integer::int1,
        soft::Arith::Exact,
        transcendental as t,
    },
    lanes::Lanes,
    op::Op,
    simd::{Exec, Step, simd},
    wave::Wave,
};

pub(super) fn handler(mnemonic: &str) -> Option<Exec> {
    Some(match mnemonic {
        "v_nop" | "v_clrexcp" => simd!(|_wave, _op, _cx| Ok(())),
        "v_mov_b32" => each!(int1: |a| a),
        "v_mov_b64" => simd!(|wave, op, _cx| mov64(wave, op)),
        "v_not_b32" => each!(int1: |a| !a),
        "v_bfrev_b32" => each!(int1: |a| a.reverse_bits()),
        "v_ffbh_u32" => each!(int1: |a| if a == 0 { !0 } else { a.leading_zeros() }),
        "v_ffbl_b32" => each!(int1: |a| if a == 0 { !0 } else { a.trailing_zeros() }),
        "v_ffbh_i32" => each!(int1: |a| {
            let differing = a ^ ((a as i32 >> 31) as u32);
            if differing == 0 { !0 } else { differing.leading_zeros() }
        }),
        "v_prng_b32" => each!(int1: |a| a << 1 ^ if a >> 31 != 0 { 197 } else { 0 }),
        "v_sat_pk_u8_i16" => each!(int1: |a| {
            let byte = |word: u32| (word as u16 as i16).clamp(0, 255) as u32;
            byte(a) | byte(a >> 16) << 8
        }),

        "v_trunc_f32" => each!(f32x1[Exact]: t::trunc),
        "v_ceil_f32" => each!(f32x1[Exact]: t::ceil),
        "v_floor_f32" => each!(f32x1[Exact]: t::floor),
        "v_rndne_f32" => each!(f32x1[Exact]: t::rndne),
        "v_fract_f32" => each!(f32x1[Exact]: |a| t::fract_below(a, 0x3f7f_ffff)),
        "v_exp_f32" | "v_exp_legacy_f32" => each!(flushing: t::exp2),
        "v_log_f32" | "v_log_legacy_f32" => each!(flushing: t::log2),
        "v_rcp_f32" | "v_rcp_iflag_f32" => each!(flushing: |a| 1.0 / a),
        "v_rsq_f32" => each!(flushing: t::rsq),
        "v_sqrt_f32" => each!(flushing: |a| a.sqrt()),
        "v_sin_f32" => each!(f32x1[Exact]: t::sin),
        "v_cos_f32" => each!(f32x1[Exact]: t::cos),
        "v_frexp_mant_f32" => each!(f32x1[Exact]: |a| t::frexp_mantissa(a as f64) as f32),
        "v_frexp_exp_i32_f32" => simd!(|wave, op, _cx| exponent32(wave, op)),

        "v_trunc_f16" => each!(f16x1[Exact]: t::trunc),
        "v_ceil_f16" => each!(f16x1[Exact]: t::ceil),
        "v_floor_f16" => each!(f16x1[Exact]: t::floor),
        "v_rndne_f16" => each!(f16x1[Exact]: t::rndne),
        "v_fract_f16" => each!(f16x1[Exact]: |a| t::fract_below(a, 0x3f7f_e000)),
        "v_exp_f16" => each!(f16x1[Exact]: t::exp2),
        "v_log_f16" => each!(f16x1[Exact]: t::log2),
        "v_rcp_f16" => each!(f16x1[Exact]: |a| 1.0 / a),
        "v_rsq_f16" => each!(f16x1[Exact]: t::rsq),
        "v_sqrt_f16" => each!(f16x1[Exact]: |a| a.sqrt()),
        "v_sin_f16" => each!(f16x1[Exact]: t::sin),
        "v_cos_f16" => each!(f16x1[Exact]: t::cos),
        "v_frexp_mant_f16" => each!(f16x1[Exact]: |a| t::frexp_mantissa(a as f64) as f32),
        "v_frexp_exp_i16_f16" => simd!(|wave, op, _cx| exponent16(wave, op)),

        "v_trunc_f64" => each!(f64x1: |a| a.trunc()),
        "v_ceil_f64" => each!(f64x1: |a| a.ceil()),
        "v_floor_f64" => each!(f64x1: |a| a.floor()),
        "v_rndne_f64" => each!(f64x1: |a| a.round_ties_even()),
        "v_fract_f64" => each!(f64x1: |a| {
            let fraction = a - a.floor();
            if fraction >= 1.0 { f64::from_bits(0x3fef_ffff_ffff_ffff) } else { fraction }
        }),
        "v_rcp_f64" => each!(f64x1: |a| 1.0 / a),
        "v_rsq_f64" => each!(f64x1: |a| 1.0 / a.sqrt()),
        "v_sqrt_f64" => each!(f64x1: |a| a.sqrt()),
        "v_frexp_mant_f64" => each!(f64x1: t::frexp_mantissa),
        "v_frexp_exp_i32_f64" => simd!(|wave, op, _cx| exponent64(wave, op)),
        _ => return None,
    })
}

/// f32 instructions that treat denormal inputs and results as zeros of their sign whatever MODE says:
/// v_exp, v_log, v_rcp, v_rsq and v_sqrt (GFX9 manuals: "1 ULP accuracy, denormals are flushed"; LLVM scales
/// their operands around that).
#[inline(always)]
fn flushing(wave: &mut Wave, op: &Op, rule: impl Fn(f32) -> f32) -> Step {
    f32x1(wave, op, Exact, |a| {
        let input = f32::from_bits(flush(a.to_bits(), !0 >> 1));
        f32::from_bits(flush(rule(input).to_bits(), !0 >> 1))
    })
}

#[inline(always)]
fn mov64(wave: &mut Wave, op: &Op) -> Step {
    wide_source!(a, wave, op, 0, Kind::B64);
    write_wide(wave, op, &a)
}

#[inline(always)]
fn exponent32(wave: &mut Wave, op: &Op) -> Step {
    source!(a, wave, op, 0, Kind::F32);
    let mask = flush_mask(wave.mode, mode::SINGLE_IN);
    let result = Lanes(std::array::from_fn(|lane| {
        t::frexp_exponent(f32::from_bits(flush(a[lane], mask)) as f64) as u32
    }));
    write(wave, op, &result)
}

#[inline(always)]
fn exponent16(wave: &mut Wave, op: &Op) -> Step {
    source!(a, wave, op, 0, Kind::F16);
    let result = Lanes(std::array::from_fn(|lane| t::frexp_exponent(to_f32(a[lane]) as f64) as u32 & 0xffff));
    write_half(wave, op, &result, Rest::Zero)
}

#[inline(always)]
fn exponent64(wave: &mut Wave, op: &Op) -> Step {
    wide_source!(a, wave, op, 0, Kind::F64);
    let result = Lanes(std::array::from_fn(|lane| t::frexp_exponent(f64::from_bits(a[lane])) as u32));
    write(wave, op, &result)
}
