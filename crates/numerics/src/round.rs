//! How a conversion to a narrow format rounds, overflows and treats NaN: always parameters, never defaults
//! hidden in a call.

/// What happens to the bits that do not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// To nearest, ties to the even code. Every non-`sr` convert of gfx950.
    NearestEven,
    /// Towards zero. A finite value never overflows in this mode: it stops at the largest finite code.
    TowardZero,
    /// The gfx950 `sr` converts: align the significand to the destination's exponent, add the top bits of
    /// `random` below the last kept bit, truncate. (ROCm's host model of these instructions, amd_hip_ocp_host.)
    Stochastic {
        /// 32 random bits; those just below the binary point of the kept significand are the top ones.
        random: u32,
        /// Explicit significand bits of the source: 23 for f32, 10 for f16, 7 for bf16. Bits that alignment
        /// to a denormal destination shifts below these are dropped before the addition.
        source_mantissa_bits: u32,
    },
}

/// What becomes of a magnitude above the largest finite code. Formats without Inf and NaN always saturate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// Finite overflow and ±Inf become the largest finite code (OCP "saturating").
    Saturate,
    /// Finite overflow saturates; ±Inf stays Inf, or becomes NaN in a format without Inf.
    SaturateFinite,
    /// Both become Inf, or NaN in a format without Inf (OCP "non-saturating", and ml_dtypes).
    Special,
}

/// Which code a NaN becomes in a format that has none (E2M1, E2M3, E3M2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FiniteNan {
    /// Largest magnitude with the NaN's sign: ROCm's host model of the gfx950 converts.
    MaxMagnitude,
    /// 1.5 with the NaN's sign (E2M1 code 3): AITER's torch and Triton references.
    OneAndAHalf,
    /// Zero with the *opposite* of the NaN's sign: ml_dtypes.
    InvertedZero,
}

/// One complete rule for f32 → narrow format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conversion {
    /// Rounding of the dropped bits.
    pub rounding: Rounding,
    /// Treatment of magnitudes above the largest finite code.
    pub overflow: Overflow,
    /// NaN in formats without NaN; ignored by the others.
    pub nan: FiniteNan,
}

impl Conversion {
    /// Nearest even, finite overflow and Inf to Inf or NaN. What `from_f32_rne` of every format does.
    pub const RNE: Self =
        Self { rounding: Rounding::NearestEven, overflow: Overflow::Special, nan: FiniteNan::MaxMagnitude };
    /// Nearest even, everything too large to the largest finite code.
    pub const RNE_SATURATE: Self =
        Self { rounding: Rounding::NearestEven, overflow: Overflow::Saturate, nan: FiniteNan::MaxMagnitude };

    /// The same rule with another rounding.
    #[must_use]
    pub const fn with_rounding(self, rounding: Rounding) -> Self {
        Self { rounding, ..self }
    }

    /// The same rule with another overflow treatment.
    #[must_use]
    pub const fn with_overflow(self, overflow: Overflow) -> Self {
        Self { overflow, ..self }
    }

    /// The same rule with another NaN code for the formats without NaN.
    #[must_use]
    pub const fn with_nan(self, nan: FiniteNan) -> Self {
        Self { nan, ..self }
    }
}
