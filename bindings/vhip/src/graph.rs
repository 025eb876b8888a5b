//! Graphs: commands with an order, captured or built, launched any number of times.

use std::{
    collections::BTreeMap,
    ffi::{c_char, c_uint, c_ulonglong},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use hip_sys::*;

use crate::{
    api::{Status, api, put},
    command::Command,
    device::VirtualDevice,
    graph_memory,
    runtime::{lock, runtime},
    stream,
    user_object::Held,
};

/// hipGraphInstantiateFlagAutoFreeOnLaunch: what the last launch left allocated is freed by the next.
const AUTO_FREE: u64 = 1;
/// All of `hipGraphInstantiateFlags`.
const KNOWN_FLAGS: u64 = 0xf;

/// Commands and what each of them follows.
#[derive(Clone, Default)]
pub(crate) struct Graph {
    pub nodes: Vec<Node>,
    /// What of the program lives as long as the graph.
    pub objects: Vec<Held>,
}

/// A command of a graph.
#[derive(Clone)]
pub(crate) struct Node {
    pub command: Command,
    /// Indices of the nodes that it follows.
    pub after: Vec<usize>,
    /// What `hipGraphNode_t` holds: a number, unique in the process.
    pub handle: usize,
    /// The handle of the node that it was cloned from, or 0.
    pub origin: usize,
    /// Whether an executable graph runs it.
    pub enabled: bool,
    /// What a kernel was told beside its arguments.
    pub attributes: BTreeMap<hipLaunchAttributeID, [c_char; 64]>,
    /// Places of the arguments, when the program has asked for them.
    pub shown: Vec<usize>,
}

/// A graph in the order of its execution.
#[derive(Clone)]
pub(crate) struct ExecutableGraph {
    /// Every node stands after those that it follows.
    nodes: Vec<Node>,
    /// What of the program lives as long as the graph.
    _objects: Vec<Held>,
    /// What it was instantiated with.
    pub flags: u64,
}

impl Graph {
    /// Adds a command and yields its index.
    pub(crate) fn add(&mut self, command: Command, after: Vec<usize>) -> usize {
        static NEXT: AtomicUsize = AtomicUsize::new(8);
        let handle = NEXT.fetch_add(8, Ordering::Relaxed);
        let (attributes, shown) = (BTreeMap::new(), Vec::new());
        self.nodes.push(Node { command, after, handle, origin: 0, enabled: true, attributes, shown });
        self.nodes.len() - 1
    }

    /// Whether every node from `first` on is one of `last` or comes before one of them.
    pub(crate) fn all_before(&self, last: &[usize], first: usize) -> bool {
        let mut seen = vec![false; self.nodes.len()];
        let mut open = last.to_vec();
        while let Some(node) = open.pop() {
            if !std::mem::replace(&mut seen[node], true) {
                open.extend(&self.nodes[node].after);
            }
        }
        seen.into_iter().skip(first).all(|seen| seen)
    }

    /// The nodes in an order in which they can run.
    ///
    /// # Errors
    /// hipErrorInvalidValue for a graph that follows itself.
    pub(crate) fn instantiate(&self) -> Result<ExecutableGraph, hipError_t> {
        let mut place: Vec<Option<usize>> = vec![None; self.nodes.len()];
        let mut nodes: Vec<Node> = Vec::with_capacity(self.nodes.len());
        while nodes.len() < self.nodes.len() {
            let before = nodes.len();
            for (index, node) in self.nodes.iter().enumerate() {
                if place[index].is_some() {
                    continue;
                }
                let Some(after) = node.after.iter().map(|other| place[*other]).collect::<Option<Vec<_>>>()
                else {
                    continue;
                };
                place[index] = Some(nodes.len());
                let command = match &node.command {
                    Command::Graph { graph } => {
                        let graph = Arc::new(Mutex::new(lock(graph).instantiate()?));
                        Command::Child { graph }
                    }
                    other => other.clone(),
                };
                nodes.push(Node { after, command, shown: Vec::new(), ..node.clone() });
            }
            if nodes.len() == before {
                return Err(hipError_t::hipErrorInvalidValue);
            }
        }
        Ok(ExecutableGraph { nodes, _objects: self.objects.clone(), flags: 0 })
    }

    /// Takes a node out, with its edges.
    pub(crate) fn remove(&mut self, index: usize) {
        self.nodes.remove(index);
        for node in &mut self.nodes {
            node.after.retain(|other| *other != index);
            for other in node.after.iter_mut().filter(|other| **other > index) {
                *other -= 1;
            }
        }
    }

    pub(crate) fn index_of(&self, handle: hipGraphNode_t) -> Option<usize> {
        self.nodes.iter().position(|node| node.handle == handle as usize)
    }
}

impl ExecutableGraph {
    /// Runs all nodes on `device` from the virtual instant `at` on; yields the instant at which the last one
    /// ends. Nodes without an order between them overlap in virtual time.
    pub(crate) fn run(&self, device: &Arc<VirtualDevice>, at: f64) -> Result<f64, hipError_t> {
        if self.flags & AUTO_FREE != 0 {
            for node in &self.nodes {
                if let Command::Allocate(memory) = &node.command
                    && let Some(device) = graph_memory::owner(memory.address())
                {
                    let _turn = device.turn();
                    graph_memory::vanish(memory.address()).unwrap_or(Ok(()))?;
                }
            }
        }
        let mut ends: Vec<f64> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let start = node.after.iter().fold(at, |latest, other| latest.max(ends[*other]));
            ends.push(if node.enabled { node.command.run(device, start)? } else { start });
        }
        Ok(ends.into_iter().fold(at, f64::max))
    }

    /// The node made from a graph's node.
    pub(crate) fn node_mut(&mut self, handle: hipGraphNode_t) -> Option<&mut Node> {
        self.nodes.iter_mut().find(|node| node.handle == handle as usize)
    }

    /// What keeps `other` from taking this graph's place, and the node of `other` where it shows: as many
    /// nodes of the same kinds in the same order can, if copies keep the kinds of memory that they are between.
    pub(crate) fn difference(&self, other: &ExecutableGraph) -> Option<(hipGraphExecUpdateResult, usize)> {
        if self.nodes.len() != other.nodes.len() {
            return Some((hipGraphExecUpdateResult_hipGraphExecUpdateErrorTopologyChanged, 0));
        }
        self.nodes.iter().zip(&other.nodes).find_map(|(own, new)| {
            if node_type(&own.command) != node_type(&new.command) {
                Some((hipGraphExecUpdateResult_hipGraphExecUpdateErrorNodeTypeChanged, new.handle))
            } else if let (Command::Copy(own), Command::Copy(fresh)) = (&own.command, &new.command)
                && !own.has_direction_of(fresh)
            {
                Some((hipGraphExecUpdateResult_hipGraphExecUpdateErrorParametersChanged, new.handle))
            } else if own.after != new.after {
                Some((hipGraphExecUpdateResult_hipGraphExecUpdateErrorTopologyChanged, new.handle))
            } else {
                None
            }
        })
    }
}

/// A graph by its handle.
pub(crate) fn resolve(graph: hipGraph_t) -> Result<Arc<Mutex<Graph>>, hipError_t> {
    runtime().graphs.get(graph).map_err(|_| hipError_t::hipErrorInvalidValue)
}

/// The graph that a node is in, and the node's index.
pub(crate) fn find(node: hipGraphNode_t) -> Result<(Arc<Mutex<Graph>>, usize), hipError_t> {
    runtime()
        .graphs
        .all()
        .into_iter()
        .find_map(|graph| {
            let index = lock(&graph).index_of(node)?;
            Some((graph, index))
        })
        .ok_or(hipError_t::hipErrorInvalidValue)
}

/// Indices of the nodes that a new node follows.
///
/// # Safety
/// `nodes` holds `count` handles, or `count` is 0.
pub(crate) unsafe fn dependencies(
    graph: &Graph,
    nodes: *const hipGraphNode_t,
    count: usize,
) -> Result<Vec<usize>, hipError_t> {
    if count == 0 {
        return Ok(Vec::new());
    }
    if nodes.is_null() {
        return Err(hipError_t::hipErrorInvalidValue);
    }
    // SAFETY: not null, and the caller's promise.
    let handles = unsafe { std::slice::from_raw_parts(nodes, count) };
    let indices = handles.iter().map(|handle| graph.index_of(*handle));
    indices.collect::<Option<Vec<_>>>().ok_or(hipError_t::hipErrorInvalidValue)
}

/// HIP's two-step list: with a null `list` only the count is written; else as many entries as fit, the rest
/// of the list is cleared, and the count becomes what was written.
fn fill_list(list: *mut hipGraphNode_t, count: *mut usize, nodes: &[usize]) -> Status {
    if count.is_null() {
        return Err(hipError_t::hipErrorInvalidValue);
    }
    // SAFETY: the caller's in-out parameter, not null; with a list it says how long the list is.
    unsafe {
        if list.is_null() {
            return put(count, nodes.len());
        }
        let room = *count;
        for index in 0..room {
            let handle = nodes.get(index).map_or(std::ptr::null_mut(), |handle| *handle as hipGraphNode_t);
            list.add(index).write(handle);
        }
        put(count, room.min(nodes.len()))
    }
}

fn instantiate(target: *mut hipGraphExec_t, graph: hipGraph_t, flags: u64) -> Status {
    if target.is_null() {
        return Err(hipError_t::hipErrorInvalidValue);
    }
    let mut executable = lock(&*resolve(graph)?).instantiate()?;
    executable.flags = flags;
    // SAFETY: the caller's out-parameter, not null.
    unsafe { put(target, runtime().executables.insert(Arc::new(Mutex::new(executable)))) }
}

pub(crate) fn launch(graph: hipGraphExec_t, stream: hipStream_t) -> Status {
    let graph = runtime().executables.get(graph).map_err(|_| hipError_t::hipErrorInvalidValue)?;
    // Captured as one node, so that a later update of the executable graph is seen by both.
    stream::resolve(stream)?.enqueue(Command::Child { graph })
}

pub(crate) fn node_type(command: &Command) -> hipGraphNodeType {
    match command {
        Command::Kernel(_) => hipGraphNodeType_hipGraphNodeTypeKernel,
        Command::Copy(_) => hipGraphNodeType_hipGraphNodeTypeMemcpy,
        Command::Fill { .. } => hipGraphNodeType_hipGraphNodeTypeMemset,
        Command::Host { .. } => hipGraphNodeType_hipGraphNodeTypeHost,
        Command::Record { .. } => hipGraphNodeType_hipGraphNodeTypeEventRecord,
        Command::Wait { .. } => hipGraphNodeType_hipGraphNodeTypeWaitEvent,
        Command::Allocate(_) => hipGraphNodeType_hipGraphNodeTypeMemAlloc,
        Command::Release { .. } => hipGraphNodeType_hipGraphNodeTypeMemFree,
        Command::Until(_) => hipGraphNodeType_hipGraphNodeTypeBatchMemOp,
        Command::Graph { .. } | Command::Child { .. } => hipGraphNodeType_hipGraphNodeTypeGraph,
        Command::Empty => hipGraphNodeType_hipGraphNodeTypeEmpty,
    }
}

api! {
    /// An empty graph.
    fn hipGraphCreate(graph: *mut hipGraph_t, flags: c_uint) {
        if graph.is_null() || flags != 0 {
            return Err(hipError_t::hipErrorInvalidValue);
        }
        // SAFETY: the caller's out-parameter, not null.
        unsafe { put(graph, runtime().graphs.insert(Arc::new(Mutex::new(Graph::default())))) }
    }
    /// Destroys a graph; executable graphs made from it stay.
    fn hipGraphDestroy(graph: hipGraph_t) {
        let graph = runtime().graphs.remove(graph).map_err(|_| hipError_t::hipErrorInvalidValue)?;
        for node in &lock(&graph).nodes {
            if let Command::Graph { graph } = &node.command
                && let Some(handle) = runtime().graphs.handle::<ihipGraph>(graph)
            {
                // The program may have destroyed it, which is not its right.
                let _graph = runtime().graphs.remove(handle);
            }
        }
        Ok(())
    }
    /// What an executable graph was instantiated with.
    fn hipGraphExecGetFlags(graph: hipGraphExec_t, flags: *mut c_ulonglong) {
        let graph = runtime().executables.get(graph).map_err(|_| hipError_t::hipErrorInvalidValue)?;
        let found = lock(&graph).flags;
        // SAFETY: the caller's out-parameter.
        unsafe { put(flags, found) }
    }
    /// A copy with nodes of its own.
    fn hipGraphClone(target: *mut hipGraph_t, graph: hipGraph_t) {
        if target.is_null() {
            return Err(hipError_t::hipErrorInvalidValue);
        }
        let mut copy = Graph::default();
        let graph = resolve(graph)?;
        let graph = lock(&graph);
        for node in &graph.nodes {
            let command = match &node.command {
                Command::Graph { graph } => {
                    let copy = lock(graph).clone();
                    Command::Graph { graph: Arc::new(Mutex::new(copy)) }
                }
                other => other.clone(),
            };
            let index = copy.add(command, node.after.clone());
            copy.nodes[index].origin = node.handle;
            copy.nodes[index].attributes = node.attributes.clone();
        }
        copy.objects = graph.objects.clone();
        drop(graph);
        // SAFETY: the caller's out-parameter, not null.
        unsafe { put(target, runtime().graphs.insert(Arc::new(Mutex::new(copy)))) }
    }
    /// The nodes, or with a null list their number.
    fn hipGraphGetNodes(graph: hipGraph_t, nodes: *mut hipGraphNode_t, count: *mut usize) {
        let handles: Vec<usize> = lock(&*resolve(graph)?).nodes.iter().map(|node| node.handle).collect();
        fill_list(nodes, count, &handles)
    }
    /// The nodes that follow nothing, or with a null list their number.
    fn hipGraphGetRootNodes(graph: hipGraph_t, nodes: *mut hipGraphNode_t, count: *mut usize) {
        let graph = resolve(graph)?;
        let graph = lock(&graph);
        let roots = graph.nodes.iter().filter(|node| node.after.is_empty());
        let handles: Vec<usize> = roots.map(|node| node.handle).collect();
        fill_list(nodes, count, &handles)
    }
    /// The pairs (from, to) of nodes with an order, or with null lists their number.
    fn hipGraphGetEdges(
        graph: hipGraph_t, from: *mut hipGraphNode_t, to: *mut hipGraphNode_t, count: *mut usize,
    ) {
        if count.is_null() || from.is_null() != to.is_null() {
            return Err(hipError_t::hipErrorInvalidValue);
        }
        let graph = resolve(graph)?;
        let graph = lock(&graph);
        let (mut sources, mut targets) = (Vec::new(), Vec::new());
        for node in &graph.nodes {
            for other in &node.after {
                sources.push(graph.nodes[*other].handle);
                targets.push(node.handle);
            }
        }
        // SAFETY: the caller's in-out parameter, not null.
        let mut room = unsafe { *count };
        fill_list(from, &mut room, &sources)?;
        fill_list(to, count, &targets)
    }
    /// What a node does.
    fn hipGraphNodeGetType(node: hipGraphNode_t, target: *mut hipGraphNodeType) {
        let (graph, index) = find(node)?;
        let kind = node_type(&lock(&graph).nodes[index].command);
        // SAFETY: the caller's out-parameter.
        unsafe { put(target, kind) }
    }
    /// The nodes that a node follows, or with a null list their number.
    fn hipGraphNodeGetDependencies(node: hipGraphNode_t, nodes: *mut hipGraphNode_t, count: *mut usize) {
        let (graph, index) = find(node)?;
        let graph = lock(&graph);
        let handles: Vec<usize> =
            graph.nodes[index].after.iter().map(|other| graph.nodes[*other].handle).collect();
        fill_list(nodes, count, &handles)
    }
    /// The nodes that follow a node, or with a null list their number.
    fn hipGraphNodeGetDependentNodes(node: hipGraphNode_t, nodes: *mut hipGraphNode_t, count: *mut usize) {
        let (graph, index) = find(node)?;
        let graph = lock(&graph);
        let followers = graph.nodes.iter().filter(|other| other.after.contains(&index));
        let handles: Vec<usize> = followers.map(|other| other.handle).collect();
        fill_list(nodes, count, &handles)
    }
    /// Makes a graph ready to launch. There is nothing to say in the log.
    fn hipGraphInstantiate(
        executable: *mut hipGraphExec_t, graph: hipGraph_t, node: *mut hipGraphNode_t, log: *mut c_char,
        capacity: usize,
    ) {
        instantiate(executable, graph, 0)?;
        if !node.is_null() {
            // SAFETY: the caller's out-parameter, not null.
            unsafe { put(node, std::ptr::null_mut())? };
        }
        if !log.is_null() && capacity > 0 {
            // SAFETY: the caller's buffer has at least one byte.
            unsafe { put(log, 0)? };
        }
        Ok(())
    }
    /// Makes a graph ready to launch. The flags are about memory nodes and launches by the device.
    fn hipGraphInstantiateWithFlags(executable: *mut hipGraphExec_t, graph: hipGraph_t, flags: c_ulonglong) {
        if flags > KNOWN_FLAGS {
            return Err(hipError_t::hipErrorInvalidValue);
        }
        instantiate(executable, graph, flags)
    }
    /// Makes a graph ready to launch.
    fn hipGraphInstantiateWithParams(
        executable: *mut hipGraphExec_t, graph: hipGraph_t, params: *mut hipGraphInstantiateParams,
    ) {
        if params.is_null() {
            return Err(hipError_t::hipErrorInvalidValue);
        }
        // SAFETY: the caller's in-out parameter, not null.
        let flags = unsafe { (*params).flags };
        if flags > KNOWN_FLAGS {
            return Err(hipError_t::hipErrorInvalidValue);
        }
        instantiate(executable, graph, flags)?;
        // SAFETY: as above.
        unsafe {
            (*params).errNode_out = std::ptr::null_mut();
            (*params).result_out = 0;
        }
        Ok(())
    }
    /// Nothing has to be moved before a launch.
    fn hipGraphUpload(graph: hipGraphExec_t, stream: hipStream_t) {
        stream::resolve(stream)?;
        runtime().executables.get(graph).map_err(|_| hipError_t::hipErrorInvalidValue).map(drop)
    }
    /// Runs all nodes in stream order, with what memory holds now.
    fn hipGraphLaunch(graph: hipGraphExec_t, stream: hipStream_t) { launch(graph, stream) }
    /// Destroys an executable graph.
    fn hipGraphExecDestroy(graph: hipGraphExec_t) {
        runtime().executables.remove(graph).map_err(|_| hipError_t::hipErrorInvalidValue).map(drop)
    }
}
