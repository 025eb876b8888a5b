//! Allocations: large and sparse ones, exact bounds, pointers, pinned and registered host memory.

use std::{ffi::c_void, ptr};

use hip::{DeviceBuffer, LaunchConfig, PinnedBuffer, Stream};
use hip_sys::*;

use crate::rig::{Rig, ok, raw};

#[test]
fn more_than_4_gib_cost_only_what_is_touched() {
    let rig = Rig::new();
    let store = rig.module().function("store_at").unwrap();
    let bytes = 100usize << 30;
    let before = rig.device.memory_info().unwrap();
    assert_eq!(before.total_bytes, 288 << 30);
    let mut base = ptr::null_mut();
    ok!(rig, hipMalloc(&mut base, bytes));
    assert_eq!(before.free_bytes - rig.device.memory_info().unwrap().free_bytes, bytes as u64);
    let stream = Stream::null(&rig.device);
    // Both sides of 4 GiB and 16 GiB, and the very end.
    let indices = [0u64, (1 << 30) - 1, 1 << 30, (1 << 32) + 5, (bytes as u64 / 4) - 1];
    for (value, index) in indices.into_iter().enumerate() {
        // SAFETY: the index lies in the allocation.
        unsafe { store.launch(LaunchConfig::new(1, 1), &stream, &[base as u64, index, value as u64 + 1]) }
            .unwrap();
    }
    for (value, index) in indices.into_iter().enumerate() {
        let mut word = 0u32;
        let source = (base as u64 + 4 * index) as hipDeviceptr_t;
        ok!(rig, hipMemcpyDtoH(ptr::from_mut(&mut word).cast(), source, 4));
        assert_eq!(word, value as u32 + 1, "index {index}");
    }
    ok!(rig, hipFree(base));
    assert_eq!(rig.device.memory_info().unwrap(), before);
    assert_eq!(raw!(rig, hipMalloc(&mut base, 289 << 30)), hipError_t::hipErrorOutOfMemory);
}

#[test]
fn dwords_at_odd_addresses() {
    let rig = Rig::new();
    let unaligned = rig.module().function("unaligned").unwrap();
    let bytes: Vec<u8> = (0..=255).chain([0]).collect();
    let input = DeviceBuffer::from_slice(&rig.device, &bytes).unwrap();
    let out = DeviceBuffer::<u32>::from_slice(&rig.device, &[0; 64]).unwrap();
    let arguments = [input.address(), out.address()];
    // SAFETY: two addresses are the kernel's parameters; 64 lanes read 256 bytes from the second on.
    unsafe { unaligned.launch(LaunchConfig::new(1, 64), &Stream::null(&rig.device), &arguments) }.unwrap();
    for (i, value) in out.as_slice().to_vec().unwrap().into_iter().enumerate() {
        let at = 4 * i + 1;
        assert_eq!(value.to_le_bytes(), bytes[at..at + 4], "lane {i}");
    }
}

#[test]
fn copies_and_fills_stay_inside_their_allocations() {
    let rig = Rig::new();
    let mut base = ptr::null_mut();
    ok!(rig, hipMalloc(&mut base, 100));
    let invalid = hipError_t::hipErrorInvalidValue;
    let mut host = [0u8; 101];
    let to_device = hipMemcpyKind_hipMemcpyHostToDevice;
    assert_eq!(raw!(rig, hipMemcpy(base, host.as_ptr().cast(), 101, to_device)), invalid);
    assert_eq!(raw!(rig, hipMemset(base, 1, 101)), invalid);
    ok!(rig, hipMemset(base, 1, 100));
    let last = (base as usize + 99) as *mut c_void;
    assert_eq!(raw!(rig, hipMemcpyDtoH(host.as_mut_ptr().cast(), last, 2)), invalid);
    ok!(rig, hipMemcpyDtoH(host.as_mut_ptr().cast(), last, 1));
    assert_eq!(host[..2], [1, 0]);
    assert_eq!(
        raw!(rig, hipMemcpy(base, host.as_ptr().cast(), 1, 77)),
        hipError_t::hipErrorInvalidMemcpyDirection
    );
    assert_eq!(raw!(rig, hipMemcpyDtoH(host.as_mut_ptr().cast(), host.as_mut_ptr().cast(), 1)), invalid);
    assert_eq!(raw!(rig, hipMemsetD32((base as usize + 2) as hipDeviceptr_t, 0, 1)), invalid, "unaligned");
    assert_eq!(raw!(rig, hipFree(last)), invalid, "not the start of an allocation");
    ok!(rig, hipFree(base));
    assert_eq!(raw!(rig, hipFree(base)), invalid, "freed twice");
    let default = hipMemcpyKind_hipMemcpyDefault;
    assert_eq!(raw!(rig, hipMemcpy(host.as_mut_ptr().cast(), base, 1, default)), invalid, "freed");
    ok!(rig, hipFree(ptr::null_mut()));
}

#[test]
fn pointers_know_what_they_point_to() {
    let rig = Rig::new();
    let (mut device, mut host, mut managed) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    ok!(rig, hipMalloc(&mut device, 1000));
    ok!(rig, hipHostMalloc(&mut host, 1000, 0));
    ok!(rig, hipMallocManaged(&mut managed, 1000, 1));
    let kinds = [
        (device, hipMemoryType_hipMemoryTypeDevice),
        (host, hipMemoryType_hipMemoryTypeHost),
        (managed, hipMemoryType_hipMemoryTypeManaged),
    ];
    for (base, kind) in kinds {
        // SAFETY: all zero is a valid attribute struct.
        let mut attributes: hipPointerAttribute_t = unsafe { std::mem::zeroed() };
        let inside = (base as usize + 500) as *mut c_void;
        ok!(rig, hipPointerGetAttributes(&mut attributes, inside));
        assert_eq!((attributes.type_, attributes.device, attributes.devicePointer), (kind, 0, inside));
        let (mut start, mut size) = (ptr::null_mut(), 0);
        ok!(rig, hipMemGetAddressRange(&mut start, &mut size, inside));
        assert_eq!((start, size), (base, 1000));
    }
    let local = 0;
    // SAFETY: as above.
    let mut attributes: hipPointerAttribute_t = unsafe { std::mem::zeroed() };
    ok!(rig, hipPointerGetAttributes(&mut attributes, ptr::from_ref(&local).cast()));
    assert_eq!((attributes.type_, attributes.device), (hipMemoryType_hipMemoryTypeUnregistered, -2));
    assert_eq!(raw!(rig, hipFree(host)), hipError_t::hipErrorInvalidValue, "hipHostFree's");
    ok!(rig, hipHostFree(host));
    ok!(rig, hipFree(managed));
    ok!(rig, hipFree(device));
}

#[test]
fn kernels_reach_pinned_and_registered_host_memory_only() {
    let rig = Rig::new();
    let store = rig.module().function("store_at").unwrap();
    let stream = Stream::null(&rig.device);
    let pinned = PinnedBuffer::<i32>::zeroed(&rig.device, 4).unwrap();
    let at = pinned.as_ptr() as u64;
    // SAFETY: the buffer is not used while the kernel runs, which ends before the launch returns.
    unsafe { store.launch(LaunchConfig::new(1, 1), &stream, &[at, 2, 77]) }.unwrap();
    stream.synchronize().unwrap();
    // SAFETY: the kernel wrote behind the compiler's back.
    assert_eq!(unsafe { pinned.as_ptr().add(2).read_volatile() }, 77);

    let mut plain = vec![0i32; 4];
    let range = plain.as_mut_ptr();
    for (bytes, flags) in [(0, 0), (16, 0x10), (1 << 46, 0)] {
        let status = raw!(rig, hipHostRegister(range.cast(), bytes, flags));
        assert_eq!(status, hipError_t::hipErrorInvalidValue, "{bytes} bytes, flags {flags:#x}");
    }
    ok!(rig, hipHostRegister(range.cast(), 16, 0));
    assert_eq!(
        raw!(rig, hipHostRegister(range.cast(), 16, 0)),
        hipError_t::hipErrorHostMemoryAlreadyRegistered
    );
    // SAFETY: as above.
    unsafe { store.launch(LaunchConfig::new(1, 1), &stream, &[range as u64, 3, 88]) }.unwrap();
    stream.synchronize().unwrap();
    // SAFETY: as above.
    assert_eq!(unsafe { range.add(3).read_volatile() }, 88);
    ok!(rig, hipHostUnregister(range.cast()));
    assert_eq!(raw!(rig, hipHostUnregister(range.cast())), hipError_t::hipErrorHostMemoryNotRegistered);
    // SAFETY: the range is the device's no more: a fault, and no store.
    unsafe { store.launch(LaunchConfig::new(1, 1), &stream, &[range as u64, 3, 99]) }.unwrap();
    assert_eq!(stream.synchronize().unwrap_err().code(), Some(hipError_t::hipErrorIllegalAddress));
    // SAFETY: as above.
    assert_eq!(unsafe { range.add(3).read_volatile() }, 88);
}
