//! E3M2, an FP6 of OCP MX ("BF6"): largest 28. Codes 0 to 63, bit 5 is the sign.

use crate::format::{Format, Specials, narrow};

/// The format: 3 exponent bits, 2 mantissa bits, bias 3.
pub const FORMAT: Format = Format { exponent_bits: 3, mantissa_bits: 2, bias: 3, specials: Specials::None };

narrow!(64);
