//! What a comparison found.

use std::fmt;

use crate::{SCALE_PADDING, ScaleLayout};

/// Violations kept with coordinates; the rest is only counted.
const KEPT: usize = 16;

/// Result of holding a device's output against what it may be.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verdict {
    /// Elements and scales looked at.
    pub checked: u64,
    /// Of these, how many had more than one legal value: how much the tolerance really grants.
    pub ambiguous: u64,
    /// Elements, scales and padding bytes that are not legal.
    pub violations: u64,
    /// The first violations, in row order, at most 16.
    pub first: Vec<Violation>,
    /// The violation farthest from legal.
    pub worst: Option<Violation>,
    worst_distance: f64,
}

/// One value that may not be what it is. Element values are dequantised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Violation {
    /// An E8M0 byte.
    Scale {
        /// Row of the tensor.
        row: usize,
        /// Column / 32.
        group: usize,
        /// Smallest and largest legal byte.
        legal: (u8, u8),
        /// The byte found.
        actual: u8,
    },
    /// An element.
    Element {
        /// Row of the tensor.
        row: usize,
        /// Column of the tensor.
        column: usize,
        /// Smallest and largest legal value under the scale found.
        legal: (f32, f32),
        /// The value found.
        actual: f32,
        /// The value before quantisation.
        truth: f64,
    },
    /// A byte of the scale buffer's padding that is not [`SCALE_PADDING`].
    Padding {
        /// Offset in the scale buffer.
        index: usize,
        /// The byte found.
        actual: u8,
    },
}

impl Verdict {
    /// True if nothing was illegal.
    #[must_use]
    pub const fn is_right(&self) -> bool {
        self.violations == 0
    }

    pub(crate) fn push(&mut self, distance: f64, violation: Violation) {
        self.violations += 1;
        if self.first.len() < KEPT {
            self.first.push(violation);
        }
        let distance = if distance.is_nan() { f64::INFINITY } else { distance };
        if self.worst.is_none() || distance > self.worst_distance {
            self.worst = Some(violation);
            self.worst_distance = distance;
        }
    }

    pub(crate) fn check_padding(&mut self, layout: ScaleLayout, m: usize, groups: usize, scales: &[u8]) {
        for index in layout.padding(m, groups) {
            self.checked += 1;
            if scales[index] != SCALE_PADDING {
                self.push(0.0, Violation::Padding { index, actual: scales[index] });
            }
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scale { row, group, legal: (low, high), actual } if low == high => {
                write!(f, "scale of row {row}, group {group} is {actual}, not {low}")
            }
            Self::Scale { row, group, legal: (low, high), actual } => {
                write!(f, "scale of row {row}, group {group} is {actual}, not within {low}..={high}")
            }
            Self::Element { row, column, legal: (low, high), actual, truth } if low == high => {
                write!(f, "element ({row}, {column}) is {actual:?}, not {low:?} (exactly {truth:?})")
            }
            Self::Element { row, column, legal: (low, high), actual, truth } => {
                write!(
                    f,
                    "element ({row}, {column}) is {actual:?}, not within {low:?}..={high:?} (exactly {truth:?})"
                )
            }
            Self::Padding { index, actual } => {
                write!(f, "padding byte {index} of the scales is {actual}, not {SCALE_PADDING}")
            }
        }
    }
}
