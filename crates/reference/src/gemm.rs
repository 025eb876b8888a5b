//! a · wᵀ + bias of MXFP4 operands.

use std::ops::Range;

use numerics::mx::{BLOCK, MXFP4_BLOCK_BYTES};
use numerics::{e2m1, e8m0};

use crate::mxfp4::check_packed;
use crate::{Error, ScaleLayout, TruthRows};

/// An MXFP4 operand in row-major order: `[rows, k]` codes and `[rows, k/32]` scales, decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct MxOperand {
    rows: usize,
    k: usize,
    /// Twice the value of each element: integers from -12 to 12.
    doubled: Vec<i16>,
    /// NaN of byte 255.
    scales: Vec<f64>,
}

/// A product with the device's error bound. Every row of `a` is one of the result, every row of `w` a column.
#[derive(Debug, Clone, Copy)]
pub struct Gemm<'a> {
    a: &'a MxOperand,
    w: &'a MxOperand,
    bias: Option<&'a [f32]>,
    tolerance: GemmTolerance,
}

/// The device's error: `(relative + relative_per_block · K/32) · Σ |a·w| + bias · |bias|`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GemmTolerance {
    /// Of sums of partial sums.
    pub relative: f64,
    /// Of adding one block's product.
    pub relative_per_block: f64,
    /// Of adding the bias, as a share of the sum of magnitudes and the bias.
    pub bias: f64,
}

/// Who adds what: the blocks of each wave of each workgroup of a tile, in the order in which sums are added up.
pub type Parts = Vec<Vec<Range<usize>>>;

/// Blocks of one matrix instruction of 128 columns.
const MFMA_BLOCKS: usize = 4;

impl MxOperand {
    /// Decodes `rows` rows of `k` elements, `stride` bytes apart, with scales in `layout`.
    ///
    /// # Errors
    /// [`Error`] for slices that are too short and a K of partial blocks.
    pub fn new(
        data: &[u8],
        stride: usize,
        scales: &[u8],
        layout: ScaleLayout,
        rows: usize,
        k: usize,
    ) -> Result<Self, Error> {
        check_packed("MXFP4 operand", rows, k, data, stride, scales, layout)?;
        let groups = k / BLOCK;
        let double = |code: u8| (2.0 * e2m1::to_f32(code)) as i16;
        let mut doubled = Vec::with_capacity(rows * k);
        let mut decoded = Vec::with_capacity(rows * groups);
        for row in 0..rows {
            for byte in &data[row * stride..][..groups * MXFP4_BLOCK_BYTES] {
                doubled.extend([double(byte & 15), double(byte >> 4)]);
            }
            decoded.extend(
                (0..groups)
                    .map(|group| f64::from(e8m0::to_f32(scales[layout.index(rows, groups, row, group)]))),
            );
        }
        Ok(Self { rows, k, doubled, scales: decoded })
    }

    /// The same with some of the rows, in that order.
    #[must_use]
    pub fn pick(&self, rows: &[usize]) -> Self {
        let groups = self.k / BLOCK;
        Self {
            rows: rows.len(),
            k: self.k,
            doubled: rows.iter().flat_map(|r| &self.doubled[r * self.k..][..self.k]).copied().collect(),
            scales: rows.iter().flat_map(|r| &self.scales[r * groups..][..groups]).copied().collect(),
        }
    }

    fn blocks(&self, row: usize) -> (&[[i16; BLOCK]], &[f64]) {
        let groups = self.k / BLOCK;
        let codes = self.doubled[row * self.k..][..self.k].as_chunks::<BLOCK>().0;
        (codes, &self.scales[row * groups..][..groups])
    }
}

impl<'a> Gemm<'a> {
    /// `bias` has an element for each row of `w`.
    ///
    /// # Errors
    /// [`Error::TooShort`] when K differs or the bias is short.
    pub fn new(
        a: &'a MxOperand,
        w: &'a MxOperand,
        bias: Option<&'a [f32]>,
        tolerance: GemmTolerance,
    ) -> Result<Self, Error> {
        let operation = "product";
        if a.k != w.k {
            return Err(Error::TooShort { operation, operand: "w", needed: a.k, actual: w.k });
        }
        if let Some(bias) = bias.filter(|bias| bias.len() < w.rows) {
            return Err(Error::TooShort { operation, operand: "bias", needed: w.rows, actual: bias.len() });
        }
        Ok(Self { a, w, bias, tolerance })
    }

    /// The bits of a device that adds the products of four blocks at a time to a sum and rounds that once to f32: what
    /// the virtual device does with a scaled MFMA of 128 columns, in the parts that the kernel makes of K, each of
    /// which begins at a multiple of 128. Row-major `[M, N]`.
    #[must_use]
    pub fn in_device_order(&self, parts: &Parts) -> Vec<f32> {
        let mut out = Vec::with_capacity(self.a.rows * self.w.rows);
        let mut products = vec![0.0; self.a.k / BLOCK];
        for row in 0..self.a.rows {
            for column in 0..self.w.rows {
                self.products(row, column, |block, product, _| products[block] = product);
                let wave = |blocks: &Range<usize>| {
                    let steps = products[blocks.clone()].chunks(MFMA_BLOCKS);
                    steps.fold(0.0_f32, |sum, p| p.iter().fold(f64::from(sum), |sum, p| sum + p) as f32)
                };
                let group = |waves: &Vec<Range<usize>>| waves.iter().map(wave).reduce(|a, b| a + b);
                let sum = parts.iter().filter_map(group).reduce(|a, b| a + b).unwrap_or(0.0);
                out.push(self.bias.map_or(sum, |bias| sum + bias[column]));
            }
        }
        out
    }

    /// Of the result.
    fn columns(&self) -> usize {
        self.w.rows
    }

    /// Calls `each` with the number, the product and the sum of the products' magnitudes of each block of 32. All are
    /// exact but for overflow of f64, which E8M0 scales cannot cause.
    fn products(&self, row: usize, column: usize, mut each: impl FnMut(usize, f64, f64)) {
        let ((a, a_scales), (w, w_scales)) = (self.a.blocks(row), self.w.blocks(column));
        for (block, (a, w)) in a.iter().zip(w).enumerate() {
            // Quarters: at most 32 · 144.
            let (mut sum, mut magnitudes) = (0_i16, 0_i16);
            for (a, w) in a.iter().zip(w) {
                let product = a * w;
                sum += product;
                magnitudes += product.abs();
            }
            let scale = 0.25 * a_scales[block] * w_scales[block];
            each(block, f64::from(sum) * scale, f64::from(magnitudes) * scale);
        }
    }
}

impl TruthRows for Gemm<'_> {
    fn m(&self) -> usize {
        self.a.rows
    }

    fn k(&self) -> usize {
        self.columns()
    }

    fn row(&self, row: usize, values: &mut [f64], errors: &mut [f64]) {
        let GemmTolerance { relative, relative_per_block, bias: of_bias } = self.tolerance;
        let share = relative + relative_per_block * (self.a.k / BLOCK) as f64;
        for (column, (value, error)) in values.iter_mut().zip(errors).enumerate() {
            let (mut sum, mut magnitudes) = (0.0, 0.0);
            self.products(row, column, |_, product, magnitude| {
                sum += product;
                magnitudes += magnitude;
            });
            *value = sum;
            *error = share * magnitudes;
            if let Some(bias) = self.bias {
                let bias = f64::from(bias[column]);
                *value += bias;
                *error += of_bias * (magnitudes + bias.abs());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXACT: GemmTolerance = GemmTolerance { relative: 0.0, relative_per_block: 0.0, bias: 0.0 };

    /// Codes count upwards, so that no two elements of a block are alike.
    fn operand(rows: usize, k: usize, seed: usize) -> (Vec<u8>, Vec<u8>) {
        let data = (0..rows * k / 2).map(|i| ((i * 37 + seed * 11) % 251) as u8).collect();
        let scales = (0..rows * k / 32).map(|i| 120 + ((i * 5 + seed) % 9) as u8).collect();
        (data, scales)
    }

    fn decoded((data, scales): &(Vec<u8>, Vec<u8>), rows: usize, k: usize) -> MxOperand {
        MxOperand::new(data, k / 2, scales, ScaleLayout::Raw, rows, k).unwrap()
    }

    #[test]
    fn it_is_the_sum_over_elements() {
        let (m, n, k) = (3, 5, 96);
        let (a, w) = (operand(m, k, 1), operand(n, k, 2));
        let value = |(data, scales): &(Vec<u8>, Vec<u8>), row: usize, i: usize| {
            let byte = data[row * k / 2 + i / 2];
            let code = if i.is_multiple_of(2) { byte & 15 } else { byte >> 4 };
            f64::from(e2m1::to_f32(code)) * 2f64.powi(i32::from(scales[row * k / 32 + i / 32]) - 127)
        };
        let bias = [0.5, -1.0, 0.0, 2.0, 4.0];
        let (da, dw) = (decoded(&a, m, k), decoded(&w, n, k));
        let gemm = Gemm::new(&da, &dw, Some(&bias), EXACT).unwrap();
        let (mut values, mut errors) = (vec![0.0; n], vec![1.0; n]);
        for row in 0..m {
            gemm.row(row, &mut values, &mut errors);
            for column in 0..n {
                let sum: f64 = (0..k).map(|i| value(&a, row, i) * value(&w, column, i)).sum();
                assert_eq!(values[column], sum + f64::from(bias[column]));
                assert_eq!(errors[column], 0.0);
            }
        }
    }

    #[test]
    fn the_device_rounds_after_every_instruction_and_part() {
        // The first element of each 128 columns: 2^24, then 1 twice. 2^24 + 1 is no f32.
        let k = 3 * 128;
        let (mut a, w) =
            ((vec![0_u8; k / 2], vec![127_u8; k / 32]), (vec![0x22_u8; k / 2], vec![127_u8; k / 32]));
        for at in [0, 64, 128] {
            a.0[at] = 0x02;
        }
        a.1[0] = 127 + 24;
        let (a, w) = (decoded(&a, 1, k), decoded(&w, 1, k));
        let gemm = Gemm::new(&a, &w, None, EXACT).unwrap();
        // Lost when one by one, kept when the last two are added first.
        assert_eq!(gemm.in_device_order(&vec![vec![0..12]]), [16_777_216.0]);
        assert_eq!(gemm.in_device_order(&vec![vec![0..4, 4..12]]), [16_777_218.0]);
        assert_eq!(gemm.in_device_order(&vec![vec![0..4], vec![4..12]]), [16_777_218.0]);
    }

    #[test]
    fn a_nan_scale_is_nan_in_its_row_only() {
        let k = 64;
        let (mut a, w) = (operand(2, k, 3), operand(3, k, 4));
        a.1[3] = e8m0::NAN;
        let (a, w) = (decoded(&a, 2, k), decoded(&w, 3, k));
        let gemm = Gemm::new(&a, &w, None, EXACT).unwrap();
        let (mut values, mut errors) = (vec![0.0; 3], vec![0.0; 3]);
        gemm.row(0, &mut values, &mut errors);
        assert!(values.iter().all(|v| v.is_finite()));
        gemm.row(1, &mut values, &mut errors);
        assert!(values.iter().all(|v| v.is_nan()));
        assert_eq!(Gemm::new(&a.pick(&[0]), &w, None, EXACT).unwrap().m(), 1);
    }

    #[test]
    fn operands_must_fit() {
        let (a, w) = (operand(1, 64, 1), operand(1, 96, 2));
        let (a, w) = (decoded(&a, 1, 64), decoded(&w, 1, 96));
        let error = Gemm::new(&a, &w, None, EXACT).unwrap_err();
        assert!(matches!(error, Error::TooShort { operand: "w", needed: 64, actual: 96, .. }), "{error}");
        let error = Gemm::new(&a, &a, Some(&[]), EXACT).unwrap_err();
        assert!(matches!(error, Error::TooShort { operand: "bias", .. }), "{error}");
    }
}
