//! Exactly rounded a·b + c for the rounding modes that the host does not run in.

/// Rounding of MODE: the two bits of the f32 or the f16/f64 field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Round {
    NearestEven,
    Up,
    Down,
    Zero,
}

impl Round {
    /// The mode of f32 results: MODE\[1:0\].
    pub(super) fn single(mode: u32) -> Round {
        Round::from_bits(mode)
    }

    /// The mode of f16 and f64 results: MODE\[3:2\].
    pub(super) fn half_double(mode: u32) -> Round {
        Round::from_bits(mode >> 2)
    }

    fn from_bits(bits: u32) -> Round {
        match bits & 3 {
            0 => Round::NearestEven,
            1 => Round::Up,
            2 => Round::Down,
            _ => Round::Zero,
        }
    }
}

/// A binary format: significand bits with the hidden one, and the exponents of its normal numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format {
    precision: i32,
    min_exponent: i32,
    max_exponent: i32,
}

pub(super) const F16: Format = Format { precision: 11, min_exponent: -14, max_exponent: 15 };
pub(super) const F32: Format = Format { precision: 24, min_exponent: -126, max_exponent: 127 };
pub(super) const F64: Format = Format { precision: 53, min_exponent: -1022, max_exponent: 1023 };

/// What an arithmetic instruction computes, as a·b + c.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arith {
    /// Not an arithmetic rounding step: the host's result holds in every mode.
    Exact,
    Add,
    Sub,
    SubRev,
    Mul,
    Fma,
}

impl Arith {
    /// `sources` (the unused ones are ignored) as the factors and addend of the exact operation.
    fn terms(self, s: [f64; 3]) -> [f64; 3] {
        match self {
            Arith::Add => [s[0], 1.0, s[1]],
            Arith::Sub => [s[0], 1.0, -s[1]],
            Arith::SubRev => [s[1], 1.0, -s[0]],
            Arith::Mul => [s[0], s[1], 0.0f64.copysign(s[0].signum() * s[1].signum())],
            Arith::Exact | Arith::Fma => s,
        }
    }
}

/// `arith` of `sources`, rounded once to `format`. The value is exact as f64.
pub(super) fn compute(arith: Arith, sources: [f64; 3], format: Format, round: Round) -> f64 {
    let [a, b, c] = arith.terms(sources);
    fma(a, b, c, format, round)
}

/// `value` rounded to `format`.
pub(super) fn convert(value: f64, format: Format, round: Round) -> f64 {
    fma(value, 1.0, 0.0f64.copysign(value), format, round)
}

/// a·b + c with one rounding. NaN and infinities are the host's.
pub(super) fn fma(a: f64, b: f64, c: f64, format: Format, round: Round) -> f64 {
    scaled_fma(a, b, c, 0, format, round)
}

/// (a·b + c)·2^power with one rounding.
pub(super) fn scaled_fma(a: f64, b: f64, c: f64, power: i32, format: Format, round: Round) -> f64 {
    if !(a.is_finite() && b.is_finite() && c.is_finite()) {
        return a.mul_add(b, c);
    }
    let product_negative = a.is_sign_negative() != b.is_sign_negative();
    let (ma, ea) = split(a);
    let (mb, eb) = split(b);
    let (mc, ec) = split(c);
    let product = normalised(ma as u128 * mb as u128, ea + eb);
    let addend = normalised(mc as u128, ec);
    let (negative, magnitude, exponent) = add(product, product_negative, addend, c.is_sign_negative());
    if magnitude == 0 {
        let negative =
            if product_negative == c.is_sign_negative() { product_negative } else { round == Round::Down };
        return if negative { -0.0 } else { 0.0 };
    }
    pack(negative, magnitude, exponent + power.clamp(-5000, 5000), format, round)
}

/// Significand and exponent of a finite value.
fn split(value: f64) -> (u64, i32) {
    let bits = value.to_bits();
    let exponent = (bits >> 52 & 0x7ff) as i32;
    let fraction = bits & ((1 << 52) - 1);
    if exponent == 0 { (fraction, -1074) } else { (fraction | 1 << 52, exponent - 1075) }
}

/// Highest bit at 125, so that a sum has room for its carry.
fn normalised(magnitude: u128, exponent: i32) -> (u128, i32) {
    if magnitude == 0 {
        return (0, i32::MIN / 2);
    }
    let shift = magnitude.leading_zeros() as i32 - 2;
    (magnitude << shift, exponent - shift)
}

/// Signed sum; bits lost by alignment stay visible in the lowest bit.
fn add(x: (u128, i32), x_negative: bool, y: (u128, i32), y_negative: bool) -> (bool, u128, i32) {
    let ((large, large_negative), (small, small_negative)) =
        if x.1 >= y.1 { ((x, x_negative), (y, y_negative)) } else { ((y, y_negative), (x, x_negative)) };
    let distance = large.1.saturating_sub(small.1).min(127) as u32;
    let kept = small.0 >> distance;
    let aligned = if kept << distance == small.0 { kept } else { kept | 1 };
    if large_negative == small_negative {
        (large_negative, large.0 + aligned, large.1)
    } else if large.0 >= aligned {
        (large_negative, large.0 - aligned, large.1)
    } else {
        (small_negative, aligned - large.0, large.1)
    }
}

fn pack(negative: bool, magnitude: u128, exponent: i32, format: Format, round: Round) -> f64 {
    let top = 127 - magnitude.leading_zeros() as i32 + exponent;
    let lowest = (top - (format.precision - 1)).max(format.min_exponent - (format.precision - 1));
    let shift = lowest - exponent;
    let quotient = if shift <= 0 {
        (magnitude << -shift) as u64
    } else {
        let shift = shift.min(127) as u32;
        let kept = (magnitude >> shift) as u64;
        let rest = magnitude & ((1u128 << shift) - 1);
        let half = 1u128 << (shift - 1);
        let up = match round {
            Round::NearestEven => rest > half || rest == half && kept & 1 != 0,
            Round::Up => rest != 0 && !negative,
            Round::Down => rest != 0 && negative,
            Round::Zero => false,
        };
        kept + up as u64
    };
    let sign = if negative { -1.0 } else { 1.0 };
    let limit = ((1u64 << format.precision) - 1) as f64 * two_to(format.max_exponent - format.precision + 1);
    let too_large = quotient != 0 && 63 - quotient.leading_zeros() as i32 + lowest > format.max_exponent;
    if too_large {
        let to_infinity = match round {
            Round::NearestEven => true,
            Round::Up => !negative,
            Round::Down => negative,
            Round::Zero => false,
        };
        return sign * if to_infinity { f64::INFINITY } else { limit };
    }
    sign * quotient as f64 * two_to(lowest / 2) * two_to(lowest - lowest / 2)
}

/// 2^exponent for exponents of normal f64.
fn two_to(exponent: i32) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}
