//! The built libvhip.so as programs see it: through crate `hip`, through its C functions, and through a
//! program that hipcc linked.

#[path = "vhip/rig.rs"]
mod rig;

#[path = "vhip/batches.rs"]
mod batches;
#[path = "vhip/clock.rs"]
mod clock;
#[path = "vhip/code_objects.rs"]
mod code_objects;
#[path = "vhip/contexts.rs"]
mod contexts;
#[path = "vhip/devices.rs"]
mod devices;
#[path = "vhip/faults.rs"]
mod faults;
#[path = "vhip/functions.rs"]
mod functions;
#[path = "vhip/graph_memory.rs"]
mod graph_memory;
#[path = "vhip/graphs.rs"]
mod graphs;
#[path = "vhip/kernels.rs"]
mod kernels;
#[path = "vhip/libraries.rs"]
mod libraries;
#[path = "vhip/memory.rs"]
mod memory;
#[path = "vhip/nodes.rs"]
mod nodes;
#[path = "vhip/options.rs"]
mod options;
#[path = "vhip/pools.rs"]
mod pools;
#[path = "vhip/program.rs"]
mod program;
#[path = "vhip/stream_words.rs"]
mod stream_words;
#[path = "vhip/streams.rs"]
mod streams;
#[path = "vhip/symbols.rs"]
mod symbols;
#[path = "vhip/tracers.rs"]
mod tracers;
#[path = "vhip/transfers.rs"]
mod transfers;
#[path = "vhip/unified.rs"]
mod unified;
#[path = "vhip/virtual_memory.rs"]
mod virtual_memory;
