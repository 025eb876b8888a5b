//! E2M1, the FP4 of OCP MX: ±{0, 0.5, 1, 1.5, 2, 3, 4, 6}. Codes 0 to 15, bit 3 is the sign.

use crate::format::{Format, Specials, narrow};

/// The format: 2 exponent bits, 1 mantissa bit, bias 1.
pub const FORMAT: Format = Format { exponent_bits: 2, mantissa_bits: 1, bias: 1, specials: Specials::None };

narrow!(16);
