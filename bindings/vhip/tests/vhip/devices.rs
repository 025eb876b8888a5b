//! Identity, several devices in one runtime, several runtimes in one process.

use std::ptr;

use hip::{DeviceBuffer, LaunchConfig, Module, RuntimeKind, RuntimeVersion, Stream};
use hip_sys::*;

use crate::rig::{Rig, bundle, ok, raw};

#[test]
fn the_device_says_what_it_is_and_that_it_is_virtual() {
    let rig = Rig::new();
    assert_eq!(rig.runtime.kind(), RuntimeKind::Virtual);
    assert_eq!(rig.runtime.version().unwrap(), RuntimeVersion(70_253_211));
    assert_eq!(rig.runtime.device_count().unwrap(), 1);
    let properties = rig.device.properties().unwrap();
    assert_eq!(properties.name, "AMD Instinct MI355X (virtual)");
    assert_eq!(properties.arch, "gfx950:sramecc+:xnack-");
    assert_eq!((properties.compute_units, properties.wave_size), (256, 64));
    assert_eq!((properties.memory_bytes, properties.lds_bytes_per_group), (288 << 30, 160 << 10));
    assert_eq!((properties.clock_khz, properties.max_threads_per_compute_unit), (2_400_000, 2048));
    let info = rig.runtime.virtual_info().unwrap().unwrap();
    assert_eq!((info["library"].as_str(), info["arch"].as_str()), (Some("vhip"), Some("gfx950")));
    assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
    let mut value = 0;
    for (attribute, expected) in [
        (hipDeviceAttribute_t_hipDeviceAttributeMultiprocessorCount, 256),
        (hipDeviceAttribute_t_hipDeviceAttributeWarpSize, 64),
        (hipDeviceAttribute_t_hipDeviceAttributeMaxThreadsPerBlock, 1024),
        (hipDeviceAttribute_t_hipDeviceAttributeClockRate, 2_400_000),
    ] {
        ok!(rig, hipDeviceGetAttribute(&mut value, attribute, 0));
        assert_eq!(value, expected, "attribute {attribute}");
    }
    assert_eq!(raw!(rig, hipSetDevice(1)), hipError_t::hipErrorInvalidDevice);
}

#[test]
fn functions_are_found_by_name_and_header_version() {
    let rig = Rig::new();
    let mut status = 9;
    let mut find = |name: &std::ffi::CStr, version| {
        let mut found = ptr::null_mut();
        let code = raw!(rig, hipGetProcAddress(name.as_ptr(), &mut found, version, 0, &mut status));
        (code, found as usize, status)
    };
    type Properties = unsafe extern "C" fn(*mut std::ffi::c_void, i32) -> hipError_t;
    let own = |name| crate::symbols::function::<Properties>(&rig, name) as usize;
    let success = hipError_t::hipSuccess;
    let (newer, older) = (own(c"hipGetDevicePropertiesR0600"), own(c"hipGetDeviceProperties"));
    assert_eq!(find(c"hipGetDeviceProperties", 602), (success, newer, 0));
    assert_eq!(find(c"hipGetDeviceProperties", 507), (success, older, 0));
    assert_eq!(find(c"hipAbsent", 602), (hipError_t::hipErrorNotFound, 0, 1));
    let mut status = 9;
    let mut entry = |name: &std::ffi::CStr| {
        let mut found = ptr::null_mut();
        let code = raw!(rig, hipGetDriverEntryPoint(name.as_ptr(), &mut found, 0, &mut status));
        (code, found as usize, status)
    };
    assert_eq!(entry(c"hipGetDeviceProperties"), (success, newer, 0));
    assert_eq!(entry(c"hipAbsent"), (hipError_t::hipErrorNotFound, 0, 1));
    let mut of_thread = |name: &std::ffi::CStr| {
        let mut found = ptr::null_mut();
        ok!(rig, hipGetDriverEntryPoint_spt(name.as_ptr(), &mut found, 0, &mut status));
        found as usize
    };
    assert_eq!(of_thread(c"hipMemcpy"), own(c"hipMemcpy_spt"));
    assert_eq!(of_thread(c"hipMalloc"), own(c"hipMalloc"));
    // SAFETY: all zero is a valid property struct.
    let mut properties: hipDeviceProp_tR0000 = unsafe { std::mem::zeroed() };
    ok!(rig, hipGetDevicePropertiesR0000(&mut properties, 0));
    assert_eq!((properties.multiProcessorCount, properties.warpSize), (256, 64));
    assert_eq!(
        properties.gcnArchName[..7],
        c"gfx950:".to_bytes().iter().map(|c| *c as i8).collect::<Vec<_>>()
    );
}

#[test]
fn devices_have_memories_modules_and_faults_of_their_own() {
    let rig = Rig::with_options(&[("devices", "2")]);
    let devices = rig.runtime.devices().unwrap();
    assert_eq!(devices.len(), 2);
    let store =
        |device: usize| Module::load(&devices[device], bundle()).unwrap().function("store_at").unwrap();
    let buffers = [0, 1].map(|device| DeviceBuffer::<i32>::from_slice(&devices[device], &[0]).unwrap());
    let config = LaunchConfig::new(1, 1);
    for device in [0, 1] {
        let arguments = [buffers[device].address(), 0, device as u64 + 5];
        // SAFETY: the store hits the buffer.
        unsafe { store(device).launch(config, &Stream::null(&devices[device]), &arguments) }.unwrap();
        assert_eq!(buffers[device].as_slice().to_vec().unwrap(), [device as i32 + 5]);
    }
    // A function of one device does not run on another.
    // SAFETY: refused.
    let error = unsafe { store(0).launch(config, &Stream::null(&devices[1]), &[0u64; 3]) }.unwrap_err();
    assert_eq!(error.code(), Some(hipError_t::hipErrorInvalidDevice));
    // Pinned memory is for both devices, device memory is not.
    let mut pinned = ptr::null_mut();
    devices[0].make_current().unwrap();
    ok!(rig, hipHostMalloc(&mut pinned, 4, 0));
    // SAFETY: the store hits the pinned memory.
    unsafe { store(1).launch(config, &Stream::null(&devices[1]), &[pinned as u64, 0, 9]) }.unwrap();
    devices[1].synchronize().unwrap();
    // SAFETY: four bytes of pinned memory, which the kernel wrote.
    assert_eq!(unsafe { pinned.cast::<i32>().read_volatile() }, 9);
    ok!(rig, hipHostFree(pinned));
    // SAFETY: a fault on device 1: the buffer is device 0's.
    unsafe { store(1).launch(config, &Stream::null(&devices[1]), &[buffers[0].address(), 0, 9]) }.unwrap();
    assert_eq!(devices[1].synchronize().unwrap_err().code(), Some(hipError_t::hipErrorIllegalAddress));
    devices[0].synchronize().unwrap();
    assert_eq!(buffers[0].as_slice().to_vec().unwrap(), [5]);
    devices[1].make_current().unwrap();
    ok!(rig, hipDeviceReset());
    devices[1].synchronize().unwrap();
    assert_eq!(buffers[0].as_slice().to_vec().unwrap(), [5]);
}

#[test]
fn runtimes_in_one_process_know_nothing_of_each_other() {
    let [one, two] = [Rig::new(), Rig::new()];
    assert_ne!(one.runtime.library_path(), two.runtime.library_path());
    let store = one.module().function("store_at").unwrap();
    let buffer = DeviceBuffer::<i32>::from_slice(&two.device, &[0]).unwrap();
    // SAFETY: a fault: the address is the other runtime's.
    unsafe { store.launch(LaunchConfig::new(1, 1), &Stream::null(&one.device), &[buffer.address(), 0, 1]) }
        .unwrap();
    assert!(one.device.synchronize().is_err());
    two.device.synchronize().unwrap();
    assert!(one.runtime.last_fault().is_some() && two.runtime.last_fault().is_none());
    assert_eq!(buffer.as_slice().to_vec().unwrap(), [0]);
}

#[test]
fn threads_share_a_device() {
    let rig = Rig::new();
    let module = rig.module();
    std::thread::scope(|scope| {
        for thread in 0..4i32 {
            let (rig, module) = (&rig, &module);
            scope.spawn(move || {
                let store = module.function("store_at").unwrap();
                let stream = Stream::new(&rig.device).unwrap();
                let buffer = DeviceBuffer::<i32>::from_slice(&rig.device, &[-1; 8]).unwrap();
                for index in 0..8u64 {
                    let arguments = [buffer.address(), index, thread as u64 * 8 + index];
                    // SAFETY: the store hits the buffer.
                    unsafe { store.launch(LaunchConfig::new(1, 1), &stream, &arguments) }.unwrap();
                }
                stream.synchronize().unwrap();
                let expected: Vec<i32> = (0..8).map(|index| thread * 8 + index).collect();
                assert_eq!(buffer.as_slice().to_vec().unwrap(), expected);
            });
        }
    });
}
