//! Times of one kernel.

use std::fmt;

use serde::Serialize;

/// Nanoseconds on the device's clock.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize)]
pub struct Nanos(pub f64);

/// At least one time, ascending.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Samples(Vec<Nanos>);

impl Samples {
    /// Sorts `times`.
    ///
    /// # Panics
    /// Without any.
    #[must_use]
    pub fn new(mut times: Vec<Nanos>) -> Self {
        assert!(!times.is_empty(), "a kernel that never ran has no times");
        times.sort_by(|a, b| a.0.total_cmp(&b.0));
        Self(times)
    }

    /// The value below which the share `q` of the times lies, interpolated between neighbours.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Nanos {
        let place = q.clamp(0.0, 1.0) * (self.0.len() - 1) as f64;
        let (low, high) = (self.0[place.floor() as usize].0, self.0[place.ceil() as usize].0);
        Nanos(low + (high - low) * place.fract())
    }

    /// The middle.
    #[must_use]
    pub fn median(&self) -> Nanos {
        self.quantile(0.5)
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl Nanos {
    /// `amount` per second, in units of 10^9.
    #[must_use]
    pub fn giga_per_second(self, amount: u64) -> f64 {
        amount as f64 / self.0
    }
}

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ns if ns < 1e3 => write!(f, "{ns:.0} ns"),
            ns if ns < 1e6 => write!(f, "{:.2} µs", ns / 1e3),
            ns => write!(f, "{:.2} ms", ns / 1e6),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_neighbours() {
        let samples = Samples::new([4.0, 1.0, 3.0, 2.0].map(Nanos).into());
        assert_eq!([0.0, 0.5, 1.0, 1.0 / 3.0].map(|q| samples.quantile(q).0), [1.0, 2.5, 4.0, 2.0]);
        assert_eq!(Samples::new(vec![Nanos(7.0)]).median(), Nanos(7.0));
    }

    #[test]
    fn a_time_has_three_digits_and_its_unit() {
        assert_eq!(
            [12.0, 1234.0, 12_345_678.0].map(|n| Nanos(n).to_string()),
            ["12 ns", "1.23 µs", "12.35 ms"]
        );
    }
}
