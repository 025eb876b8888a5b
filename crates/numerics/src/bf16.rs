//! bf16: the upper half of an f32.

use crate::round::Rounding;

/// Exact value of a bf16.
#[inline(always)]
#[must_use]
pub const fn to_f32(bits: u16) -> f32 {
    f32::from_bits((bits as u32) << 16)
}

/// Nearest bf16, ties to even. Denormals are kept, overflow becomes ±Inf, NaN keeps sign and the upper payload
/// and becomes quiet.
#[inline(always)]
#[must_use]
pub const fn from_f32_rne(x: f32) -> u16 {
    let bits = x.to_bits();
    if bits & 0x7fff_ffff > 0x7f80_0000 {
        return (bits >> 16) as u16 | 0x0040;
    }
    ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) as u16
}

/// bf16 of `x` under any rounding. Only nearest even can turn a finite value into Inf, and stochastic rounding,
/// which adds the upper 16 bits of its random number; truncation never does.
#[inline]
#[must_use]
pub const fn from_f32(x: f32, rounding: Rounding) -> u16 {
    let bits = x.to_bits();
    if bits & 0x7fff_ffff > 0x7f80_0000 {
        return (bits >> 16) as u16 | 0x0040;
    }
    if bits & 0x7fff_ffff == 0x7f80_0000 {
        return (bits >> 16) as u16;
    }
    match rounding {
        Rounding::NearestEven => from_f32_rne(x),
        Rounding::TowardZero => (bits >> 16) as u16,
        Rounding::Stochastic { random, .. } => ((bits + (random >> 16)) >> 16) as u16,
    }
}
