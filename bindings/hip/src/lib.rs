//! Safe HIP: owning types over [`hip_sys`], for ROCm's runtime and for the virtual MI355X alike.
//!
//! ```text
//! Runtime ── Device ─┬─ Stream ── Event
//!  (which library)   ├─ DeviceBuffer<T> ── DeviceSlice<T>      PinnedBuffer<T> ── InFlight
//!                    ├─ Module ── Function ── launch
//!                    └─ Graph ── GraphExec
//! ```
//!
//! Which library answers is a run-time value: [`Runtime::open`] takes a [`LibraryChoice`], and two
//! runtimes can be open in one process because nothing here is global but a count of pinned buffers,
//! which is kept by library. Every object keeps its
//! runtime alive, may be used from any thread, and makes its device current on the calling thread
//! before each call that depends on it.
//!
//! Every [`Error`] names the call, its operands, the status with HIP's own name and text, and the
//! library; for a kernel that the virtual device stopped, also the [`DeviceFault`]: kernel, program
//! counter, instruction, wave. Dropping never panics: a release that fails is remembered and becomes
//! the error of the next fallible call on the same runtime ([`Error::Deferred`]).
//!
//! | on the CPU | here |
//! | --- | --- |
//! | `Vec<T>` | [`DeviceBuffer<T>`] |
//! | `&[T]`, `&mut [T]` | [`DeviceSlice<T>`], [`DeviceSliceMut<T>`] |
//! | `*mut T` in an argument struct | [`DevicePtr<T>`] |
//! | a thread's queue of work | [`Stream`] |
//! | `Instant` | [`Event`] |
//! | a shared library, its function | [`Module`], [`Function`] |

mod context;
mod device;
mod error;
mod event;
mod fault;
mod graph;
mod guard;
mod launch;
mod memory;
mod module;
mod pinned;
mod reach;
mod runtime;
mod stream;
mod transfer;

pub use device::{Device, DeviceProperties, MemoryInfo};
pub use error::{CallError, Error, Result};
pub use event::Event;
pub use fault::DeviceFault;
pub use graph::{Graph, GraphExec};
pub use guard::{GuardViolation, GuardedBuffer};
pub use launch::{Dim3, LaunchConfig};
pub use memory::{DeviceBuffer, DevicePtr, DeviceSlice, DeviceSliceMut};
pub use module::{Function, FunctionAttributes, Module};
pub use pinned::PinnedBuffer;
pub use runtime::{LibraryChoice, Runtime, RuntimeKind, RuntimeVersion};
pub use stream::Stream;
pub use transfer::InFlight;

pub use hip_sys::hipError_t;
