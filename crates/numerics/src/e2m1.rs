//! E2M1, the FP4 of OCP MX: ±{0, 0.5, 1, 1.5, 2, 3, 4, 6}. Codes 0 to 15, bit 3 is the sign.

use crate::format::{Format, Specials, table};
use crate::round::Conversion;

/// The format: 2 exponent bits, 1 mantissa bits, bias 1.
pub const FORMAT: Format = Format { exponent_bits: 2, mantissa_bits: 1, bias: 1, specials: Specials::None };

/// Largest finite value.
pub const MAX: f32 = FORMAT.max();

/// Value of every code.
pub static TO_F32: [f32; 16] = table(&FORMAT);

/// Exact value of a code. Only the low 4 bits are read.
#[inline(always)]
#[must_use]
pub fn to_f32(code: u8) -> f32 {
    TO_F32[usize::from(code & 15)]
}

/// Nearest code, ties to even. e2m10
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
