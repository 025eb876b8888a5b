//! One kernel on one case, ready to be timed.

use clap::ValueEnum;
use hip::{Event, Function, Module, Stream};
use serde::Serialize;

use super::flush::Flush;
use super::{Modelled, Nanos, Samples};
use crate::check::inputs;
use crate::device::OpenDevice;
use crate::ops::{self, Case, Fill, Problem, Resident, Traffic};
use crate::registry::Instance;
use crate::{Error, Result};

/// What lies in the caches when a kernel starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Other data: 512 MB are written before each launch, and each launch is timed alone
    Cold,
    /// What the launch before left there: launches back to back, timed together
    Hot,
}

/// What timing a kernel gave.
#[derive(Clone, Debug, PartialEq)]
pub enum Timing {
    /// Times of a GPU.
    Measured(Samples),
    /// The one time that the virtual device's model gives, or why it has none.
    Modelled(Modelled),
}

/// A loaded kernel with its tensors, a stream and two events.
pub struct Subject {
    open: OpenDevice,
    problem: Problem,
    resident: Resident,
    function: Function,
    stream: Stream,
    events: [Event; 2],
    flush: Flush,
    /// The virtual device's times are a function of code and operands: one launch of each mode tells all.
    known: [Option<Modelled>; 2],
}

impl Mode {
    /// The virtual device's option for it.
    #[must_use]
    pub fn caches(self) -> &'static str {
        match self {
            Mode::Cold => "cold",
            Mode::Hot => "hot",
        }
    }
}

impl Timing {
    /// The middle; nothing without data.
    #[must_use]
    pub fn median(&self) -> Option<Nanos> {
        match self {
            Timing::Measured(samples) => Some(samples.median()),
            Timing::Modelled(modelled) => modelled.nanos(),
        }
    }
}

impl Subject {
    /// Loads the kernel and copies its operands to the device.
    ///
    /// # Errors
    /// [`Error::Declaration`] for a kernel that the harness cannot launch, [`Error::Device`].
    pub fn new(open: &OpenDevice, instance: &Instance, case: Case, seed: u64) -> Result<Self> {
        let problem = ops::problem(instance, case)?;
        if problem.geometry.grid == 0 {
            return Err(Error::Declaration {
                kernel: instance.path(),
                what: format!("{case}: an empty tensor takes no time"),
            });
        }
        let tensors = inputs::generate(&problem, &instance.path(), seed);
        let mut resident = Resident::new(open, &problem)?;
        resident.reset(&problem, &tensors, Fill::nth(0))?;
        let device = &open.device;
        let function = Module::load(device, &instance.code_object)?.function(&instance.symbol)?;
        Ok(Self {
            problem,
            resident,
            function,
            stream: Stream::new(device)?,
            events: [Event::new(device)?, Event::new(device)?],
            flush: Flush::new(open)?,
            known: [None, None],
            open: open.clone(),
        })
    }

    /// Times the kernel: on a GPU by `count` samples, after one launch that is not counted since a first launch also
    /// loads the code; on the virtual device by one, which says as much as many.
    ///
    /// # Errors
    /// [`Error::Device`], among them that the kernel was stopped.
    pub fn timing(&mut self, mode: Mode, count: usize) -> Result<Timing> {
        if self.open.is_virtual() {
            return Ok(Timing::Modelled(self.model(mode)?));
        }
        let each = if mode == Mode::Hot { 20 } else { 1 };
        self.measure(mode, each)?;
        let times: Result<Vec<_>> = (0..count.max(1)).map(|_| self.measure(mode, each)).collect();
        Ok(Timing::Measured(Samples::new(times?)))
    }

    /// Time per launch, of `launches` launches on a GPU; nothing where the virtual device's model has no data.
    ///
    /// # Errors
    /// As [`timing`](Self::timing).
    pub fn time(&mut self, mode: Mode, launches: u64) -> Result<Option<Nanos>> {
        if self.open.is_virtual() {
            return Ok(self.model(mode)?.nanos());
        }
        self.measure(mode, launches.max(1)).map(Some)
    }

    /// The virtual device's answer. Of the launch it executes what its model records; memory stays as it is.
    ///
    /// # Errors
    /// As [`timing`](Self::timing); [`hip::Error::Setting`] on a GPU.
    pub fn model(&mut self, mode: Mode) -> Result<Modelled> {
        if let Some(known) = &self.known[mode as usize] {
            return Ok(known.clone());
        }
        let clock = self.sampled_launch(mode)?;
        let modelled = Modelled::out_of(clock, &self.open)?
            .ok_or_else(|| Error::NoModel { library: self.open.runtime.library_path().to_owned() })?;
        self.known[mode as usize] = Some(modelled.clone());
        Ok(modelled)
    }

    /// Launches once for the virtual device's model alone; yields what the report says of the clock.
    ///
    /// # Errors
    /// As [`model`](Self::model).
    pub fn sampled_launch(&mut self, mode: Mode) -> Result<serde_json::Value> {
        for (key, value) in [("clock", "sampled"), ("caches", mode.caches())] {
            self.open.runtime.set_option(key, value)?;
        }
        let launched = self.resident.launch(&self.problem, &self.function, &self.stream);
        let launched = launched.and_then(|()| self.stream.synchronize());
        self.open.runtime.set_option("clock", "auto")?;
        launched?;
        Ok(self.open.runtime.last_report()?.map(|mut report| report["clock"].take()).unwrap_or_default())
    }

    /// The least work of one launch.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.problem.traffic
    }

    /// Whether every sample is the same.
    #[must_use]
    pub fn is_deterministic(&self) -> bool {
        self.open.is_virtual()
    }

    /// A GPU's time per launch.
    fn measure(&mut self, mode: Mode, launches: u64) -> Result<Nanos> {
        Ok(match mode {
            Mode::Cold => {
                let mut sum = 0.0;
                for _ in 0..launches {
                    self.flush.run(&self.stream)?;
                    sum += self.between(1)?;
                }
                Nanos(sum / launches as f64)
            }
            Mode::Hot => Nanos(self.between(launches)? / launches as f64),
        })
    }

    /// Device time of `launches` launches, in nanoseconds.
    fn between(&mut self, launches: u64) -> Result<f64> {
        let [start, end] = &self.events;
        start.record(&self.stream)?;
        for _ in 0..launches {
            self.resident.launch(&self.problem, &self.function, &self.stream)?;
        }
        end.record(&self.stream)?;
        end.synchronize()?;
        Ok(end.elapsed_ms_since(start)? * 1e6)
    }
}
