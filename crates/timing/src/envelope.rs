//! What the calibration rows were like, and how far a launch is from them.
//!
//! `data/envelope.toml` is written by `calibrate`: ranges of what the rows' launches did by `fit`, errors of rows that a
//! fit had not seen by `validate`.

use std::collections::{BTreeMap, BTreeSet};

use emulator::{AccessKind, Moved, Recording, Unit};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    sample::{Caches, Sample},
    units::Topology,
};

/// What was calibrated.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibrated {
    /// Which rows, and when.
    pub source: String,
    /// Beginnings of the kernels' names.
    pub families: BTreeSet<String>,
    /// States of the caches.
    pub caches: BTreeSet<Caches>,
    /// Instructions that the rows' launches executed.
    pub mnemonics: BTreeSet<String>,
    /// Least and greatest of each [`Trait`].
    pub traits: BTreeMap<Trait, [f64; 2]>,
    /// Errors of rows whose (N, K) was left out of the fit, by modelled time ascending.
    pub known: Vec<Errors>,
    /// Errors of rows whose kernel was left out of the fit.
    pub unknown: Vec<Errors>,
}

/// Errors of left-out rows whose modelled time is at least `from_us`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Errors {
    /// µs.
    pub from_us: f64,
    /// Rows.
    pub rows: usize,
    /// Relative error that half of them stay below.
    pub median: f64,
    /// Relative error that nine of ten stay below.
    pub p90: f64,
}

/// What can be measured of every launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trait {
    /// Waves of a SIMD at a time: occupancy.
    WavesPerSimd,
    /// Waves of a workgroup.
    WavesPerGroup,
    /// Workgroups of the grid.
    Groups,
    /// Distinct bytes that it touches.
    Footprint,
    /// Bytes that it writes.
    Written,
    /// Bytes of scratch of a lane.
    Scratch,
    /// Share of the matrix core's instructions among all executed ones.
    Matrix,
    /// The vector ALU's share.
    Vector,
    /// The scalar ALU's share.
    Scalar,
    /// LDS's share.
    Lds,
    /// Vector memory's share.
    Memory,
    /// Share of LDS cycles that bank conflicts cost.
    Conflicts,
    /// Lines of 128 bytes that loads fetch, by what their bytes would fill.
    Scatter,
    /// Share of atomics among vector memory instructions.
    Atomics,
}

/// What a launch has that the calibration rows did not have.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Reason {
    /// No row ran a kernel of this family.
    Family {
        /// The kernel.
        kernel: String,
    },
    /// No row began with such caches.
    Caches(Caches),
    /// Instructions that no row executed.
    Instructions {
        /// Which.
        mnemonics: Vec<String>,
        /// Their share among the executed ones.
        share: f64,
    },
    /// A trait outside the rows' range.
    Trait {
        /// Which.
        what: Trait,
        /// The launch's.
        value: f64,
        /// The rows'.
        range: [f64; 2],
    },
    /// A workgroup needs more than a compute unit has.
    DoesNotFit,
    /// Nothing was recorded.
    Empty,
}

/// How far the calibration speaks for a launch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Envelope {
    /// Nothing about the launch is outside of what the rows had.
    Calibrated,
    /// Something is: the band is wider, see [`crate::model::Model::time`].
    Extrapolated(Vec<Reason>),
    /// The model does not cover what the launch does: no time is given.
    Refused(Vec<Reason>),
}

/// Why an envelope is not one.
#[derive(Debug, Error)]
pub enum EnvelopeError {
    /// It is not TOML of this form.
    #[error("the envelope: {0}; `calibrate fit` and `calibrate validate` write it")]
    Toml(#[from] toml::de::Error),
    /// Without errors of left-out rows there are no bands.
    #[error("the envelope has no errors of left-out rows; `calibrate validate --envelope` writes them")]
    NoErrors,
}

/// Share of atomics beyond which a launch is refused: their serialisation at one line is not modelled.
const ATOMICS_REFUSED: f64 = 0.1;
/// Share of instructions that no row executed beyond which a launch is refused: then most costs are guesses.
const UNSEEN_REFUSED: f64 = 0.75;
/// How far a trait may be outside of the rows' range and count as inside, relatively: the ends of a range are single
/// rows.
const TOLERANCE: f64 = 0.05;

/// The envelope that this crate comes with.
pub const F4GEMM: &str = include_str!("../data/envelope.toml");

impl Calibrated {
    /// Reads an envelope.
    ///
    /// # Errors
    /// [`EnvelopeError`].
    pub fn parse(text: &str) -> Result<Calibrated, EnvelopeError> {
        let calibrated: Calibrated = toml::from_str(text)?;
        if calibrated.known.is_empty() || calibrated.unknown.is_empty() {
            return Err(EnvelopeError::NoErrors);
        }
        Ok(calibrated)
    }

    /// Widens it by a launch that was measured.
    pub fn include(&mut self, sample: &Sample, caches: Caches) {
        self.families.insert(family(&sample.kernel).to_owned());
        self.caches.insert(caches);
        for class in &sample.classes {
            self.mnemonics.extend(executed(&class.recording).into_keys().map(str::to_owned));
        }
        for (what, value) in traits(sample) {
            let range = self.traits.entry(what).or_insert([value, value]);
            *range = [range[0].min(value), range[1].max(value)];
        }
    }

    /// How far it speaks for a launch.
    pub fn judge(&self, sample: &Sample, caches: Caches) -> Envelope {
        if sample.groups == 0 || sample.classes.iter().all(|class| class.recording.events.is_empty()) {
            return Envelope::Refused(vec![Reason::Empty]);
        }
        let mut reasons = Vec::new();
        if !self.families.contains(family(&sample.kernel)) {
            reasons.push(Reason::Family { kernel: sample.kernel.clone() });
        }
        if !self.caches.contains(&caches) {
            reasons.push(Reason::Caches(caches));
        }
        let (unseen, share) = self.unseen(sample);
        if !unseen.is_empty() {
            reasons.push(Reason::Instructions { mnemonics: unseen, share });
        }
        let mut refused = share > UNSEEN_REFUSED;
        for (what, value) in traits(sample) {
            let range = self.traits.get(&what).copied().unwrap_or_default();
            let margin = TOLERANCE * (range[1] - range[0]);
            if value < range[0] - margin || value > range[1] + margin {
                reasons.push(Reason::Trait { what, value, range });
            }
            refused |= what == Trait::Atomics && value > ATOMICS_REFUSED;
        }
        if sample.resident == 0 {
            reasons.push(Reason::DoesNotFit);
            refused = true;
        }
        match reasons.is_empty() {
            true => Envelope::Calibrated,
            false if refused => Envelope::Refused(reasons),
            false => Envelope::Extrapolated(reasons),
        }
    }

    /// Instructions that no row executed, and their share among a launch's.
    fn unseen(&self, sample: &Sample) -> (Vec<String>, f64) {
        let mut unseen: BTreeSet<&str> = BTreeSet::new();
        let (mut all, mut new) = (0.0, 0.0);
        for class in &sample.classes {
            for (mnemonic, count) in executed(&class.recording) {
                let count = count as f64 * class.count as f64;
                all += count;
                if !self.mnemonics.contains(mnemonic) {
                    unseen.insert(mnemonic);
                    new += count;
                }
            }
        }
        (unseen.into_iter().map(str::to_owned).collect(), if all > 0.0 { new / all } else { 0.0 })
    }

    /// Errors of left-out rows that took as long; of left-out kernels unless the family is `known`.
    pub fn errors(&self, microseconds: f64, known: bool) -> Errors {
        let errors = if known { &self.known } else { &self.unknown };
        let mut reached = errors.iter().take_while(|errors| errors.from_us <= microseconds);
        let first = reached.next().or(errors.first()).copied().unwrap_or_default();
        reached.last().copied().unwrap_or(first)
    }
}

/// The name up to what tells the kernels of a family apart: AITER's end in `_…_128x256`.
fn family(kernel: &str) -> &str {
    let name = kernel.trim_start_matches("_ZN5aiter");
    let name = name.trim_start_matches(|c: char| c.is_ascii_digit());
    name.split_once("_BpreShuffle").map_or(name, |(family, _)| family)
}

/// How often each instruction was executed by a recorded workgroup.
fn executed(recording: &Recording) -> BTreeMap<&str, u64> {
    let mut executed = BTreeMap::new();
    count(recording, |op, _, times| {
        *executed.entry(recording.ops[op as usize].mnemonic.as_str()).or_default() += times;
    });
    executed
}

/// Calls `each` with operation, what it moved and how often.
fn count(recording: &Recording, mut each: impl FnMut(u32, Moved, u64)) {
    let waves = recording.groups.iter().flat_map(|group| &group.waves);
    for fold in waves.flat_map(|folds| &folds.0) {
        for event in &fold.body {
            let event = recording.events[*event as usize];
            each(event.op, event.moved, fold.turns as u64);
        }
    }
}

/// A launch's traits.
pub fn traits(sample: &Sample) -> BTreeMap<Trait, f64> {
    let (mut all, mut matrix, mut vector, mut scalar, mut lds, mut memory) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
    let (mut lds_cycles, mut conflicts, mut bytes, mut lines, mut atomics) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for class in &sample.classes {
        count(&class.recording, |op, moved, times| {
            let times = times as f64 * class.count as f64;
            all += times;
            match class.recording.ops[op as usize].unit {
                Unit::Matrix => matrix += times,
                Unit::Valu => vector += times,
                Unit::Scalar => scalar += times,
                Unit::Lds => lds += times,
                Unit::Memory => memory += times,
                _ => {}
            }
            match moved {
                Moved::Lds { cycles, conflicts: lost } => {
                    lds_cycles += times * cycles as f64;
                    conflicts += times * lost as f64;
                }
                Moved::Memory(access) if class.recording.ops[op as usize].unit == Unit::Memory => {
                    if access.kind == AccessKind::Load {
                        bytes += times * access.bytes as f64;
                        lines += times * access.lines as f64;
                    }
                    atomics += if access.kind == AccessKind::Atomic { times } else { 0.0 };
                }
                _ => {}
            }
        });
    }
    let ratio = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
    let waves = sample.needs.waves as f64;
    // A grid that does not fill the device leaves compute units with fewer workgroups than they could hold.
    let units = Topology::MI355X.compute_units() as u64;
    let resident = (sample.resident as u64).min(sample.groups.div_ceil(units));
    BTreeMap::from([
        (Trait::WavesPerSimd, resident as f64 * waves / Topology::MI355X.simds as f64),
        (Trait::WavesPerGroup, waves),
        (Trait::Groups, sample.groups as f64),
        (Trait::Footprint, sample.footprint as f64),
        (Trait::Written, sample.written as f64),
        (Trait::Scratch, sample.needs.scratch_bytes as f64),
        (Trait::Matrix, ratio(matrix, all)),
        (Trait::Vector, ratio(vector, all)),
        (Trait::Scalar, ratio(scalar, all)),
        (Trait::Lds, ratio(lds, all)),
        (Trait::Memory, ratio(memory, all)),
        (Trait::Conflicts, ratio(conflicts, lds_cycles)),
        (Trait::Scatter, ratio(lines * emulator::LINE_BYTES as f64, bytes)),
        (Trait::Atomics, ratio(atomics, memory)),
    ])
}
