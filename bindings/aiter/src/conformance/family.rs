//! The families that can be run.

use std::fmt;

use super::{FamilyReport, Lab, bf16gemm, f4gemm, fmoe, fp8gemm, mla, topk_softmax};
use crate::Result;

/// A family of AITER's kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "lower")]
pub enum Family {
    /// Dense MXFP4 GEMM.
    F4gemm,
    /// Dense bf16 GEMM.
    Bf16gemm,
    /// Dense FP8 GEMM with block scales.
    Fp8gemm,
    /// Decode attention over a latent cache.
    Mla,
    /// Mixture of experts in one kernel, MXFP4.
    Fmoe,
    /// Softmax over experts and the largest k of it.
    Topksoftmax,
}

impl Family {
    /// All families, in the order of the report.
    pub const ALL: [Family; 6] =
        [Family::F4gemm, Family::Bf16gemm, Family::Fp8gemm, Family::Mla, Family::Fmoe, Family::Topksoftmax];

    /// Runs every object of the family over its shapes.
    ///
    /// # Errors
    /// A manifest that cannot be read, or a device that cannot be used again after a kernel was stopped. What else
    /// goes wrong with a single object is in its lines.
    pub fn run(self, lab: &mut Lab) -> Result<FamilyReport> {
        let (bound, findings) = match self {
            Family::F4gemm => f4gemm::run(lab).map(|()| (f4gemm::BOUND, f4gemm::FINDINGS)),
            Family::Bf16gemm => bf16gemm::run(lab).map(|()| (bf16gemm::BOUND, bf16gemm::FINDINGS)),
            Family::Fp8gemm => fp8gemm::run(lab).map(|()| (fp8gemm::BOUND, fp8gemm::FINDINGS)),
            Family::Mla => mla::run(lab).map(|()| (mla::BOUND, mla::FINDINGS)),
            Family::Fmoe => fmoe::run(lab).map(|()| (fmoe::BOUND, fmoe::FINDINGS)),
            Family::Topksoftmax => {
                topk_softmax::run(lab).map(|()| (topk_softmax::BOUND, topk_softmax::FINDINGS))
            }
        }?;
        Ok(FamilyReport { family: self, lines: lab.take_lines(), bound, findings })
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::F4gemm => "f4gemm",
            Family::Bf16gemm => "bf16gemm",
            Family::Fp8gemm => "fp8gemm_blockscale",
            Family::Mla => "mla",
            Family::Fmoe => "fmoe",
            Family::Topksoftmax => "topksoftmax",
        })
    }
}
