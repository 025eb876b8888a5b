//! Contexts, which HIP keeps for programs that came from CUDA's driver functions: a device has one, the primary
//! context, and every function that makes or takes one means it.

use std::{
    cell::RefCell,
    ffi::{c_int, c_uint},
};

use hip_sys::*;

use crate::{
    api::{Status, api, put},
    capture,
    runtime::{current, device, set_current},
};

const INVALID: hipError_t = hipError_t::hipErrorInvalidValue;
/// `cuCtxGetApiVersion`'s answer in the numbering of HIP's own contexts.
const API_VERSION: c_uint = 4;
/// hipDeviceScheduleMask, hipDeviceMapHost and hipDeviceLmemResizeToMax.
const FLAGS: c_uint = 0x1f;

thread_local! {
    /// The thread's stack of devices.
    static STACK: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// The handle of a device's context: its number and one, so that it is not null.
fn handle(device: usize) -> hipCtx_t {
    (device + 1) as hipCtx_t
}

/// The device of a context.
fn resolve(context: hipCtx_t) -> Result<usize, hipError_t> {
    let number = (context as usize).checked_sub(1).and_then(|id| c_int::try_from(id).ok());
    let found = number.and_then(|ordinal| device(ordinal).ok());
    Ok(found.ok_or(hipError_t::hipErrorInvalidContext)?.id)
}

fn synchronise() -> Status {
    capture::refuse_all(hipError_t::hipErrorStreamCaptureUnsupported)?;
    current().refuse_after_fault()
}

api! {
    /// The context of a device, which becomes the thread's.
    fn hipCtxCreate(context: *mut hipCtx_t, flags: c_uint, ordinal: hipDevice_t) {
        if context.is_null() || flags & !FLAGS != 0 {
            return Err(INVALID);
        }
        let id = device(ordinal).map_err(|_| INVALID)?.id;
        set_current(ordinal)?;
        STACK.with_borrow_mut(|stack| stack.push(id));
        // SAFETY: the caller's out-parameter, not null.
        unsafe { put(context, handle(id)) }
    }
    /// Takes the context off the thread's stack if it is on its top; the device stays.
    fn hipCtxDestroy(context: hipCtx_t) {
        let id = resolve(context).map_err(|_| INVALID)?;
        STACK.with_borrow_mut(|stack| stack.pop_if(|top| *top == id));
        Ok(())
    }
    /// The context of the thread's device.
    fn hipCtxGetCurrent(context: *mut hipCtx_t) {
        // SAFETY: the caller's out-parameter.
        unsafe { put(context, handle(current().id)) }
    }
    /// Makes a context the thread's, in the place of the one on top; null takes that one off.
    fn hipCtxSetCurrent(context: hipCtx_t) {
        if context.is_null() {
            STACK.with_borrow_mut(|stack| stack.pop());
            return Ok(());
        }
        let id = resolve(context)?;
        set_current(id as c_int)?;
        STACK.with_borrow_mut(|stack| {
            stack.pop();
            stack.push(id);
        });
        Ok(())
    }
    /// Makes a context the thread's, above the others.
    fn hipCtxPushCurrent(context: hipCtx_t) {
        let id = resolve(context)?;
        set_current(id as c_int)?;
        STACK.with_borrow_mut(|stack| stack.push(id));
        Ok(())
    }
    /// Takes the top context off; the one below it becomes the thread's.
    fn hipCtxPopCurrent(context: *mut hipCtx_t) {
        let (top, below) = STACK.with_borrow_mut(|stack| (stack.pop(), stack.last().copied()));
        let top = top.ok_or(hipError_t::hipErrorInvalidContext)?;
        if let Some(below) = below {
            set_current(below as c_int)?;
        }
        if context.is_null() {
            return Ok(());
        }
        // SAFETY: the caller's out-parameter, not null.
        unsafe { put(context, handle(top)) }
    }
    /// The device of the thread's context.
    fn hipCtxGetDevice(ordinal: *mut hipDevice_t) {
        // SAFETY: the caller's out-parameter.
        unsafe { put(ordinal, current().id as hipDevice_t) }
    }
    /// Waits for the device: reports a fault of an earlier kernel.
    fn hipCtxSynchronize() { synchronise() }
    /// The default scheduling flags.
    fn hipCtxGetFlags(flags: *mut c_uint) {
        // SAFETY: the caller's out-parameter.
        unsafe { put(flags, 0) }
    }
    /// The version of the context functions.
    fn hipCtxGetApiVersion(context: hipCtx_t, version: *mut c_uint) {
        resolve(context)?;
        // SAFETY: the caller's out-parameter.
        unsafe { put(version, API_VERSION) }
    }
    /// Refused, see `hipDeviceCanAccessPeer`.
    fn hipCtxEnablePeerAccess(peer: hipCtx_t, _flags: c_uint) {
        let own = resolve(peer)? == current().id;
        Err(if own { hipError_t::hipErrorInvalidDevice } else { hipError_t::hipErrorPeerAccessUnsupported })
    }
    /// There is never any to take back.
    fn hipCtxDisablePeerAccess(peer: hipCtx_t) {
        resolve(peer)?;
        Err(hipError_t::hipErrorPeerAccessNotEnabled)
    }
    /// The flags of a device's context, and whether it is the thread's.
    fn hipDevicePrimaryCtxGetState(ordinal: hipDevice_t, flags: *mut c_uint, active: *mut c_int) {
        let id = device(ordinal)?.id;
        if !flags.is_null() {
            // SAFETY: the caller's out-parameter, not null.
            unsafe { put(flags, 0)? };
        }
        if active.is_null() {
            return Ok(());
        }
        // SAFETY: the caller's out-parameter, not null.
        unsafe { put(active, (id == current().id) as c_int) }
    }
    /// The context of a device; there is nothing to keep.
    fn hipDevicePrimaryCtxRetain(context: *mut hipCtx_t, ordinal: hipDevice_t) {
        let id = device(ordinal)?.id;
        // SAFETY: the caller's out-parameter.
        unsafe { put(context, handle(id)) }
    }
    /// There is nothing to give back.
    fn hipDevicePrimaryCtxRelease(ordinal: hipDevice_t) { device(ordinal).map(drop) }
    /// As ROCm: nothing is reset.
    fn hipDevicePrimaryCtxReset(ordinal: hipDevice_t) { device(ordinal).map(drop) }
    /// Too late, since the context is there from the start.
    fn hipDevicePrimaryCtxSetFlags(ordinal: hipDevice_t, _flags: c_uint) {
        device(ordinal)?;
        Err(hipError_t::hipErrorContextAlreadyInUse)
    }
}
