//! Triton as a peer: kernels that its compiler turned into gfx950 machine code, run through the HIP ABI.
//!
//! ```text
//! python/kernels.py ─ python/compile.py ─▶ folder of *.hsaco + manifest.json
//!        (Installation: a venv with Triton from PyPI, no GPU)      │
//!                                            Manifest ◀────────────┘
//!                                               │  cases(): inputs, grid, f64 reference with a derived bound
//!                                              Lab ─▶ Report: kernel × shapes × worst error
//! ```
//!
//! Our kernels and the virtual MI355X come from the same hands and could be wrong together. Triton's code generator
//! knows nothing of either: it schedules its own waits and barriers, lays out LDS its own way, and uses the matrix,
//! conversion, permutation and direct-to-LDS instructions as its authors read the manuals. On a real GPU the same
//! program runs through ROCm's library.

mod arguments;
pub mod cases;
mod error;
mod install;
mod lab;
mod manifest;
mod report;

pub use arguments::{Value, pack};
pub use error::{Error, Result};
pub use install::{Installation, TRITON_VERSION, compile};
pub use lab::Lab;
pub use manifest::{Argument, Kernel, Manifest};
pub use peers::{Allowed, Stored, Tally};
pub use report::{Line, Outcome, Report};

/// Environment variable of a folder of compiled objects, or `install` to allow tests to make one.
pub const OBJECTS_VARIABLE: &str = "MI355X_TRITON";
