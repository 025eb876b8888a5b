//! Kernels that go wrong: what is reported, and how the device recovers.

use hip::{DeviceBuffer, Error, LaunchConfig, PinnedBuffer, Stream};
use hip_sys::hipError_t;

use crate::rig::{Rig, ok};

/// Launches `kernel` with these argument words and waits: the error.
fn run(rig: &Rig, kernel: &str, block: u32, arguments: &[u64; 3]) -> Error {
    let function = rig.module().function(kernel).unwrap();
    let stream = Stream::new(&rig.device).unwrap();
    // SAFETY: the kernels take at most three words; what they do with them is the test.
    unsafe { function.launch(LaunchConfig::new(1, block), &stream, arguments) }.unwrap();
    stream.synchronize().unwrap_err()
}

/// Makes the device fault: a store past the end of an allocation.
pub(crate) fn cause(rig: &Rig) {
    let buffer = DeviceBuffer::<i32>::from_slice(&rig.device, &[0; 10]).unwrap();
    run(rig, "store_at", 1, &[buffer.address(), 10, 7]);
}

#[test]
fn a_store_past_the_end_names_its_instruction() {
    let rig = Rig::new();
    let buffer = DeviceBuffer::<i32>::from_slice(&rig.device, &[0; 10]).unwrap();
    let error = run(&rig, "store_at", 1, &[buffer.address(), 10, 7]);
    assert_eq!(error.code(), Some(hipError_t::hipErrorIllegalAddress));
    let fault = error.fault().expect("the virtual device knows what happened");
    assert_eq!((fault.kind.as_str(), fault.kernel.as_deref()), ("out-of-bounds", Some("store_at")));
    assert_eq!(fault.address, Some(buffer.address() + 40));
    assert_eq!((fault.workgroup, fault.wave, fault.exec), (Some([0; 3]), Some(0), Some(1)));
    assert_eq!(fault.lanes, [0]);
    let instruction = fault.instruction.as_deref().expect("its text");
    assert!(instruction.starts_with("global_store_dword v"), "{instruction}");
    let (pc, offset) = (fault.pc.expect("its address"), fault.offset.expect("its offset"));
    assert!(pc > 0 && offset > 0 && offset % 4 == 0, "{pc:#x}, {offset:#x}");
    assert!(fault.message.contains("4 bytes past the end of a 40-byte allocation"), "{}", fault.message);
    // The error says it all in one line, once.
    let text = error.to_string();
    assert_eq!(text.matches("store_at").count(), 1, "{text}");
    assert_eq!(text.matches("global_store_dword").count(), 1, "{text}");
}

#[test]
fn an_endless_loop_ends_at_its_budget() {
    let rig = Rig::new();
    rig.runtime.set_option("instruction_budget", "10000").unwrap();
    let flag = DeviceBuffer::<u64>::from_slice(&rig.device, &[0]).unwrap();
    let error = run(&rig, "spin", 64, &[flag.address(), 0, 0]);
    assert_eq!(error.code(), Some(hipError_t::hipErrorLaunchTimeOut));
    let fault = error.fault().unwrap();
    assert_eq!(fault.kind, "budget");
    assert!(fault.message.contains("10000 instructions"), "{}", fault.message);
}

#[test]
fn a_barrier_that_not_all_waves_reach() {
    let rig = Rig::new();
    let out = DeviceBuffer::<i32>::from_slice(&rig.device, &[0; 128]).unwrap();
    let error = run(&rig, "diverge", 128, &[out.address(), 0, 0]);
    assert_eq!(error.code(), Some(hipError_t::hipErrorLaunchFailure));
    let fault = error.fault().unwrap();
    assert_eq!(
        (fault.kind.as_str(), fault.instruction.as_deref()),
        ("barrier-divergence", Some("s_barrier"))
    );
    assert_eq!(fault.wave, Some(0));
}

#[test]
fn the_fault_stays_until_the_reset() {
    let rig = Rig::new();
    let module = rig.module();
    let store = module.function("store_at").unwrap();
    let buffer = DeviceBuffer::<i32>::from_slice(&rig.device, &[0]).unwrap();
    let stream = Stream::new(&rig.device).unwrap();
    let config = LaunchConfig::new(1, 1);
    // SAFETY: the store is out of bounds on purpose.
    unsafe { store.launch(config, &stream, &[buffer.address(), 1 << 40, 7]) }.unwrap();
    for _ in 0..2 {
        // SAFETY: refused.
        let error = unsafe { store.launch(config, &stream, &[buffer.address(), 0, 7]) }.unwrap_err();
        assert_eq!(error.code(), Some(hipError_t::hipErrorIllegalAddress));
        assert!(error.fault().is_some());
        assert_eq!(buffer.as_slice().to_vec().unwrap_err().code(), Some(hipError_t::hipErrorIllegalAddress));
        assert!(rig.device.synchronize().is_err());
    }
    assert!(rig.runtime.last_fault().is_some());
    drop((store, module, buffer, stream));
    rig.device.make_current().unwrap();
    ok!(rig, hipDeviceReset());
    assert_eq!(rig.runtime.last_fault(), None);
    // A new life.
    let store = rig.module().function("store_at").unwrap();
    let buffer = DeviceBuffer::<i32>::from_slice(&rig.device, &[0]).unwrap();
    // SAFETY: the store hits the buffer.
    unsafe { store.launch(config, &Stream::null(&rig.device), &[buffer.address(), 0, 7]) }.unwrap();
    assert_eq!(buffer.as_slice().to_vec().unwrap(), [7]);
}

#[test]
fn a_reset_takes_everything_of_the_device() {
    let rig = Rig::new();
    let module = rig.module();
    let buffer = DeviceBuffer::<i32>::from_slice(&rig.device, &[0; 1 << 20]).unwrap();
    let full = rig.device.memory_info().unwrap();
    ok!(rig, hipDeviceReset());
    let empty = rig.device.memory_info().unwrap();
    assert!(empty.free_bytes >= full.free_bytes + (4 << 20), "{empty:?} after {full:?}");
    assert_eq!(buffer.as_slice().to_vec().unwrap_err().code(), Some(hipError_t::hipErrorInvalidValue));
    assert_eq!(module.function("vadd").unwrap_err().code(), Some(hipError_t::hipErrorInvalidHandle));
}

#[test]
fn the_safe_reset_waits_until_nothing_is_in_use() {
    let rig = Rig::new();
    rig.runtime.set_option("instruction_budget", "1000").unwrap();
    let flag = DeviceBuffer::<u64>::from_slice(&rig.device, &[0]).unwrap();
    assert!(run(&rig, "spin", 64, &[flag.address(), 0, 0]).fault().is_some());
    let Rig { mut runtime, device, .. } = rig;
    let error = runtime.reset_device(0).unwrap_err();
    assert!(matches!(error, Error::Argument { call: "hipDeviceReset", .. }), "{error}");
    drop((flag, device));
    runtime.reset_device(0).unwrap();
    let device = runtime.device(0).unwrap();
    assert_eq!(DeviceBuffer::from_slice(&device, &[3u8]).unwrap().to_vec().unwrap(), [3]);
}

/// A kernel under test and host memory that the device reaches exclude each other.
#[test]
fn a_kernel_under_test_reaches_no_host_memory() {
    let rig = Rig::new();
    let store = rig.module().function("store_at").unwrap();
    let stream = Stream::new(&rig.device).unwrap();
    let buffer = DeviceBuffer::<i32>::from_slice(&rig.device, &[0; 4]).unwrap();
    let launch = |address: u64| {
        let arguments = [address, 1, 7].map(u64::to_le_bytes).concat();
        store.launch_bytes(LaunchConfig::new(1, 1), &stream, &arguments)
    };
    launch(buffer.address()).unwrap();
    assert_eq!(buffer.to_vec().unwrap(), [0, 7, 0, 0]);
    let pinned = PinnedBuffer::from_slice(&rig.device, &[1i32, 2, 3]).unwrap();
    // Whatever the arguments are.
    for address in [pinned.as_ptr() as u64, buffer.address()] {
        let error = launch(address).unwrap_err();
        assert!(
            matches!(&error, Error::Argument { reason, .. } if reason.contains("1 pinned host buffers are alive")),
            "{error}"
        );
    }
    assert_eq!(*pinned, [1, 2, 3]);
    // SAFETY: the address and index are those of an element that nobody else uses now.
    unsafe { store.launch(LaunchConfig::new(1, 1), &stream, &[pinned.as_ptr() as u64, 1, 9]) }.unwrap();
    stream.synchronize().unwrap();
    assert_eq!(*pinned, [1, 9, 3]);
    let second = PinnedBuffer::<u8>::zeroed(&rig.device, 1).unwrap();
    drop(pinned);
    assert!(launch(buffer.address()).is_err());
    drop(second);
    launch(buffer.address()).unwrap();
    // The kernel's fault shows when the next host memory is asked for, and the refusal leaves none behind.
    launch(0x1000).unwrap();
    let error = PinnedBuffer::<u8>::zeroed(&rig.device, 1).unwrap_err();
    assert_eq!(error.code(), Some(hipError_t::hipErrorIllegalAddress), "{error}");
}
