//! Memory pools, advice about managed memory, and what devices and processes do not share.

use std::{ffi::c_void, ptr};

use hip_sys::*;

use crate::rig::{Rig, ok, raw};

const INVALID: hipError_t = hipError_t::hipErrorInvalidValue;

#[test]
fn pools_count_what_is_used() {
    let rig = Rig::new();
    let (mut pool, mut chosen) = (ptr::null_mut(), ptr::null_mut());
    ok!(rig, hipDeviceGetDefaultMemPool(&mut pool, 0));
    ok!(rig, hipDeviceGetMemPool(&mut chosen, 0));
    assert_eq!(pool, chosen);
    let attribute = |pool, which| {
        let mut value = u64::MAX;
        ok!(rig, hipMemPoolGetAttribute(pool, which, (&raw mut value).cast()));
        value
    };
    let used = |pool| attribute(pool, hipMemPoolAttr_hipMemPoolAttrUsedMemCurrent);
    let high = |pool| attribute(pool, hipMemPoolAttr_hipMemPoolAttrUsedMemHigh);
    let mut stream = ptr::null_mut();
    ok!(rig, hipStreamCreate(&mut stream));
    let (mut a, mut b) = (ptr::null_mut(), ptr::null_mut());
    ok!(rig, hipMallocAsync(&mut a, 100, stream));
    ok!(rig, hipMallocFromPoolAsync(&mut b, 50, pool, stream));
    assert_eq!((used(pool), high(pool)), (150, 150));
    ok!(rig, hipFreeAsync(a, stream));
    ok!(rig, hipFree(b));
    assert_eq!((used(pool), high(pool)), (0, 150));
    let mut zero = 0u64;
    ok!(rig, hipMemPoolSetAttribute(pool, hipMemPoolAttr_hipMemPoolAttrUsedMemHigh, (&raw mut zero).cast()));
    assert_eq!(high(pool), 0);
    ok!(rig, hipMemPoolTrimTo(pool, 0));
    // One of our own.
    // SAFETY: integers, and a pointer that may be null.
    let mut props: hipMemPoolProps = unsafe { std::mem::zeroed() };
    let mut own = ptr::null_mut();
    assert_eq!(raw!(rig, hipMemPoolCreate(&mut own, &props)), INVALID, "no kind of memory");
    props.allocType = hipMemAllocationType_hipMemAllocationTypePinned;
    props.location = hipMemLocation { type_: hipMemLocationType_hipMemLocationTypeDevice, id: 0 };
    ok!(rig, hipMemPoolCreate(&mut own, &props));
    ok!(rig, hipDeviceSetMemPool(0, own));
    ok!(rig, hipMallocAsync(&mut a, 8, stream));
    assert_eq!((used(own), used(pool)), (8, 0));
    let mut threshold = 4096u64;
    let which = hipMemPoolAttr_hipMemPoolAttrReleaseThreshold;
    ok!(rig, hipMemPoolSetAttribute(own, which, (&raw mut threshold).cast()));
    assert_eq!(attribute(own, which), 4096);
    let (mut access, mut place) = (0, props.location);
    ok!(rig, hipMemPoolGetAccess(&mut access, own, &mut place));
    assert_eq!(access, hipMemAccessFlags_hipMemAccessFlagsProtReadWrite);
    ok!(rig, hipMemPoolDestroy(own));
    assert_eq!(raw!(rig, hipMemPoolDestroy(own)), INVALID);
    assert_eq!(raw!(rig, hipMemPoolDestroy(pool)), INVALID, "the device's own");
    // What was allocated stays, and the device has its first pool again.
    ok!(rig, hipMemset(a, 1, 8));
    ok!(rig, hipFree(a));
    ok!(rig, hipDeviceGetMemPool(&mut chosen, 0));
    assert_eq!(chosen, pool);
    assert_eq!(raw!(rig, hipMallocFromPoolAsync(&mut a, 8, ptr::null_mut(), stream)), INVALID);
    ok!(rig, hipMallocAsync(&mut a, 8, stream));
    ok!(rig, hipDeviceReset());
    assert_eq!(used(pool), 0, "the reset freed it");
}

#[test]
fn advice_is_remembered() {
    let rig = Rig::new();
    let mut managed = ptr::null_mut();
    ok!(rig, hipMallocManaged(&mut managed, 4096, 1));
    let get = |which| {
        let mut value = 77i32;
        ok!(rig, hipMemRangeGetAttribute((&raw mut value).cast(), 4, which, managed, 4096));
        value
    };
    let (mostly, preferred, accessed, last) = (
        hipMemRangeAttribute_hipMemRangeAttributeReadMostly,
        hipMemRangeAttribute_hipMemRangeAttributePreferredLocation,
        hipMemRangeAttribute_hipMemRangeAttributeAccessedBy,
        hipMemRangeAttribute_hipMemRangeAttributeLastPrefetchLocation,
    );
    let (nowhere, host) = (-2, -1);
    assert_eq!([mostly, preferred, accessed, last].map(get), [0, nowhere, nowhere, nowhere]);
    ok!(rig, hipMemAdvise(managed, 4096, hipMemoryAdvise_hipMemAdviseSetReadMostly, 0));
    ok!(rig, hipMemAdvise(managed, 4096, hipMemoryAdvise_hipMemAdviseSetPreferredLocation, host));
    ok!(rig, hipMemAdvise(managed, 4096, hipMemoryAdvise_hipMemAdviseSetAccessedBy, 0));
    ok!(rig, hipMemPrefetchAsync(managed, 4096, 0, ptr::null_mut()));
    assert_eq!([mostly, preferred, accessed, last].map(get), [1, host, 0, 0]);
    let (mut list, mut flag) = ([9i32; 2], 9i32);
    let mut data: [*mut c_void; 2] = [list.as_mut_ptr().cast(), (&raw mut flag).cast()];
    let (mut sizes, mut which) = ([8, 4], [accessed, mostly]);
    ok!(
        rig,
        hipMemRangeGetAttributes(data.as_mut_ptr(), sizes.as_mut_ptr(), which.as_mut_ptr(), 2, managed, 4096)
    );
    assert_eq!((list, flag), ([0, nowhere], 1));
    ok!(rig, hipMemAdvise(managed, 4096, hipMemoryAdvise_hipMemAdviseUnsetReadMostly, 0));
    assert_eq!(get(mostly), 0);
    let mut value = 0i32;
    let target = (&raw mut value).cast();
    assert_eq!(raw!(rig, hipMemRangeGetAttribute(target, 4, mostly, managed, 4097)), INVALID);
    assert_eq!(raw!(rig, hipMemRangeGetAttribute(target, 3, mostly, managed, 4096)), INVALID);
    assert_eq!(raw!(rig, hipMemRangeGetAttribute(target, 4, 55, managed, 4096)), INVALID);
    assert_eq!(raw!(rig, hipMemAdvise(managed, 4096, 55, 0)), INVALID);
    assert_eq!(
        raw!(rig, hipMemAdvise(managed, 4096, hipMemoryAdvise_hipMemAdviseSetReadMostly, 5)),
        hipError_t::hipErrorInvalidDevice
    );
    ok!(rig, hipFree(managed));
}

#[test]
fn peers_and_other_processes_are_refused() {
    let rig = Rig::with_options(&[("devices", "2")]);
    let (mut value, mut pointer) = (7, ptr::null_mut());
    let access = hipDeviceP2PAttr_hipDevP2PAttrAccessSupported;
    ok!(rig, hipDeviceGetP2PAttribute(&mut value, access, 0, 1));
    assert_eq!(value, 0);
    let no_device = hipError_t::hipErrorInvalidDevice;
    assert_eq!(raw!(rig, hipDeviceGetP2PAttribute(&mut value, access, 0, 0)), no_device);
    assert_eq!(raw!(rig, hipDeviceGetP2PAttribute(&mut value, 9, 0, 1)), INVALID);
    assert_eq!(raw!(rig, hipDeviceEnablePeerAccess(1, 0)), hipError_t::hipErrorPeerAccessUnsupported);
    assert_eq!(raw!(rig, hipDeviceEnablePeerAccess(0, 0)), no_device, "itself");
    assert_eq!(raw!(rig, hipDeviceEnablePeerAccess(1, 1)), INVALID);
    assert_eq!(raw!(rig, hipDeviceDisablePeerAccess(1)), hipError_t::hipErrorPeerAccessNotEnabled);
    ok!(rig, hipMalloc(&mut pointer, 16));
    // Copies between devices need no access, but devices.
    ok!(rig, hipMemcpyPeer(pointer, 1, pointer, 0, 16));
    assert_eq!(raw!(rig, hipMemcpyPeer(pointer, 2, pointer, 0, 16)), no_device);
    assert_eq!(raw!(rig, hipMemcpyPeerAsync(pointer, 0, pointer, -1, 16, ptr::null_mut())), no_device);
    let (mut name, mut ordinal) = ([0; 32], 7);
    ok!(rig, hipDeviceGetPCIBusId(name.as_mut_ptr(), 32, 1));
    ok!(rig, hipDeviceGetByPCIBusId(&mut ordinal, name.as_ptr()));
    assert_eq!(ordinal, 1);
    assert_eq!(raw!(rig, hipDeviceGetByPCIBusId(&mut ordinal, c"0000:ff:00.0".as_ptr())), INVALID);
    let mut handle = hipIpcMemHandle_t { reserved: [0; 64] };
    let unsupported = hipError_t::hipErrorNotSupported;
    assert_eq!(raw!(rig, hipIpcGetMemHandle(&mut handle, pointer)), unsupported);
    assert_eq!(raw!(rig, hipIpcGetMemHandle(ptr::null_mut(), pointer)), INVALID);
    assert_eq!(raw!(rig, hipIpcGetMemHandle(&mut handle, ptr::null_mut())), INVALID);
    assert_eq!(raw!(rig, hipIpcOpenMemHandle(&mut pointer, handle, 1)), unsupported);
    assert_eq!(raw!(rig, hipIpcOpenMemHandle(ptr::null_mut(), handle, 1)), INVALID);
    assert_eq!(raw!(rig, hipIpcCloseMemHandle(pointer)), INVALID);
    assert_eq!(raw!(rig, hipIpcGetEventHandle(ptr::null_mut(), ptr::null_mut())), INVALID);
}
