//! Launching kernels: shapes, arguments, and the many functions that take them.

use std::{
    ffi::{c_int, c_uint, c_void},
    sync::Arc,
};

use emulator::KernelInfo;
use hip_sys::*;

use crate::{
    api::{Status, api},
    command::{Command, KernelLaunch},
    device::COMPUTE_UNITS,
    event,
    function::{self, Function},
    grid_sync, occupancy, stream,
    stream::Stream,
};

/// How many work-items, and how much LDS beyond what the kernel declares.
#[derive(Clone, Copy)]
pub(crate) struct Config {
    grid: [u32; 3],
    block: [u32; 3],
    dynamic_lds: u32,
    cooperative: bool,
}

impl Config {
    /// `grid` workgroups of `block` work-items with `dynamic_lds` bytes.
    pub(crate) fn new(grid: dim3, block: dim3, dynamic_lds: usize) -> Result<Config, hipError_t> {
        Ok(Config {
            grid: [grid.x, grid.y, grid.z],
            block: [block.x, block.y, block.z],
            dynamic_lds: u32::try_from(dynamic_lds).map_err(|_| hipError_t::hipErrorInvalidValue)?,
            cooperative: false,
        })
    }

    /// The launch of `function`, refused when it can never run.
    pub(crate) fn of(self, function: Arc<Function>, kernarg: Vec<u8>) -> Result<KernelLaunch, hipError_t> {
        let Config { grid, block, dynamic_lds, cooperative } = self;
        let launch = KernelLaunch { function, grid, block, dynamic_lds, kernarg, cooperative };
        launch.check()?;
        Ok(launch)
    }

    /// The same shape for a cooperative launch; refused when its workgroups cannot all be on the device at once.
    pub(crate) fn resident(self, function: &Function) -> Result<Config, hipError_t> {
        if self.grid.contains(&0) || self.block.contains(&0) {
            return Err(hipError_t::hipErrorInvalidConfiguration);
        }
        let groups: u64 = self.grid.iter().map(|n| *n as u64).product();
        let threads: u64 = self.block.iter().map(|n| *n as u64).product();
        let threads = u32::try_from(threads).map_err(|_| hipError_t::hipErrorInvalidConfiguration)?;
        let resident = occupancy::groups_per_unit(function, threads, self.dynamic_lds as usize) as u64;
        if groups > resident * COMPUTE_UNITS as u64 {
            return Err(hipError_t::hipErrorCooperativeLaunchTooLarge);
        }
        if groups > grid_sync::MAX_GROUPS && grid_sync::is_used_by(function.info()) {
            eprintln!(
                "vhip: cooperative launch of {} refused: of {groups} workgroups that wait for each other the \
                 virtual MI355X runs {} at once",
                function.kernel(),
                grid_sync::MAX_GROUPS
            );
            return Err(hipError_t::hipErrorCooperativeLaunchTooLarge);
        }
        Ok(Config { cooperative: true, ..self })
    }
}

/// The explicit arguments of a launch as the code object lays them out: from `extra`, a list with a buffer,
/// or from `params`, one pointer for each argument.
///
/// # Errors
/// hipErrorInvalidValue when both or neither are given (unless the kernel has no arguments), for null
/// pointers and for a malformed list.
///
/// # Safety
/// The lists are what `hipModuleLaunchKernel` documents, for a kernel with this metadata.
pub(crate) unsafe fn arguments(
    info: &KernelInfo,
    params: *mut *mut c_void,
    extra: *mut *mut c_void,
) -> Result<Vec<u8>, hipError_t> {
    let invalid = hipError_t::hipErrorInvalidValue;
    let mut segment = vec![0u8; info.explicit_bytes() as usize];
    if !extra.is_null() {
        if !params.is_null() {
            return Err(invalid);
        }
        // SAFETY: the caller's list.
        let buffer = unsafe { buffer(extra) }?;
        if buffer.len() < segment.len() {
            eprintln!(
                "vhip: kernel {} takes {} bytes of arguments, the buffer has {}",
                info.name,
                segment.len(),
                buffer.len()
            );
            return Err(invalid);
        }
        return Ok(buffer);
    }
    let explicit = info.args.iter().filter(|arg| !arg.kind.is_hidden());
    for (index, arg) in explicit.enumerate() {
        if params.is_null() {
            return Err(invalid);
        }
        // SAFETY: the list has one pointer for each explicit argument.
        let value = unsafe { *params.add(index) };
        if value.is_null() {
            return Err(invalid);
        }
        let target = &mut segment[arg.offset as usize..][..arg.size as usize];
        // SAFETY: the pointer leads to a value of the argument's size; the target has as many bytes.
        unsafe { std::ptr::copy_nonoverlapping(value.cast::<u8>(), target.as_mut_ptr(), target.len()) };
    }
    Ok(segment)
}

/// The argument buffer of an `extra` list.
///
/// # Safety
/// The list ends with HIP_LAUNCH_PARAM_END, its buffer has the size that it says.
unsafe fn buffer(extra: *mut *mut c_void) -> Result<Vec<u8>, hipError_t> {
    let (mut start, mut bytes): (*const u8, Option<usize>) = (std::ptr::null(), None);
    let mut at = extra;
    loop {
        // SAFETY: the list has not ended yet; every tag but the last has a value behind it.
        unsafe {
            match *at {
                tag if tag == HIP_LAUNCH_PARAM_END => break,
                tag if tag == HIP_LAUNCH_PARAM_BUFFER_POINTER => start = (*at.add(1)).cast(),
                tag if tag == HIP_LAUNCH_PARAM_BUFFER_SIZE => {
                    let size = (*at.add(1)).cast::<usize>();
                    if size.is_null() {
                        return Err(hipError_t::hipErrorInvalidValue);
                    }
                    bytes = Some(*size);
                }
                _ => return Err(hipError_t::hipErrorInvalidValue),
            }
            at = at.add(2);
        }
    }
    match bytes {
        Some(0) => Ok(Vec::new()),
        // SAFETY: the buffer has the size that the list says.
        Some(bytes) if !start.is_null() => Ok(unsafe { std::slice::from_raw_parts(start, bytes) }.to_vec()),
        _ => Err(hipError_t::hipErrorInvalidValue),
    }
}

/// Enqueues a launch.
///
/// # Safety
/// As [`arguments`].
pub(crate) unsafe fn submit(
    function: Arc<Function>,
    config: Config,
    stream: &Stream,
    params: *mut *mut c_void,
    extra: *mut *mut c_void,
) -> Status {
    if function.module.device.id != stream.device.id {
        return Err(hipError_t::hipErrorInvalidDevice);
    }
    // SAFETY: the caller's lists.
    let kernarg = unsafe { arguments(function.info(), params, extra) }?;
    stream.enqueue(Command::Kernel(config.of(function, kernarg)?))
}

/// A launch whose shape is given in work-items, with an optional event at either end.
///
/// # Safety
/// As [`arguments`].
#[expect(clippy::too_many_arguments, reason = "hipExtModuleLaunchKernel's own list")]
unsafe fn submit_items(
    handle: hipFunction_t,
    items: [u32; 3],
    block: [u32; 3],
    dynamic_lds: usize,
    stream: hipStream_t,
    params: *mut *mut c_void,
    extra: *mut *mut c_void,
    events: (hipEvent_t, hipEvent_t),
) -> Status {
    let function = function::resolve(handle)?;
    let mut grid = [0; 3];
    for i in 0..3 {
        if block[i] == 0 || !items[i].is_multiple_of(block[i]) {
            eprintln!(
                "vhip: launch of {} refused: {items:?} work-items are not whole workgroups of {block:?}",
                function.kernel()
            );
            return Err(hipError_t::hipErrorInvalidConfiguration);
        }
        grid[i] = items[i] / block[i];
    }
    let dynamic_lds = u32::try_from(dynamic_lds).map_err(|_| hipError_t::hipErrorInvalidValue)?;
    // SAFETY: the caller's lists.
    unsafe {
        submit_between(
            function,
            Config { grid, block, dynamic_lds, cooperative: false },
            stream,
            params,
            extra,
            events,
        )
    }
}

/// A launch between two events, each of which may be null.
///
/// # Safety
/// As [`arguments`].
unsafe fn submit_between(
    function: Arc<Function>,
    config: Config,
    stream: hipStream_t,
    params: *mut *mut c_void,
    extra: *mut *mut c_void,
    (start, stop): (hipEvent_t, hipEvent_t),
) -> Status {
    let queue = stream::resolve(stream)?;
    if !start.is_null() {
        event::record(start, stream)?;
    }
    // SAFETY: the caller's lists.
    unsafe { submit(function, config, &queue, params, extra) }?;
    if stop.is_null() { Ok(()) } else { event::record(stop, stream) }
}

/// Whether the launch attributes ask for a cooperative launch. Priorities make no difference; anything else
/// is refused.
///
/// # Safety
/// `attributes` holds `count` of them, or `count` is 0.
unsafe fn is_cooperative(attributes: *const hipLaunchAttribute, count: c_uint) -> Result<bool, hipError_t> {
    if count == 0 {
        return Ok(false);
    }
    if attributes.is_null() {
        return Err(hipError_t::hipErrorInvalidValue);
    }
    let mut cooperative = false;
    // SAFETY: not null, and the caller's promise.
    for attribute in unsafe { std::slice::from_raw_parts(attributes, count as usize) } {
        match attribute.id {
            hipLaunchAttributeID_hipLaunchAttributeCooperative => {
                // SAFETY: the identifier says which field of the union holds the value.
                cooperative |= unsafe { attribute.__bindgen_anon_1.val.cooperative } != 0;
            }
            hipLaunchAttributeID_hipLaunchAttributePriority => {}
            other => {
                eprintln!("vhip: launch attribute {other} is not implemented by the virtual MI355X");
                return Err(hipError_t::hipErrorNotSupported);
            }
        }
    }
    Ok(cooperative)
}

/// A launch of the kernel of a host symbol.
///
/// # Safety
/// As [`arguments`].
pub(crate) unsafe fn launch_symbol(
    symbol: *const c_void,
    grid: dim3,
    block: dim3,
    params: *mut *mut c_void,
    dynamic_lds: usize,
    stream: hipStream_t,
) -> Status {
    let function = function::of_symbol(symbol)?;
    let config = Config::new(grid, block, dynamic_lds)?;
    // SAFETY: the caller's list.
    unsafe { submit(function, config, &*stream::resolve(stream)?, params, std::ptr::null_mut()) }
}

/// A cooperative launch of the kernel of a host symbol.
///
/// # Safety
/// As [`arguments`].
pub(crate) unsafe fn cooperative(
    symbol: *const c_void,
    grid: dim3,
    block: dim3,
    params: *mut *mut c_void,
    dynamic_lds: c_uint,
    stream: hipStream_t,
) -> Status {
    let function = function::of_symbol(symbol)?;
    let config = Config::new(grid, block, dynamic_lds as usize)?.resident(&function)?;
    let extra = std::ptr::null_mut();
    // SAFETY: the caller's list.
    unsafe { submit_between(function, config, stream, params, extra, NO_EVENTS) }
}

const NO_EVENTS: (hipEvent_t, hipEvent_t) = (std::ptr::null_mut(), std::ptr::null_mut());

fn dims(x: c_uint, y: c_uint, z: c_uint) -> dim3 {
    dim3 { x, y, z }
}

api! {
    /// Launches a kernel of a module.
    fn hipModuleLaunchKernel(
        handle: hipFunction_t, grid_x: c_uint, grid_y: c_uint, grid_z: c_uint, block_x: c_uint,
        block_y: c_uint, block_z: c_uint, dynamic_lds: c_uint, stream: hipStream_t,
        params: *mut *mut c_void, extra: *mut *mut c_void,
    ) {
        let function = function::resolve(handle)?;
        let (grid, block) = (dims(grid_x, grid_y, grid_z), dims(block_x, block_y, block_z));
        let config = Config::new(grid, block, dynamic_lds as usize)?;
        // SAFETY: the caller's lists.
        unsafe { submit(function, config, &*stream::resolve(stream)?, params, extra) }
    }
    /// Launches a kernel whose workgroups must all be resident, and may wait for each other (`grid.sync()`).
    fn hipModuleLaunchCooperativeKernel(
        handle: hipFunction_t, grid_x: c_uint, grid_y: c_uint, grid_z: c_uint, block_x: c_uint,
        block_y: c_uint, block_z: c_uint, dynamic_lds: c_uint, stream: hipStream_t, params: *mut *mut c_void,
    ) {
        let function = function::resolve(handle)?;
        let (grid, block) = (dims(grid_x, grid_y, grid_z), dims(block_x, block_y, block_z));
        let config = Config::new(grid, block, dynamic_lds as usize)?.resident(&function)?;
        // SAFETY: the caller's list.
        unsafe { submit(function, config, &*stream::resolve(stream)?, params, std::ptr::null_mut()) }
    }
    /// Launches with the grid in work-items, between two events.
    fn hipExtModuleLaunchKernel(
        handle: hipFunction_t, items_x: u32, items_y: u32, items_z: u32, block_x: u32, block_y: u32,
        block_z: u32, dynamic_lds: usize, stream: hipStream_t, params: *mut *mut c_void,
        extra: *mut *mut c_void, start: hipEvent_t, stop: hipEvent_t, _flags: u32,
    ) {
        let (items, block) = ([items_x, items_y, items_z], [block_x, block_y, block_z]);
        // SAFETY: the caller's lists.
        unsafe { submit_items(handle, items, block, dynamic_lds, stream, params, extra, (start, stop)) }
    }
    /// `hipExtModuleLaunchKernel` as C++ programs of older headers name it.
    fn _Z24hipExtModuleLaunchKernelP18ihipModuleSymbol_tjjjjjjmP12ihipStream_tPPvS4_P11ihipEvent_tS6_j(
        handle: hipFunction_t, items_x: u32, items_y: u32, items_z: u32, block_x: u32, block_y: u32,
        block_z: u32, dynamic_lds: usize, stream: hipStream_t, params: *mut *mut c_void,
        extra: *mut *mut c_void, start: hipEvent_t, stop: hipEvent_t, _flags: u32,
    ) {
        let (items, block) = ([items_x, items_y, items_z], [block_x, block_y, block_z]);
        // SAFETY: the caller's lists.
        unsafe { submit_items(handle, items, block, dynamic_lds, stream, params, extra, (start, stop)) }
    }
    /// `hipExtModuleLaunchKernel` under its old name.
    fn hipHccModuleLaunchKernel(
        handle: hipFunction_t, items_x: u32, items_y: u32, items_z: u32, block_x: u32, block_y: u32,
        block_z: u32, dynamic_lds: usize, stream: hipStream_t, params: *mut *mut c_void,
        extra: *mut *mut c_void, start: hipEvent_t, stop: hipEvent_t,
    ) {
        let (items, block) = ([items_x, items_y, items_z], [block_x, block_y, block_z]);
        // SAFETY: the caller's lists.
        unsafe { submit_items(handle, items, block, dynamic_lds, stream, params, extra, (start, stop)) }
    }
    /// `hipHccModuleLaunchKernel` as C++ programs of older headers name it.
    fn _Z24hipHccModuleLaunchKernelP18ihipModuleSymbol_tjjjjjjmP12ihipStream_tPPvS4_P11ihipEvent_tS6_(
        handle: hipFunction_t, items_x: u32, items_y: u32, items_z: u32, block_x: u32, block_y: u32,
        block_z: u32, dynamic_lds: usize, stream: hipStream_t, params: *mut *mut c_void,
        extra: *mut *mut c_void, start: hipEvent_t, stop: hipEvent_t,
    ) {
        let (items, block) = ([items_x, items_y, items_z], [block_x, block_y, block_z]);
        // SAFETY: the caller's lists.
        unsafe { submit_items(handle, items, block, dynamic_lds, stream, params, extra, (start, stop)) }
    }
    /// Launches a kernel of a module with attributes.
    fn hipDrvLaunchKernelEx(
        config: *const HIP_LAUNCH_CONFIG, handle: hipFunction_t, params: *mut *mut c_void,
        extra: *mut *mut c_void,
    ) {
        if config.is_null() {
            return Err(hipError_t::hipErrorInvalidValue);
        }
        // SAFETY: the caller's struct, not null.
        let c = unsafe { *config };
        let function = function::resolve(handle)?;
        let (grid, block) =
            (dims(c.gridDimX, c.gridDimY, c.gridDimZ), dims(c.blockDimX, c.blockDimY, c.blockDimZ));
        let mut config = Config::new(grid, block, c.sharedMemBytes as usize)?;
        // SAFETY: the caller's attributes.
        if unsafe { is_cooperative(c.attrs, c.numAttrs) }? {
            config = config.resident(&function)?;
        }
        // SAFETY: the caller's lists.
        unsafe { submit(function, config, &*stream::resolve(c.hStream)?, params, extra) }
    }
    /// Launches the kernel of a host symbol with attributes.
    fn hipLaunchKernelExC(config: *const hipLaunchConfig_t, symbol: *const c_void, params: *mut *mut c_void) {
        if config.is_null() {
            return Err(hipError_t::hipErrorInvalidValue);
        }
        // SAFETY: the caller's struct, not null.
        let c = unsafe { *config };
        let function = function::of_symbol(symbol)?;
        let mut config = Config::new(c.gridDim, c.blockDim, c.dynamicSmemBytes)?;
        // SAFETY: the caller's attributes.
        if unsafe { is_cooperative(c.attrs, c.numAttrs) }? {
            config = config.resident(&function)?;
        }
        // SAFETY: the caller's list.
        unsafe { submit(function, config, &*stream::resolve(c.stream)?, params, std::ptr::null_mut()) }
    }
    /// Launches the kernel of a host symbol: what `<<<…>>>` becomes.
    fn hipLaunchKernel(
        symbol: *const c_void, grid: dim3, block: dim3, params: *mut *mut c_void, dynamic_lds: usize,
        stream: hipStream_t,
    ) {
        // SAFETY: the caller's list.
        unsafe { launch_symbol(symbol, grid, block, params, dynamic_lds, stream) }
    }
    /// As `hipLaunchKernel`, between two events.
    fn hipExtLaunchKernel(
        symbol: *const c_void, grid: dim3, block: dim3, params: *mut *mut c_void, dynamic_lds: usize,
        stream: hipStream_t, start: hipEvent_t, stop: hipEvent_t, _flags: c_int,
    ) {
        let function = function::of_symbol(symbol)?;
        let config = Config::new(grid, block, dynamic_lds)?;
        let extra = std::ptr::null_mut();
        // SAFETY: the caller's list.
        unsafe { submit_between(function, config, stream, params, extra, (start, stop)) }
    }
    /// As `hipModuleLaunchCooperativeKernel`, for the kernel of a host symbol.
    fn hipLaunchCooperativeKernel(
        symbol: *const c_void, grid: dim3, block: dim3, params: *mut *mut c_void, dynamic_lds: c_uint,
        stream: hipStream_t,
    ) {
        // SAFETY: the caller's list.
        unsafe { cooperative(symbol, grid, block, params, dynamic_lds, stream) }
    }
}
