//! Models the time of gfx950 kernels on an MI355X from the instructions that their workgroups execute.
//!
//! ```text
//! emulator::Recording ─▶ Sample: classes of workgroups, what they share ─▶ predict ─▶ Prediction ─┐
//!                                        data/machine.toml ─▶ Machine, Rates ─┘                    ├▶ Model ─▶ Timed
//!                             data/envelope.toml ─▶ Calibrated: what the constants were fitted on ──┘
//! measured rows ─▶ calibration: fits of the free constants, validation by leaving out
//! ```
//! Nothing here knows the kernel: what distinguishes kernels is what they execute.

pub mod calibration;
pub mod descent;
pub mod envelope;
pub mod explain;
pub mod f4gemm;
pub mod fit;
pub mod lower;
pub mod machine;
pub mod model;
pub mod predict;
pub mod reason;
pub mod replay;
pub mod roofline;
pub mod sample;
pub mod scatter;
pub mod score;
pub mod timeline;
pub mod units;
pub mod watch;
