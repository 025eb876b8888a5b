//! Streams, events and virtual time, asynchronous copies.

use std::ptr;

use hip::{DeviceBuffer, Event, LaunchConfig, PinnedBuffer, Stream};
use hip_sys::*;

use crate::{
    kernels::Vectors,
    rig::{Rig, ok, raw},
};

#[test]
fn events_tell_modelled_time_and_repeat_it_exactly() {
    let rig = Rig::new();
    let vadd = rig.module().function("vadd").unwrap();
    let vectors = Vectors::new(&rig, 64 * 1024);
    let stream = Stream::new(&rig.device).unwrap();
    let time = |groups: u32| {
        let (start, stop) = (Event::new(&rig.device).unwrap(), Event::new(&rig.device).unwrap());
        start.record(&stream).unwrap();
        // SAFETY: the struct is the kernel's; at most 64 Ki elements.
        unsafe { vadd.launch(LaunchConfig::new(groups, 256), &stream, &vectors.arguments(64 * 1024)) }
            .unwrap();
        stop.record(&stream).unwrap();
        stop.synchronize().unwrap();
        assert!(stop.is_complete().unwrap() && stream.is_idle().unwrap());
        stop.elapsed_ms_since(&start).unwrap()
    };
    let (one, again, many) = (time(1), time(1), time(256));
    assert!(one > 0.0 && one < 1.0, "{one} ms");
    assert!((one - again).abs() <= 1e-6 * one, "modelled time does not jitter: {one}, {again}");
    // The device has 256 compute units: one workgroup each takes as long as one, but for starting them.
    assert!((one..1.5 * one).contains(&many), "{one}, {many}");
    // SAFETY: the struct is the kernel's.
    unsafe { vadd.launch(LaunchConfig::new(1, 256), &stream, &vectors.arguments(0)) }.unwrap();
}

#[test]
fn time_needs_two_recorded_events_with_timing() {
    let rig = Rig::new();
    let stream = Stream::new(&rig.device).unwrap();
    let (plain, silent) = (Event::new(&rig.device).unwrap(), Event::without_timing(&rig.device).unwrap());
    plain.record(&stream).unwrap();
    silent.record(&stream).unwrap();
    assert_eq!(silent.elapsed_ms_since(&plain).unwrap_err().code(), Some(hipError_t::hipErrorInvalidHandle));
    let fresh = Event::new(&rig.device).unwrap();
    assert_eq!(fresh.elapsed_ms_since(&plain).unwrap_err().code(), Some(hipError_t::hipErrorInvalidHandle));
    assert_eq!(plain.elapsed_ms_since(&plain).unwrap(), 0.0);
}

#[test]
fn a_waiting_stream_begins_after_the_event() {
    let rig = Rig::new();
    let vadd = rig.module().function("vadd").unwrap();
    let vectors = Vectors::new(&rig, 1024);
    let (first, second) =
        (Stream::non_blocking(&rig.device).unwrap(), Stream::non_blocking(&rig.device).unwrap());
    let [start, middle, end] = [(); 3].map(|()| Event::new(&rig.device).unwrap());
    start.record(&first).unwrap();
    // SAFETY: the struct is the kernel's.
    unsafe { vadd.launch(LaunchConfig::new(4, 256), &first, &vectors.arguments(1024)) }.unwrap();
    middle.record(&first).unwrap();
    second.wait(&middle).unwrap();
    end.record(&second).unwrap();
    let (half, whole) = (middle.elapsed_ms_since(&start).unwrap(), end.elapsed_ms_since(&start).unwrap());
    assert!(half > 0.0 && whole >= half, "{half}, {whole}");
}

#[test]
fn copies_through_pinned_memory_keep_stream_order() {
    let rig = Rig::new();
    let scale = rig.module().function("scale").unwrap();
    let stream = Stream::new(&rig.device).unwrap();
    let n = 4096;
    let values: Vec<f32> = (0..n).map(|i| i as f32).collect();
    let mut data = DeviceBuffer::<f32>::from_slice(&rig.device, &vec![0.0; n]).unwrap();
    let source = PinnedBuffer::from_slice(&rig.device, &values).unwrap();
    let up = stream.upload(source, data.as_mut_slice()).unwrap();
    #[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
    #[repr(C)]
    struct Arguments {
        data: u64,
        factor: f32,
        n: i32,
    }
    let arguments = Arguments { data: data.address(), factor: 2.0, n: n as i32 };
    // SAFETY: the struct is the kernel's.
    unsafe { scale.launch(LaunchConfig::new(16, 256), &stream, &arguments) }.unwrap();
    let down = stream.download(data.as_slice(), PinnedBuffer::zeroed(&rig.device, n).unwrap()).unwrap();
    assert_eq!(up.wait().unwrap()[7], 7.0);
    let result = down.wait().unwrap();
    assert!(result.iter().zip(&values).all(|(got, value)| *got == 2.0 * value));
}

#[test]
fn copies_take_the_time_of_their_bytes() {
    let rig = Rig::new();
    let stream = Stream::new(&rig.device).unwrap();
    let bytes = 1 << 20;
    let source = DeviceBuffer::<u8>::from_slice(&rig.device, &vec![5; bytes]).unwrap();
    let mut target = DeviceBuffer::<u8>::from_slice(&rig.device, &vec![0; bytes]).unwrap();
    let (start, stop) = (Event::new(&rig.device).unwrap(), Event::new(&rig.device).unwrap());
    start.record(&stream).unwrap();
    target.as_mut_slice().copy_from_device_async(&source.as_slice(), &stream).unwrap();
    stop.record(&stream).unwrap();
    // Read and written at 8 TB/s.
    let expected = 2.0 * bytes as f64 / 8e12 * 1e3;
    let taken = stop.elapsed_ms_since(&start).unwrap();
    assert!((taken - expected).abs() < 1e-3 * expected, "{taken} ms, {expected} expected");
    assert!(target.as_slice().to_vec().unwrap().iter().all(|byte| *byte == 5));
}

#[test]
fn rows_and_fills_of_every_width() {
    let rig = Rig::new();
    let (mut base, mut pitch) = (ptr::null_mut(), 0);
    ok!(rig, hipMallocPitch(&mut base, &mut pitch, 10, 4));
    assert_eq!(pitch, 256);
    ok!(rig, hipMemset2D(base, pitch, 0xab, 10, 4));
    let rows: Vec<u8> = (0..40).collect();
    let to_device = hipMemcpyKind_hipMemcpyHostToDevice;
    let to_host = hipMemcpyKind_hipMemcpyDeviceToHost;
    ok!(rig, hipMemcpy2D(base, pitch, rows.as_ptr().cast(), 10, 8, 3, to_device));
    let mut back = [0u8; 40];
    ok!(rig, hipMemcpy2DAsync(back.as_mut_ptr().cast(), 10, base, pitch, 10, 4, to_host, ptr::null_mut()));
    for row in 0..4 {
        for column in 0..10 {
            let copied = row < 3 && column < 8;
            let expected = if copied { rows[10 * row + column] } else { 0xab };
            assert_eq!(back[10 * row + column], expected, "row {row}, column {column}");
        }
    }
    assert_eq!(
        raw!(rig, hipMemcpy2D(base, 4, rows.as_ptr().cast(), 10, 8, 3, to_device)),
        hipError_t::hipErrorInvalidPitchValue
    );
    ok!(rig, hipMemsetD32(base, 0x0102_0304, 3));
    ok!(rig, hipMemsetD16Async(base, 0x0a0b, 1, ptr::null_mut()));
    ok!(rig, hipMemsetD8(base, 0xff, 1));
    let mut words = [0u32; 3];
    ok!(rig, hipMemcpyDtoH(words.as_mut_ptr().cast(), base, 12));
    assert_eq!(words, [0x0102_0aff, 0x0102_0304, 0x0102_0304]);
}

#[test]
fn a_host_function_runs_in_order() {
    unsafe extern "C" fn add_one(data: *mut std::ffi::c_void) {
        // SAFETY: the test passes a pointer to a live counter.
        unsafe { *data.cast::<u32>() += 1 };
    }
    let rig = Rig::new();
    let mut count = 0u32;
    ok!(rig, hipLaunchHostFunc(ptr::null_mut(), Some(add_one), ptr::from_mut(&mut count).cast()));
    ok!(rig, hipStreamSynchronize(ptr::null_mut()));
    assert_eq!(count, 1);
}

#[test]
fn stale_handles_are_refused() {
    let rig = Rig::new();
    let mut stream = ptr::null_mut();
    ok!(rig, hipStreamCreate(&mut stream));
    ok!(rig, hipStreamDestroy(stream));
    assert_eq!(raw!(rig, hipStreamSynchronize(stream)), hipError_t::hipErrorContextIsDestroyed);
    assert_eq!(raw!(rig, hipStreamDestroy(stream)), hipError_t::hipErrorContextIsDestroyed);
    assert_eq!(raw!(rig, hipEventDestroy(0x1230 as hipEvent_t)), hipError_t::hipErrorContextIsDestroyed);
    assert_eq!(raw!(rig, hipModuleUnload(stream.cast())), hipError_t::hipErrorInvalidHandle);
    assert_eq!(raw!(rig, hipGetLastError()), hipError_t::hipErrorInvalidHandle);
    assert_eq!(raw!(rig, hipGetLastError()), hipError_t::hipSuccess);
}

#[test]
fn every_thread_has_a_stream_of_its_own() {
    let rig = Rig::new();
    let own = 2 as hipStream_t;
    let mode = hipStreamCaptureMode_hipStreamCaptureModeRelaxed;
    let (mut status, mut graph) = (9, ptr::null_mut());
    ok!(rig, hipStreamBeginCapture(own, mode));
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let mut status = 9;
            let own = 2 as hipStream_t;
            ok!(rig, hipStreamIsCapturing(own, &mut status));
            ok!(rig, hipStreamSynchronize(own));
            status
        });
        assert_eq!(other.join().unwrap(), hipStreamCaptureStatus_hipStreamCaptureStatusNone);
    });
    ok!(rig, hipStreamIsCapturing(own, &mut status));
    assert_eq!(status, hipStreamCaptureStatus_hipStreamCaptureStatusActive);
    assert_eq!(
        raw!(rig, hipStreamIsCapturing(ptr::null_mut(), &mut status)),
        hipError_t::hipErrorStreamCaptureImplicit
    );
    ok!(rig, hipStreamEndCapture(own, &mut graph));
    ok!(rig, hipGraphDestroy(graph));
    // It is ordered with the null stream, and cannot be destroyed.
    ok!(rig, hipDeviceReset());
    ok!(rig, hipStreamSynchronize(own));
    assert_eq!(raw!(rig, hipStreamDestroy(own)), hipError_t::hipErrorInvalidHandle);
}

#[test]
fn clashing_event_flags_are_refused() {
    let rig = Rig::new();
    let mut event = ptr::null_mut();
    for (flags, accepted) in
        [(0, true), (2 | 4, true), (4, false), (0x4000_0000 | 0x8000_0000, false), (8, false)]
    {
        let status = raw!(rig, hipEventCreateWithFlags(&mut event, flags));
        let expected = if accepted { hipError_t::hipSuccess } else { hipError_t::hipErrorInvalidValue };
        assert_eq!(status, expected, "{flags:#x}");
    }
}
