//! The count of elements that are farther from the exact value than they may be.

use std::fmt;

use crate::Allowed;

/// A comparison, element by element.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tally {
    /// Elements compared.
    pub elements: usize,
    /// Elements outside their bound.
    pub wrong: usize,
    /// The largest distance from the exact value.
    pub worst_error: f64,
    /// The largest share of its bound that an element used.
    pub worst_usage: f64,
    /// The element with that share: name, found, exact value.
    pub worst: Option<(String, f64, f64)>,
}

impl Tally {
    /// Compares one element; `name` is asked for only when it is the worst so far.
    pub fn add(&mut self, allowed: Allowed, found: f64, name: impl FnOnce() -> String) {
        let usage = allowed.usage(found);
        let error = (found - allowed.value).abs();
        self.elements += 1;
        self.wrong += usize::from(usage > 1.0);
        self.worst_error = if error.is_nan() { f64::INFINITY } else { self.worst_error.max(error) };
        if usage > self.worst_usage {
            self.worst_usage = usage;
            self.worst = Some((name(), found, allowed.value));
        }
    }

    /// Both comparisons in one.
    pub fn join(self, other: Self) -> Self {
        let (worst_usage, worst) = if other.worst_usage > self.worst_usage {
            (other.worst_usage, other.worst)
        } else {
            (self.worst_usage, self.worst)
        };
        Self {
            elements: self.elements + other.elements,
            wrong: self.wrong + other.wrong,
            worst_error: self.worst_error.max(other.worst_error),
            worst_usage,
            worst,
        }
    }

    /// Of two comparisons of the same elements, the one that used more of the bound.
    pub fn worse(self, other: Self) -> Self {
        if other.worst_usage > self.worst_usage { other } else { self }
    }

    /// Whether something was compared and nothing was out of bounds.
    pub fn is_right(&self) -> bool {
        self.wrong == 0 && self.elements > 0
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { elements, wrong, worst_usage, worst, .. } = self;
        write!(f, "{elements} elements, {wrong} out of bounds, {worst_usage:.3} of the bound")?;
        match worst {
            Some((name, found, exact)) => write!(f, ", worst {name}: {found:e} for {exact:e}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stored;

    #[test]
    fn exact_means_exact_and_nan_is_wrong() {
        let mut tally = Tally::default();
        assert!(!tally.is_right(), "a comparison of nothing proves nothing");
        tally.add(Allowed::exact(1.0), 1.0, || "a".to_owned());
        assert!(tally.is_right());
        tally.add(Allowed::exact(1.0), 1.0 + f64::EPSILON, || "b".to_owned());
        tally.add(Allowed::new(1.0, 1e9, Stored::F32), f64::NAN, || "c".to_owned());
        assert_eq!((tally.elements, tally.wrong, tally.worst_error), (3, 2, f64::INFINITY));
        assert_eq!(tally.worst.as_ref().unwrap().0, "b");
        let joined = Tally::default().join(tally);
        assert_eq!((joined.elements, joined.wrong), (3, 2));
    }
}
