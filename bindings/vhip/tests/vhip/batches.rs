//! Fills of rows of elements, many copies in one call, and what pointers and host memory say about themselves.

use std::{
    ffi::{c_uint, c_void},
    ptr,
};

use hip_sys::*;

use crate::rig::{Rig, ok, raw};

const INVALID: hipError_t = hipError_t::hipErrorInvalidValue;

fn device(rig: &Rig, bytes: usize) -> *mut c_void {
    let mut data = ptr::null_mut();
    ok!(rig, hipMalloc(&mut data, bytes));
    ok!(rig, hipMemset(data, 0, bytes));
    data
}

fn read<const N: usize>(rig: &Rig, data: *mut c_void) -> [u8; N] {
    let mut values = [0; N];
    ok!(rig, hipMemcpy(values.as_mut_ptr().cast(), data, N, hipMemcpyKind_hipMemcpyDeviceToHost));
    values
}

#[test]
fn rows_of_elements_are_filled() {
    let rig = Rig::new();
    let (data, null) = (device(&rig, 24), ptr::null_mut());
    // Rows of 8 bytes, of which 4 are filled.
    let filled = |pattern: [u8; 4]| {
        let row = |fill: [u8; 4]| [fill[0], fill[1], fill[2], fill[3], 0, 0, 0, 0];
        let values = [row(pattern), row(pattern), [0; 8]].concat();
        assert_eq!(read::<24>(&rig, data).to_vec(), values);
        ok!(rig, hipMemset(data, 0, 24));
    };
    ok!(rig, hipMemsetD2D8(data, 8, 0xab, 4, 2));
    filled([0xab; 4]);
    ok!(rig, hipMemsetD2D8Async(data, 8, 0xac, 4, 2, null));
    filled([0xac; 4]);
    ok!(rig, hipMemsetD2D16(data, 8, 0x1234, 2, 2));
    filled([0x34, 0x12, 0x34, 0x12]);
    ok!(rig, hipMemsetD2D16Async(data, 8, 0x5678, 2, 2, null));
    filled([0x78, 0x56, 0x78, 0x56]);
    ok!(rig, hipMemsetD2D32(data, 8, 0xa1b2_c3d4, 1, 2));
    filled([0xd4, 0xc3, 0xb2, 0xa1]);
    ok!(rig, hipMemsetD2D32Async(data, 8, 7, 1, 2, null));
    filled([7, 0, 0, 0]);
    assert_eq!(raw!(rig, hipMemsetD2D32(data, 8, 7, 3, 2)), INVALID, "rows overlap");
    assert_eq!(raw!(rig, hipMemsetD2D16(data, 7, 7, 1, 2)), INVALID, "rows are not aligned");
    assert_eq!(raw!(rig, hipMemsetD2D8(data, 8, 7, 8, 4)), INVALID, "beyond the allocation");
}

#[test]
fn a_batch_copies_in_order_and_names_what_fails() {
    let rig = Rig::new();
    let (a, b) = (device(&rig, 8), device(&rig, 8));
    let (source, mut result) = ([1u8, 2, 3, 4, 5, 6, 7, 8], [0u8; 8]);
    // Up, across, and down again.
    let mut targets = [a, b, result.as_mut_ptr().cast()];
    let mut sources = [source.as_ptr().cast_mut().cast(), a, b];
    let mut sizes = [8, 8, 5];
    // SAFETY: integers.
    let mut attributes: [hipMemcpyAttributes; 2] = unsafe { std::mem::zeroed() };
    let (mut starts, mut failed) = ([0, 2], 0);
    let null = ptr::null_mut();
    let mut batch = |count, attribute_count, starts: &mut [usize; 2], sources: &mut [*mut c_void; 3]| {
        let (targets, sources, sizes) = (targets.as_mut_ptr(), sources.as_mut_ptr(), sizes.as_mut_ptr());
        let (list, at) = (attributes.as_mut_ptr(), starts.as_mut_ptr());
        let code = raw!(
            rig,
            hipMemcpyBatchAsync(targets, sources, sizes, count, list, at, attribute_count, &mut failed, null)
        );
        (code, failed)
    };
    let success = hipError_t::hipSuccess;
    assert_eq!(batch(3, 2, &mut starts, &mut sources), (success, usize::MAX));
    assert_eq!(batch(0, 0, &mut starts, &mut sources).0, INVALID);
    assert_eq!(batch(3, 2, &mut [1, 2], &mut sources).0, INVALID, "no attribute for the first");
    assert_eq!(batch(3, 2, &mut [0, 3], &mut sources).0, INVALID, "an attribute for none");
    sources[1] = ptr::null_mut();
    assert_eq!(batch(3, 0, &mut starts, &mut sources), (INVALID, 1));
    assert_eq!(result, [1, 2, 3, 4, 5, 0, 0, 0]);
}

fn operand(pointer: *mut c_void, row: usize, height: usize) -> hipMemcpy3DOperand {
    // SAFETY: integers and pointers.
    let mut operand: hipMemcpy3DOperand = unsafe { std::mem::zeroed() };
    operand.type_ = hipMemcpy3DOperandType_hipMemcpyOperandTypePointer;
    // SAFETY: the type says that this is the member.
    let place = unsafe { &mut operand.op.ptr };
    (place.ptr, place.rowLength, place.layerHeight) = (pointer, row, height);
    operand
}

#[test]
fn slices_are_copied_in_batches_and_between_devices() {
    let rig = Rig::with_options(&[("devices", "2")]);
    let source: Vec<u8> = (0..8).collect();
    let data = device(&rig, 64);
    let extent = hipExtent { width: 2, height: 2, depth: 2 };
    // Packed in the host's memory, rows of 8 and slices of 3 rows on the device.
    let mut up = hipMemcpy3DBatchOp {
        src: operand(source.as_ptr().cast_mut().cast(), 0, 0),
        dst: operand(data, 8, 3),
        extent,
        srcAccessOrder: hipMemcpySrcAccessOrder_hipMemcpySrcAccessOrderStream,
        flags: 0,
    };
    let (mut failed, null) = (0, ptr::null_mut());
    ok!(rig, hipMemcpy3DBatchAsync(1, &mut up, &mut failed, 0, null));
    let mut wanted = [0; 64];
    for (index, byte) in source.iter().enumerate() {
        wanted[index / 4 * 24 + index / 2 % 2 * 8 + index % 2] = *byte;
    }
    assert_eq!((read::<64>(&rig, data), failed), (wanted, usize::MAX));
    up.src.type_ = hipMemcpy3DOperandType_hipMemcpyOperandTypeArray;
    let code = raw!(rig, hipMemcpy3DBatchAsync(1, &mut up, &mut failed, 0, null));
    assert_eq!((code, failed), (hipError_t::hipErrorNotSupported, 0));
    assert_eq!(raw!(rig, hipMemcpy3DBatchAsync(0, &mut up, &mut failed, 0, null)), INVALID);
    // To the other device, packed.
    ok!(rig, hipSetDevice(1));
    let other = device(&rig, 8);
    let pitched = |ptr, pitch, ysize| hipPitchedPtr { ptr, pitch, xsize: 2, ysize };
    let start = hipPos { x: 0, y: 0, z: 0 };
    let mut across = hipMemcpy3DPeerParms {
        srcArray: ptr::null_mut(),
        srcPos: start,
        srcPtr: pitched(data, 8, 3),
        srcDevice: 0,
        dstArray: ptr::null_mut(),
        dstPos: start,
        dstPtr: pitched(other, 2, 2),
        dstDevice: 1,
        extent,
    };
    ok!(rig, hipMemcpy3DPeer(&mut across));
    assert_eq!(read::<8>(&rig, other).to_vec(), source);
    ok!(rig, hipMemset(other, 0, 8));
    ok!(rig, hipMemcpy3DPeerAsync(&mut across, null));
    assert_eq!(read::<8>(&rig, other).to_vec(), source);
    across.dstDevice = 2;
    assert_eq!(raw!(rig, hipMemcpy3DPeer(&mut across)), hipError_t::hipErrorInvalidDevice);
}

#[test]
fn rows_without_alignment_are_copied() {
    let rig = Rig::new();
    let (source, data) = ([1u8, 2, 3, 4, 5, 6], device(&rig, 16));
    // SAFETY: integers and pointers.
    let mut params: hip_Memcpy2D = unsafe { std::mem::zeroed() };
    params.srcMemoryType = hipMemoryType_hipMemoryTypeHost;
    params.srcHost = source.as_ptr().cast();
    params.srcPitch = 3;
    params.dstMemoryType = hipMemoryType_hipMemoryTypeDevice;
    params.dstDevice = data;
    params.dstPitch = 5;
    (params.WidthInBytes, params.Height) = (3, 2);
    ok!(rig, hipDrvMemcpy2DUnaligned(&params));
    assert_eq!(read::<9>(&rig, data), [1, 2, 3, 0, 0, 4, 5, 6, 0]);
    params.dstPitch = 2;
    assert_eq!(raw!(rig, hipDrvMemcpy2DUnaligned(&params)), hipError_t::hipErrorInvalidPitchValue);
}

#[test]
fn host_memory_has_the_flags_that_it_was_made_with() {
    let rig = Rig::new();
    let flags = |pointer| {
        let mut flags = c_uint::MAX;
        ok!(rig, hipHostGetFlags(&mut flags, pointer));
        flags
    };
    let (mut plain, mut mapped) = (ptr::null_mut(), ptr::null_mut());
    ok!(rig, hipHostMalloc(&mut plain, 64, 0));
    ok!(rig, hipHostMalloc(&mut mapped, 64, 0x4000_0002));
    assert_eq!((flags(plain), flags(mapped)), (0, 0x4000_0002));
    assert_eq!(flags(mapped.wrapping_byte_add(8)), 0x4000_0002, "anywhere in it");
    ok!(rig, hipHostFree(mapped));
    let mut own = vec![0u64; 8];
    let own = own.as_mut_ptr().cast();
    ok!(rig, hipHostRegister(own, 64, 1));
    assert_eq!(flags(own), 1);
    ok!(rig, hipHostUnregister(own));
    let mut flags = 0;
    assert_eq!(raw!(rig, hipHostGetFlags(&mut flags, own)), INVALID, "not any more");
    assert_eq!(raw!(rig, hipHostGetFlags(&mut flags, device(&rig, 8))), INVALID);
    assert_eq!(raw!(rig, hipHostMalloc(&mut plain, 64, 0xc000_0000)), INVALID, "coherent and not");
    assert_eq!(raw!(rig, hipHostMalloc(&mut plain, 64, 8)), INVALID);
}

#[test]
fn several_attributes_of_a_pointer_at_once() {
    let rig = Rig::new();
    let data = device(&rig, 40);
    let (mut kind, mut size) = (9 as c_uint, 0usize);
    let mut which = [
        hipPointer_attribute_HIP_POINTER_ATTRIBUTE_MEMORY_TYPE,
        hipPointer_attribute_HIP_POINTER_ATTRIBUTE_RANGE_SIZE,
    ];
    let mut targets: [*mut c_void; 2] = [(&raw mut kind).cast(), (&raw mut size).cast()];
    let (which, targets) = (which.as_mut_ptr(), targets.as_mut_ptr());
    ok!(rig, hipDrvPointerGetAttributes(2, which, targets, data));
    assert_eq!((kind, size), (hipMemoryType_hipMemoryTypeDevice, 40));
    assert_eq!(raw!(rig, hipDrvPointerGetAttributes(0, which, targets, data)), INVALID);
    assert_eq!(raw!(rig, hipDrvPointerGetAttributes(2, ptr::null_mut(), targets, data)), INVALID);
    assert_eq!(raw!(rig, hipDrvPointerGetAttributes(2, which, targets, ptr::null_mut())), INVALID);
    let on = 1u8;
    let set = |which, pointer| raw!(rig, hipPointerSetAttribute((&raw const on).cast(), which, pointer));
    let order = hipPointer_attribute_HIP_POINTER_ATTRIBUTE_SYNC_MEMOPS;
    assert_eq!(set(order, data), hipError_t::hipSuccess);
    assert_eq!(set(hipPointer_attribute_HIP_POINTER_ATTRIBUTE_MAPPED, data), INVALID);
    let local = (&raw const on).cast_mut().cast();
    assert_eq!(set(order, local), hipError_t::hipErrorInvalidDevicePointer);
}
