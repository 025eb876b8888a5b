//! Code objects on a device.

use std::{
    collections::BTreeMap,
    ffi::{c_char, c_uint, c_void},
    fs,
    sync::{Arc, Mutex},
};

use emulator::LoadError;
use hip_sys::*;

use crate::{
    api::{Status, api, put, text},
    device::VirtualDevice,
    function::Function,
    image,
    runtime::{current, lock, runtime},
};

/// A loaded code object.
pub(crate) struct Module {
    pub device: Arc<VirtualDevice>,
    pub image: emulator::Module,
    /// Handles of the functions that were asked for, by name: the same name gives the same handle.
    functions: Mutex<BTreeMap<String, usize>>,
}

impl Module {
    /// Loads `bytes` onto `device`; says on stderr why it cannot.
    pub(crate) fn load(device: &Arc<VirtualDevice>, bytes: &[u8]) -> Result<Arc<Module>, hipError_t> {
        let image = device.emulator.load(bytes).map_err(|error| {
            eprintln!("vhip: loading a code object of {} bytes: {error}", bytes.len());
            refusal(&error)
        })?;
        Ok(Arc::new(Module { device: device.clone(), image, functions: Mutex::default() }))
    }

    /// The handle of a kernel.
    pub(crate) fn function(self: &Arc<Module>, name: &str) -> Result<hipFunction_t, hipError_t> {
        let mut functions = lock(&self.functions);
        if let Some(handle) = functions.get(name) {
            return Ok(*handle as hipFunction_t);
        }
        let function = Function::new(self, name).ok_or(hipError_t::hipErrorNotFound)?;
        let handle: hipFunction_t = runtime().functions.insert(Arc::new(function));
        functions.insert(name.to_owned(), handle as usize);
        Ok(handle)
    }

    /// Invalidates the function handles, which would keep the module loaded.
    pub(crate) fn forget_functions(&self) {
        for handle in std::mem::take(&mut *lock(&self.functions)).into_values() {
            // A device reset may have removed it already.
            let _function = runtime().functions.remove(handle as hipFunction_t);
        }
    }
}

fn refusal(error: &LoadError) -> hipError_t {
    match error {
        LoadError::NoEntry { .. } | LoadError::WrongTarget { .. } | LoadError::Wavefront { .. } => {
            hipError_t::hipErrorNoBinaryForGpu
        }
        LoadError::Undefined { .. } => hipError_t::hipErrorSharedObjectSymbolNotFound,
        LoadError::Memory(_) => hipError_t::hipErrorOutOfMemory,
        _ => hipError_t::hipErrorInvalidImage,
    }
}

fn load(target: *mut hipModule_t, bytes: &[u8]) -> Status {
    if target.is_null() {
        return Err(hipError_t::hipErrorInvalidValue);
    }
    let module = Module::load(current(), bytes)?;
    // SAFETY: the caller's out-parameter, not null.
    unsafe { put(target, runtime().modules.insert(module)) }
}

/// A file's bytes; says on stderr why there are none.
pub(crate) fn read(path: &str) -> Result<Vec<u8>, hipError_t> {
    if path.is_empty() {
        return Err(hipError_t::hipErrorInvalidValue);
    }
    fs::read(path).map_err(|error| {
        eprintln!("vhip: reading {path}: {error}");
        hipError_t::hipErrorFileNotFound
    })
}

/// # Safety
/// `pointer` is null or points to a code object, a bundle of them, or a fat binary's wrapper.
unsafe fn load_data(target: *mut hipModule_t, pointer: *const c_void) -> Status {
    // SAFETY: the caller's promise.
    let bytes = unsafe { image::read(pointer) }?;
    load(target, &bytes)
}

api! {
    /// Loads a file: a bare code object, or an offload bundle, which may be compressed.
    fn hipModuleLoad(module: *mut hipModule_t, path: *const c_char) {
        // SAFETY: the caller's string.
        let path = unsafe { text(path) }?;
        load(module, &read(path)?)
    }
    /// Loads an image in memory, which is copied.
    fn hipModuleLoadData(module: *mut hipModule_t, image: *const c_void) {
        // SAFETY: the caller's image.
        unsafe { load_data(module, image) }
    }
    /// As `hipModuleLoadData`. The options are for a just-in-time compiler, which code objects do not need.
    fn hipModuleLoadDataEx(
        module: *mut hipModule_t, image: *const c_void, _count: c_uint, _options: *mut hipJitOption,
        _values: *mut *mut c_void,
    ) {
        // SAFETY: the caller's image.
        unsafe { load_data(module, image) }
    }
    /// As `hipModuleLoadData`.
    fn hipModuleLoadFatBinary(module: *mut hipModule_t, image: *const c_void) {
        // SAFETY: the caller's image.
        unsafe { load_data(module, image) }
    }
    /// Unloads a module; its function handles become invalid, captured launches keep the code.
    fn hipModuleUnload(module: hipModule_t) {
        runtime().modules.remove(module)?.forget_functions();
        Ok(())
    }
    /// A kernel by its symbol.
    fn hipModuleGetFunction(function: *mut hipFunction_t, module: hipModule_t, name: *const c_char) {
        // SAFETY: the caller's string.
        let name = unsafe { text(name) }?;
        let handle = runtime().modules.get(module)?.function(name)?;
        // SAFETY: the caller's out-parameter.
        unsafe { put(function, handle) }
    }
    /// Number of kernels.
    fn hipModuleGetFunctionCount(count: *mut c_uint, module: hipModule_t) {
        let kernels = runtime().modules.get(module)?.image.kernels().len();
        // SAFETY: the caller's out-parameter.
        unsafe { put(count, kernels as c_uint) }
    }
    /// Address and bytes of a device variable; either may be left out.
    fn hipModuleGetGlobal(
        address: *mut hipDeviceptr_t, bytes: *mut usize, module: hipModule_t, name: *const c_char,
    ) {
        // SAFETY: the caller's string.
        let name = unsafe { text(name) }?;
        if name.is_empty() || address.is_null() && bytes.is_null() {
            return Err(hipError_t::hipErrorInvalidValue);
        }
        let module = runtime().modules.get(module)?;
        let (base, size) = module.image.global(name).ok_or(hipError_t::hipErrorNotFound)?;
        if !address.is_null() {
            // SAFETY: the caller's out-parameter, not null.
            unsafe { put(address, base as hipDeviceptr_t)? };
        }
        if !bytes.is_null() {
            // SAFETY: the caller's out-parameter, not null.
            unsafe { put(bytes, size as usize)? };
        }
        Ok(())
    }
}
