//! One launch on several devices.

use std::{
    ffi::{c_int, c_uint, c_void},
    sync::Arc,
};

use hip_sys::*;

use crate::{
    api::{Status, api},
    function::{self, Function},
    launch::{self, Config},
    runtime::runtime,
    stream,
};

const INVALID: hipError_t = hipError_t::hipErrorInvalidValue;
/// hipCooperativeLaunchMultiDeviceNoPreSync and …NoPostSync: commands run when they are enqueued, one after the
/// other, so that there is nothing to synchronise with.
const FLAGS: c_uint = 3;

/// One device's part.
struct Part {
    function: Arc<Function>,
    grid: dim3,
    block: dim3,
    dynamic_lds: usize,
    stream: hipStream_t,
    params: *mut *mut c_void,
}

/// A caller's list of `count` structs, for at most as many devices as there are.
///
/// # Safety
/// `list` is null or has `count` entries.
unsafe fn entries<'a, T>(list: *const T, count: usize, flags: c_uint) -> Result<&'a [T], hipError_t> {
    if list.is_null() || count == 0 || count > runtime().devices.len() || flags & !FLAGS != 0 {
        return Err(INVALID);
    }
    // SAFETY: not null, and the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(list, count) })
}

/// Launches every part on the device of its stream.
///
/// The devices do not run at the same time: a kernel that waits for another device's cannot end, and its
/// launch ends at its instruction budget.
///
/// # Safety
/// Each part's arguments are what `hipLaunchKernel` documents, for its kernel.
unsafe fn launch_parts(parts: Vec<Part>, cooperative: bool) -> Status {
    let (mut seen, mut configs) = (Vec::new(), Vec::new());
    for part in &parts {
        if part.stream.is_null() {
            return Err(hipError_t::hipErrorInvalidResourceHandle);
        }
        let device = stream::resolve(part.stream)?.device.id;
        let same = |first: &Part| {
            let dims = |d: dim3| [d.x, d.y, d.z];
            dims(first.grid) == dims(part.grid)
                && dims(first.block) == dims(part.block)
                && first.dynamic_lds == part.dynamic_lds
                && first.function.kernel() == part.function.kernel()
        };
        if seen.contains(&device) {
            return Err(hipError_t::hipErrorInvalidDevice);
        }
        if cooperative && !parts.first().is_some_and(same) {
            return Err(INVALID);
        }
        seen.push(device);
        let config = Config::new(part.grid, part.block, part.dynamic_lds)?;
        let config = if cooperative { config.resident(&part.function)? } else { config };
        // Refused before the first part runs.
        config.of(part.function.clone(), Vec::new())?;
        configs.push(config);
    }
    for (part, config) in parts.into_iter().zip(configs) {
        let queue = stream::resolve(part.stream)?;
        // SAFETY: the caller's arguments.
        unsafe { launch::submit(part.function, config, &queue, part.params, std::ptr::null_mut()) }?;
    }
    Ok(())
}

/// The part that a runtime launch means: the symbol's kernel on the stream's device.
fn of_symbol(params: &hipLaunchParams) -> Result<Part, hipError_t> {
    let function = stream::on_device_of(params.stream, || function::of_symbol(params.func))?;
    Ok(Part {
        function,
        grid: params.gridDim,
        block: params.blockDim,
        dynamic_lds: params.sharedMem,
        stream: params.stream,
        params: params.args,
    })
}

fn of_function(params: &hipFunctionLaunchParams) -> Result<Part, hipError_t> {
    Ok(Part {
        function: function::resolve(params.function)?,
        grid: dim3 { x: params.gridDimX, y: params.gridDimY, z: params.gridDimZ },
        block: dim3 { x: params.blockDimX, y: params.blockDimY, z: params.blockDimZ },
        dynamic_lds: params.sharedMemBytes as usize,
        stream: params.hStream,
        params: params.kernelParams,
    })
}

api! {
    /// Launches a kernel of each device, in the order of the list.
    fn hipExtLaunchMultiKernelMultiDevice(list: *mut hipLaunchParams, count: c_int, flags: c_uint) {
        // SAFETY: the caller's list.
        let list = unsafe { entries(list, usize::try_from(count).map_err(|_| INVALID)?, flags) }?;
        let parts = list.iter().map(of_symbol).collect::<Result<Vec<_>, _>>()?;
        // SAFETY: the caller's arguments.
        unsafe { launch_parts(parts, false) }
    }
    /// Launches the same kernel on each device, whose workgroups must all be resident.
    fn hipLaunchCooperativeKernelMultiDevice(list: *mut hipLaunchParams, count: c_int, flags: c_uint) {
        // SAFETY: the caller's list.
        let list = unsafe { entries(list, usize::try_from(count).map_err(|_| INVALID)?, flags) }?;
        let parts = list.iter().map(of_symbol).collect::<Result<Vec<_>, _>>()?;
        // SAFETY: the caller's arguments.
        unsafe { launch_parts(parts, true) }
    }
    /// As `hipLaunchCooperativeKernelMultiDevice`, for kernels of modules.
    fn hipModuleLaunchCooperativeKernelMultiDevice(
        list: *mut hipFunctionLaunchParams, count: c_uint, flags: c_uint,
    ) {
        // SAFETY: the caller's list.
        let list = unsafe { entries(list, count as usize, flags) }?;
        let parts = list.iter().map(of_function).collect::<Result<Vec<_>, _>>()?;
        // SAFETY: the caller's arguments.
        unsafe { launch_parts(parts, true) }
    }
}
