//! The option `unified`: host pointers as device pointers.

use std::{ffi::c_void, ptr};

use hip::{DeviceBuffer, Error, LaunchConfig, Stream};
use hip_sys::*;

use crate::rig::{Rig, ok, raw};

/// `data[i] *= 3` for the first `n` floats at an address; the fault's kind and message.
fn scale(rig: &Rig, address: u64, n: u64) -> Result<(), (String, String)> {
    let outcome = {
        let scale = rig.module().function("scale").unwrap();
        let stream = Stream::null(&rig.device);
        let arguments = [address, u64::from(3f32.to_bits()) | n << 32];
        // SAFETY: address, factor and count are the kernel's parameters; where the address leads is the test.
        unsafe { scale.launch(LaunchConfig::new(n.div_ceil(256) as u32, 256), &stream, &arguments) }.unwrap();
        stream.synchronize().map_err(|error| {
            let fault = error.fault().expect("the virtual device knows");
            (fault.kind.clone(), fault.message.clone())
        })
    };
    // The fault is forgotten, and what was allocated is freed.
    ok!(rig, hipDeviceReset());
    outcome
}

fn unified() -> Rig {
    Rig::with_options(&[("unified", "1")])
}

#[test]
fn a_vector_of_the_host_is_an_argument() {
    let rig = unified();
    // On the heap, and large enough for a mapping of its own.
    for n in [10usize, 1 << 20] {
        let mut values: Vec<f32> = (0..n).map(|i| i as f32).collect();
        scale(&rig, values.as_mut_ptr() as u64, n as u64).unwrap();
        assert!(values.iter().enumerate().all(|(i, value)| *value == 3.0 * i as f32), "{n} floats");
    }
    // Read-only data of the program, as a source.
    static FACTORS: [f32; 4] = [1.0, 2.0, 3.0, 4.0];
    let vadd = rig.module().function("vadd").unwrap();
    let mut sum = [0f32; 4];
    let factors = FACTORS.as_ptr() as u64;
    // SAFETY: three addresses of four floats, and the count.
    unsafe {
        vadd.launch(
            LaunchConfig::new(1, 64),
            &Stream::null(&rig.device),
            &[factors, factors, sum.as_mut_ptr() as u64, 4],
        )
    }
    .unwrap();
    rig.device.synchronize().unwrap();
    assert_eq!(sum, [2.0, 4.0, 6.0, 8.0]);
}

#[test]
fn what_is_not_mapped_is_a_fault() {
    let rig = unified();
    static CONSTANTS: [f32; 4] = [1.0; 4];
    let (kind, _) = scale(&rig, CONSTANTS.as_ptr() as u64, 4).unwrap_err();
    assert_eq!(kind, "out-of-bounds", "a write to read-only pages");
    assert_eq!(CONSTANTS, [1.0; 4]);
    let (kind, _) = scale(&rig, 0x1000, 1).unwrap_err();
    assert_eq!(kind, "out-of-bounds", "no page");
    // The second of two pages is taken away: the first is reached to its end, and no further.
    let rights = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a fresh anonymous mapping, whose second page nobody uses.
    let page = unsafe {
        let start = libc::mmap(ptr::null_mut(), 8192, rights.0, rights.1, -1, 0);
        assert_ne!(start, libc::MAP_FAILED);
        assert_eq!(libc::mprotect(start.byte_add(4096), 4096, libc::PROT_NONE), 0);
        start
    };
    scale(&rig, page as u64, 1024).unwrap();
    assert!(scale(&rig, page as u64, 1025).is_err());
    // SAFETY: the mapping is the test's own, and not used any more.
    unsafe { libc::munmap(page, 8192) };
}

#[test]
fn allocations_keep_their_exact_bounds() {
    let rig = unified();
    let mut base = ptr::null_mut();
    for (floats, good) in [(10, true), (11, false)] {
        ok!(rig, hipMalloc(&mut base, 40));
        assert_eq!(scale(&rig, base as u64, floats).is_ok(), good, "{floats} of 10 floats");
    }
    // The reset of the last run freed it.
    let (kind, message) = scale(&rig, base as u64, 1).unwrap_err();
    assert_eq!(kind, "out-of-bounds", "{message}");
}

#[test]
fn another_device_s_memory_is_no_host_memory() {
    let rig = Rig::with_options(&[("unified", "1"), ("devices", "2")]);
    let other = rig.runtime.device(1).unwrap();
    let buffer = DeviceBuffer::<f32>::from_slice(&other, &[1.0]).unwrap();
    rig.device.make_current().unwrap();
    let (kind, message) = scale(&rig, buffer.address(), 1).unwrap_err();
    assert_eq!(kind, "out-of-bounds", "{message}");
    assert_eq!(buffer.to_vec().unwrap(), [1.0]);
}

#[test]
fn copies_and_fills_take_host_pointers() {
    let rig = unified();
    let mut value = 0;
    ok!(
        rig,
        hipDeviceGetAttribute(&mut value, hipDeviceAttribute_t_hipDeviceAttributePageableMemoryAccess, 0)
    );
    assert_eq!(value, 1);
    let mut host = vec![0u8; 64];
    let address = host.as_mut_ptr().cast::<c_void>();
    ok!(rig, hipMemset(address, 7, 64));
    assert_eq!(host, [7; 64]);
    let other = [1u8; 64];
    ok!(rig, hipMemcpyDtoD(address, other.as_ptr().cast_mut().cast(), 64));
    assert_eq!(host, other);
    ok!(rig, hipMemPrefetchAsync(address, 64, 0, ptr::null_mut()));
    let invalid = hipError_t::hipErrorInvalidValue;
    assert_eq!(raw!(rig, hipMemset(0x1000 as *mut c_void, 7, 64)), invalid);
    assert_eq!(raw!(rig, hipMemset(other.as_ptr().cast_mut().cast(), 7, usize::MAX)), invalid);
}

#[test]
fn a_kernel_under_test_is_refused() {
    let rig = unified();
    let nothing = rig.module().function("nothing").unwrap();
    let launch = || nothing.launch_bytes(LaunchConfig::new(1, 1), &Stream::null(&rig.device), &[]);
    let error = launch().unwrap_err();
    assert!(
        matches!(&error, Error::Argument { reason, .. } if reason.contains("reaches all host memory")),
        "{error}"
    );
    rig.runtime.set_option("unified", "0").unwrap();
    launch().unwrap();
    // Off: the host's memory is out of reach again.
    let mut value = 1f32;
    let (kind, _) = scale(&rig, ptr::from_mut(&mut value) as u64, 1).unwrap_err();
    assert_eq!((kind.as_str(), value), ("out-of-bounds", 1.0));
    let _buffer = DeviceBuffer::<f32>::from_slice(&rig.device, &[1.0]).unwrap();
}
