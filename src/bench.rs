//! How long kernels take, by the device's own events.
//!
//! Two ways: *cold*, each launch alone with the caches full of other data, as a kernel meets them inside a
//! model; and *hot*, launches back to back, as in a loop over one layer. Times of the virtual device are
//! modelled and those of a GPU measured: the two never share a column. On the virtual device the states of the
//! caches are inputs of the model, and of a launch only those workgroups are executed that the model records.

mod flush;
mod modelled;
mod samples;
mod subject;

pub use modelled::{Band, Modelled};
pub use samples::{Nanos, Samples};
pub use subject::{Mode, Subject, Timing};
