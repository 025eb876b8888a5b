//! Operators as the host sees them: cases, shapes, bytes, FLOP, launch.
//!
//! ```text
//! Instance ── cases(instance, depth) ── Case ── problem(instance, case) ── Problem
//! ```
//!
//! A [`Problem`] is a value: which tensors a launch reads and writes, how much work it is, and the argument
//! struct for given addresses. What the tensors hold is `check::inputs`' business, what they must hold
//! afterwards that of `check::oracle`.

mod case;
mod contract;
pub mod gemm_mxfp4;
mod geometry;
mod problem;
pub mod quant;
mod resident;

pub use case::{Case, Depth, Element, Gap, Pattern, Values};
pub use contract::{Contract, GemmTolerance, RmsNormTolerance, SiluMulTolerance};
pub use geometry::{Extent, Geometry};
pub use problem::{
    Addresses, Arguments, Content, Direction, GemmMxfp4, Input, Kind, Layout, Output, Problem, Span, Start,
    Traffic,
};
pub use resident::{Changed, Fill, Place, Resident, Surround, Tensors};

use crate::registry::Instance;
use crate::{Error, Result};

/// The cases that show whether `instance` is right.
///
/// # Errors
/// [`Error::Declaration`] when the harness does not know the kernel's argument struct or definitions.
pub fn cases(instance: &Instance, depth: Depth) -> Result<Vec<Case>> {
    match instance.op.as_ref() {
        "gemm_mxfp4" => gemm_mxfp4::cases(instance, depth),
        "quant" => quant::cases(instance, depth),
        _ => Err(unknown_operator(instance)),
    }
}

/// The cases that `instance` is timed on.
///
/// # Errors
/// As [`cases`].
pub fn bench_cases(instance: &Instance) -> Result<Vec<Case>> {
    match instance.op.as_ref() {
        "gemm_mxfp4" => Ok(gemm_mxfp4::bench_cases()),
        "quant" => Ok(quant::bench_cases()),
        _ => Err(unknown_operator(instance)),
    }
}

/// One launch of `instance`.
///
/// # Errors
/// As [`cases`].
pub fn problem(instance: &Instance, case: Case) -> Result<Problem> {
    match instance.op.as_ref() {
        "gemm_mxfp4" => gemm_mxfp4::problem(instance, case),
        "quant" => quant::problem(instance, case),
        _ => Err(unknown_operator(instance)),
    }
}

fn unknown_operator(instance: &Instance) -> Error {
    declaration(instance, format!("this program has no operator \"{}\"", instance.op))
}

fn declaration(instance: &Instance, what: String) -> Error {
    Error::Declaration { kernel: instance.path(), what }
}
