//! Graphs: capture on one stream and on several, replay, what a capture refuses, graphs built by hand.

use std::{ffi::c_void, ptr};

use bytemuck::{Pod, Zeroable};
use hip::{DeviceBuffer, Event, Graph, LaunchConfig, Module, Stream};
use hip_sys::*;

use crate::rig::{Rig, ok, raw};

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Scale {
    data: u64,
    factor: f32,
    n: i32,
}

/// Enqueues `data *= factor`.
fn scale(module: &Module, stream: &Stream, data: &DeviceBuffer<f32>, factor: f32) -> hip::Result<()> {
    let arguments = Scale { data: data.address(), factor, n: data.len() as i32 };
    let function = module.function("scale")?;
    // SAFETY: the struct is the kernel's, and the buffers live longer than the graphs of these tests.
    unsafe { function.launch(LaunchConfig::new(1, 64), stream, &arguments) }
}

#[test]
fn a_captured_graph_runs_with_what_memory_holds_at_each_launch() {
    let rig = Rig::new();
    let module = rig.module();
    let stream = Stream::new(&rig.device).unwrap();
    let mut data = DeviceBuffer::<f32>::from_slice(&rig.device, &[1.0; 64]).unwrap();
    let mut copy = DeviceBuffer::<f32>::from_slice(&rig.device, &[0.0; 64]).unwrap();
    let graph = Graph::capture(&stream, |stream| {
        scale(&module, stream, &data, 3.0)?;
        copy.as_mut_slice().copy_from_device_async(&data.as_slice(), stream)?;
        scale(&module, stream, &data, 10.0)
    })
    .unwrap();
    assert_eq!(graph.node_count().unwrap(), 3);
    assert_eq!(data.as_slice().to_vec().unwrap()[0], 1.0, "nothing has run yet");
    let executable = graph.instantiate().unwrap();
    drop(graph);
    for (value, index) in [(1.0, 0), (5.0, 63)] {
        data.as_mut_slice().copy_from(&[value; 64]).unwrap();
        // SAFETY: every buffer of the capture is alive.
        unsafe { executable.launch(&stream) }.unwrap();
        stream.synchronize().unwrap();
        assert_eq!(copy.as_slice().to_vec().unwrap()[index], 3.0 * value);
        assert_eq!(data.as_slice().to_vec().unwrap()[index], 30.0 * value);
    }
}

#[test]
fn a_capture_follows_events_to_other_streams_and_back() {
    let rig = Rig::new();
    let module = rig.module();
    let [origin, side] = [(); 2].map(|()| Stream::new(&rig.device).unwrap());
    let [fork, join] = [(); 2].map(|()| Event::without_timing(&rig.device).unwrap());
    let left = DeviceBuffer::<f32>::from_slice(&rig.device, &[1.0; 64]).unwrap();
    let right = DeviceBuffer::<f32>::from_slice(&rig.device, &[1.0; 64]).unwrap();
    let graph = Graph::capture(&origin, |origin| {
        scale(&module, origin, &left, 2.0)?;
        fork.record(origin)?;
        side.wait(&fork)?;
        scale(&module, &side, &right, 5.0)?;
        scale(&module, origin, &left, 7.0)?;
        join.record(&side)?;
        origin.wait(&join)?;
        scale(&module, origin, &right, 11.0)
    })
    .unwrap();
    assert_eq!(graph.node_count().unwrap(), 4);
    // The side stream is free again.
    scale(&module, &side, &right, 1.0).unwrap();
    let executable = graph.instantiate().unwrap();
    let time = {
        let [start, stop] = [(); 2].map(|()| Event::new(&rig.device).unwrap());
        start.record(&origin).unwrap();
        // SAFETY: every buffer of the capture is alive.
        unsafe { executable.launch(&origin) }.unwrap();
        stop.record(&origin).unwrap();
        stop.elapsed_ms_since(&start).unwrap()
    };
    assert_eq!(left.as_slice().to_vec().unwrap(), [14.0; 64]);
    assert_eq!(right.as_slice().to_vec().unwrap(), [55.0; 64]);
    let [start, stop] = [(); 2].map(|()| Event::new(&rig.device).unwrap());
    start.record(&origin).unwrap();
    scale(&module, &origin, &left, 1.0).unwrap();
    stop.record(&origin).unwrap();
    let single = stop.elapsed_ms_since(&start).unwrap();
    assert!(
        (time / single - 3.0).abs() < 0.01,
        "four kernels, two of them side by side: {time}, one: {single}"
    );
}

#[test]
fn a_stream_that_does_not_come_back_is_an_error() {
    let rig = Rig::new();
    let module = rig.module();
    let [origin, side] = [(); 2].map(|()| Stream::new(&rig.device).unwrap());
    let fork = Event::without_timing(&rig.device).unwrap();
    let data = DeviceBuffer::<f32>::from_slice(&rig.device, &[1.0; 64]).unwrap();
    let error = Graph::capture(&origin, |origin| {
        fork.record(origin)?;
        side.wait(&fork)?;
        scale(&module, &side, &data, 5.0)
    })
    .unwrap_err();
    assert_eq!(error.code(), Some(hipError_t::hipErrorStreamCaptureUnjoined));
    scale(&module, &side, &data, 2.0).unwrap();
    assert_eq!(data.as_slice().to_vec().unwrap()[0], 2.0, "only what came after the capture ran");
}

#[test]
fn waiting_during_a_capture_is_refused_and_ends_it() {
    let rig = Rig::new();
    let module = rig.module();
    let stream = Stream::new(&rig.device).unwrap();
    let data = DeviceBuffer::<f32>::from_slice(&rig.device, &[1.0; 64]).unwrap();
    type Wait<'a> = &'a dyn Fn(&Stream) -> hip::Result<()>;
    let unsupported = hipError_t::hipErrorStreamCaptureUnsupported;
    let waits: [(Wait<'_>, hipError_t); 4] = [
        (&|stream| stream.synchronize(), unsupported),
        (&|stream| stream.device().synchronize(), unsupported),
        (&|stream| DeviceBuffer::<u8>::from_slice(stream.device(), &[1]).map(drop), unsupported),
        (&|_| data.as_slice().to_vec().map(drop), hipError_t::hipErrorStreamCaptureImplicit),
    ];
    for (wait, status) in waits {
        let error = Graph::capture(&stream, |stream| {
            scale(&module, stream, &data, 2.0)?;
            assert_eq!(wait(stream).unwrap_err().code(), Some(status));
            Ok(())
        })
        .unwrap_err();
        assert_eq!(error.code(), Some(hipError_t::hipErrorStreamCaptureInvalidated));
    }
    stream.synchronize().unwrap();
    assert_eq!(data.as_slice().to_vec().unwrap()[0], 1.0);
}

#[test]
fn captures_keep_apart() {
    let rig = Rig::new();
    let mut streams = [ptr::null_mut(); 2];
    let mut event = ptr::null_mut();
    let mode = hipStreamCaptureMode_hipStreamCaptureModeRelaxed;
    streams.iter_mut().for_each(|stream| ok!(rig, hipStreamCreate(stream)));
    ok!(rig, hipEventCreate(&mut event));
    let [a, b] = streams;
    assert_eq!(
        raw!(rig, hipStreamBeginCapture(ptr::null_mut(), mode)),
        hipError_t::hipErrorStreamCaptureUnsupported
    );
    ok!(rig, hipStreamBeginCapture(a, mode));
    assert_eq!(raw!(rig, hipStreamBeginCapture(a, mode)), hipError_t::hipErrorIllegalState);
    ok!(rig, hipStreamBeginCapture(b, mode));
    ok!(rig, hipEventRecord(event, a));
    assert_eq!(raw!(rig, hipEventQuery(event)), hipError_t::hipErrorCapturedEvent);
    assert_eq!(raw!(rig, hipStreamWaitEvent(b, event, 0)), hipError_t::hipErrorStreamCaptureMerge);
    let (mut status, mut graph) = (0, ptr::null_mut());
    ok!(rig, hipStreamIsCapturing(a, &mut status));
    assert_eq!(status, hipStreamCaptureStatus_hipStreamCaptureStatusInvalidated);
    for stream in streams {
        assert_eq!(
            raw!(rig, hipStreamEndCapture(stream, &mut graph)),
            hipError_t::hipErrorStreamCaptureInvalidated
        );
        ok!(rig, hipStreamIsCapturing(stream, &mut status));
        assert_eq!(status, hipStreamCaptureStatus_hipStreamCaptureStatusNone);
        assert_eq!(raw!(rig, hipStreamEndCapture(stream, &mut graph)), hipError_t::hipErrorIllegalState);
    }
    // A captured event names a place in a capture that has ended.
    assert_eq!(raw!(rig, hipStreamWaitEvent(b, event, 0)), hipError_t::hipErrorCapturedEvent);
    // Work outside a capture is no part of it.
    ok!(rig, hipEventRecord(event, b));
    ok!(rig, hipStreamBeginCapture(a, mode));
    assert_eq!(raw!(rig, hipStreamWaitEvent(a, event, 0)), hipError_t::hipErrorStreamCaptureIsolation);
    assert_eq!(raw!(rig, hipStreamEndCapture(a, &mut graph)), hipError_t::hipErrorStreamCaptureInvalidated);
}

#[test]
fn a_graph_built_by_hand_runs_in_the_order_of_its_edges() {
    let rig = Rig::new();
    let (mut graph, mut module, mut function) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    ok!(rig, hipModuleLoadData(&mut module, crate::rig::bundle().as_ptr().cast()));
    ok!(rig, hipModuleGetFunction(&mut function, module, c"scale".as_ptr()));
    let data = DeviceBuffer::<f32>::from_slice(&rig.device, &[9.0; 64]).unwrap();
    let mut result = [0f32; 64];
    ok!(rig, hipGraphCreate(&mut graph, 0));
    let (mut copy, mut kernel, mut fill) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    // Added in the reverse of their order: fill with 1.0, scale by 4, copy to the host.
    let to_host = hipMemcpyKind_hipMemcpyDeviceToHost;
    let (target, source) = (result.as_mut_ptr().cast(), data.address() as *const c_void);
    ok!(rig, hipGraphAddMemcpyNode1D(&mut copy, graph, ptr::null(), 0, target, source, 256, to_host));
    let (address, factor, n) = (data.address(), 4f32, 64i32);
    let mut pointers = [
        ptr::from_ref(&address).cast_mut().cast::<c_void>(),
        ptr::from_ref(&factor).cast_mut().cast(),
        ptr::from_ref(&n).cast_mut().cast(),
    ];
    let params = hipKernelNodeParams {
        blockDim: dim3 { x: 64, y: 1, z: 1 },
        extra: ptr::null_mut(),
        func: function.cast(),
        gridDim: dim3 { x: 1, y: 1, z: 1 },
        kernelParams: pointers.as_mut_ptr(),
        sharedMemBytes: 0,
    };
    ok!(rig, hipGraphAddKernelNode(&mut kernel, graph, ptr::null(), 0, &params));
    let params = hipMemsetParams {
        dst: data.address() as *mut c_void,
        elementSize: 4,
        height: 1,
        pitch: 0,
        value: 1f32.to_bits(),
        width: 64,
    };
    ok!(rig, hipGraphAddMemsetNode(&mut fill, graph, ptr::null(), 0, &params));
    ok!(rig, hipGraphAddDependencies(graph, [fill, kernel].as_ptr(), [kernel, copy].as_ptr(), 2));
    let (mut edges, mut roots, mut kind) = (0, 1, 99);
    ok!(rig, hipGraphGetEdges(graph, ptr::null_mut(), ptr::null_mut(), &mut edges));
    let mut root = ptr::null_mut();
    ok!(rig, hipGraphGetRootNodes(graph, &mut root, &mut roots));
    assert_eq!((edges, roots, root), (2, 1, fill));
    ok!(rig, hipGraphNodeGetType(copy, &mut kind));
    assert_eq!(kind, hipGraphNodeType_hipGraphNodeTypeMemcpy);
    let mut executable = ptr::null_mut();
    ok!(rig, hipGraphInstantiateWithFlags(&mut executable, graph, 0));
    ok!(rig, hipGraphLaunch(executable, ptr::null_mut()));
    assert_eq!(result, [4.0; 64]);
    // The same shape with another value; then one node more.
    let (mut other, mut node, mut outcome) = (ptr::null_mut(), ptr::null_mut(), 9);
    ok!(rig, hipGraphCreate(&mut other, 0));
    let params = hipMemsetParams { value: 2f32.to_bits(), ..params };
    ok!(rig, hipGraphAddMemsetNode(&mut node, other, ptr::null(), 0, &params));
    let mut small = ptr::null_mut();
    ok!(rig, hipGraphInstantiateWithFlags(&mut small, other, 0));
    assert_eq!(
        raw!(rig, hipGraphExecUpdate(executable, other, &mut node, &mut outcome)),
        hipError_t::hipErrorGraphExecUpdateFailure
    );
    assert_eq!(outcome, hipGraphExecUpdateResult_hipGraphExecUpdateErrorTopologyChanged);
    ok!(rig, hipGraphExecUpdate(executable, graph, &mut node, &mut outcome));
    assert_eq!(outcome, hipGraphExecUpdateResult_hipGraphExecUpdateSuccess);
    ok!(rig, hipGraphLaunch(small, ptr::null_mut()));
    assert_eq!(data.to_vec().unwrap(), [2.0; 64]);
    ok!(rig, hipGraphAddDependencies(graph, &copy, &fill, 1));
    assert_eq!(
        raw!(rig, hipGraphInstantiateWithFlags(&mut executable, graph, 0)),
        hipError_t::hipErrorInvalidValue,
        "a graph that follows itself"
    );
    ok!(rig, hipGraphDestroy(graph));
    assert_eq!(raw!(rig, hipGraphNodeGetType(copy, &mut kind)), hipError_t::hipErrorInvalidValue);
}

#[test]
fn a_thread_local_capture_leaves_other_threads_alone() {
    let rig = Rig::new();
    let module = rig.module();
    let stream = Stream::new(&rig.device).unwrap();
    let data = DeviceBuffer::<f32>::from_slice(&rig.device, &[1.0; 64]).unwrap();
    let in_another_thread = |work: &(dyn Fn() + Sync)| {
        std::thread::scope(|scope| scope.spawn(work).join().unwrap());
    };
    let graph = Graph::capture(&stream, |stream| {
        scale(&module, stream, &data, 2.0)?;
        in_another_thread(&|| {
            let other = Stream::non_blocking(&rig.device).unwrap();
            scale(&module, &other, &data, 5.0).unwrap();
            other.synchronize().unwrap();
        });
        Ok(())
    })
    .unwrap();
    assert_eq!(graph.node_count().unwrap(), 1);
    assert_eq!(data.to_vec().unwrap()[0], 5.0);
    // Another thread cannot end it, and in global mode cannot wait either.
    let (mut raw_stream, mut raw_graph) = (ptr::null_mut(), ptr::null_mut());
    ok!(rig, hipStreamCreate(&mut raw_stream));
    ok!(rig, hipStreamBeginCapture(raw_stream, hipStreamCaptureMode_hipStreamCaptureModeGlobal));
    let address = raw_stream as usize;
    in_another_thread(&|| {
        let mut graph = ptr::null_mut();
        let status = raw!(rig, hipStreamEndCapture(address as hipStream_t, &mut graph));
        assert_eq!(status, hipError_t::hipErrorStreamCaptureWrongThread);
        assert_eq!(raw!(rig, hipDeviceSynchronize()), hipError_t::hipErrorStreamCaptureUnsupported);
    });
    assert_eq!(
        raw!(rig, hipStreamEndCapture(raw_stream, &mut raw_graph)),
        hipError_t::hipErrorStreamCaptureInvalidated
    );
}
