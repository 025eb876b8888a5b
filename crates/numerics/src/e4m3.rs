//! E4M3, the FP8 of gfx950 (OCP, `e4m3fn`: largest 448, no Inf), and its FNUZ sibling of gfx942.

use crate::format::{Format, Specials, table};
use crate::round::Conversion;

pub mod fnuz;

/// The format: 4 exponent bits, 3 mantissa bits, bias 7.
pub const FORMAT: Format =
    Format { exponent_bits: 4, mantissa_bits: 3, bias: 7, specials: Specials::NanAllOnes };

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

/// Nearest code, ties to even. e4m30
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
