//! Launches in several calls: what `<<<…>>>` becomes, and how programs of HIP's first years launched.

use std::{cell::RefCell, ffi::c_void};

use hip_sys::*;

use crate::{
    api::{Status, api, put},
    function,
    launch::{self, Config},
    stream,
};

/// A launch that waits for its kernel.
struct Pushed {
    grid: dim3,
    block: dim3,
    dynamic_lds: usize,
    stream: hipStream_t,
    /// Arguments that `hipSetupArgument` placed, as the kernel's argument buffer.
    arguments: Vec<u8>,
}

thread_local! {
    static PUSHED: RefCell<Vec<Pushed>> = const { RefCell::new(Vec::new()) };
}

/// What an argument buffer may have, bytes: the limit of kernel arguments that HIP documents.
const MAX_ARGUMENT_BYTES: usize = 4096;

fn push(grid: dim3, block: dim3, dynamic_lds: usize, stream: hipStream_t) -> Status {
    let pushed = Pushed { grid, block, dynamic_lds, stream, arguments: Vec::new() };
    PUSHED.with_borrow_mut(|all| all.push(pushed));
    Ok(())
}

fn pop() -> Result<Pushed, hipError_t> {
    PUSHED.with_borrow_mut(Vec::pop).ok_or(hipError_t::hipErrorMissingConfiguration)
}

api! {
    /// Keeps the shape of the `<<<…>>>` that follows.
    fn __hipPushCallConfiguration(grid: dim3, block: dim3, dynamic_lds: usize, stream: hipStream_t) {
        push(grid, block, dynamic_lds, stream)
    }
    /// Gives the shape back to the kernel's stub.
    fn __hipPopCallConfiguration(
        grid: *mut dim3, block: *mut dim3, dynamic_lds: *mut usize, stream: *mut hipStream_t,
    ) {
        let pushed = pop()?;
        // SAFETY: the stub's out-parameters.
        unsafe {
            put(grid, pushed.grid)?;
            put(block, pushed.block)?;
            put(dynamic_lds, pushed.dynamic_lds)?;
            put(stream, pushed.stream)
        }
    }
    /// Keeps the shape of the `hipLaunchByPtr` that follows.
    fn hipConfigureCall(grid: dim3, block: dim3, dynamic_lds: usize, stream: hipStream_t) {
        push(grid, block, dynamic_lds, stream)
    }
    /// Places an argument of the `hipLaunchByPtr` that follows: `bytes` bytes at `offset` of the buffer.
    fn hipSetupArgument(argument: *const c_void, bytes: usize, offset: usize) {
        let end = offset.checked_add(bytes).filter(|end| *end <= MAX_ARGUMENT_BYTES);
        let end = end.filter(|_| !argument.is_null()).ok_or(hipError_t::hipErrorInvalidValue)?;
        // SAFETY: the caller's argument has that size.
        let value = unsafe { std::slice::from_raw_parts(argument.cast::<u8>(), bytes) };
        PUSHED.with_borrow_mut(|all| {
            let pushed = all.last_mut().ok_or(hipError_t::hipErrorMissingConfiguration)?;
            let buffer = &mut pushed.arguments;
            buffer.resize(buffer.len().max(end), 0);
            buffer[offset..end].copy_from_slice(value);
            Ok(())
        })
    }
    /// Launches the kernel of a host symbol with the shape and the arguments of the calls before.
    fn hipLaunchByPtr(symbol: *const c_void) {
        let mut pushed = pop()?;
        let function = function::of_symbol(symbol)?;
        let config = Config::new(pushed.grid, pushed.block, pushed.dynamic_lds)?;
        let mut bytes = pushed.arguments.len();
        let mut extra = [
            HIP_LAUNCH_PARAM_BUFFER_POINTER,
            pushed.arguments.as_mut_ptr().cast(),
            HIP_LAUNCH_PARAM_BUFFER_SIZE,
            (&raw mut bytes).cast(),
            HIP_LAUNCH_PARAM_END,
        ];
        let queue = stream::resolve(pushed.stream)?;
        // SAFETY: the list is made here; the buffer has the size that it says.
        unsafe { launch::submit(function, config, &queue, std::ptr::null_mut(), extra.as_mut_ptr()) }
    }
}
