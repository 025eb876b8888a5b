//! E5M2 FNUZ, the BF8 of gfx942: bias 16, largest 57344. gfx950 has no instruction for it.

use crate::format::{Format, Specials, narrow};

/// The format: 5 exponent bits, 2 mantissa bits, bias 16.
pub const FORMAT: Format = Format { exponent_bits: 5, mantissa_bits: 2, bias: 16, specials: Specials::Fnuz };

narrow!(256);
