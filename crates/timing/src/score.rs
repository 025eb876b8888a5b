//! How good predictions are.

/// Figures of a set of predictions.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// Rows.
    pub rows: usize,
    /// Mean absolute relative error.
    pub mape: f64,
    /// Median of it.
    pub median: f64,
    /// The error that nine of ten rows stay below.
    pub p90: f64,
    /// Mean of the signed relative error.
    pub bias: f64,
    /// Rank correlation.
    pub spearman: f64,
}

impl Score {
    /// Of pairs (predicted, measured).
    pub fn of(pairs: &[(f64, f64)]) -> Score {
        let mut errors: Vec<f64> =
            pairs.iter().map(|(predicted, measured)| (predicted / measured - 1.0).abs()).collect();
        errors.sort_by(f64::total_cmp);
        let n = pairs.len();
        if n == 0 {
            return Score::default();
        }
        let quantile = |q: f64| errors[((n - 1) as f64 * q).round() as usize];
        Score {
            rows: n,
            mape: errors.iter().sum::<f64>() / n as f64,
            median: quantile(0.5),
            p90: quantile(0.9),
            bias: pairs.iter().map(|(predicted, measured)| predicted / measured - 1.0).sum::<f64>()
                / n as f64,
            spearman: spearman(pairs),
        }
    }
}

impl std::fmt::Display for Score {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let percent = |x: f64| 100.0 * x;
        write!(
            f,
            "{:4} rows  MAPE {:5.1} %  median {:5.1} %  p90 {:5.1} %  bias {:+5.1} %  Spearman {:.4}",
            self.rows,
            percent(self.mape),
            percent(self.median),
            percent(self.p90),
            percent(self.bias),
            self.spearman
        )
    }
}

/// Correlation of ranks; equal values share the mean of theirs.
fn spearman(pairs: &[(f64, f64)]) -> f64 {
    let a = ranks(pairs.iter().map(|pair| pair.0).collect());
    let b = ranks(pairs.iter().map(|pair| pair.1).collect());
    let mean = (a.len() as f64 - 1.0) / 2.0;
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(&b) {
        ab += (x - mean) * (y - mean);
        aa += (x - mean).powi(2);
        bb += (y - mean).powi(2);
    }
    if aa * bb > 0.0 { ab / (aa * bb).sqrt() } else { 0.0 }
}

fn ranks(values: Vec<f64>) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut begin = 0;
    while begin < order.len() {
        let mut end = begin + 1;
        while end < order.len() && values[order[end]] == values[order[begin]] {
            end += 1;
        }
        for index in &order[begin..end] {
            ranks[*index] = (begin + end - 1) as f64 / 2.0;
        }
        begin = end;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_known_pairs() {
        let score = Score::of(&[(1.1, 1.0), (1.8, 2.0), (3.0, 3.0), (5.0, 4.0)]);
        assert!((score.mape - 0.1125).abs() < 1e-12 && (score.bias - 0.0625).abs() < 1e-12);
        assert!((score.spearman - 1.0).abs() < 1e-12);
        let swapped = Score::of(&[(2.0, 1.0), (1.0, 2.0), (3.0, 3.0)]);
        assert!((swapped.spearman - 0.5).abs() < 1e-12);
    }
}
