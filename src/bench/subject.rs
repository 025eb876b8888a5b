//! One kernel on one case, ready to be timed.

use clap::ValueEnum;
use hip::{Event, Function, Module, Stream};
use serde::Serialize;

use super::flush::Flush;
use super::{Nanos, Samples};
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

/// A loaded kernel with its tensors, a stream and two events.
pub struct Subject {
    problem: Problem,
    resident: Resident,
    function: Function,
    stream: Stream,
    events: [Event; 2],
    flush: Flush,
    /// The virtual device's times are a function of code and operands: one run of each mode tells all.
    known: [Option<Nanos>; 2],
    deterministic: bool,
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
            known: [None; 2],
            deterministic: open.is_virtual(),
        })
    }

    /// Time per launch, of `launches` launches.
    ///
    /// # Errors
    /// [`Error::Device`], among them that the kernel was stopped.
    pub fn time(&mut self, mode: Mode, launches: u64) -> Result<Nanos> {
        let launches = launches.max(1);
        let slot = mode as usize;
        if let (true, Some(known)) = (self.deterministic, self.known[slot]) {
            return Ok(known);
        }
        let launches = if self.deterministic { 1 } else { launches };
        let nanos = match mode {
            Mode::Cold => {
                let mut sum = 0.0;
                for _ in 0..launches {
                    self.flush.run(&self.stream)?;
                    sum += self.between(1)?;
                }
                Nanos(sum / launches as f64)
            }
            Mode::Hot => Nanos(self.between(launches)? / launches as f64),
        };
        self.known[slot] = Some(nanos);
        Ok(nanos)
    }

    /// `count` samples after one launch that is not counted: a first launch also loads the code.
    ///
    /// On the virtual device one sample says as much as many.
    ///
    /// # Errors
    /// As [`time`](Self::time).
    pub fn samples(&mut self, mode: Mode, count: usize) -> Result<Samples> {
        let count = if self.deterministic { 1 } else { count.max(1) };
        let each = if mode == Mode::Hot { 20 } else { 1 };
        if !self.deterministic {
            self.time(mode, each)?;
        }
        let times: Result<Vec<_>> = (0..count).map(|_| self.time(mode, each)).collect();
        Ok(Samples::new(times?))
    }

    /// The least work of one launch.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.problem.traffic
    }

    /// Whether every sample is the same.
    #[must_use]
    pub fn is_deterministic(&self) -> bool {
        self.deterministic
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
