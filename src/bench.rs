//! How long kernels take, by the device's own events.
//!
//! Two ways: *cold*, each launch alone with the caches full of other data, as a kernel meets them inside a
//! model; and *hot*, launches back to back, as in a loop over one layer. Times of the virtual device are
//! modelled and those of a GPU measured: the two never share a column.

mod flush;
mod samples;
mod subject;

pub use samples::{Nanos, Samples};
pub use subject::{Mode, Subject};
