//! E4M3 FNUZ, the FP8 of gfx942: bias 8, largest 240. gfx950 has no instruction for it.

use crate::format::{Format, Specials, narrow};

/// The format: 4 exponent bits, 3 mantissa bits, bias 8.
pub const FORMAT: Format = Format { exponent_bits: 4, mantissa_bits: 3, bias: 8, specials: Specials::Fnuz };

narrow!(256);
