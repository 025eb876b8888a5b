//! FMA chains: the f32 and f64 forms, and [`MfmaPolicy::FmaChain`](super::MfmaPolicy::FmaChain).

use super::{
    form::{Form, Terms},
    operand::Items,
};
use crate::lanes::Lanes;

/// D = fma(a₍k₎, b₍k₎, … fma(a₍0₎, b₍0₎, C)) for row `i` of block `n`.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "the loop nest's coordinates and its three matrices")]
pub(super) fn row<const W: usize>(
    form: Form,
    terms: &Terms,
    n: usize,
    block_a: usize,
    i: usize,
    a: &Items<f32>,
    b: &Items<f32>,
    d: &mut [Lanes],
) {
    let (register, lane) = form.row(n, i);
    for j in (0..form.size).step_by(W) {
        let target: &mut [u32; W] = (&mut d[register][lane + j..][..W]).try_into().expect("length is W");
        let mut sum = target.map(f32::from_bits);
        add::<W>(terms, 0..terms.count, form.size * block_a + i, form.size * n + j, a, b, &mut sum);
        *target = sum.map(bits);
    }
}

/// As [`row`] for the f8f6f4 forms: a chain per block of 32, times 2^(scales), onto C.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "the loop nest's coordinates, its matrices and their scales")]
pub(super) fn scaled_row<const W: usize>(
    form: Form,
    terms: &Terms,
    i: usize,
    a: &Items<f32>,
    b: &Items<f32>,
    scale_a: &[f64; 64],
    scale_b: &[f64; 64],
    d: &mut [Lanes],
) {
    let (register, lane) = form.row(0, i);
    for j in (0..form.size).step_by(W) {
        let target: &mut [u32; W] = (&mut d[register][lane + j..][..W]).try_into().expect("length is W");
        let mut sum = target.map(f32::from_bits);
        for block in 0..form.k / 32 {
            let mut dot = [0.0; W];
            add::<W>(terms, 32 * block..32 * block + 32, i, j, a, b, &mut dot);
            for c in 0..W {
                let scale = scale_a[form.size * block + i] * scale_b[form.size * block + j + c];
                sum[c] = (dot[c] as f64 * scale + sum[c] as f64) as f32;
            }
        }
        *target = sum.map(bits);
    }
}

#[inline(always)]
fn add<const W: usize>(
    terms: &Terms,
    range: std::ops::Range<usize>,
    from_a: usize,
    from_b: usize,
    a: &Items<f32>,
    b: &Items<f32>,
    sum: &mut [f32; W],
) {
    for t in range {
        let x = a[terms.a[t] as usize + from_a];
        let row_b: &[f32; W] = b[terms.b[t] as usize + from_b..][..W].try_into().expect("length is W");
        for c in 0..W {
            sum[c] = x.mul_add(row_b[c], sum[c]);
        }
    }
}

#[inline(always)]
fn bits(value: f32) -> u32 {
    if value.is_nan() { super::NAN } else { value.to_bits() }
}
