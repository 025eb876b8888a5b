//! A loaded code object and its kernels.

use std::ffi::CString;
use std::fmt;
use std::fs;
use std::path::Path;
use std::ptr;
use std::sync::Arc;

use hip_sys::{hipFunction_t, hipModule_t, image};

use crate::context::{call, call_in_drop};
use crate::{Device, Error, Result};

/// A code object that is loaded on a device; unloaded when it and its functions are dropped.
#[derive(Clone)]
pub struct Module {
    loaded: Arc<Loaded>,
}

/// A kernel of a module, which it keeps loaded.
#[derive(Clone)]
pub struct Function {
    module: Arc<Loaded>,
    handle: hipFunction_t,
    name: String,
}

/// What a kernel needs of the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunctionAttributes {
    /// Work-items that a workgroup of this kernel may have.
    pub max_threads_per_group: u32,
    /// LDS that the kernel declares, in bytes.
    pub lds_bytes: u32,
    /// Scratch of a work-item, in bytes; more than 0 may mean spilled registers.
    pub scratch_bytes: u32,
    /// Vector registers of a work-item.
    pub registers: u32,
}

struct Loaded {
    device: Device,
    handle: hipModule_t,
    /// Runtimes may refer to the code object for as long as the module is loaded.
    _image: AlignedImage,
}

// SAFETY: HIP's functions may be called with a module or one of its functions from any thread; the
// handle is an opaque pointer that this crate never dereferences.
unsafe impl Send for Loaded {}
// SAFETY: as above; HIP serialises concurrent uses of one module.
unsafe impl Sync for Loaded {}
// SAFETY: the function's handle is as opaque as the module's, and lives as long as the module.
unsafe impl Send for Function {}
// SAFETY: as above.
unsafe impl Sync for Function {}

impl Module {
    /// Loads a code object: a bare ELF, an offload bundle, or a compressed bundle.
    ///
    /// HIP takes a pointer without a size and believes the headers, so the headers are compared with
    /// `data`'s size first. The bytes are copied.
    ///
    /// # Errors
    /// [`Error::Argument`] when `data` is none of these containers or ends before its headers say;
    /// else the status of `hipModuleLoadData`.
    pub fn load(device: &Device, data: &[u8]) -> Result<Self> {
        image::check(data).map_err(|reason| Error::Argument {
            call: "hipModuleLoadData",
            reason: format!("the code object of {} bytes {reason}", data.len()),
        })?;
        let image = AlignedImage::copy_of(data);
        device.make_current()?;
        let mut handle = ptr::null_mut();
        // SAFETY: the out-pointer is valid for one handle; the image is as long as its headers say
        // and outlives the module.
        unsafe {
            call!(
                device.context(),
                hipModuleLoadData(&mut handle, image.as_ptr()),
                "code object of {} bytes, device = {}",
                data.len(),
                device.ordinal()
            )
        }?;
        Ok(Self { loaded: Arc::new(Loaded { device: device.clone(), handle, _image: image }) })
    }

    /// Reads a file and [`load`](Self::load)s it.
    ///
    /// # Errors
    /// [`Error::ReadCodeObject`], and those of [`load`](Self::load).
    pub fn load_file(device: &Device, path: &Path) -> Result<Self> {
        let data =
            fs::read(path).map_err(|source| Error::ReadCodeObject { path: path.to_owned(), source })?;
        Self::load(device, &data)
    }

    /// The kernel with this symbol.
    ///
    /// # Errors
    /// The status of `hipModuleGetFunction`, `hipErrorNotFound` when there is none.
    pub fn function(&self, name: &str) -> Result<Function> {
        let c_name = CString::new(name).map_err(|_| Error::Argument {
            call: "hipModuleGetFunction",
            reason: format!("the kernel name {name:?} contains a NUL byte"),
        })?;
        let device = &self.loaded.device;
        device.make_current()?;
        let mut handle = ptr::null_mut();
        // SAFETY: the out-pointer is valid for one handle, the module is loaded, the name ends with
        // a NUL.
        unsafe {
            call!(
                device.context(),
                hipModuleGetFunction(&mut handle, self.loaded.handle, c_name.as_ptr()),
                "kernel = {name}, {self:?}"
            )
        }?;
        Ok(Function { module: Arc::clone(&self.loaded), handle, name: name.to_owned() })
    }

    /// The device it is loaded on.
    pub fn device(&self) -> &Device {
        &self.loaded.device
    }
}

impl Function {
    /// The kernel's symbol.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The device its module is loaded on.
    pub fn device(&self) -> &Device {
        &self.module.device
    }

    /// What the kernel needs.
    ///
    /// # Errors
    /// The status of `hipFuncGetAttribute`.
    pub fn attributes(&self) -> Result<FunctionAttributes> {
        use hip_sys::*;
        Ok(FunctionAttributes {
            max_threads_per_group: self
                .attribute(hipFunction_attribute_HIP_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK)?,
            lds_bytes: self.attribute(hipFunction_attribute_HIP_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES)?,
            scratch_bytes: self.attribute(hipFunction_attribute_HIP_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES)?,
            registers: self.attribute(hipFunction_attribute_HIP_FUNC_ATTRIBUTE_NUM_REGS)?,
        })
    }

    /// Workgroups of `block_threads` work-items with `shared_bytes` of dynamic LDS that a compute
    /// unit holds at once.
    ///
    /// # Errors
    /// The status of `hipModuleOccupancyMaxActiveBlocksPerMultiprocessor`.
    pub fn groups_per_compute_unit(&self, block_threads: u32, shared_bytes: usize) -> Result<u32> {
        self.device().make_current()?;
        let (mut groups, threads) = (0, i32::try_from(block_threads).unwrap_or(i32::MAX));
        // SAFETY: the out-pointer is valid for one int and the function's module is loaded.
        unsafe {
            call!(
                self.device().context(),
                hipModuleOccupancyMaxActiveBlocksPerMultiprocessor(
                    &mut groups,
                    self.handle,
                    threads,
                    shared_bytes
                ),
                "kernel = {}, block = {block_threads}, shared = {shared_bytes} bytes",
                self.name
            )
        }?;
        Ok(u32::try_from(groups).unwrap_or(0))
    }

    pub(crate) fn handle(&self) -> hipFunction_t {
        self.handle
    }

    fn attribute(&self, attribute: hip_sys::hipFunction_attribute) -> Result<u32> {
        self.device().make_current()?;
        let mut value = 0;
        // SAFETY: the out-pointer is valid for one int and the function's module is loaded.
        unsafe {
            call!(
                self.device().context(),
                hipFuncGetAttribute(&mut value, attribute, self.handle),
                "kernel = {}, attribute = {attribute}",
                self.name
            )
        }?;
        Ok(u32::try_from(value).unwrap_or(0))
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        let context = self.device.context();
        context.remember(self.device.make_current_in_drop());
        // SAFETY: the handle came from hipModuleLoadData, and every function of it held this value.
        context.remember(unsafe {
            call_in_drop!(context, hipModuleUnload(self.handle), "module = {:p}", self.handle)
        });
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "module = {:p} of device {}", self.loaded.handle, self.loaded.device.ordinal())
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kernel = {} of device {}", self.name, self.module.device.ordinal())
    }
}

/// A code object at a page boundary, as `mmap` would have given it: loaders read ELF structures in
/// place, and the entries of a bundle are aligned to pages from its start.
struct AlignedImage {
    pages: Box<[Page]>,
}

#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(4096))]
struct Page([u8; 4096]);

impl AlignedImage {
    fn copy_of(data: &[u8]) -> Self {
        let mut pages = vec![Page([0; 4096]); data.len().div_ceil(4096)].into_boxed_slice();
        bytemuck::cast_slice_mut::<Page, u8>(&mut pages)[..data.len()].copy_from_slice(data);
        Self { pages }
    }

    fn as_ptr(&self) -> *const std::ffi::c_void {
        self.pages.as_ptr().cast()
    }
}
