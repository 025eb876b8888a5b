//! The virtual MI355X as libamdhip64.
//!
//! ```text
//! program ──hipXxx──▶ api! function ──▶ Command ──▶ stream: run now │ captured into a graph
//!                                                      │
//!                                          emulator::Device (memory, modules, launches)
//! ```
//!
//! Commands execute when they are enqueued: every stream is always idle between calls. That is one of the
//! orders that HIP allows, it is deterministic, and it lets a fault name the call that caused it.
//! As on hardware, a kernel's fault is reported by the next call that synchronises, and the device stays
//! unusable until `hipDeviceReset`; `vhipLastFault` has the details.
//!
//! Programs reach the library in one of two ways: they open it by its path (crate `hip` does), or hipcc
//! linked them and they are started with a folder on LD_LIBRARY_PATH that has it by its SONAME (`libamdhip64.so.7`). Every
//! function of ROCm's library is exported with its symbol version; one that is not implemented answers
//! hipErrorNotSupported and is logged once. `extension.rs` has the table of options.
//!
//! The structures come from `hip-sys`, which is bindgen's output of the HIP headers: one truth for both
//! sides of the ABI.

// The constants in patterns have bindgen's names.
#![expect(non_upper_case_globals, reason = "the constants are those of HIP's headers")]
// Every exported function is public to programs, not to crates.
#![expect(unreachable_pub, reason = "exported functions are reached by their C names")]

include!(concat!(env!("OUT_DIR"), "/nodes.rs"));

mod advice;
mod api;
mod batch;
mod buffered;
mod call;
mod capture;
mod capture_info;
mod child;
mod clock;
mod command;
mod context;
mod copy;
mod device;
mod dot;
mod entry;
mod error;
mod event;
mod extension;
mod fill;
mod function;
mod graph;
mod graph_memory;
mod grid_sync;
mod half;
mod host;
mod hostcall;
mod image;
mod kernel_node;
mod launch;
mod ledger;
mod library;
mod mapping;
mod memory;
mod module;
mod multi_device;
mod node;
mod occupancy;
mod params;
mod peer;
mod per_thread;
mod pointer;
mod pool;
mod printf;
mod properties;
mod register;
mod reserved;
mod runtime;
mod setting;
mod stream;
mod stream_attribute;
mod stream_value;
mod symbol;
mod tracer;
mod transfer;
mod unified;
mod unsupported;
mod user_object;
mod virtual_memory;
