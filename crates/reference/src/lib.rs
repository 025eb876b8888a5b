//! CPU references of the operators, on plain slices.
//!
//! Two kinds. Where the formats define every bit (quantise, dequantise, residual add, FP8 with an IEEE division
//! rule, shuffles) a function returns the only right answer. Where the device's arithmetic is not defined to the
//! bit (exp, rcp, rsqrt, the order of a sum) an operator is a [`TruthRows`]: f64 values with a bound on the device's
//! error, from which [`verify_mxfp4`], [`verify_half`] and [`verify_fp8`] derive what each element may be.
//! The bound's epsilons are arguments: they belong to the operator's contract.
//!
//! Shapes: MXFP4 data is `[M, K/2] u8`, two E2M1 per byte, low nibble first; its scales are `[M, K/32] u8` E8M0 in a
//! [`ScaleLayout`]. Rows may be strided, M may be 0, K is a multiple of 32.
#![forbid(unsafe_code)]

mod error;
mod fp8;
mod gemm;
mod mxfp4;
mod rms_norm;
mod rows;
mod scale_layout;
mod shuffle;
mod silu_mul;
mod truth;
mod verdict;

pub use error::Error;
pub use fp8::{DivisionRule, Fp8, Fp8Granularity, Fp8Rule, Fp8Scaled, quantise_fp8};
pub use gemm::{Gemm, GemmTolerance, MxOperand, Parts};
pub use mxfp4::{Mxfp4, dequantise_mxfp4, quantise_mxfp4};
pub use rms_norm::{RmsNorm, RmsNormInput, add_residual};
pub use rows::{Elements, Half, Rows};
pub use scale_layout::{SCALE_PADDING, ScaleLayout};
pub use shuffle::{interleave_gate_up, shuffle_scales, shuffle_weights, unshuffle_scales, unshuffle_weights};
pub use silu_mul::{EXPONENTIAL_RANGE, SiluMul, SiluTolerance};
pub use truth::{Tolerance, TruthRows, verify_f32, verify_fp8, verify_half, verify_mxfp4};
pub use verdict::{Verdict, Violation};
