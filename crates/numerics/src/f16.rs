//! IEEE binary16. Denormals are kept in both directions, as the MI355X does by default.

use crate::format::{Format, Specials};
use crate::round::{Conversion, Rounding};

/// The format: 5 exponent bits, 10 mantissa bits, bias 15.
pub const FORMAT: Format = Format { exponent_bits: 5, mantissa_bits: 10, bias: 15, specials: Specials::Ieee };

/// Largest finite value, 65504.
pub const MAX: f32 = FORMAT.max();

/// Exact value of an f16. NaN keeps sign and payload and becomes quiet.
#[inline(always)]
#[must_use]
pub const fn to_f32(bits: u16) -> f32 {
    let sign = ((bits & 0x8000) as u32) << 16;
    let magnitude = ((bits & 0x7fff) as u32) << 13;
    let value = if magnitude >= 0x0f80_0000 {
        let quiet = if magnitude > 0x0f80_0000 { 0x0040_0000 } else { 0 };
        0x7000_0000 | magnitude | quiet
    } else {
        // Moves the exponent bias from 15 to 127 and normalises denormals in one exact product: 2^112.
        (f32::from_bits(magnitude) * f32::from_bits((112 + 127) << 23)).to_bits()
    };
    f32::from_bits(value | sign)
}

/// Nearest f16, ties to even. Overflow becomes ±Inf; NaN keeps sign and the upper payload and becomes quiet.
#[inline(always)]
#[must_use]
pub const fn from_f32_rne(x: f32) -> u16 {
    from_f32(x, Conversion::RNE)
}

/// f16 of `x` under `rule`, rounded once.
#[inline(always)]
#[must_use]
pub const fn from_f32(x: f32, rule: Conversion) -> u16 {
    let bits = x.to_bits();
    if bits & 0x7fff_ffff > 0x7f80_0000 {
        return ((bits >> 16) & 0x8000) as u16 | 0x7e00 | ((bits >> 13) & 0x3ff) as u16;
    }
    FORMAT.encode(x, 0, rule) as u16
}

/// f16 of `x` truncated towards zero (`v_cvt_pkrtz_f16_f32`): finite overflow stops at [`MAX`].
#[inline]
#[must_use]
pub const fn from_f32_toward_zero(x: f32) -> u16 {
    from_f32(x, Conversion::RNE.with_rounding(Rounding::TowardZero))
}
