//! The families that can be run.

use std::fmt;

use super::{FamilyReport, Lab, f4gemm};
use crate::Result;

/// A family of AITER's kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "lower")]
pub enum Family {
    /// Dense MXFP4 GEMM.
    F4gemm,
}

impl Family {
    /// All families, in the order of the report.
    pub const ALL: [Family; 1] = [Family::F4gemm];

    /// Runs every object of the family over its shapes.
    ///
    /// # Errors
    /// A manifest that cannot be read, or a device that cannot be used again after a kernel was stopped. What else
    /// goes wrong with a single object is in its lines.
    pub fn run(self, lab: &mut Lab) -> Result<FamilyReport> {
        let bound = match self {
            Family::F4gemm => {
                f4gemm::run(lab)?;
                f4gemm::BOUND
            }
        };
        Ok(FamilyReport { family: self, lines: lab.take_lines(), bound })
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::F4gemm => "f4gemm",
        })
    }
}
