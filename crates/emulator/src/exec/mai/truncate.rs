//! [`MfmaPolicy::Cdna3Truncating`](super::MfmaPolicy::Cdna3Truncating): the arithmetic that MMA-Sim
//! (arXiv 2511.10909, `mmasim` 2.1.1) found on CDNA3, as integers and exact f64.
//!
//! A group of products, each with exponent e = eₐ + e_b (not normalised), is truncated towards zero to 24
//! fraction bits below the group's largest e and added exactly. That sum, floored to 32 bits below
//! max(e, e_C), and C, floored to 24, are added exactly; the result is floored to 31 fraction bits of its
//! own exponent (at least −126) and rounded to nearest f32. 8-bit formats sum even and odd k apart and join
//! the two, each floored to 24 bits below the larger exponent.
//!
//! On CDNA4 this is an assumption, as is its use for sparse forms (groups of stored products).

use super::{
    form::{Form, Terms},
    operand::{Items, Split, ZERO_EXPONENT},
};
use crate::lanes::Lanes;

/// Exponent of a sum of nothing but zeros.
const EMPTY: i32 = -999;

/// How the products are grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grouping {
    /// Groups of up to 8.
    Eights,
    /// Groups of 16, even and odd apart.
    Sixteens,
}

/// An operand with its values, which infinities and NaN need.
pub(super) struct Pair<'a> {
    pub split: &'a Split,
    /// The values of finite elements need not be there unless [`Pair::needs_values`].
    pub values: &'a Items<f64>,
}

/// Whether some product or sum may be infinite or NaN. Products overflow only among 16-bit formats, which
/// round them to f32's range (MMA-Sim's rule for the groups of 8).
#[inline(always)]
pub(super) fn needs_values(a: &Split, b: &Split, d: &[Lanes]) -> bool {
    let mut special = a.special || b.special || a.largest + b.largest >= 127;
    for lanes in d {
        for &bits in lanes.iter() {
            special |= bits & 0x7f80_0000 == 0x7f80_0000;
        }
    }
    special
}

/// The finite case: row `i` of block `n`, all columns.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "the loop nest's coordinates and its three matrices")]
pub(super) fn row<const W: usize>(
    form: Form,
    terms: &Terms,
    grouping: Grouping,
    n: usize,
    block_a: usize,
    i: usize,
    a: &Split,
    b: &Split,
    d: &mut [Lanes],
) {
    let (register, lane) = form.row(n, i);
    for j in (0..form.size).step_by(W) {
        let from_a = form.size * block_a + i;
        let from_b = form.size * n + j;
        let target: &mut [u32; W] = (&mut d[register][lane + j..][..W]).try_into().expect("length is W");
        let mut c = target.map(f32::from_bits);
        match grouping {
            Grouping::Sixteens => {
                for t in (0..terms.count).step_by(16) {
                    let products = Products { a, b, terms, from_a, from_b };
                    c = join_halves(products.sum::<W, 8, 2>(t), products.sum::<W, 8, 2>(t + 1), c);
                }
            }
            Grouping::Eights if terms.count >= 8 => {
                for t in (0..terms.count).step_by(8) {
                    let (sum, exponent) = Products { a, b, terms, from_a, from_b }.sum::<W, 8, 1>(t);
                    c = join(sum, exponent, c);
                }
            }
            Grouping::Eights => {
                for t in (0..terms.count).step_by(4) {
                    let (sum, exponent) = Products { a, b, terms, from_a, from_b }.sum::<W, 4, 1>(t);
                    c = join(sum, exponent, c);
                }
            }
        }
        *target = c.map(f32::to_bits);
    }
}

/// The general case, one output after the other: a group with an infinity or NaN adds as IEEE says.
#[expect(clippy::too_many_arguments, reason = "the loop nest's coordinates and its three matrices")]
pub(super) fn row_with_specials(
    form: Form,
    terms: &Terms,
    grouping: Grouping,
    n: usize,
    block_a: usize,
    i: usize,
    a: Pair<'_>,
    b: Pair<'_>,
    d: &mut [Lanes],
) {
    let (register, lane) = form.row(n, i);
    let group = if grouping == Grouping::Sixteens { 16 } else { terms.count.min(8) };
    for j in 0..form.size {
        let (from_a, from_b) = (form.size * block_a + i, form.size * n + j);
        let mut c = f32::from_bits(d[register][lane + j]);
        for t in (0..terms.count).step_by(group) {
            let mut special = if c.is_finite() { 0.0 } else { c as f64 };
            for k in t..t + group {
                let product = a.values[terms.a[k] as usize + from_a] * b.values[terms.b[k] as usize + from_b];
                if !product.is_finite() {
                    special += product;
                } else if grouping == Grouping::Eights && product.abs() >= 2f64.powi(128) {
                    special += f64::INFINITY.copysign(product);
                }
            }
            c = if special != 0.0 {
                special as f32
            } else {
                let products = Products { a: a.split, b: b.split, terms, from_a, from_b };
                match (grouping, group) {
                    (Grouping::Sixteens, _) => {
                        join_halves(products.sum::<1, 8, 2>(t), products.sum::<1, 8, 2>(t + 1), [c])[0]
                    }
                    (Grouping::Eights, 8) => {
                        let (sum, exponent) = products.sum::<1, 8, 1>(t);
                        join(sum, exponent, [c])[0]
                    }
                    _ => {
                        let (sum, exponent) = products.sum::<1, 4, 1>(t);
                        join(sum, exponent, [c])[0]
                    }
                }
            };
        }
        d[register][lane + j] = if c.is_nan() { super::NAN } else { c.to_bits() };
    }
}

struct Products<'a> {
    a: &'a Split,
    b: &'a Split,
    terms: &'a Terms,
    from_a: usize,
    from_b: usize,
}

impl Products<'_> {
    /// The truncated sum of the products t, t + STEP, … (N of them), in units of 2^(exponent − 24).
    #[inline(always)]
    fn sum<const W: usize, const N: usize, const STEP: usize>(&self, t: usize) -> ([i32; W], [i32; W]) {
        let mut product = [[0; W]; N];
        let mut exponent = [[0; W]; N];
        let mut largest = [EMPTY; W];
        for n in 0..N {
            let at_a = self.terms.a[t + STEP * n] as usize + self.from_a;
            let at_b = self.terms.b[t + STEP * n] as usize + self.from_b;
            let (sig_a, exp_a) = (self.a.significand[at_a], self.a.exponent[at_a]);
            let sig_b: &[i32; W] = self.b.significand[at_b..][..W].try_into().expect("length is W");
            let exp_b: &[i32; W] = self.b.exponent[at_b..][..W].try_into().expect("length is W");
            for c in 0..W {
                product[n][c] = sig_a * sig_b[c];
                exponent[n][c] = exp_a + exp_b[c];
                largest[c] = largest[c].max(exponent[n][c]);
            }
        }
        let mut sum = [0; W];
        for n in 0..N {
            for c in 0..W {
                let shift = (largest[c] - exponent[n][c]).min(31) as u32;
                let sign = product[n][c] >> 31;
                let magnitude = (product[n][c] ^ sign) - sign;
                sum[c] += ((magnitude >> shift) ^ sign) - sign;
            }
        }
        (sum, largest)
    }
}

/// Even and odd sums of a group of 16, then C.
#[inline(always)]
fn join_halves<const W: usize>(
    even: ([i32; W], [i32; W]),
    odd: ([i32; W], [i32; W]),
    c: [f32; W],
) -> [f32; W] {
    let (mut sum, mut exponent) = ([0; W], [0; W]);
    for n in 0..W {
        exponent[n] = even.1[n].max(odd.1[n]);
        sum[n] =
            (even.0[n] >> (exponent[n] - even.1[n]).min(31)) + (odd.0[n] >> (exponent[n] - odd.1[n]).min(31));
    }
    // MMA-Sim drops a C that is wholly below the sum's bits in this unit only.
    finish::<W, true>(sum, exponent, c)
}

#[inline(always)]
fn join<const W: usize>(sum: [i32; W], exponent: [i32; W], c: [f32; W]) -> [f32; W] {
    finish::<W, false>(sum, exponent, c)
}

/// `sum · 2^(exponent − 24)` + C.
#[inline(always)]
fn finish<const W: usize, const DROP: bool>(sum: [i32; W], exponent: [i32; W], c: [f32; W]) -> [f32; W] {
    let mut result = [0.0; W];
    for n in 0..W {
        let exponent_c = ((c[n].to_bits() >> 23 & 255) as i32).max(1) - 127;
        let top = exponent[n].max(exponent_c);
        // Units of 2^(top − 32).
        let part = (sum[n] as f64 * power(8 - (top - exponent[n]).min(200))).floor();
        let part_c = (c[n] as f64 * power(24 - top)).floor() * 256.0;
        let part_c = if DROP && exponent_c < top - 25 { 0.0 } else { part_c };
        let total = part + part_c;
        let own = (total.to_bits() >> 52 & 0x7ff) as i32 - 1023;
        let own = (top - 32 + own).max(-126);
        let floored = (total * power(top - 1 - own)).floor();
        result[n] = (floored * power(own - 31)) as f32;
    }
    result
}

/// 2^n for |n| < 1023.
#[inline(always)]
fn power(n: i32) -> f64 {
    f64::from_bits(((n + 1023) as u64) << 52)
}

const _: () = assert!(2 * ZERO_EXPONENT < EMPTY && ZERO_EXPONENT + 400 < EMPTY);
