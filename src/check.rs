//! Whether kernels are right: cases × schedules × oracles.
//!
//! ```text
//! plan ── inputs ── run (on the device) ── oracle ── compare ── Verdict
//! ```

pub mod compare;
pub mod inputs;
pub mod oracle;
mod plan;
mod run;
mod verdict;

pub use plan::{Plan, Task};
pub use run::{Checker, Schedule};
pub use verdict::{Finding, Verdict};
