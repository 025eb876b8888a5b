//! The model as a whole: a sampled launch and the caches before it, to a time with its error.

use serde::Serialize;
use thiserror::Error;

use crate::{
    envelope::{Calibrated, Envelope, EnvelopeError, F4GEMM, Reason},
    lower::Traffic,
    machine::{MI355X, Machine, MachineError, Rates},
    predict::{Prediction, load, predict, replay_turn, spill},
    sample::{Caches, Sample},
    units::{Nanoseconds, Ticks},
    watch::Watch,
};

/// Counts changes of how a recording becomes a time; constants and envelope are named by their contents.
/// 2: a compute unit takes a second workgroup only after all units have one.
pub const VERSION: u32 = 2;

/// A machine and what its constants were calibrated on.
#[derive(Clone, Debug)]
pub struct Model {
    machine: Machine,
    rates: Rates,
    calibrated: Calibrated,
}

/// A modelled launch.
#[derive(Clone, Debug, PartialEq)]
pub struct Timed {
    /// What the time is made of. Of a refused launch its parts are good for comparisons only.
    pub breakdown: Prediction,
    /// How far the calibration speaks for the launch.
    pub envelope: Envelope,
    /// How far the time may be off; none if refused.
    pub band: Option<Band>,
}

/// How far a time may be off, relatively.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Band {
    /// Nine of ten left-out rows were no farther off than this. Of an extrapolated launch, with what its time changes
    /// if the constants are elsewhere in the ranges that they may have.
    pub p90: f64,
    /// Half of the left-out rows were no farther off; the same widening.
    pub median: f64,
    /// Rows behind it.
    pub rows: usize,
}

/// Why there is no model.
#[derive(Debug, Error)]
pub enum ModelError {
    /// The machine description.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// The envelope.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
}

impl Model {
    /// The MI355X as this crate comes with it.
    ///
    /// # Errors
    /// [`ModelError`]; a test holds that there is none.
    pub fn mi355x() -> Result<Model, ModelError> {
        Model::new(Machine::parse(MI355X)?, Calibrated::parse(F4GEMM)?)
    }

    /// Another machine or envelope.
    ///
    /// # Errors
    /// [`MachineError::Missing`].
    pub fn new(machine: Machine, calibrated: Calibrated) -> Result<Model, ModelError> {
        let rates = Rates::of(&machine)?;
        Ok(Model { machine, rates, calibrated })
    }

    /// Its constants.
    pub fn rates(&self) -> &Rates {
        &self.rates
    }

    /// Its constants with their sources.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Models a launch.
    ///
    /// The band of a launch inside the envelope is what left-out rows of its duration were off by. Outside, two
    /// deviations are added to it as independent ones: what the time changes by when each constant is put to the
    /// ends of the range that its source allows (`spread`, or the error of its fit), and when instructions that no
    /// row executed take twice as long.
    pub fn time(&self, sample: &Sample, caches: Caches) -> Timed {
        let envelope = self.calibrated.judge(sample, caches);
        let breakdown = match &envelope {
            Envelope::Refused(why) if why.contains(&Reason::Empty) => Prediction::default(),
            _ => predict(sample, caches, &self.rates),
        };
        let band = match &envelope {
            Envelope::Refused(_) => None,
            Envelope::Calibrated => Some(self.errors(&breakdown, true, 0.0)),
            Envelope::Extrapolated(reasons) => {
                let known = !reasons.iter().any(|reason| matches!(reason, Reason::Family { .. }));
                let unseen = reasons.iter().map(|reason| match reason {
                    Reason::Instructions { share, .. } => *share,
                    _ => 0.0,
                });
                let more = self.sensitivity(sample, caches, breakdown.time).hypot(unseen.sum());
                Some(self.errors(&breakdown, known, more))
            }
        };
        Timed { breakdown, envelope, band }
    }

    /// Replays one kind of workgroup in one turn of the grid over the device (an index into [`Sample::turns`]) on one
    /// compute unit, under observation: how long it takes. Zero if there is no such turn.
    pub fn watch<W: Watch>(
        &self,
        sample: &Sample,
        caches: Caches,
        turn: usize,
        class: u32,
        watch: &mut W,
    ) -> Ticks {
        let Some((turn, _)) = sample.turns.get(turn) else { return Ticks(0) };
        let share = sample.share(turn.share, caches);
        let traffic = Traffic { share: &share, load: load(turn.groups), spill: spill(sample) };
        let rates = caches.rates(&self.rates);
        let recording = &sample.classes[class as usize].recording;
        replay_turn(recording, turn, traffic, &rates, watch)
    }

    fn errors(&self, breakdown: &Prediction, known: bool, more: f64) -> Band {
        let errors = self.calibrated.errors(breakdown.time.microseconds(), known);
        Band { p90: errors.p90.hypot(more), median: errors.median.hypot(more), rows: errors.rows }
    }

    /// Root of the summed squares of what each uncertain constant can change, relatively.
    fn sensitivity(&self, sample: &Sample, caches: Caches, time: Nanoseconds) -> f64 {
        let mut sum = 0.0;
        for (name, constant) in &self.machine.0 {
            let Some(ends) = constant.may_be() else { continue };
            let change = ends.map(|end| {
                let mut machine = self.machine.clone();
                if let Some(constant) = machine.0.get_mut(name) {
                    constant.value = end;
                }
                let rates = Rates::of(&machine).unwrap_or(self.rates);
                (predict(sample, caches, &rates).time.0 / time.0).ln().abs()
            });
            sum += change[0].max(change[1]).powi(2);
        }
        sum.sqrt()
    }
}

impl Timed {
    /// The time; none if refused.
    pub fn duration(&self) -> Option<Nanoseconds> {
        self.band.map(|_| self.breakdown.time)
    }
}

impl std::fmt::Display for Timed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let us = self.breakdown.time.microseconds();
        match (self.band, &self.envelope) {
            (Some(band), Envelope::Calibrated) => {
                write!(f, "{us:.2} µs ± {:.0} % (calibrated)", 100.0 * band.p90)
            }
            (Some(band), _) => write!(f, "{us:.2} µs ± {:.0} % (extrapolated)", 100.0 * band.p90),
            (None, _) => write!(f, "no time: the model does not cover this launch"),
        }
    }
}

#[cfg(test)]
mod tests;
