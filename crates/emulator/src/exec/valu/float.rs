//! f32 lane shapes: MODE's rounding and denormals, NaN rules, output modifier and clamp.

use crate::{
    exec::valu::{
        bit,
        fetch::{Kind, source, write},
        soft::{self, Arith, Round},
    },
    lanes::Lanes,
    op::Op,
    simd::Step,
    wave::Wave,
};

/// MODE bits.
pub(super) mod mode {
    pub(in crate::exec::valu) const ROUND_SINGLE: u32 = 3;
    pub(in crate::exec::valu) const ROUND_HALF_DOUBLE: u32 = 3 << 2;
    pub(in crate::exec::valu) const SINGLE_IN: u32 = 1 << 4;
    pub(in crate::exec::valu) const SINGLE_OUT: u32 = 1 << 5;
    pub(in crate::exec::valu) const HALF_DOUBLE_IN: u32 = 1 << 6;
    pub(in crate::exec::valu) const HALF_DOUBLE_OUT: u32 = 1 << 7;
    pub(in crate::exec::valu) const DX10_CLAMP: u32 = 1 << 8;
    pub(in crate::exec::valu) const IEEE: u32 = 1 << 9;
    pub(in crate::exec::valu) const FP16_OVFL: u32 = 1 << 23;
}

const EXPONENT: u32 = 0x7f80_0000;
const MAGNITUDE: u32 = 0x7fff_ffff;
pub(super) const QUIET: u32 = 0x0040_0000;
/// The NaN of an invalid operation.
pub(super) const DEFAULT_NAN: u32 = 0x7fc0_0000;

/// Denormals become zeros of their sign in the lanes' bits that `mask` (all of the magnitude, or none) allows.
#[inline(always)]
pub(super) fn flush(bits: u32, mask: u32) -> u32 {
    let denormal = ((bits & EXPONENT == 0) as u32).wrapping_neg();
    bits & !(denormal & mask)
}

/// [`flush`]'s mask for a MODE bit that allows denormals.
#[inline(always)]
pub(super) fn flush_mask(mode: u32, allowed: u32) -> u32 {
    if mode & allowed != 0 { 0 } else { MAGNITUDE }
}

#[inline(always)]
pub(super) fn is_nan(bits: u32) -> bool {
    bits & MAGNITUDE > EXPONENT
}

/// One-source f32 instruction.
#[inline(always)]
pub(super) fn f32x1(wave: &mut Wave, op: &Op, arith: Arith, rule: impl Fn(f32) -> f32) -> Step {
    source!(a, wave, op, 0, Kind::F32);
    let result = apply(wave, arith, [a], |[a]| rule(a));
    finish_write(wave, op, result)
}

/// Two-source f32 instruction.
#[inline(always)]
pub(super) fn f32x2(wave: &mut Wave, op: &Op, arith: Arith, rule: impl Fn(f32, f32) -> f32) -> Step {
    source!(a, wave, op, 0, Kind::F32);
    source!(b, wave, op, 1, Kind::F32);
    let result = apply(wave, arith, [a, b], |[a, b]| rule(a, b));
    finish_write(wave, op, result)
}

/// Three-source f32 instruction.
#[inline(always)]
pub(super) fn f32x3(wave: &mut Wave, op: &Op, arith: Arith, rule: impl Fn(f32, f32, f32) -> f32) -> Step {
    source!(a, wave, op, 0, Kind::F32);
    source!(b, wave, op, 1, Kind::F32);
    source!(c, wave, op, 2, Kind::F32);
    let result = apply(wave, arith, [a, b, c], |[a, b, c]| rule(a, b, c));
    finish_write(wave, op, result)
}

/// Applies a rule under MODE. `arith` names its exact form for rounding modes other than nearest-even.
#[inline(always)]
pub(super) fn apply<const N: usize>(
    wave: &Wave,
    arith: Arith,
    sources: [&Lanes; N],
    rule: impl Fn([f32; N]) -> f32,
) -> Lanes {
    use mode::{ROUND_SINGLE, SINGLE_IN, SINGLE_OUT};
    let mode = wave.mode;
    let mut result = Lanes::ZERO;
    let mut nan = 0u32;
    if mode & ROUND_SINGLE != 0 && arith != Arith::Exact {
        return apply_rounded(mode, arith, &sources);
    }
    if mode & (SINGLE_IN | SINGLE_OUT) == SINGLE_IN | SINGLE_OUT {
        for lane in 0..64 {
            let value = rule(sources.map(|source| f32::from_bits(source[lane])));
            nan |= value.is_nan() as u32;
            result[lane] = value.to_bits();
        }
    } else {
        let (input, output) = (flush_mask(mode, SINGLE_IN), flush_mask(mode, SINGLE_OUT));
        for lane in 0..64 {
            let value = rule(sources.map(|source| f32::from_bits(flush(source[lane], input))));
            nan |= value.is_nan() as u32;
            result[lane] = flush(value.to_bits(), output);
        }
    }
    // Lanes that are not written need no payload, and often hold NaN: what a register held before.
    if nan != 0 && any_nan(&result, wave.exec()) {
        settle_nans(&mut result, &sources);
    }
    result
}

/// Whether a lane of `mask` is NaN.
#[inline(never)]
fn any_nan(lanes: &Lanes, mask: u64) -> bool {
    const BITS: [u32; 8] = [1, 2, 4, 8, 16, 32, 64, 128];
    let mut found = 0;
    for group in 0..8 {
        let byte = (mask >> (8 * group)) as u32;
        for (j, bit) in BITS.iter().enumerate() {
            found |= byte & bit & (is_nan(lanes[8 * group + j]) as u32).wrapping_neg();
        }
    }
    found != 0
}

/// [`apply`] for the rounding modes of the exact operation.
#[inline(never)]
fn apply_rounded(mode: u32, arith: Arith, sources: &[&Lanes]) -> Lanes {
    let (input, output) = (flush_mask(mode, mode::SINGLE_IN), flush_mask(mode, mode::SINGLE_OUT));
    let round = Round::single(mode);
    let mut result = Lanes(std::array::from_fn(|lane| {
        let mut terms = [0.0; 3];
        for (term, source) in terms.iter_mut().zip(sources) {
            *term = f32::from_bits(flush(source[lane], input)) as f64;
        }
        let value = soft::compute(arith, terms, soft::F32, round) as f32;
        flush(value.to_bits(), output)
    }));
    settle_nans(&mut result, sources);
    result
}

/// Gives NaN results the ISA's payload: the first NaN source, quieted, else the positive default NaN. The host
/// leaves payload and sign open. That sources take precedence in order is assumed.
#[inline(never)]
pub(super) fn settle_nans(result: &mut Lanes, sources: &[&Lanes]) {
    let mut settled = Lanes::splat(DEFAULT_NAN);
    for source in sources.iter().rev() {
        for lane in 0..64 {
            settled[lane] = if is_nan(source[lane]) { source[lane] | QUIET } else { settled[lane] };
        }
    }
    for lane in 0..64 {
        result[lane] = if is_nan(result[lane]) { settled[lane] } else { result[lane] };
    }
}

/// Output modifier and clamp, then the write.
#[inline(always)]
pub(super) fn finish_write(wave: &mut Wave, op: &Op, mut result: Lanes) -> Step {
    if op.bits & bit::FINISH != 0 {
        finish(wave.mode, op, &mut result);
    }
    write(wave, op, &result)
}

/// Output modifier and clamp of f32 results.
///
/// The modifier is ignored when IEEE mode is on or output denormals are (manual, output modifiers).
#[cold]
#[inline(never)]
pub(super) fn finish(mode: u32, op: &Op, result: &mut Lanes) {
    let factor = omod_factor(mode, op.mods.omod, mode::SINGLE_OUT) as f32;
    for bits in result.iter_mut() {
        if factor != 1.0 && !is_nan(*bits) {
            *bits = flush((f32::from_bits(*bits) * factor).to_bits(), MAGNITUDE);
        }
        if op.mods.clamp {
            let value = f32::from_bits(*bits);
            *bits = if value.is_nan() {
                if mode & mode::DX10_CLAMP != 0 { 0 } else { *bits }
            } else if value > 0.0 {
                value.min(1.0).to_bits()
            } else {
                0
            };
        }
    }
}

/// The output modifier as a factor; 1 where MODE disables it.
pub(super) fn omod_factor(mode: u32, omod: u8, denormal_output: u32) -> f64 {
    if mode & (mode::IEEE | denormal_output) != 0 {
        return 1.0;
    }
    [1.0, 2.0, 4.0, 0.5][omod as usize & 3]
}

/// Monotonic integer image of a float's bits, −0 below +0; its own inverse.
#[inline(always)]
pub(super) fn key(bits: u32) -> i32 {
    (bits ^ ((bits as i32 >> 31) as u32 >> 1)) as i32
}

/// A rule for lanes with a NaN among their sources.
pub(super) type NanRule<const N: usize> = fn(ieee: bool, sources: [u32; N], exponent: u32) -> u32;

/// Selects among the sources (min, max, med3 …) by their [`key`]s. Floats narrower than 32 bits come in the
/// high bits of a lane, `exponent` is their exponent field there.
#[inline(always)]
pub(super) fn pick<const N: usize>(
    ieee: bool,
    flushed: u32,
    exponent: u32,
    sources: [&Lanes; N],
    rule: impl Fn([i32; N]) -> i32,
    nans: NanRule<N>,
) -> Lanes {
    let read = |lane: usize| {
        sources.map(|source| {
            let bits = source[lane];
            let denormal = ((bits & exponent == 0) as u32).wrapping_neg();
            bits & !(denormal & flushed)
        })
    };
    let mut result = Lanes::ZERO;
    let mut nan = 0u32;
    for lane in 0..64 {
        let bits = read(lane);
        for b in bits {
            nan |= (b & MAGNITUDE > exponent) as u32;
        }
        result[lane] = key(rule(bits.map(key)) as u32) as u32;
    }
    if nan != 0 {
        settle_picks(&mut result, &sources.map(|s| *s), exponent, ieee, nans);
    }
    result
}

#[cold]
#[inline(never)]
fn settle_picks<const N: usize>(
    result: &mut Lanes,
    sources: &[Lanes; N],
    exponent: u32,
    ieee: bool,
    nans: NanRule<N>,
) {
    for lane in 0..64 {
        let bits: [u32; N] = std::array::from_fn(|i| sources[i][lane]);
        if bits.iter().any(|b| b & MAGNITUDE > exponent) {
            result[lane] = nans(ieee, bits, exponent);
        }
    }
}

/// The quiet bit below an exponent field: its lowest bit shifted right.
fn quiet_bit(exponent: u32) -> u32 {
    (exponent & exponent.wrapping_neg()) >> 1
}

/// min (`smaller`) or max of two values of which some may be NaN: IEEE mode quiets and returns a signalling
/// NaN, otherwise the number wins.
fn extremum(ieee: bool, [a, b]: [u32; 2], exponent: u32, smaller: bool) -> u32 {
    let nan = |bits: u32| bits & MAGNITUDE > exponent;
    let signalling = |bits: u32| nan(bits) && bits & quiet_bit(exponent) == 0;
    if ieee && signalling(a) {
        a | quiet_bit(exponent)
    } else if ieee && signalling(b) {
        b | quiet_bit(exponent)
    } else if nan(a) {
        b
    } else if nan(b) || (key(a) < key(b)) == smaller {
        a
    } else {
        b
    }
}

pub(super) fn min2_nan(ieee: bool, s: [u32; 2], exponent: u32) -> u32 {
    extremum(ieee, s, exponent, true)
}

pub(super) fn max2_nan(ieee: bool, s: [u32; 2], exponent: u32) -> u32 {
    extremum(ieee, s, exponent, false)
}

pub(super) fn min3_nan(ieee: bool, [a, b, c]: [u32; 3], exponent: u32) -> u32 {
    min2_nan(ieee, [min2_nan(ieee, [a, b], exponent), c], exponent)
}

pub(super) fn max3_nan(ieee: bool, [a, b, c]: [u32; 3], exponent: u32) -> u32 {
    max2_nan(ieee, [max2_nan(ieee, [a, b], exponent), c], exponent)
}

/// `minimum3`/`maximum3`: NaN wins, quieted.
pub(super) fn propagate3_nan(_ieee: bool, s: [u32; 3], exponent: u32) -> u32 {
    let nan = s.into_iter().find(|b| b & MAGNITUDE > exponent);
    nan.unwrap_or(exponent) | quiet_bit(exponent)
}

/// The median of three keys.
#[inline(always)]
pub(super) fn median(a: i32, b: i32, c: i32) -> i32 {
    a.min(b).max(a.max(b).min(c))
}

/// Two-source f32 selection.
#[inline(always)]
pub(super) fn f32_pick2(wave: &mut Wave, op: &Op, nans: NanRule<2>, rule: impl Fn(i32, i32) -> i32) -> Step {
    source!(a, wave, op, 0, Kind::F32);
    source!(b, wave, op, 1, Kind::F32);
    let result =
        pick(wave.mode & mode::IEEE != 0, pick_flush(wave.mode), EXPONENT, [a, b], |[a, b]| rule(a, b), nans);
    finish_write(wave, op, result)
}

/// Three-source f32 selection.
#[inline(always)]
pub(super) fn f32_pick3(
    wave: &mut Wave,
    op: &Op,
    nans: NanRule<3>,
    rule: impl Fn(i32, i32, i32) -> i32,
) -> Step {
    source!(a, wave, op, 0, Kind::F32);
    source!(b, wave, op, 1, Kind::F32);
    source!(c, wave, op, 2, Kind::F32);
    let result = pick(
        wave.mode & mode::IEEE != 0,
        pick_flush(wave.mode),
        EXPONENT,
        [a, b, c],
        |[a, b, c]| rule(a, b, c),
        nans,
    );
    finish_write(wave, op, result)
}

/// A selection's result is one of its inputs: either flush bit flushes it.
#[inline(always)]
fn pick_flush(mode: u32) -> u32 {
    if mode & (mode::SINGLE_IN | mode::SINGLE_OUT) == mode::SINGLE_IN | mode::SINGLE_OUT {
        0
    } else {
        MAGNITUDE
    }
}
