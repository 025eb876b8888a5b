//! The time of launches: by the timing model where somebody asks for time, by issue cycles elsewhere.
//!
//! A modelled launch is recorded before it runs: prefixes of its workgroups and one whole workgroup of each kind
//! (`timing::sample`), whose stores are taken back. Then the launch itself runs, all of it, as if nothing had been; or,
//! with `clock=sampled`, not at all. Equal launches share one model: same kernel, shape, arguments and caches, and no
//! copy or fill to device memory in between. What kernels and host pointers change in between is not looked at.

mod option;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc, Mutex, OnceLock, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use emulator::{Launch, LaunchError, RunOptions};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use timing::{
    explain::Explanation,
    model::{Model, Timed},
    sample::{Caches, Sample},
    timeline::Timeline,
    units::{Hertz, Topology},
};

use crate::{command::KernelLaunch, device::VirtualDevice, function::Function, runtime::lock};
pub(crate) use option::{described, set};

/// Which launches are modelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Those after a record of an event with timing, as long as such an event exists.
    #[default]
    Auto,
    /// None: issue cycles.
    Issue,
    /// All. A span of time with a launch that the model does not cover is an error.
    Model,
    /// All, and nothing of them is executed but what is recorded: memory stays as it is.
    Sampled,
}

/// What the options say.
#[derive(Clone, Debug)]
struct Settings {
    mode: Mode,
    caches: Caches,
    /// Whether reports say where the time goes.
    explain: bool,
    /// Where the timeline of a compute unit goes.
    timeline: Option<PathBuf>,
}

static SETTINGS: Mutex<Settings> =
    Mutex::new(Settings { mode: Mode::Auto, caches: Caches::Cold, explain: false, timeline: None });

/// Instructions of a wave while it is recorded: launches whose waves issue more are not modelled.
const BUDGET: u64 = 1 << 26;
/// Launches whose model is kept.
const KEPT: usize = 1024;

/// How long a launch takes.
#[derive(Clone, Debug)]
pub(crate) struct Modelled {
    /// The model's time, if it covers the launch.
    pub nanos: Option<f64>,
    /// What the report says.
    pub json: Value,
}

/// A way to model the next launch.
pub(crate) struct Clock {
    settings: Settings,
}

/// Copies and fills to device memory so far.
static CHANGES: AtomicU64 = AtomicU64::new(0);

/// Notes that device memory was changed from outside of kernels.
pub(crate) fn memory_changed() {
    CHANGES.fetch_add(1, Ordering::Relaxed);
}

/// What tells launches apart.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    function: usize,
    grid: [u32; 3],
    block: [u32; 3],
    dynamic_lds: u32,
    kernarg: Vec<u8>,
    caches: Caches,
    changes: u64,
}

/// Known launches. The weak reference keeps the function's address from being another one's.
type Known = HashMap<Key, (Weak<Function>, Modelled)>;

fn known() -> &'static Mutex<Known> {
    static KNOWN: OnceLock<Mutex<Known>> = OnceLock::new();
    KNOWN.get_or_init(Mutex::default)
}

/// The calibrated model. That it parses, its crate tests.
fn model() -> Option<&'static Model> {
    static MODEL: OnceLock<Option<Model>> = OnceLock::new();
    MODEL
        .get_or_init(|| Model::mi355x().inspect_err(|error| eprintln!("vhip: no timing model: {error}")).ok())
        .as_ref()
}

/// The model's name, with what tells its constants from others.
pub(crate) fn version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| {
        let mut hash = Sha256::new();
        hash.update(timing::machine::MI355X);
        hash.update(timing::envelope::F4GEMM);
        let digest = hash.finalize();
        let hex: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        format!("replay {}-{hex}", timing::model::VERSION)
    })
}

/// Whether a span of time must not contain launches that the model does not cover.
pub(crate) fn is_strict() -> bool {
    matches!(lock(&SETTINGS).mode, Mode::Model | Mode::Sampled)
}

impl Clock {
    /// The clock for the next launch on a device, if it is to be modelled.
    pub(crate) fn for_launch(device: &VirtualDevice) -> Option<Clock> {
        let settings = lock(&SETTINGS).clone();
        let wanted = match settings.mode {
            Mode::Auto => device.is_timed() || settings.explain || settings.timeline.is_some(),
            Mode::Issue => false,
            Mode::Model | Mode::Sampled => true,
        };
        wanted.then_some(Clock { settings })
    }

    /// Whether the launch is only sampled.
    pub(crate) fn samples_only(&self) -> bool {
        self.settings.mode == Mode::Sampled
    }

    /// Models a launch. `waits_for` says what the launch needs that a recording has not.
    ///
    /// # Errors
    /// The launch's refusal, or its fault in a recorded workgroup.
    pub(crate) fn model(
        &self,
        device: &VirtualDevice,
        asked: &KernelLaunch,
        launch: &Launch<'_>,
        waits_for: Option<&'static str>,
    ) -> Result<Modelled, LaunchError> {
        let none = |reason: &str| Modelled {
            nanos: None,
            json: json!({
                "model": version(),
                "caches": self.settings.caches.name(),
                "label": "no data",
                "reasons": [reason],
            }),
        };
        let Some(model) = model() else { return Ok(none("the model's constants cannot be read")) };
        if let Some(reason) = waits_for {
            return Ok(none(reason));
        }
        let key = Key {
            function: Arc::as_ptr(&asked.function) as usize,
            grid: launch.grid,
            block: launch.block,
            dynamic_lds: launch.dynamic_lds,
            kernarg: launch.kernarg.to_vec(),
            caches: self.settings.caches,
            changes: CHANGES.load(Ordering::Relaxed),
        };
        let explains = self.settings.explain || self.settings.timeline.is_some();
        if !explains && let Some((_, modelled)) = lock(known()).get(&key) {
            return Ok(modelled.clone());
        }
        let function = &asked.function;
        let options = RunOptions {
            seed: None,
            instruction_budget: launch.options.instruction_budget.min(BUDGET),
            threads: 1,
            ledger: false,
            ..launch.options
        };
        let recorded = Launch { options, ..*launch };
        let sample = Sample::take(
            &device.emulator,
            &function.module.image,
            function.kernel(),
            &recorded,
            Topology::MI355X,
        );
        let sample = match sample {
            Ok(sample) => sample,
            Err(LaunchError::Fault(fault)) if matches!(fault.kind, emulator::FaultKind::Budget { .. }) => {
                return Ok(none(
                    "a recorded wave does not end within 2^26 instructions: it may wait for others",
                ));
            }
            // It may need what workgroups before it store. The launch itself shows whether anything is wrong.
            Err(LaunchError::Fault(fault)) if !self.samples_only() => {
                return Ok(none(&format!("a recorded workgroup was stopped: {}", fault.kind)));
            }
            Err(error) => return Err(error),
        };
        let timed = model.time(&sample, self.settings.caches);
        let mut modelled = Modelled { nanos: nanos(&timed), json: self.json(&sample, &timed) };
        if explains {
            self.explain(model, &sample, &timed, &mut modelled.json);
        } else {
            let mut known = lock(known());
            if known.len() >= KEPT {
                known.clear();
            }
            known.insert(key, (Arc::downgrade(function), modelled.clone()));
        }
        Ok(modelled)
    }

    fn json(&self, sample: &Sample, timed: &Timed) -> Value {
        let reasons: Vec<String> = timed.envelope.reasons().iter().map(ToString::to_string).collect();
        json!({
            "model": version(),
            "caches": self.settings.caches.name(),
            "label": timed.envelope.label(),
            "reasons": reasons,
            "ns": nanos(timed),
            "band": timed.band,
            "clock_ghz": timed.breakdown.clock_ghz,
            "recorded_workgroups": sample.classes.len(),
            "workgroups": sample.groups,
        })
    }

    /// Adds where the time goes, and writes the timeline.
    fn explain(&self, model: &Model, sample: &Sample, timed: &Timed, json: &mut Value) {
        let caches = self.settings.caches;
        if self.settings.explain {
            let explanation = Explanation::of(model, sample, caches, timed);
            json["explanation"] = serde_json::to_value(explanation).unwrap_or_default();
        }
        let Some(file) = &self.settings.timeline else { return };
        // The first turn's most frequent kind of workgroup.
        let turn = sample.turns.first().map(|(turn, _)| turn);
        let Some((class, _)) = turn.and_then(|turn| turn.classes.iter().max_by_key(|(_, groups)| *groups))
        else {
            return;
        };
        let recording = &sample.classes[*class as usize].recording;
        let mut timeline = Timeline::new(recording, Hertz(1e9 * timed.breakdown.clock_ghz));
        model.watch(sample, caches, 0, *class, &mut timeline);
        let trace = timeline.json(&sample.kernel);
        json["timeline"] = match std::fs::write(file, format!("{trace}\n")) {
            Ok(()) => {
                json!({ "file": file.display().to_string(), "left_out": trace["otherData"]["slices_left_out"] })
            }
            Err(error) => json!({ "file": file.display().to_string(), "error": error.to_string() }),
        };
    }
}

/// Rounded to 2^-10 ns, so that sums of times are exact and do not depend on when they begin.
fn nanos(timed: &Timed) -> Option<f64> {
    timed.duration().map(|time| (time.0 * 1024.0).round() / 1024.0)
}
