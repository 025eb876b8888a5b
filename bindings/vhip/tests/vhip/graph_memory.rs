//! What graphs allocate, the graphs and objects that they hold, and captures that are looked at.

use std::{
    ffi::c_void,
    ptr,
    sync::atomic::{AtomicU32, Ordering},
};

use hip_sys::*;

use crate::rig::{Rig, elf, ok, raw};

const INVALID: hipError_t = hipError_t::hipErrorInvalidValue;
const UP: u32 = hipMemcpyKind_hipMemcpyHostToDevice;
const DOWN: u32 = hipMemcpyKind_hipMemcpyDeviceToHost;

fn graph(rig: &Rig) -> hipGraph_t {
    let mut graph = ptr::null_mut();
    ok!(rig, hipGraphCreate(&mut graph, 0));
    graph
}

fn executable(rig: &Rig, graph: hipGraph_t, flags: u64) -> hipGraphExec_t {
    let mut executable = ptr::null_mut();
    ok!(rig, hipGraphInstantiateWithFlags(&mut executable, graph, flags));
    let mut found = u64::MAX;
    ok!(rig, hipGraphExecGetFlags(executable, &mut found));
    assert_eq!(found, flags);
    executable
}

fn allocation(bytes: usize) -> hipMemAllocNodeParams {
    // SAFETY: integers, and pointers that may be null.
    let mut params: hipMemAllocNodeParams = unsafe { std::mem::zeroed() };
    params.poolProps.allocType = hipMemAllocationType_hipMemAllocationTypePinned;
    params.poolProps.location = hipMemLocation { type_: hipMemLocationType_hipMemLocationTypeDevice, id: 0 };
    params.bytesize = bytes;
    params
}

fn used(rig: &Rig, which: hipGraphMemAttributeType) -> u64 {
    let mut bytes = u64::MAX;
    ok!(rig, hipDeviceGetGraphMemAttribute(0, which, (&raw mut bytes).cast()));
    bytes
}

const NOW: hipGraphMemAttributeType = hipGraphMemAttributeType_hipGraphMemAttrUsedMemCurrent;
const HIGH: hipGraphMemAttributeType = hipGraphMemAttributeType_hipGraphMemAttrUsedMemHigh;

/// Allocate, copy there, copy from there, free.
#[test]
fn memory_is_there_between_its_two_nodes() {
    let rig = Rig::new();
    let graph = graph(&rig);
    let (from, mut to) = ([1u32, 2, 3, 4], [0u32; 4]);
    let mut nodes = [ptr::null_mut(); 4];
    let mut params = allocation(16);
    ok!(rig, hipGraphAddMemAllocNode(&mut nodes[0], graph, ptr::null(), 0, &mut params));
    let place = params.dptr;
    assert!(!place.is_null());
    assert_eq!(raw!(rig, hipMemset(place, 0, 16)), INVALID, "not there before the graph runs");
    let (source, target) = (from.as_ptr().cast(), to.as_mut_ptr().cast());
    ok!(
        rig,
        hipGraphAddMemcpyNode1D(
            &mut nodes[1],
            graph,
            &nodes[0],
            1,
            place,
            source,
            16,
            hipMemcpyKind_hipMemcpyDefault
        )
    );
    ok!(
        rig,
        hipGraphAddMemcpyNode1D(
            &mut nodes[2],
            graph,
            &nodes[1],
            1,
            target,
            place,
            16,
            hipMemcpyKind_hipMemcpyDefault
        )
    );
    ok!(rig, hipGraphAddMemFreeNode(&mut nodes[3], graph, &nodes[2], 1, place));
    let mut found = allocation(0);
    ok!(rig, hipGraphMemAllocNodeGetParams(nodes[0], &mut found));
    assert_eq!((found.dptr, found.bytesize), (place, 16));
    let mut freed: *mut c_void = ptr::null_mut();
    ok!(rig, hipGraphMemFreeNodeGetParams(nodes[3], (&raw mut freed).cast()));
    assert_eq!(freed, place);
    assert_eq!(raw!(rig, hipGraphMemFreeNodeGetParams(nodes[0], (&raw mut freed).cast())), INVALID);
    let mut kind = 0;
    ok!(rig, hipGraphNodeGetType(nodes[0], &mut kind));
    assert_eq!(kind, hipGraphNodeType_hipGraphNodeTypeMemAlloc);
    let run = executable(&rig, graph, 0);
    for _ in 0..2 {
        to = [0; 4];
        ok!(rig, hipGraphLaunch(run, ptr::null_mut()));
        assert_eq!(to, from);
        assert_eq!((used(&rig, NOW), used(&rig, HIGH)), (0, 4096));
    }
    assert_eq!(raw!(rig, hipMemset(place, 0, 16)), INVALID, "gone");
    let mut zero = 0u64;
    ok!(rig, hipDeviceSetGraphMemAttribute(0, HIGH, (&raw mut zero).cast()));
    assert_eq!(used(&rig, HIGH), 0);
    assert_eq!(raw!(rig, hipDeviceSetGraphMemAttribute(0, NOW, (&raw mut zero).cast())), INVALID);
    ok!(rig, hipDeviceGraphMemTrim(0));
}

#[test]
fn what_a_graph_does_not_free_stays_until_somebody_does() {
    let rig = Rig::new();
    let graph = graph(&rig);
    let (mut node, mut params) = (ptr::null_mut(), allocation(100));
    ok!(rig, hipGraphAddMemAllocNode(&mut node, graph, ptr::null(), 0, &mut params));
    let place = params.dptr;
    let free = || rig.device.memory_info().unwrap().free_bytes;
    let before = free();
    let once = executable(&rig, graph, 0);
    ok!(rig, hipGraphLaunch(once, ptr::null_mut()));
    assert_eq!(before - free(), 4096);
    ok!(rig, hipMemset(place, 1, 100));
    assert_eq!(raw!(rig, hipMemset(place, 1, 101)), INVALID, "exact bounds");
    assert_eq!(raw!(rig, hipGraphLaunch(once, ptr::null_mut())), INVALID, "it is still there");
    ok!(rig, hipFree(place));
    assert_eq!(raw!(rig, hipFree(place)), INVALID);
    ok!(rig, hipGraphLaunch(once, ptr::null_mut()));
    ok!(rig, hipFreeAsync(place, ptr::null_mut()));
    assert_eq!(free(), before);
    // A graph that is told to free what its last launch left.
    let every =
        executable(&rig, graph, hipGraphInstantiateFlags_hipGraphInstantiateFlagAutoFreeOnLaunch as u64);
    for _ in 0..3 {
        ok!(rig, hipGraphLaunch(every, ptr::null_mut()));
    }
    assert_eq!(used(&rig, NOW), 4096);
    ok!(rig, hipDeviceReset());
    assert_eq!(used(&rig, NOW), 0);
}

#[test]
fn allocations_are_captured() {
    let rig = Rig::new();
    let (mut stream, mut captured, mut place) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    let mut word = 0u32;
    ok!(rig, hipStreamCreate(&mut stream));
    ok!(rig, hipStreamBeginCapture(stream, hipStreamCaptureMode_hipStreamCaptureModeGlobal));
    ok!(rig, hipMallocAsync(&mut place, 4, stream));
    ok!(rig, hipMemsetAsync(place, 0x11, 4, stream));
    ok!(rig, hipMemcpyAsync((&raw mut word).cast(), place, 4, DOWN, stream));
    ok!(rig, hipFreeAsync(place, stream));
    ok!(rig, hipStreamEndCapture(stream, &mut captured));
    let run = executable(&rig, captured, 0);
    ok!(rig, hipGraphLaunch(run, stream));
    ok!(rig, hipGraphLaunch(run, stream));
    assert_eq!(word, 0x1111_1111);
}

#[test]
fn a_node_of_any_kind_is_added_and_changed() {
    let rig = Rig::new();
    let graph = graph(&rig);
    let mut result = [0u8; 8];
    // SAFETY: integers and pointers.
    let mut params: hipGraphNodeParams = unsafe { std::mem::zeroed() };
    params.type_ = hipGraphNodeType_hipGraphNodeTypeMemAlloc;
    params.__bindgen_anon_1.alloc = allocation(8);
    let (mut first, mut second, mut third) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    ok!(rig, hipGraphAddNode(&mut first, graph, ptr::null(), 0, &mut params));
    // SAFETY: the type says that this is the member.
    let place = unsafe { params.__bindgen_anon_1.alloc.dptr };
    assert!(!place.is_null());
    params.type_ = hipGraphNodeType_hipGraphNodeTypeMemset;
    params.__bindgen_anon_1.memset =
        hipMemsetParams { dst: place, elementSize: 1, height: 1, pitch: 8, value: 5, width: 8 };
    ok!(rig, hipGraphAddNode(&mut second, graph, &first, 1, &mut params));
    let target = result.as_mut_ptr().cast();
    ok!(
        rig,
        hipGraphAddMemcpyNode1D(
            &mut third,
            graph,
            &second,
            1,
            target,
            place,
            8,
            hipMemcpyKind_hipMemcpyDefault
        )
    );
    ok!(rig, hipGraphAddMemFreeNode(&mut first, graph, &third, 1, place));
    let run = executable(&rig, graph, 0);
    ok!(rig, hipGraphLaunch(run, ptr::null_mut()));
    assert_eq!(result, [5; 8]);
    params.__bindgen_anon_1.memset.value = 6;
    ok!(rig, hipGraphExecNodeSetParams(run, second, &mut params));
    ok!(rig, hipGraphLaunch(run, ptr::null_mut()));
    assert_eq!(result, [6; 8]);
    params.__bindgen_anon_1.memset.value = 7;
    ok!(rig, hipGraphNodeSetParams(second, &mut params));
    ok!(rig, hipGraphLaunch(executable(&rig, graph, 0), ptr::null_mut()));
    assert_eq!(result, [7; 8]);
    params.type_ = hipGraphNodeType_hipGraphNodeTypeEmpty;
    assert_eq!(raw!(rig, hipGraphNodeSetParams(second, &mut params)), INVALID, "of another kind");
    params.type_ = hipGraphNodeType_hipGraphNodeTypeExtSemaphoreSignal;
    let code = raw!(rig, hipGraphAddNode(&mut third, graph, ptr::null(), 0, &mut params));
    assert_eq!(code, hipError_t::hipErrorNotSupported);
}

#[test]
fn a_kernel_of_a_graph_says_what_it_runs_on() {
    let rig = Rig::new();
    let (mut module, mut function, mut data) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    ok!(rig, hipModuleLoadData(&mut module, elf().as_ptr().cast()));
    ok!(rig, hipModuleGetFunction(&mut function, module, c"scale".as_ptr()));
    ok!(rig, hipMalloc(&mut data, 8));
    ok!(rig, hipMemcpy(data, [2.0f32, 3.0].as_ptr().cast(), 8, UP));
    let (mut factor, mut n) = (10.0f32, 2i32);
    let mut arguments: [*mut c_void; 3] =
        [(&raw mut data).cast(), (&raw mut factor).cast(), (&raw mut n).cast()];
    let dims = |x| dim3 { x, y: 1, z: 1 };
    let mut params = hipKernelNodeParams {
        blockDim: dims(64),
        extra: ptr::null_mut(),
        func: function.cast(),
        gridDim: dims(1),
        kernelParams: arguments.as_mut_ptr(),
        sharedMemBytes: 12,
    };
    let (graph, mut a, mut b) = (graph(&rig), ptr::null_mut(), ptr::null_mut());
    ok!(rig, hipGraphAddKernelNode(&mut a, graph, ptr::null(), 0, &params));
    // SAFETY: integers and pointers.
    let mut found: hipKernelNodeParams = unsafe { std::mem::zeroed() };
    ok!(rig, hipGraphKernelNodeGetParams(a, &mut found));
    assert_eq!((found.func, found.blockDim.x, found.gridDim.x), (function.cast(), 64, 1));
    assert_eq!((found.sharedMemBytes, found.extra), (12, ptr::null_mut()));
    // SAFETY: the node has three arguments, the second a float.
    let second = unsafe { **found.kernelParams.add(1).cast::<*const f32>() };
    assert_eq!(second, 10.0);
    // What was read makes a second node; the first gets another factor.
    ok!(rig, hipGraphAddKernelNode(&mut b, graph, &a, 1, &found));
    let mut other = 100.0f32;
    arguments[1] = (&raw mut other).cast();
    params.kernelParams = arguments.as_mut_ptr();
    params.sharedMemBytes = 0;
    ok!(rig, hipGraphKernelNodeSetParams(a, &params));
    ok!(rig, hipGraphLaunch(executable(&rig, graph, 0), ptr::null_mut()));
    let mut values = [0f32; 2];
    ok!(rig, hipMemcpy(values.as_mut_ptr().cast(), data, 8, DOWN));
    assert_eq!(values, [2000.0, 3000.0]);
    // What it is told beside.
    let priority = hipLaunchAttributeID_hipLaunchAttributePriority;
    let mut value = hipLaunchAttributeValue { pad: [0; 64] };
    value.priority = 3;
    ok!(rig, hipGraphKernelNodeSetAttribute(a, priority, &value));
    let told = |node| {
        let mut value = hipLaunchAttributeValue { pad: [1; 64] };
        ok!(rig, hipGraphKernelNodeGetAttribute(node, priority, &mut value));
        // SAFETY: the attribute is a priority.
        unsafe { value.priority }
    };
    assert_eq!((told(a), told(b)), (3, 0));
    ok!(rig, hipGraphKernelNodeCopyAttributes(a, b));
    assert_eq!(told(b), 3);
    let unknown = hipLaunchAttributeID_hipLaunchAttributeMemSyncDomain;
    assert_eq!(raw!(rig, hipGraphKernelNodeSetAttribute(a, unknown, &value)), INVALID);
    value.accessPolicyWindow.hitRatio = 2.0;
    let window = hipLaunchAttributeID_hipLaunchAttributeAccessPolicyWindow;
    assert_eq!(raw!(rig, hipGraphKernelNodeSetAttribute(a, window, &value)), INVALID, "more than all");
}

#[test]
fn a_graph_in_a_graph_is_read_and_changed() {
    let rig = Rig::new();
    let mut data = ptr::null_mut();
    ok!(rig, hipMalloc(&mut data, 4));
    let set = |value| hipMemsetParams { dst: data, elementSize: 4, height: 1, pitch: 4, value, width: 1 };
    let filling = |value| {
        let (inner, mut node) = (graph(&rig), ptr::null_mut());
        ok!(rig, hipGraphAddMemsetNode(&mut node, inner, ptr::null(), 0, &set(value)));
        inner
    };
    let word = || {
        let mut word = 0u32;
        ok!(rig, hipMemcpy((&raw mut word).cast(), data, 4, DOWN));
        word
    };
    let (outer, mut child) = (graph(&rig), ptr::null_mut());
    ok!(rig, hipGraphAddChildGraphNode(&mut child, outer, ptr::null(), 0, filling(1)));
    let (mut inside, mut again) = (ptr::null_mut(), ptr::null_mut());
    ok!(rig, hipGraphChildGraphNodeGetGraph(child, &mut inside));
    ok!(rig, hipGraphChildGraphNodeGetGraph(child, &mut again));
    assert_eq!(inside, again);
    let (mut node, mut count) = (ptr::null_mut(), 1);
    ok!(rig, hipGraphGetNodes(inside, &mut node, &mut count));
    let run = executable(&rig, outer, 0);
    ok!(rig, hipGraphLaunch(run, ptr::null_mut()));
    assert_eq!(word(), 1);
    // The node's own graph, for what is instantiated later; the executable graph by a call.
    ok!(rig, hipGraphMemsetNodeSetParams(node, &set(2)));
    ok!(rig, hipGraphLaunch(run, ptr::null_mut()));
    assert_eq!(word(), 1);
    ok!(rig, hipGraphLaunch(executable(&rig, outer, 0), ptr::null_mut()));
    assert_eq!(word(), 2);
    ok!(rig, hipGraphExecChildGraphNodeSetParams(run, child, filling(3)));
    ok!(rig, hipGraphLaunch(run, ptr::null_mut()));
    assert_eq!(word(), 3);
    let code = raw!(rig, hipGraphExecChildGraphNodeSetParams(run, child, graph(&rig)));
    assert_eq!(code, hipError_t::hipErrorGraphExecUpdateFailure, "another shape");
    ok!(rig, hipGraphDestroy(outer));
    assert_eq!(
        raw!(rig, hipGraphGetNodes(inside, ptr::null_mut(), &mut count)),
        INVALID,
        "gone with its node"
    );
}

#[test]
fn the_driver_s_nodes_are_the_same_nodes() {
    let rig = Rig::new();
    let (mut data, mut result) = (ptr::null_mut(), [0u8; 8]);
    ok!(rig, hipMalloc(&mut data, 8));
    let (graph, mut fill, mut copy) = (graph(&rig), ptr::null_mut(), ptr::null_mut());
    let mut set = hipMemsetParams { dst: data, elementSize: 1, height: 1, pitch: 8, value: 4, width: 8 };
    let none = ptr::null_mut();
    ok!(rig, hipDrvGraphAddMemsetNode(&mut fill, graph, ptr::null(), 0, &set, none));
    // SAFETY: integers and pointers.
    let mut params: HIP_MEMCPY3D = unsafe { std::mem::zeroed() };
    (params.srcMemoryType, params.srcDevice) = (hipMemoryType_hipMemoryTypeDevice, data);
    (params.dstMemoryType, params.dstHost) = (hipMemoryType_hipMemoryTypeHost, result.as_mut_ptr().cast());
    (params.srcPitch, params.srcHeight, params.dstPitch, params.dstHeight) = (8, 1, 8, 1);
    (params.WidthInBytes, params.Height, params.Depth) = (8, 1, 1);
    ok!(rig, hipDrvGraphAddMemcpyNode(&mut copy, graph, &fill, 1, &params, none));
    let run = executable(&rig, graph, 0);
    ok!(rig, hipGraphLaunch(run, none.cast()));
    assert_eq!(result, [4; 8]);
    // SAFETY: as above.
    let mut found: HIP_MEMCPY3D = unsafe { std::mem::zeroed() };
    ok!(rig, hipDrvGraphMemcpyNodeGetParams(copy, &mut found));
    assert_eq!((found.srcDevice, found.dstHost, found.WidthInBytes), (data, params.dstHost, 8));
    set.value = 5;
    ok!(rig, hipDrvGraphExecMemsetNodeSetParams(run, fill, &set, none));
    found.WidthInBytes = 3;
    ok!(rig, hipDrvGraphExecMemcpyNodeSetParams(run, copy, &found, none));
    ok!(rig, hipGraphLaunch(run, none.cast()));
    assert_eq!(result, [5, 5, 5, 4, 4, 4, 4, 4]);
    found.WidthInBytes = 1;
    ok!(rig, hipDrvGraphMemcpyNodeSetParams(copy, &found));
    result = [0; 8];
    ok!(rig, hipGraphLaunch(executable(&rig, graph, 0), none.cast()));
    assert_eq!(result, [4, 0, 0, 0, 0, 0, 0, 0]);
    let mut freed = ptr::null_mut();
    assert_eq!(
        raw!(rig, hipDrvGraphAddMemFreeNode(&mut freed, graph, ptr::null(), 0, ptr::null_mut())),
        INVALID
    );
}

#[test]
fn a_capture_is_looked_at_and_steered() {
    let rig = Rig::new();
    let (mut data, mut stream) = (ptr::null_mut(), ptr::null_mut());
    ok!(rig, hipMalloc(&mut data, 16));
    ok!(rig, hipStreamCreate(&mut stream));
    let look = || {
        let (mut status, mut id, mut graph) = (9, 0, ptr::null_mut());
        let (mut nodes, mut count) = (ptr::null(), 0);
        ok!(
            rig,
            hipStreamGetCaptureInfo_v2(stream, &mut status, &mut id, &mut graph, &mut nodes, &mut count)
        );
        let list = if count == 0 {
            vec![]
        } else {
            // SAFETY: the list lives until the thread asks again.
            unsafe { std::slice::from_raw_parts(nodes, count) }.to_vec()
        };
        (status, graph, list)
    };
    assert_eq!(look().0, 0);
    ok!(rig, hipStreamBeginCapture(stream, hipStreamCaptureMode_hipStreamCaptureModeGlobal));
    ok!(rig, hipMemsetAsync(data, 1, 4, stream));
    let (status, graph, first) = look();
    assert_eq!((status, first.len()), (1, 1));
    // A node by hand, which the stream is told to follow.
    let (mut own, set) = (
        ptr::null_mut(),
        hipMemsetParams { dst: data, elementSize: 1, height: 1, pitch: 16, value: 2, width: 2 },
    );
    ok!(rig, hipGraphAddMemsetNode(&mut own, graph, first.as_ptr(), 1, &set));
    ok!(rig, hipStreamUpdateCaptureDependencies(stream, &mut own, 1, 1));
    assert_eq!(look().2, [own]);
    ok!(rig, hipMemsetAsync(data, 3, 1, stream));
    let mut captured = ptr::null_mut();
    ok!(rig, hipStreamEndCapture(stream, &mut captured));
    assert_eq!(captured, graph);
    let code = raw!(rig, hipStreamUpdateCaptureDependencies(stream, &mut own, 1, 1));
    assert_eq!(code, hipError_t::hipErrorIllegalState);
    let bytes = || {
        let mut bytes = [0u8; 4];
        ok!(rig, hipMemcpy(bytes.as_mut_ptr().cast(), data, 4, DOWN));
        bytes
    };
    ok!(rig, hipGraphLaunch(executable(&rig, graph, 0), stream));
    assert_eq!(bytes(), [3, 2, 1, 1]);
    // The same graph, gone on with behind its last node.
    let (mut nodes, mut count) = ([ptr::null_mut(); 3], 3);
    ok!(rig, hipGraphGetNodes(graph, nodes.as_mut_ptr(), &mut count));
    let mode = hipStreamCaptureMode_hipStreamCaptureModeGlobal;
    ok!(rig, hipStreamBeginCaptureToGraph(stream, graph, &nodes[2], ptr::null(), 1, mode));
    ok!(rig, hipMemsetAsync(data.wrapping_byte_add(3), 9, 1, stream));
    ok!(rig, hipStreamEndCapture(stream, &mut captured));
    assert_eq!(captured, graph);
    ok!(rig, hipGraphLaunch(executable(&rig, graph, 0), stream));
    assert_eq!(bytes(), [3, 2, 1, 9]);
    let path = c"/nowhere/absent.dot";
    assert_ne!(raw!(rig, hipGraphDebugDotPrint(graph, path.as_ptr(), 0)), hipError_t::hipSuccess);
    let file = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = std::ffi::CString::new(file.path().to_str().unwrap()).unwrap();
    ok!(rig, hipGraphDebugDotPrint(graph, path.as_ptr(), 0));
    let drawing = std::fs::read_to_string(file.path()).unwrap();
    assert!(drawing.starts_with("digraph") && drawing.trim_end().ends_with('}'), "{drawing}");
    assert_eq!((drawing.matches("MEMSET").count(), drawing.matches("->").count()), (4, 3), "{drawing}");
}

static DESTROYED: AtomicU32 = AtomicU32::new(0);

unsafe extern "C" fn destroy(data: *mut c_void) {
    // SAFETY: the test gave this pointer.
    DESTROYED.fetch_add(unsafe { *data.cast::<u32>() }, Ordering::Relaxed);
}

#[test]
fn objects_live_as_long_as_the_graphs_that_hold_them() {
    let rig = Rig::new();
    let mut number = 1u32;
    let mut object = ptr::null_mut();
    let flags = hipUserObjectFlags_hipUserObjectNoDestructorSync;
    let data = (&raw mut number).cast();
    assert_eq!(raw!(rig, hipUserObjectCreate(&mut object, data, Some(destroy), 1, 0)), INVALID);
    ok!(rig, hipUserObjectCreate(&mut object, data, Some(destroy), 2, flags));
    let graph = graph(&rig);
    // One reference moves, two are new.
    ok!(rig, hipGraphRetainUserObject(graph, object, 1, hipUserObjectRetainFlags_hipGraphUserObjectMove));
    ok!(rig, hipGraphRetainUserObject(graph, object, 2, 0));
    ok!(rig, hipUserObjectRetain(object, 1));
    ok!(rig, hipUserObjectRelease(object, 2));
    let run = executable(&rig, graph, 0);
    ok!(rig, hipGraphReleaseUserObject(graph, object, 2));
    assert_eq!(raw!(rig, hipGraphReleaseUserObject(graph, object, 2)), INVALID, "one is left");
    ok!(rig, hipGraphDestroy(graph));
    assert_eq!(DESTROYED.load(Ordering::Relaxed), 0, "the executable graph has it");
    ok!(rig, hipGraphExecDestroy(run));
    assert_eq!(DESTROYED.load(Ordering::Relaxed), 1);
}
