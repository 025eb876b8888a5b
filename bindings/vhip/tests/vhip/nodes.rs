//! Nodes of graphs that are read, changed and destroyed.

use std::{ffi::c_void, ptr};

use hip_sys::*;

use crate::rig::{Rig, ok, raw};

const INVALID: hipError_t = hipError_t::hipErrorInvalidValue;
const UP: u32 = hipMemcpyKind_hipMemcpyHostToDevice;
const DOWN: u32 = hipMemcpyKind_hipMemcpyDeviceToHost;

/// A graph that copies `from` to the device, doubles nothing, and copies it back to `to`.
struct Round {
    graph: hipGraph_t,
    up: hipGraphNode_t,
    down: hipGraphNode_t,
    device: *mut c_void,
}

fn round(rig: &Rig, from: &[i32; 4], to: &mut [i32; 4]) -> Round {
    let (mut graph, mut up, mut down, mut device) =
        (ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    ok!(rig, hipMalloc(&mut device, 16));
    ok!(rig, hipGraphCreate(&mut graph, 0));
    let (source, target) = (from.as_ptr().cast(), to.as_mut_ptr().cast());
    ok!(rig, hipGraphAddMemcpyNode1D(&mut up, graph, ptr::null(), 0, device, source, 16, UP));
    ok!(rig, hipGraphAddMemcpyNode1D(&mut down, graph, &up, 1, target, device, 16, DOWN));
    Round { graph, up, down, device }
}

fn launch(rig: &Rig, executable: hipGraphExec_t) {
    ok!(rig, hipGraphLaunch(executable, ptr::null_mut()));
    ok!(rig, hipDeviceSynchronize());
}

#[test]
fn copies_are_read_and_changed() {
    let rig = Rig::new();
    let (first, second, mut result) = ([1, 2, 3, 4], [5, 6, 7, 8], [0; 4]);
    let Round { graph, up, down, device } = round(&rig, &first, &mut result);
    let mut executable = ptr::null_mut();
    ok!(rig, hipGraphInstantiate(&mut executable, graph, ptr::null_mut(), ptr::null_mut(), 0));
    launch(&rig, executable);
    assert_eq!(result, first);
    // The executable graph alone.
    ok!(rig, hipGraphExecMemcpyNodeSetParams1D(executable, up, device, second.as_ptr().cast(), 16, UP));
    launch(&rig, executable);
    assert_eq!(result, second);
    // The graph, read back in the general form and given to the executable graph.
    ok!(rig, hipGraphMemcpyNodeSetParams1D(up, device, second[2..].as_ptr().cast(), 8, UP));
    // SAFETY: integers and pointers, for which zero is valid.
    let mut params: hipMemcpy3DParms = unsafe { std::mem::zeroed() };
    ok!(rig, hipGraphMemcpyNodeGetParams(up, &mut params));
    assert_eq!((params.extent.width, params.extent.height, params.extent.depth, params.kind), (8, 1, 1, UP));
    assert_eq!((params.srcPtr.ptr.cast_const(), params.dstPtr.ptr), (second[2..].as_ptr().cast(), device));
    ok!(rig, hipGraphExecMemcpyNodeSetParams(executable, up, &mut params));
    launch(&rig, executable);
    assert_eq!(result, [7, 8, 7, 8]);
    // Not another direction, not another kind of node, not a stale node.
    let target = result.as_mut_ptr().cast();
    assert_eq!(
        raw!(rig, hipGraphExecMemcpyNodeSetParams1D(executable, up, target, device, 16, DOWN)),
        INVALID
    );
    // SAFETY: as above.
    let mut fill: hipMemsetParams = unsafe { std::mem::zeroed() };
    assert_eq!(raw!(rig, hipGraphMemsetNodeGetParams(up, &mut fill)), INVALID);
    (fill.dst, fill.elementSize, fill.width, fill.height) = (device, 4, 4, 1);
    assert_eq!(raw!(rig, hipGraphMemsetNodeSetParams(down, &fill)), INVALID);
    ok!(rig, hipGraphDestroyNode(down));
    assert_eq!(raw!(rig, hipGraphDestroyNode(down)), INVALID);
    let mut count = 0;
    ok!(rig, hipGraphGetNodes(graph, ptr::null_mut(), &mut count));
    assert_eq!(count, 1);
    // The executable graph keeps its node.
    result = [0; 4];
    launch(&rig, executable);
    assert_eq!(result, [7, 8, 7, 8]);
}

#[test]
fn an_update_refuses_another_direction() {
    let rig = Rig::new();
    let (mut first, mut result) = ([1, 2, 3, 4], [0; 4]);
    let Round { graph, up, device, .. } = round(&rig, &first, &mut result);
    let mut executable = ptr::null_mut();
    ok!(rig, hipGraphInstantiate(&mut executable, graph, ptr::null_mut(), ptr::null_mut(), 0));
    ok!(rig, hipGraphMemcpyNodeSetParams1D(up, first.as_mut_ptr().cast(), device, 16, DOWN));
    let (mut node, mut outcome) = (ptr::null_mut(), 0);
    assert_eq!(
        raw!(rig, hipGraphExecUpdate(executable, graph, &mut node, &mut outcome)),
        hipError_t::hipErrorGraphExecUpdateFailure
    );
    assert_eq!((node, outcome), (up, hipGraphExecUpdateResult_hipGraphExecUpdateErrorParametersChanged));
    launch(&rig, executable);
    assert_eq!(result, first);
}

#[test]
fn fills_kernels_and_order_are_changed() {
    let rig = Rig::new();
    let (mut graph, mut fill, mut kernel, mut device) =
        (ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    ok!(rig, hipMalloc(&mut device, 16));
    ok!(rig, hipGraphCreate(&mut graph, 0));
    let mut params = hipMemsetParams { dst: device, elementSize: 4, height: 1, pitch: 0, value: 3, width: 4 };
    ok!(rig, hipGraphAddMemsetNode(&mut fill, graph, ptr::null(), 0, &params));
    let (mut module, mut function) = (ptr::null_mut(), ptr::null_mut());
    ok!(rig, hipModuleLoadData(&mut module, crate::rig::bundle().as_ptr().cast()));
    ok!(rig, hipModuleGetFunction(&mut function, module, c"store_at".as_ptr()));
    let (mut base, mut index, mut value) = (device, 1i64, 9i32);
    let mut arguments: [*mut c_void; 3] =
        [(&raw mut base).cast(), (&raw mut index).cast(), (&raw mut value).cast()];
    let one = dim3 { x: 1, y: 1, z: 1 };
    let mut store = hipKernelNodeParams {
        blockDim: one,
        extra: ptr::null_mut(),
        func: function.cast(),
        gridDim: one,
        kernelParams: arguments.as_mut_ptr(),
        sharedMemBytes: 0,
    };
    ok!(rig, hipGraphAddKernelNode(&mut kernel, graph, &fill, 1, &store));
    let mut executable = ptr::null_mut();
    ok!(rig, hipGraphInstantiate(&mut executable, graph, ptr::null_mut(), ptr::null_mut(), 0));
    let read = || {
        launch(&rig, executable);
        let mut found = [0i32; 4];
        ok!(rig, hipMemcpyDtoH(found.as_mut_ptr().cast(), device, 16));
        found
    };
    assert_eq!(read(), [3, 9, 3, 3]);
    params.value = 4;
    ok!(rig, hipGraphExecMemsetNodeSetParams(executable, fill, &params));
    ok!(rig, hipGraphMemsetNodeGetParams(fill, &mut params));
    assert_eq!((params.value, params.width, params.elementSize), (3, 4, 4), "the graph has its own");
    // SAFETY: the value is the kernel's third argument; no other reference to it exists.
    unsafe { arguments[2].cast::<i32>().write(10) };
    store.kernelParams = arguments.as_mut_ptr();
    ok!(rig, hipGraphExecKernelNodeSetParams(executable, kernel, &store));
    assert_eq!(read(), [4, 10, 4, 4]);
    let mut enabled = 7;
    ok!(rig, hipGraphNodeSetEnabled(executable, kernel, 0));
    ok!(rig, hipGraphNodeGetEnabled(executable, kernel, &mut enabled));
    assert_eq!((read(), enabled), ([4; 4], 0));
    // Nodes of a clone, and edges.
    let (mut clone, mut twin, mut edges) = (ptr::null_mut(), ptr::null_mut(), 0);
    ok!(rig, hipGraphClone(&mut clone, graph));
    ok!(rig, hipGraphNodeFindInClone(&mut twin, kernel, clone));
    assert_ne!(twin, kernel);
    assert_eq!(raw!(rig, hipGraphNodeFindInClone(&mut twin, twin, graph)), INVALID);
    ok!(rig, hipGraphRemoveDependencies(graph, &fill, &kernel, 1));
    assert_eq!(raw!(rig, hipGraphRemoveDependencies(graph, &fill, &kernel, 1)), INVALID, "no edge any more");
    ok!(rig, hipGraphGetEdges(graph, ptr::null_mut(), ptr::null_mut(), &mut edges));
    assert_eq!(edges, 0);
    ok!(rig, hipGraphGetEdges(clone, ptr::null_mut(), ptr::null_mut(), &mut edges));
    assert_eq!(edges, 1);
}

#[test]
fn events_of_nodes_are_read_and_changed() {
    let rig = Rig::new();
    let (mut graph, mut node, mut found) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    let (mut first, mut second) = (ptr::null_mut(), ptr::null_mut());
    ok!(rig, hipEventCreate(&mut first));
    ok!(rig, hipEventCreate(&mut second));
    ok!(rig, hipGraphCreate(&mut graph, 0));
    ok!(rig, hipGraphAddEventRecordNode(&mut node, graph, ptr::null(), 0, first));
    ok!(rig, hipGraphEventRecordNodeGetEvent(node, &mut found));
    assert_eq!(found, first);
    ok!(rig, hipGraphEventRecordNodeSetEvent(node, second));
    ok!(rig, hipGraphEventRecordNodeGetEvent(node, &mut found));
    assert_eq!(found, second);
    assert_eq!(raw!(rig, hipGraphEventWaitNodeGetEvent(node, &mut found)), INVALID);
    assert_eq!(raw!(rig, hipGraphEventRecordNodeSetEvent(node, ptr::null_mut())), INVALID);
}
