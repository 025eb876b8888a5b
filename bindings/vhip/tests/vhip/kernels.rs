//! Launches: every way to pass arguments, every function that launches, attributes, occupancy.

use std::{ffi::c_void, ptr};

use bytemuck::{Pod, Zeroable};
use hip::{DeviceBuffer, DevicePtr, LaunchConfig, Stream};
use hip_sys::*;

use crate::rig::{Rig, elf, ok, raw};

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct VaddArguments {
    pub a: DevicePtr<f32>,
    pub b: DevicePtr<f32>,
    pub c: DevicePtr<f32>,
    pub n: i32,
    pub padding: u32,
}

/// Two vectors on the device and room for a third.
pub(crate) struct Vectors {
    pub a: DeviceBuffer<f32>,
    pub b: DeviceBuffer<f32>,
    pub c: DeviceBuffer<f32>,
}

impl Vectors {
    pub(crate) fn new(rig: &Rig, n: usize) -> Vectors {
        let a: Vec<f32> = (0..n).map(|i| i as f32 * 0.5).collect();
        let b: Vec<f32> = (0..n).map(|i| 1000.0 - i as f32).collect();
        Vectors {
            a: DeviceBuffer::from_slice(&rig.device, &a).unwrap(),
            b: DeviceBuffer::from_slice(&rig.device, &b).unwrap(),
            c: DeviceBuffer::from_slice(&rig.device, &vec![-1.0; n]).unwrap(),
        }
    }

    pub(crate) fn arguments(&self, n: usize) -> VaddArguments {
        VaddArguments { a: self.a.ptr(), b: self.b.ptr(), c: self.c.ptr(), n: n as i32, padding: 0 }
    }

    pub(crate) fn assert_sums(&self, n: usize) {
        for (i, value) in self.c.as_slice().to_vec().unwrap().into_iter().enumerate() {
            let expected = if i < n { 1000.0 - i as f32 * 0.5 } else { -1.0 };
            assert_eq!(value, expected, "element {i}");
        }
    }
}

/// `grid.sync()`: all workgroups are there at the same time, and see what the others wrote.
#[test]
fn workgroups_of_a_cooperative_launch_wait_for_each_other() {
    for options in [&[][..], &[("seed", "5"), ("late_delivery", "1")]] {
        let rig = Rig::with_options(options);
        let (mut module, mut handle) = (ptr::null_mut(), ptr::null_mut());
        ok!(rig, hipModuleLoadData(&mut module, elf().as_ptr().cast()));
        ok!(rig, hipModuleGetFunction(&mut handle, module, c"rotate".as_ptr()));
        let (groups, block, rounds) = (6u32, 128u32, 4i32);
        let n = groups * block;
        let start: Vec<u32> = (0..n).map(|i| 1000 * i).collect();
        let data = DeviceBuffer::<u32>::from_slice(&rig.device, &start).unwrap();
        let (mut address, mut rounds_argument) = (data.address(), rounds);
        let mut arguments: [*mut c_void; 2] = [(&raw mut address).cast(), (&raw mut rounds_argument).cast()];
        let (list, stream) = (arguments.as_mut_ptr(), ptr::null_mut());
        ok!(rig, hipModuleLaunchCooperativeKernel(handle, groups, 1, 1, block, 1, 1, 0, stream, list));
        ok!(rig, hipDeviceSynchronize());
        let expected: Vec<u32> =
            (0..n).map(|i| 1000 * ((i + rounds as u32 * block) % n) + rounds as u32).collect();
        assert_eq!(data.to_vec().unwrap(), expected, "{options:?}");
        // More than can run at once are refused, whatever the hardware could hold.
        let many = raw!(rig, hipModuleLaunchCooperativeKernel(handle, 1025, 1, 1, 64, 1, 1, 0, stream, list));
        assert_eq!(many, hipError_t::hipErrorCooperativeLaunchTooLarge);
        // Without the promise that all are there the kernel finds no barrier.
        let extra = ptr::null_mut();
        ok!(rig, hipModuleLaunchKernel(handle, groups, 1, 1, block, 1, 1, 0, stream, list, extra));
        assert_eq!(raw!(rig, hipDeviceSynchronize()), hipError_t::hipErrorIllegalAddress);
    }
}

#[test]
fn arguments_as_a_struct() {
    let rig = Rig::new();
    let vadd = rig.module().function("vadd").unwrap();
    let vectors = Vectors::new(&rig, 1000);
    let stream = Stream::new(&rig.device).unwrap();
    // SAFETY: the struct is the kernel's, the grid covers less than the vectors.
    unsafe { vadd.launch(LaunchConfig::new(4, 256), &stream, &vectors.arguments(990)) }.unwrap();
    stream.synchronize().unwrap();
    vectors.assert_sums(990);
}

#[test]
fn arguments_as_pointers_are_placed_by_the_metadata() {
    let rig = Rig::new();
    let mixed = rig.module().function("mixed").unwrap();
    let out = DeviceBuffer::<f64>::from_slice(&rig.device, &[0.0]).unwrap();
    let stream = Stream::null(&rig.device);
    let (a, b, c, d, e, at) = (-3i8, 0.25f64, 300i16, 1i64 << 40, 0.5f32, out.ptr());
    let arguments = [
        ptr::from_ref(&a).cast::<c_void>(),
        ptr::from_ref(&b).cast(),
        ptr::from_ref(&c).cast(),
        ptr::from_ref(&d).cast(),
        ptr::from_ref(&e).cast(),
        ptr::from_ref(&at).cast(),
    ];
    // SAFETY: one pointer for each parameter, in order.
    unsafe { mixed.launch_pointers(LaunchConfig::new(1, 1), &stream, &arguments) }.unwrap();
    let expected = -3.0 + 0.25 + 300.0 + (1i64 << 40) as f64 + 0.5;
    assert_eq!(out.as_slice().to_vec().unwrap(), [expected]);
}

#[test]
fn wrong_arguments_are_refused_before_anything_runs() {
    let rig = Rig::new();
    let module = rig.module();
    let vadd = module.function("vadd").unwrap();
    let stream = Stream::null(&rig.device);
    // SAFETY: the launch is refused: 4 bytes are fewer than the parameters have.
    let error = unsafe { vadd.launch(LaunchConfig::new(1, 64), &stream, &0u32) }.unwrap_err();
    assert_eq!(error.code(), Some(hipError_t::hipErrorInvalidValue));
    // SAFETY: the launch is refused: an empty grid.
    let error = unsafe { vadd.launch(LaunchConfig::new(0, 64), &stream, &[0u64; 4]) }.unwrap_err();
    assert_eq!(error.code(), Some(hipError_t::hipErrorInvalidConfiguration));
    let bounded = module.function("bounded").unwrap();
    // SAFETY: the launch is refused: the kernel was compiled for at most 64 work-items.
    let error = unsafe { bounded.launch(LaunchConfig::new(1, 65), &stream, &0u64) }.unwrap_err();
    assert_eq!(error.code(), Some(hipError_t::hipErrorInvalidConfiguration));
    let config = LaunchConfig::new(1, 64).with_shared_bytes(160 * 1024);
    // SAFETY: the launch is refused: 8 KiB of LDS are the kernel's own.
    let error = unsafe { bounded.launch(config, &stream, &0u64) }.unwrap_err();
    assert_eq!(error.code(), Some(hipError_t::hipErrorLaunchOutOfResources));
    rig.device.synchronize().unwrap();
    assert_eq!(module.function("absent").unwrap_err().code(), Some(hipError_t::hipErrorNotFound));
}

#[test]
fn dynamic_lds_is_there() {
    let rig = Rig::new();
    let lds_sum = rig.module().function("lds_sum").unwrap();
    let values = DeviceBuffer::from_slice(&rig.device, &(0..256).collect::<Vec<i32>>()).unwrap();
    let out = DeviceBuffer::from_slice(&rig.device, &[0i32]).unwrap();
    let config = LaunchConfig::new(1, 256).with_shared_bytes(1024);
    // SAFETY: two addresses are the kernel's parameters.
    unsafe { lds_sum.launch(config, &Stream::null(&rig.device), &[values.address(), out.address()]) }
        .unwrap();
    assert_eq!(out.as_slice().to_vec().unwrap(), [255 * 128]);
}

/// Launches through the C functions that `hip` does not use; each adds the vectors once more.
#[test]
fn every_launch_function_runs_the_kernel() {
    let rig = Rig::new();
    let (mut module, mut vadd) = (ptr::null_mut(), ptr::null_mut());
    ok!(rig, hipModuleLoadData(&mut module, crate::rig::bundle().as_ptr().cast()));
    ok!(rig, hipModuleGetFunction(&mut vadd, module, c"vadd".as_ptr()));
    let n = 512;
    let null = ptr::null_mut();
    let run = |launch: &dyn Fn(*mut *mut c_void)| {
        let vectors = Vectors::new(&rig, n);
        let arguments = vectors.arguments(n);
        let mut pointers = [
            ptr::from_ref(&arguments.a).cast_mut().cast::<c_void>(),
            ptr::from_ref(&arguments.b).cast_mut().cast(),
            ptr::from_ref(&arguments.c).cast_mut().cast(),
            ptr::from_ref(&arguments.n).cast_mut().cast(),
        ];
        launch(pointers.as_mut_ptr());
        vectors.assert_sums(n);
    };
    run(&|params| {
        ok!(rig, hipModuleLaunchKernel(vadd, 2, 1, 1, 256, 1, 1, 0, null, params, ptr::null_mut()))
    });
    run(&|params| ok!(rig, hipModuleLaunchCooperativeKernel(vadd, 2, 1, 1, 256, 1, 1, 0, null, params)));
    run(&|params| {
        // SAFETY: all zero is an empty configuration.
        let mut config: HIP_LAUNCH_CONFIG = unsafe { std::mem::zeroed() };
        (config.gridDimX, config.gridDimY, config.gridDimZ) = (2, 1, 1);
        (config.blockDimX, config.blockDimY, config.blockDimZ) = (256, 1, 1);
        ok!(rig, hipDrvLaunchKernelEx(&config, vadd, params, ptr::null_mut()));
    });
    run(&|params| {
        // A function handle stands for its kernel in the runtime's functions too.
        let (grid, block) = (dim3 { x: 2, y: 1, z: 1 }, dim3 { x: 256, y: 1, z: 1 });
        ok!(rig, hipLaunchKernel(vadd.cast(), grid, block, params, 0, null));
    });
    run(&|params| {
        // SAFETY: all zero is an empty configuration.
        let mut config: hipLaunchConfig_t = unsafe { std::mem::zeroed() };
        (config.gridDim, config.blockDim) = (dim3 { x: 2, y: 1, z: 1 }, dim3 { x: 256, y: 1, z: 1 });
        ok!(rig, hipLaunchKernelExC(&config, vadd.cast(), params));
    });
    run(&|params| {
        let (mut start, mut stop) = (ptr::null_mut(), ptr::null_mut());
        ok!(rig, hipEventCreate(&mut start));
        ok!(rig, hipEventCreate(&mut stop));
        ok!(
            rig,
            hipExtLaunchKernel(
                vadd.cast(),
                dim3 { x: 2, y: 1, z: 1 },
                dim3 { x: 256, y: 1, z: 1 },
                params,
                0,
                null,
                start,
                stop,
                0
            )
        );
        let mut milliseconds = 0.0;
        ok!(rig, hipEventElapsedTime(&mut milliseconds, start, stop));
        assert!(milliseconds > 0.0);
    });
    // Its grid is in work-items. The header is C++ only, so that bindgen has no field for it.
    type ExtModuleLaunch = unsafe extern "C" fn(
        hipFunction_t,
        u32,
        u32,
        u32,
        u32,
        u32,
        u32,
        usize,
        hipStream_t,
        *mut *mut c_void,
        *mut *mut c_void,
        hipEvent_t,
        hipEvent_t,
        u32,
    ) -> hipError_t;
    let ext: ExtModuleLaunch = crate::symbols::function(&rig, c"hipExtModuleLaunchKernel");
    let no_event = ptr::null_mut();
    run(&|params| {
        // SAFETY: a live function, its arguments, no events.
        let status = unsafe {
            ext(vadd, 512, 1, 1, 256, 1, 1, 0, null, params, ptr::null_mut(), no_event, no_event, 0)
        };
        assert_eq!(status, hipError_t::hipSuccess);
    });
    // SAFETY: refused: 500 work-items are no whole workgroups of 256.
    let status = unsafe {
        ext(vadd, 500, 1, 1, 256, 1, 1, 0, null, ptr::null_mut(), ptr::null_mut(), no_event, no_event, 0)
    };
    assert_eq!(status, hipError_t::hipErrorInvalidConfiguration);
    assert_eq!(
        raw!(rig, hipModuleLaunchCooperativeKernel(vadd, 3000, 1, 1, 256, 1, 1, 0, null, ptr::null_mut())),
        hipError_t::hipErrorCooperativeLaunchTooLarge,
        "256 compute units hold 8 workgroups of 4 waves each"
    );
}

#[test]
fn attributes_come_from_the_code_object() {
    let rig = Rig::new();
    let module = rig.module();
    let bounded = module.function("bounded").unwrap().attributes().unwrap();
    assert_eq!((bounded.max_threads_per_group, bounded.lds_bytes, bounded.scratch_bytes), (64, 8192, 0));
    let vadd = module.function("vadd").unwrap().attributes().unwrap();
    assert_eq!((vadd.max_threads_per_group, vadd.lds_bytes), (1024, 0));
    assert!((1..=64).contains(&vadd.registers), "{vadd:?}");
}

#[test]
fn occupancy_counts_waves_and_lds() {
    let rig = Rig::new();
    let module = rig.module();
    let vadd = module.function("vadd").unwrap();
    // 4 SIMDs of 8 waves.
    for (threads, groups) in [(64, 32), (65, 16), (256, 8), (1024, 2)] {
        assert_eq!(vadd.groups_per_compute_unit(threads, 0).unwrap(), groups, "{threads} work-items");
    }
    // 160 KiB in granules of 1280 bytes.
    for (bytes, groups) in [(80 * 1024, 2), (80 * 1024 + 1, 1), (160 * 1024, 1), (160 * 1024 + 1, 0)] {
        assert_eq!(vadd.groups_per_compute_unit(64, bytes).unwrap(), groups, "{bytes} bytes");
    }
    // 8 KiB are 7 granules: 18 workgroups, fewer than the 32 wave slots.
    assert_eq!(module.function("bounded").unwrap().groups_per_compute_unit(64, 0).unwrap(), 18);
}

#[test]
fn the_report_counts_the_launch() {
    let rig = Rig::new();
    assert_eq!(rig.runtime.last_report().unwrap(), None);
    let nothing = rig.module().function("nothing").unwrap();
    // SAFETY: no parameters.
    unsafe { nothing.launch_pointers(LaunchConfig::new(3, 128), &Stream::null(&rig.device), &[]) }.unwrap();
    let report = rig.runtime.last_report().unwrap().unwrap();
    assert_eq!((report["kernel"].as_str(), report["waves"].as_u64()), (Some("nothing"), Some(6)));
    assert!(report["instructions"].as_u64().unwrap() >= 6, "{report}");
    assert_eq!(report["options"]["mfma"], "mixed");
}
