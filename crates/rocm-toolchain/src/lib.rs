//! Finds or provisions a HIP compiler for gfx950, compiles kernels, reads their resource notes.
//!
//! A build script needs three calls, in this order:
//!
//! 1. [`find`] looks for `hipcc`; where there is none, [`provision`] fetches one into the workspace.
//! 2. [`build`] compiles every `kernels/<op>/*.hip` for every entry of `kernels/<op>/instances.toml`,
//!    in parallel, and only what changed; it fails on a kernel that spills or that runs fewer waves
//!    than its instance declares.
//! 3. [`Registry::write`] emits the Rust source that carries the code objects, their resources and the
//!    kernel-argument structs into the program.
//!
//! The compiler is asked for bare code objects only, never to link a host program, so the crate needs
//! nothing of the machine but `hipcc` itself.
#![forbid(unsafe_code)]

mod build;
mod compile;
mod error;
mod find;
mod instances;
mod note;
mod occupancy;
mod params;
mod provision;
mod registry;
mod space;

pub use build::{Built, Kernel, Operator, build};
pub use compile::{Compilation, Compiled, Compiler};
pub use error::{CompileFailure, Error, GateFailure};
pub use find::{Origin, Search, Toolchain, find};
pub use instances::{Instance, Instances};
pub use note::{Argument, KernelNote, read_notes};
pub use occupancy::waves_per_simd;
pub use params::{Field, FieldType, Params, Struct};
pub use provision::{Progress, Provisioner, provision};
pub use registry::Registry;

/// The architecture that every kernel is compiled for.
pub const ARCH: &str = "gfx950";

/// This crate's results.
pub type Result<T, E = Error> = std::result::Result<T, E>;
