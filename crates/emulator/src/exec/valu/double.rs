//! f64 and 64-bit integer lane shapes.

use crate::{
    exec::valu::{
        bit,
        fetch::{Kind, source, write_part},
        float::{mode, omod_factor},
        soft::{self, Arith, Round},
    },
    lanes::Lanes,
    op::Op,
    simd::Step,
    wave::Wave,
};

const EXPONENT: u64 = 0x7ff0_0000_0000_0000;
const MAGNITUDE: u64 = !0 >> 1;
pub(super) const QUIET: u64 = 0x0008_0000_0000_0000;
pub(super) const DEFAULT_NAN: u64 = 0x7ff8_0000_0000_0000;

/// Sixty-four 64-bit values.
pub(super) type Wide = [u64; 64];

/// Binds `$name: Wide` to source `$i`.
macro_rules! wide_source {
    ($name:ident, $wave:expr, $op:expr, $i:expr, $kind:expr) => {
        let $name: $crate::exec::valu::double::Wide = {
            $crate::exec::valu::fetch::source!(low, $wave, $op, $i, $kind, 0);
            $crate::exec::valu::fetch::source!(high, $wave, $op, $i, $kind, 1);
            std::array::from_fn(|lane| low[lane] as u64 | (high[lane] as u64) << 32)
        };
    };
}
pub(super) use wide_source;

/// Writes a 64-bit result.
///
/// # Errors
/// `BadRegister` beyond the kernel's allocation.
#[inline(always)]
pub(super) fn write_wide(wave: &mut Wave, op: &Op, result: &Wide) -> Step {
    let low = Lanes(result.map(|x| x as u32));
    let high = Lanes(result.map(|x| (x >> 32) as u32));
    write_part(wave, op, 0, &low)?;
    write_part(wave, op, 1, &high)
}

/// One-source f64 instruction.
#[inline(always)]
pub(super) fn f64x1(wave: &mut Wave, op: &Op, rule: impl Fn(f64) -> f64) -> Step {
    wide_source!(a, wave, op, 0, Kind::F64);
    let result = apply(wave.mode, Arith::Exact, [&a], |[a]| rule(a));
    finish_write(wave, op, result)
}

/// Two-source f64 instruction.
#[inline(always)]
pub(super) fn f64x2(wave: &mut Wave, op: &Op, arith: Arith, rule: impl Fn(f64, f64) -> f64) -> Step {
    wide_source!(a, wave, op, 0, Kind::F64);
    wide_source!(b, wave, op, 1, Kind::F64);
    let result = apply(wave.mode, arith, [&a, &b], |[a, b]| rule(a, b));
    finish_write(wave, op, result)
}

/// Three-source f64 instruction.
#[inline(always)]
pub(super) fn f64x3(wave: &mut Wave, op: &Op, arith: Arith, rule: impl Fn(f64, f64, f64) -> f64) -> Step {
    wide_source!(a, wave, op, 0, Kind::F64);
    wide_source!(b, wave, op, 1, Kind::F64);
    wide_source!(c, wave, op, 2, Kind::F64);
    let result = apply(wave.mode, arith, [&a, &b, &c], |[a, b, c]| rule(a, b, c));
    finish_write(wave, op, result)
}

/// Applies a rule under MODE's f64 fields.
#[inline(always)]
pub(super) fn apply<const N: usize>(
    mode: u32,
    arith: Arith,
    sources: [&Wide; N],
    rule: impl Fn([f64; N]) -> f64,
) -> Wide {
    let kept = mode::HALF_DOUBLE_IN | mode::HALF_DOUBLE_OUT;
    if mode & (kept | mode::ROUND_HALF_DOUBLE) != kept && arith != Arith::Exact {
        return apply_rounded(mode, arith, &sources);
    }
    let mut result = [0; 64];
    let mut nan = 0u32;
    for lane in 0..64 {
        let value = rule(sources.map(|source| f64::from_bits(source[lane])));
        nan |= value.is_nan() as u32;
        result[lane] = value.to_bits();
    }
    if nan != 0 {
        settle_nans(&mut result, &sources);
    }
    result
}

#[inline(never)]
fn apply_rounded(mode: u32, arith: Arith, sources: &[&Wide]) -> Wide {
    let round = Round::half_double(mode);
    let flush = |bits: u64, allowed: u32| {
        if mode & allowed == 0 && bits & EXPONENT == 0 { bits & !MAGNITUDE } else { bits }
    };
    let mut result = std::array::from_fn(|lane| {
        let mut terms = [0.0; 3];
        for (term, source) in terms.iter_mut().zip(sources) {
            *term = f64::from_bits(flush(source[lane], mode::HALF_DOUBLE_IN));
        }
        flush(soft::compute(arith, terms, soft::F64, round).to_bits(), mode::HALF_DOUBLE_OUT)
    });
    settle_nans(&mut result, sources);
    result
}

/// NaN results become the first NaN source, quieted, or the default NaN.
#[cold]
#[inline(never)]
pub(super) fn settle_nans(result: &mut Wide, sources: &[&Wide]) {
    for lane in 0..64 {
        if is_nan(result[lane]) {
            let source = sources.iter().map(|source| source[lane]).find(|&bits| is_nan(bits));
            result[lane] = source.map_or(DEFAULT_NAN, |bits| bits | QUIET);
        }
    }
}

pub(super) fn is_nan(bits: u64) -> bool {
    bits & MAGNITUDE > EXPONENT
}

/// Output modifier, clamp and write of f64 results.
#[inline(always)]
pub(super) fn finish_write(wave: &mut Wave, op: &Op, mut result: Wide) -> Step {
    if op.bits & bit::FINISH != 0 {
        finish(wave.mode, op, &mut result);
    }
    write_wide(wave, op, &result)
}

#[cold]
#[inline(never)]
fn finish(mode: u32, op: &Op, result: &mut Wide) {
    let factor = omod_factor(mode, op.mods.omod, mode::HALF_DOUBLE_OUT);
    for bits in result.iter_mut() {
        if factor != 1.0 && !is_nan(*bits) {
            let scaled = (f64::from_bits(*bits) * factor).to_bits();
            *bits = if scaled & EXPONENT == 0 { scaled & !MAGNITUDE } else { scaled };
        }
        if op.mods.clamp {
            let value = f64::from_bits(*bits);
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

/// min (`smaller`) or max: numbers win over NaN, −0 is below +0, IEEE mode quiets signalling NaNs.
#[inline(always)]
pub(super) fn f64_pick(wave: &mut Wave, op: &Op, smaller: bool) -> Step {
    wide_source!(a, wave, op, 0, Kind::F64);
    wide_source!(b, wave, op, 1, Kind::F64);
    let ieee = wave.mode & mode::IEEE != 0;
    let kept = mode::HALF_DOUBLE_IN | mode::HALF_DOUBLE_OUT;
    let flushes = wave.mode & kept != kept;
    let result = std::array::from_fn(|lane| {
        let flush = |bits: u64| if flushes && bits & EXPONENT == 0 { bits & !MAGNITUDE } else { bits };
        extremum(ieee, flush(a[lane]), flush(b[lane]), smaller)
    });
    finish_write(wave, op, result)
}

#[inline(always)]
fn extremum(ieee: bool, a: u64, b: u64, smaller: bool) -> u64 {
    let signalling = |bits: u64| is_nan(bits) && bits & QUIET == 0;
    let key = |bits: u64| (bits ^ ((bits as i64 >> 63) as u64 >> 1)) as i64;
    if ieee && signalling(a) {
        a | QUIET
    } else if ieee && signalling(b) {
        b | QUIET
    } else if is_nan(a) {
        b
    } else if is_nan(b) || (key(a) < key(b)) == smaller {
        a
    } else {
        b
    }
}

/// Shift of source 1 (64 bits) by the low bits of source 0.
#[inline(always)]
pub(super) fn shift64(wave: &mut Wave, op: &Op, rule: impl Fn(u64, u32) -> u64) -> Step {
    source!(amount, wave, op, 0, Kind::B32);
    wide_source!(value, wave, op, 1, Kind::I64);
    let result = std::array::from_fn(|lane| rule(value[lane], amount[lane] & 63));
    write_wide(wave, op, &result)
}
