//! Kernels of graphs: what they run on, and what they were told beside.

use std::ffi::c_void;

use hip_sys::*;

use crate::{
    api::{Status, api, put},
    command::{Command, KernelLaunch},
    graph, node, params, register,
    runtime::{lock, runtime},
    transfer::get,
};

const INVALID: hipError_t = hipError_t::hipErrorInvalidValue;

/// Whether kernels of graphs have this attribute.
fn is_known(attribute: hipLaunchAttributeID) -> bool {
    matches!(
        attribute,
        hipLaunchAttributeID_hipLaunchAttributeAccessPolicyWindow
            | hipLaunchAttributeID_hipLaunchAttributeCooperative
            | hipLaunchAttributeID_hipLaunchAttributePriority
    )
}

/// What names the kernel of a launch: its host symbol, or its function's handle.
fn name(launch: &KernelLaunch) -> *mut c_void {
    match register::symbol_of(&launch.function) {
        Some(symbol) => symbol.cast_mut(),
        None => runtime().functions.handle(&launch.function).unwrap_or(std::ptr::null_mut()),
    }
}

/// Refuses values that the hardware cannot have.
///
/// # Safety
/// The union holds what `attribute` says.
unsafe fn check(attribute: hipLaunchAttributeID, value: &hipLaunchAttributeValue) -> Status {
    if attribute == hipLaunchAttributeID_hipLaunchAttributeAccessPolicyWindow {
        // SAFETY: the caller's promise.
        let window = unsafe { value.accessPolicyWindow };
        if !(0.0..=1.0).contains(&window.hitRatio) {
            return Err(INVALID);
        }
    }
    Ok(())
}

api! {
    /// What a kernel runs on. The list of arguments is the node's and lives until the node changes or goes.
    fn hipGraphKernelNodeGetParams(handle: hipGraphNode_t, target: *mut hipKernelNodeParams) {
        let (graph, index) = graph::find(handle)?;
        let mut graph = lock(&graph);
        let node = &mut graph.nodes[index];
        let Command::Kernel(launch) = &mut node.command else { return Err(INVALID) };
        let info = launch.function.info().clone();
        let buffer = launch.kernarg.as_mut_ptr();
        let explicit = info.args.iter().filter(|arg| !arg.kind.is_hidden());
        node.shown = explicit.map(|arg| buffer as usize + arg.offset as usize).collect();
        let dims = |[x, y, z]: [u32; 3]| dim3 { x, y, z };
        let found = hipKernelNodeParams {
            blockDim: dims(launch.block),
            extra: std::ptr::null_mut(),
            func: name(launch),
            gridDim: dims(launch.grid),
            kernelParams: node.shown.as_mut_ptr().cast(),
            sharedMemBytes: launch.dynamic_lds,
        };
        // SAFETY: the caller's out-parameter.
        unsafe { put(target, found) }
    }
    /// Tells a kernel that its workgroups may wait for each other, or what makes no difference to it here: a window
    /// of the cache, a priority.
    fn hipGraphKernelNodeSetAttribute(
        handle: hipGraphNode_t, attribute: hipLaunchAttributeID, value: *const hipLaunchAttributeValue,
    ) {
        // SAFETY: the caller's union.
        let value = unsafe { get(value) }?;
        let (graph, index) = graph::find(handle)?;
        let mut graph = lock(&graph);
        let node = &mut graph.nodes[index];
        if !matches!(node.command, Command::Kernel(_)) || !is_known(attribute) {
            return Err(INVALID);
        }
        // SAFETY: the attribute says what the union holds.
        unsafe { check(attribute, &value)? };
        if let Command::Kernel(launch) = &mut node.command
            && attribute == hipLaunchAttributeID_hipLaunchAttributeCooperative
        {
            // SAFETY: as above.
            launch.cooperative = unsafe { value.cooperative } != 0;
        }
        // SAFETY: the union's widest member is its bytes.
        node.attributes.insert(attribute, unsafe { value.pad });
        Ok(())
    }
    /// What a kernel was told; zeros for what it was not.
    fn hipGraphKernelNodeGetAttribute(
        handle: hipGraphNode_t, attribute: hipLaunchAttributeID, value: *mut hipLaunchAttributeValue,
    ) {
        let (graph, index) = graph::find(handle)?;
        let graph = lock(&graph);
        let node = &graph.nodes[index];
        if !matches!(node.command, Command::Kernel(_)) || !is_known(attribute) {
            return Err(INVALID);
        }
        let pad = node.attributes.get(&attribute).copied().unwrap_or([0; 64]);
        // SAFETY: the caller's out-parameter.
        unsafe { put(value, hipLaunchAttributeValue { pad }) }
    }
    /// Tells a kernel what another one was told.
    fn hipGraphKernelNodeCopyAttributes(source: hipGraphNode_t, target: hipGraphNode_t) {
        let of_kernel = |node: &graph::Node| match node.command {
            Command::Kernel(_) => Ok(node.attributes.clone()),
            _ => Err(INVALID),
        };
        let (graph, index) = graph::find(source)?;
        let attributes = of_kernel(&lock(&graph).nodes[index])?;
        let (graph, index) = graph::find(target)?;
        let mut graph = lock(&graph);
        of_kernel(&graph.nodes[index])?;
        graph.nodes[index].attributes = attributes;
        Ok(())
    }
    /// A node of any kind.
    fn hipGraphAddNode(
        target: *mut hipGraphNode_t, graph: hipGraph_t, after: *const hipGraphNode_t, count: usize,
        params: *mut hipGraphNodeParams,
    ) {
        // SAFETY: the caller's struct, list and out-parameters.
        unsafe {
            let mut copy = get(params.cast_const())?;
            let command = params::of_any(&mut copy)?;
            node::add(target, graph, after, count, command)?;
            put(params, copy)
        }
    }
    /// Changes a node of any kind.
    fn hipGraphNodeSetParams(handle: hipGraphNode_t, params: *mut hipGraphNodeParams) {
        // SAFETY: the caller's struct.
        params::change(handle, unsafe { params::of_any(&mut get(params.cast_const())?) }?)
    }
    /// Changes an executable graph's node of any kind.
    fn hipGraphExecNodeSetParams(
        executable: hipGraphExec_t, handle: hipGraphNode_t, params: *mut hipGraphNodeParams,
    ) {
        // SAFETY: the caller's struct.
        let fresh = unsafe { params::of_any(&mut get(params.cast_const())?) }?;
        params::change_executable(executable, handle, fresh)
    }
}
