//! E2M3, an FP6 of OCP MX: steps of 1/8 below 1, largest 7.5. Codes 0 to 63, bit 5 is the sign.

use crate::format::{Format, Specials, narrow};

/// The format: 2 exponent bits, 3 mantissa bits, bias 1.
pub const FORMAT: Format = Format { exponent_bits: 2, mantissa_bits: 3, bias: 1, specials: Specials::None };

narrow!(64);
