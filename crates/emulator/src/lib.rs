//! Executes gfx950 code objects on the CPU: waves, LDS, memory, faults.
//!
//! ```text
//! bytes ─▶ CodeObject ─▶ Program (decoded once) ─┐
//!                                                 ├─ Device::launch ─▶ Group per workgroup ─▶ Wave ─▶ exec/<encoding>
//! Launch (grid, block, kernarg) ─────────────────┘                        │
//!                                                        Lds, Memory ◀────┘        any violation ─▶ Fault
//! ```
//! Unsafe code lives in two files: `memory.rs` (guest memory is host memory) and `simd.rs` (a handler
//! compiled for AVX2 is called only where the CPU has it).

mod code_object;
mod cost;
mod device;
mod dispatch;
mod effects;
mod exec;
mod fault;
mod fidelity;
mod group;
mod host;
mod lanes;
mod ledger;
mod memory;
mod metadata;
mod observe;
mod op;
mod pending;
mod program;
mod race;
mod simd;
mod trace;
mod wave;

pub use code_object::LoadError;
pub use cost::Class;
pub use device::{Device, DeviceConfig, Module};
pub use dispatch::{
    DEFAULT_BUDGET, Garbage, LDS_BYTES, Launch, LaunchError, LaunchReport, MAX_WORKGROUP, Refusal, RunOptions,
};
pub use exec::MfmaPolicy;
pub use fault::{Access, Fault, FaultKind, Place};
pub use fidelity::{Fidelity, Judgement, judge};
pub use host::Host;
pub use ledger::{Entry, Ledger, Reach, Site};
pub use memory::{ALLOCATION_ALIGN, Allocation, AllocationKind, HostRange, Memory, MemoryError};
pub use metadata::{ArgKind, KernelArg, KernelInfo};
pub use pending::Delivery;
pub use race::{Race, RaceKind, RacePlace, Races};
pub use simd::{Level, level};
pub use trace::{
    AccessKind, Event, Extent, Fold, Folds, GroupTrace, LINE_BYTES, LdsAccess, MemoryAccess, Moved,
    NO_ALLOCATION, Needs, Recording, SCRATCH, Touched, TraceOp, Unit, Wait, lds_cycles,
};
