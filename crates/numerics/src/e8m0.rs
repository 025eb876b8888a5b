//! E8M0, the block scale of OCP MX: byte b is 2^(b - 127); 255 is NaN; there is no zero and no sign.

/// The code of NaN.
pub const NAN: u8 = 255;

/// Value of a scale byte. Byte 0 is the denormal f32 2^-127, byte 255 is NaN.
#[inline(always)]
#[must_use]
pub const fn to_f32(code: u8) -> f32 {
    match code {
        0 => f32::from_bits(0x0040_0000),
        255 => f32::from_bits(0x7fc0_0000),
        _ => f32::from_bits((code as u32) << 23),
    }
}

/// Nearest power of two, halfway (1.5 · 2^k) upwards, as ml_dtypes does. Zero, negative numbers, NaN and
/// anything that rounds above 2^127 become NaN; positive numbers below 2^-127 become 2^-127.
///
/// Block scales of a quantiser are *not* made this way: see [`crate::mx::ScaleRounding`].
#[inline]
#[must_use]
pub const fn from_f32_rne(x: f32) -> u8 {
    let bits = x.to_bits();
    if bits == 0 || bits >= 0x7f80_0000 {
        return NAN;
    }
    if bits < 0x0080_0000 {
        // Denormals: 2^-127 is 0x400000 and the next power, 2^-126, begins the normal numbers.
        return if bits >= 0x0060_0000 { 1 } else { 0 };
    }
    let rounded = (bits + 0x0040_0000) >> 23;
    if rounded >= 255 { NAN } else { rounded as u8 }
}
