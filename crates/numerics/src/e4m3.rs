//! E4M3, the FP8 of gfx950 (OCP, `e4m3fn`: largest 448, no Inf), and its FNUZ sibling of gfx942.

use crate::format::{Format, Specials, narrow};

pub mod fnuz;

/// The format: 4 exponent bits, 3 mantissa bits, bias 7.
pub const FORMAT: Format =
    Format { exponent_bits: 4, mantissa_bits: 3, bias: 7, specials: Specials::NanAllOnes };

narrow!(256);
