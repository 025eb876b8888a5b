//! What the programs share that run code of others and compare it with f64 references.
//!
//! A bound ([`Allowed`]) says how far one element may be off, a [`Tally`] counts those that are farther, [`Random`] makes
//! the inputs, and [`Session`] and [`Exit`] are the command line's common part. What a peer's kernels take and compute is
//! the business of its own crate.
#![forbid(unsafe_code)]

mod allowed;
mod command;
mod random;
mod tally;

pub use allowed::{Allowed, HALF_UNIT, QUOTIENT, SMALLEST, Stored, UNIT};
pub use command::{Exit, Session};
pub use random::Random;
pub use tally::Tally;
