//! E5M2, the BF8 of gfx950 (OCP: largest 57344, Inf and NaN), and its FNUZ sibling of gfx942.

use crate::format::{Format, Specials, narrow};

pub mod fnuz;

/// The format: 5 exponent bits, 2 mantissa bits, bias 15.
pub const FORMAT: Format = Format { exponent_bits: 5, mantissa_bits: 2, bias: 15, specials: Specials::Ieee };

narrow!(256);
