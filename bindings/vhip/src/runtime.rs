//! The process-wide state behind the C ABI: devices and handle tables.

use std::{
    cell::Cell,
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use hip_sys::hipError_t;

use crate::{
    device::VirtualDevice,
    event::Event,
    function::Function,
    graph::{ExecutableGraph, Graph},
    library::Library,
    module::Module,
    pool::Pool,
    stream::Stream,
    user_object::UserObject,
    virtual_memory::Physical,
};

/// How many virtual devices there can be.
const MAX_DEVICES: usize = 64;
/// How many there are when nobody asks for more.
const DEFAULT_DEVICES: usize = 1;
/// The wanted number; 0 once the runtime has started.
static DEVICES: Mutex<usize> = Mutex::new(DEFAULT_DEVICES);

/// Everything that handles refer to.
pub(crate) struct Runtime {
    pub devices: Vec<Arc<VirtualDevice>>,
    pub streams: Table<Stream>,
    pub events: Table<Event>,
    pub modules: Table<Module>,
    pub functions: Table<Function>,
    pub graphs: Table<Mutex<Graph>>,
    pub executables: Table<Mutex<ExecutableGraph>>,
    pub pools: Table<Pool>,
    pub libraries: Table<Library>,
    pub physical: Table<Physical>,
    pub user_objects: Table<UserObject>,
}

/// The runtime, created by the first call.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        crate::extension::read_environment();
        let count = std::mem::take(&mut *lock(&DEVICES));
        Runtime {
            devices: (0..count).map(|id| Arc::new(VirtualDevice::new(id))).collect(),
            streams: Table::new(),
            events: Table::new(),
            modules: Table::new(),
            functions: Table::new(),
            graphs: Table::new(),
            executables: Table::new(),
            pools: Table::new(),
            libraries: Table::new(),
            physical: Table::new(),
            user_objects: Table::new(),
        }
    })
}

/// Sets the number of devices before the runtime starts: 1 to 64. Whether it was accepted.
pub(crate) fn set_device_count(count: usize) -> bool {
    let mut wanted = lock(&DEVICES);
    let accepted = *wanted != 0 && (1..=MAX_DEVICES).contains(&count);
    if accepted {
        *wanted = count;
    }
    accepted
}

thread_local! {
    static CURRENT: Cell<usize> = const { Cell::new(0) };
}

/// The calling thread's device.
pub(crate) fn current() -> &'static Arc<VirtualDevice> {
    &runtime().devices[CURRENT.get()]
}

/// Makes `ordinal` the calling thread's device.
pub(crate) fn set_current(ordinal: i32) -> Result<(), hipError_t> {
    device(ordinal)?;
    CURRENT.set(ordinal as usize);
    Ok(())
}

/// Device `ordinal`.
pub(crate) fn device(ordinal: i32) -> Result<&'static Arc<VirtualDevice>, hipError_t> {
    usize::try_from(ordinal)
        .ok()
        .and_then(|ordinal| runtime().devices.get(ordinal))
        .ok_or(hipError_t::hipErrorInvalidDevice)
}

/// Objects behind opaque handles. A handle is a number, never an address: a stale or invented one is
/// refused instead of dereferenced.
pub(crate) struct Table<T> {
    next: AtomicUsize,
    entries: Mutex<HashMap<usize, Arc<T>>>,
}

impl<T> Table<T> {
    fn new() -> Table<T> {
        // Below any mapped page, and clear of the small numbers HIP gives a meaning (stream 1 and 2).
        Table { next: AtomicUsize::new(0x100), entries: Mutex::new(HashMap::new()) }
    }

    /// Stores `object` under a new handle.
    pub(crate) fn insert<H>(&self, object: Arc<T>) -> *mut H {
        let handle = self.next.fetch_add(0x10, Ordering::Relaxed);
        lock(&self.entries).insert(handle, object);
        handle as *mut H
    }

    /// The object behind `handle`.
    ///
    /// # Errors
    /// hipErrorInvalidHandle for null, stale and invented handles.
    pub(crate) fn get<H>(&self, handle: *mut H) -> Result<Arc<T>, hipError_t> {
        lock(&self.entries).get(&(handle as usize)).cloned().ok_or(hipError_t::hipErrorInvalidHandle)
    }

    /// Forgets `handle`; users of the object keep it alive until they end.
    pub(crate) fn remove<H>(&self, handle: *mut H) -> Result<Arc<T>, hipError_t> {
        lock(&self.entries).remove(&(handle as usize)).ok_or(hipError_t::hipErrorInvalidHandle)
    }

    /// Forgets every object that `keep` refuses.
    pub(crate) fn retain(&self, keep: impl Fn(&T) -> bool) {
        let mut gone = Vec::new();
        lock(&self.entries).retain(|_, object| {
            let stays = keep(object);
            if !stays {
                gone.push(object.clone());
            }
            stays
        });
        // Dropped after the table is unlocked: an object's end may look into other tables.
        drop(gone);
    }

    /// The handle of an object, if it still has one.
    pub(crate) fn handle<H>(&self, object: &Arc<T>) -> Option<*mut H> {
        let entries = lock(&self.entries);
        entries.iter().find(|(_, other)| Arc::ptr_eq(other, object)).map(|(handle, _)| *handle as *mut H)
    }

    /// All objects at this moment.
    pub(crate) fn all(&self) -> Vec<Arc<T>> {
        lock(&self.entries).values().cloned().collect()
    }
}

/// Locks, also after a panic elsewhere: the state is changed only in complete steps.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
