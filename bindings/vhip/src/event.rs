//! Events: instants of virtual time.

use std::{
    ffi::{c_float, c_uint},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use hip_sys::*;

use crate::{
    api::{Status, api, put},
    capture::CapturePoint,
    clock,
    command::Command,
    runtime::{current, lock, runtime},
    stream,
};

const DISABLE_TIMING: u32 = 2;
const INTERPROCESS: u32 = 4;
/// hipEventReleaseToDevice and hipEventReleaseToSystem.
const RELEASES: u32 = 0x4000_0000 | 0x8000_0000;
/// hipEventDefault, BlockingSync, DisableTiming, Interprocess, and the release/system-fence flags.
const KNOWN_FLAGS: u32 = 0x7 | 0x2000_0000 | 0x4000_0000 | 0x8000_0000;

/// A recordable instant.
pub(crate) struct Event {
    flags: u32,
    device: usize,
    state: Mutex<State>,
    /// Whether its device counts it: it has timing and was recorded.
    counted: AtomicBool,
}

#[derive(Default)]
struct State {
    /// Virtual time of the last record, nanoseconds.
    time: Option<f64>,
    /// Launches of the device until then that the timing model does not cover.
    not_covered: u64,
    /// Where in a capture the event was last recorded.
    captured: Option<CapturePoint>,
}

impl Event {
    /// Stores the instant of a record.
    pub(crate) fn complete(&self, nanos: f64) {
        let device = &runtime().devices[self.device];
        if self.flags & DISABLE_TIMING == 0 && !self.counted.swap(true, Ordering::Relaxed) {
            device.count_event(true);
        }
        *lock(&self.state) = State { time: Some(nanos), not_covered: device.not_covered(), captured: None };
    }

    /// The recorded instant.
    pub(crate) fn time(&self) -> Option<f64> {
        lock(&self.state).time
    }

    /// The place in a running capture where the event was recorded.
    pub(crate) fn captured(&self) -> Option<CapturePoint> {
        lock(&self.state).captured.clone()
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        if *self.counted.get_mut() {
            runtime().devices[self.device].count_event(false);
        }
    }
}

fn create(event: *mut hipEvent_t, flags: u32) -> Status {
    // An event for other processes has no time, and a release is to the device or to the system.
    let clash = flags & (INTERPROCESS | DISABLE_TIMING) == INTERPROCESS || flags & RELEASES == RELEASES;
    if event.is_null() || flags & !KNOWN_FLAGS != 0 || clash {
        return Err(hipError_t::hipErrorInvalidValue);
    }
    let object =
        Event { flags, device: current().id, state: Mutex::default(), counted: AtomicBool::new(false) };
    // SAFETY: the caller's out-parameter, not null.
    unsafe { put(event, runtime().events.insert(Arc::new(object))) }
}

/// Records `event` at the end of `stream`, or at this place of the capture.
pub(crate) fn record(event: hipEvent_t, stream: hipStream_t) -> Status {
    let (event, stream) = (runtime().events.get(event)?, stream::resolve(stream)?);
    if event.device != stream.device.id {
        return Err(hipError_t::hipErrorInvalidHandle);
    }
    if let Some(capture) = lock(&stream.capture).as_ref() {
        *lock(&event.state) = State { captured: Some(capture.point()), ..State::default() };
        return Ok(());
    }
    stream.enqueue(Command::Record { event })
}

/// Success once recorded work is done, which it always is; capture makes the event unusable for the host.
fn query(event: hipEvent_t) -> Status {
    let event = runtime().events.get(event)?;
    if event.captured().is_some() {
        return Err(hipError_t::hipErrorCapturedEvent);
    }
    runtime().devices[event.device].refuse_after_fault()
}

api! {
    /// Creates an event with timing.
    fn hipEventCreate(event: *mut hipEvent_t) { create(event, 0) }
    /// Creates an event.
    fn hipEventCreateWithFlags(event: *mut hipEvent_t, flags: c_uint) { create(event, flags) }
    /// Destroys an event.
    fn hipEventDestroy(event: hipEvent_t) {
        // ROCm tells an event that is gone from none at all.
        let stale = match event.is_null() {
            true => hipError_t::hipErrorInvalidHandle,
            false => hipError_t::hipErrorContextIsDestroyed,
        };
        runtime().events.remove(event).map_err(|_| stale).map(drop)
    }
    /// Records the virtual time of everything enqueued before.
    fn hipEventRecord(event: hipEvent_t, stream: hipStream_t) { record(event, stream) }
    /// As `hipEventRecord`; flag 1 (external) makes the record a node of the captured graph.
    fn hipEventRecordWithFlags(event: hipEvent_t, stream: hipStream_t, flags: c_uint) {
        if flags > 1 {
            return Err(hipError_t::hipErrorInvalidValue);
        }
        if flags == 1 {
            let (event, stream) = (runtime().events.get(event)?, stream::resolve(stream)?);
            return stream.enqueue(Command::Record { event });
        }
        record(event, stream)
    }
    /// Waits for the event.
    fn hipEventSynchronize(event: hipEvent_t) { query(event) }
    /// Asks for the event.
    fn hipEventQuery(event: hipEvent_t) { query(event) }
    /// Virtual milliseconds between two recorded events: modelled time, not the time the CPU took. Launches in
    /// between that the timing model does not cover are an error if the option `clock` asks for the model, else
    /// they count with their issue cycles.
    fn hipEventElapsedTime(millis: *mut c_float, start: hipEvent_t, stop: hipEvent_t) {
        if millis.is_null() {
            return Err(hipError_t::hipErrorInvalidValue);
        }
        let (start, stop) = (runtime().events.get(start)?, runtime().events.get(stop)?);
        if (start.flags | stop.flags) & DISABLE_TIMING != 0 || start.device != stop.device {
            return Err(hipError_t::hipErrorInvalidHandle);
        }
        let (Some(from), Some(to)) = (start.time(), stop.time()) else {
            return Err(hipError_t::hipErrorInvalidHandle);
        };
        let not_covered = |event: &Event| lock(&event.state).not_covered;
        if clock::is_strict() && not_covered(&start) != not_covered(&stop) {
            eprintln!("vhip: no time between these events: the timing model does not cover a launch between them");
            return Err(hipError_t::hipErrorNotSupported);
        }
        // SAFETY: the caller's out-parameter, not null.
        unsafe { put(millis, ((to - from) / 1e6) as c_float) }
    }
}
