//! Sizes and offsets of the structs that cross the boundary, against figures from AMD's headers.
//!
//! `generated.rs` asserts every layout against what bindgen saw; these are the few that were read off
//! the C headers by hand, so that a bindgen run against a wrong header is noticed too.

use std::mem::{align_of, offset_of, size_of};

use hip_sys::*;

#[test]
fn device_properties_are_the_r0600_layout() {
    assert_eq!(size_of::<hipDeviceProp_tR0600>(), 1472);
    assert_eq!(offset_of!(hipDeviceProp_tR0600, totalGlobalMem), 256 + 16 + 8 + 8);
    // 256 bytes of architecture name end the part shared with CUDA, after 95 reserved ints.
    assert_eq!(
        offset_of!(hipDeviceProp_tR0600, gcnArchName),
        offset_of!(hipDeviceProp_tR0600, reserved) + (63 + 32) * 4
    );
}

#[test]
fn the_older_properties_are_the_r0000_layout() {
    assert_eq!(size_of::<hipDeviceProp_tR0000>(), 792);
    assert_eq!(offset_of!(hipDeviceProp_tR0000, totalGlobalMem), 256);
}

#[test]
fn status_and_handles_have_the_size_of_c() {
    assert_eq!(size_of::<hipError_t>(), 4);
    assert_eq!(size_of::<dim3>(), 12);
    assert_eq!(align_of::<dim3>(), 4);
    assert_eq!(size_of::<hipStream_t>(), size_of::<usize>());
    assert_eq!(size_of::<hipDeviceptr_t>(), size_of::<usize>());
    assert_eq!(size_of::<hipUUID>(), 16);
    assert_eq!(size_of::<hipIpcMemHandle_t>(), 64);
}

#[test]
fn codes_are_those_of_the_headers() {
    assert_eq!(hipError_t::hipErrorNoDevice, hipError_t(100));
    assert_eq!(hipError_t::hipErrorIllegalAddress, hipError_t(700));
    assert_eq!(hipError_t::hipErrorLaunchFailure, hipError_t(719));
    assert_eq!(hipError_t::hipErrorNotSupported, hipError_t(801));
    assert_eq!(hipMemcpyKind_hipMemcpyDeviceToDevice, 3);
    assert_eq!(HIP_LAUNCH_PARAM_END as usize, 3);
}
