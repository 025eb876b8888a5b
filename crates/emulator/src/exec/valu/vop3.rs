//! Three-source instructions and the two-source ones that exist only in VOP3.

use crate::{
    exec::valu::{
        double::{self, Wide, f64_pick, f64x2, f64x3, shift64, wide_source, write_wide},
        each,
        fetch::{Kind, Rest, source, write, write_half, write_mask, write_part},
        float::{
            self, f32_pick3, f32x3, flush, flush_mask, max3_nan, median, min3_nan, mode, propagate3_nan,
        },
        half::{self, f16_pick3, f16x3, fma_odd, from_f32, to_f32},
        integer::{
            int2, int2_clamp, int3, int3_clamp, saturate_i16, saturate_i32, saturate_u32, sext, word2_clamp,
            word3,
        },
        soft::{
            self,
            Arith::{Add, Exact, Fma, Mul},
            Round,
        },
        vop3p::{mad_i16, mad_u16},
    },
    lanes::Lanes,
    op::Op,
    simd::{Exec, Step, simd},
    wave::Wave,
};

pub(super) fn handler(mnemonic: &str) -> Option<Exec> {
    Some(match mnemonic {
        "v_fma_f32" | "v_fma_legacy_f32" => each!(f32x3[Fma]: |a, b, c| a.mul_add(b, c)),
        "v_min3_f32" => each!(f32_pick3[min3_nan]: |a, b, c| a.min(b).min(c)),
        "v_max3_f32" => each!(f32_pick3[max3_nan]: |a, b, c| a.max(b).max(c)),
        "v_med3_f32" => each!(f32_pick3[min3_nan]: median),
        "v_minimum3_f32" => each!(f32_pick3[propagate3_nan]: |a, b, c| a.min(b).min(c)),
        "v_maximum3_f32" => each!(f32_pick3[propagate3_nan]: |a, b, c| a.max(b).max(c)),
        "v_div_fixup_f32" => simd!(|wave, op, _cx| div_fixup_single(wave, op)),
        "v_div_fmas_f32" => simd!(|wave, op, _cx| div_fmas_single(wave, op)),
        "v_div_scale_f32" => simd!(|wave, op, _cx| div_scale_single(wave, op)),
        "v_ldexp_f32" => simd!(|wave, op, _cx| ldexp_single(wave, op)),
        "v_cubeid_f32" => each!(f32x3[Exact]: |x, y, z| cube(x, y, z)[0]),
        "v_cubesc_f32" => each!(f32x3[Exact]: |x, y, z| cube(x, y, z)[1]),
        "v_cubetc_f32" => each!(f32x3[Exact]: |x, y, z| cube(x, y, z)[2]),
        "v_cubema_f32" => each!(f32x3[Exact]: |x, y, z| cube(x, y, z)[3]),

        "v_mad_i32_i24" => {
            each!(int3_clamp[|a, b, c| saturate_i32(sext(a, 24) as i64 * sext(b, 24) as i64 + c as i32 as i64)]:
                |a, b, c| sext(a, 24).wrapping_mul(sext(b, 24)).wrapping_add(c as i32) as u32)
        }
        "v_mad_u32_u24" => {
            each!(int3_clamp[|a, b, c| saturate_u32((a & 0xff_ffff) as u64 * (b & 0xff_ffff) as u64 + c as u64)]:
                |a, b, c| (a & 0xff_ffff).wrapping_mul(b & 0xff_ffff).wrapping_add(c))
        }
        "v_mad_u32_u16" => simd!(|wave, op, _cx| mad_words(wave, op, false)),
        "v_mad_i32_i16" => simd!(|wave, op, _cx| mad_words(wave, op, true)),
        "v_bfe_u32" => each!(int3: |a, b, c| a >> (b & 31) & ((1u32 << (c & 31)) - 1)),
        "v_bfe_i32" => each!(int3: |a, b, c| bfe_signed(a, b & 31, c & 31)),
        "v_bfi_b32" => each!(int3: |a, b, c| a & b | !a & c),
        "v_bfm_b32" => each!(int2: |a, b| ((1u32 << (a & 31)) - 1) << (b & 31)),
        "v_alignbit_b32" => each!(int3: |a, b, c| ((a as u64) << 32 | b as u64).wrapping_shr(c & 31) as u32),
        "v_alignbyte_b32" => {
            each!(int3: |a, b, c| ((a as u64) << 32 | b as u64).wrapping_shr(8 * (c & 3)) as u32)
        }
        "v_min3_i32" => each!(int3: |a, b, c| (a as i32).min(b as i32).min(c as i32) as u32),
        "v_max3_i32" => each!(int3: |a, b, c| (a as i32).max(b as i32).max(c as i32) as u32),
        "v_med3_i32" => each!(int3: |a, b, c| median(a as i32, b as i32, c as i32) as u32),
        "v_min3_u32" => each!(int3: |a, b, c| a.min(b).min(c)),
        "v_max3_u32" => each!(int3: |a, b, c| a.max(b).max(c)),
        "v_med3_u32" => each!(int3: |a, b, c| a.min(b).max(a.max(b).min(c))),
        "v_lerp_u8" => {
            each!(int3: |a, b, c| bytes(|i| ((byte(a, i) + byte(b, i) + (byte(c, i) & 1)) >> 1) << (8 * i)))
        }
        "v_sad_u8" => {
            each!(int3_clamp[|a, b, c| c.saturating_add(sad(a, b))]: |a, b, c| c.wrapping_add(sad(a, b)))
        }
        "v_sad_hi_u8" => {
            each!(int3_clamp[|a, b, c| c.saturating_add(sad(a, b) << 16)]: |a, b, c| c.wrapping_add(sad(a, b) << 16))
        }
        "v_msad_u8" => {
            each!(int3_clamp[|a, b, c| c.saturating_add(masked_sad(a, b))]: |a, b, c| c.wrapping_add(masked_sad(a, b)))
        }
        "v_sad_u16" => {
            each!(int3: |a, b, c| c.wrapping_add((a & 0xffff).abs_diff(b & 0xffff)).wrapping_add((a >> 16).abs_diff(b >> 16)))
        }
        "v_sad_u32" => each!(int3: |a, b, c| c.wrapping_add(a.abs_diff(b))),
        "v_qsad_pk_u16_u8" => simd!(|wave, op, _cx| quad_sad(wave, op, sad)),
        "v_mqsad_pk_u16_u8" => simd!(|wave, op, _cx| quad_sad(wave, op, masked_sad)),
        "v_mqsad_u32_u8" => simd!(|wave, op, _cx| quad_sad_wide(wave, op)),
        "v_xad_u32" => each!(int3: |a, b, c| (a ^ b).wrapping_add(c)),
        "v_lshl_add_u32" => each!(int3: |a, b, c| (a << (b & 31)).wrapping_add(c)),
        "v_add_lshl_u32" => each!(int3: |a, b, c| a.wrapping_add(b) << (c & 31)),
        "v_add3_u32" => each!(int3: |a, b, c| a.wrapping_add(b).wrapping_add(c)),
        "v_lshl_or_b32" => each!(int3: |a, b, c| a << (b & 31) | c),
        "v_and_or_b32" => each!(int3: |a, b, c| a & b | c),
        "v_or3_b32" => each!(int3: |a, b, c| a | b | c),
        "v_bitop3_b32" => simd!(|wave, op, _cx| bitop3(wave, op)),
        "v_bitop3_b16" => simd!(|wave, op, _cx| bitop3_word(wave, op)),
        "v_ashr_pk_i8_i32" => simd!(|wave, op, _cx| shift_pack(wave, op, -128, 127)),
        "v_ashr_pk_u8_i32" => simd!(|wave, op, _cx| shift_pack(wave, op, 0, 255)),
        "v_mul_lo_u32" | "v_mul_lo_i32" => each!(int2: |a, b| a.wrapping_mul(b)),
        "v_mul_hi_u32" => each!(int2: |a, b| ((a as u64 * b as u64) >> 32) as u32),
        "v_mul_hi_i32" => each!(int2: |a, b| ((a as i32 as i64 * b as i32 as i64) >> 32) as u32),
        "v_add_i32" => {
            each!(int2_clamp[|a, b| (a as i32).saturating_add(b as i32) as u32]: |a, b| a.wrapping_add(b))
        }
        "v_sub_i32" => {
            each!(int2_clamp[|a, b| (a as i32).saturating_sub(b as i32) as u32]: |a, b| a.wrapping_sub(b))
        }

        "v_fma_f16" => each!(f16x3[Fma, Rest::Zero]: fma_odd),
        "v_fma_legacy_f16" => each!(f16x3[Fma, Rest::Zero]: fma_odd),
        "v_mad_f16" | "v_mad_legacy_f16" => {
            each!(f16x3[Exact, Rest::Zero]: |a, b, c| to_f32(from_f32(a * b)) + c)
        }
        "v_min3_f16" => each!(f16_pick3[min3_nan]: |a, b, c| a.min(b).min(c)),
        "v_max3_f16" => each!(f16_pick3[max3_nan]: |a, b, c| a.max(b).max(c)),
        "v_med3_f16" => each!(f16_pick3[min3_nan]: median),
        "v_div_fixup_f16" | "v_div_fixup_legacy_f16" => simd!(|wave, op, _cx| div_fixup_half(wave, op)),
        "v_pack_b32_f16" => simd!(|wave, op, _cx| pack_halves(wave, op)),
        "v_mad_u16" | "v_mad_legacy_u16" => simd!(|wave, op, _cx| mad_word(wave, op, mad_u16)),
        "v_mad_i16" | "v_mad_legacy_i16" => simd!(|wave, op, _cx| mad_word(wave, op, mad_i16)),
        "v_min3_i16" => each!(word3[Rest::Keep]: |a, b, c| (a as i16).min(b as i16).min(c as i16) as u16),
        "v_max3_i16" => each!(word3[Rest::Keep]: |a, b, c| (a as i16).max(b as i16).max(c as i16) as u16),
        "v_med3_i16" => {
            each!(word3[Rest::Keep]: |a, b, c| median(a as i16 as i32, b as i16 as i32, c as i16 as i32) as u16)
        }
        "v_min3_u16" => each!(word3[Rest::Keep]: |a, b, c| a.min(b).min(c)),
        "v_max3_u16" => each!(word3[Rest::Keep]: |a, b, c| a.max(b).max(c)),
        "v_med3_u16" => each!(word3[Rest::Keep]: |a, b, c| a.min(b).max(a.max(b).min(c))),
        "v_add_i16" => {
            each!(word2_clamp[Rest::Keep, |a, b| saturate_i16(a as i16 as i32 + b as i16 as i32)]: |a, b| a.wrapping_add(b))
        }
        "v_sub_i16" => {
            each!(word2_clamp[Rest::Keep, |a, b| saturate_i16(a as i16 as i32 - b as i16 as i32)]: |a, b| a.wrapping_sub(b))
        }

        "v_add_f64" => each!(f64x2[Add]: |a, b| a + b),
        "v_mul_f64" => each!(f64x2[Mul]: |a, b| a * b),
        "v_fma_f64" | "v_fmac_f64" => each!(f64x3[Fma]: |a, b, c| a.mul_add(b, c)),
        "v_min_f64" => simd!(|wave, op, _cx| f64_pick(wave, op, true)),
        "v_max_f64" => simd!(|wave, op, _cx| f64_pick(wave, op, false)),
        "v_ldexp_f64" => simd!(|wave, op, _cx| ldexp_double(wave, op)),
        "v_div_fixup_f64" => simd!(|wave, op, _cx| div_fixup_double(wave, op)),
        "v_div_fmas_f64" => simd!(|wave, op, _cx| div_fmas_double(wave, op)),
        "v_div_scale_f64" => simd!(|wave, op, _cx| div_scale_double(wave, op)),
        "v_trig_preop_f64" => simd!(|wave, op, _cx| trig_preop(wave, op)),

        "v_lshlrev_b64" => each!(shift64: |value, amount| value << amount),
        "v_lshrrev_b64" => each!(shift64: |value, amount| value >> amount),
        "v_ashrrev_i64" => each!(shift64: |value, amount| (value as i64 >> amount) as u64),
        "v_lshl_add_u64" => simd!(|wave, op, _cx| shift_add_wide(wave, op)),
        "v_mad_u64_u32" => simd!(|wave, op, _cx| mad_wide(wave, op, |a, b, c| {
            let (sum, carry) = (a as u64 * b as u64).overflowing_add(c);
            (sum, carry)
        })),
        "v_mad_i64_i32" => simd!(|wave, op, _cx| mad_wide(wave, op, |a, b, c| {
            let sum = (a as i32 as i64 * b as i32 as i64) as i128 + c as i64 as i128;
            (sum as u64, sum < 0)
        })),
        _ => return None,
    })
}

#[inline(always)]
fn bfe_signed(value: u32, offset: u32, width: u32) -> u32 {
    let field = (value as i32 >> offset) as u32;
    if width == 0 { 0 } else { ((field << (32 - width)) as i32 >> (32 - width)) as u32 }
}

#[inline(always)]
fn byte(value: u32, i: u32) -> u32 {
    value >> (8 * i) & 0xff
}

#[inline(always)]
fn bytes(rule: impl Fn(u32) -> u32) -> u32 {
    rule(0) | rule(1) | rule(2) | rule(3)
}

/// Sum of absolute differences of four bytes.
#[inline(always)]
fn sad(a: u32, b: u32) -> u32 {
    (0..4).map(|i| byte(a, i).abs_diff(byte(b, i))).sum()
}

/// [`sad`] that skips zero bytes of `b`.
#[inline(always)]
fn masked_sad(a: u32, b: u32) -> u32 {
    (0..4).map(|i| if byte(b, i) == 0 { 0 } else { byte(a, i).abs_diff(byte(b, i)) }).sum()
}

/// Four sums over a sliding window of source 0's bytes, added to source 2's words.
#[inline(always)]
fn quad_sad(wave: &mut Wave, op: &Op, rule: impl Fn(u32, u32) -> u32) -> Step {
    wide_source!(a, wave, op, 0, Kind::B64);
    source!(b, wave, op, 1, Kind::B32);
    wide_source!(c, wave, op, 2, Kind::B64);
    let clamp = op.mods.clamp;
    let result: Wide = std::array::from_fn(|lane| {
        (0..4).fold(0, |word, i| {
            let sum = (c[lane] >> (16 * i) & 0xffff) as u32 + rule((a[lane] >> (8 * i)) as u32, b[lane]);
            word | ((if clamp { sum.min(0xffff) } else { sum & 0xffff }) as u64) << (16 * i)
        })
    });
    write_wide(wave, op, &result)
}

/// The masked window sums added to four dwords.
#[inline(always)]
fn quad_sad_wide(wave: &mut Wave, op: &Op) -> Step {
    wide_source!(a, wave, op, 0, Kind::B64);
    source!(b, wave, op, 1, Kind::B32);
    let b = *b;
    let mut sums = [Lanes::ZERO; 4];
    for (i, sum) in sums.iter_mut().enumerate() {
        source!(c, wave, op, 2, Kind::B32, i as u16);
        *sum = Lanes(std::array::from_fn(|lane| {
            let difference = masked_sad((a[lane] >> (8 * i)) as u32, b[lane]);
            if op.mods.clamp { c[lane].saturating_add(difference) } else { c[lane].wrapping_add(difference) }
        }));
    }
    for (i, sum) in sums.iter().enumerate() {
        write_part(wave, op, i as u16, sum)?;
    }
    Ok(())
}

/// 16-bit factors, 32-bit addend; the half selects act on the factors.
#[inline(always)]
fn mad_words(wave: &mut Wave, op: &Op, signed: bool) -> Step {
    source!(a, wave, op, 0, Kind::B16);
    source!(b, wave, op, 1, Kind::B16);
    source!(c, wave, op, 2, Kind::B32);
    let clamp = op.mods.clamp;
    let result = Lanes(std::array::from_fn(|lane| {
        if signed {
            let sum = a[lane] as i16 as i64 * b[lane] as i16 as i64 + c[lane] as i32 as i64;
            if clamp { saturate_i32(sum) } else { sum as u32 }
        } else {
            let sum = (a[lane] & 0xffff) as u64 * (b[lane] & 0xffff) as u64 + c[lane] as u64;
            if clamp { saturate_u32(sum) } else { sum as u32 }
        }
    }));
    write(wave, op, &result)
}

/// 16-bit multiply-add.
#[inline(always)]
fn mad_word(wave: &mut Wave, op: &Op, rule: impl Fn(u16, u16, u16, bool) -> u16) -> Step {
    let clamp = op.mods.clamp;
    word3(wave, op, Rest::Zero, |a, b, c| rule(a, b, c, clamp))
}

/// Any Boolean function of three bits: bit (a·4 + b·2 + c) of the table that the modifier fields hold.
#[inline(always)]
fn truth_table(table: u32, a: u32, b: u32, c: u32) -> u32 {
    let mut result = 0;
    for row in 0..8 {
        let term = if row & 4 != 0 { a } else { !a }
            & if row & 2 != 0 { b } else { !b }
            & if row & 1 != 0 { c } else { !c };
        result |= term & (table >> row & 1).wrapping_neg();
    }
    result
}

fn table(op: &Op) -> u32 {
    (op.mods.omod as u32 & 3) << 6 | (op.mods.abs as u32 & 7) << 3 | op.mods.neg as u32 & 7
}

#[inline(always)]
fn bitop3(wave: &mut Wave, op: &Op) -> Step {
    let table = table(op);
    int3(wave, op, |a, b, c| truth_table(table, a, b, c))
}

#[inline(always)]
fn bitop3_word(wave: &mut Wave, op: &Op) -> Step {
    let table = table(op);
    word3(wave, op, Rest::Keep, |a, b, c| truth_table(table, a as u32, b as u32, c as u32) as u16)
}

/// Sources 0 and 1 shifted right and clamped to bytes, in the half that `op_sel[3]` names.
#[inline(always)]
fn shift_pack(wave: &mut Wave, op: &Op, low: i32, high: i32) -> Step {
    source!(a, wave, op, 0, Kind::B32);
    source!(b, wave, op, 1, Kind::B32);
    source!(c, wave, op, 2, Kind::B32);
    let result = Lanes(std::array::from_fn(|lane| {
        let byte = |x: u32| (x as i32 >> (c[lane] & 31)).clamp(low, high) as u32 & 0xff;
        byte(a[lane]) | byte(b[lane]) << 8
    }));
    write_half(wave, op, &result, Rest::Keep)
}

#[inline(always)]
fn pack_halves(wave: &mut Wave, op: &Op) -> Step {
    source!(a, wave, op, 0, Kind::F16);
    source!(b, wave, op, 1, Kind::F16);
    let result = Lanes(std::array::from_fn(|lane| a[lane] & 0xffff | b[lane] << 16));
    write(wave, op, &result)
}

/// Face, s, t and doubled major axis of a cube map direction.
#[inline(always)]
fn cube(x: f32, y: f32, z: f32) -> [f32; 4] {
    let (ax, ay, az) = (x.abs(), y.abs(), z.abs());
    if az >= ax && az >= ay {
        if z < 0.0 { [5.0, -x, -y, 2.0 * z] } else { [4.0, x, -y, 2.0 * z] }
    } else if ay >= ax {
        if y < 0.0 { [3.0, x, -z, 2.0 * y] } else { [2.0, x, z, 2.0 * y] }
    } else if x < 0.0 {
        [1.0, z, -y, 2.0 * x]
    } else {
        [0.0, -z, -y, 2.0 * x]
    }
}

#[inline(always)]
fn shift_add_wide(wave: &mut Wave, op: &Op) -> Step {
    wide_source!(a, wave, op, 0, Kind::B64);
    source!(b, wave, op, 1, Kind::B32);
    wide_source!(c, wave, op, 2, Kind::B64);
    let result: Wide = std::array::from_fn(|lane| (a[lane] << (b[lane] & 7)).wrapping_add(c[lane]));
    write_wide(wave, op, &result)
}

/// 32×32 + 64 bits; the carry (or the sign of the 65-bit sum) goes to the scalar destination.
#[inline(always)]
fn mad_wide(wave: &mut Wave, op: &Op, rule: impl Fn(u32, u32, u64) -> (u64, bool)) -> Step {
    source!(a, wave, op, 0, Kind::B32);
    source!(b, wave, op, 1, Kind::B32);
    wide_source!(c, wave, op, 2, Kind::I64);
    let mut mask = 0u64;
    let mut result: Wide = [0; 64];
    for lane in 0..64 {
        let (sum, carry) = rule(a[lane], b[lane], c[lane]);
        result[lane] = sum;
        mask |= (carry as u64) << lane;
    }
    let exec = wave.exec();
    write_wide(wave, op, &result)?;
    write_mask(wave, op.sdst, mask & exec);
    Ok(())
}

/// 2^exponent as f64, exponents clamped to where a second factor finishes the job.
#[inline(always)]
fn power(exponent: i32) -> f64 {
    f64::from_bits(((exponent.clamp(-1022, 1023) + 1023) as u64) << 52)
}

/// f32 · 2^i32 with one rounding: the product is exact in f64 after the exponent is clamped.
#[inline(always)]
fn ldexp_single(wave: &mut Wave, op: &Op) -> Step {
    source!(a, wave, op, 0, Kind::F32);
    source!(b, wave, op, 1, Kind::B32);
    let mode = wave.mode;
    let (input, output) = (flush_mask(mode, mode::SINGLE_IN), flush_mask(mode, mode::SINGLE_OUT));
    let round = Round::single(mode);
    let mut result = Lanes(std::array::from_fn(|lane| {
        let scaled = f32::from_bits(flush(a[lane], input)) as f64 * power((b[lane] as i32).clamp(-400, 400));
        let rounded = if round == Round::NearestEven {
            scaled as f32
        } else {
            soft::convert(scaled, soft::F32, round) as f32
        };
        flush(rounded.to_bits(), output)
    }));
    float::settle_nans(&mut result, &[a]);
    float::finish_write(wave, op, result)
}

/// f64 · 2^i32 with one rounding.
#[inline(always)]
fn ldexp_double(wave: &mut Wave, op: &Op) -> Step {
    wide_source!(a, wave, op, 0, Kind::F64);
    source!(b, wave, op, 1, Kind::B32);
    let b = *b;
    let round = Round::half_double(wave.mode);
    let mut result: Wide = std::array::from_fn(|lane| {
        let value = f64::from_bits(a[lane]);
        soft::scaled_fma(value, 1.0, 0.0f64.copysign(value), b[lane] as i32, soft::F64, round).to_bits()
    });
    double::settle_nans(&mut result, &[&a]);
    double::finish_write(wave, op, result)
}

/// value · 2^exponent, rounded to nearest once.
fn scale_double(value: f64, exponent: i32) -> f64 {
    soft::scaled_fma(value, 1.0, 0.0f64.copysign(value), exponent, soft::F64, Round::NearestEven)
}

/// Whether division of `s2` by `s1` needs `s0` scaled, and by what power of two; and VCC.
///
/// `e1`, `e2` are the biased exponents, `tiny_reciprocal` and `tiny_quotient` say that 1/s1 and s2/s1 are
/// denormal. The published pseudocode scales a huge denominator *up* where the quotient is denormal too, which
/// would overflow; scaling it down is what `v_div_fmas`'s correction needs, so that is done here.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "the conditions of the manual's case list")]
fn div_scale_power(
    e1: i32,
    e2: i32,
    limit: i32,
    tiny: i32,
    denormal: [bool; 3],
    step: i32,
    is_denominator: bool,
    is_numerator: bool,
) -> (i32, bool) {
    let [denominator_denormal, tiny_reciprocal, tiny_quotient] = denormal;
    if e2 - e1 >= limit {
        (if is_denominator { step } else { 0 }, true)
    } else if denominator_denormal {
        (step, false)
    } else if tiny_reciprocal && tiny_quotient {
        (if is_denominator { -step } else { 0 }, true)
    } else if tiny_reciprocal {
        (-step, false)
    } else if tiny_quotient {
        (if is_numerator { step } else { 0 }, true)
    } else if e2 <= tiny {
        (step, false)
    } else {
        (0, false)
    }
}

#[inline(always)]
fn div_scale_single(wave: &mut Wave, op: &Op) -> Step {
    source!(a, wave, op, 0, Kind::F32);
    source!(b, wave, op, 1, Kind::F32);
    source!(c, wave, op, 2, Kind::F32);
    let mut vcc = 0u64;
    let mut result = Lanes::ZERO;
    for lane in 0..64 {
        let [s0, s1, s2] = [a, b, c].map(|s| f32::from_bits(s[lane]));
        let exponent = |x: f32| (x.to_bits() >> 23 & 0xff) as i32;
        if s1 == 0.0 || s2 == 0.0 {
            result[lane] = float::DEFAULT_NAN;
            continue;
        }
        let tiny = |x: f64| x != 0.0 && x.abs() < f32::MIN_POSITIVE as f64;
        let denormal = [exponent(s1) == 0, tiny(1.0 / s1 as f64), tiny(s2 as f64 / s1 as f64)];
        let (power_of_two, scaled) =
            div_scale_power(exponent(s1), exponent(s2), 96, 23, denormal, 64, s0 == s1, s0 == s2);
        result[lane] = ((s0 as f64 * power(power_of_two)) as f32).to_bits();
        vcc |= (scaled as u64) << lane;
    }
    float::settle_nans(&mut result, &[a]);
    let exec = wave.exec();
    write(wave, op, &result)?;
    write_mask(wave, op.sdst, vcc & exec);
    Ok(())
}

#[inline(always)]
fn div_scale_double(wave: &mut Wave, op: &Op) -> Step {
    wide_source!(a, wave, op, 0, Kind::F64);
    wide_source!(b, wave, op, 1, Kind::F64);
    wide_source!(c, wave, op, 2, Kind::F64);
    let mut vcc = 0u64;
    let mut result: Wide = [0; 64];
    for lane in 0..64 {
        let [s0, s1, s2] = [a[lane], b[lane], c[lane]].map(f64::from_bits);
        let exponent = |x: f64| (x.to_bits() >> 52 & 0x7ff) as i32;
        if s1 == 0.0 || s2 == 0.0 {
            result[lane] = double::DEFAULT_NAN;
            continue;
        }
        let tiny = |x: f64| x.abs() < f64::MIN_POSITIVE && x.is_finite();
        let denormal = [
            exponent(s1) == 0,
            s1.is_finite() && tiny(1.0 / s1),
            s2.is_finite() && s1.is_finite() && tiny(s2 / s1),
        ];
        let (power_of_two, scaled) =
            div_scale_power(exponent(s1), exponent(s2), 768, 53, denormal, 128, s0 == s1, s0 == s2);
        result[lane] = (s0 * power(power_of_two)).to_bits();
        vcc |= (scaled as u64) << lane;
    }
    double::settle_nans(&mut result, &[&a]);
    let exec = wave.exec();
    write_wide(wave, op, &result)?;
    write_mask(wave, op.sdst, vcc & exec);
    Ok(())
}

/// fma, then the correction of a scaled division where VCC is set: up for large quotients, down for small.
#[inline(always)]
fn div_fmas_single(wave: &mut Wave, op: &Op) -> Step {
    source!(a, wave, op, 0, Kind::F32);
    source!(b, wave, op, 1, Kind::F32);
    source!(c, wave, op, 2, Kind::F32);
    let vcc = wave.vcc();
    let mut lane_scale = [1.0f32; 64];
    for (lane, scale) in lane_scale.iter_mut().enumerate() {
        let large = c[lane] >> 23 & 0xff > 127;
        let factor = if large { 18_446_744_073_709_551_616.0 } else { 5.421_011e-20 };
        *scale = if vcc >> lane & 1 != 0 { factor } else { 1.0 };
    }
    let (mode, round) = (wave.mode, Round::single(wave.mode));
    let (input, output) = (flush_mask(mode, mode::SINGLE_IN), flush_mask(mode, mode::SINGLE_OUT));
    let mut result = Lanes(std::array::from_fn(|lane| {
        let [x, y, z] = [a, b, c].map(|s| f32::from_bits(flush(s[lane], input)) as f64);
        let scale = lane_scale[lane] as f64;
        // Scaled before the rounding: a denormal quotient is rounded once.
        flush((soft::fma(x * scale, y, z * scale, soft::F32, round) as f32).to_bits(), output)
    }));
    float::settle_nans(&mut result, &[a, b, c]);
    float::finish_write(wave, op, result)
}

#[inline(always)]
fn div_fmas_double(wave: &mut Wave, op: &Op) -> Step {
    wide_source!(a, wave, op, 0, Kind::F64);
    wide_source!(b, wave, op, 1, Kind::F64);
    wide_source!(c, wave, op, 2, Kind::F64);
    let vcc = wave.vcc();
    let round = Round::half_double(wave.mode);
    let mut result: Wide = std::array::from_fn(|lane| {
        let [x, y, z] = [a[lane], b[lane], c[lane]].map(f64::from_bits);
        if vcc >> lane & 1 == 0 {
            return soft::fma(x, y, z, soft::F64, round).to_bits();
        }
        let up = c[lane] >> 52 & 0x7ff > 1023;
        soft::scaled_fma(x, y, z, if up { 128 } else { -128 }, soft::F64, round).to_bits()
    });
    double::settle_nans(&mut result, &[&a, &b, &c]);
    double::finish_write(wave, op, result)
}

/// The special cases of a division num/den around an approximate quotient.
///
/// `overflow`: a NaN quotient of finite numbers is an overflow in the steps before (∞ − ∞), as in 1e30 / 1e-40; the
/// published pseudocode tests the denominator's exponent there, which cannot be all ones any more. Divisions
/// as LLVM expands them would give NaN for ∞.
macro_rules! div_fixup {
    ($float:ty, $quotient:expr, $denominator:expr, $numerator:expr, $exponent:expr, $underflow:expr, $overflow:expr) => {{
        let (q, d, n): ($float, $float, $float) = ($quotient, $denominator, $numerator);
        let negative = d.is_sign_negative() != n.is_sign_negative();
        let magnitude = if d == 0.0 || n.is_infinite() {
            <$float>::INFINITY
        } else if d.is_infinite() || n == 0.0 {
            0.0
        } else if $exponent(n) - $exponent(d) < $underflow {
            0.0
        } else if $overflow && q.is_nan() {
            <$float>::INFINITY
        } else {
            q.abs()
        };
        if negative { -magnitude } else { magnitude }
    }};
}

#[inline(always)]
fn div_fixup_single(wave: &mut Wave, op: &Op) -> Step {
    source!(a, wave, op, 0, Kind::F32);
    source!(b, wave, op, 1, Kind::F32);
    source!(c, wave, op, 2, Kind::F32);
    let (input, output) = (flush_mask(wave.mode, mode::SINGLE_IN), flush_mask(wave.mode, mode::SINGLE_OUT));
    let exponent = |x: f32| (x.to_bits() >> 23 & 0xff) as i32;
    let result = Lanes(std::array::from_fn(|lane| {
        let [q, d, n] = [a, b, c].map(|s| f32::from_bits(flush(s[lane], input)));
        if n.is_nan() {
            n.to_bits() | float::QUIET
        } else if d.is_nan() {
            d.to_bits() | float::QUIET
        } else if d == 0.0 && n == 0.0 || d.is_infinite() && n.is_infinite() {
            0xffc0_0000
        } else {
            flush(div_fixup!(f32, q, d, n, exponent, -150, true).to_bits(), output)
        }
    }));
    float::finish_write(wave, op, result)
}

#[inline(always)]
fn div_fixup_double(wave: &mut Wave, op: &Op) -> Step {
    wide_source!(a, wave, op, 0, Kind::F64);
    wide_source!(b, wave, op, 1, Kind::F64);
    wide_source!(c, wave, op, 2, Kind::F64);
    let exponent = |x: f64| (x.to_bits() >> 52 & 0x7ff) as i32;
    let result: Wide = std::array::from_fn(|lane| {
        let [q, d, n] = [a[lane], b[lane], c[lane]].map(f64::from_bits);
        if n.is_nan() {
            n.to_bits() | double::QUIET
        } else if d.is_nan() {
            d.to_bits() | double::QUIET
        } else if d == 0.0 && n == 0.0 || d.is_infinite() && n.is_infinite() {
            0xfff8_0000_0000_0000
        } else {
            div_fixup!(f64, q, d, n, exponent, -1075, true).to_bits()
        }
    });
    double::finish_write(wave, op, result)
}

#[inline(always)]
fn div_fixup_half(wave: &mut Wave, op: &Op) -> Step {
    source!(a, wave, op, 0, Kind::F16);
    source!(b, wave, op, 1, Kind::F16);
    source!(c, wave, op, 2, Kind::F16);
    let result = Lanes(std::array::from_fn(|lane| {
        let [q, d, n] = [a, b, c].map(|s| to_f32(s[lane]));
        if n.is_nan() {
            c[lane] & 0xffff | 0x200
        } else if d.is_nan() {
            b[lane] & 0xffff | 0x200
        } else if d == 0.0 && n == 0.0 || d.is_infinite() && n.is_infinite() {
            0xfe00
        } else {
            from_f32(div_fixup!(f32, q, d, n, |_| 0, -1, false))
        }
    }));
    half::finish_write(wave, op, result, Rest::Zero)
}

/// 1201 bits of 2/π after the binary point, first bit highest.
const TWO_OVER_PI: [u64; 19] = [
    0xa2f9836e4e441529,
    0xfc2757d1f534ddc0,
    0xdb6295993c439041,
    0xfe5163abdebbc561,
    0xb7246e3a424dd2e0,
    0x06492eea09d1921c,
    0xfe1deb1cb129a73e,
    0xe88235f52ebb4484,
    0xe99c7026b45f7e41,
    0x3991d639835339f4,
    0x9c845f8bbdf9283b,
    0x1ff897ffde05980f,
    0xef2f118b5a0a6d1f,
    0x6d367ecf27cb09b7,
    0x4f463f669e5fea2d,
    0x7527bac7ebe5f17b,
    0x3d0739f78a5292ea,
    0x6bfb5fb11f8d5d08,
    0x56033046fc7b0000,
];

/// 53 bits of 2/π from the bit that source 0's exponent and source 1's segment pick, at their place value.
#[inline(always)]
fn trig_preop(wave: &mut Wave, op: &Op) -> Step {
    wide_source!(a, wave, op, 0, Kind::F64);
    source!(b, wave, op, 1, Kind::B32);
    let b = *b;
    let result: Wide = std::array::from_fn(|lane| {
        let exponent = (a[lane] >> 52 & 0x7ff) as i32;
        let shift = (b[lane] & 31) as i32 * 53 + (exponent - 1077).max(0);
        let place = -53 - shift + if exponent >= 1968 { 128 } else { 0 };
        scale_double(two_over_pi_bits(shift as usize) as f64, place).to_bits()
    });
    double::finish_write(wave, op, result)
}

/// The 53 bits of 2/π that start `shift` bits below the binary point; zeros beyond the table.
fn two_over_pi_bits(shift: usize) -> u64 {
    let word = |i: usize| TWO_OVER_PI.get(i).copied().unwrap_or(0) as u128;
    let window = word(shift / 64) << 64 | word(shift / 64 + 1);
    (window << (shift % 64) >> 75) as u64
}
