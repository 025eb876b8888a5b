//! Softmax and the largest k of it in f64.

/// The weights of the largest `k` of `softmax(gating)`, largest first, and the largest relative error of a device's.
///
/// With u = 2^-23: the shift by the maximum, the factor log2(e) and exp2 err by at most (4 + 2·range)·u relative to
/// an exponential, range being the largest difference to the maximum; the sum of n adds n·u, the reciprocal and the
/// products 4·u. Renormalising divides by a sum of k such weights, which doubles the first part and adds k·u.
pub fn top_k_weights(gating: &[f64], k: usize, renormalise: bool) -> (Vec<f64>, f64) {
    let unit = 2.0_f64.powi(-23);
    let mut sorted = gating.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let (largest, smallest) = (sorted[0], sorted[sorted.len() - 1]);
    let total: f64 = sorted.iter().map(|value| (value - largest).exp()).sum();
    let mut weights: Vec<f64> = sorted[..k].iter().map(|value| (value - largest).exp() / total).collect();
    let exponential = (4.0 + 2.0 * (largest - smallest)) * unit;
    let mut error = 2.0 * exponential + (gating.len() as f64 + 4.0) * unit;
    if renormalise {
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= sum);
        error = 2.0 * error + (k as f64 + 4.0) * unit;
    }
    (weights, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_by_hand() {
        let gating = [0.0, 2.0_f64.ln(), 0.0, 4.0_f64.ln()];
        let (weights, error) = top_k_weights(&gating, 2, false);
        assert!((weights[0] - 0.5).abs() < 1e-15 && (weights[1] - 0.25).abs() < 1e-15);
        assert!(error > 0.0 && error < 1e-5);
        let (weights, _) = top_k_weights(&gating, 2, true);
        assert!((weights[0] - 2.0 / 3.0).abs() < 1e-15);
    }
}
