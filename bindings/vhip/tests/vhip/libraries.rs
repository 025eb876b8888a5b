//! Libraries of kernels, and launches on several devices.

use std::{
    ffi::{CStr, c_void},
    ptr,
};

use hip_sys::*;

use crate::rig::{Rig, elf, ok, raw};

const INVALID: hipError_t = hipError_t::hipErrorInvalidValue;

fn load(rig: &Rig) -> hipLibrary_t {
    let (mut library, none) = (ptr::null_mut(), ptr::null_mut());
    let (image, lists) = (elf().as_ptr().cast(), ptr::null_mut());
    ok!(rig, hipLibraryLoadData(&mut library, image, none, lists, 0, ptr::null_mut(), ptr::null_mut(), 0));
    library
}

fn kernel(rig: &Rig, library: hipLibrary_t, name: &CStr) -> hipKernel_t {
    let mut kernel = ptr::null_mut();
    ok!(rig, hipLibraryGetKernel(&mut kernel, library, name.as_ptr()));
    kernel
}

/// Launches `scale` on 4 floats of the current device and yields them.
fn scaled(rig: &Rig, function: hipFunction_t, stream: hipStream_t) -> [f32; 4] {
    let mut data = ptr::null_mut();
    ok!(rig, hipMalloc(&mut data, 16));
    let mut values = [1.0f32, 2.0, 3.0, 4.0];
    ok!(rig, hipMemcpy(data, values.as_ptr().cast(), 16, hipMemcpyKind_hipMemcpyHostToDevice));
    let (mut factor, mut n) = (3.0f32, 4i32);
    let mut arguments: [*mut c_void; 3] =
        [(&raw mut data).cast(), (&raw mut factor).cast(), (&raw mut n).cast()];
    let list = arguments.as_mut_ptr();
    ok!(rig, hipModuleLaunchKernel(function, 1, 1, 1, 64, 1, 1, 0, stream, list, ptr::null_mut()));
    let target = values.as_mut_ptr().cast();
    ok!(rig, hipMemcpy(target, data, 16, hipMemcpyKind_hipMemcpyDeviceToHost));
    values
}

#[test]
fn a_library_has_its_kernels_on_every_device() {
    let rig = Rig::with_options(&[("devices", "2")]);
    let library = load(&rig);
    for ordinal in [0, 1] {
        ok!(rig, hipSetDevice(ordinal));
        let scale = kernel(&rig, library, c"scale");
        assert_eq!(scaled(&rig, scale.cast(), ptr::null_mut()), [3.0, 6.0, 9.0, 12.0]);
        let (mut owner, mut name) = (ptr::null_mut(), ptr::null());
        ok!(rig, hipKernelGetLibrary(&mut owner, scale));
        assert_eq!(owner, library);
        ok!(rig, hipKernelGetName(&mut name, scale));
        // SAFETY: the library is loaded.
        assert_eq!(unsafe { CStr::from_ptr(name) }, c"scale");
    }
    let mut count = 0;
    ok!(rig, hipLibraryGetKernelCount(&mut count, library));
    let mut all = vec![ptr::null_mut(); count as usize + 1];
    ok!(rig, hipLibraryEnumerateKernels(all.as_mut_ptr(), count + 1, library));
    assert!(all[..count as usize].contains(&kernel(&rig, library, c"scale")));
    assert!(all[count as usize].is_null(), "no more than there are");
    let mut absent = ptr::null_mut();
    let code = raw!(rig, hipLibraryGetKernel(&mut absent, library, c"absent".as_ptr()));
    assert_eq!(code, hipError_t::hipErrorNotFound);
    let scale = kernel(&rig, library, c"scale");
    ok!(rig, hipLibraryUnload(library));
    let gone = hipError_t::hipErrorInvalidResourceHandle;
    assert_eq!(raw!(rig, hipLibraryGetKernelCount(&mut count, library)), gone);
    assert_eq!(raw!(rig, hipLibraryUnload(library)), gone);
    let mut name = ptr::null();
    assert_eq!(raw!(rig, hipKernelGetName(&mut name, scale)), hipError_t::hipErrorInvalidHandle);
}

#[test]
fn a_library_comes_from_a_file_too() {
    let rig = Rig::new();
    let file = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::fs::write(file.path(), elf()).unwrap();
    let path = std::ffi::CString::new(file.path().to_str().unwrap()).unwrap();
    let (none, values, options) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    let more = ptr::null_mut();
    let mut library = ptr::null_mut();
    ok!(rig, hipLibraryLoadFromFile(&mut library, path.as_ptr(), none, values, 0, options, more, 0));
    assert_eq!(scaled(&rig, kernel(&rig, library, c"scale").cast(), ptr::null_mut())[3], 12.0);
    let absent = c"/nowhere/absent.co".as_ptr();
    let code = raw!(rig, hipLibraryLoadFromFile(&mut library, absent, none, values, 0, options, more, 0));
    assert_eq!(code, hipError_t::hipErrorFileNotFound);
}

#[test]
fn one_call_launches_on_every_device() {
    let rig = Rig::with_options(&[("devices", "2")]);
    let library = load(&rig);
    let mut data = [ptr::null_mut::<c_void>(); 2];
    let (mut index, mut value) = (2i64, 7i32);
    let mut arguments: Vec<[*mut c_void; 3]> = Vec::new();
    for place in &mut data {
        arguments.push([ptr::from_mut(place).cast(), (&raw mut index).cast(), (&raw mut value).cast()]);
    }
    let mut parts: Vec<hipFunctionLaunchParams> = Vec::new();
    for ordinal in 0..2 {
        ok!(rig, hipSetDevice(ordinal as i32));
        ok!(rig, hipMalloc(&mut data[ordinal], 16));
        ok!(rig, hipMemset(data[ordinal], 0, 16));
        let mut stream = ptr::null_mut();
        ok!(rig, hipStreamCreate(&mut stream));
        parts.push(hipFunctionLaunchParams {
            function: kernel(&rig, library, c"store_at").cast(),
            gridDimX: 1,
            gridDimY: 1,
            gridDimZ: 1,
            blockDimX: 1,
            blockDimY: 1,
            blockDimZ: 1,
            sharedMemBytes: 0,
            hStream: stream,
            kernelParams: arguments[ordinal].as_mut_ptr(),
        });
    }
    ok!(rig, hipModuleLaunchCooperativeKernelMultiDevice(parts.as_mut_ptr(), 2, 0));
    for place in data {
        let mut values = [0i32; 4];
        ok!(rig, hipMemcpy(values.as_mut_ptr().cast(), place, 16, hipMemcpyKind_hipMemcpyDeviceToHost));
        assert_eq!(values, [0, 0, 7, 0]);
    }
    let launch = |parts: &mut [hipFunctionLaunchParams], count, flags| {
        raw!(rig, hipModuleLaunchCooperativeKernelMultiDevice(parts.as_mut_ptr(), count, flags))
    };
    assert_eq!(launch(&mut parts, 3, 0), INVALID, "more than there are devices");
    assert_eq!(launch(&mut parts, 2, 4), INVALID, "an unknown flag");
    let second = parts[1];
    parts[1].gridDimX = 2;
    assert_eq!(launch(&mut parts, 2, 0), INVALID, "another shape");
    parts[1] = second;
    parts[1].hStream = parts[0].hStream;
    assert_eq!(launch(&mut parts, 2, 0), hipError_t::hipErrorInvalidDevice, "twice on one device");
    parts[1] = second;
    for part in &mut parts {
        part.gridDimX = 1 << 20;
    }
    assert_eq!(launch(&mut parts, 2, 0), hipError_t::hipErrorCooperativeLaunchTooLarge);
    assert_eq!(raw!(rig, hipLaunchCooperativeKernelMultiDevice(ptr::null_mut(), 1, 0)), INVALID);
    assert_eq!(raw!(rig, hipExtLaunchMultiKernelMultiDevice(ptr::null_mut(), 1, 0)), INVALID);
}
