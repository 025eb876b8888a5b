//! Kernels of loaded modules and their attributes.

use std::{
    ffi::{c_char, c_int, c_void},
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
};

use emulator::KernelInfo;
use hip_sys::*;

use crate::{
    api::{api, put},
    device::{LDS_BYTES, MAX_THREADS},
    module::Module,
    register,
    runtime::runtime,
    setting,
};

/// A kernel; keeps its module loaded.
pub(crate) struct Function {
    pub module: Arc<Module>,
    info: KernelInfo,
    name: std::ffi::CString,
    /// What `hipFuncSetAttribute` was told; the hardware needs no opt-in, so it is only remembered.
    dynamic_lds: AtomicI32,
    carveout: AtomicI32,
}

impl Function {
    /// The kernel `name` of `module`, if it has one.
    pub(crate) fn new(module: &Arc<Module>, name: &str) -> Option<Function> {
        let info = module.image.kernel(name)?.clone();
        Some(Function {
            module: module.clone(),
            dynamic_lds: AtomicI32::new(LDS_BYTES as i32 - info.lds_bytes.min(LDS_BYTES as u32) as i32),
            carveout: AtomicI32::new(0),
            name: std::ffi::CString::new(name).ok()?,
            info,
        })
    }

    /// Its symbol.
    pub(crate) fn kernel(&self) -> &str {
        &self.info.name
    }

    /// Its symbol for C, as long as it lives.
    pub(crate) fn c_name(&self) -> *const c_char {
        self.name.as_ptr()
    }

    /// What its code object says about it.
    pub(crate) fn info(&self) -> &KernelInfo {
        &self.info
    }

    /// Work-items that a workgroup may have.
    pub(crate) fn max_threads(&self) -> i32 {
        match self.info.max_workgroup {
            0 => MAX_THREADS,
            limit => (limit as i32).min(MAX_THREADS),
        }
    }

    /// Vector registers of a lane: architectural and accumulation registers share one file, the latter
    /// begin at a multiple of 4.
    pub(crate) fn registers(&self) -> u32 {
        match self.info.agprs {
            0 => self.info.vgprs,
            agprs => self.info.vgprs.next_multiple_of(4) + agprs,
        }
    }

    fn attribute(&self, which: hipFunction_attribute) -> Option<c_int> {
        Some(match which {
            hipFunction_attribute_HIP_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK => self.max_threads(),
            hipFunction_attribute_HIP_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES => self.info.lds_bytes as c_int,
            hipFunction_attribute_HIP_FUNC_ATTRIBUTE_CONST_SIZE_BYTES => 0,
            hipFunction_attribute_HIP_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES => self.info.private_bytes as c_int,
            hipFunction_attribute_HIP_FUNC_ATTRIBUTE_NUM_REGS => self.registers() as c_int,
            // AMD's library reports the compute capability in both, as major * 10 + minor.
            hipFunction_attribute_HIP_FUNC_ATTRIBUTE_PTX_VERSION
            | hipFunction_attribute_HIP_FUNC_ATTRIBUTE_BINARY_VERSION => 95,
            hipFunction_attribute_HIP_FUNC_ATTRIBUTE_CACHE_MODE_CA => 0,
            hipFunction_attribute_HIP_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES => {
                self.dynamic_lds.load(Ordering::Relaxed)
            }
            hipFunction_attribute_HIP_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT => {
                self.carveout.load(Ordering::Relaxed)
            }
            _ => return None,
        })
    }
}

/// The function behind a `hipFunction_t`.
pub(crate) fn resolve(handle: hipFunction_t) -> Result<Arc<Function>, hipError_t> {
    runtime().functions.get(handle)
}

/// The function behind what HIP's runtime calls take: a kernel's host symbol, or a function handle.
pub(crate) fn of_symbol(symbol: *const c_void) -> Result<Arc<Function>, hipError_t> {
    if let Ok(function) = runtime().functions.get(symbol.cast_mut()) {
        return Ok(function);
    }
    runtime().functions.get(register::function(symbol)?)
}

api! {
    /// One attribute of a kernel.
    fn hipFuncGetAttribute(value: *mut c_int, which: hipFunction_attribute, handle: hipFunction_t) {
        let found = resolve(handle)?.attribute(which).ok_or(hipError_t::hipErrorInvalidValue)?;
        // SAFETY: the caller's out-parameter.
        unsafe { put(value, found) }
    }
    /// All attributes of a kernel.
    fn hipFuncGetAttributes(target: *mut hipFuncAttributes, symbol: *const c_void) {
        let function = of_symbol(symbol)?;
        use hipFunction_attribute_HIP_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES as DYNAMIC_LDS;
        use hipFunction_attribute_HIP_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT as CARVEOUT;
        let get = |which| function.attribute(which).unwrap_or(0);
        let attributes = hipFuncAttributes {
            binaryVersion: get(hipFunction_attribute_HIP_FUNC_ATTRIBUTE_BINARY_VERSION),
            cacheModeCA: 0,
            constSizeBytes: 0,
            localSizeBytes: function.info.private_bytes as usize,
            maxDynamicSharedSizeBytes: get(DYNAMIC_LDS),
            maxThreadsPerBlock: function.max_threads(),
            numRegs: function.registers() as c_int,
            preferredShmemCarveout: get(CARVEOUT),
            ptxVersion: get(hipFunction_attribute_HIP_FUNC_ATTRIBUTE_PTX_VERSION),
            sharedSizeBytes: function.info.lds_bytes as usize,
        };
        // SAFETY: the caller's out-parameter.
        unsafe { put(target, attributes) }
    }
    /// Sets the dynamic LDS limit or the carve-out; the device needs neither and remembers both.
    fn hipFuncSetAttribute(symbol: *const c_void, which: hipFuncAttribute, value: c_int) {
        let function = of_symbol(symbol)?;
        match which {
            hipFuncAttribute_hipFuncAttributeMaxDynamicSharedMemorySize => {
                if value < 0 || value as usize + function.info.lds_bytes as usize > LDS_BYTES {
                    return Err(hipError_t::hipErrorInvalidValue);
                }
                function.dynamic_lds.store(value, Ordering::Relaxed);
            }
            hipFuncAttribute_hipFuncAttributePreferredSharedMemoryCarveout => {
                if !(-1..=100).contains(&value) {
                    return Err(hipError_t::hipErrorInvalidValue);
                }
                function.carveout.store(value, Ordering::Relaxed);
            }
            _ => return Err(hipError_t::hipErrorInvalidValue),
        }
        Ok(())
    }
    /// LDS and L1 are separate memories: any preference is met.
    fn hipFuncSetCacheConfig(symbol: *const c_void, config: hipFuncCache_t) {
        of_symbol(symbol)?;
        setting::check_cache(config)
    }
    /// The function handle of a kernel's host symbol.
    fn hipGetFuncBySymbol(target: *mut hipFunction_t, symbol: *const c_void) {
        let handle = register::function(symbol)?;
        // SAFETY: the caller's out-parameter.
        unsafe { put(target, handle) }
    }
}

/// A kernel's symbol; null for an unknown handle. The text lives as long as the module is loaded.
#[unsafe(no_mangle)]
pub extern "C" fn hipKernelNameRef(handle: hipFunction_t) -> *const c_char {
    resolve(handle).map_or(std::ptr::null(), |function| function.c_name())
}
crate::api::version!(hipKernelNameRef);

/// The symbol of the kernel behind a host symbol; null for an unknown one.
#[unsafe(no_mangle)]
pub extern "C" fn hipKernelNameRefByPtr(symbol: *const c_void, _stream: hipStream_t) -> *const c_char {
    of_symbol(symbol).map_or(std::ptr::null(), |function| function.c_name())
}
crate::api::version!(hipKernelNameRefByPtr);
