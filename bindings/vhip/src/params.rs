//! What nodes of graphs do, read and changed; in executable graphs too.

use std::{
    ffi::{c_uint, c_void},
    sync::Arc,
};

use hip_sys::*;

use crate::{
    api::{Status, api, put},
    child,
    command::{Address, Command},
    event::Event,
    graph, graph_memory, node,
    runtime::{lock, runtime},
    symbol,
    transfer::{Transfer, get},
};

const INVALID: hipError_t = hipError_t::hipErrorInvalidValue;

/// A copy of what `node` does.
fn command(node: hipGraphNode_t) -> Result<Command, hipError_t> {
    let (graph, index) = graph::find(node)?;
    let command = lock(&graph).nodes[index].command.clone();
    Ok(command)
}

/// Gives `node` other work of the kind that it has.
pub(crate) fn change(node: hipGraphNode_t, fresh: Command) -> Status {
    let (graph, index) = graph::find(node)?;
    let mut graph = lock(&graph);
    let command = &mut graph.nodes[index].command;
    if graph::node_type(command) != graph::node_type(&fresh) {
        return Err(INVALID);
    }
    *command = fresh;
    Ok(())
}

/// Gives the node that `executable` has for `node` other work of the kind that it has, a copy between the
/// same kinds of memory.
pub(crate) fn change_executable(executable: hipGraphExec_t, node: hipGraphNode_t, fresh: Command) -> Status {
    let executable = runtime().executables.get(executable).map_err(|_| INVALID)?;
    let mut executable = lock(&executable);
    let found = executable.node_mut(node).ok_or(INVALID)?;
    if graph::node_type(&found.command) != graph::node_type(&fresh) {
        return Err(INVALID);
    }
    if let (Command::Copy(own), Command::Copy(other)) = (&found.command, &fresh)
        && !own.has_direction_of(other)
    {
        return Err(INVALID);
    }
    found.command = fresh;
    Ok(())
}

/// # Safety
/// `params` is null or points to a struct.
unsafe fn transfer(params: *const hipMemcpy3DParms) -> Result<Command, hipError_t> {
    // SAFETY: the caller's promise.
    let transfer = Transfer::of_params(&unsafe { get(params) }?)?;
    transfer.check()?;
    Ok(Command::Copy(transfer))
}

fn linear(
    target: *mut c_void,
    source: *const c_void,
    bytes: usize,
    kind: hipMemcpyKind,
) -> Result<Command, hipError_t> {
    if bytes == 0 {
        return Err(INVALID);
    }
    let transfer = Transfer::linear(target as Address, source as Address, bytes as u64, kind);
    transfer.check()?;
    Ok(Command::Copy(transfer))
}

/// The command that the parameters of a node of any kind mean; for memory the address is written there.
///
/// # Safety
/// The union holds what the type says, with what HIP documents for it.
pub(crate) unsafe fn of_any(params: &mut hipGraphNodeParams) -> Result<Command, hipError_t> {
    let any = &mut params.__bindgen_anon_1;
    // SAFETY: the caller's promise.
    unsafe {
        match params.type_ {
            hipGraphNodeType_hipGraphNodeTypeKernel => node::kernel(&any.kernel),
            hipGraphNodeType_hipGraphNodeTypeMemcpy => transfer(&any.memcpy.copyParams),
            hipGraphNodeType_hipGraphNodeTypeMemset => node::fill(&any.memset),
            hipGraphNodeType_hipGraphNodeTypeHost => node::host(&any.host),
            hipGraphNodeType_hipGraphNodeTypeGraph => child::command(any.graph.graph),
            hipGraphNodeType_hipGraphNodeTypeEmpty => Ok(Command::Empty),
            hipGraphNodeType_hipGraphNodeTypeWaitEvent => {
                Ok(Command::Wait { event: event(any.eventWait.event)? })
            }
            hipGraphNodeType_hipGraphNodeTypeEventRecord => {
                Ok(Command::Record { event: event(any.eventRecord.event)? })
            }
            hipGraphNodeType_hipGraphNodeTypeMemAlloc => graph_memory::of_params(&mut any.alloc),
            hipGraphNodeType_hipGraphNodeTypeMemFree if !any.free.dptr.is_null() => {
                Ok(Command::Release { address: any.free.dptr as Address })
            }
            hipGraphNodeType_hipGraphNodeTypeMemFree => Err(INVALID),
            _ => Err(hipError_t::hipErrorNotSupported),
        }
    }
}

/// # Safety
/// `params` is null or points to a struct.
unsafe fn driver_transfer(params: *const HIP_MEMCPY3D) -> Result<Command, hipError_t> {
    // SAFETY: the caller's promise.
    let transfer = Transfer::of_driver(&unsafe { get(params) }?)?;
    transfer.check()?;
    Ok(Command::Copy(transfer))
}

/// The handle of an event.
fn handle(event: &Arc<Event>) -> Result<hipEvent_t, hipError_t> {
    runtime().events.handle(event).ok_or(INVALID)
}

fn event(handle: hipEvent_t) -> Result<Arc<Event>, hipError_t> {
    runtime().events.get(handle).map_err(|_| INVALID)
}

api! {
    /// A copy of slices.
    fn hipGraphAddMemcpyNode(
        node: *mut hipGraphNode_t, graph: hipGraph_t, after: *const hipGraphNode_t, count: usize,
        params: *const hipMemcpy3DParms,
    ) {
        // SAFETY: the caller's struct, list and out-parameter.
        unsafe { node::add(node, graph, after, count, transfer(params)?) }
    }
    /// A copy of slices, in the driver's terms.
    fn hipDrvGraphAddMemcpyNode(
        node: *mut hipGraphNode_t, graph: hipGraph_t, after: *const hipGraphNode_t, count: usize,
        params: *const HIP_MEMCPY3D, _context: hipCtx_t,
    ) {
        // SAFETY: the caller's struct, list and out-parameter.
        unsafe { node::add(node, graph, after, count, driver_transfer(params)?) }
    }
    /// The copy of a node, in the driver's terms. Positions are part of the pointers.
    fn hipDrvGraphMemcpyNodeGetParams(node: hipGraphNode_t, params: *mut HIP_MEMCPY3D) {
        let Command::Copy(transfer) = command(node)? else { return Err(INVALID) };
        // SAFETY: the caller's out-parameter.
        unsafe { put(params, transfer.driver()) }
    }
    /// Changes the copy of a node, in the driver's terms.
    fn hipDrvGraphMemcpyNodeSetParams(node: hipGraphNode_t, params: *const HIP_MEMCPY3D) {
        // SAFETY: the caller's struct.
        change(node, unsafe { driver_transfer(params) }?)
    }
    /// Changes the copy of an executable graph's node, in the driver's terms.
    fn hipDrvGraphExecMemcpyNodeSetParams(
        executable: hipGraphExec_t, node: hipGraphNode_t, params: *const HIP_MEMCPY3D, _context: hipCtx_t,
    ) {
        // SAFETY: the caller's struct.
        change_executable(executable, node, unsafe { driver_transfer(params) }?)
    }
    /// A fill.
    fn hipDrvGraphAddMemsetNode(
        node: *mut hipGraphNode_t, graph: hipGraph_t, after: *const hipGraphNode_t, count: usize,
        params: *const hipMemsetParams, _context: hipCtx_t,
    ) {
        // SAFETY: the caller's struct.
        let params = unsafe { get(params) }?;
        // SAFETY: the caller's list and out-parameter.
        unsafe { node::add(node, graph, after, count, node::fill(&params)?) }
    }
    /// Changes the fill of an executable graph's node.
    fn hipDrvGraphExecMemsetNodeSetParams(
        executable: hipGraphExec_t, node: hipGraphNode_t, params: *const hipMemsetParams, _context: hipCtx_t,
    ) {
        // SAFETY: the caller's struct.
        change_executable(executable, node, node::fill(&unsafe { get(params) }?)?)
    }
    /// The copy of a node. Positions are part of the pointers.
    fn hipGraphMemcpyNodeGetParams(node: hipGraphNode_t, params: *mut hipMemcpy3DParms) {
        let Command::Copy(transfer) = command(node)? else { return Err(INVALID) };
        // SAFETY: the caller's out-parameter.
        unsafe { put(params, transfer.params()) }
    }
    /// Changes the copy of a node.
    fn hipGraphMemcpyNodeSetParams(node: hipGraphNode_t, params: *const hipMemcpy3DParms) {
        // SAFETY: the caller's struct.
        change(node, unsafe { transfer(params) }?)
    }
    /// Makes the copy of a node a linear one.
    fn hipGraphMemcpyNodeSetParams1D(
        node: hipGraphNode_t, target: *mut c_void, source: *const c_void, bytes: usize, kind: hipMemcpyKind,
    ) { change(node, linear(target, source, bytes, kind)?) }
    /// Changes the copy of an executable graph's node.
    fn hipGraphExecMemcpyNodeSetParams(
        executable: hipGraphExec_t, node: hipGraphNode_t, params: *mut hipMemcpy3DParms,
    ) {
        // SAFETY: the caller's struct.
        change_executable(executable, node, unsafe { transfer(params) }?)
    }
    /// Makes the copy of an executable graph's node a linear one.
    fn hipGraphExecMemcpyNodeSetParams1D(
        executable: hipGraphExec_t, node: hipGraphNode_t, target: *mut c_void, source: *const c_void,
        bytes: usize, kind: hipMemcpyKind,
    ) { change_executable(executable, node, linear(target, source, bytes, kind)?) }
    /// A copy into a device variable.
    fn hipGraphAddMemcpyNodeToSymbol(
        node: *mut hipGraphNode_t, graph: hipGraph_t, after: *const hipGraphNode_t, count: usize,
        symbol: *const c_void, source: *const c_void, bytes: usize, offset: usize, kind: hipMemcpyKind,
    ) {
        let copy = linear(symbol::place(symbol, bytes, offset)?, source, bytes, kind)?;
        // SAFETY: the caller's list and out-parameter.
        unsafe { node::add(node, graph, after, count, copy) }
    }
    /// A copy out of a device variable.
    fn hipGraphAddMemcpyNodeFromSymbol(
        node: *mut hipGraphNode_t, graph: hipGraph_t, after: *const hipGraphNode_t, count: usize,
        target: *mut c_void, symbol: *const c_void, bytes: usize, offset: usize, kind: hipMemcpyKind,
    ) {
        let copy = linear(target, symbol::place(symbol, bytes, offset)?, bytes, kind)?;
        // SAFETY: the caller's list and out-parameter.
        unsafe { node::add(node, graph, after, count, copy) }
    }
    /// Makes the copy of a node one into a device variable.
    fn hipGraphMemcpyNodeSetParamsToSymbol(
        node: hipGraphNode_t, symbol: *const c_void, source: *const c_void, bytes: usize, offset: usize,
        kind: hipMemcpyKind,
    ) { change(node, linear(symbol::place(symbol, bytes, offset)?, source, bytes, kind)?) }
    /// Makes the copy of a node one out of a device variable.
    fn hipGraphMemcpyNodeSetParamsFromSymbol(
        node: hipGraphNode_t, target: *mut c_void, symbol: *const c_void, bytes: usize, offset: usize,
        kind: hipMemcpyKind,
    ) { change(node, linear(target, symbol::place(symbol, bytes, offset)?, bytes, kind)?) }
    /// Makes the copy of an executable graph's node one into a device variable.
    fn hipGraphExecMemcpyNodeSetParamsToSymbol(
        executable: hipGraphExec_t, node: hipGraphNode_t, symbol: *const c_void, source: *const c_void,
        bytes: usize, offset: usize, kind: hipMemcpyKind,
    ) {
        change_executable(executable, node, linear(symbol::place(symbol, bytes, offset)?, source, bytes, kind)?)
    }
    /// Makes the copy of an executable graph's node one out of a device variable.
    fn hipGraphExecMemcpyNodeSetParamsFromSymbol(
        executable: hipGraphExec_t, node: hipGraphNode_t, target: *mut c_void, symbol: *const c_void,
        bytes: usize, offset: usize, kind: hipMemcpyKind,
    ) {
        change_executable(executable, node, linear(target, symbol::place(symbol, bytes, offset)?, bytes, kind)?)
    }
    /// The fill of a node.
    fn hipGraphMemsetNodeGetParams(node: hipGraphNode_t, params: *mut hipMemsetParams) {
        let Command::Fill { target, pitch, value, element, count, rows } = command(node)? else {
            return Err(INVALID);
        };
        let found = hipMemsetParams {
            dst: target as *mut c_void,
            elementSize: element,
            height: rows as usize,
            pitch: pitch as usize,
            value,
            width: count as usize,
        };
        // SAFETY: the caller's out-parameter.
        unsafe { put(params, found) }
    }
    /// Changes the fill of a node.
    fn hipGraphMemsetNodeSetParams(node: hipGraphNode_t, params: *const hipMemsetParams) {
        // SAFETY: the caller's struct.
        change(node, node::fill(&unsafe { get(params) }?)?)
    }
    /// Changes the fill of an executable graph's node.
    fn hipGraphExecMemsetNodeSetParams(
        executable: hipGraphExec_t, node: hipGraphNode_t, params: *const hipMemsetParams,
    ) {
        // SAFETY: the caller's struct.
        change_executable(executable, node, node::fill(&unsafe { get(params) }?)?)
    }
    /// Changes the kernel of a node, its shape and arguments, which are copied.
    fn hipGraphKernelNodeSetParams(node: hipGraphNode_t, params: *const hipKernelNodeParams) {
        // SAFETY: the caller's struct and arguments.
        change(node, unsafe { node::kernel(&get(params)?) }?)
    }
    /// Changes the kernel of an executable graph's node.
    fn hipGraphExecKernelNodeSetParams(
        executable: hipGraphExec_t, node: hipGraphNode_t, params: *const hipKernelNodeParams,
    ) {
        // SAFETY: the caller's struct and arguments.
        change_executable(executable, node, unsafe { node::kernel(&get(params)?) }?)
    }
    /// The host function of a node.
    fn hipGraphHostNodeGetParams(node: hipGraphNode_t, params: *mut hipHostNodeParams) {
        let Command::Host { function, data } = command(node)? else { return Err(INVALID) };
        // SAFETY: the caller's out-parameter.
        unsafe { put(params, hipHostNodeParams { fn_: Some(function), userData: data as *mut c_void }) }
    }
    /// Changes the host function of a node.
    fn hipGraphHostNodeSetParams(node: hipGraphNode_t, params: *const hipHostNodeParams) {
        // SAFETY: the caller's struct.
        change(node, node::host(&unsafe { get(params) }?)?)
    }
    /// Changes the host function of an executable graph's node.
    fn hipGraphExecHostNodeSetParams(
        executable: hipGraphExec_t, node: hipGraphNode_t, params: *const hipHostNodeParams,
    ) {
        // SAFETY: the caller's struct.
        change_executable(executable, node, node::host(&unsafe { get(params) }?)?)
    }
    /// The event that a node records.
    fn hipGraphEventRecordNodeGetEvent(node: hipGraphNode_t, target: *mut hipEvent_t) {
        let Command::Record { event } = command(node)? else { return Err(INVALID) };
        // SAFETY: the caller's out-parameter.
        unsafe { put(target, handle(&event)?) }
    }
    /// Changes the event that a node records.
    fn hipGraphEventRecordNodeSetEvent(node: hipGraphNode_t, handle: hipEvent_t) {
        change(node, Command::Record { event: event(handle)? })
    }
    /// Changes the event that an executable graph's node records.
    fn hipGraphExecEventRecordNodeSetEvent(executable: hipGraphExec_t, node: hipGraphNode_t, handle: hipEvent_t) {
        change_executable(executable, node, Command::Record { event: event(handle)? })
    }
    /// The event that a node waits for.
    fn hipGraphEventWaitNodeGetEvent(node: hipGraphNode_t, target: *mut hipEvent_t) {
        let Command::Wait { event } = command(node)? else { return Err(INVALID) };
        // SAFETY: the caller's out-parameter.
        unsafe { put(target, handle(&event)?) }
    }
    /// Changes the event that a node waits for.
    fn hipGraphEventWaitNodeSetEvent(node: hipGraphNode_t, handle: hipEvent_t) {
        change(node, Command::Wait { event: event(handle)? })
    }
    /// Changes the event that an executable graph's node waits for.
    fn hipGraphExecEventWaitNodeSetEvent(executable: hipGraphExec_t, node: hipGraphNode_t, handle: hipEvent_t) {
        change_executable(executable, node, Command::Wait { event: event(handle)? })
    }
    /// Lets an executable graph's kernel, copy or fill run, or leaves it out.
    fn hipGraphNodeSetEnabled(executable: hipGraphExec_t, node: hipGraphNode_t, enabled: c_uint) {
        let executable = runtime().executables.get(executable).map_err(|_| INVALID)?;
        let mut executable = lock(&executable);
        let found = executable.node_mut(node).ok_or(INVALID)?;
        if !matches!(found.command, Command::Kernel(_) | Command::Copy(_) | Command::Fill { .. }) {
            return Err(INVALID);
        }
        found.enabled = enabled != 0;
        Ok(())
    }
    /// Whether an executable graph's kernel, copy or fill runs.
    fn hipGraphNodeGetEnabled(executable: hipGraphExec_t, node: hipGraphNode_t, enabled: *mut c_uint) {
        let executable = runtime().executables.get(executable).map_err(|_| INVALID)?;
        let mut executable = lock(&executable);
        let found = executable.node_mut(node).ok_or(INVALID)?.enabled;
        // SAFETY: the caller's out-parameter.
        unsafe { put(enabled, found as c_uint) }
    }
    /// Takes a node and its edges out of its graph; executable graphs keep theirs.
    fn hipGraphDestroyNode(node: hipGraphNode_t) {
        let (graph, index) = graph::find(node)?;
        lock(&graph).remove(index);
        Ok(())
    }
    /// Takes away the order between each node of `from` and the node of `to` at the same place.
    fn hipGraphRemoveDependencies(
        graph: hipGraph_t, from: *const hipGraphNode_t, to: *const hipGraphNode_t, count: usize,
    ) {
        let graph = graph::resolve(graph)?;
        let mut graph = lock(&graph);
        // SAFETY: the caller's lists.
        let (from, to) =
            unsafe { (graph::dependencies(&graph, from, count)?, graph::dependencies(&graph, to, count)?) };
        let pairs = || from.iter().zip(&to);
        if pairs().any(|(before, node)| !graph.nodes[*node].after.contains(before)) {
            return Err(INVALID);
        }
        for (before, node) in pairs() {
            graph.nodes[*node].after.retain(|other| other != before);
        }
        Ok(())
    }
    /// The node of `clone` that stands for `original`.
    fn hipGraphNodeFindInClone(target: *mut hipGraphNode_t, original: hipGraphNode_t, clone: hipGraph_t) {
        let graph = graph::resolve(clone)?;
        let found = lock(&graph).nodes.iter().find(|node| node.origin == original as usize).map(|node| node.handle);
        // SAFETY: the caller's out-parameter.
        unsafe { put(target, found.filter(|_| !original.is_null()).ok_or(INVALID)? as hipGraphNode_t) }
    }
}
