//! MX blocks: 32 elements along K that share one E8M0 scale byte.
//!
//! An MXFP4 tensor is `[M, K/2] u8`, two E2M1 codes per byte, the even index in the low nibble, plus
//! `[M, K/32] u8` E8M0 scales.

use crate::round::{Conversion, FiniteNan, Overflow, Rounding};
use crate::{Format, e2m1, e2m3, e3m2, e4m3, e5m2, e8m0};

/// Elements that share one scale.
pub const BLOCK: usize = 32;

/// Bytes of one block of packed E2M1 codes.
pub const MXFP4_BLOCK_BYTES: usize = BLOCK / 2;

/// The element formats of OCP MX that gfx950's scaled matrix instructions read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Element {
    /// FP4.
    E2m1,
    /// FP6 with three mantissa bits.
    E2m3,
    /// FP6 with two mantissa bits (BF6).
    E3m2,
    /// FP8, OCP.
    E4m3,
    /// BF8, OCP.
    E5m2,
}

impl Element {
    /// The format's fields.
    #[must_use]
    pub const fn format(self) -> &'static Format {
        match self {
            Self::E2m1 => &e2m1::FORMAT,
            Self::E2m3 => &e2m3::FORMAT,
            Self::E3m2 => &e3m2::FORMAT,
            Self::E4m3 => &e4m3::FORMAT,
            Self::E5m2 => &e5m2::FORMAT,
        }
    }

    /// Largest finite value: 6, 7.5, 28, 448, 57344.
    #[must_use]
    pub const fn max(self) -> f32 {
        self.format().max()
    }

    /// Exponent of the largest power of two within range: 2, 2, 4, 8, 15.
    #[must_use]
    pub const fn max_exponent(self) -> u32 {
        (self.max().to_bits() >> 23) - 127
    }
}

/// How a block's largest magnitude becomes its scale byte. The names and codes 0 to 3 are AITER's
/// `MxScaleRoundMode`; the thresholds are for E2M1 and amax in [4, 8), where the scale steps from 2^0 to 2^1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScaleRounding {
    /// Power of two below amax, over the format's largest: never steps up, so values above 6 clip.
    RoundDown,
    /// Smallest scale under which amax does not clip: steps above 6.0. AITER's HIP kernels since June 2026.
    RoundUp,
    /// amax rounded half a mantissa step up first: steps at 7.0. AITER's Triton kernels.
    Even,
    /// Power of two above amax, over the format's largest: steps above 4.0.
    Ceil,
    /// AITER's HIP kernels before June 2026: steps at 6.0, inclusive.
    Legacy,
}

impl ScaleRounding {
    /// Every mode, in the order of its code.
    pub const ALL: [Self; 5] = [Self::RoundDown, Self::RoundUp, Self::Even, Self::Ceil, Self::Legacy];

    /// The number that kernels take: AITER's 0 to 3, and 4 for [`Self::Legacy`].
    #[must_use]
    pub const fn code(self) -> u32 {
        self as u32
    }

    /// Lower-case name, as written in contracts and golden files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RoundDown => "round_down",
            Self::RoundUp => "round_up",
            Self::Even => "even",
            Self::Ceil => "ceil",
            Self::Legacy => "legacy",
        }
    }

    /// The mode of that [`Self::name`].
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }

    /// Scale byte of a block whose largest magnitude is `amax` (sign ignored). Monotone in `amax`.
    ///
    /// Inf and NaN give 255, the E8M0 NaN. Every product and quotient is one f32 operation with denormals, as
    /// on the device. A kernel that multiplies by 1/6 instead of dividing by 6 differs from `RoundUp` for one
    /// f32 amax only, 3 · 2^-149, and for no bf16 or f16.
    #[inline]
    #[must_use]
    pub const fn scale_byte(self, amax: f32, element: Element) -> u8 {
        let bits = amax.to_bits() & 0x7fff_ffff;
        if bits >= 0x7f80_0000 {
            return e8m0::NAN;
        }
        let amax = f32::from_bits(bits);
        let max_exponent = element.max_exponent();
        let over_power = (amax * f32::from_bits((127 - max_exponent) << 23)).to_bits();
        let exponent = match self {
            Self::RoundDown => over_power >> 23,
            Self::Ceil => (over_power >> 23) + (over_power & 0x007f_ffff != 0) as u32,
            Self::RoundUp => {
                let ratio = (amax / element.max()).to_bits();
                (ratio >> 23) + (ratio & 0x007f_ffff != 0) as u32
            }
            Self::Even => {
                let half_step = 1 << (22 - element.format().mantissa_bits);
                ((bits + half_step) >> 23).saturating_sub(max_exponent)
            }
            Self::Legacy => {
                let exponent = over_power >> 23;
                let half = over_power & 0x0040_0000 != 0;
                let below_half = over_power & 0x003f_ffff != 0;
                exponent + (half && (below_half || exponent > 0)) as u32
            }
        };
        exponent as u8
    }
}

/// Everything that decides the bytes of an MXFP4 block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mxfp4Rule {
    /// How amax becomes the scale byte.
    pub scale: ScaleRounding,
    /// amax is raised to at least this. 0 for none: a block of zeros then has scale byte 0.
    pub amax_floor: f32,
    /// How the scaled elements become E2M1.
    pub element: Conversion,
}

impl Mxfp4Rule {
    /// Where AITER's HIP per-group and activation quantisers start their maximum. A block of zeros gets the
    /// byte 0x5C under `RoundUp`; its codes are zero all the same.
    pub const AITER_HIP_AMAX_FLOOR: f32 = 1e-10;

    /// Elements rounded to nearest even, no floor under amax.
    #[must_use]
    pub const fn new(scale: ScaleRounding) -> Self {
        Self { scale, amax_floor: 0.0, element: Conversion::RNE_SATURATE }
    }

    /// The same rule with amax raised to at least `floor`.
    #[must_use]
    pub const fn with_amax_floor(self, floor: f32) -> Self {
        Self { amax_floor: floor, ..self }
    }

    /// The scale byte of a block with this amax.
    #[inline]
    #[must_use]
    pub fn scale_byte(&self, amax: f32) -> u8 {
        // Not `f32::max`, which would drop a NaN amax.
        let amax = if amax < self.amax_floor { self.amax_floor } else { amax };
        self.scale.scale_byte(amax, Element::E2m1)
    }
}

/// One quantised block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mxfp4Block {
    /// E8M0 scale.
    pub scale: u8,
    /// 32 E2M1 codes, element 2i in the low nibble of byte i.
    pub data: [u8; MXFP4_BLOCK_BYTES],
}

/// Largest magnitude. NaN counts as the largest, Inf as the next: magnitudes are compared as bits.
#[inline]
#[must_use]
pub fn amax(values: &[f32]) -> f32 {
    f32::from_bits(values.iter().fold(0, |max, x| max.max(x.to_bits() & 0x7fff_ffff)))
}

/// Quantises one block. A block with Inf or NaN gets scale byte 255 and therefore dequantises to NaN
/// throughout; its codes carry no value and are those of NaN with each element's sign.
#[inline]
#[must_use]
pub fn quantise_mxfp4(block: &[f32; BLOCK], rule: &Mxfp4Rule) -> Mxfp4Block {
    let scale = rule.scale_byte(amax(block));
    let mut codes = [0; BLOCK];
    match (scale, rule.element.rounding) {
        (e8m0::NAN, _) => {
            for (code, x) in codes.iter_mut().zip(block) {
                *code = e2m1::from_f32(f32::NAN.copysign(*x), 0, rule.element);
            }
        }
        (_, Rounding::NearestEven) => encode_nearest_even(block, scale, &mut codes),
        (_, Rounding::TowardZero | Rounding::Stochastic { .. }) => {
            for (code, x) in codes.iter_mut().zip(block) {
                *code = e2m1::from_f32(*x, i32::from(scale) - 127, rule.element);
            }
        }
    }
    let mut data = [0; MXFP4_BLOCK_BYTES];
    for (byte, pair) in data.iter_mut().zip(codes.as_chunks::<2>().0) {
        *byte = pair[0] | pair[1] << 4;
    }
    Mxfp4Block { scale, data }
}

/// Dequantises one block: each code's value times the scale, one f32 product. Exact, except that ±4 and ±6
/// under byte 254 overflow to ±Inf. Scale byte 255 makes every element NaN.
#[inline]
#[must_use]
pub fn dequantise_mxfp4(block: &Mxfp4Block) -> [f32; BLOCK] {
    let scale = e8m0::to_f32(block.scale);
    let mut values = [0.0; BLOCK];
    for (pair, byte) in values.as_chunks_mut::<2>().0.iter_mut().zip(block.data) {
        *pair = [e2m1::to_f32(byte) * scale, e2m1::to_f32(byte >> 4) * scale];
    }
    values
}

/// [`e2m1::from_f32`] with nearest even and saturation for 32 finite values at once, in a form that vectorises:
/// the magnitude code is the number of thresholds that the scaled value reaches. The product with a power of
/// two is exact unless it is denormal, where every code is 0 anyway, or overflows, where every code saturates.
fn encode_nearest_even(block: &[f32; BLOCK], scale: u8, codes: &mut [u8; BLOCK]) {
    let inverse = match scale {
        0..254 => f32::from_bits((254 - u32::from(scale)) << 23),
        _ => f32::from_bits(0x0040_0000),
    };
    for (code, x) in codes.iter_mut().zip(block) {
        let magnitude = x.abs() * inverse;
        let count = u32::from(magnitude > 0.25)
            + u32::from(magnitude >= 0.75)
            + u32::from(magnitude > 1.25)
            + u32::from(magnitude >= 1.75)
            + u32::from(magnitude > 2.5)
            + u32::from(magnitude >= 3.5)
            + u32::from(magnitude > 5.0);
        *code = (count | (x.to_bits() >> 28 & 8)) as u8;
    }
}

/// The element rule of AITER's torch and Triton references: NaN becomes ±1.5.
pub const AITER_REFERENCE_ELEMENT: Conversion =
    Conversion { rounding: Rounding::NearestEven, overflow: Overflow::Saturate, nan: FiniteNan::OneAndAHalf };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_every_mode_in_the_octave_of_four() {
        let next = |x: f32| f32::from_bits(x.to_bits() + 1);
        let before = |x: f32| f32::from_bits(x.to_bits() - 1);
        for (mode, last_low, first_high) in [
            (ScaleRounding::RoundDown, before(8.0), 8.0),
            (ScaleRounding::RoundUp, 6.0, next(6.0)),
            (ScaleRounding::Even, before(7.0), 7.0),
            (ScaleRounding::Ceil, 4.0, next(4.0)),
            (ScaleRounding::Legacy, before(6.0), 6.0),
        ] {
            assert_eq!(mode.scale_byte(last_low, Element::E2m1), 127, "{} {last_low}", mode.name());
            assert_eq!(mode.scale_byte(first_high, Element::E2m1), 128, "{} {first_high}", mode.name());
        }
    }

    #[test]
    fn every_format_keeps_its_largest_value_under_round_up() {
        for element in [Element::E2m1, Element::E2m3, Element::E3m2, Element::E4m3, Element::E5m2] {
            let mode = ScaleRounding::RoundUp;
            assert_eq!(mode.scale_byte(element.max(), element), 127, "{element:?}");
            assert_eq!(mode.scale_byte(element.max() * 1.0001, element), 128, "{element:?}");
        }
    }

    #[test]
    fn scale_bytes_are_monotone_over_all_exponents() {
        for mode in ScaleRounding::ALL {
            let mut last = 0;
            for upper in 0..=0x7f80_u32 {
                for lower in [0, 1, 0x8000, 0xffff] {
                    let byte = mode.scale_byte(f32::from_bits(upper << 16 | lower), Element::E2m1);
                    assert!(byte >= last, "{} falls at {upper:04x}{lower:04x}", mode.name());
                    last = byte;
                }
            }
            assert_eq!(last, 255);
        }
    }

    #[test]
    fn zero_block_with_and_without_floor() {
        let zeros = [0.0; BLOCK];
        let rule = Mxfp4Rule::new(ScaleRounding::RoundUp);
        assert_eq!(quantise_mxfp4(&zeros, &rule), Mxfp4Block { scale: 0, data: [0; 16] });
        let floored = rule.with_amax_floor(Mxfp4Rule::AITER_HIP_AMAX_FLOOR);
        assert_eq!(quantise_mxfp4(&zeros, &floored), Mxfp4Block { scale: 0x5c, data: [0; 16] });
    }

    #[test]
    fn non_finite_blocks_dequantise_to_nan() {
        for special in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -f32::NAN] {
            for mode in ScaleRounding::ALL {
                let mut block = [1.0; BLOCK];
                block[17] = special;
                let rule = Mxfp4Rule::new(mode).with_amax_floor(1e-10);
                let quantised = quantise_mxfp4(&block, &rule);
                assert_eq!(quantised.scale, 255);
                assert!(dequantise_mxfp4(&quantised).iter().all(|x| x.is_nan()));
            }
        }
    }

    #[test]
    fn one_sixth_as_a_factor_differs_for_one_amax() {
        let by_factor = |amax: f32| {
            let ratio = (amax * (1.0 / 6.0)).to_bits();
            ((ratio >> 23) + u32::from(ratio & 0x007f_ffff != 0)) as u8
        };
        let differs = |bits: u32| {
            let amax = f32::from_bits(bits);
            by_factor(amax) != ScaleRounding::RoundUp.scale_byte(amax, Element::E2m1)
        };
        assert_eq!((0..0x0100_0000).filter(|&bits| differs(bits)).collect::<Vec<_>>(), [3]);
        // Above the denormals both depend on the significand only.
        assert!(!(0x4080_0000..0x4100_0000).any(differs));
    }
}
