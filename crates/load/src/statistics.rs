//! Mean, deviation and percentiles, in NumPy's order of operations: the same samples give the same bits.

/// Samples of one quantity, sorted once.
#[derive(Clone, Debug)]
pub struct Samples {
    /// In the order in which they came: sums depend on it.
    ordered: Vec<f64>,
    sorted: Vec<f64>,
}

impl Samples {
    /// The statistics of `samples`. None must be NaN.
    #[must_use]
    pub fn new(samples: Vec<f64>) -> Self {
        let mut sorted = samples.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        Self { ordered: samples, sorted }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Whether there are none; every statistic is then 0, as in the reference client.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// `numpy.mean`.
    #[must_use]
    pub fn mean(&self) -> f64 {
        mean(&self.ordered)
    }

    /// `numpy.std`: of the population.
    #[must_use]
    pub fn deviation(&self) -> f64 {
        let mean = self.mean();
        let squares: Vec<f64> = self.ordered.iter().map(|x| (x - mean) * (x - mean)).collect();
        self::mean(&squares).sqrt()
    }

    /// `numpy.median`.
    #[must_use]
    pub fn median(&self) -> f64 {
        let n = self.sorted.len();
        match n {
            0 => 0.0,
            _ if n % 2 == 1 => self.sorted[n / 2],
            _ => mean(&self.sorted[n / 2 - 1..=n / 2]),
        }
    }

    /// `numpy.percentile` with linear interpolation; `percent` from 0 to 100, inclusive.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> f64 {
        let Some(last) = self.sorted.len().checked_sub(1) else { return 0.0 };
        #[allow(clippy::cast_precision_loss)]
        let position = (percent / 100.0) * last as f64;
        let below = position.floor();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let index = below as usize;
        let (a, b) = (self.sorted[index], self.sorted[(index + 1).min(last)]);
        let (share, difference) = (position - below, b - a);
        // NumPy interpolates from the nearer end.
        if share >= 0.5 { b - difference * (1.0 - share) } else { a + difference * share }
    }

    /// The largest.
    #[must_use]
    pub fn max(&self) -> f64 {
        self.sorted.last().copied().unwrap_or(0.0)
    }
}

fn mean(samples: &[f64]) -> f64 {
    if samples.is_empty() {
        return 0.0;
    }
    #[allow(clippy::cast_precision_loss)]
    let count = samples.len() as f64;
    pairwise(samples) / count
}

/// NumPy's sum: plain below 8 values, eight running sums up to 128, halves beyond.
fn pairwise(samples: &[f64]) -> f64 {
    let n = samples.len();
    if n < 8 {
        // NumPy starts at -0.0 to keep the sign of a sum of negative zeros.
        return samples.iter().fold(-0.0, |sum, x| sum + x);
    }
    if n > 128 {
        let half = n / 2 - (n / 2) % 8;
        return pairwise(&samples[..half]) + pairwise(&samples[half..]);
    }
    let (eights, rest) = samples.as_chunks::<8>();
    let mut r = eights[0];
    for chunk in &eights[1..] {
        for (sum, x) in r.iter_mut().zip(chunk) {
            *sum += x;
        }
    }
    let sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
    rest.iter().fold(sum, |sum, x| sum + x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn without_samples_everything_is_zero() {
        let s = Samples::new(vec![]);
        assert_eq!(
            [s.mean(), s.deviation(), s.median(), s.percentile(99.0), s.max()].map(f64::to_bits),
            [0; 5]
        );
    }

    #[test]
    fn small_sets_by_hand() {
        let s = Samples::new(vec![4.0, 1.0, 3.0, 2.0]);
        assert_eq!((s.mean(), s.median(), s.max()), (2.5, 2.5, 4.0));
        assert_eq!(s.deviation(), 1.25_f64.sqrt());
        assert_eq!(s.percentile(0.0), 1.0);
        assert_eq!(s.percentile(100.0), 4.0);
        assert_eq!(s.percentile(50.0), 2.5);
    }

    proptest! {
        #[test]
        fn percentiles_are_monotone(samples in prop::collection::vec(0.0..1e3_f64, 1..300)) {
            let s = Samples::new(samples);
            let points: Vec<f64> = [0.0, 50.0, 90.0, 99.0, 99.9, 100.0].map(|p| s.percentile(p)).into();
            prop_assert!(points.windows(2).all(|w| w[0] <= w[1]), "{points:?}");
            prop_assert!(s.percentile(100.0) == s.max());
        }
    }
}
