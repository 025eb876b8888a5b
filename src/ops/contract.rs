//! `kernels/<op>/contract.toml`: how far an operator's arithmetic may be from the truth.

use serde::Deserialize;

use crate::registry::Operator;
use crate::{Error, Result};

/// The parts of a contract that a check needs.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct Contract {
    tolerance: Tolerances,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
struct Tolerances {
    silu_mul: SiluMulTolerance,
    rms_norm: RmsNormTolerance,
}

/// `relative · |result| + silu_absolute · |up|`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct SiluMulTolerance {
    /// Share of the result.
    pub relative: f64,
    /// On silu itself.
    pub silu_absolute: f64,
}

/// `(relative + relative_per_k · K) · |result| + absolute`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct RmsNormTolerance {
    /// Share of the result.
    pub relative: f64,
    /// In units of the result.
    pub absolute: f64,
    /// What each column adds to `relative`.
    #[serde(default)]
    pub relative_per_k: f64,
}

impl Contract {
    /// Reads an operator's contract.
    ///
    /// # Errors
    /// [`Error::Contract`] with the parser's reason.
    pub fn of(operator: &Operator) -> Result<Self> {
        toml::from_str(&operator.contract)
            .map_err(|e| Error::Contract { op: operator.name.to_string(), reason: e.to_string() })
    }

    /// The bound on silu(gate) · up.
    #[must_use]
    pub fn silu_mul(&self) -> reference::SiluTolerance {
        let SiluMulTolerance { relative, silu_absolute } = self.tolerance.silu_mul;
        reference::SiluTolerance { relative, silu_absolute }
    }

    /// The bound on RMSNorm over rows of `k` elements.
    #[must_use]
    pub fn rms_norm(&self, k: usize) -> reference::Tolerance {
        let RmsNormTolerance { relative, absolute, relative_per_k } = self.tolerance.rms_norm;
        reference::Tolerance { relative: relative + relative_per_k * k as f64, absolute }
    }
}
