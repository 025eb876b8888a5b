//! Code objects that are loaded once and used on every device.

use std::{
    collections::HashMap,
    ffi::{c_char, c_uint, c_void},
    sync::{Arc, Mutex},
};

use hip_sys::*;

use crate::{
    api::{Status, api, put, text},
    function, image,
    module::{self, Module},
    runtime::{current, lock, runtime},
};

const INVALID: hipError_t = hipError_t::hipErrorInvalidValue;

/// A library: its code object, and the modules that devices have of it.
pub(crate) struct Library {
    image: Vec<u8>,
    loaded: Mutex<HashMap<usize, Arc<Module>>>,
}

impl Library {
    /// A library of a code object, loaded onto the current device to see that it can be.
    fn new(image: Vec<u8>) -> Result<Library, hipError_t> {
        let library = Library { image, loaded: Mutex::default() };
        library.module()?;
        Ok(library)
    }

    /// Its module on the current device.
    fn module(&self) -> Result<Arc<Module>, hipError_t> {
        let device = current();
        let mut loaded = lock(&self.loaded);
        if let Some(module) = loaded.get(&device.id) {
            return Ok(module.clone());
        }
        let module = Module::load(device, &self.image)?;
        loaded.insert(device.id, module.clone());
        Ok(module)
    }

    fn owns(&self, module: &Arc<Module>) -> bool {
        lock(&self.loaded).values().any(|own| Arc::ptr_eq(own, module))
    }
}

/// Forgets what was loaded onto a device; the next use loads it anew.
pub(crate) fn forget_device(id: usize) {
    for library in runtime().libraries.all() {
        let module = lock(&library.loaded).remove(&id);
        if let Some(module) = module {
            module.forget_functions();
        }
    }
}

fn resolve(library: hipLibrary_t) -> Result<Arc<Library>, hipError_t> {
    runtime().libraries.get(library).map_err(|_| hipError_t::hipErrorInvalidResourceHandle)
}

/// The kernel behind a handle; a kernel's handle is its function's on the device where it was asked for.
fn kernel(handle: hipKernel_t) -> Result<Arc<function::Function>, hipError_t> {
    function::resolve(handle.cast())
}

fn load(target: *mut hipLibrary_t, bytes: Vec<u8>) -> Status {
    let library = Library::new(bytes)?;
    // SAFETY: the caller's out-parameter, which was found not to be null.
    unsafe { put(target, runtime().libraries.insert(Arc::new(library))) }
}

api! {
    /// A library of a code object in memory, which is copied. The options are for a just-in-time compiler and
    /// for lazy loading, neither of which a code object needs.
    fn hipLibraryLoadData(
        target: *mut hipLibrary_t, code: *const c_void, _jit: *mut hipJitOption, _jit_values: *mut *mut c_void,
        _jit_count: c_uint, _options: *mut hipLibraryOption, _values: *mut *mut c_void, _count: c_uint,
    ) {
        if target.is_null() || code.is_null() {
            return Err(INVALID);
        }
        // SAFETY: the caller's image, not null.
        load(target, unsafe { image::read(code) }?.to_vec())
    }
    /// A library of a file.
    fn hipLibraryLoadFromFile(
        target: *mut hipLibrary_t, path: *const c_char, _jit: *mut hipJitOption,
        _jit_values: *mut *mut c_void, _jit_count: c_uint, _options: *mut hipLibraryOption,
        _values: *mut *mut c_void, _count: c_uint,
    ) {
        if target.is_null() {
            return Err(INVALID);
        }
        // SAFETY: the caller's string.
        load(target, module::read(unsafe { text(path) }?)?)
    }
    /// Unloads a library; its kernels' handles become invalid.
    fn hipLibraryUnload(library: hipLibrary_t) {
        let library =
            runtime().libraries.remove(library).map_err(|_| hipError_t::hipErrorInvalidResourceHandle)?;
        for module in std::mem::take(&mut *lock(&library.loaded)).into_values() {
            module.forget_functions();
        }
        Ok(())
    }
    /// A kernel by its symbol, for the current device.
    fn hipLibraryGetKernel(target: *mut hipKernel_t, library: hipLibrary_t, name: *const c_char) {
        if target.is_null() {
            return Err(INVALID);
        }
        // SAFETY: the caller's string.
        let name = unsafe { text(name) }?;
        let handle = resolve(library)?.module()?.function(name)?;
        // SAFETY: the caller's out-parameter, not null.
        unsafe { put(target, handle.cast()) }
    }
    /// Number of kernels.
    fn hipLibraryGetKernelCount(count: *mut c_uint, library: hipLibrary_t) {
        let kernels = resolve(library)?.module()?.image.kernels().len();
        // SAFETY: the caller's out-parameter.
        unsafe { put(count, kernels as c_uint) }
    }
    /// At most `count` kernels, for the current device.
    fn hipLibraryEnumerateKernels(kernels: *mut hipKernel_t, count: c_uint, library: hipLibrary_t) {
        if kernels.is_null() {
            return Err(INVALID);
        }
        let module = resolve(library)?.module()?;
        let names: Vec<String> =
            module.image.kernels().iter().take(count as usize).map(|info| info.name.clone()).collect();
        for (index, name) in names.iter().enumerate() {
            let handle = module.function(name)?;
            // SAFETY: the caller's list has `count` entries.
            unsafe { kernels.add(index).write(handle.cast()) };
        }
        Ok(())
    }
    /// The library that a kernel is of.
    fn hipKernelGetLibrary(target: *mut hipLibrary_t, handle: hipKernel_t) {
        let module = kernel(handle)?.module.clone();
        let found = runtime().libraries.all().into_iter().find(|library| library.owns(&module));
        let found = found.and_then(|library| runtime().libraries.handle(&library));
        // SAFETY: the caller's out-parameter.
        unsafe { put(target, found.ok_or(hipError_t::hipErrorInvalidHandle)?) }
    }
    /// A kernel's symbol; the text lives as long as the library is loaded.
    fn hipKernelGetName(name: *mut *const c_char, handle: hipKernel_t) {
        let function = kernel(handle)?;
        // SAFETY: the caller's out-parameter.
        unsafe { put(name, function.c_name()) }
    }
}
