//! The built libvhip.so as programs see it: through crate `hip`, through its C functions, and through a
//! program that hipcc linked.

#[path = "vhip/rig.rs"]
mod rig;

#[path = "vhip/code_objects.rs"]
mod code_objects;
#[path = "vhip/devices.rs"]
mod devices;
#[path = "vhip/faults.rs"]
mod faults;
#[path = "vhip/graphs.rs"]
mod graphs;
#[path = "vhip/kernels.rs"]
mod kernels;
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
#[path = "vhip/streams.rs"]
mod streams;
#[path = "vhip/symbols.rs"]
mod symbols;
#[path = "vhip/transfers.rs"]
mod transfers;
#[path = "vhip/unified.rs"]
mod unified;
