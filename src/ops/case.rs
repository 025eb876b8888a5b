//! One set of operands to try.

use std::fmt;

use numerics::{bf16, f16};
use serde::Serialize;

use crate::dtype::Dtype;

/// Shape, strides and values of one launch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Case {
    /// Rows; 0 is a case.
    pub m: usize,
    /// Columns, a multiple of 32. Weights: bytes of a row. Scales: 32 times the groups.
    pub k: usize,
    /// Products: columns of the result. 0 for other operators.
    pub n: usize,
    /// Products: workgroups that share a tile of the result.
    pub splits: usize,
    /// Products: how many at once.
    pub batch: usize,
    /// What lies between the rows of a strided tensor.
    pub gap: Gap,
    /// What the inputs hold.
    pub values: Values,
    /// A group's largest magnitude is raised to at least this.
    pub amax_floor: f32,
    /// Whether optional operands are given: the residual, the copy of the result.
    pub optional: bool,
}

/// Elements between the end of a row and the start of the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Gap {
    /// This many, a multiple of 32, so that every row of every format starts at a multiple of 16 bytes.
    Elements(usize),
    /// So many that each tensor reaches beyond 4 GiB: 2^31 and some. Only the rows are ever touched.
    Huge,
}

/// What the inputs hold. Every choice is drawn from the seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Values {
    /// Normally distributed, deviation 1.
    Normal,
    /// Normally distributed, each block of 32 scaled by a power of two of the format's whole range.
    Wide,
    /// Every [`Pattern`] in turn, one per scale group.
    Adversarial,
    /// One pattern throughout: for operators whose groups are the whole tensor.
    Only(Pattern),
    /// Any bits, NaN and Inf among them.
    Bits,
    /// The blocks of `tests/data/golden_mxfp4_quant.csv`.
    Golden,
}

/// A group of values that finds a particular mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Pattern {
    /// +0 only.
    Zeros,
    /// -0 only.
    NegativeZeros,
    /// The format's largest numbers, both signs.
    Max,
    /// Its smallest subnormals, both signs.
    Tiny,
    /// Any subnormals.
    Subnormal,
    /// One NaN among ordinary numbers.
    Nan,
    /// One Inf among ordinary numbers.
    Inf,
    /// One -Inf and one NaN.
    InfAndNan,
    /// One huge number among tiny ones.
    Outlier,
    /// Largest magnitude at, just below or just above 4, 6 and 7 times a power of two: where scale rounding
    /// modes step. The other values lie on and around the ties between E2M1 codes.
    Thresholds,
    /// On and around the ties between E4M3 codes.
    Ties8,
}

/// How many cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Each edge once: less than a minute for all kernels on the virtual device, on two cores.
    Default,
    /// A grid of all shapes, strides and values.
    Full,
}

/// The element types that operators read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Element {
    /// bfloat16.
    Bf16,
    /// IEEE binary16.
    F16,
    /// IEEE binary32.
    F32,
}

impl Pattern {
    /// Every pattern.
    pub const ALL: [Self; 11] = [
        Self::Zeros,
        Self::NegativeZeros,
        Self::Max,
        Self::Tiny,
        Self::Subnormal,
        Self::Nan,
        Self::Inf,
        Self::InfAndNan,
        Self::Outlier,
        Self::Thresholds,
        Self::Ties8,
    ];
}

impl Gap {
    /// In elements.
    #[must_use]
    pub const fn elements(self) -> usize {
        match self {
            Self::Elements(n) => n,
            Self::Huge => (1 << 31) + 32,
        }
    }
}

impl Element {
    /// From an instance's TYPE.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "bf16" => Some(Self::Bf16),
            "f16" => Some(Self::F16),
            "f32" => Some(Self::F32),
            _ => None,
        }
    }

    /// As reports name it.
    #[must_use]
    pub const fn dtype(self) -> Dtype {
        match self {
            Self::Bf16 => Dtype::Bf16,
            Self::F16 => Dtype::F16,
            Self::F32 => Dtype::F32,
        }
    }

    /// Bytes of one.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Bf16 | Self::F16 => 2,
            Self::F32 => 4,
        }
    }

    /// Appends the element nearest to `x`, ties to even, as it lies in memory.
    pub fn write(self, x: f32, out: &mut Vec<u8>) {
        match self {
            Self::Bf16 => out.extend(bf16::from_f32_rne(x).to_le_bytes()),
            Self::F16 => out.extend(f16::from_f32_rne(x).to_le_bytes()),
            Self::F32 => out.extend(x.to_le_bytes()),
        }
    }

    /// Powers of two that scale normal deviates over most of the format's range, subnormals included.
    #[must_use]
    pub const fn wide(self) -> (i32, i32) {
        let (low, high) = self.exponents();
        // Deviates reach some 2^2.3.
        (low - self.mantissa_bits() / 2, high - 3)
    }

    /// Exponents of the smallest and the largest normal number.
    #[must_use]
    pub const fn exponents(self) -> (i32, i32) {
        match self {
            Self::Bf16 | Self::F32 => (-126, 127),
            Self::F16 => (-14, 15),
        }
    }

    /// Bits of the mantissa.
    #[must_use]
    pub const fn mantissa_bits(self) -> i32 {
        match self {
            Self::Bf16 => 7,
            Self::F16 => 10,
            Self::F32 => 23,
        }
    }
}

impl Case {
    /// A case without gap, floor and optional operands.
    #[must_use]
    pub const fn new(m: usize, k: usize, values: Values) -> Self {
        Self {
            m,
            k,
            n: 0,
            splits: 1,
            batch: 1,
            gap: Gap::Elements(0),
            values,
            amax_floor: 0.0,
            optional: false,
        }
    }

    /// A product of `[m, k]` and `[n, k]`.
    #[must_use]
    pub const fn product(m: usize, n: usize, k: usize, values: Values) -> Self {
        Self { n, ..Self::new(m, k, values) }
    }

    /// The same with so many workgroups for each tile.
    #[must_use]
    pub const fn splits(self, splits: usize) -> Self {
        Self { splits, ..self }
    }

    /// So many of it at once.
    #[must_use]
    pub const fn batch(self, batch: usize) -> Self {
        Self { batch, ..self }
    }

    /// The same with a gap.
    #[must_use]
    pub const fn gap(self, gap: Gap) -> Self {
        Self { gap, ..self }
    }

    /// The same with a floor.
    #[must_use]
    pub const fn floor(self, amax_floor: f32) -> Self {
        Self { amax_floor, ..self }
    }

    /// The same with every optional operand.
    #[must_use]
    pub const fn optional(self) -> Self {
        Self { optional: true, ..self }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.n {
            0 => write!(f, "m={} k={}", self.m, self.k)?,
            n => write!(f, "m={} n={n} k={}", self.m, self.k)?,
        }
        if self.splits != 1 {
            write!(f, " splits={}", self.splits)?;
        }
        if self.batch != 1 {
            write!(f, " batch={}", self.batch)?;
        }
        match self.gap {
            Gap::Elements(0) => {}
            Gap::Elements(n) => write!(f, " gap={n}")?,
            Gap::Huge => f.write_str(" gap=huge")?,
        }
        match self.values {
            Values::Only(pattern) => write!(f, " {pattern:?}")?,
            other => write!(f, " {other:?}")?,
        }
        if self.amax_floor != 0.0 {
            write!(f, " floor={:e}", self.amax_floor)?;
        }
        if self.optional {
            f.write_str(" all-operands")?;
        }
        Ok(())
    }
}
