//! Memory of other devices and other processes, which the virtual devices do not share: refusals, each with the
//! code that a program expects.

use std::ffi::{c_int, c_uint, c_void};

use hip_sys::*;

use crate::{
    api::{Status, api, put},
    command::Address,
    copy, memory,
    pointer::owner,
    runtime::{current, device, runtime},
};

/// Names the first refusal to share with another process.
fn no_sharing(name: &str) -> Status {
    static TOLD: std::sync::Once = std::sync::Once::new();
    TOLD.call_once(|| eprintln!("vhip: {name}: the virtual MI355X shares nothing with other processes"));
    Err(hipError_t::hipErrorNotSupported)
}

/// Another device than the current one, by its number.
fn another(peer: c_int) -> Status {
    if device(peer)?.id == current().id { Err(hipError_t::hipErrorInvalidDevice) } else { Ok(()) }
}

/// A copy from one device's memory to another's, through the process's address space.
fn copy(
    target: *mut c_void,
    to: c_int,
    source: *const c_void,
    from: c_int,
    bytes: usize,
    stream: hipStream_t,
) -> Status {
    device(to)?;
    device(from)?;
    copy::copy(target, source, bytes, hipMemcpyKind_hipMemcpyDeviceToDevice, stream)
}

api! {
    /// Copies between devices, which needs no peer access.
    fn hipMemcpyPeer(target: *mut c_void, to: c_int, source: *const c_void, from: c_int, bytes: usize) {
        memory::now(|| copy(target, to, source, from, bytes, std::ptr::null_mut()))
    }
    /// Copies between devices in stream order.
    fn hipMemcpyPeerAsync(
        target: *mut c_void, to: c_int, source: *const c_void, from: c_int, bytes: usize, stream: hipStream_t,
    ) { copy(target, to, source, from, bytes, stream) }
    /// Peer access is refused: the virtual devices share no fabric model.
    fn hipDeviceCanAccessPeer(can: *mut c_int, from: c_int, to: c_int) {
        device(from)?;
        device(to)?;
        // SAFETY: the caller's out-parameter.
        unsafe { put(can, 0) }
    }
    /// Refused, see `hipDeviceCanAccessPeer`.
    fn hipDeviceEnablePeerAccess(peer: c_int, flags: c_uint) {
        another(peer)?;
        if flags != 0 {
            return Err(hipError_t::hipErrorInvalidValue);
        }
        Err(hipError_t::hipErrorPeerAccessUnsupported)
    }
    /// There is never any to take back.
    fn hipDeviceDisablePeerAccess(peer: c_int) {
        another(peer)?;
        Err(hipError_t::hipErrorPeerAccessNotEnabled)
    }
    /// What two devices can do with each other's memory: nothing.
    fn hipDeviceGetP2PAttribute(value: *mut c_int, which: hipDeviceP2PAttr, from: c_int, to: c_int) {
        if which > hipDeviceP2PAttr_hipDevP2PAttrHipArrayAccessSupported {
            return Err(hipError_t::hipErrorInvalidValue);
        }
        if device(from)?.id == device(to)?.id {
            return Err(hipError_t::hipErrorInvalidDevice);
        }
        // SAFETY: the caller's out-parameter.
        unsafe { put(value, 0) }
    }
    /// Refused: a device allocation cannot be named outside its process.
    fn hipIpcGetMemHandle(handle: *mut hipIpcMemHandle_t, pointer: *mut c_void) {
        if handle.is_null() || owner(pointer as Address).is_none() {
            return Err(hipError_t::hipErrorInvalidValue);
        }
        no_sharing("hipIpcGetMemHandle")
    }
    /// Refused: no handle is valid here.
    fn hipIpcOpenMemHandle(target: *mut *mut c_void, _handle: hipIpcMemHandle_t, _flags: c_uint) {
        if target.is_null() {
            return Err(hipError_t::hipErrorInvalidValue);
        }
        no_sharing("hipIpcOpenMemHandle")
    }
    /// Nothing was ever opened.
    fn hipIpcCloseMemHandle(_pointer: *mut c_void) { Err(hipError_t::hipErrorInvalidValue) }
    /// Refused: events are of this process.
    fn hipIpcGetEventHandle(handle: *mut hipIpcEventHandle_t, event: hipEvent_t) {
        if handle.is_null() || event.is_null() {
            return Err(hipError_t::hipErrorInvalidValue);
        }
        runtime().events.get(event)?;
        no_sharing("hipIpcGetEventHandle")
    }
    /// Refused: no handle is valid here.
    fn hipIpcOpenEventHandle(event: *mut hipEvent_t, _handle: hipIpcEventHandle_t) {
        if event.is_null() {
            return Err(hipError_t::hipErrorInvalidValue);
        }
        no_sharing("hipIpcOpenEventHandle")
    }
}
