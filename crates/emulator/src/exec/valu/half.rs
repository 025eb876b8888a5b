//! f16 lane shapes. Arithmetic runs in f32, where sums and products of f16 are exact or round harmlessly
//! (24 ≥ 2·11 + 2 significand bits); fused operations round to odd first.

use crate::{
    exec::valu::{
        bit,
        fetch::{Kind, Rest, source, write_half},
        float::{NanRule, mode, omod_factor, pick},
        soft::{self, Arith, Round},
    },
    lanes::Lanes,
    op::Op,
    simd::Step,
    wave::Wave,
};

const EXPONENT: u32 = 0x7c00;
const QUIET: u32 = 0x0200;
pub(super) const DEFAULT_NAN: u32 = 0x7e00;

/// The f16 in the low half of `bits` as f32. Signalling NaNs stay signalling.
#[inline(always)]
pub(super) fn to_f32(bits: u32) -> f32 {
    let magnitude = (bits & 0x7fff) << 13;
    let scaled = (f32::from_bits(magnitude) * f32::from_bits(0x7780_0000)).to_bits();
    let special = if bits & EXPONENT == EXPONENT { magnitude | 0x7f80_0000 } else { scaled };
    f32::from_bits(special | (bits & 0x8000) << 16)
}

/// Nearest-even f16 of an f32; NaN payloads keep their high bits, quieted.
#[inline(always)]
pub(super) fn from_f32(value: f32) -> u32 {
    let bits = value.to_bits();
    let magnitude = bits & 0x7fff_ffff;
    let normal = magnitude.wrapping_add(0xc800_0fff).wrapping_add(magnitude >> 13 & 1) >> 13;
    let denormal = (f32::from_bits(magnitude) + 0.5).to_bits().wrapping_sub(0.5f32.to_bits());
    let finite = if magnitude < 0x3880_0000 { denormal } else { normal };
    let special = if magnitude > 0x7f80_0000 { EXPONENT | QUIET | magnitude >> 13 & 0x3ff } else { EXPONENT };
    let result = if magnitude >= 0x4780_0000 { special } else { finite };
    result | bits >> 16 & 0x8000
}

/// f16 of an f32 in any rounding mode.
pub(super) fn from_f32_rounded(value: f32, round: Round) -> u32 {
    if value.is_nan() || round == Round::NearestEven {
        return from_f32(value);
    }
    from_f32(soft::convert(value as f64, soft::F16, round) as f32)
}

/// a·b + c of f16 values in f32, rounded to odd: the final rounding to f16 is then right.
#[inline(always)]
pub(super) fn fma_odd(a: f32, b: f32, c: f32) -> f32 {
    let product = a * b;
    let sum = product + c;
    // Knuth's exact error of the sum; NaN or infinite sums leave a NaN error, which adjusts nothing.
    let back = sum - product;
    let error = (product - (sum - back)) + (c - back);
    let bits = sum.to_bits();
    let towards_zero = (error > 0.0) != (sum > 0.0);
    let odd = if towards_zero { bits.wrapping_sub(1) } else { bits | 1 };
    let inexact = error != 0.0 && !error.is_nan() && bits & 1 == 0;
    f32::from_bits(if inexact { odd } else { bits })
}

#[inline(always)]
pub(super) fn is_nan(bits: u32) -> bool {
    bits & 0x7fff > EXPONENT
}

/// Whether f16 arithmetic is plain: nearest-even, denormals kept, overflow to infinity.
#[inline(always)]
pub(super) fn default_mode(mode: u32) -> bool {
    let kept = mode::HALF_DOUBLE_IN | mode::HALF_DOUBLE_OUT;
    mode & (mode::ROUND_HALF_DOUBLE | kept | mode::FP16_OVFL) == kept
}

/// One-source f16 instruction.
#[inline(always)]
pub(super) fn f16x1(wave: &mut Wave, op: &Op, arith: Arith, rule: impl Fn(f32) -> f32) -> Step {
    source!(a, wave, op, 0, Kind::F16);
    let result = apply(wave.mode, arith, [a], |[a]| rule(a));
    finish_write(wave, op, result, Rest::Zero)
}

/// Two-source f16 instruction.
#[inline(always)]
pub(super) fn f16x2(wave: &mut Wave, op: &Op, arith: Arith, rule: impl Fn(f32, f32) -> f32) -> Step {
    source!(a, wave, op, 0, Kind::F16);
    source!(b, wave, op, 1, Kind::F16);
    let result = apply(wave.mode, arith, [a, b], |[a, b]| rule(a, b));
    finish_write(wave, op, result, Rest::Zero)
}

/// Three-source f16 instruction; `rest` says what happens to the other half.
#[inline(always)]
pub(super) fn f16x3(
    wave: &mut Wave,
    op: &Op,
    arith: Arith,
    rest: Rest,
    rule: impl Fn(f32, f32, f32) -> f32,
) -> Step {
    source!(a, wave, op, 0, Kind::F16);
    source!(b, wave, op, 1, Kind::F16);
    source!(c, wave, op, 2, Kind::F16);
    let result = apply(wave.mode, arith, [a, b, c], |[a, b, c]| rule(a, b, c));
    finish_write(wave, op, result, rest)
}

/// Applies an f32 rule to the low halves under MODE's f16 fields; results in the low halves.
#[inline(always)]
pub(super) fn apply<const N: usize>(
    mode: u32,
    arith: Arith,
    sources: [&Lanes; N],
    rule: impl Fn([f32; N]) -> f32,
) -> Lanes {
    let mut result = Lanes::ZERO;
    let mut nan = 0u32;
    if !default_mode(mode) && arith != Arith::Exact {
        return apply_rounded(mode, arith, &sources);
    }
    for lane in 0..64 {
        let bits = from_f32(rule(sources.map(|source| to_f32(source[lane]))));
        nan |= is_nan(bits) as u32;
        result[lane] = bits;
    }
    if nan != 0 {
        settle_nans(&mut result, &sources);
    }
    if !default_mode(mode) {
        flush(mode, &mut result);
    }
    result
}

/// [`apply`] in any mode.
#[inline(never)]
pub(super) fn apply_rounded(mode: u32, arith: Arith, sources: &[&Lanes]) -> Lanes {
    let flush_in = mode & mode::HALF_DOUBLE_IN == 0;
    let round = Round::half_double(mode);
    let mut result = Lanes(std::array::from_fn(|lane| {
        let mut terms = [0.0; 3];
        let mut infinite = false;
        for (term, source) in terms.iter_mut().zip(sources) {
            let bits = source[lane];
            let flushed = if flush_in && bits & EXPONENT == 0 { bits & 0x8000 } else { bits };
            *term = to_f32(flushed) as f64;
            infinite |= term.is_infinite();
        }
        let bits = from_f32(soft::compute(arith, terms, soft::F16, round) as f32);
        let overflowed = bits & 0x7fff == EXPONENT && !infinite;
        if overflowed && mode & mode::FP16_OVFL != 0 { bits - 1 } else { bits }
    }));
    settle_nans(&mut result, sources);
    flush(mode, &mut result);
    result
}

/// Flushes denormal results if MODE says so.
pub(super) fn flush(mode: u32, result: &mut Lanes) {
    if mode & mode::HALF_DOUBLE_OUT == 0 {
        for bits in result.iter_mut() {
            if *bits & EXPONENT == 0 {
                *bits &= 0x8000;
            }
        }
    }
}

/// NaN results become the first NaN source, quieted, or the default NaN.
#[cold]
#[inline(never)]
pub(super) fn settle_nans(result: &mut Lanes, sources: &[&Lanes]) {
    for lane in 0..64 {
        if is_nan(result[lane]) {
            let source = sources.iter().map(|source| source[lane] & 0xffff).find(|&bits| is_nan(bits));
            result[lane] = source.map_or(DEFAULT_NAN, |bits| bits | QUIET);
        }
    }
}

/// Output modifier, clamp and write of an f16 result.
#[inline(always)]
pub(super) fn finish_write(wave: &mut Wave, op: &Op, mut result: Lanes, rest: Rest) -> Step {
    if op.bits & bit::FINISH != 0 {
        finish(wave.mode, op, &mut result);
    }
    write_half(wave, op, &result, rest)
}

/// Output modifier and clamp of f16 results in the low halves.
#[cold]
#[inline(never)]
pub(super) fn finish(mode: u32, op: &Op, result: &mut Lanes) {
    let factor = omod_factor(mode, op.mods.omod, mode::HALF_DOUBLE_OUT) as f32;
    for bits in result.iter_mut() {
        if factor != 1.0 && !is_nan(*bits) {
            *bits = from_f32(to_f32(*bits) * factor);
        }
        if op.mods.clamp {
            *bits = clamp(mode, *bits);
        }
    }
}

/// The clamp of one f16.
pub(super) fn clamp(mode: u32, bits: u32) -> u32 {
    let value = to_f32(bits);
    if value.is_nan() {
        if mode & mode::DX10_CLAMP != 0 { 0 } else { bits }
    } else if value > 0.0 {
        from_f32(value.min(1.0))
    } else {
        0
    }
}

/// Two-source f16 selection.
#[inline(always)]
pub(super) fn f16_pick2(wave: &mut Wave, op: &Op, nans: NanRule<2>, rule: impl Fn(i32, i32) -> i32) -> Step {
    source!(a, wave, op, 0, Kind::F16);
    source!(b, wave, op, 1, Kind::F16);
    let result = pick_low(wave.mode, [a, b], |[a, b]| rule(a, b), nans);
    finish_write(wave, op, result, Rest::Zero)
}

/// Three-source f16 selection; these instructions came with GFX9 and keep the other half.
#[inline(always)]
pub(super) fn f16_pick3(
    wave: &mut Wave,
    op: &Op,
    nans: NanRule<3>,
    rule: impl Fn(i32, i32, i32) -> i32,
) -> Step {
    source!(a, wave, op, 0, Kind::F16);
    source!(b, wave, op, 1, Kind::F16);
    source!(c, wave, op, 2, Kind::F16);
    let result = pick_low(wave.mode, [a, b, c], |[a, b, c]| rule(a, b, c), nans);
    finish_write(wave, op, result, Rest::Keep)
}

/// A selection among the low halves, done in the high halves of the lanes.
#[inline(always)]
pub(super) fn pick_low<const N: usize>(
    mode: u32,
    sources: [&Lanes; N],
    rule: impl Fn([i32; N]) -> i32,
    nans: NanRule<N>,
) -> Lanes {
    let kept = mode::HALF_DOUBLE_IN | mode::HALF_DOUBLE_OUT;
    let flushed = if mode & kept == kept { 0 } else { 0x7fff_0000 };
    let raised = sources.map(|source| Lanes(std::array::from_fn(|lane| source[lane] << 16)));
    let refs: [&Lanes; N] = std::array::from_fn(|i| &raised[i]);
    let mut result = pick(mode & mode::IEEE != 0, flushed, EXPONENT << 16, refs, rule, nans);
    result.iter_mut().for_each(|x| *x >>= 16);
    result
}
