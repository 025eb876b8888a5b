//! The harness behind the `mi355x` command.
//!
//! ```text
//! cli ── plan ── ops ── inputs ── (device, through HIP) ── oracle ── verdict ── store ── report
//! ```
//!
//! Each step takes the value of the step before it; nothing calls upwards. Which device answers, the virtual
//! MI355X or a real one, is a run-time value: this crate reaches both through `bindings/hip` alone.
#![forbid(unsafe_code)]

pub mod bench;
pub mod check;
pub mod cli;
pub mod code;
pub mod device;
pub mod dtype;
pub mod e2e;
pub mod envelope;
pub mod error;
pub mod exit;
pub mod explain;
pub mod golden;
pub mod kernels;
pub mod launch;
pub mod ledger;
pub mod ops;
pub mod registry;
pub mod report;
pub mod store;

pub use error::{Error, Result};
