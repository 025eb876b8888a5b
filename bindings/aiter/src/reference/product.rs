//! Matrix products in f64.

use numerics::{bf16, e2m1, e4m3, e8m0};

/// Elements that share one E8M0 scale.
const BLOCK: usize = 32;

/// One element of a product.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Dot {
    /// The sum, exact but for f64's own rounding, which is 2^-29 of f32's.
    pub value: f64,
    /// The sum of the magnitudes of the terms.
    pub magnitude: f64,
}

/// An MXFP4 matrix in row-major order.
#[derive(Debug, Clone, Copy)]
pub struct Mxfp4Matrix<'a> {
    /// Rows.
    pub rows: usize,
    /// Elements of a row, a multiple of 32.
    pub k: usize,
    /// `[rows, K/2]`, two e2m1 per byte, low nibble first.
    pub codes: &'a [u8],
    /// `[rows, K/32]` E8M0.
    pub scales: &'a [u8],
}

/// `A·Bᵀ`, `[a.rows, b.rows]`. The terms of the magnitude are the scaled sums of 32 products: inside a block every
/// product is a multiple of 1/4 below 2^16, which f32 holds exactly in any order.
pub fn mxfp4_product(a: Mxfp4Matrix<'_>, b: Mxfp4Matrix<'_>) -> Vec<Dot> {
    let (left, right) = (doubled(a), doubled(b));
    let (left_scale, right_scale) = (scales(a), scales(b));
    let groups = a.k / BLOCK;
    let mut out = Vec::with_capacity(a.rows * b.rows);
    for m in 0..a.rows {
        let (row, row_scale) = (&left[m * a.k..][..a.k], &left_scale[m * groups..][..groups]);
        for n in 0..b.rows {
            let (column, column_scale) = (&right[n * b.k..][..b.k], &right_scale[n * groups..][..groups]);
            let mut dot = Dot::default();
            let blocks = row.as_chunks::<BLOCK>().0.iter().zip(column.as_chunks::<BLOCK>().0);
            for ((x, y), scale) in blocks.zip(row_scale.iter().zip(column_scale)) {
                let quarters: i32 = x.iter().zip(y).map(|(&x, &y)| i32::from(x) * i32::from(y)).sum();
                let term = f64::from(quarters) * 0.25 * scale.0 * scale.1;
                dot.value += term;
                dot.magnitude += term.abs();
            }
            out.push(dot);
        }
    }
    out
}

/// `A·Bᵀ` of bf16 codes, `[m, n]`, from `[m, k]` and `[n, k]`. The terms of the magnitude are single products.
pub fn bf16_product(a: &[u16], b: &[u16], (m, n, k): (usize, usize, usize)) -> Vec<Dot> {
    let widen = |codes: &[u16]| codes.iter().map(|&code| f64::from(bf16::to_f32(code))).collect::<Vec<_>>();
    let (left, right) = (widen(a), widen(b));
    let mut out = Vec::with_capacity(m * n);
    for row in left.chunks_exact(k) {
        for column in right.chunks_exact(k) {
            out.push(dot(row, column));
        }
    }
    out
}

/// Elements of K, and rows of B, that share one f32 scale of a block-scaled FP8 product.
pub const FP8_BLOCK: usize = 128;

/// `A·Bᵀ` of e4m3 codes, `[m, n]`, from `[m, k]` and `[n, k]`, with one f32 scale per 128 elements of a row of A,
/// `[m, k/128]`, and one per 128 × 128 elements of B, `[n/128, k/128]`. The terms of the magnitude are single scaled
/// products.
pub fn fp8_block_product(
    a: &[u8],
    a_scale: &[f32],
    b: &[u8],
    b_scale: &[f32],
    (m, n, k): (usize, usize, usize),
) -> Vec<Dot> {
    let widen = |codes: &[u8]| codes.iter().map(|&code| f64::from(e4m3::to_f32(code))).collect::<Vec<_>>();
    let (left, right, groups) = (widen(a), widen(b), k / FP8_BLOCK);
    let mut out = Vec::with_capacity(m * n);
    for row in 0..m {
        for column in 0..n {
            let mut sum = Dot::default();
            for group in 0..groups {
                let x = &left[row * k + group * FP8_BLOCK..][..FP8_BLOCK];
                let y = &right[column * k + group * FP8_BLOCK..][..FP8_BLOCK];
                let scale = f64::from(a_scale[row * groups + group])
                    * f64::from(b_scale[column / FP8_BLOCK * groups + group]);
                let block = dot(x, y);
                sum.value += block.value * scale;
                sum.magnitude += block.magnitude * scale.abs();
            }
            out.push(sum);
        }
    }
    out
}

/// The sum of products of two vectors of equal length, in eight interleaved partial sums.
fn dot(x: &[f64], y: &[f64]) -> Dot {
    let (mut value, mut magnitude) = ([0.0; 8], [0.0; 8]);
    let ((x, x_rest), (y, y_rest)) = (x.as_chunks::<8>(), y.as_chunks::<8>());
    for (x, y) in x.iter().zip(y) {
        for lane in 0..8 {
            let term = x[lane] * y[lane];
            value[lane] += term;
            magnitude[lane] += term.abs();
        }
    }
    let rest = x_rest.iter().zip(y_rest).map(|(x, y)| x * y);
    Dot {
        value: value.iter().sum::<f64>() + rest.clone().sum::<f64>(),
        magnitude: magnitude.iter().sum::<f64>() + rest.map(f64::abs).sum::<f64>(),
    }
}

/// The elements times two, which makes them whole.
fn doubled(matrix: Mxfp4Matrix<'_>) -> Vec<i16> {
    let twice = |code| (e2m1::to_f32(code) * 2.0) as i16;
    matrix.codes.iter().flat_map(|&byte| [twice(byte & 15), twice(byte >> 4)]).collect()
}

fn scales(matrix: Mxfp4Matrix<'_>) -> Vec<f64> {
    matrix.scales.iter().map(|&code| f64::from(e8m0::to_f32(code))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_by_hand() {
        // Row of A: 1.5 at k=0, -6 at k=33; row of B: 2 at k=0, 4 at k=33; scales 2 and 1/2 for B.
        let (mut a, mut b) = ([0u8; 32], [0u8; 32]);
        (a[0], b[0]) = (3, 4);
        (a[16], b[16]) = (15 << 4, 6 << 4);
        let a = Mxfp4Matrix { rows: 1, k: 64, codes: &a, scales: &[127, 127] };
        let b = Mxfp4Matrix { rows: 1, k: 64, codes: &b, scales: &[128, 126] };
        assert_eq!(mxfp4_product(a, b), [Dot { value: 6.0 - 12.0, magnitude: 18.0 }]);
    }

    #[test]
    fn an_fp8_block_product_by_hand() {
        // e4m3: 0x38 is 1, 0xc0 is -2. Two blocks of K, two of N: row 0 and row 128 of B.
        let (a, mut b) = (vec![0x38; 256], vec![0; 129 * 256]);
        b[..128].fill(0x38);
        b[128 * 256 + 128..].fill(0xc0);
        let out = fp8_block_product(&a, &[0.5, 3.0], &b, &[2.0, 1.0, 1.0, 0.25], (1, 129, 256));
        assert_eq!(out[0], Dot { value: 128.0, magnitude: 128.0 });
        assert_eq!(out[1], Dot::default());
        assert_eq!(out[128], Dot { value: -192.0, magnitude: 192.0 });
    }

    #[test]
    fn a_bf16_product_by_hand() {
        let code = |x: f32| bf16::from_f32_rne(x);
        let (a, b): (Vec<_>, Vec<_>) = ((0..9).map(|k| code(k as f32)).collect(), vec![code(-0.5); 9]);
        assert_eq!(bf16_product(&a, &b, (1, 1, 9)), [Dot { value: -18.0, magnitude: 18.0 }]);
    }
}
