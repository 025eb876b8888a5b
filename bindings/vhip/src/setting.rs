//! Settings of a device: limits, and preferences between memories that it does not have to choose between.

use std::{collections::BTreeMap, ffi::c_void, sync::Mutex};

use hip_sys::*;

use crate::{
    api::{Status, api, put},
    function,
    runtime::{current, lock},
};

const INVALID: hipError_t = hipError_t::hipErrorInvalidValue;
/// What HIP documents for a work-item's stack when nobody asks for more, bytes.
const STACK_BYTES: usize = 1024;
/// A wave's scratch is 8 MiB at most: this for each of 64 work-items.
const MAX_STACK_BYTES: usize = 128 * 1024;
/// HIP's default for what one kernel may print, bytes.
const PRINTF_BYTES: usize = 1 << 20;
/// HIP's default for what kernels may allocate, bytes.
const HEAP_BYTES: usize = 8 << 20;

/// Limits that were changed, by device and limit.
static LIMITS: Mutex<BTreeMap<(usize, hipLimit_t), usize>> = Mutex::new(BTreeMap::new());

/// The limit of a device, bytes; `None` for one that the device has not.
fn limit(device: usize, which: hipLimit_t) -> Option<usize> {
    let default = match which {
        hipLimit_t_hipLimitStackSize => STACK_BYTES,
        hipLimit_t_hipLimitPrintfFifoSize => PRINTF_BYTES,
        hipLimit_t_hipLimitMallocHeapSize => HEAP_BYTES,
        _ => return None,
    };
    Some(lock(&LIMITS).get(&(device, which)).copied().unwrap_or(default))
}

/// Bytes that one kernel of a device may print into its buffer.
pub(crate) fn printf_bytes(device: usize) -> usize {
    limit(device, hipLimit_t_hipLimitPrintfFifoSize).unwrap_or(PRINTF_BYTES)
}

fn check_banks(config: hipSharedMemConfig) -> Status {
    if config > hipSharedMemConfig_hipSharedMemBankSizeEightByte { Err(INVALID) } else { Ok(()) }
}

pub(crate) fn check_cache(config: hipFuncCache_t) -> Status {
    if config > hipFuncCache_t_hipFuncCachePreferEqual { Err(INVALID) } else { Ok(()) }
}

fn give_cache(config: *mut hipFuncCache_t) -> Status {
    // SAFETY: the caller's out-parameter.
    unsafe { put(config, hipFuncCache_t_hipFuncCachePreferNone) }
}

fn give_banks(config: *mut hipSharedMemConfig) -> Status {
    // SAFETY: the caller's out-parameter.
    unsafe { put(config, hipSharedMemConfig_hipSharedMemBankSizeFourByte) }
}

api! {
    /// A limit of the current device, bytes: stack of a work-item, buffer of printf, heap of kernels.
    fn hipDeviceGetLimit(value: *mut usize, which: hipLimit_t) {
        if value.is_null() {
            return Err(INVALID);
        }
        let found = limit(current().id, which).ok_or(hipError_t::hipErrorUnsupportedLimit)?;
        // SAFETY: the caller's out-parameter, not null.
        unsafe { put(value, found) }
    }
    /// Changes a limit of the current device. A kernel's buffer for printf becomes that large; stacks are as
    /// large as kernels need them up to the hardware's limit, and kernels have no heap.
    fn hipDeviceSetLimit(which: hipLimit_t, value: usize) {
        let device = current().id;
        limit(device, which).ok_or(hipError_t::hipErrorUnsupportedLimit)?;
        let most = if which == hipLimit_t_hipLimitStackSize { MAX_STACK_BYTES } else { u32::MAX as usize };
        if value > most {
            return Err(INVALID);
        }
        lock(&LIMITS).insert((device, which), value);
        Ok(())
    }
    /// LDS and L1 are separate memories: there is no preference.
    fn hipDeviceGetCacheConfig(config: *mut hipFuncCache_t) { give_cache(config) }
    /// LDS and L1 are separate memories: any preference is met.
    fn hipDeviceSetCacheConfig(config: hipFuncCache_t) { check_cache(config) }
    /// As `hipDeviceGetCacheConfig`.
    fn hipCtxGetCacheConfig(config: *mut hipFuncCache_t) { give_cache(config) }
    /// As `hipDeviceSetCacheConfig`.
    fn hipCtxSetCacheConfig(config: hipFuncCache_t) { check_cache(config) }
    /// LDS has banks of four bytes.
    fn hipDeviceGetSharedMemConfig(config: *mut hipSharedMemConfig) { give_banks(config) }
    /// The banks of LDS are what they are; accepted when valid, as ROCm does.
    fn hipDeviceSetSharedMemConfig(config: hipSharedMemConfig) { check_banks(config) }
    /// As `hipDeviceGetSharedMemConfig`.
    fn hipCtxGetSharedMemConfig(config: *mut hipSharedMemConfig) { give_banks(config) }
    /// As `hipDeviceSetSharedMemConfig`.
    fn hipCtxSetSharedMemConfig(config: hipSharedMemConfig) { check_banks(config) }
    /// As `hipDeviceSetSharedMemConfig`, for one kernel.
    fn hipFuncSetSharedMemConfig(symbol: *const c_void, config: hipSharedMemConfig) {
        function::of_symbol(symbol)?;
        check_banks(config)
    }
}
