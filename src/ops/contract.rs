//! `kernels/<op>/contract.toml`: how far an operator's arithmetic may be from the truth.

use serde::Deserialize;

use crate::registry::Operator;
use crate::{Error, Result};

/// The version of the file's format that this program reads.
const VERSION: u32 = 1;

/// The parts of a contract that a check needs: an operator has the tolerances of its own kernels.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct Contract {
    version: u32,
    #[serde(default)]
    tolerance: Tolerances,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tolerances {
    silu_mul: Option<SiluMulTolerance>,
    rms_norm: Option<RmsNormTolerance>,
    gemm: Option<GemmTolerance>,
}

/// `relative · |result| + silu_absolute · |up|`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiluMulTolerance {
    /// Share of the result.
    pub relative: f64,
    /// On silu itself.
    pub silu_absolute: f64,
}

/// `(relative + relative_per_k · K) · |result| + absolute`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RmsNormTolerance {
    /// Share of the result.
    pub relative: f64,
    /// In units of the result.
    pub absolute: f64,
    /// What each column adds to `relative`.
    #[serde(default)]
    pub relative_per_k: f64,
}

/// `(relative + relative_per_block · K/32) · Σ |a·w| + bias · (Σ |a·w| + |bias|)`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GemmTolerance {
    /// Share of the sum of magnitudes.
    pub relative: f64,
    /// What each block of 32 columns adds to `relative`.
    pub relative_per_block: f64,
    /// Share of the sum of magnitudes and the bias, where there is one.
    pub bias: f64,
}

impl Contract {
    /// Reads an operator's contract.
    ///
    /// # Errors
    /// [`Error::Contract`] with the parser's reason, for another version, and for a bound that is none.
    pub fn of(operator: &Operator) -> Result<Self> {
        Self::parse(&operator.contract)
            .map_err(|reason| Error::Contract { op: operator.name.to_string(), reason })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let contract: Self = toml::from_str(text).map_err(|e| e.to_string())?;
        if contract.version != VERSION {
            return Err(format!("version is {}, this program reads {VERSION}", contract.version));
        }
        let silu = contract.tolerance.silu_mul.map(|t| [t.relative, t.silu_absolute, 0.0]);
        let norm = contract.tolerance.rms_norm.map(|t| [t.relative, t.absolute, t.relative_per_k]);
        let gemm = contract.tolerance.gemm.map(|t| [t.relative, t.relative_per_block, t.bias]);
        for (name, bounds) in [("silu_mul", silu), ("rms_norm", norm), ("gemm", gemm)] {
            if let Some(bound) = bounds.into_iter().flatten().find(|b| !b.is_finite() || *b < 0.0) {
                return Err(format!(
                    "a bound of tolerance.{name} is {bound:e}: it must be finite and not negative"
                ));
            }
        }
        Ok(contract)
    }

    /// The bound on silu(gate) · up, if the operator has such a kernel.
    #[must_use]
    pub fn silu_mul(&self) -> Option<reference::SiluTolerance> {
        let SiluMulTolerance { relative, silu_absolute } = self.tolerance.silu_mul?;
        Some(reference::SiluTolerance { relative, silu_absolute })
    }

    /// The bound on a product, if the operator has such a kernel.
    #[must_use]
    pub fn gemm(&self) -> Option<reference::GemmTolerance> {
        let GemmTolerance { relative, relative_per_block, bias } = self.tolerance.gemm?;
        Some(reference::GemmTolerance { relative, relative_per_block, bias })
    }

    /// The bound on RMSNorm over rows of `k` elements, if the operator has such a kernel.
    #[must_use]
    pub fn rms_norm(&self, k: usize) -> Option<reference::Tolerance> {
        let RmsNormTolerance { relative, absolute, relative_per_k } = self.tolerance.rms_norm?;
        Some(reference::Tolerance { relative: relative + relative_per_k * k as f64, absolute })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "version = 1\n[tolerance.silu_mul]\nrelative = 1e-6\nsilu_absolute = 0.0\n";

    #[test]
    fn an_operator_has_the_tolerances_of_its_own_kernels() {
        let contract = Contract::parse(GOOD).unwrap();
        assert_eq!(contract.silu_mul().map(|t| t.relative), Some(1e-6));
        assert_eq!(contract.rms_norm(64), None);
    }

    #[test]
    fn what_is_no_bound_is_refused() {
        let cases = [
            (GOOD.replace("version = 1", "version = 99"), "version is 99, this program reads 1"),
            (GOOD.replace("1e-6", "-1.0"), "must be finite and not negative"),
            (GOOD.replace("1e-6", "inf"), "must be finite and not negative"),
            (GOOD.replace("relative", "relativ"), "unknown field `relativ`"),
            (GOOD.replace("silu_mul", "silu_mull"), "unknown field `silu_mull`"),
        ];
        for (text, expected) in cases {
            let reason = Contract::parse(&text).unwrap_err();
            assert!(reason.contains(expected), "{reason:?} lacks {expected:?}");
        }
    }
}
