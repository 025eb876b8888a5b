//! FP8 E4M3 (OCP) with f32 scales: defined to the bit once the division rule is.

use numerics::{Conversion, e4m3};

use crate::{Elements, Error, Rows, Tolerance, TruthRows};

/// Which elements share a scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fp8Granularity {
    /// All: one scale.
    Tensor,
    /// A row: `[M]` scales.
    Token,
    /// 128 elements of a row, the last group possibly fewer: `[M, ceil(K/128)]` scales, or `[ceil(K/128), M]`.
    Block128 {
        /// True for the second order.
        transposed: bool,
    },
}

impl Fp8Granularity {
    /// Elements of a row that share a scale.
    #[must_use]
    pub const fn width(self, k: usize) -> usize {
        match self {
            Self::Tensor | Self::Token => k,
            Self::Block128 { .. } => 128,
        }
    }

    /// Number of scales.
    #[must_use]
    pub const fn scales(self, m: usize, k: usize) -> usize {
        match self {
            Self::Tensor => 1,
            Self::Token => m,
            Self::Block128 { .. } => m * k.div_ceil(128),
        }
    }

    /// Which scale is that of (row, column).
    #[inline]
    #[must_use]
    pub const fn scale_index(self, m: usize, k: usize, row: usize, column: usize) -> usize {
        match self {
            Self::Tensor => 0,
            Self::Token => row,
            Self::Block128 { transposed: false } => row * k.div_ceil(128) + column / 128,
            Self::Block128 { transposed: true } => column / 128 * m + row,
        }
    }
}

/// How a quotient a / b is formed, in IEEE f32 with denormals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DivisionRule {
    /// a / b, one rounding.
    Divide,
    /// a · (1 / b), two roundings.
    MultiplyReciprocal,
}

impl DivisionRule {
    /// The quotient.
    #[inline]
    #[must_use]
    pub fn quotient(self, a: f32, b: f32) -> f32 {
        match self {
            Self::Divide => a / b,
            Self::MultiplyReciprocal => a * (1.0 / b),
        }
    }
}

/// Everything that decides scales and codes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fp8Rule {
    /// How amax / 448 is formed.
    pub scale: DivisionRule,
    /// How x / scale is formed.
    pub apply: DivisionRule,
    /// amax is raised to at least this (AITER's HIP kernels: 1e-10). 0 for none; a group of zeros then has scale 1.
    pub amax_floor: f32,
}

impl Fp8Rule {
    /// The scale of a group with this amax. NaN and Inf pass through.
    #[must_use]
    pub fn scale_of(&self, amax: f32) -> f32 {
        let amax = if amax < self.amax_floor { self.amax_floor } else { amax };
        if amax == 0.0 { 1.0 } else { self.scale.quotient(amax, e4m3::MAX) }
    }
}

/// A quantised tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Fp8 {
    /// `[M, K]` E4M3 codes, no gaps.
    pub data: Vec<u8>,
    /// One f32 per group, in the granularity's order.
    pub scales: Vec<f32>,
}

/// Quantises `[M, K]` to E4M3: code = nearest even, saturating, of x / scale, scale = amax / 448.
///
/// NaN is the largest magnitude: a group that holds it has scale NaN and all its codes are NaN (0x7F). A group with
/// Inf has scale Inf, code 0 (with sign) for finite elements and NaN for the Inf. K may be any multiple of 32.
pub fn quantise_fp8(
    x: Elements<'_>,
    rows: Rows,
    granularity: Fp8Granularity,
    rule: &Fp8Rule,
) -> Result<Fp8, Error> {
    let operation = "quantise FP8";
    rows.check_blocks(operation, 32)?;
    rows.check(operation, "x", rows.k, x.len())?;
    let Rows { m, k, stride } = rows;
    let mut values = vec![0.0; k];
    let mut amax = vec![0.0; granularity.scales(m, k)];
    let width = granularity.width(k).max(1);
    for row in 0..m {
        x.widen(row * stride, &mut values);
        for (group, values) in values.chunks(width).enumerate() {
            let amax = &mut amax[granularity.scale_index(m, k, row, group * width)];
            *amax = numerics::mx::amax(&[*amax, numerics::mx::amax(values)]);
        }
    }
    let scales: Vec<f32> = amax.into_iter().map(|amax| rule.scale_of(amax)).collect();
    let mut data = Vec::with_capacity(m * k);
    for row in 0..m {
        x.widen(row * stride, &mut values);
        for (group, values) in values.chunks(width).enumerate() {
            let scale = scales[granularity.scale_index(m, k, row, group * width)];
            match rule.apply {
                DivisionRule::Divide => data.extend(values.iter().map(|x| encode(x / scale))),
                DivisionRule::MultiplyReciprocal => {
                    let reciprocal = 1.0 / scale;
                    data.extend(values.iter().map(|x| encode(x * reciprocal)));
                }
            }
        }
    }
    Ok(Fp8 { data, scales })
}

fn encode(y: f32) -> u8 {
    // The sign of a NaN result differs between machines, so it is dropped.
    if y.is_nan() { 0x7f } else { e4m3::from_f32(y, 0, Conversion::RNE_SATURATE) }
}

/// x / scale with the scales *found* on the device, for kernels that divide by an approximate reciprocal
/// (`v_rcp_f32`): feed it to [`crate::verify_fp8`].
#[derive(Debug, Clone, Copy)]
pub struct Fp8Scaled<'a> {
    x: Elements<'a>,
    rows: Rows,
    granularity: Fp8Granularity,
    scales: &'a [f32],
    tolerance: Tolerance,
}

impl<'a> Fp8Scaled<'a> {
    /// `scales` in the granularity's order; `tolerance` bounds the device's quotient.
    pub fn new(
        x: Elements<'a>,
        rows: Rows,
        granularity: Fp8Granularity,
        scales: &'a [f32],
        tolerance: Tolerance,
    ) -> Result<Self, Error> {
        let operation = "FP8 quotient";
        rows.check(operation, "x", rows.k, x.len())?;
        let needed = granularity.scales(rows.m, rows.k);
        if scales.len() < needed {
            return Err(Error::TooShort { operation, operand: "scales", needed, actual: scales.len() });
        }
        Ok(Self { x, rows, granularity, scales, tolerance })
    }
}

impl TruthRows for Fp8Scaled<'_> {
    fn m(&self) -> usize {
        self.rows.m
    }

    fn k(&self) -> usize {
        self.rows.k
    }

    fn row(&self, row: usize, values: &mut [f64], errors: &mut [f64]) {
        let Rows { m, k, stride } = self.rows;
        let mut elements = vec![0.0; k];
        self.x.widen(row * stride, &mut elements);
        for (column, (value, error)) in values.iter_mut().zip(errors).enumerate() {
            let scale = self.scales[self.granularity.scale_index(m, k, row, column)];
            *value = f64::from(elements[column]) / f64::from(scale);
            *error = self.tolerance.relative * value.abs() + self.tolerance.absolute;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Fp8Rule =
        Fp8Rule { scale: DivisionRule::Divide, apply: DivisionRule::Divide, amax_floor: 0.0 };

    fn quantise(x: &[f32], rows: Rows, granularity: Fp8Granularity) -> Fp8 {
        quantise_fp8(Elements::F32(x), rows, granularity, &RULE).unwrap()
    }

    #[test]
    fn each_granularity_shares_its_scales() {
        // Rows of 160: a group of 128 and one of 32, of magnitudes 448 · 1 and 2, then 448 · 2 and 3.
        let x: Vec<f32> =
            (0..320).map(|i| if i % 160 < 128 { 448.0 } else { -896.0 } * (1 + i / 160) as f32).collect();
        let x: Vec<f32> = x.iter().enumerate().map(|(i, x)| if i >= 288 { x * 0.75 } else { *x }).collect();
        let rows = Rows::packed(2, 160);
        assert_eq!(quantise(&x, rows, Fp8Granularity::Tensor).scales, [3.0]);
        assert_eq!(quantise(&x, rows, Fp8Granularity::Token).scales, [2.0, 3.0]);
        let plain = quantise(&x, rows, Fp8Granularity::Block128 { transposed: false });
        assert_eq!(plain.scales, [1.0, 2.0, 2.0, 3.0]);
        let transposed = quantise(&x, rows, Fp8Granularity::Block128 { transposed: true });
        assert_eq!(transposed.scales, [1.0, 2.0, 2.0, 3.0]);
        assert_eq!(transposed.data, plain.data);
        // Every element is its group's largest: 448 and -448.
        assert_eq!((plain.data[0], plain.data[159], plain.data[319]), (0x7e, 0xfe, 0xfe));
    }

    #[test]
    fn transposed_scales_run_down_the_rows() {
        let x: Vec<f32> = (0..3 * 256).map(|i| 448.0 * (i / 128) as f32).collect();
        let scales = quantise(&x, Rows::packed(3, 256), Fp8Granularity::Block128 { transposed: true }).scales;
        // The group of zeros has scale 1.
        assert_eq!(scales, [1.0, 2.0, 4.0, 1.0, 3.0, 5.0]);
    }

    #[test]
    fn special_values() {
        let mut x = [1.0_f32; 64];
        (x[0], x[1], x[32], x[33], x[34]) = (f32::NAN, -0.0, f32::NEG_INFINITY, -1.0, 0.0);
        let result = quantise(&x, Rows::packed(2, 32), Fp8Granularity::Token);
        assert!(result.scales[0].is_nan() && result.data[..32].iter().all(|code| *code == 0x7f));
        assert_eq!(result.scales[1], f32::INFINITY);
        assert_eq!(result.data[32..36], [0x7f, 0x80, 0x00, 0x00]);
        // A magnitude whose scale underflows to 0 saturates, and 0 / 0 is NaN.
        let tiny = quantise(
            &[f32::from_bits(1), -f32::from_bits(1), 0.0, 0.0].repeat(8),
            Rows::packed(1, 32),
            Fp8Granularity::Token,
        );
        assert_eq!((tiny.scales[0], &tiny.data[..3]), (0.0, &[0x7e, 0xfe, 0x7f][..]));
    }

    #[test]
    fn a_floor_keeps_the_scale_up() {
        let rule = Fp8Rule { amax_floor: 1e-10, ..RULE };
        assert_eq!(rule.scale_of(0.0), 1e-10 / 448.0);
        assert_eq!(rule.scale_of(448.0), 1.0);
        assert!(rule.scale_of(f32::NAN).is_nan());
        assert_eq!(RULE.scale_of(0.0), 1.0);
    }
}
