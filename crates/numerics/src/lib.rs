//! Number formats of the MI355X (gfx950): E2M1, E2M3, E3M2, E4M3, E5M2, E8M0, bf16, f16, their rounding
//! modes, MX blocks and the byte layouts that the matrix cores read.
//!
//! One module per format. Each has `to_f32(code)`, which is exact, and `from_f32_rne(x)`, which rounds to
//! nearest even; the narrow formats also have `from_f32(x, scale_exponent, Conversion)` with every mode as a
//! parameter. Narrow-format decode tables are `const` (`e2m1::TO_F32`, `e4m3::TO_F32`, ...).
#![forbid(unsafe_code)]

pub mod bf16;
pub mod e2m1;
pub mod e2m3;
pub mod e3m2;
pub mod e4m3;
pub mod e5m2;
pub mod e8m0;
pub mod f16;
mod format;
pub mod layout;
pub mod mx;
pub mod round;

pub use format::{Format, Specials};
pub use round::{Conversion, FiniteNan, Overflow, Rounding};
