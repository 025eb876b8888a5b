//! Graphs in graphs.

use std::sync::{Arc, Mutex};

use hip_sys::*;

use crate::{
    api::{api, put},
    command::Command,
    graph::{self, Graph},
    node,
    runtime::{lock, runtime},
};

const INVALID: hipError_t = hipError_t::hipErrorInvalidValue;

/// A node's command: a copy of `child` as it is now.
pub(crate) fn command(child: hipGraph_t) -> Result<Command, hipError_t> {
    let child = graph::resolve(child)?;
    let copy: Graph = lock(&child).clone();
    // A graph that cannot run is refused here already.
    copy.instantiate()?;
    Ok(Command::Graph { graph: Arc::new(Mutex::new(renumbered(copy))) })
}

/// The same graph with nodes of its own.
fn renumbered(graph: Graph) -> Graph {
    let mut copy = Graph::default();
    for node in graph.nodes {
        let index = copy.add(node.command, node.after);
        copy.nodes[index].origin = node.handle;
        copy.nodes[index].attributes = node.attributes;
    }
    copy.objects = graph.objects;
    copy
}

api! {
    /// Another graph, as it is now.
    fn hipGraphAddChildGraphNode(
        node: *mut hipGraphNode_t, graph: hipGraph_t, after: *const hipGraphNode_t, count: usize,
        child: hipGraph_t,
    ) {
        let command = command(child)?;
        // SAFETY: the caller's list and out-parameter.
        unsafe { node::add(node, graph, after, count, command) }
    }
    /// The graph in a node, which is the node's own: what is changed there is changed in the node.
    fn hipGraphChildGraphNodeGetGraph(node: hipGraphNode_t, target: *mut hipGraph_t) {
        let (parent, index) = graph::find(node)?;
        let Command::Graph { graph } = lock(&parent).nodes[index].command.clone() else { return Err(INVALID) };
        let graphs = &runtime().graphs;
        let handle = graphs.handle(&graph).unwrap_or_else(|| graphs.insert(graph.clone()));
        // SAFETY: the caller's out-parameter.
        unsafe { put(target, handle) }
    }
    /// Gives the graph in an executable graph's node what a graph of the same shape has.
    fn hipGraphExecChildGraphNodeSetParams(executable: hipGraphExec_t, node: hipGraphNode_t, child: hipGraph_t) {
        let fresh = lock(&*graph::resolve(child)?).instantiate()?;
        let executable = runtime().executables.get(executable).map_err(|_| INVALID)?;
        let own = {
            let mut executable = lock(&executable);
            let found = executable.node_mut(node).ok_or(INVALID)?;
            let Command::Child { graph } = &found.command else { return Err(INVALID) };
            graph.clone()
        };
        let mut own = lock(&own);
        if own.difference(&fresh).is_some() {
            return Err(hipError_t::hipErrorGraphExecUpdateFailure);
        }
        *own = fresh;
        Ok(())
    }
}
