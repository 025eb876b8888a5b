//! Residual add and RMSNorm, quantised from the f32 result as AITER's fused_rms_mxfp4_quant does.

use crate::rows::check_rows;
use crate::silu_mul::SMALLEST_F32;
use crate::{Elements, Error, Half, Rows, Tolerance, TruthRows};

/// What RMSNorm reads.
#[derive(Debug, Clone, Copy)]
pub struct RmsNormInput<'a> {
    /// `[m, k]` activations.
    pub x: Elements<'a>,
    /// Shape of `x`.
    pub rows: Rows,
    /// `[m, k]` residual and its row stride in elements, added to `x` in f32 before the norm.
    pub residual: Option<(Elements<'a>, usize)>,
    /// `[k]` weights.
    pub weight: Elements<'a>,
    /// Added to the mean of squares.
    pub epsilon: f32,
}

impl RmsNormInput<'_> {
    fn check(&self, operation: &'static str) -> Result<(), Error> {
        self.rows.check(operation, "x", self.rows.k, self.x.len())?;
        if let Some((residual, stride)) = self.residual {
            check_rows(operation, "residual", self.rows.m, self.rows.k, stride, residual.len())?;
        }
        check_rows(operation, "weight", 1, self.rows.k, self.rows.k, self.weight.len())?;
        if !self.epsilon.is_normal() || self.epsilon < 0.0 {
            return Err(Error::Epsilon { operation, epsilon: self.epsilon });
        }
        Ok(())
    }

    /// One row of x + residual: one f32 addition, the same on every device.
    fn sum(&self, row: usize, sum: &mut [f32], residual_row: &mut [f32]) {
        self.x.widen(row * self.rows.stride, sum);
        if let Some((residual, stride)) = self.residual {
            residual.widen(row * stride, residual_row);
            sum.iter_mut().zip(residual_row).for_each(|(x, r)| *x += *r);
        }
    }
}

/// y = s · rsqrt(mean(s²) + epsilon) · weight with s = x + residual in f32, not rounded to a half before the norm.
///
/// The device computes (s · rsqrt) · weight: the first product may be an f32 denormal, so the tolerance is widened by
/// one of these times the weight. It sums squares in f32: where the true sum overflows f32, it sees Inf, rsqrt is 0
/// and so is y. Near that edge (the sum's error is up to twice the result's) either result is legal. A row with NaN is NaN throughout; with Inf, 0 except NaN at
/// the Inf.
#[derive(Debug, Clone)]
pub struct RmsNorm<'a> {
    input: RmsNormInput<'a>,
    weight: Vec<f64>,
    tolerance: Tolerance,
}

impl<'a> RmsNorm<'a> {
    /// Checks shapes; `tolerance` bounds the whole chain: sum order, rsqrt and two products.
    pub fn new(input: RmsNormInput<'a>, tolerance: Tolerance) -> Result<Self, Error> {
        input.check("rms_norm")?;
        let mut weight = vec![0.0; input.rows.k];
        input.weight.widen(0, &mut weight);
        Ok(Self { input, weight: weight.into_iter().map(f64::from).collect(), tolerance })
    }
}

impl TruthRows for RmsNorm<'_> {
    fn m(&self) -> usize {
        self.input.rows.m
    }

    fn k(&self) -> usize {
        self.input.rows.k
    }

    fn row(&self, row: usize, values: &mut [f64], errors: &mut [f64]) {
        let k = self.k();
        let (mut sum, mut scratch) = (vec![0.0_f32; k], vec![0.0_f32; k]);
        self.input.sum(row, &mut sum, &mut scratch);
        let squares: f64 = sum.iter().map(|s| f64::from(*s) * f64::from(*s)).sum();
        let largest = f64::from(f32::MAX);
        let overflows = squares > largest;
        let near_edge = (squares - largest).abs() <= 2.0 * self.tolerance.relative * largest;
        let norm = 1.0 / (squares / k as f64 + f64::from(self.input.epsilon)).sqrt();
        let outputs = values.iter_mut().zip(errors);
        for ((value, error), (s, weight)) in outputs.zip(sum.iter().zip(&self.weight)) {
            // The device's first product is an f32: 0 · Inf is NaN where the truth is Inf.
            let normed = match f64::from(*s) * norm {
                normed if weight.is_infinite() => f64::from(normed as f32),
                normed => normed,
            };
            *value = if overflows { f64::from(*s) * 0.0 } else { normed } * weight;
            let edge = if near_edge { (normed * weight).abs() } else { 0.0 };
            let denormal = SMALLEST_F32 * weight.abs();
            let bound = self.tolerance.relative * value.abs() + self.tolerance.absolute + denormal;
            // A product keeps its sign even where it underflows.
            *error = bound.min(value.abs()) + edge;
        }
    }
}

/// The updated residual x + r: added in f32, rounded once to `half` (nearest even), so defined to the bit.
/// Returns `[m, k]` without gaps.
pub fn add_residual(
    x: Elements<'_>,
    rows: Rows,
    residual: Elements<'_>,
    residual_stride: usize,
    half: Half,
) -> Result<Vec<u16>, Error> {
    let operation = "add_residual";
    rows.check(operation, "x", rows.k, x.len())?;
    check_rows(operation, "residual", rows.m, rows.k, residual_stride, residual.len())?;
    let (mut left, mut right) = (vec![0.0; rows.k], vec![0.0; rows.k]);
    let mut out = Vec::with_capacity(rows.m * rows.k);
    for row in 0..rows.m {
        x.widen(row * rows.stride, &mut left);
        residual.widen(row * residual_stride, &mut right);
        out.extend(left.iter().zip(&right).map(|(a, b)| half.from_f32_rne(a + b)));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Verdict, verify_half};

    const TOLERANCE: Tolerance = Tolerance { relative: 1e-6, absolute: 1e-45 };

    fn row(x: &[f32], weight: &[f32], epsilon: f32) -> (Vec<f64>, Vec<f64>) {
        let (k, rows) = (x.len(), Rows::packed(1, x.len()));
        let input = RmsNormInput {
            x: Elements::F32(x),
            rows,
            residual: None,
            weight: Elements::F32(weight),
            epsilon,
        };
        let truth = RmsNorm::new(input, TOLERANCE).unwrap();
        let (mut values, mut errors) = (vec![0.0; k], vec![0.0; k]);
        truth.row(0, &mut values, &mut errors);
        (values, errors)
    }

    #[test]
    fn the_mean_square_of_the_result_is_that_of_the_weights() {
        let x: Vec<f32> = (0..64).map(|i| (i as f32 - 20.0) * 0.1).collect();
        let (values, errors) = row(&x, &[2.0; 64], 1e-12);
        let mean = values.iter().map(|y| y * y).sum::<f64>() / 64.0;
        assert!((mean - 4.0).abs() < 1e-10, "{mean}");
        assert!(values.iter().zip(&errors).all(|(y, e)| *e <= 1.1e-6 * y.abs() + 1e-40));
    }

    #[test]
    fn sums_beyond_f32_give_zero_and_special_values_spread() {
        let mut x = [1.0_f32; 32];
        x[3] = 1e20;
        assert_eq!(row(&x, &[1.0; 32], 1e-6).0, [0.0; 32]);
        x[3] = f32::INFINITY;
        let values = row(&x, &[1.0; 32], 1e-6).0;
        assert!(values[3].is_nan() && values[4] == 0.0);
        x[3] = f32::NAN;
        assert!(row(&x, &[1.0; 32], 1e-6).0.iter().all(|y| y.is_nan()));
    }

    #[test]
    fn a_product_that_underflows_meets_an_infinite_weight() {
        let mut x = [1e-45_f32; 32];
        x[3] = 1e10;
        let values = row(&x, &[f32::INFINITY; 32], 1e-6).0;
        assert!(values[0].is_nan() && values[3] == f64::INFINITY);
    }

    #[test]
    fn one_wrong_half_is_found() {
        let x: Vec<u16> = (0..64).map(|i| 0x3f80 + i).collect();
        let weight = vec![0x3f80_u16; 32];
        let (x, weight, rows) = (Elements::Bf16(&x), Elements::Bf16(&weight), Rows::packed(2, 32));
        let input = RmsNormInput { x, rows, residual: None, weight, epsilon: 1e-6 };
        let truth = RmsNorm::new(input, TOLERANCE).unwrap();
        let mut out = Vec::new();
        for row in 0..2 {
            let (mut values, mut errors) = ([0.0; 32], [0.0; 32]);
            truth.row(row, &mut values, &mut errors);
            out.extend(values.map(|y| Half::Bf16.from_f32_rne(y as f32)));
        }
        let verify = |out: &[u16]| -> Verdict { verify_half(&truth, out, 32, Half::Bf16).unwrap() };
        assert!(verify(&out).is_right());
        out[40] += 1;
        let verdict = verify(&out);
        assert_eq!(verdict.violations, 1);
        assert!(verdict.first[0].to_string().starts_with("element (1, 8) is "), "{}", verdict.first[0]);
        out[40] = 0x7fc0;
        assert_eq!(verify(&out).violations, 1);
    }

    #[test]
    fn residuals_are_rounded_once() {
        // 256 + 1 is halfway between two bf16 and goes to the even one, 256; 256 + 3 goes to 260.
        let (x, residual) = ([0x4380_u16, 0x4380], [0x3f80_u16, 0x4040]);
        let sums =
            add_residual(Elements::Bf16(&x), Rows::packed(1, 2), Elements::Bf16(&residual), 2, Half::Bf16);
        assert_eq!(sums.unwrap(), [0x4380, 0x4382]);
    }

    #[test]
    fn an_epsilon_of_zero_is_refused() {
        let x = [0.0; 32];
        let (x, rows) = (Elements::F32(&x), Rows::packed(1, 32));
        let input = RmsNormInput { x, rows, residual: None, weight: x, epsilon: 0.0 };
        assert!(matches!(RmsNorm::new(input, TOLERANCE), Err(Error::Epsilon { .. })));
    }
}
