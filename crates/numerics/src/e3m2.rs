//! E3M2, an FP6 of OCP MX ("BF6"): largest 28. Codes 0 to 63, bit 5 is the sign.

use crate::format::{Format, Specials, table};
use crate::round::Conversion;

/// The format: 3 exponent bits, 2 mantissa bits, bias 3.
pub const FORMAT: Format = Format { exponent_bits: 3, mantissa_bits: 2, bias: 3, specials: Specials::None };

/// Largest finite value.
pub const MAX: f32 = FORMAT.max();

/// Value of every code.
pub static TO_F32: [f32; 64] = table(&FORMAT);

/// Exact value of a code. Only the low 6 bits are read.
#[inline(always)]
#[must_use]
pub fn to_f32(code: u8) -> f32 {
    TO_F32[usize::from(code & 63)]
}

/// Nearest code, ties to even. e3m20
#[inline]
#[must_use]
pub const fn from_f32_rne(x: f32) -> u8 {
    FORMAT.encode(x, 0, Conversion::RNE) as u8
}

/// Code of `x · 2^-scale_exponent` under `rule`, rounded once.
#[inline]
#[must_use]
pub const fn from_f32(x: f32, scale_exponent: i32, rule: Conversion) -> u8 {
    FORMAT.encode(x, scale_exponent, rule) as u8
}
