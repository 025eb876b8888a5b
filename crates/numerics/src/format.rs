//! The one engine behind all narrow formats: a format is data, decode and encode are written once.

use crate::round::{Conversion, FiniteNan, Overflow, Rounding};

/// Which codes of a format are not finite numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Specials {
    /// Every code is finite (OCP E2M1, E2M3, E3M2).
    None,
    /// The all-ones magnitude is NaN, there is no Inf (OCP E4M3).
    NanAllOnes,
    /// The top exponent holds Inf and NaN (OCP E5M2, f16).
    Ieee,
    /// The code of negative zero is the only NaN, there is no Inf and no negative zero (the FNUZ formats).
    Fnuz,
}

/// A binary floating-point format of at most 16 bits: sign, exponent, mantissa, from the top.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// Bits of the exponent field.
    pub exponent_bits: u32,
    /// Bits of the mantissa field.
    pub mantissa_bits: u32,
    /// Exponent bias; an exponent field of 0 means a denormal with exponent `1 - bias`.
    pub bias: i32,
    /// Codes that are not finite.
    pub specials: Specials,
}

impl Format {
    /// Mask of the sign bit.
    #[must_use]
    pub const fn sign_mask(&self) -> u32 {
        1 << (self.exponent_bits + self.mantissa_bits)
    }

    /// Code of the largest finite positive value.
    #[must_use]
    pub const fn max_code(&self) -> u32 {
        let magnitude = self.sign_mask() - 1;
        match self.specials {
            Specials::None | Specials::Fnuz => magnitude,
            Specials::NanAllOnes => magnitude - 1,
            Specials::Ieee => magnitude - (1 << self.mantissa_bits),
        }
    }

    /// The largest finite value.
    #[must_use]
    pub const fn max(&self) -> f32 {
        self.to_f32(self.max_code())
    }

    /// Exact value of a code. Bits above the sign bit are ignored. NaN keeps its sign and becomes quiet.
    #[must_use]
    pub const fn to_f32(&self, code: u32) -> f32 {
        let sign_bit = code & self.sign_mask();
        let magnitude = code & (self.sign_mask() - 1);
        let sign = if sign_bit != 0 { 0x8000_0000 } else { 0 };
        match self.specials {
            Specials::Fnuz if sign_bit != 0 && magnitude == 0 => return f32::from_bits(0x7fc0_0000),
            Specials::NanAllOnes if magnitude > self.max_code() => return f32::from_bits(sign | 0x7fc0_0000),
            Specials::Ieee if magnitude > self.max_code() => {
                let fraction = (magnitude & ((1 << self.mantissa_bits) - 1)) << (23 - self.mantissa_bits);
                let quiet = if fraction == 0 { 0 } else { 0x0040_0000 };
                return f32::from_bits(sign | 0x7f80_0000 | quiet | fraction);
            }
            _ => {}
        }
        let field = magnitude >> self.mantissa_bits;
        let fraction = magnitude & ((1 << self.mantissa_bits) - 1);
        let (significand, exponent) = if field == 0 {
            (fraction, 1 - self.bias)
        } else {
            (fraction | (1 << self.mantissa_bits), field as i32 - self.bias)
        };
        let value = significand as f32 * exp2(exponent - self.mantissa_bits as i32);
        f32::from_bits(value.to_bits() | sign)
    }

    /// Code of `x · 2^-scale_exponent` under `rule`. The scaling is exact: it happens on the exponent, before
    /// the only rounding, as in the gfx950 `cvt_scalef32` instructions.
    #[inline(always)]
    #[must_use]
    pub const fn encode(&self, x: f32, scale_exponent: i32, rule: Conversion) -> u32 {
        let bits = x.to_bits();
        let sign = if bits >> 31 != 0 { self.sign_mask() } else { 0 };
        let magnitude_bits = bits & 0x7fff_ffff;
        if magnitude_bits >= 0x7f80_0000 {
            return self.encode_special(magnitude_bits > 0x7f80_0000, sign, rule);
        }
        if magnitude_bits == 0 {
            return self.signed(0, sign);
        }
        // |x| = significand * 2^(exponent - 23), significand in [2^23, 2^24).
        let field = magnitude_bits >> 23;
        let fraction = magnitude_bits & 0x007f_ffff;
        let (significand, exponent) = if field == 0 {
            let shift = fraction.leading_zeros() - 8;
            (fraction << shift, -126 - shift as i32)
        } else {
            (fraction | 0x0080_0000, field as i32 - 127)
        };
        let exponent = exponent - scale_exponent;
        let min_exponent = 1 - self.bias;
        let (denormal_shift, exponent_offset) = if exponent >= min_exponent {
            (0, (exponent - min_exponent) as u32)
        } else {
            let distance = (min_exponent - exponent) as u32;
            (if distance > 25 { 25 } else { distance }, 0)
        };
        let dropped = 23 - self.mantissa_bits;
        let kept = match rule.rounding {
            Rounding::NearestEven => {
                let shift = dropped + denormal_shift;
                let significand = significand as u64;
                let lsb = (significand >> shift) & 1;
                ((significand + (1u64 << (shift - 1)) - 1 + lsb) >> shift) as u32
            }
            Rounding::TowardZero => ((significand as u64) >> (dropped + denormal_shift)) as u32,
            Rounding::Stochastic { random, source_mantissa_bits } => {
                let source_lsb = 23 - source_mantissa_bits;
                let aligned = ((significand >> denormal_shift) >> source_lsb) << source_lsb;
                (aligned + (random >> (32 - dropped))) >> dropped
            }
        };
        // `kept` includes the implied bit of a normal number, so a carry walks into the exponent by itself.
        // The exponent offset is capped so that a huge ratio cannot shift out of 32 bits.
        let offset = if exponent_offset > 512 { 512 } else { exponent_offset };
        let code = (offset << self.mantissa_bits) + kept;
        if code > self.max_code() {
            let truncates = matches!(rule.rounding, Rounding::TowardZero);
            return match rule.overflow {
                Overflow::Special if !truncates => self.infinity(sign),
                _ => sign | self.max_code(),
            };
        }
        self.signed(code, sign)
    }

    const fn encode_special(&self, is_nan: bool, sign: u32, rule: Conversion) -> u32 {
        if !is_nan {
            return match rule.overflow {
                Overflow::Saturate => sign | self.max_code(),
                Overflow::SaturateFinite | Overflow::Special => self.infinity(sign),
            };
        }
        match self.specials {
            Specials::NanAllOnes => sign | (self.sign_mask() - 1),
            Specials::Ieee => sign | (self.max_code() + 1) | (1 << (self.mantissa_bits - 1)),
            Specials::Fnuz => self.sign_mask(),
            Specials::None => match rule.nan {
                FiniteNan::MaxMagnitude => sign | self.max_code(),
                FiniteNan::OneAndAHalf => {
                    sign | ((self.bias as u32) << self.mantissa_bits) | (1 << (self.mantissa_bits - 1))
                }
                FiniteNan::InvertedZero => sign ^ self.sign_mask(),
            },
        }
    }

    /// Code of ±Inf, or what stands for it.
    const fn infinity(&self, sign: u32) -> u32 {
        match self.specials {
            Specials::None => sign | self.max_code(),
            Specials::NanAllOnes => sign | (self.sign_mask() - 1),
            Specials::Ieee => sign | (self.max_code() + 1),
            Specials::Fnuz => self.sign_mask(),
        }
    }

    const fn signed(&self, magnitude: u32, sign: u32) -> u32 {
        if magnitude == 0 && matches!(self.specials, Specials::Fnuz) { 0 } else { sign | magnitude }
    }
}

/// 2^`exponent` for exponents of normal f32 numbers.
const fn exp2(exponent: i32) -> f32 {
    f32::from_bits(((exponent + 127) as u32) << 23)
}

/// The items that every module of a narrow format has beside its `FORMAT`: a table of its `$codes` values, decode,
/// encode.
macro_rules! narrow {
    ($codes:literal) => {
        /// Largest finite value.
        pub const MAX: f32 = FORMAT.max();

        /// Value of every code.
        pub static TO_F32: [f32; $codes] = $crate::format::table(&FORMAT);

        /// Exact value of a code. Bits above the format's are not read.
        #[inline(always)]
        #[must_use]
        pub fn to_f32(code: u8) -> f32 {
            TO_F32[usize::from(code) & ($codes - 1)]
        }

        /// Nearest code, ties to even; what overflows becomes the format's special value, or saturates if it has none.
        #[inline]
        #[must_use]
        pub const fn from_f32_rne(x: f32) -> u8 {
            FORMAT.encode(x, 0, $crate::round::Conversion::RNE) as u8
        }

        /// Code of `x · 2^-scale_exponent` under `rule`, rounded once.
        #[inline]
        #[must_use]
        pub const fn from_f32(x: f32, scale_exponent: i32, rule: $crate::round::Conversion) -> u8 {
            FORMAT.encode(x, scale_exponent, rule) as u8
        }
    };
}
pub(crate) use narrow;

/// Decode table of a format of `N = 2^bits` codes.
pub(crate) const fn table<const N: usize>(format: &Format) -> [f32; N] {
    let mut table = [0.0; N];
    let mut code = 0;
    while code < N {
        table[code] = format.to_f32(code as u32);
        code += 1;
    }
    table
}
