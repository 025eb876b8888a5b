//! [`MfmaPolicy::ExactBlock`](super::MfmaPolicy::ExactBlock): f64 dot products.

use super::{
    form::{Form, Terms},
    operand::Items,
};
use crate::lanes::Lanes;

/// Rows that share each load of B.
const ROWS: usize = 4;

/// D = round(C + Σ dot products over `block` terms) for `W` columns at a time; `d` holds C and receives D.
/// `row_terms(i)` gives the products of a row; dense forms share one list among all rows.
#[inline(always)]
pub(super) fn dense<const W: usize, const FMA: bool>(
    form: Form,
    terms: &Terms,
    block: usize,
    broadcast: impl Fn(usize) -> usize,
    a: &Items<f64>,
    b: &Items<f64>,
    d: &mut [Lanes],
) {
    for n in 0..form.blocks {
        let (at_a, at_b) = (form.size * broadcast(n), form.size * n);
        for i in (0..form.size).step_by(ROWS) {
            for j in (0..form.size).step_by(W) {
                rows::<W, ROWS, FMA>(form, terms, block, n, i, j, &a[at_a..], &b[at_b..], d);
            }
        }
    }
}

/// As [`dense`] for one row of a sparse form.
#[inline(always)]
pub(super) fn sparse_row<const W: usize, const FMA: bool>(
    form: Form,
    terms: &Terms,
    i: usize,
    a: &Items<f64>,
    b: &Items<f64>,
    d: &mut [Lanes],
) {
    for j in (0..form.size).step_by(W) {
        rows::<W, 1, FMA>(form, terms, terms.count, 0, i, j, a, b, d);
    }
}

#[expect(clippy::too_many_arguments, reason = "one call site per loop nest; a struct would only rename them")]
#[inline(always)]
fn rows<const W: usize, const R: usize, const FMA: bool>(
    form: Form,
    terms: &Terms,
    block: usize,
    n: usize,
    i: usize,
    j: usize,
    a: &[f64],
    b: &[f64],
    d: &mut [Lanes],
) {
    let mut total = [[0.0; W]; R];
    for (r, total) in total.iter_mut().enumerate() {
        let (register, lane) = form.row(n, i + r);
        for (x, &bits) in total.iter_mut().zip(&d[register][lane + j..][..W]) {
            *x = f32::from_bits(bits) as f64;
        }
    }
    for first in (0..terms.count).step_by(block) {
        let mut dot = [[0.0; W]; R];
        for t in first..first + block {
            let row_b: &[f64; W] = b[terms.b[t] as usize + j..][..W].try_into().expect("length is W");
            let rows_a: &[f64; R] = a[terms.a[t] as usize + i..][..R].try_into().expect("length is R");
            for r in 0..R {
                for c in 0..W {
                    // The product of two elements is exact in f64: both ways give the same bits.
                    dot[r][c] = if FMA {
                        rows_a[r].mul_add(row_b[c], dot[r][c])
                    } else {
                        rows_a[r] * row_b[c] + dot[r][c]
                    };
                }
            }
        }
        for r in 0..R {
            for c in 0..W {
                total[r][c] += dot[r][c];
            }
        }
    }
    for (r, total) in total.iter().enumerate() {
        let (register, lane) = form.row(n, i + r);
        for (bits, &x) in d[register][lane + j..][..W].iter_mut().zip(total) {
            *bits = if x.is_nan() { super::NAN } else { (x as f32).to_bits() };
        }
    }
}
