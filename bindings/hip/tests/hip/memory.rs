//! Buffers, slices and guard bands.

use hip::{Device, DeviceBuffer, Error, GuardedBuffer};

use crate::stub::{HOST, runtime};

fn device() -> Device {
    runtime(&[HOST]).device(0).unwrap()
}

#[test]
fn elements_go_there_and_back() {
    let device = device();
    let mut buffer = DeviceBuffer::from_slice(&device, &[1.5f32, -2.0, 3.25]).unwrap();
    assert_eq!(buffer.to_vec().unwrap(), [1.5, -2.0, 3.25]);
    buffer.slice_mut(1..).unwrap().copy_from(&[8.0, 9.0]).unwrap();
    assert_eq!(buffer.slice(..=1).unwrap().to_vec().unwrap(), [1.5, 8.0]);
    let mut other = DeviceBuffer::zeroed(&device, 2).unwrap();
    other.as_mut_slice().copy_from_device(&buffer.slice(1..3).unwrap()).unwrap();
    assert_eq!(other.to_vec().unwrap(), [8.0, 9.0]);
    other.as_mut_slice().fill_bytes(0).unwrap();
    assert_eq!(other.to_vec().unwrap(), [0.0, 0.0]);
}

#[test]
fn lengths_and_ranges_are_checked_before_the_call() {
    let device = device();
    let mut buffer = DeviceBuffer::<u32>::zeroed(&device, 4).unwrap();
    let refused = |result: hip::Result<()>| matches!(result, Err(Error::Argument { .. }));
    assert!(refused(buffer.copy_from(&[0; 3])));
    assert!(refused(buffer.copy_to(&mut [0; 5])));
    for (start, end) in [(3, 5), (5, 5), (4, 3)] {
        assert!(refused(buffer.slice(start..end).map(drop)), "{start}..{end}");
    }
    assert!(refused(buffer.slice(..=usize::MAX).map(drop)));
    assert_eq!(buffer.slice(4..).unwrap().len(), 0);
    assert!(refused(DeviceBuffer::<u64>::new(&device, usize::MAX / 4).map(drop)));
}

#[test]
fn casts_need_whole_aligned_elements() {
    let device = device();
    let buffer = DeviceBuffer::from_slice(&device, &[1u8, 0, 0, 0, 2, 0, 0, 0]).unwrap();
    assert_eq!(buffer.as_slice().cast::<u32>().unwrap().to_vec().unwrap(), [1, 2]);
    assert!(buffer.slice(..6).unwrap().cast::<u32>().is_err(), "six bytes");
    assert!(buffer.slice(1..5).unwrap().cast::<u32>().is_err(), "an odd address");
}

#[test]
fn an_empty_buffer_needs_no_memory() {
    let device = runtime(&["int hipGetDeviceCount(int* count) { *count = 1; return 0; }"]).device(0).unwrap();
    let buffer = DeviceBuffer::<u64>::new(&device, 0).unwrap();
    assert_eq!((buffer.to_vec().unwrap().len(), buffer.as_slice().address()), (0, 0));
}

#[test]
fn buffers_of_two_runtimes_do_not_mix() {
    let (one, two) = (device(), device());
    let source = DeviceBuffer::from_slice(&one, &[1u8]).unwrap();
    let mut target = DeviceBuffer::<u8>::zeroed(&two, 1).unwrap();
    let error = target.as_mut_slice().copy_from_device(&source.as_slice()).unwrap_err();
    assert!(error.to_string().contains("copy through the host"), "{error}");
}

#[test]
fn guard_bands_show_every_byte_that_was_written_outside() {
    let device = device();
    let mut buffer = GuardedBuffer::<u16>::new(&device, 5, 300).unwrap();
    buffer.as_mut_slice().unwrap().copy_from(&[7; 5]).unwrap();
    assert_eq!(buffer.check().unwrap(), None);
    let first = buffer.ptr().address() as *mut u8;
    for (offset, count) in [(-1isize, 1), (10, 2), (-512, 3), (521, 4)] {
        // SAFETY: the stub's memory is the host's, and the bands of 512 bytes lie around these 10 bytes.
        unsafe { first.offset(offset).write(0) };
        let violation = buffer.check().unwrap().expect("a byte was overwritten");
        assert_eq!((violation.count, violation.size_bytes), (count, 10));
    }
    let violation = buffer.check().unwrap().unwrap();
    assert_eq!((violation.first, violation.last), (-512, 521));
    assert_eq!(buffer.as_slice().unwrap().to_vec().unwrap(), [7; 5]);
}
