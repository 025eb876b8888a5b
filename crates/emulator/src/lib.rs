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

mod exec;
mod fault;
mod lanes;
mod memory;
mod op;
mod pending;
mod simd;
mod wave;
