//! What programs built by hipcc register before `main`: fat binaries, kernels, device variables.
//!
//! A fat binary is loaded onto a device when one of its symbols is first used there, so that a program with
//! code for another GPU fails at that use, with a reason, and not before `main`.

use std::{
    collections::{BTreeMap, HashMap},
    ffi::{c_char, c_int, c_uint, c_void},
    sync::{Arc, Mutex},
};

use emulator::AllocationKind;
use hip_sys::*;

use crate::{
    api::{self, text},
    device::VirtualDevice,
    function::Function,
    image, memory,
    module::Module,
    runtime::{current, lock, runtime},
};

/// A fat binary of the program.
struct FatBinary {
    /// Address of its wrapper, which lies in the program's own data until it is unregistered.
    wrapper: usize,
    /// Loaded, by device.
    loaded: Mutex<HashMap<usize, Arc<Module>>>,
    managed: Mutex<Vec<Managed>>,
}

/// A `__managed__` variable: the device's symbol holds a pointer to memory that host and device share.
struct Managed {
    name: String,
    address: u64,
}

/// A device variable.
#[derive(Clone)]
struct Variable {
    binary: usize,
    name: String,
    /// Address and bytes of a managed variable, which is the same on every device.
    managed: Option<(u64, u64)>,
}

#[derive(Default)]
struct Registry {
    binaries: BTreeMap<usize, Arc<FatBinary>>,
    /// By the address of the host's stub.
    kernels: HashMap<usize, Variable>,
    /// By the address of the host's shadow variable.
    variables: HashMap<usize, Variable>,
    next: usize,
}

static REGISTRY: Mutex<Option<Registry>> = Mutex::new(None);

fn with<T>(work: impl FnOnce(&mut Registry) -> T) -> T {
    work(lock(&REGISTRY).get_or_insert_with(Registry::default))
}

impl FatBinary {
    /// The binary's module on `device`, loaded at first use.
    fn on(&self, device: &Arc<VirtualDevice>) -> Result<Arc<Module>, hipError_t> {
        let mut loaded = lock(&self.loaded);
        if let Some(module) = loaded.get(&device.id) {
            return Ok(module.clone());
        }
        // SAFETY: the wrapper and the image lie in the program's constant data until it is unregistered.
        let bytes = unsafe { image::read(self.wrapper as *const c_void) }?;
        let module = Module::load(device, &bytes)?;
        for managed in lock(&self.managed).iter() {
            let (symbol, _) = module.image.global(&managed.name).ok_or(hipError_t::hipErrorInvalidSymbol)?;
            device
                .emulator
                .memory()
                .write(symbol, &managed.address.to_le_bytes())
                .map_err(|_| hipError_t::hipErrorInvalidSymbol)?;
        }
        loaded.insert(device.id, module.clone());
        Ok(module)
    }
}

/// The module of a registered symbol on the current device, and the symbol's name there.
fn find(
    table: impl Fn(&Registry) -> &HashMap<usize, Variable>,
    symbol: *const c_void,
) -> Option<(Arc<FatBinary>, String)> {
    with(|registry| {
        let entry = table(registry).get(&(symbol as usize))?;
        Some((registry.binaries.get(&entry.binary)?.clone(), entry.name.clone()))
    })
}

/// The function handle of a kernel's host symbol on the current device.
pub(crate) fn function(symbol: *const c_void) -> Result<hipFunction_t, hipError_t> {
    let (binary, name) =
        find(|registry| &registry.kernels, symbol).ok_or(hipError_t::hipErrorInvalidDeviceFunction)?;
    binary.on(current())?.function(&name)
}

/// The host symbol of a kernel of the program, if it has one.
pub(crate) fn symbol_of(kernel: &Function) -> Option<*const c_void> {
    with(|registry| {
        let named = registry.kernels.iter().filter(|(_, entry)| entry.name == kernel.kernel());
        let mut own = named.filter(|(_, entry)| {
            let binary = registry.binaries.get(&entry.binary);
            binary.is_some_and(|binary| {
                lock(&binary.loaded).values().any(|module| Arc::ptr_eq(module, &kernel.module))
            })
        });
        own.next().map(|(symbol, _)| *symbol as *const c_void)
    })
}

/// Address and bytes of a device variable's host symbol on the current device.
pub(crate) fn variable(symbol: *const c_void) -> Result<(u64, u64), hipError_t> {
    if let Some(managed) = with(|registry| registry.variables.get(&(symbol as usize))?.managed) {
        return Ok(managed);
    }
    let (binary, name) =
        find(|registry| &registry.variables, symbol).ok_or(hipError_t::hipErrorInvalidSymbol)?;
    binary.on(current())?.image.global(&name).ok_or(hipError_t::hipErrorInvalidSymbol)
}

/// Forgets what was loaded onto a device; the next use loads it anew.
pub(crate) fn forget_device(id: usize) {
    let binaries: Vec<Arc<FatBinary>> = with(|registry| registry.binaries.values().cloned().collect());
    for binary in binaries {
        let module = lock(&binary.loaded).remove(&id);
        if let Some(module) = module {
            module.forget_functions();
        }
    }
}

/// Registers a fat binary; the result stands for it in the other calls.
///
/// # Safety
/// `wrapper` is what hipcc generates, valid until [`__hipUnregisterFatBinary`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __hipRegisterFatBinary(wrapper: *const c_void) -> *mut *mut c_void {
    with(|registry| {
        registry.next += 0x10;
        let binary =
            FatBinary { wrapper: wrapper as usize, loaded: Mutex::default(), managed: Mutex::default() };
        registry.binaries.insert(registry.next, Arc::new(binary));
        registry.next as *mut *mut c_void
    })
}
api::version!(__hipRegisterFatBinary);

/// Forgets a fat binary and everything registered with it.
///
/// # Safety
/// The handle is [`__hipRegisterFatBinary`]'s.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __hipUnregisterFatBinary(handle: *mut *mut c_void) {
    let key = handle as usize;
    let binary = with(|registry| {
        registry.kernels.retain(|_, entry| entry.binary != key);
        registry.variables.retain(|_, entry| entry.binary != key);
        registry.binaries.remove(&key)
    });
    for module in binary.iter().flat_map(|binary| std::mem::take(&mut *lock(&binary.loaded)).into_values()) {
        module.forget_functions();
    }
}
api::version!(__hipUnregisterFatBinary);

/// Registers a kernel: the address of its host stub stands for `name`.
///
/// # Safety
/// The handle is [`__hipRegisterFatBinary`]'s, `name` a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __hipRegisterFunction(
    handle: *mut *mut c_void,
    symbol: *const c_void,
    _device_function: *mut c_char,
    name: *const c_char,
    _thread_limit: c_uint,
    _thread: *mut c_void,
    _block: *mut c_void,
    _block_size: *mut dim3,
    _grid_size: *mut dim3,
    _wave_size: *mut c_int,
) {
    // SAFETY: the caller's string.
    if let Ok(name) = unsafe { text(name) } {
        let entry = Variable { binary: handle as usize, name: name.to_owned(), managed: None };
        with(|registry| registry.kernels.insert(symbol as usize, entry));
    }
}
api::version!(__hipRegisterFunction);

/// Registers a device variable: the address of its host shadow stands for `name`.
///
/// # Safety
/// The handle is [`__hipRegisterFatBinary`]'s, `name` a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __hipRegisterVar(
    handle: *mut *mut c_void,
    symbol: *mut c_void,
    _host_name: *mut c_char,
    name: *mut c_char,
    _external: c_int,
    _bytes: usize,
    _constant: c_int,
    _global: c_int,
) {
    // SAFETY: the caller's string.
    if let Ok(name) = unsafe { text(name) } {
        let entry = Variable { binary: handle as usize, name: name.to_owned(), managed: None };
        with(|registry| registry.variables.insert(symbol as usize, entry));
    }
}
api::version!(__hipRegisterVar);

/// Registers a managed variable: allocates it, with its first value, and lets the host's pointer lead there.
///
/// # Safety
/// The handle is [`__hipRegisterFatBinary`]'s; `pointer` is the host's pointer to the variable, `initial`
/// has `bytes` bytes, `name` is a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __hipRegisterManagedVar(
    handle: *mut c_void,
    pointer: *mut *mut c_void,
    initial: *const c_void,
    name: *const c_char,
    bytes: usize,
    _align: c_uint,
) {
    // SAFETY: the caller's string.
    let Ok(name) = (unsafe { text(name) }) else { return };
    let home = &runtime().devices[0];
    let address = match memory::allocate_shared(home, bytes.max(1) as u64, AllocationKind::Managed) {
        Ok(address) => address,
        Err(error) => {
            eprintln!("vhip: no memory for the managed variable {name} of {bytes} bytes: {error:?}");
            return;
        }
    };
    // SAFETY: the new allocation and the initial value have `bytes` bytes; the host's pointer is writable.
    unsafe {
        std::ptr::copy_nonoverlapping(initial.cast::<u8>(), address as *mut u8, bytes);
        pointer.write(address as *mut c_void);
    }
    let key = handle as usize;
    let binary = with(|registry| {
        // Symbol copies name the variable by the host's pointer.
        let managed = Some((address, bytes as u64));
        registry.variables.insert(pointer as usize, Variable { binary: key, name: name.to_owned(), managed });
        registry.binaries.get(&key).cloned()
    });
    if let Some(binary) = binary {
        lock(&binary.managed).push(Managed { name: name.to_owned(), address });
    }
}
api::version!(__hipRegisterManagedVar);
