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
#[allow(dead_code, reason = "what observers read")]
mod effects;
mod exec;
mod fault;
mod group;
mod host;
mod lanes;
mod memory;
mod metadata;
#[allow(dead_code, reason = "what observers read")]
mod observe;
mod op;
mod pending;
#[allow(dead_code, reason = "what observers read")]
mod program;
mod simd;
mod wave;

pub use code_object::LoadError;
pub use cost::Class;
pub use device::{Device, DeviceConfig, Module};
pub use dispatch::{
    DEFAULT_BUDGET, Garbage, LDS_BYTES, Launch, LaunchError, LaunchReport, MAX_WORKGROUP, Refusal, RunOptions,
};
pub use exec::MfmaPolicy;
pub use fault::{Access, Fault, FaultKind, Place};
pub use host::Host;
pub use memory::{ALLOCATION_ALIGN, Allocation, AllocationKind, HostRange, Memory, MemoryError};
pub use metadata::{ArgKind, KernelArg, KernelInfo};
pub use simd::{Level, level};
