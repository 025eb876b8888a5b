//! The virtual MI355X: identity, properties, attributes, sticky fault, virtual clock.

use std::{
    ffi::{c_char, c_int, c_uint},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use emulator::{Fault, FaultKind, LaunchReport, Race, RacePlace, Races};
use hip_sys::*;

use crate::{
    api::{Status, api, put, text},
    capture,
    clock::Modelled,
    properties::bus,
    runtime::{current, device, lock, runtime, set_current},
    stream::Stream,
};

/// What `hipDeviceProp_t.name` says: nobody may take this device for a real one.
pub(crate) const NAME: &str = "AMD Instinct MI355X (virtual)";
/// Boost clock, from AMD's data sheet and rocm_agent_info of an MI355X.
pub(crate) const CLOCK_GHZ: f64 = 2.4;
/// Compute units: 8 XCD of 32.
pub(crate) const COMPUTE_UNITS: i32 = 256;
/// LDS of a compute unit, bytes.
pub(crate) const LDS_BYTES: usize = 160 * 1024;
/// HBM3E, bytes. Host memory is taken only as touched.
pub(crate) const MEMORY_BYTES: u64 = 288 << 30;
/// Waves that a SIMD holds.
pub(crate) const WAVES_PER_SIMD: u32 = 8;
/// SIMDs of a compute unit.
pub(crate) const SIMDS: u32 = 4;
/// HIP 7.2.53211, as the headers that the structures come from.
const RUNTIME_VERSION: c_int = 70_253_211;
/// HBM3E, bytes of a nanosecond, from AMD's data sheet (8 TB/s).
pub(crate) const MEMORY_BYTES_PER_NANO: f64 = 8000.0;
/// The link to the host in one direction, bytes of a nanosecond: 16 lanes of PCIe 5.0, from AMD's data sheet.
pub(crate) const LINK_BYTES_PER_NANO: f64 = 64.0;
/// Threads of a workgroup.
pub(crate) const MAX_THREADS: i32 = 1024;
/// `major`, `minor` of gfx950.
pub(crate) const CAPABILITY: (c_int, c_int) = (9, 5);

/// One virtual device.
pub(crate) struct VirtualDevice {
    pub id: usize,
    pub emulator: emulator::Device,
    null: OnceLock<Arc<Stream>>,
    /// Latest end of any command, virtual nanoseconds.
    clock: Mutex<f64>,
    /// The first fault since the last reset.
    fault: Mutex<Option<(hipError_t, serde_json::Value)>>,
    /// Report of the last successful launch.
    report: Mutex<Option<serde_json::Value>>,
    /// Held by the one command that runs.
    turn: Mutex<()>,
    /// Events with timing that have been recorded and still exist.
    timed: AtomicUsize,
    /// Launches so far that the timing model does not cover.
    not_covered: AtomicU64,
}

impl VirtualDevice {
    /// Device number `id`.
    pub(crate) fn new(id: usize) -> VirtualDevice {
        VirtualDevice {
            id,
            emulator: emulator::Device::new(emulator::DeviceConfig { memory_bytes: MEMORY_BYTES }),
            null: OnceLock::new(),
            clock: Mutex::new(0.0),
            fault: Mutex::new(None),
            report: Mutex::default(),
            turn: Mutex::default(),
            timed: AtomicUsize::new(0),
            not_covered: AtomicU64::new(0),
        }
    }

    /// The device's default stream.
    pub(crate) fn null_stream(&self) -> &Arc<Stream> {
        self.null.get_or_init(|| Arc::new(Stream::new(runtime().devices[self.id].clone(), 0, 0, true)))
    }

    /// Lets one command run at a time, whichever host thread enqueued it: a stream's commands must not
    /// overlap, and those of several streams need not.
    pub(crate) fn turn(&self) -> MutexGuard<'_, ()> {
        lock(&self.turn)
    }

    /// Virtual time of the latest end, nanoseconds.
    pub(crate) fn now(&self) -> f64 {
        *lock(&self.clock)
    }

    /// Notes that work ended at `instant`.
    pub(crate) fn reach(&self, instant: f64) {
        let mut clock = lock(&self.clock);
        *clock = clock.max(instant);
    }

    /// Whether somebody may ask for the time of what follows.
    pub(crate) fn is_timed(&self) -> bool {
        self.timed.load(Ordering::Relaxed) > 0
    }

    /// Counts an event with timing that was recorded for the first time, or one that goes.
    pub(crate) fn count_event(&self, comes: bool) {
        match comes {
            true => self.timed.fetch_add(1, Ordering::Relaxed),
            false => self.timed.fetch_sub(1, Ordering::Relaxed),
        };
    }

    /// Launches so far that were to be modelled and are not covered by the model.
    pub(crate) fn not_covered(&self) -> u64 {
        self.not_covered.load(Ordering::Relaxed)
    }

    /// Refuses work and synchronisation after a fault.
    pub(crate) fn refuse_after_fault(&self) -> Status {
        lock(&self.fault).as_ref().map_or(Ok(()), |(code, _)| Err(*code))
    }

    /// Makes `fault` the device's sticky error and tells the user at once: an asynchronous error far from its
    /// cause is what the virtual device is there to avoid.
    pub(crate) fn note_fault(&self, fault: &Fault) {
        eprintln!("vhip: {fault}");
        let code = match fault.kind {
            FaultKind::OutOfBounds { .. } | FaultKind::Unaligned { .. } => hipError_t::hipErrorIllegalAddress,
            FaultKind::Budget { .. } => hipError_t::hipErrorLaunchTimeOut,
            _ => hipError_t::hipErrorLaunchFailure,
        };
        let mut json = serde_json::json!({ "kind": fault.kind.name(), "message": fault.kind.to_string() });
        if let Some(place) = &fault.place {
            json["kernel"] = place.kernel.clone().into();
            json["offset"] = place.offset.into();
            json["pc"] = place.pc.into();
            json["instruction"] = place.text.clone().into();
            json["workgroup"] = place.workgroup.to_vec().into();
            json["wave"] = place.wave.into();
            json["exec"] = place.exec.into();
        }
        match fault.kind {
            FaultKind::OutOfBounds { lane, address, .. } | FaultKind::Unaligned { lane, address, .. } => {
                json["lanes"] = vec![lane].into();
                json["address"] = address.into();
            }
            FaultKind::LdsOutOfBounds { lane, address, .. } => {
                json["lanes"] = vec![lane].into();
                json["address"] = address.into();
            }
            _ => {}
        }
        lock(&self.fault).get_or_insert((code, json));
    }

    /// Stores the report of a launch and yields its virtual duration in nanoseconds: the model's, else the issue
    /// cycles'.
    pub(crate) fn note_launch(
        &self,
        kernel: &str,
        report: &LaunchReport,
        races: Option<&Races>,
        modelled: Option<&Modelled>,
    ) -> f64 {
        let issue = report.issue_cycles as f64 / CLOCK_GHZ;
        let nanos = modelled.map_or(Some(issue), |modelled| self.covered(kernel, modelled)).unwrap_or(issue);
        let mut json = serde_json::json!({
            "kernel": kernel,
            "waves": report.waves,
            "instructions": report.instructions,
            "issue_cycles": report.issue_cycles,
            "modelled_ns": nanos,
            "clock": modelled.map(|modelled| &modelled.json),
            "ledger": report.ledger.as_ref().map(crate::ledger::described),
            "classes": report.classes().map(|(name, count)| serde_json::json!([name, count])).collect::<Vec<_>>(),
        });
        if let Some(races) = races {
            json["races"] = races.found.iter().map(race).collect();
        }
        *lock(&self.report) = Some(json);
        if let Some(ledger) = &report.ledger {
            crate::ledger::note(kernel, ledger);
        }
        nanos
    }

    /// Stores the report of a launch of which only samples were executed, and yields its duration in nanoseconds.
    pub(crate) fn note_sampled(&self, kernel: &str, modelled: &Modelled) -> f64 {
        *lock(&self.report) = Some(serde_json::json!({ "kernel": kernel, "clock": modelled.json }));
        self.covered(kernel, modelled).unwrap_or(0.0)
    }

    /// The model's time of a launch. The first launch without one is named on stderr: events go on counting
    /// something else.
    fn covered(&self, kernel: &str, modelled: &Modelled) -> Option<f64> {
        if modelled.nanos.is_none() && self.not_covered.fetch_add(1, Ordering::Relaxed) == 0 {
            eprintln!(
                "vhip: the timing model does not cover {kernel} ({}): events count issue cycles for such launches",
                modelled.json["reasons"][0].as_str().unwrap_or("no reason known")
            );
        }
        modelled.nanos
    }

    /// The sticky fault's JSON.
    pub(crate) fn fault_json(&self) -> Option<serde_json::Value> {
        lock(&self.fault).as_ref().map(|(_, json)| json.clone())
    }

    /// The last launch's JSON.
    pub(crate) fn report_json(&self) -> Option<serde_json::Value> {
        lock(&self.report).clone()
    }

    /// Forgets the fault; memory and modules stay.
    pub(crate) fn clear_fault(&self) {
        *lock(&self.fault) = None;
    }
}

/// A race for the report.
fn race(race: &Race) -> serde_json::Value {
    let place = |place: &RacePlace| serde_json::json!({ "wave": place.wave, "offset": place.offset, "text": place.text });
    serde_json::json!({
        "kind": format!("{:?}", race.kind),
        "what": race.kind.name(),
        "first": place(&race.first),
        "second": place(&race.second),
        "address": race.address,
        "workgroup": race.workgroup,
        "count": race.count,
    })
}

/// A PCI bus id in the usual form.
fn bus_id(id: usize) -> String {
    format!("0000:{:02x}:00.0", bus(id))
}

fn driver_version(version: *mut c_int) -> Status {
    // SAFETY: the caller's out-parameter.
    unsafe { put(version, RUNTIME_VERSION) }
}

/// A made-up identity: the digits of a device's unique number, as ROCm puts them there.
pub(crate) fn uuid(id: usize) -> hipUUID {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(format!("{:016x}", 0x3550_0000_0000_0000u64 + id as u64).bytes()) {
        *to = from as c_char;
    }
    hipUUID { bytes }
}

fn choose(ordinal: *mut c_int, nothing_wanted: bool) -> Status {
    if nothing_wanted {
        return Err(hipError_t::hipErrorInvalidValue);
    }
    // SAFETY: the caller's out-parameter.
    unsafe { put(ordinal, 0) }
}

/// Copies text into a C buffer of `capacity` bytes, cut if need be.
fn write_text(target: *mut c_char, capacity: c_int, content: &str) -> Status {
    if target.is_null() || capacity <= 0 {
        return Err(hipError_t::hipErrorInvalidValue);
    }
    let bytes = &content.as_bytes()[..content.len().min(capacity as usize - 1)];
    // SAFETY: the caller's buffer has `capacity` bytes; at most capacity − 1 and the NUL are written.
    unsafe {
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), target.cast(), bytes.len());
        target.add(bytes.len()).write(0);
    }
    Ok(())
}

api! {
    /// Initialises the runtime.
    fn hipInit(flags: c_uint) {
        if flags != 0 {
            return Err(hipError_t::hipErrorInvalidValue);
        }
        runtime();
        Ok(())
    }
    /// HIP version of the headers that this library was made for.
    fn hipRuntimeGetVersion(version: *mut c_int) { driver_version(version) }
    /// As `hipRuntimeGetVersion`.
    fn hipDriverGetVersion(version: *mut c_int) { driver_version(version) }
    /// Number of virtual devices.
    fn hipGetDeviceCount(count: *mut c_int) {
        // SAFETY: the caller's out-parameter.
        unsafe { put(count, runtime().devices.len() as c_int) }
    }
    /// The calling thread's device.
    fn hipGetDevice(ordinal: *mut c_int) {
        // SAFETY: the caller's out-parameter.
        unsafe { put(ordinal, current().id as c_int) }
    }
    /// Selects the calling thread's device.
    fn hipSetDevice(ordinal: c_int) { set_current(ordinal) }
    /// Device handle of an ordinal; they are the same number.
    fn hipDeviceGet(handle: *mut hipDevice_t, ordinal: c_int) {
        device(ordinal)?;
        // SAFETY: the caller's out-parameter.
        unsafe { put(handle, ordinal) }
    }
    /// The device's name.
    fn hipDeviceGetName(name: *mut c_char, capacity: c_int, handle: hipDevice_t) {
        device(handle)?;
        write_text(name, capacity, NAME)
    }
    /// A PCI bus id in the usual form.
    fn hipDeviceGetPCIBusId(name: *mut c_char, capacity: c_int, ordinal: c_int) {
        let id = device(ordinal)?.id;
        write_text(name, capacity, &bus_id(id))
    }
    /// The device with this PCI bus id.
    fn hipDeviceGetByPCIBusId(ordinal: *mut c_int, name: *const c_char) {
        // SAFETY: the caller's string.
        let name = unsafe { text(name) }?;
        let mut devices = runtime().devices.iter();
        let found = devices.find(|device| name.eq_ignore_ascii_case(&bus_id(device.id)));
        let id = found.ok_or(hipError_t::hipErrorInvalidValue)?.id;
        // SAFETY: the caller's out-parameter.
        unsafe { put(ordinal, id as c_int) }
    }
    /// Sixteen bytes that name the device.
    fn hipDeviceGetUuid(target: *mut hipUUID, handle: hipDevice_t) {
        let id = device(handle)?.id;
        // SAFETY: the caller's out-parameter.
        unsafe { put(target, uuid(id)) }
    }
    /// The device that is nearest to wanted properties: they are all the same.
    fn hipChooseDeviceR0600(ordinal: *mut c_int, wanted: *const hipDeviceProp_tR0600) {
        choose(ordinal, wanted.is_null())
    }
    /// As `hipChooseDeviceR0600`, for the layout of the headers before HIP 6.
    fn hipChooseDeviceR0000(ordinal: *mut c_int, wanted: *const hipDeviceProp_tR0000) {
        choose(ordinal, wanted.is_null())
    }
    /// As `hipChooseDeviceR0000`: programs of those headers know only this name.
    fn hipChooseDevice(ordinal: *mut c_int, wanted: *const hipDeviceProp_tR0000) {
        choose(ordinal, wanted.is_null())
    }
    /// Bytes of device memory.
    fn hipDeviceTotalMem(bytes: *mut usize, handle: hipDevice_t) {
        device(handle)?;
        // SAFETY: the caller's out-parameter.
        unsafe { put(bytes, MEMORY_BYTES as usize) }
    }
    /// 9.5 for gfx950.
    fn hipDeviceComputeCapability(major: *mut c_int, minor: *mut c_int, handle: hipDevice_t) {
        device(handle)?;
        // SAFETY: the caller's out-parameters.
        unsafe {
            put(major, CAPABILITY.0)?;
            put(minor, CAPABILITY.1)
        }
    }
    /// Waits for the device: reports a fault of an earlier kernel.
    fn hipDeviceSynchronize() {
        capture::refuse_all(hipError_t::hipErrorStreamCaptureUnsupported)?;
        current().refuse_after_fault()
    }
    /// Forgets the device's fault and destroys its streams, modules and allocations.
    fn hipDeviceReset() {
        capture::refuse_all(hipError_t::hipErrorStreamCaptureUnsupported)?;
        let device = current();
        let runtime = runtime();
        runtime.streams.retain(|stream| stream.device.id != device.id);
        runtime.functions.retain(|function| function.module.device.id != device.id);
        runtime.modules.retain(|module| module.device.id != device.id);
        crate::register::forget_device(device.id);
        crate::library::forget_device(device.id);
        crate::memory::free_all(device);
        device.clear_fault();
        Ok(())
    }
    /// Scheduling flags have no meaning without a scheduler: accepted when valid.
    fn hipSetDeviceFlags(flags: c_uint) {
        if flags & !0x1f != 0 { Err(hipError_t::hipErrorInvalidValue) } else { Ok(()) }
    }
    /// The default scheduling flags.
    fn hipGetDeviceFlags(flags: *mut c_uint) {
        // SAFETY: the caller's out-parameter.
        unsafe { put(flags, 0) }
    }
}
