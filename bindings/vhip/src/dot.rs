//! Graphs as text for Graphviz.

use std::{
    ffi::{c_char, c_uint},
    fmt::Write,
};

use hip_sys::*;

use crate::{
    api::{api, text},
    command::Command,
    graph::{self, Graph},
    runtime::lock,
};

/// What a node is called in a drawing.
fn label(command: &Command, verbose: bool) -> String {
    match command {
        Command::Kernel(launch) if verbose => {
            format!("KERNEL\\n{}\\ngrid {:?} block {:?}", launch.function.kernel(), launch.grid, launch.block)
        }
        Command::Kernel(launch) => format!("KERNEL\\n{}", launch.function.kernel()),
        Command::Copy(copy) => format!("MEMCPY\\n{} bytes", copy.width * copy.rows * copy.slices),
        Command::Fill { element, count, rows, .. } => {
            format!("MEMSET\\n{} bytes", *element as u64 * count * rows)
        }
        Command::Host { .. } => "HOST".to_owned(),
        Command::Record { .. } => "EVENT_RECORD".to_owned(),
        Command::Wait { .. } => "EVENT_WAIT".to_owned(),
        Command::Allocate(memory) => format!("MEM_ALLOC\\n{:#x}", memory.address()),
        Command::Release { address } => format!("MEM_FREE\\n{address:#x}"),
        Command::Until(_) => "MEM_OP".to_owned(),
        Command::Graph { .. } | Command::Child { .. } => "GRAPH".to_owned(),
        Command::Empty => "EMPTY".to_owned(),
    }
}

/// The graph as a digraph, each node by its handle.
fn drawing(graph: &Graph, verbose: bool) -> String {
    let mut text = "digraph hip {\n".to_owned();
    for node in &graph.nodes {
        // Writing to a string cannot fail.
        let _written = writeln!(
            text,
            "  node_{:x} [shape=box, label=\"{}\"];",
            node.handle,
            label(&node.command, verbose)
        );
        for before in &node.after {
            let _written =
                writeln!(text, "  node_{:x} -> node_{:x};", graph.nodes[*before].handle, node.handle);
        }
    }
    text + "}\n"
}

api! {
    /// Writes a graph as a drawing for Graphviz; flag 1 is for shapes too.
    fn hipGraphDebugDotPrint(graph: hipGraph_t, path: *const c_char, flags: c_uint) {
        let graph = graph::resolve(graph)?;
        // SAFETY: the caller's string.
        let path = unsafe { text(path) }?;
        let verbose = flags & hipGraphDebugDotFlags_hipGraphDebugDotFlagsVerbose != 0;
        let drawing = drawing(&lock(&graph), verbose);
        std::fs::write(path, drawing).map_err(|error| {
            eprintln!("vhip: writing {path}: {error}");
            hipError_t::hipErrorOperatingSystem
        })
    }
}
