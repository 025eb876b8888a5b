//! Virtual memory: addresses, memory, access.

use std::{
    ffi::{c_int, c_void},
    ptr,
};

use hip::{LaunchConfig, Stream};
use hip_sys::*;

use crate::rig::{Rig, ok, raw};

const INVALID: hipError_t = hipError_t::hipErrorInvalidValue;
const CHUNK: usize = 2 << 20;
const UP: u32 = hipMemcpyKind_hipMemcpyHostToDevice;
const DOWN: u32 = hipMemcpyKind_hipMemcpyDeviceToHost;

fn place(id: c_int) -> hipMemLocation {
    hipMemLocation { type_: hipMemLocationType_hipMemLocationTypeDevice, id }
}

fn properties() -> hipMemAllocationProp {
    // SAFETY: integers, and a pointer that may be null.
    let mut properties: hipMemAllocationProp = unsafe { std::mem::zeroed() };
    properties.type_ = hipMemAllocationType_hipMemAllocationTypePinned;
    properties.location = place(0);
    properties
}

fn memory(rig: &Rig, bytes: usize) -> hipMemGenericAllocationHandle_t {
    let mut handle = ptr::null_mut();
    ok!(rig, hipMemCreate(&mut handle, bytes, &properties(), 0));
    handle
}

fn addresses(rig: &Rig, bytes: usize) -> *mut c_void {
    let mut base = ptr::null_mut();
    ok!(rig, hipMemAddressReserve(&mut base, bytes, CHUNK, ptr::null_mut(), 0));
    assert!((base as usize).is_multiple_of(CHUNK));
    base
}

fn allow(rig: &Rig, base: *mut c_void, bytes: usize, flags: hipMemAccessFlags) -> hipError_t {
    let access = hipMemAccessDesc { location: place(0), flags };
    raw!(rig, hipMemSetAccess(base, bytes, &access, 1))
}

/// `base[index] = value` by a kernel; the device's answer.
fn store(rig: &Rig, base: *mut c_void, index: u64, value: u64) -> hip::Result<()> {
    let (function, stream) = (rig.module().function("store_at").unwrap(), Stream::new(&rig.device).unwrap());
    // SAFETY: where the kernel may store is the test.
    unsafe { function.launch(LaunchConfig::new(1, 1), &stream, &[base as u64, index, value]) }?;
    stream.synchronize()
}

fn word(rig: &Rig, address: *mut c_void) -> u32 {
    let mut word = 0u32;
    ok!(rig, hipMemcpy(ptr::from_mut(&mut word).cast(), address, 4, DOWN));
    word
}

/// What an allocator with expandable segments does: a large range, filled chunk by chunk.
#[test]
fn a_range_grows_chunk_by_chunk() {
    let rig = Rig::new();
    let mut can = 0;
    let attribute = hipDeviceAttribute_t_hipDeviceAttributeVirtualMemoryManagementSupported;
    ok!(rig, hipDeviceGetAttribute(&mut can, attribute, 0));
    assert_eq!(can, 1);
    let mut granule = 0;
    let recommended = hipMemAllocationGranularity_flags_hipMemAllocationGranularityRecommended;
    ok!(rig, hipMemGetAllocationGranularity(&mut granule, &properties(), recommended));
    assert_eq!(granule, CHUNK);
    let free = || rig.device.memory_info().unwrap().free_bytes;
    let before = free();
    let base = addresses(&rig, 8 * CHUNK);
    assert_eq!(free(), before, "addresses are no memory");
    let chunk = |index: usize| base.wrapping_byte_add(index * CHUNK);
    for index in 0..2 {
        let handle = memory(&rig, CHUNK);
        ok!(rig, hipMemMap(chunk(index), CHUNK, 0, handle, 0));
        ok!(rig, hipMemRelease(handle));
    }
    assert_eq!(before - free(), 2 * CHUNK as u64, "mapped memory stays when its handle goes");
    let all = hipMemAccessFlags_hipMemAccessFlagsProtReadWrite;
    assert_eq!(allow(&rig, base, 2 * CHUNK, all), hipError_t::hipSuccess);
    // A kernel and a copy on both sides of the border.
    let border = CHUNK as u64 / 4;
    store(&rig, base, border - 1, 7).unwrap();
    store(&rig, base, border, 8).unwrap();
    let mut words = [0u32; 2];
    ok!(rig, hipMemcpy(words.as_mut_ptr().cast(), base.wrapping_byte_add(CHUNK - 4), 8, DOWN));
    assert_eq!(words, [7, 8]);
    ok!(rig, hipMemset(base.wrapping_byte_add(CHUNK - 2), 0xff, 4));
    assert_eq!((word(&rig, base.wrapping_byte_add(CHUNK - 4)), word(&rig, chunk(1))), (0xffff_0007, 0xffff));
    let past = chunk(2).wrapping_byte_sub(4);
    assert_eq!(raw!(rig, hipMemcpy(past, words.as_ptr().cast(), 8, UP)), INVALID, "there is no third chunk");
    // The pointer is the device's.
    // SAFETY: integers and pointers.
    let mut found: hipPointerAttribute_t = unsafe { std::mem::zeroed() };
    ok!(rig, hipPointerGetAttributes(&mut found, chunk(1)));
    assert_eq!((found.type_, found.device), (hipMemoryType_hipMemoryTypeDevice, 0));
    assert_eq!(raw!(rig, hipFree(base)), INVALID, "not of hipMalloc");
    assert_eq!(raw!(rig, hipMemAddressFree(base, 8 * CHUNK)), INVALID, "memory is mapped");
    ok!(rig, hipMemUnmap(base, 2 * CHUNK));
    assert_eq!(free(), before);
    let error = store(&rig, base, 0, 1).unwrap_err();
    assert_eq!(error.code(), Some(hipError_t::hipErrorIllegalAddress));
    ok!(rig, hipMemAddressFree(base, 8 * CHUNK));
    assert_eq!(raw!(rig, hipMemAddressFree(base, 8 * CHUNK)), INVALID);
}

#[test]
fn no_kernel_reaches_memory_without_access() {
    for taken_back in [false, true] {
        let rig = Rig::new();
        let (base, handle) = (addresses(&rig, CHUNK), memory(&rig, CHUNK));
        ok!(rig, hipMemMap(base, CHUNK, 0, handle, 0));
        let mut access = u64::MAX;
        if taken_back {
            let (all, none) = (
                hipMemAccessFlags_hipMemAccessFlagsProtReadWrite,
                hipMemAccessFlags_hipMemAccessFlagsProtNone,
            );
            assert_eq!(allow(&rig, base, CHUNK, all), hipError_t::hipSuccess);
            ok!(rig, hipMemGetAccess(&mut access, &place(0), base));
            assert_eq!(access, all as u64);
            store(&rig, base, 3, 5).unwrap();
            assert_eq!(allow(&rig, base, CHUNK, none), hipError_t::hipSuccess);
        }
        ok!(rig, hipMemGetAccess(&mut access, &place(0), base));
        assert_eq!(access, 0);
        let error = store(&rig, base, 3, 5).unwrap_err();
        assert_eq!(error.code(), Some(hipError_t::hipErrorIllegalAddress));
    }
}

#[test]
fn memory_has_several_addresses_and_a_descriptor() {
    let rig = Rig::new();
    let mut prop = properties();
    let kind = hipMemAllocationHandleType_hipMemHandleTypePosixFileDescriptor;
    prop.__bindgen_anon_1.requestedHandleType = kind;
    let mut handle = ptr::null_mut();
    ok!(rig, hipMemCreate(&mut handle, CHUNK, &prop, 0));
    let mut descriptor: c_int = -1;
    ok!(rig, hipMemExportToShareableHandle((&raw mut descriptor).cast(), handle, kind, 0));
    let mut imported = ptr::null_mut();
    ok!(rig, hipMemImportFromShareableHandle(&mut imported, descriptor as usize as *mut c_void, kind));
    // SAFETY: the descriptor is this test's.
    unsafe { libc::close(descriptor) };
    let all = hipMemAccessFlags_hipMemAccessFlagsProtReadWrite;
    let views = [handle, handle, imported].map(|handle| {
        let base = addresses(&rig, CHUNK);
        ok!(rig, hipMemMap(base, CHUNK, 0, handle, 0));
        assert_eq!(allow(&rig, base, CHUNK, all), hipError_t::hipSuccess);
        base
    });
    store(&rig, views[0], 9, 0x55).unwrap();
    assert_eq!(views.map(|base| word(&rig, base.wrapping_byte_add(36))), [0x55; 3]);
    let mut found = properties();
    ok!(rig, hipMemGetAllocationPropertiesFromHandle(&mut found, handle));
    // SAFETY: both members of the union are this number.
    assert_eq!((found.location.id, unsafe { found.__bindgen_anon_1.requestedHandleType }), (0, kind));
    // A handle of what lies at an address keeps the memory.
    let mut again = ptr::null_mut();
    ok!(rig, hipMemRetainAllocationHandle(&mut again, views[1].wrapping_byte_add(5)));
    assert_eq!(again, handle);
    ok!(rig, hipMemRelease(handle));
    ok!(rig, hipMemRelease(handle));
    assert_eq!(raw!(rig, hipMemRelease(handle)), INVALID);
    // Memory that was not made to be given away.
    let plain = memory(&rig, CHUNK);
    let code = raw!(rig, hipMemExportToShareableHandle((&raw mut descriptor).cast(), plain, kind, 0));
    assert_eq!(code, hipError_t::hipErrorNotSupported);
    let wrong = raw!(rig, hipMemImportFromShareableHandle(&mut imported, 12345 as *mut c_void, kind));
    assert_eq!(wrong, INVALID);
}

#[test]
fn what_cannot_be_is_refused() {
    let rig = Rig::new();
    let mut handle = ptr::null_mut();
    let mut prop = properties();
    assert_eq!(raw!(rig, hipMemCreate(&mut handle, 100, &prop, 0)), INVALID, "no whole pages");
    assert_eq!(raw!(rig, hipMemCreate(&mut handle, 0, &prop, 0)), INVALID);
    let full = raw!(rig, hipMemCreate(&mut handle, 289 << 30, &prop, 0));
    assert_eq!(full, hipError_t::hipErrorOutOfMemory);
    prop.location.id = 7;
    assert_eq!(raw!(rig, hipMemCreate(&mut handle, CHUNK, &prop, 0)), INVALID);
    let mut base = ptr::null_mut();
    let none = ptr::null_mut();
    let reserve =
        |base: &mut *mut c_void, bytes, align| raw!(rig, hipMemAddressReserve(base, bytes, align, none, 0));
    assert_eq!(reserve(&mut base, 100, 0), hipError_t::hipErrorOutOfMemory);
    assert_eq!(reserve(&mut base, CHUNK, 3), hipError_t::hipErrorOutOfMemory);
    let (base, handle) = (addresses(&rig, 2 * CHUNK), memory(&rig, CHUNK));
    assert_eq!(raw!(rig, hipMemMap(base, 2 * CHUNK, 0, handle, 0)), INVALID, "more than there is");
    assert_eq!(raw!(rig, hipMemMap(base, CHUNK, 4096, handle, 0)), INVALID, "from its start only");
    let outside = base.wrapping_byte_add(2 * CHUNK);
    assert_eq!(raw!(rig, hipMemMap(outside, CHUNK, 0, handle, 0)), INVALID, "not reserved");
    ok!(rig, hipMemMap(base, CHUNK, 0, handle, 0));
    assert_eq!(raw!(rig, hipMemMap(base, CHUNK, 0, handle, 0)), INVALID, "taken");
    let all = hipMemAccessFlags_hipMemAccessFlagsProtReadWrite;
    assert_eq!(allow(&rig, base, 2 * CHUNK, all), INVALID, "half of it is not mapped");
    let read = hipMemAccessFlags_hipMemAccessFlagsProtRead;
    assert_eq!(allow(&rig, base, CHUNK, read), hipError_t::hipErrorNotSupported);
    assert_eq!(raw!(rig, hipMemUnmap(base, CHUNK / 2)), INVALID, "a part of a mapping");
}
