//! E4M3 FNUZ, the FP8 of gfx942: bias 8, largest 240. gfx950 has no instruction for it.

use crate::format::{Format, Specials, table};
use crate::round::Conversion;

/// The format: 4 exponent bits, 3 mantissa bits, bias 8.
pub const FORMAT: Format = Format { exponent_bits: 4, mantissa_bits: 3, bias: 8, specials: Specials::Fnuz };

/// Largest finite value.
pub const MAX: f32 = FORMAT.max();

/// Value of every code.
pub static TO_F32: [f32; 256] = table(&FORMAT);

/// Exact value of a code.
#[inline(always)]
#[must_use]
pub fn to_f32(code: u8) -> f32 {
    TO_F32[usize::from(code)]
}

/// Nearest code, ties to even. e4m3/fnuz0
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
