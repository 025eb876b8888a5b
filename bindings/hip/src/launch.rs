//! Launching a kernel.

use std::ffi::c_void;
use std::fmt;
use std::mem::size_of;
use std::ptr;

use bytemuck::Pod;
use hip_sys::{HIP_LAUNCH_PARAM_BUFFER_POINTER, HIP_LAUNCH_PARAM_BUFFER_SIZE, HIP_LAUNCH_PARAM_END};

use crate::context::call;
use crate::{Function, Result, Stream};

/// An extent in up to three dimensions; dimensions that are left out are 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Dim3 {
    /// The fastest dimension.
    pub x: u32,
    /// The second.
    pub y: u32,
    /// The slowest.
    pub z: u32,
}

/// How many work-items run a kernel, and with how much LDS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LaunchConfig {
    /// Workgroups, in each dimension.
    pub grid: Dim3,
    /// Work-items of a workgroup, in each dimension.
    pub block: Dim3,
    /// Dynamic LDS of a workgroup, in bytes, on top of what the kernel declares.
    pub shared_bytes: u32,
}

impl LaunchConfig {
    /// `grid` workgroups of `block` work-items, without dynamic LDS.
    pub fn new(grid: impl Into<Dim3>, block: impl Into<Dim3>) -> Self {
        Self { grid: grid.into(), block: block.into(), shared_bytes: 0 }
    }

    /// The same with `bytes` of dynamic LDS.
    pub fn with_shared_bytes(self, bytes: u32) -> Self {
        Self { shared_bytes: bytes, ..self }
    }
}

impl Function {
    /// Queues the kernel with the arguments in one struct and returns.
    ///
    /// The struct is copied before this returns. It mirrors the kernel's parameter list: `repr(C)`
    /// fields in order, pointers as [`DevicePtr`](crate::DevicePtr) or `u64`. `Pod` allows no
    /// implicit padding, so padding is written out as a field; a kernel that takes one struct by
    /// value takes the same bytes.
    ///
    /// # Errors
    /// The status of `hipModuleLaunchKernel`. A kernel that fails later shows in the next call that
    /// waits.
    ///
    /// # Safety
    /// Rust cannot see the kernel. The caller answers for:
    /// 1. `arguments` having the kernel's parameter layout;
    /// 2. every address in it being valid for what the kernel does with it, until the stream has
    ///    passed the kernel, or, when captured, as long as the graph may be launched;
    /// 3. no other work writing what the kernel touches at the same time, nor reading what it writes.
    ///
    /// Device memory that is dropped early is not among them: freeing waits for the device. On the
    /// virtual device a violation of 2 is a reported fault; on a GPU it may corrupt any buffer.
    pub unsafe fn launch<P: Pod>(&self, config: LaunchConfig, stream: &Stream, arguments: &P) -> Result<()> {
        let mut bytes = size_of::<P>();
        let mut extra = [
            HIP_LAUNCH_PARAM_BUFFER_POINTER,
            ptr::from_ref(arguments).cast_mut().cast::<c_void>(),
            HIP_LAUNCH_PARAM_BUFFER_SIZE,
            ptr::from_mut(&mut bytes).cast::<c_void>(),
            HIP_LAUNCH_PARAM_END,
        ];
        // SAFETY: the list names the argument struct and its size, and HIP only reads them, before
        // it returns. The rest is the caller's.
        unsafe { self.submit(config, stream, ptr::null_mut(), extra.as_mut_ptr(), size_of::<P>()) }
    }

    /// Queues a kernel that is itself under test, with its argument struct as bytes, and returns.
    ///
    /// Safe to call, although the kernel may be wrong and every address in `arguments` made up, because
    /// no value of this program is within its reach:
    ///
    /// - device memory has elements that are [`Pod`](bytemuck::Pod), and the host sees them by copies
    ///   only: any bytes that a kernel leaves there are valid ones;
    /// - the call is refused while a [`PinnedBuffer`](crate::PinnedBuffer) of the same library is alive,
    ///   whatever the arguments are: a kernel may have an address from elsewhere. A new one is handed
    ///   out only after this kernel has ended;
    /// - the call is refused on a device that reaches all host memory.
    ///
    /// On the virtual device a stray access is a reported fault; on a GPU it may change other device
    /// buffers. What it may do to the runtime's own pinned memory there, queues and signals, is the
    /// runtime's and the driver's to survive, as for every program of the machine that launches kernels.
    /// A captured launch runs again by [`GraphExec::launch`](crate::GraphExec::launch), whose caller answers for it.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) for the refusals; otherwise as [`launch`](Self::launch).
    pub fn launch_bytes(&self, config: LaunchConfig, stream: &Stream, arguments: &[u8]) -> Result<()> {
        let mut bytes = arguments.len();
        let mut extra = [
            HIP_LAUNCH_PARAM_BUFFER_POINTER,
            arguments.as_ptr().cast_mut().cast::<c_void>(),
            HIP_LAUNCH_PARAM_BUFFER_SIZE,
            ptr::from_mut(&mut bytes).cast::<c_void>(),
            HIP_LAUNCH_PARAM_END,
        ];
        let device = stream.device();
        device.context().reach().launch(device, || {
            // SAFETY: the list names the argument bytes and their size, and HIP only reads them, before
            // it returns. What the kernel does with them stays in device memory, see above.
            unsafe { self.submit(config, stream, ptr::null_mut(), extra.as_mut_ptr(), arguments.len()) }
        })
    }

    /// Queues the kernel with one pointer per parameter and returns.
    ///
    /// For kernels whose parameter list is known at run time only; HIP takes each size from the code
    /// object's metadata.
    ///
    /// # Errors
    /// As [`launch`](Self::launch).
    ///
    /// # Safety
    /// As [`launch`](Self::launch), and `arguments` must hold one pointer for each parameter, in
    /// order, each to a readable value of the parameter's size.
    pub unsafe fn launch_pointers(
        &self,
        config: LaunchConfig,
        stream: &Stream,
        arguments: &[*const c_void],
    ) -> Result<()> {
        let mut pointers: Vec<*mut c_void> = arguments.iter().map(|pointer| pointer.cast_mut()).collect();
        let bytes = size_of_val(arguments);
        // SAFETY: HIP only reads through the list, before it returns. The rest is the caller's.
        unsafe { self.submit(config, stream, pointers.as_mut_ptr(), ptr::null_mut(), bytes) }
    }

    /// # Safety
    /// As [`launch`](Self::launch); exactly one of `pointers` and `extra` is not null and is a list
    /// as `hipModuleLaunchKernel` defines it.
    unsafe fn submit(
        &self,
        LaunchConfig { grid, block, shared_bytes }: LaunchConfig,
        stream: &Stream,
        pointers: *mut *mut c_void,
        extra: *mut *mut c_void,
        argument_bytes: usize,
    ) -> Result<()> {
        stream.device().make_current()?;
        // SAFETY: the function's module is loaded for as long as the function lives, the stream is
        // null or live; the rest is the caller's.
        unsafe {
            call!(
                stream.device().context(),
                hipModuleLaunchKernel(
                    self.handle(),
                    grid.x,
                    grid.y,
                    grid.z,
                    block.x,
                    block.y,
                    block.z,
                    shared_bytes,
                    stream.handle(),
                    pointers,
                    extra
                ),
                "kernel = {}, grid = {grid} workgroups, block = {block}, shared = {shared_bytes} bytes, \
                 arguments = {argument_bytes} bytes, {stream:?}",
                self.name()
            )
        }
    }
}

impl From<u32> for Dim3 {
    fn from(x: u32) -> Self {
        Self { x, y: 1, z: 1 }
    }
}

impl From<(u32, u32)> for Dim3 {
    fn from((x, y): (u32, u32)) -> Self {
        Self { x, y, z: 1 }
    }
}

impl From<(u32, u32, u32)> for Dim3 {
    fn from((x, y, z): (u32, u32, u32)) -> Self {
        Self { x, y, z }
    }
}

impl fmt::Display for Dim3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}", self.x, self.y, self.z)
    }
}
