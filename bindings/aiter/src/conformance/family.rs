//! The families that can be run.

use std::fmt;

use super::{FamilyReport, Known, Lab, bf16gemm, f4gemm, fmoe, fp8gemm, mla, mla_chain, topk_softmax};
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
    /// Persistent decode with AITER's metadata and reduction.
    Mlachain,
    /// Mixture of experts in one kernel, MXFP4.
    Fmoe,
    /// Softmax over experts and the largest k of it.
    Topksoftmax,
}

/// Runs every object of a family.
type Run = fn(&mut Lab) -> Result<()>;

impl Family {
    /// All families, in the order of the report.
    pub const ALL: [Family; 7] = [
        Family::F4gemm,
        Family::Bf16gemm,
        Family::Fp8gemm,
        Family::Mla,
        Family::Mlachain,
        Family::Fmoe,
        Family::Topksoftmax,
    ];

    /// Runs every object of the family over its shapes.
    ///
    /// # Errors
    /// A manifest that cannot be read, or a device that cannot be used again after a kernel was stopped. What else
    /// goes wrong with a single object is in its lines.
    pub fn run(self, lab: &mut Lab) -> Result<FamilyReport> {
        let (run, bound, findings, known): (Run, _, _, &[Known]) = match self {
            Family::F4gemm => (f4gemm::run, f4gemm::BOUND, f4gemm::FINDINGS, &[]),
            Family::Bf16gemm => (bf16gemm::run, bf16gemm::BOUND, bf16gemm::FINDINGS, &[]),
            Family::Fp8gemm => (fp8gemm::run, fp8gemm::BOUND, fp8gemm::FINDINGS, &[]),
            Family::Mla => (mla::run, mla::BOUND, mla::FINDINGS, mla::KNOWN),
            Family::Mlachain => (mla_chain::run, mla_chain::BOUND, mla_chain::FINDINGS, &[]),
            Family::Fmoe => (fmoe::run, fmoe::BOUND, fmoe::FINDINGS, fmoe::KNOWN),
            Family::Topksoftmax => (topk_softmax::run, topk_softmax::BOUND, topk_softmax::FINDINGS, &[]),
        };
        run(lab)?;
        Ok(FamilyReport { family: self, lines: lab.take_lines(), bound, findings, known })
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::F4gemm => "f4gemm",
            Family::Bf16gemm => "bf16gemm",
            Family::Fp8gemm => "fp8gemm_blockscale",
            Family::Mla => "mla",
            Family::Mlachain => "mla with metadata and reduction",
            Family::Fmoe => "fmoe",
            Family::Topksoftmax => "topksoftmax",
        })
    }
}
