//! Contexts, limits and preferences.

use std::ptr;

use hip_sys::*;

use crate::rig::{Rig, ok, raw};

const INVALID: hipError_t = hipError_t::hipErrorInvalidValue;

#[test]
fn a_context_is_its_device() {
    let rig = Rig::with_options(&[("devices", "2")]);
    let (mut first, mut second, mut found, mut ordinal) =
        (ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), -1);
    let device = || {
        let mut ordinal = -1;
        ok!(rig, hipGetDevice(&mut ordinal));
        ordinal
    };
    ok!(rig, hipDevicePrimaryCtxRetain(&mut first, 0));
    ok!(rig, hipCtxCreate(&mut second, 0, 1));
    assert_ne!(first, second);
    assert_eq!(device(), 1, "the new one is the thread's");
    ok!(rig, hipCtxGetCurrent(&mut found));
    assert_eq!(found, second);
    ok!(rig, hipCtxGetDevice(&mut ordinal));
    assert_eq!(ordinal, 1);
    ok!(rig, hipCtxPushCurrent(first));
    assert_eq!(device(), 0);
    ok!(rig, hipCtxPopCurrent(&mut found));
    assert_eq!((found, device()), (first, 1), "the one below is the thread's again");
    ok!(rig, hipCtxSetCurrent(first));
    assert_eq!(device(), 0);
    ok!(rig, hipCtxDestroy(first));
    assert_eq!(
        raw!(rig, hipCtxPopCurrent(&mut found)),
        hipError_t::hipErrorInvalidContext,
        "nothing is left"
    );
    let invented = 77 as hipCtx_t;
    assert_eq!(raw!(rig, hipCtxSetCurrent(invented)), hipError_t::hipErrorInvalidContext);
    assert_eq!(raw!(rig, hipCtxDestroy(invented)), INVALID);
    assert_eq!(raw!(rig, hipCtxCreate(&mut found, 0, 2)), INVALID);
    let (mut flags, mut active) = (9, 9);
    ok!(rig, hipDevicePrimaryCtxGetState(1, &mut flags, &mut active));
    assert_eq!((flags, active), (0, 0));
    ok!(rig, hipDevicePrimaryCtxGetState(0, &mut flags, &mut active));
    assert_eq!(active, 1);
    ok!(rig, hipCtxGetFlags(&mut flags));
    ok!(rig, hipDevicePrimaryCtxRelease(0));
    ok!(rig, hipDevicePrimaryCtxReset(0));
    assert_eq!(raw!(rig, hipDevicePrimaryCtxSetFlags(0, 0)), hipError_t::hipErrorContextAlreadyInUse);
    let mut version = 0;
    ok!(rig, hipCtxGetApiVersion(first, &mut version));
    assert!(version > 0);
    assert_eq!(raw!(rig, hipCtxEnablePeerAccess(second, 0)), hipError_t::hipErrorPeerAccessUnsupported);
    assert_eq!(raw!(rig, hipCtxDisablePeerAccess(second)), hipError_t::hipErrorPeerAccessNotEnabled);
}

#[test]
fn waiting_for_a_context_reports_the_fault() {
    let rig = Rig::new();
    ok!(rig, hipCtxSynchronize());
    crate::faults::cause(&rig);
    assert_eq!(raw!(rig, hipCtxSynchronize()), hipError_t::hipErrorIllegalAddress);
}

#[test]
fn limits_are_the_device_s_own() {
    let rig = Rig::with_options(&[("devices", "2")]);
    let limit = |which| {
        let mut value = 0;
        ok!(rig, hipDeviceGetLimit(&mut value, which));
        value
    };
    let defaults = [limit(0), limit(1), limit(2)];
    assert_eq!(defaults, [1024, 1 << 20, 8 << 20]);
    for which in 0..3 {
        ok!(rig, hipDeviceSetLimit(which, 4096));
        assert_eq!(limit(which), 4096);
    }
    ok!(rig, hipSetDevice(1));
    assert_eq!([limit(0), limit(1), limit(2)], defaults);
    assert_eq!(raw!(rig, hipDeviceSetLimit(hipLimit_t_hipLimitStackSize, 1 << 20)), INVALID);
    let unknown = hipError_t::hipErrorUnsupportedLimit;
    assert_eq!(raw!(rig, hipDeviceSetLimit(hipLimit_t_hipExtLimitScratchMin, 0)), unknown);
    let mut value = 0;
    assert_eq!(raw!(rig, hipDeviceGetLimit(&mut value, 77)), unknown);
    assert_eq!(raw!(rig, hipDeviceGetLimit(ptr::null_mut(), 0)), INVALID);
}

#[test]
fn preferences_are_accepted_when_they_exist() {
    let rig = Rig::new();
    let (mut banks, mut cache) = (9, 9);
    ok!(rig, hipDeviceSetSharedMemConfig(hipSharedMemConfig_hipSharedMemBankSizeEightByte));
    ok!(rig, hipDeviceGetSharedMemConfig(&mut banks));
    assert_eq!(banks, hipSharedMemConfig_hipSharedMemBankSizeFourByte, "what LDS has");
    ok!(rig, hipCtxSetSharedMemConfig(0));
    ok!(rig, hipCtxGetSharedMemConfig(&mut banks));
    ok!(rig, hipDeviceSetCacheConfig(hipFuncCache_t_hipFuncCachePreferL1));
    ok!(rig, hipDeviceGetCacheConfig(&mut cache));
    assert_eq!(cache, hipFuncCache_t_hipFuncCachePreferNone);
    ok!(rig, hipCtxSetCacheConfig(0));
    ok!(rig, hipCtxGetCacheConfig(&mut cache));
    assert_eq!(raw!(rig, hipDeviceSetSharedMemConfig(3)), INVALID);
    assert_eq!(raw!(rig, hipCtxSetSharedMemConfig(3)), INVALID);
    assert_eq!(raw!(rig, hipDeviceSetCacheConfig(4)), INVALID);
    assert_eq!(raw!(rig, hipCtxSetCacheConfig(4)), INVALID);
    let unknown = hipError_t::hipErrorInvalidDeviceFunction;
    assert_eq!(raw!(rig, hipFuncSetSharedMemConfig(ptr::null(), 0)), unknown);
}

#[test]
fn devices_have_names_of_sixteen_bytes() {
    let rig = Rig::with_options(&[("devices", "2")]);
    let mut names = [hipUUID { bytes: [0; 16] }; 2];
    for (ordinal, name) in names.iter_mut().enumerate() {
        ok!(rig, hipDeviceGetUuid(name, ordinal as i32));
    }
    assert_ne!(names[0].bytes, names[1].bytes);
    // SAFETY: all zero is a valid property struct.
    let mut properties: hipDeviceProp_tR0600 = unsafe { std::mem::zeroed() };
    ok!(rig, hipGetDevicePropertiesR0600(&mut properties, 1));
    assert_eq!(properties.uuid.bytes, names[1].bytes);
    let mut chosen = -1;
    ok!(rig, hipChooseDeviceR0600(&mut chosen, &properties));
    assert_eq!(chosen, 0);
    assert_eq!(raw!(rig, hipChooseDeviceR0600(&mut chosen, ptr::null())), INVALID);
    assert_eq!(raw!(rig, hipChooseDeviceR0000(&mut chosen, ptr::null())), INVALID);
}
