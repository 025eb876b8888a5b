//! Copies and fills of rows and slices.

use std::{ffi::c_void, ptr};

use hip_sys::*;

use crate::rig::{Rig, ok, raw};

const INVALID: hipError_t = hipError_t::hipErrorInvalidValue;

fn pitched(pointer: *mut c_void, pitch: usize, width: usize, height: usize) -> hipPitchedPtr {
    hipPitchedPtr { ptr: pointer, pitch, xsize: width, ysize: height }
}

fn params(source: hipPitchedPtr, target: hipPitchedPtr, extent: hipExtent, kind: u32) -> hipMemcpy3DParms {
    let start = hipPos { x: 0, y: 0, z: 0 };
    hipMemcpy3DParms {
        srcArray: ptr::null_mut(),
        srcPos: start,
        srcPtr: source,
        dstArray: ptr::null_mut(),
        dstPos: start,
        dstPtr: target,
        extent,
        kind,
    }
}

#[test]
fn slices_of_padded_rows() {
    let rig = Rig::new();
    let (width, height, depth) = (10usize, 5usize, 3usize);
    let extent = hipExtent { width, height, depth };
    let mut device = pitched(ptr::null_mut(), 0, 0, 0);
    ok!(rig, hipMalloc3D(&mut device, extent));
    assert_eq!((device.pitch, device.xsize, device.ysize), (256, width, height));
    ok!(rig, hipMemset3D(device, 0xee, extent));
    let source: Vec<u8> = (0..(width * height * depth) as u8).collect();
    let host = |bytes: &[u8]| pitched(bytes.as_ptr().cast_mut().cast(), width, width, height);
    let up = hipMemcpyKind_hipMemcpyHostToDevice;
    // A box of 4 × 2 × 2 from (3, 1, 1) to (1, 2, 0).
    let mut part = params(host(&source), device, hipExtent { width: 4, height: 2, depth: 2 }, up);
    (part.srcPos, part.dstPos) = (hipPos { x: 3, y: 1, z: 1 }, hipPos { x: 1, y: 2, z: 0 });
    ok!(rig, hipMemcpy3D(&part));
    let mut back = vec![0u8; source.len()];
    let target = pitched(back.as_mut_ptr().cast(), width, width, height);
    let down = hipMemcpyKind_hipMemcpyDeviceToHost;
    ok!(rig, hipMemcpy3DAsync(&params(device, target, extent, down), ptr::null_mut()));
    ok!(rig, hipDeviceSynchronize());
    for z in 0..depth {
        for y in 0..height {
            for x in 0..width {
                let copied = (1..5).contains(&x) && (2..4).contains(&y) && z < 2;
                let wanted = if copied { source[((z + 1) * height + y - 1) * width + x + 2] } else { 0xee };
                assert_eq!(back[(z * height + y) * width + x], wanted, "({x}, {y}, {z})");
            }
        }
    }
    // Refusals: out of the row, out of the slice, no source, two sources, a pitch below the width.
    part.dstPos.x = 253;
    assert_eq!(raw!(rig, hipMemcpy3D(&part)), INVALID);
    part.dstPos = hipPos { x: 0, y: 4, z: 0 };
    assert_eq!(raw!(rig, hipMemcpy3D(&part)), INVALID);
    part.dstPos.y = 0;
    part.srcPtr.pitch = 3;
    assert_eq!(raw!(rig, hipMemcpy3D(&part)), hipError_t::hipErrorInvalidPitchValue);
    part.srcPtr = pitched(ptr::null_mut(), width, width, height);
    assert_eq!(raw!(rig, hipMemcpy3D(&part)), INVALID);
    part.srcArray = ptr::without_provenance_mut(16);
    assert_eq!(raw!(rig, hipMemcpy3D(&part)), hipError_t::hipErrorNotSupported, "arrays");
    assert_eq!(raw!(rig, hipMemcpy3D(ptr::null())), INVALID);
    // Past the allocation's last slice.
    let beyond = params(device, target, hipExtent { depth: depth + 1, ..extent }, down);
    assert_eq!(raw!(rig, hipMemcpy3D(&beyond)), INVALID);
    ok!(rig, hipFree(device.ptr));
}

#[test]
fn the_driver_functions_take_bytes_and_memory_types() {
    let rig = Rig::new();
    let source: Vec<u8> = (0..60).collect();
    let (mut device, mut pitch) = (ptr::null_mut(), 0);
    ok!(rig, hipMemAllocPitch(&mut device, &mut pitch, 6, 10, 4));
    assert_eq!(pitch, 256);
    // SAFETY: integers, and pointers that may be null.
    let mut copy: HIP_MEMCPY3D = unsafe { std::mem::zeroed() };
    copy.srcMemoryType = hipMemoryType_hipMemoryTypeHost;
    copy.srcHost = source.as_ptr().cast();
    (copy.srcPitch, copy.srcHeight) = (6, 5);
    copy.dstMemoryType = hipMemoryType_hipMemoryTypeDevice;
    copy.dstDevice = device;
    (copy.dstPitch, copy.dstHeight) = (pitch, 5);
    (copy.WidthInBytes, copy.Height, copy.Depth) = (6, 5, 2);
    ok!(rig, hipDrvMemcpy3D(&copy));
    // The second slice's last two rows, as rows of one picture.
    let mut back = [0u8; 12];
    // SAFETY: as above.
    let mut rows: hip_Memcpy2D = unsafe { std::mem::zeroed() };
    rows.srcMemoryType = hipMemoryType_hipMemoryTypeDevice;
    rows.srcDevice = device;
    (rows.srcPitch, rows.srcY) = (pitch, 8);
    rows.dstMemoryType = hipMemoryType_hipMemoryTypeHost;
    rows.dstHost = back.as_mut_ptr().cast();
    rows.dstPitch = 6;
    (rows.WidthInBytes, rows.Height) = (6, 2);
    ok!(rig, hipMemcpyParam2D(&rows));
    assert_eq!(back, source[48..]);
    copy.dstMemoryType = hipMemoryType_hipMemoryTypeArray;
    assert_eq!(raw!(rig, hipDrvMemcpy3D(&copy)), hipError_t::hipErrorNotSupported);
    copy.dstMemoryType = 77;
    assert_eq!(raw!(rig, hipDrvMemcpy3D(&copy)), INVALID);
    ok!(rig, hipFree(device));
}
