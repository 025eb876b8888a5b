//! Many copies in one call, and copies of slices between devices.

use std::ffi::{c_ulonglong, c_void};

use hip_sys::*;

use crate::{
    api::{Status, api},
    command::Address,
    memory,
    runtime::device,
    transfer::{Transfer, get},
};

const INVALID: hipError_t = hipError_t::hipErrorInvalidValue;

/// Enqueues copies in their order; the first that is refused ends the batch and is named in `failed`, which
/// holds `usize::MAX` when none is.
///
/// # Safety
/// `failed` is null or an out-parameter.
unsafe fn submit(
    copies: impl Iterator<Item = Result<Transfer, hipError_t>>,
    failed: *mut usize,
    stream: hipStream_t,
) -> Status {
    let mut outcome = Ok(());
    let mut place = usize::MAX;
    for (index, copy) in copies.enumerate() {
        outcome = copy.and_then(|copy| copy.submit(stream));
        if outcome.is_err() {
            place = index;
            break;
        }
    }
    if !failed.is_null() {
        // SAFETY: the caller's out-parameter, not null.
        unsafe { failed.write(place) };
    }
    outcome
}

/// One side of a copy of slices, as `hipMemcpy3D` names it.
fn side(operand: &hipMemcpy3DOperand, extent: hipExtent) -> Result<hipPitchedPtr, hipError_t> {
    match operand.type_ {
        hipMemcpy3DOperandType_hipMemcpyOperandTypePointer => {}
        hipMemcpy3DOperandType_hipMemcpyOperandTypeArray => return Err(hipError_t::hipErrorNotSupported),
        _ => return Err(INVALID),
    }
    // SAFETY: the type says which field of the union holds the operand; both are integers and pointers.
    let place = unsafe { operand.op.ptr };
    // Rows and slices without a length are packed.
    let or = |given: usize, packed: usize| if given == 0 { packed } else { given };
    Ok(hipPitchedPtr {
        ptr: place.ptr,
        pitch: or(place.rowLength, extent.width),
        xsize: extent.width,
        ysize: or(place.layerHeight, extent.height),
    })
}

fn of_operation(operation: &hipMemcpy3DBatchOp) -> Result<Transfer, hipError_t> {
    let start = hipPos { x: 0, y: 0, z: 0 };
    Transfer::of_params(&hipMemcpy3DParms {
        srcArray: std::ptr::null_mut(),
        srcPos: start,
        srcPtr: side(&operation.src, operation.extent)?,
        dstArray: std::ptr::null_mut(),
        dstPos: start,
        dstPtr: side(&operation.dst, operation.extent)?,
        extent: operation.extent,
        kind: hipMemcpyKind_hipMemcpyDefault,
    })
}

/// # Safety
/// `params` is null or points to a struct.
unsafe fn between_devices(params: *const hipMemcpy3DPeerParms, stream: hipStream_t) -> Status {
    // SAFETY: the caller's promise.
    let p = unsafe { get(params) }?;
    device(p.srcDevice)?;
    device(p.dstDevice)?;
    Transfer::of_params(&hipMemcpy3DParms {
        srcArray: p.srcArray,
        srcPos: p.srcPos,
        srcPtr: p.srcPtr,
        dstArray: p.dstArray,
        dstPos: p.dstPos,
        dstPtr: p.dstPtr,
        extent: p.extent,
        kind: hipMemcpyKind_hipMemcpyDeviceToDevice,
    })?
    .submit(stream)
}

api! {
    /// Linear copies between any two places. The attributes say when a source may be read, which is always
    /// when the copy runs, and where memory lies, which its address says.
    fn hipMemcpyBatchAsync(
        targets: *mut *mut c_void, sources: *mut *mut c_void, sizes: *mut usize, count: usize,
        attributes: *mut hipMemcpyAttributes, starts: *mut usize, attribute_count: usize, failed: *mut usize,
        stream: hipStream_t,
    ) {
        let lists = [targets.is_null(), sources.is_null(), sizes.is_null()].contains(&true);
        if lists || count == 0 || attribute_count > count {
            return Err(INVALID);
        }
        if attribute_count > 0 {
            if attributes.is_null() || starts.is_null() {
                return Err(INVALID);
            }
            // SAFETY: the caller's list, not null.
            let starts = unsafe { std::slice::from_raw_parts(starts, attribute_count) };
            // Each attribute holds from its index to the next one's.
            let ascending = starts.windows(2).all(|pair| pair[0] < pair[1]);
            if starts[0] != 0 || !ascending || starts[attribute_count - 1] >= count {
                return Err(INVALID);
            }
        }
        let copies = (0..count).map(|index| {
            // SAFETY: the caller's lists have `count` entries.
            let (target, source, bytes) =
                unsafe { (*targets.add(index), *sources.add(index), *sizes.add(index)) };
            let kind = hipMemcpyKind_hipMemcpyDefault;
            Ok(Transfer::linear(target as Address, source as Address, bytes as u64, kind))
        });
        // SAFETY: the caller's out-parameter.
        unsafe { submit(copies, failed, stream) }
    }
    /// Copies of slices between any two places; arrays are refused.
    fn hipMemcpy3DBatchAsync(
        count: usize, list: *mut hipMemcpy3DBatchOp, failed: *mut usize, flags: c_ulonglong,
        stream: hipStream_t,
    ) {
        if list.is_null() || count == 0 || flags != 0 {
            return Err(INVALID);
        }
        // SAFETY: the caller's list, not null.
        let operations = unsafe { std::slice::from_raw_parts(list, count) };
        // SAFETY: the caller's out-parameter.
        unsafe { submit(operations.iter().map(of_operation), failed, stream) }
    }
    /// Copies slices between devices.
    fn hipMemcpy3DPeer(params: *mut hipMemcpy3DPeerParms) {
        // SAFETY: the caller's struct.
        memory::now(|| unsafe { between_devices(params, std::ptr::null_mut()) })
    }
    /// Copies slices between devices in stream order.
    fn hipMemcpy3DPeerAsync(params: *mut hipMemcpy3DPeerParms, stream: hipStream_t) {
        // SAFETY: the caller's struct.
        unsafe { between_devices(params, stream) }
    }
}
