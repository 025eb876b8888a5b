//! What streams write, wait for, and say about themselves.

use std::{ffi::c_void, ptr};

use hip_sys::*;

use crate::rig::{Rig, ok, raw};

const INVALID: hipError_t = hipError_t::hipErrorInvalidValue;

fn words(rig: &Rig) -> (*mut c_void, impl Fn() -> [u32; 4]) {
    let mut data = ptr::null_mut();
    ok!(rig, hipMalloc(&mut data, 16));
    let read = move || {
        let mut values = [0; 4];
        let target = values.as_mut_ptr().cast();
        ok!(rig, hipMemcpy(target, data, 16, hipMemcpyKind_hipMemcpyDeviceToHost));
        values
    };
    (data, read)
}

#[test]
fn streams_write_words_and_pass_those_that_are_there() {
    let rig = Rig::new();
    let (data, read) = words(&rig);
    let null = ptr::null_mut();
    let wide = data.wrapping_byte_add(8);
    ok!(rig, hipStreamWriteValue32(null, data, 5, 0));
    ok!(rig, hipStreamWriteValue64(null, wide, 0x1_0000_0002, 0));
    assert_eq!(read(), [5, 0, 2, 1]);
    let wait = |value, relation, mask| raw!(rig, hipStreamWaitValue32(null, data, value, relation, mask));
    let (success, refused) = (hipError_t::hipSuccess, hipError_t::hipErrorNotSupported);
    assert_eq!(wait(5, hipStreamWaitValueEq, !0), success);
    assert_eq!(wait(4, hipStreamWaitValueEq, !0), refused, "nothing could write it");
    assert_eq!(wait(4, hipStreamWaitValueEq, !1), success, "but for the masked bit");
    assert_eq!(wait(4, hipStreamWaitValueGte, !0), success);
    assert_eq!(wait(6, hipStreamWaitValueGte, !0), refused);
    assert_eq!(wait(u32::MAX, hipStreamWaitValueGte, !0), success, "counters wrap");
    assert_eq!(wait(4, hipStreamWaitValueAnd, !0), success);
    assert_eq!(wait(2, hipStreamWaitValueAnd, !0), refused);
    assert_eq!(wait(5, hipStreamWaitValueNor, 7), success);
    assert_eq!(wait(2, hipStreamWaitValueNor, 7), refused);
    assert_eq!(wait(5, 4, !0), INVALID);
    ok!(rig, hipStreamWaitValue64(null, wide, 0x1_0000_0002, hipStreamWaitValueEq, !0));
    assert_eq!(raw!(rig, hipStreamWaitValue64(null, wide, 2, hipStreamWaitValueEq, !0)), refused);
    assert_eq!(raw!(rig, hipStreamWriteValue64(null, data.wrapping_byte_add(4), 1, 0)), INVALID, "unaligned");
    assert_eq!(raw!(rig, hipStreamWriteValue32(null, ptr::null_mut(), 1, 0)), INVALID);
    // A batch.
    let write = |address, value| {
        // SAFETY: all zero is a valid union of integers and pointers.
        let mut operation: hipStreamBatchMemOpParams = unsafe { std::mem::zeroed() };
        operation.writeValue.operation = hipStreamBatchMemOpType_hipStreamMemOpWriteValue32;
        operation.writeValue.address = address;
        operation.writeValue.__bindgen_anon_1.value = value;
        operation
    };
    // SAFETY: as above.
    let mut wait: hipStreamBatchMemOpParams = unsafe { std::mem::zeroed() };
    wait.waitValue.operation = hipStreamBatchMemOpType_hipStreamMemOpWaitValue32;
    wait.waitValue.address = data;
    wait.waitValue.__bindgen_anon_1.value = 8;
    wait.waitValue.flags = hipStreamWaitValueEq;
    let mut list = [write(data, 8), wait, write(wide, 9)];
    ok!(rig, hipStreamBatchMemOp(null, 3, list.as_mut_ptr(), 0));
    assert_eq!(read(), [8, 0, 9, 1]);
    list[0] = write(data, 7);
    list[2] = write(wide, 10);
    assert_eq!(raw!(rig, hipStreamBatchMemOp(null, 3, list.as_mut_ptr(), 0)), refused);
    assert_eq!(read(), [7, 0, 9, 1], "nothing behind the wait ran");
    assert_eq!(raw!(rig, hipStreamBatchMemOp(null, 0, list.as_mut_ptr(), 0)), INVALID);
}

#[test]
fn streams_remember_what_they_are_told() {
    let rig = Rig::new();
    let (mut a, mut b, mut masked) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    ok!(rig, hipStreamCreateWithPriority(&mut a, 0, -1));
    ok!(rig, hipStreamCreate(&mut b));
    let number = |stream| {
        let mut number = 0;
        ok!(rig, hipStreamGetId(stream, &mut number));
        number
    };
    assert_eq!(number(a), number(a));
    let mut numbers = [number(a), number(b), number(ptr::null_mut())];
    numbers.sort_unstable();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
    let policy = hipLaunchAttributeID_hipLaunchAttributeSynchronizationPolicy;
    let mut value = hipLaunchAttributeValue { pad: [0; 64] };
    value.syncPolicy = hipSynchronizationPolicy_hipSyncPolicySpin;
    ok!(rig, hipStreamSetAttribute(a, policy, &value));
    let told = |stream| {
        let mut value = hipLaunchAttributeValue { pad: [0; 64] };
        ok!(rig, hipStreamGetAttribute(stream, policy, &mut value));
        // SAFETY: the attribute is a policy.
        unsafe { value.syncPolicy }
    };
    let (spin, auto) =
        (hipSynchronizationPolicy_hipSyncPolicySpin, hipSynchronizationPolicy_hipSyncPolicyAuto);
    assert_eq!((told(a), told(b)), (spin, auto));
    ok!(rig, hipStreamCopyAttributes(b, a));
    assert_eq!(told(b), spin);
    ok!(rig, hipStreamGetAttribute(a, hipLaunchAttributeID_hipLaunchAttributePriority, &mut value));
    // SAFETY: the attribute is a priority.
    assert_eq!(unsafe { value.priority }, -1);
    let cooperative = hipLaunchAttributeID_hipLaunchAttributeCooperative;
    assert_eq!(
        raw!(rig, hipStreamSetAttribute(a, cooperative, &value)),
        INVALID,
        "of launches, not of streams"
    );
    assert_eq!(raw!(rig, hipStreamGetAttribute(a, cooperative, &mut value)), INVALID);
    let wanted = [0xffu32, 0, 1];
    ok!(rig, hipExtStreamCreateWithCUMask(&mut masked, 3, wanted.as_ptr()));
    let mut mask = [7u32; 8];
    ok!(rig, hipExtStreamGetCUMask(masked, 8, mask.as_mut_ptr()));
    assert_eq!(mask, [0xff, 0, 1, 0, 0, 0, 0, 0]);
    ok!(rig, hipExtStreamGetCUMask(a, 8, mask.as_mut_ptr()));
    assert_eq!(mask, [u32::MAX; 8]);
    assert_eq!(raw!(rig, hipExtStreamGetCUMask(a, 7, mask.as_mut_ptr())), INVALID);
    assert_eq!(raw!(rig, hipExtStreamCreateWithCUMask(&mut masked, 0, wanted.as_ptr())), INVALID);
}

#[test]
fn managed_memory_is_attached_whole() {
    let rig = Rig::new();
    let (mut managed, mut device) = (ptr::null_mut(), ptr::null_mut());
    ok!(rig, hipMallocManaged(&mut managed, 64, 1));
    ok!(rig, hipMalloc(&mut device, 64));
    let attach =
        |pointer, bytes, flags| raw!(rig, hipStreamAttachMemAsync(ptr::null_mut(), pointer, bytes, flags));
    let success = hipError_t::hipSuccess;
    assert_eq!((attach(managed, 0, 1), attach(managed, 64, 2)), (success, success));
    assert_eq!((attach(managed, 63, 1), attach(managed, 0, 8)), (INVALID, INVALID));
    assert_eq!((attach(device, 0, 1), attach(managed, 0, 4)), (INVALID, INVALID));
}
