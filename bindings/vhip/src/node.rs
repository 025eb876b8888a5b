//! Building graphs node by node.

use hip_sys::*;

use crate::{
    api::{Status, api, put},
    command::{Address, Command},
    function,
    graph::{self, dependencies},
    launch::{self, Config},
    runtime::{lock, runtime},
    transfer::{Transfer, get},
};

/// Adds `command` to `graph` behind the nodes of `after`.
///
/// # Safety
/// `after` holds `count` handles, or `count` is 0; `target` is an out-parameter.
pub(crate) unsafe fn add(
    target: *mut hipGraphNode_t,
    graph: hipGraph_t,
    after: *const hipGraphNode_t,
    count: usize,
    command: Command,
) -> Status {
    if target.is_null() {
        return Err(hipError_t::hipErrorInvalidValue);
    }
    let graph = graph::resolve(graph)?;
    let mut graph = lock(&graph);
    // SAFETY: the caller's promise.
    let after = unsafe { dependencies(&graph, after, count) }?;
    let index = graph.add(command, after);
    // SAFETY: the caller's out-parameter, not null.
    unsafe { put(target, graph.nodes[index].handle as hipGraphNode_t) }
}

/// The launch that a node's parameters mean.
///
/// # Safety
/// The arguments are what `hipModuleLaunchKernel` documents, for this kernel.
pub(crate) unsafe fn kernel(params: &hipKernelNodeParams) -> Result<Command, hipError_t> {
    let function = function::of_symbol(params.func)?;
    let config = Config::new(params.gridDim, params.blockDim, params.sharedMemBytes as usize)?;
    // SAFETY: the caller's promise.
    let kernarg = unsafe { launch::arguments(function.info(), params.kernelParams, params.extra) }?;
    Ok(Command::Kernel(config.of(function, kernarg)?))
}

/// The fill that a node's parameters mean.
pub(crate) fn fill(params: &hipMemsetParams) -> Result<Command, hipError_t> {
    if params.dst.is_null() || !matches!(params.elementSize, 1 | 2 | 4) {
        return Err(hipError_t::hipErrorInvalidValue);
    }
    Ok(Command::Fill {
        target: params.dst as Address,
        pitch: params.pitch as u64,
        value: params.value,
        element: params.elementSize,
        count: params.width as u64,
        rows: params.height as u64,
    })
}

/// The host function that a node's parameters mean.
pub(crate) fn host(params: &hipHostNodeParams) -> Result<Command, hipError_t> {
    let function = params.fn_.ok_or(hipError_t::hipErrorInvalidValue)?;
    Ok(Command::Host { function, data: params.userData as usize })
}

api! {
    /// A dependency without work.
    fn hipGraphAddEmptyNode(
        node: *mut hipGraphNode_t, graph: hipGraph_t, after: *const hipGraphNode_t, count: usize,
    ) {
        // SAFETY: the caller's list and out-parameter.
        unsafe { add(node, graph, after, count, Command::Empty) }
    }
    /// A kernel; the arguments are copied.
    fn hipGraphAddKernelNode(
        node: *mut hipGraphNode_t, graph: hipGraph_t, after: *const hipGraphNode_t, count: usize,
        params: *const hipKernelNodeParams,
    ) {
        // SAFETY: the caller's struct.
        let params = unsafe { get(params) }?;
        // SAFETY: the caller's arguments, list and out-parameter.
        unsafe { add(node, graph, after, count, kernel(&params)?) }
    }
    /// A linear copy.
    fn hipGraphAddMemcpyNode1D(
        node: *mut hipGraphNode_t, graph: hipGraph_t, after: *const hipGraphNode_t, count: usize,
        target: *mut std::ffi::c_void, source: *const std::ffi::c_void, bytes: usize, kind: hipMemcpyKind,
    ) {
        if target.is_null() || source.is_null() {
            return Err(hipError_t::hipErrorInvalidValue);
        }
        let transfer = Transfer::linear(target as Address, source as Address, bytes as u64, kind);
        transfer.check()?;
        let command = Command::Copy(transfer);
        // SAFETY: the caller's list and out-parameter.
        unsafe { add(node, graph, after, count, command) }
    }
    /// A fill.
    fn hipGraphAddMemsetNode(
        node: *mut hipGraphNode_t, graph: hipGraph_t, after: *const hipGraphNode_t, count: usize,
        params: *const hipMemsetParams,
    ) {
        // SAFETY: the caller's struct.
        let params = unsafe { get(params) }?;
        // SAFETY: the caller's list and out-parameter.
        unsafe { add(node, graph, after, count, fill(&params)?) }
    }
    /// A host function.
    fn hipGraphAddHostNode(
        node: *mut hipGraphNode_t, graph: hipGraph_t, after: *const hipGraphNode_t, count: usize,
        params: *const hipHostNodeParams,
    ) {
        // SAFETY: the caller's struct.
        let params = unsafe { get(params) }?;
        // SAFETY: the caller's list and out-parameter.
        unsafe { add(node, graph, after, count, host(&params)?) }
    }
    /// Records an event.
    fn hipGraphAddEventRecordNode(
        node: *mut hipGraphNode_t, graph: hipGraph_t, after: *const hipGraphNode_t, count: usize,
        event: hipEvent_t,
    ) {
        let event = runtime().events.get(event).map_err(|_| hipError_t::hipErrorInvalidValue)?;
        // SAFETY: the caller's list and out-parameter.
        unsafe { add(node, graph, after, count, Command::Record { event }) }
    }
    /// Waits for an event.
    fn hipGraphAddEventWaitNode(
        node: *mut hipGraphNode_t, graph: hipGraph_t, after: *const hipGraphNode_t, count: usize,
        event: hipEvent_t,
    ) {
        let event = runtime().events.get(event).map_err(|_| hipError_t::hipErrorInvalidValue)?;
        // SAFETY: the caller's list and out-parameter.
        unsafe { add(node, graph, after, count, Command::Wait { event }) }
    }
    /// Makes each node of `to` follow the node of `from` at the same place.
    fn hipGraphAddDependencies(
        graph: hipGraph_t, from: *const hipGraphNode_t, to: *const hipGraphNode_t, count: usize,
    ) {
        let graph = graph::resolve(graph)?;
        let mut graph = lock(&graph);
        // SAFETY: the caller's lists.
        let (from, to) = unsafe { (dependencies(&graph, from, count)?, dependencies(&graph, to, count)?) };
        for (before, node) in from.into_iter().zip(to) {
            if before == node || graph.nodes[node].after.contains(&before) {
                return Err(hipError_t::hipErrorInvalidValue);
            }
            graph.nodes[node].after.push(before);
        }
        Ok(())
    }
    /// Gives the executable graph what a graph of the same shape has: other arguments, addresses, grids.
    fn hipGraphExecUpdate(
        executable: hipGraphExec_t, graph: hipGraph_t, node: *mut hipGraphNode_t,
        result: *mut hipGraphExecUpdateResult,
    ) {
        let executable = runtime().executables.get(executable).map_err(|_| hipError_t::hipErrorInvalidValue)?;
        let fresh = lock(&*graph::resolve(graph)?).instantiate()?;
        let mut executable = lock(&executable);
        let difference = executable.difference(&fresh);
        let (outcome, at) = difference.unwrap_or((hipGraphExecUpdateResult_hipGraphExecUpdateSuccess, 0));
        if difference.is_none() {
            *executable = fresh;
        }
        if !node.is_null() {
            // SAFETY: the caller's out-parameter, not null.
            unsafe { put(node, at as hipGraphNode_t)? };
        }
        // SAFETY: the caller's out-parameter.
        unsafe { put(result, outcome)? };
        difference.map_or(Ok(()), |_| Err(hipError_t::hipErrorGraphExecUpdateFailure))
    }
}
