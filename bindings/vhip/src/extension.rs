//! What the virtual MI355X offers beside HIP: identity, options, the last fault, the last launch's report.
//!
//! Options hold for every later launch of the process, on all devices. Each can be given by
//! `vhipSetOption(key, value)`, or by its variable in the environment, which is read when the runtime
//! starts or an option is first set.
//!
//! | key | variable | values | default | what it does |
//! | --- | --- | --- | --- | --- |
//! | `seed` | `MI355X_VIRTUAL_SEED` | 0 to 2^64 − 1, `none` | `none` | order of waves and workgroups: random from this seed, or ascending |
//! | `turn` | `MI355X_VIRTUAL_TURN` | 0 to 2^64 − 1 | 0 | instructions that a wave issues before the next one's turn (with a seed: at most); 1 is lockstep, 0 long turns |
//! | `late_delivery` | `MI355X_VIRTUAL_LATE_DELIVERY` | `0`, `1`, `stale`, `after:N` | `0` | memory results arrive at issue, at the covering `s_waitcnt` only with a NaN until then, so that a missing wait gives wrong numbers, or with the old content until then, or N instructions after their own |
//! | `instruction_budget` | `MI355X_VIRTUAL_INSTRUCTION_BUDGET` | 1 to 2^64 − 1, `default` | 2^30 | instructions that one wave may issue before it counts as an endless loop |
//! | `threads` | `MI355X_VIRTUAL_THREADS` | 1 to 1024, `all` | `all` | host threads of a launch |
//! | `mfma` | `MI355X_VIRTUAL_MFMA` | `mixed`, `exact-block`, `cdna3-truncating`, `fma-chain` | `mixed` | how matrix instructions accumulate |
//! | `divergent_barriers` | `MI355X_VIRTUAL_DIVERGENT_BARRIERS` | `0`, `1` | `0` | accept waves of a workgroup that wait at different barriers, or end early |
//! | `clamp_lds` | `MI355X_VIRTUAL_CLAMP_LDS` | `0`, `1` | `0` | LDS beyond the workgroup's allocation reads 0 and drops writes, as on hardware, instead of faulting |
//! | `races` | `MI355X_VIRTUAL_RACES` | `0`, `1` | `0` | the report names accesses to LDS, and to destinations of loads, that nothing orders but time; some ten times slower |
//! | `garbage` | `MI355X_VIRTUAL_GARBAGE` | `nan`, `huge` | `nan` | what registers, LDS and scratch hold before they are written: NaN, or large finite numbers, in every float format |
//! | `ledger` | `MI355X_VIRTUAL_LEDGER` | `0`, `1`, a file | `0` | keep a fidelity ledger: what the executed instructions' results are worth, and whether assumed ones reached an address, a branch or memory; in `vhipReport` and `vhipLedger`, and written to the file after each launch; launches take several times as long |
//! | `poison` | `MI355X_VIRTUAL_POISON` | `0`, `1` | `0` | new device memory holds NaN in every float format instead of zeros; touches every page |
//! | `unified` | `MI355X_VIRTUAL_UNIFIED` | `0`, `1` | `0` | every host pointer is a device pointer, as with HMM and XNACK; see `unified.rs` |
//! | `clock` | `MI355X_VIRTUAL_CLOCK` | `auto`, `issue`, `model`, `sampled` | `auto` | how long launches take: as the timing model says while an event with timing has been recorded, else their issue cycles; always issue cycles; always the model, and `hipEventElapsedTime` answers hipErrorNotSupported across a launch that it does not cover; the same without executing more of a launch than is recorded (memory stays as it is) |
//! | `caches` | `MI355X_VIRTUAL_CACHES` | `cold`, `warm`, `hot` | `cold` | what modelled launches find in the caches: nothing, their operands in the Infinity Cache, or what an equal launch left |
//! | `explain` | `MI355X_VIRTUAL_EXPLAIN` | `0`, `1` | `0` | model every launch, and say in the report where its time goes |
//! | `timeline` | `MI355X_VIRTUAL_TIMELINE` | `0`, a file | `0` | model every launch, and write what one compute unit does to the file, for Perfetto |
//! | `devices` | `MI355X_VIRTUAL_DEVICES` | 1 to 64 | 1 | what `hipGetDeviceCount` says; refused once a HIP function was called |

use std::{
    ffi::{CString, c_char, c_int},
    sync::{Mutex, OnceLock},
};

use emulator::{DEFAULT_BUDGET, Delivery, Garbage, MfmaPolicy, RunOptions};

use crate::{
    api, clock,
    device::NAME,
    ledger,
    runtime::{current, lock, runtime, set_device_count},
    unsupported,
};

/// `vhipSetOption`'s answers.
const ACCEPTED: c_int = 0;
const UNKNOWN_KEY: c_int = 1;
const BAD_VALUE: c_int = 2;

/// The keys, in the order of the table above.
const KEYS: [&str; 18] = [
    "seed",
    "turn",
    "late_delivery",
    "instruction_budget",
    "threads",
    "mfma",
    "divergent_barriers",
    "clamp_lds",
    "races",
    "garbage",
    "ledger",
    "poison",
    "unified",
    "clock",
    "caches",
    "explain",
    "timeline",
    "devices",
];

/// What the options say.
#[derive(Clone, Copy, Default)]
struct Options {
    run: RunOptions,
    races: bool,
    poison: bool,
    unified: bool,
}

const POLICIES: [(&str, MfmaPolicy); 4] = [
    ("mixed", MfmaPolicy::Mixed),
    ("exact-block", MfmaPolicy::ExactBlock),
    ("cdna3-truncating", MfmaPolicy::Cdna3Truncating),
    ("fma-chain", MfmaPolicy::FmaChain),
];

const GARBAGE: [(&str, Garbage); 2] = [("nan", Garbage::Nan), ("huge", Garbage::Huge)];

/// The environment variable of an option.
fn variable(key: &str) -> String {
    format!("MI355X_VIRTUAL_{}", key.to_ascii_uppercase())
}

/// The options that the environment gave, as changed since.
fn options() -> &'static Mutex<Options> {
    static OPTIONS: OnceLock<Mutex<Options>> = OnceLock::new();
    OPTIONS.get_or_init(|| {
        let mut options = Options::default();
        for key in KEYS {
            let Ok(value) = std::env::var(variable(key)) else { continue };
            if set(&mut options, key, &value) != ACCEPTED {
                eprintln!(
                    "vhip: {}={value} is not one of its values and stays at its default",
                    variable(key)
                );
            }
        }
        Mutex::new(options)
    })
}

/// Reads the options from the environment, once.
pub(crate) fn read_environment() {
    options();
}

/// How launches run from now on.
pub(crate) fn run_options() -> RunOptions {
    lock(options()).run
}

/// Whether launches are watched for races.
pub(crate) fn watches_races() -> bool {
    lock(options()).races
}

/// Whether new device memory is filled with a pattern.
pub(crate) fn poisons() -> bool {
    lock(options()).poison
}

/// Whether kernels reach all host memory.
pub(crate) fn is_unified() -> bool {
    lock(options()).unified
}

fn set(options: &mut Options, key: &str, value: &str) -> c_int {
    /// Stores what could be read.
    fn store<T>(place: &mut T, value: Option<T>) -> c_int {
        match value {
            Some(value) => {
                *place = value;
                ACCEPTED
            }
            None => BAD_VALUE,
        }
    }
    let value = value.trim();
    match key {
        "seed" => store(
            &mut options.run.seed,
            if value == "none" { Some(None) } else { value.parse().ok().map(Some) },
        ),
        "turn" => store(&mut options.run.turn, value.parse().ok()),
        "late_delivery" => store(&mut options.run.delivery, delivery(value)),
        "instruction_budget" => {
            let budget = if value == "default" { Some(DEFAULT_BUDGET) } else { value.parse().ok() };
            store(&mut options.run.instruction_budget, budget.filter(|budget| *budget > 0))
        }
        "threads" => {
            let threads = value.parse().ok().filter(|threads| (1..=1024).contains(threads));
            store(&mut options.run.threads, if value == "all" { Some(0) } else { threads })
        }
        "mfma" => {
            let policy = POLICIES.iter().find(|(name, _)| *name == value);
            store(&mut options.run.mfma, policy.map(|(_, policy)| *policy))
        }
        "divergent_barriers" => store(&mut options.run.divergent_barriers, switch(value)),
        "clamp_lds" => store(&mut options.run.clamp_lds, switch(value)),
        "races" => store(&mut options.races, switch(value)),
        "garbage" => {
            store(&mut options.run.garbage, GARBAGE.iter().find(|(name, _)| *name == value).map(|g| g.1))
        }
        "ledger" => {
            if value.is_empty() {
                return BAD_VALUE;
            }
            options.run.ledger = value != "0";
            let file = !matches!(value, "0" | "1");
            ledger::begin(file.then(|| value.into()));
            ACCEPTED
        }
        "poison" => store(&mut options.poison, switch(value)),
        "unified" => store(&mut options.unified, switch(value)),
        "clock" | "caches" | "explain" | "timeline" => match clock::set(key, value) {
            true => ACCEPTED,
            false => BAD_VALUE,
        },
        "devices" => {
            let accepted = value.parse().is_ok_and(set_device_count);
            if accepted { ACCEPTED } else { BAD_VALUE }
        }
        _ => UNKNOWN_KEY,
    }
}

fn switch(value: &str) -> Option<bool> {
    match value {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

fn delivery(value: &str) -> Option<Delivery> {
    match value {
        "0" => Some(Delivery::Immediate),
        "1" => Some(Delivery::Poisoned),
        "stale" => Some(Delivery::Stale),
        _ => value.strip_prefix("after:")?.parse().ok().map(Delivery::After),
    }
}

/// The options as text, for the report.
fn described(options: &Options) -> serde_json::Value {
    let policy = POLICIES.iter().find(|(_, policy)| *policy == options.run.mfma);
    serde_json::json!({
        "seed": options.run.seed,
        "late_delivery": match options.run.delivery {
            Delivery::Immediate => serde_json::json!(false),
            Delivery::Poisoned => serde_json::json!(true),
            Delivery::Stale => serde_json::json!("stale"),
            Delivery::After(instructions) => serde_json::json!(format!("after:{instructions}")),
        },
        "instruction_budget": options.run.instruction_budget,
        "threads": options.run.threads,
        "mfma": policy.map(|(name, _)| *name),
        "divergent_barriers": options.run.divergent_barriers,
        "clamp_lds": options.run.clamp_lds,
        "races": options.races,
        "garbage": GARBAGE.iter().find(|(_, garbage)| *garbage == options.run.garbage).map(|(name, _)| *name),
        "ledger": options.run.ledger,
        "poison": options.poison,
        "unified": options.unified,
        "clock": clock::described(),
    })
}

/// Writes `text` with its NUL into a buffer of `length` bytes, cut if need be; yields the text's whole
/// length without NUL.
///
/// # Safety
/// `buffer` is null, or has `length` bytes.
unsafe fn give(buffer: *mut c_char, length: usize, text: &str) -> c_int {
    if !buffer.is_null() && length > 0 {
        let bytes = &text.as_bytes()[..text.len().min(length - 1)];
        // SAFETY: the caller's buffer has room for them and the NUL.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), buffer.cast(), bytes.len());
            buffer.add(bytes.len()).write(0);
        }
    }
    c_int::try_from(text.len()).unwrap_or(c_int::MAX)
}

/// JSON that identifies this library; the text lives as long as the process.
#[unsafe(no_mangle)]
pub extern "C" fn vhipInfo() -> *const c_char {
    static INFO: OnceLock<CString> = OnceLock::new();
    let info = INFO.get_or_init(|| {
        let json = serde_json::json!({
            "library": "vhip",
            "version": env!("CARGO_PKG_VERSION"),
            "device": NAME,
            "arch": "gfx950",
            "devices": runtime().devices.len(),
            "model": clock::version(),
            "simd": format!("{:?}", emulator::level()),
            "options": KEYS,
            "mfma_policies": POLICIES.map(|(name, _)| name),
            "functions_not_supported": unsupported::NOT_SUPPORTED,
        });
        // JSON has no NUL: control characters are escaped.
        CString::new(json.to_string()).unwrap_or_default()
    });
    info.as_ptr()
}

/// JSON of the current device's fault, or of the first device that has one; 0 when there is none.
///
/// # Safety
/// `buffer` is null, or has `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vhipLastFault(buffer: *mut c_char, length: usize) -> c_int {
    let fault =
        current().fault_json().or_else(|| runtime().devices.iter().find_map(|device| device.fault_json()));
    match fault {
        // SAFETY: the caller's buffer.
        Some(json) => unsafe { give(buffer, length, &json.to_string()) },
        None => 0,
    }
}

/// JSON of the current device's last launch, of the options, and of the unimplemented functions that were
/// called; 0 before the first launch.
///
/// # Safety
/// `buffer` is null, or has `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vhipReport(buffer: *mut c_char, length: usize) -> c_int {
    let Some(mut report) = current().report_json() else { return 0 };
    report["options"] = described(&lock(options()));
    report["unsupported_calls"] = serde_json::json!(unsupported::calls());
    // SAFETY: the caller's buffer.
    unsafe { give(buffer, length, &report.to_string()) }
}

/// JSON of the fidelity ledger: every kernel that was launched since the option `ledger` was set, on all devices;
/// 0 when there is none.
///
/// # Safety
/// `buffer` is null, or has `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vhipLedger(buffer: *mut c_char, length: usize) -> c_int {
    match ledger::all() {
        // SAFETY: the caller's buffer.
        Some(json) => unsafe { give(buffer, length, &json.to_string()) },
        None => 0,
    }
}

/// Changes an option of the table above: 0 when accepted, 1 for an unknown key, 2 for a value that the option
/// cannot take, or not any more.
///
/// # Safety
/// Both are NUL-terminated strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vhipSetOption(key: *const c_char, value: *const c_char) -> c_int {
    // SAFETY: the caller's strings.
    let (Ok(key), Ok(value)) = (unsafe { (api::text(key), api::text(value)) }) else { return BAD_VALUE };
    let answer = set(&mut lock(options()), key, value);
    match answer {
        UNKNOWN_KEY => eprintln!("vhip: there is no option {key}; the options are {}", KEYS.join(", ")),
        BAD_VALUE => eprintln!("vhip: the option {key} cannot become {value} now"),
        _ => {}
    }
    answer
}
