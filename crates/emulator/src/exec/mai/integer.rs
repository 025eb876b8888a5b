//! The i8 forms: 32-bit sums that wrap.

use super::{
    form::{Form, Terms},
    operand::Items,
};
use crate::lanes::Lanes;

/// Row `i` of block `n`.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "the loop nest's coordinates and its three matrices")]
pub(super) fn row<const W: usize>(
    form: Form,
    terms: &Terms,
    n: usize,
    block_a: usize,
    i: usize,
    a: &Items<i32>,
    b: &Items<i32>,
    d: &mut [Lanes],
) {
    let (register, lane) = form.row(n, i);
    for j in (0..form.size).step_by(W) {
        let target: &mut [u32; W] = (&mut d[register][lane + j..][..W]).try_into().expect("length is W");
        let mut sum = target.map(|bits| bits as i32);
        for t in 0..terms.count {
            let x = a[terms.a[t] as usize + form.size * block_a + i];
            let row_b: &[i32; W] =
                b[terms.b[t] as usize + form.size * n + j..][..W].try_into().expect("length is W");
            for c in 0..W {
                sum[c] = sum[c].wrapping_add(x * row_b[c]);
            }
        }
        *target = sum.map(|sum| sum as u32);
    }
}
