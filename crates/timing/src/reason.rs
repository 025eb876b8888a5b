//! What a launch has that the calibration rows had not, in words.

use std::fmt;

use crate::{
    envelope::{Envelope, Reason, Trait},
    sample::Caches,
};

impl Envelope {
    /// `calibrated`, `extrapolated` or `no data`.
    pub const fn label(&self) -> &'static str {
        match self {
            Envelope::Calibrated => "calibrated",
            Envelope::Extrapolated(_) => "extrapolated",
            Envelope::Refused(_) => "no data",
        }
    }

    /// Why it is not `calibrated`.
    pub fn reasons(&self) -> &[Reason] {
        match self {
            Envelope::Calibrated => &[],
            Envelope::Extrapolated(reasons) | Envelope::Refused(reasons) => reasons,
        }
    }
}

impl Caches {
    /// `cold`, `warm` or `hot`.
    pub const fn name(self) -> &'static str {
        match self {
            Caches::Cold => "cold",
            Caches::WarmInfinityCache => "warm",
            Caches::Hot => "hot",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Family { .. } => write!(f, "no kernel of this family was measured"),
            Reason::Caches(caches) => write!(f, "no measured row began with {} caches", caches.name()),
            Reason::Instructions { mnemonics, share } => {
                let shown: Vec<&str> = mnemonics.iter().take(4).map(String::as_str).collect();
                write!(
                    f,
                    "{:.1} % of its instructions are of kinds that no measured row executed: {}",
                    100.0 * share,
                    shown.join(", ")
                )?;
                match mnemonics.len() {
                    0..=4 => Ok(()),
                    n => write!(f, " and {} more", n - 4),
                }
            }
            Reason::Trait { what, value, range: [low, high] } => {
                write!(
                    f,
                    "{} of {} is outside the measured {}",
                    what.name(),
                    number(*value),
                    span(*low, *high)
                )
            }
            Reason::DoesNotFit => write!(f, "a workgroup needs more than a compute unit has"),
            Reason::Empty => write!(f, "it executes nothing"),
        }
    }
}

fn span(low: f64, high: f64) -> String {
    if low == high { number(low) } else { format!("{} to {}", number(low), number(high)) }
}

/// Three digits of a small number, all of a large one.
fn number(value: f64) -> String {
    match value {
        v if v == v.trunc() => format!("{v:.0}"),
        v if v.abs() < 0.1 => format!("{v:.4}"),
        v => format!("{v:.2}"),
    }
}

impl Trait {
    /// What it is, in words.
    pub const fn name(self) -> &'static str {
        match self {
            Trait::WavesPerSimd => "occupancy (waves of a SIMD)",
            Trait::WavesPerGroup => "waves of a workgroup",
            Trait::Groups => "a grid (workgroups)",
            Trait::Footprint => "a footprint (bytes)",
            Trait::Written => "output (bytes)",
            Trait::Scratch => "scratch (bytes of a lane)",
            Trait::Matrix => "a share of matrix instructions",
            Trait::Vector => "a share of vector instructions",
            Trait::Scalar => "a share of scalar instructions",
            Trait::Lds => "a share of LDS instructions",
            Trait::Memory => "a share of memory instructions",
            Trait::Conflicts => "a share of LDS cycles lost to bank conflicts",
            Trait::Scatter => "bytes fetched for a byte asked for",
            Trait::Atomics => "a share of atomics",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_name_the_measured_range() {
        let reason = Reason::Trait { what: Trait::WavesPerSimd, value: 2.0, range: [1.0, 1.0] };
        assert_eq!(reason.to_string(), "occupancy (waves of a SIMD) of 2 is outside the measured 1");
        let mnemonics = ["a", "b", "c", "d", "e"].map(str::to_owned).into();
        let reason = Reason::Instructions { mnemonics, share: 0.251 };
        assert!(reason.to_string().ends_with("a, b, c, d and 1 more"), "{reason}");
        assert_eq!(Envelope::Refused(vec![reason]).label(), "no data");
    }
}
