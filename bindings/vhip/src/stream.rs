//! Streams: order, virtual time, capture.

use std::{
    cell::RefCell,
    collections::HashMap,
    ffi::{c_int, c_uint, c_void},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use hip_sys::*;

use crate::{
    api::{Status, api, put},
    capture::{self, Capture},
    command::Command,
    device::VirtualDevice,
    runtime::{current, lock, runtime, set_current},
    stream_attribute::Attributes,
};

/// Stream flag: does not synchronise with the null stream.
const NON_BLOCKING: u32 = 1;

/// An in-order queue that is always empty between calls: commands run when they are enqueued.
pub(crate) struct Stream {
    pub device: Arc<VirtualDevice>,
    pub flags: u32,
    pub priority: i32,
    /// Unique in the process.
    pub number: u64,
    pub attributes: Attributes,
    /// The null stream of its device waits for the blocking streams, and they for it.
    is_null: bool,
    /// Virtual time at which the last command ended, in nanoseconds since the device's creation.
    ready: Mutex<f64>,
    /// Held by the one command of this stream that runs, so that the next one begins where it ends.
    order: Mutex<()>,
    /// The capture that the stream takes part in.
    pub capture: Mutex<Option<Capture>>,
}

impl Stream {
    /// A stream of `device`.
    pub(crate) fn new(device: Arc<VirtualDevice>, flags: u32, priority: i32, is_null: bool) -> Stream {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let ready = device.now();
        Stream {
            device,
            flags,
            priority,
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            attributes: Attributes::default(),
            is_null,
            ready: Mutex::new(ready),
            order: Mutex::default(),
            capture: Mutex::new(None),
        }
    }

    /// A blocking stream of `device` that was told something.
    pub(crate) fn with_attributes(device: Arc<VirtualDevice>, attributes: Attributes) -> Stream {
        Stream { attributes, ..Stream::new(device, 0, 0, false) }
    }

    /// Runs `command` now, or adds it to the graph being captured.
    pub(crate) fn enqueue(&self, command: Command) -> Status {
        if let Some(capture) = lock(&self.capture).as_mut() {
            return capture.add(command);
        }
        if self.is_null {
            // Work on the null stream would order itself against a capturing blocking stream.
            let mut allowed = Ok(());
            for other in self.blocking_peers() {
                if let Some(capture) = lock(&other.capture).as_ref() {
                    capture.invalidate();
                    allowed = Err(hipError_t::hipErrorStreamCaptureImplicit);
                }
            }
            allowed?;
        }
        // A host function may wait for another thread, which may use this stream.
        let _order = (!matches!(command, Command::Host { .. })).then(|| lock(&self.order));
        let end = command.run(&self.device, self.now())?;
        let mut ready = lock(&self.ready);
        *ready = ready.max(end);
        self.device.reach(end);
        Ok(())
    }

    /// Whether this is its device's default stream.
    pub(crate) fn is_null(&self) -> bool {
        self.is_null
    }

    /// Virtual time of the stream's end, nanoseconds.
    pub(crate) fn now(&self) -> f64 {
        let own = *lock(&self.ready);
        if self.is_null {
            self.blocking_peers().fold(own, |latest, other| latest.max(*lock(&other.ready)))
        } else if self.is_blocking() {
            own.max(*lock(&self.device.null_stream().ready))
        } else {
            own
        }
    }

    /// The streams of the same device that wait for the null stream, and it for them.
    pub(crate) fn blocking_peers(&self) -> impl Iterator<Item = Arc<Stream>> {
        let streams = runtime().streams.all().into_iter();
        streams.filter(|other| Arc::ptr_eq(&other.device, &self.device) && other.is_blocking())
    }

    fn is_blocking(&self) -> bool {
        !self.is_null && self.flags & NON_BLOCKING == 0
    }
}

/// `hipStreamPerThread`.
pub(crate) const PER_THREAD: usize = 2;

thread_local! {
    static OWN: RefCell<OwnStreams> = RefCell::default();
}

/// The calling thread's default streams, by device; they end with the thread.
#[derive(Default)]
struct OwnStreams(HashMap<usize, usize>);

impl Drop for OwnStreams {
    fn drop(&mut self) {
        for handle in self.0.values() {
            // A device reset may have removed it already.
            let _stream = runtime().streams.remove(*handle as hipStream_t);
        }
    }
}

impl OwnStreams {
    /// The thread's stream on the current device.
    fn get(&mut self) -> Arc<Stream> {
        let device = current();
        let known = self.0.get(&device.id).map(|handle| runtime().streams.get(*handle as hipStream_t));
        if let Some(Ok(stream)) = known {
            return stream;
        }
        let stream = Arc::new(Stream::new(device.clone(), 0, 0, false));
        let handle: hipStream_t = runtime().streams.insert(stream.clone());
        self.0.insert(device.id, handle as usize);
        stream
    }
}

/// The stream behind a handle: null (0) and legacy (1) name the current device's null stream, 2 the thread's
/// own.
///
/// # Errors
/// hipErrorContextIsDestroyed for a stale or invented handle, as ROCm answers.
pub(crate) fn resolve(handle: hipStream_t) -> Result<Arc<Stream>, hipError_t> {
    match handle as usize {
        0 | 1 => Ok(current().null_stream().clone()),
        PER_THREAD => Ok(OWN.with_borrow_mut(OwnStreams::get)),
        _ => runtime().streams.get(handle).map_err(|_| hipError_t::hipErrorContextIsDestroyed),
    }
}

/// Does something with a stream's device as the thread's.
pub(crate) fn on_device_of<T>(
    handle: hipStream_t,
    work: impl FnOnce() -> Result<T, hipError_t>,
) -> Result<T, hipError_t> {
    let (before, device) = (current().id, resolve(handle)?.device.id);
    set_current(device as c_int)?;
    let outcome = work();
    set_current(before as c_int)?;
    outcome
}

fn create(stream: *mut hipStream_t, flags: u32, priority: i32) -> Status {
    if stream.is_null() || flags > NON_BLOCKING {
        return Err(hipError_t::hipErrorInvalidValue);
    }
    // The device has two priority levels, as `hipDeviceGetStreamPriorityRange` says; others are clamped.
    let priority = priority.clamp(-1, 1);
    let handle = runtime().streams.insert(Arc::new(Stream::new(current().clone(), flags, priority, false)));
    // SAFETY: the caller's out-parameter, not null.
    unsafe { put(stream, handle) }
}

/// Reports the sticky fault, if any; nothing is ever outstanding.
pub(crate) fn synchronize(stream: hipStream_t) -> Status {
    let stream = resolve(stream)?;
    if let Some(capture) = lock(&stream.capture).as_ref() {
        capture.invalidate();
        return Err(hipError_t::hipErrorStreamCaptureUnsupported);
    }
    capture::refuse_unsafe()?;
    stream.device.refuse_after_fault()
}

/// Always ready, since commands run when they are enqueued.
pub(crate) fn query(stream: hipStream_t) -> Status {
    let stream = resolve(stream)?;
    if let Some(capture) = lock(&stream.capture).as_ref() {
        capture.invalidate();
        return Err(hipError_t::hipErrorStreamCaptureUnsupported);
    }
    stream.device.refuse_after_fault()
}

pub(crate) fn wait_event(stream: hipStream_t, event: hipEvent_t, flags: c_uint) -> Status {
    if flags > 1 {
        return Err(hipError_t::hipErrorInvalidValue);
    }
    // ROCm tells a stale stream by this code here, and by another one everywhere else.
    let stream = resolve(stream).map_err(|_| hipError_t::hipErrorInvalidHandle)?;
    let event = runtime().events.get(event)?;
    if let Some(point) = event.captured() {
        return Capture::join(&stream, point);
    }
    if flags == 0
        && event.time().is_some()
        && let Some(capture) = lock(&stream.capture).as_ref()
    {
        // Work outside the capture: only an external wait (flag 1) may name it.
        capture.invalidate();
        return Err(hipError_t::hipErrorStreamCaptureIsolation);
    }
    stream.enqueue(Command::Wait { event })
}

pub(crate) fn give_flags(stream: hipStream_t, flags: *mut c_uint) -> Status {
    let stream = resolve(stream)?;
    // SAFETY: the caller's out-parameter.
    unsafe { put(flags, stream.flags) }
}

pub(crate) fn give_priority(stream: hipStream_t, priority: *mut c_int) -> Status {
    let stream = resolve(stream)?;
    // SAFETY: the caller's out-parameter.
    unsafe { put(priority, stream.priority) }
}

pub(crate) fn add_callback(
    stream: hipStream_t,
    callback: hipStreamCallback_t,
    data: *mut c_void,
    flags: c_uint,
) -> Status {
    let callback = callback.ok_or(hipError_t::hipErrorInvalidValue)?;
    if flags != 0 {
        return Err(hipError_t::hipErrorInvalidValue);
    }
    let resolved = resolve(stream)?;
    if lock(&resolved.capture).is_some() {
        return Err(hipError_t::hipErrorStreamCaptureUnsupported);
    }
    let status = resolved.device.refuse_after_fault().err().unwrap_or(hipError_t::hipSuccess);
    // SAFETY: the program gave this callback for this data.
    unsafe { callback(stream, status, data) };
    Ok(())
}

pub(crate) fn launch_host_function(stream: hipStream_t, function: hipHostFn_t, data: *mut c_void) -> Status {
    let function = function.ok_or(hipError_t::hipErrorInvalidValue)?;
    resolve(stream)?.enqueue(Command::Host { function, data: data as usize })
}

/// The number of the stream's device, −1 for an unknown stream.
#[unsafe(no_mangle)]
pub extern "C" fn hipGetStreamDeviceId(stream: hipStream_t) -> c_int {
    resolve(stream).map_or(-1, |stream| stream.device.id as c_int)
}
crate::api::version!(hipGetStreamDeviceId);

api! {
    /// Creates a blocking stream on the current device.
    fn hipStreamCreate(stream: *mut hipStream_t) { create(stream, 0, 0) }
    /// Creates a stream; flag 1 is non-blocking.
    fn hipStreamCreateWithFlags(stream: *mut hipStream_t, flags: c_uint) { create(stream, flags, 0) }
    /// Creates a stream with a priority between −1 (high) and 1 (low).
    fn hipStreamCreateWithPriority(stream: *mut hipStream_t, flags: c_uint, priority: c_int) {
        create(stream, flags, priority)
    }
    /// Destroys a stream. Destroying one that is capturing invalidates the capture.
    fn hipStreamDestroy(stream: hipStream_t) {
        if (stream as usize) <= 2 {
            return Err(hipError_t::hipErrorInvalidResourceHandle);
        }
        let stream = runtime().streams.remove(stream).map_err(|_| hipError_t::hipErrorContextIsDestroyed)?;
        if let Some(capture) = lock(&stream.capture).take() {
            capture.invalidate();
        }
        Ok(())
    }
    /// Waits for the stream: reports a fault of an earlier kernel.
    fn hipStreamSynchronize(stream: hipStream_t) { synchronize(stream) }
    /// Always ready, since commands run when they are enqueued.
    fn hipStreamQuery(stream: hipStream_t) { query(stream) }
    /// Makes later work of `stream` wait for `event`; flag 1 (external) makes the wait a node of a capture.
    fn hipStreamWaitEvent(stream: hipStream_t, event: hipEvent_t, flags: c_uint) {
        wait_event(stream, event, flags)
    }
    /// The flags that the stream was created with.
    fn hipStreamGetFlags(stream: hipStream_t, flags: *mut c_uint) {
        // As ROCm: the null stream was not created with any.
        if stream.is_null() {
            return Err(hipError_t::hipErrorInvalidValue);
        }
        give_flags(stream, flags)
    }
    /// The priority that the stream was created with, clamped.
    fn hipStreamGetPriority(stream: hipStream_t, priority: *mut c_int) {
        give_priority(stream, priority)
    }
    /// The device that the stream belongs to.
    fn hipStreamGetDevice(stream: hipStream_t, device: *mut hipDevice_t) {
        let stream = resolve(stream)?;
        // SAFETY: the caller's out-parameter.
        unsafe { put(device, stream.device.id as hipDevice_t) }
    }
    /// Calls `callback` with the stream's status, now.
    fn hipStreamAddCallback(
        stream: hipStream_t, callback: hipStreamCallback_t, data: *mut c_void, flags: c_uint,
    ) {
        add_callback(stream, callback, data, flags)
    }
    /// Runs a host function in stream order.
    fn hipLaunchHostFunc(stream: hipStream_t, function: hipHostFn_t, data: *mut c_void) {
        launch_host_function(stream, function, data)
    }
    /// The range of priorities: 1 (low) to −1 (high).
    fn hipDeviceGetStreamPriorityRange(least: *mut c_int, greatest: *mut c_int) {
        if !least.is_null() {
            // SAFETY: the caller's out-parameter, not null.
            unsafe { put(least, 1)? };
        }
        if !greatest.is_null() {
            // SAFETY: the caller's out-parameter, not null.
            unsafe { put(greatest, -1)? };
        }
        Ok(())
    }
}
