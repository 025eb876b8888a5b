//! Holding a kernel's output against what it must be.

use std::fmt::{self, Debug};

use reference::{Verdict, Violation};
use serde::Serialize;

/// One output compared with one oracle.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Who says what is right: `reference`, `golden`.
    pub oracle: &'static str,
    /// The output tensors, by name.
    pub output: &'static str,
    /// Elements, scales and padding bytes looked at.
    pub checked: u64,
    /// Of these, how many had more than one legal value.
    pub ambiguous: u64,
    /// How many are wrong.
    pub violations: u64,
    /// The one farthest from right.
    pub worst: Option<Mismatch>,
}

/// One wrong value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mismatch {
    /// `element`, `scale`, `padding`, `byte`.
    pub what: &'static str,
    /// Row of the tensor.
    pub row: usize,
    /// Column of the tensor; of a scale, its group.
    pub column: usize,
    /// What is right: a value, or a range of legal values.
    pub expected: String,
    /// What was found.
    pub actual: String,
}

impl Comparison {
    /// True if nothing is wrong.
    #[must_use]
    pub const fn is_right(&self) -> bool {
        self.violations == 0
    }

    /// What one of the reference's comparisons found.
    #[must_use]
    pub fn of_verdict(output: &'static str, verdict: &Verdict) -> Self {
        Self {
            oracle: "reference",
            output,
            checked: verdict.checked,
            ambiguous: verdict.ambiguous,
            violations: verdict.violations,
            worst: verdict.worst.as_ref().map(Mismatch::of_violation),
        }
    }

    /// Compares codes of rows of `width` elements: equal bits, or both NaN.
    ///
    /// The worst is the mismatch with the largest difference of values; a NaN on one side is larger than any.
    #[must_use]
    pub fn of_codes<T: Copy + PartialEq + Debug>(
        oracle: &'static str,
        output: &'static str,
        width: usize,
        expected: &[T],
        actual: &[T],
        value: impl Fn(T) -> f32,
    ) -> Self {
        assert_eq!(expected.len(), actual.len(), "{output}: the oracle's shape is the problem's");
        let mut comparison =
            Self { oracle, output, checked: expected.len() as u64, ambiguous: 0, violations: 0, worst: None };
        let mut worst_distance = -1.0;
        for (i, (&wanted, &found)) in expected.iter().zip(actual).enumerate() {
            if wanted == found {
                continue;
            }
            let (a, b) = (value(wanted), value(found));
            if a.is_nan() && b.is_nan() {
                continue;
            }
            comparison.violations += 1;
            let distance = (f64::from(a) - f64::from(b)).abs();
            let distance = if distance.is_nan() { f64::INFINITY } else { distance };
            if distance > worst_distance {
                worst_distance = distance;
                comparison.worst = Some(Mismatch {
                    what: "element",
                    row: i / width,
                    column: i % width,
                    expected: format!("{a:?} (bits {wanted:02x?})"),
                    actual: format!("{b:?} (bits {found:02x?})"),
                });
            }
        }
        comparison
    }

    /// Compares bytes without a value of their own: the first mismatch is the worst.
    #[must_use]
    pub fn of_bytes(
        oracle: &'static str,
        output: &'static str,
        width: usize,
        expected: &[u8],
        actual: &[u8],
    ) -> Self {
        let mut comparison = Self::of_codes(oracle, output, width, expected, actual, |_| 0.0);
        if let Some(worst) = &mut comparison.worst {
            let at = worst.row * width + worst.column;
            worst.what = "byte";
            worst.expected = format!("{:#04x}", expected[at]);
            worst.actual = format!("{:#04x}", actual[at]);
        }
        comparison
    }
}

impl Mismatch {
    fn of_violation(violation: &Violation) -> Self {
        let range = |low: String, high: String| if low == high { low } else { format!("{low}..={high}") };
        match *violation {
            Violation::Scale { row, group, legal: (low, high), actual } => Self {
                what: "scale",
                row,
                column: group,
                expected: range(low.to_string(), high.to_string()),
                actual: actual.to_string(),
            },
            Violation::Element { row, column, legal: (low, high), actual, .. } => Self {
                what: "element",
                row,
                column,
                expected: range(format!("{low:?}"), format!("{high:?}")),
                actual: format!("{actual:?}"),
            },
            Violation::Padding { index, actual } => Self {
                what: "padding",
                row: 0,
                column: index,
                expected: reference::SCALE_PADDING.to_string(),
                actual: actual.to_string(),
            },
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, row, column, expected, actual } = self;
        match *what {
            "scale" => write!(f, "scale of row {row}, group {column} is {actual}, not {expected}"),
            "padding" => write!(f, "padding byte {column} of the scales is {actual}, not {expected}"),
            what => write!(f, "{what} (row {row}, column {column}) is {actual}, not {expected}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_mismatch_is_found_and_nan_equals_nan() {
        let value = |x: u32| f32::from_bits(x);
        let bits = |values: [f32; 6]| values.map(f32::to_bits);
        let expected = bits([1.0, 2.0, f32::NAN, 4.0, 5.0, -0.0]);
        let mut actual = bits([1.0, 2.5, -f32::NAN, 9.0, 5.0, -0.0]);
        let comparison = Comparison::of_codes("reference", "out", 2, &expected, &actual, value);
        assert_eq!((comparison.checked, comparison.violations), (6, 2));
        let worst = comparison.worst.unwrap();
        assert_eq!((worst.row, worst.column), (1, 1));
        assert!(worst.to_string().starts_with("element (row 1, column 1) is 9.0 (bits "), "{worst}");
        actual[5] = 0.0_f32.to_bits();
        actual[0] = f32::NAN.to_bits();
        let comparison = Comparison::of_codes("reference", "out", 2, &expected, &actual, value);
        assert_eq!(comparison.violations, 4);
        assert_eq!(comparison.worst.unwrap().row, 0);
    }
}
