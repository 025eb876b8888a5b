//! FP8, BF8, FP6, BF6 and FP4 codes: branch-free encoders and decoders for lane loops.
//!
//! The `numerics` crate holds the reference conversions; the tests compare the two over all inputs that matter.

/// What lies beyond a format's largest finite number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beyond {
    /// Nothing: overflow and infinity saturate (FP6, BF6, FP4). NaN saturates too; no manual says what
    /// the hardware gives, OCP leaves it open.
    Saturate,
    /// NaN only (FP8 E4M3).
    Nan,
    /// Infinity and NaN (BF8 E5M2).
    Infinity,
}

/// A binary minifloat: one sign bit, then exponent, then `mantissa` bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Minifloat {
    mantissa: u32,
    bias: i32,
    /// Magnitude code of the largest finite number.
    largest: u32,
    sign: u32,
    beyond: Beyond,
}

pub(super) const FP8: Minifloat =
    Minifloat { mantissa: 3, bias: 7, largest: 0x7e, sign: 0x80, beyond: Beyond::Nan };
pub(super) const BF8: Minifloat =
    Minifloat { mantissa: 2, bias: 15, largest: 0x7b, sign: 0x80, beyond: Beyond::Infinity };
pub(super) const FP6: Minifloat =
    Minifloat { mantissa: 3, bias: 1, largest: 0x1f, sign: 0x20, beyond: Beyond::Saturate };
pub(super) const BF6: Minifloat =
    Minifloat { mantissa: 2, bias: 3, largest: 0x1f, sign: 0x20, beyond: Beyond::Saturate };
pub(super) const FP4: Minifloat =
    Minifloat { mantissa: 1, bias: 1, largest: 0x7, sign: 0x8, beyond: Beyond::Saturate };

/// How the bits below the last place decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rounding {
    /// Nearest, ties to even.
    NearestEven,
    /// Up if the dropped fraction plus this 32-bit fraction carries: the highest bits of the random word join
    /// the dropped mantissa bits. Of a denormal result's source, what alignment moves below its own mantissa
    /// (`source` bits: 23 for f32, 10 for f16, 7 for bf16) is lost before (ROCm's host model, as in `numerics`).
    Stochastic { random: u32, source: u32 },
}

impl Minifloat {
    /// Width of a code in bits.
    #[inline(always)]
    pub(super) const fn width(self) -> u32 {
        self.sign.trailing_zeros() + 1
    }

    /// The code of an f32. `saturate` keeps overflow (infinity too) at the largest finite number.
    #[inline(always)]
    pub(super) fn encode(self, value: f32, rounding: Rounding, saturate: bool) -> u32 {
        let bits = value.to_bits();
        let magnitude = bits & 0x7fff_ffff;
        let exponent = (magnitude >> 23) as i32;
        let significand = magnitude & 0x7f_ffff | if exponent > 0 { 1 << 23 } else { 0 };
        let unbiased = exponent.max(1) - 127;
        let smallest = 1 - self.bias;
        // Bits below the last place of the result, held to a range where nothing but zero is left.
        let denormal = (smallest - unbiased).clamp(0, 32) as u32;
        let (significand, dropped) = match rounding {
            Rounding::NearestEven => (significand, 23 - self.mantissa + denormal),
            Rounding::Stochastic { source, .. } => {
                let below = 23 - source;
                (((significand as u64 >> denormal) as u32 >> below) << below, 23 - self.mantissa)
            }
        };
        let wide = (significand as u64) << 32 >> dropped;
        let (kept, fraction) = ((wide >> 32) as u32, wide as u32);
        let lost = (significand as u64) << 32 != wide << dropped;
        let up = match rounding {
            Rounding::NearestEven => fraction > 1 << 31 || fraction == 1 << 31 && (lost || kept & 1 != 0),
            Rounding::Stochastic { random, .. } => fraction as u64 + random as u64 > u32::MAX as u64,
        };
        let base = ((unbiased - smallest).max(0) as u32) << self.mantissa;
        // A normal's hidden bit adds one to the exponent field that `base` holds.
        let code = base + kept + up as u32;
        let overflow = code > self.largest || exponent == 255;
        let code = if overflow { self.overflow(magnitude > 0x7f80_0000, saturate) } else { code };
        code | if bits >> 31 != 0 { self.sign } else { 0 }
    }

    #[inline(always)]
    fn overflow(self, nan: bool, saturate: bool) -> u32 {
        match self.beyond {
            Beyond::Saturate => self.largest,
            Beyond::Nan => {
                if nan || !saturate {
                    0x7f
                } else {
                    self.largest
                }
            }
            Beyond::Infinity if nan => 0x7f,
            Beyond::Infinity => {
                if saturate {
                    self.largest
                } else {
                    0x7c
                }
            }
        }
    }

    /// The value of the low bits' code, exact.
    #[inline(always)]
    pub(super) fn decode(self, code: u32) -> f32 {
        let magnitude = code & (self.sign - 1);
        // Exponent and mantissa placed as an f32's, then rescaled: denormals come out right.
        let placed = f32::from_bits(magnitude << (23 - self.mantissa));
        let scale = f32::from_bits(((127 + 127 - self.bias) as u32) << 23);
        let value = placed * scale;
        let value = match self.beyond {
            Beyond::Saturate => value,
            Beyond::Nan => {
                if magnitude == 0x7f {
                    f32::NAN
                } else {
                    value
                }
            }
            Beyond::Infinity => {
                if magnitude < 0x7c {
                    value
                } else if magnitude == 0x7c {
                    f32::INFINITY
                } else {
                    f32::NAN
                }
            }
        };
        f32::from_bits(value.to_bits() | if code & self.sign != 0 { 1 << 31 } else { 0 })
    }
}

/// The next state of the hardware's pseudo-random sequence.
#[inline(always)]
pub(super) fn prng(state: u32) -> u32 {
    state << 1 ^ if state >> 31 != 0 { 197 } else { 0 }
}

/// bf16 of an f32 in the low half: nearest-even, NaN quieted.
#[inline(always)]
pub(super) fn bf16_from_f32(value: f32) -> u32 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    if value.is_nan() { bits >> 16 | 0x40 } else { rounded }
}
