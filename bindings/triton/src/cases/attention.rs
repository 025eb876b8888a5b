//! Attention forward, with and without a causal mask.

use super::{Case, Operand, Random, bf16s, size, tiles, to_bytes_u16};
use crate::{Allowed, Kernel, Result, Stored, Tally};
use peers::{HALF_UNIT, QUOTIENT, SMALLEST, UNIT};

/// Relative error of rounding to the nearest bf16, which has 8 significant bits.
const HALF_UNIT_BF16: f64 = 1.0 / 256.0;
/// Heads of every case.
const HEADS: usize = 2;

/// Inputs as values and what they are multiplied with.
struct Problem {
    queries: usize,
    keys: usize,
    d: usize,
    tile: usize,
    causal: bool,
    scale: f32,
    q: Vec<f64>,
    k: Vec<f64>,
    v: Vec<f64>,
}

/// softmax(scale · Q Kᵀ) V of each head.
pub(super) fn attention(kernel: &Kernel, random: &mut Random) -> Result<Vec<Case>> {
    let (d, bm, bn) = (kernel.constant("D")?, kernel.constant("BM")?, kernel.constant("BN")?);
    let causal = kernel.constant("CAUSAL")? == 1;
    let mut shapes = vec![(1, 1), (bm, bn), (bm - 1, bm - 1), (bm + 1, bm + 1), (2 * bm + 3, 2 * bm + 3)];
    if !causal {
        shapes.extend([(5, 3 * bn - 1), (bm + 9, bn + 1), (2, 8 * bn)]);
    }
    let case = |(queries, keys): (usize, usize)| {
        let q = random.bf16s(HEADS * queries * d);
        let k = random.bf16s(HEADS * keys * d);
        let v = random.bf16s(HEADS * keys * d);
        let scale = 1.0 / (d as f32).sqrt();
        let (q_bytes, k_bytes, v_bytes) = (to_bytes_u16(&q), to_bytes_u16(&k), to_bytes_u16(&v));
        let values = |bytes: &[u8]| bf16s(bytes).map(f64::from).collect::<Vec<_>>();
        let (q, k, v) = (values(&q_bytes), values(&k_bytes), values(&v_bytes));
        let problem = Problem { queries, keys, d, tile: bn, causal, scale, q, k, v };
        let allowed = problem.allowed();
        Case {
            shape: format!("{HEADS} heads {queries}x{keys} D={d}"),
            grid: (tiles(queries, bm), HEADS as u32, 1),
            operands: vec![
                ("q_ptr", Operand::Input(q_bytes)),
                ("k_ptr", Operand::Input(k_bytes)),
                ("v_ptr", Operand::Input(v_bytes)),
                ("out_ptr", Operand::Output(2 * HEADS * queries * d)),
                ("queries", size(queries)),
                ("keys", size(keys)),
                ("scale", Operand::F32(scale)),
            ],
            check: Box::new(move |outputs| compare(&allowed, &outputs[0], queries, d)),
        }
    };
    Ok(shapes.into_iter().map(case).collect())
}

impl Problem {
    fn allowed(&self) -> Vec<Allowed> {
        let mut out = Vec::with_capacity(self.q.len());
        for head in 0..HEADS {
            for query in 0..self.queries {
                out.extend(self.row(head, query));
            }
        }
        out
    }

    /// One row of the output. With s the exact scores and top their maximum, a weight is w = exp(s - top).
    ///
    /// The kernel's score errs by D truncating additions, 2^-23 · D · Σ|q k| · scale, and half a unit of |s| for the
    /// factor. Its weight is exp(s - top of its tile so far), shrunk whenever the top rises: the distances add up to
    /// top - s, each f32 exponential errs as for the softmax (3 · HALF_UNIT · distance, one unit), each shrinking
    /// multiplies once more; a key is shrunk at most once per tile. What is shrunk or flushed below the smallest
    /// normal number may become 0. The tops themselves cancel between numerator and denominator.
    ///
    /// The numerator takes weights rounded to bf16 and adds keys products with truncating additions; the denominator
    /// takes unrounded ones, with keys additions. Then one quotient and one rounding to bf16.
    fn row(&self, head: usize, query: usize) -> Vec<Allowed> {
        let (d, scale) = (self.d, f64::from(self.scale));
        let seen = if self.causal { self.keys.min(query + 1) } else { self.keys };
        let q = &self.q[(head * self.queries + query) * d..][..d];
        let line =
            |rows: &'_ [f64], key: usize| -> Vec<f64> { rows[(head * self.keys + key) * d..][..d].to_vec() };
        let scores: Vec<(f64, f64)> = (0..seen)
            .map(|key| {
                let k = line(&self.k, key);
                let s = q.iter().zip(&k).map(|(q, k)| q * k).sum::<f64>() * scale;
                let magnitude = q.iter().zip(&k).map(|(q, k)| (q * k).abs()).sum::<f64>() * scale;
                (s, d as f64 * UNIT * magnitude + HALF_UNIT * s.abs())
            })
            .collect();
        let top = scores.iter().fold(f64::NEG_INFINITY, |top, (s, _)| top.max(*s));
        let steps = seen.div_ceil(self.tile) as f64 + 1.0;
        let weights: Vec<(f64, f64)> = scores
            .iter()
            .map(|(s, error)| {
                ((s - top).exp(), error + 3.0 * HALF_UNIT * (top - s) + steps * (UNIT + HALF_UNIT))
            })
            .collect();
        let total: f64 = weights.iter().map(|(w, _)| w).sum();
        let additions = seen as f64 + 2.0 * steps;
        let total_error =
            weights.iter().map(|(w, error)| w * error).sum::<f64>() / total + additions * HALF_UNIT;
        let (mut value, mut error) = (vec![0.0; d], vec![0.0; d]);
        for (key, (weight, weight_error)) in weights.iter().enumerate() {
            for (at, v) in line(&self.v, key).into_iter().enumerate() {
                value[at] += weight * v;
                let relative = weight_error + HALF_UNIT_BF16 + additions * UNIT;
                error[at] += weight * v.abs() * relative + steps * SMALLEST * v.abs();
            }
        }
        let allowed = |(value, error): (&f64, &f64)| {
            let (value, error) = (value / total, error / total);
            Allowed::new(value, 1.01 * (error + value.abs() * (total_error + QUOTIENT)), Stored::Bf16)
        };
        value.iter().zip(&error).map(allowed).collect()
    }
}

fn compare(allowed: &[Allowed], bytes: &[u8], queries: usize, d: usize) -> Tally {
    let mut tally = Tally::default();
    for (index, (allowed, found)) in allowed.iter().zip(bf16s(bytes)).enumerate() {
        let (row, at) = (index / d, index % d);
        tally
            .add(*allowed, f64::from(found), || format!("[head {}, {}, {at}]", row / queries, row % queries));
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(causal: bool) -> Problem {
        // One dimension, scale 1, q = 1 everywhere: the scores are the keys, ln 3 and 0.
        let k = [[3.0_f64.ln(), 0.0], [0.0, 0.0]].concat();
        let v = vec![8.0, -8.0, 1.0, 2.0];
        Problem { queries: 2, keys: 2, d: 1, tile: 2, causal, scale: 1.0, q: vec![1.0; 4], k, v }
    }

    #[test]
    fn attention_by_hand() {
        let found =
            |causal| problem(causal).allowed().iter().map(|allowed| allowed.value).collect::<Vec<_>>();
        let near = |found: Vec<f64>, expected: [f64; 4]| {
            assert!(found.iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-12), "{found:?}");
        };
        near(found(false), [4.0, 4.0, 1.5, 1.5]);
        near(found(true), [8.0, 4.0, 1.0, 1.5]);
    }

    #[test]
    fn a_key_too_many_is_wrong() {
        assert!(problem(true).allowed()[0].usage(4.0) > 1.0);
        assert!(problem(true).allowed()[0].usage(8.0) <= 1.0);
    }
}
