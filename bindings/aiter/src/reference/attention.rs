//! Attention over a latent cache in f64, with what a device may be off by.

/// One query head of one token against the cache of its sequence.
#[derive(Debug, Clone, Copy)]
pub struct AttentionQuery<'a> {
    /// The query, dequantised but for [`scale`](Self::scale).
    pub q: &'a [f64],
    /// The keys that it sees, one slice per token; the first numbers of a key are its value.
    pub keys: &'a [&'a [f64]],
    /// Factor of the scores: the softmax's weight and the scales of query and cache.
    pub scale: f64,
    /// Factor of the values: the scale of the cache.
    pub value_scale: f64,
}

/// How a device computes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttentionRounding {
    /// Largest relative error of a probability when it is stored for the second product.
    pub probability: f64,
    /// Largest absolute error of a stored probability, relative to the largest one: below the format's normal range.
    pub probability_floor: f64,
    /// Operations with an error of at most 2^-23 each that a score may pass after its sum: scale, shift, exp2.
    pub exponent_steps: f64,
}

/// One head of the result.
#[derive(Debug, Clone, PartialEq)]
pub struct AttentionHead {
    /// The result.
    pub value: Vec<f64>,
    /// Bound of the device's error in f32, element by element, before the result is stored.
    pub error: Vec<f64>,
    /// Log-sum-exp of the scores.
    pub lse: f64,
    /// Bound of its error.
    pub lse_error: f64,
}

/// The error that no independent rounding of many terms exceeds in practice: t·√Σa² has probability 2·exp(-t²/2) to
/// be exceeded (Hoeffding) by a sum of independent errors of mean zero within ±a; 2·10^-14 for t = 8.
const DEVIATIONS: f64 = 8.0;

/// The result in f64 and the bound of a device's error.
///
/// With u = 2^-23 and n keys: a score errs by δ = |scale|·d·u·Σ|q·k| + |score|·steps·u, so exp of it by the relative
/// ε = e^δ - 1 + steps·u; ε is the largest over the keys. Normalisation divides by the sum of exponentials, which
/// errs by ε + n·u, and the second product adds n terms with n·u. Storing probabilities errs by a = (ρ·p + floor)·|v|
/// per term; these errors are roundings to nearest of unrelated numbers, so that their sum is bounded by the smaller
/// of Σa and 8·√Σa² (see `DEVIATIONS`).
pub fn attention(query: AttentionQuery<'_>, values: usize, rounding: AttentionRounding) -> AttentionHead {
    let unit = 2.0_f64.powi(-23);
    let mut scores = Vec::with_capacity(query.keys.len());
    let mut exponent_error = 0.0_f64;
    for key in query.keys {
        let (mut sum, mut magnitude) = (0.0, 0.0);
        for (q, k) in query.q.iter().zip(*key) {
            sum += q * k;
            magnitude += (q * k).abs();
        }
        let score = sum * query.scale;
        let error = query.scale.abs() * query.q.len() as f64 * unit * magnitude
            + score.abs() * rounding.exponent_steps * unit;
        exponent_error = exponent_error.max(error);
        scores.push(score);
    }
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
    let total: f64 = weights.iter().sum();
    let n = weights.len() as f64;
    // Scores are shifted by a maximum that errs as they do, hence twice.
    let relative = (2.0 * exponent_error).exp_m1() + (rounding.exponent_steps + 2.0 * n) * unit;
    let (mut value, mut error) = (vec![0.0; values], vec![0.0; values]);
    let mut squares = vec![0.0; values];
    let mut magnitudes = vec![0.0; values];
    for (weight, key) in weights.iter().zip(query.keys) {
        let stored = (rounding.probability * weight).max(rounding.probability_floor);
        for d in 0..values {
            let term = weight * key[d];
            value[d] += term;
            magnitudes[d] += term.abs();
            let off = stored * key[d].abs();
            error[d] += off;
            squares[d] += off * off;
        }
    }
    let scale = query.value_scale / total;
    for d in 0..values {
        let rounded = error[d].min(DEVIATIONS * squares[d].sqrt());
        value[d] *= scale;
        error[d] = scale.abs() * (rounded + 2.0 * relative * magnitudes[d]);
    }
    AttentionHead {
        value,
        error,
        lse: largest + total.ln(),
        lse_error: relative + (n + 4.0) * unit + largest.abs() * 4.0 * unit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_keys_by_hand() {
        let keys: [&[f64]; 2] = [&[1.0, 2.0, 0.0], &[3.0, -2.0, 4.0]];
        let query = AttentionQuery { q: &[0.0, 1.0, 1.0], keys: &keys, scale: 2.0, value_scale: 0.5 };
        let exact = AttentionRounding { probability: 0.0, probability_floor: 0.0, exponent_steps: 0.0 };
        // Scores 4 and 4: the mean of the values, halved.
        let head = attention(query, 2, exact);
        assert_eq!(head.value, [1.0, 0.0]);
        assert!((head.lse - (4.0 + 2.0_f64.ln())).abs() < 1e-15);
        assert!(head.error.iter().all(|&error| error < 1e-4));
    }

    #[test]
    fn coarse_probabilities_widen_the_bound() {
        let keys: [&[f64]; 2] = [&[1.0], &[3.0]];
        let query = AttentionQuery { q: &[1.0], keys: &keys, scale: 0.5, value_scale: 1.0 };
        let fine = AttentionRounding { probability: 0.0, probability_floor: 0.0, exponent_steps: 8.0 };
        let coarse = AttentionRounding { probability: 2.0_f64.powi(-4), ..fine };
        let (fine, coarse) = (attention(query, 1, fine), attention(query, 1, coarse));
        assert_eq!(fine.value, coarse.value);
        assert!(coarse.error[0] > fine.error[0] + 0.05);
    }
}
