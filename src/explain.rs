//! Where the modelled time of a launch goes, as a person reads it.
//!
//! ```text
//! vhipReport's clock ── Explained ── (instructions, source lines of the code object) ── text, or JSON
//! ```

mod lines;
mod text;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::bench::Modelled;
use crate::code::Routine;

pub use lines::Lines;

/// A launch's time and where it goes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explained {
    /// The time, its error, what it rests on.
    #[serde(flatten)]
    pub modelled: Modelled,
    /// Where it goes; nothing for a launch that the model does not cover.
    pub explanation: Option<Explanation>,
}

/// Where time goes, as `vhipReport` gives it; times in nanoseconds, means over the waves of a compute unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// Add up to the time, largest first.
    pub causes: Vec<Cause>,
    /// All of it.
    pub time_ns: f64,
    /// Parts of a compute unit, busiest first.
    pub parts: Vec<Busy>,
    /// The busiest part.
    pub binding: Binding,
    /// Workgroups of a compute unit.
    pub occupancy: Occupancy,
    /// Instructions by offset.
    pub places: Vec<Place>,
    /// Waits by instruction and cause, longest first.
    pub stalls: Vec<Stall>,
    /// Modelled clock.
    pub clock_ghz: f64,
}

/// A cause.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// In words.
    pub name: String,
    /// Its share.
    pub ns: f64,
}

/// How busy a part is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Busy {
    /// In words.
    pub name: String,
    /// Share of the time in which workgroups are at work.
    pub share: f64,
    /// Share of all time.
    pub of_all: f64,
}

/// What bounds the launch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Binding {
    /// The busiest part.
    pub part: String,
    /// Its share of all time: at 1 the launch is as fast as this part allows.
    pub achieved: f64,
    /// Whether it is busy for at least half of the work.
    pub saturated: bool,
}

/// Occupancy of a compute unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Occupancy {
    /// Workgroups at a time.
    pub workgroups: u32,
    /// Waves of a SIMD then.
    pub waves_per_simd: f64,
    /// What allows no more.
    pub limited_by: Vec<String>,
}

/// An instruction that ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// Bytes from the kernel's entry.
    pub offset: i64,
    /// Its mnemonic.
    pub mnemonic: String,
    /// Times that a wave executed it.
    pub executed: f64,
    /// Its issue slots.
    pub issue_ns: f64,
    /// Waits before or at it.
    pub stall_ns: f64,
    /// Waits of later instructions for its data.
    pub awaited_ns: f64,
    /// Cycles of the LDS port for one workgroup.
    pub lds_cycles: f64,
    /// Of these, what bank conflicts cost.
    pub conflict_cycles: f64,
    /// The instruction as the assembler spells it.
    #[serde(default)]
    pub text: Option<String>,
    /// `file:line`.
    #[serde(default)]
    pub source: Option<String>,
}

/// A wait.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stall {
    /// The instruction that waits.
    pub offset: i64,
    /// Its mnemonic.
    pub mnemonic: String,
    /// For what.
    pub cause: String,
    /// The access whose data it mostly waits for.
    pub awaits: Option<i64>,
    /// How long.
    pub ns: f64,
}

impl Explained {
    /// Out of the report's `clock`, with the instructions and source lines of the kernel.
    ///
    /// # Errors
    /// What of it cannot be read.
    pub fn new(
        mut clock: serde_json::Value,
        kernel: &Routine,
        lines: &Lines<'_>,
    ) -> Result<Self, serde_json::Error> {
        let explanation: Option<Explanation> = serde_json::from_value(clock["explanation"].take())?;
        let modelled: Modelled = serde_json::from_value(clock)?;
        // Parts of a refused time are good for nothing but to mislead.
        let mut explanation = explanation.filter(|_| modelled.ns.is_some());
        let listing = kernel.listing();
        let texts: BTreeMap<u64, &str> =
            listing.lines().map(|line| (line.offset, line.text.as_str())).collect();
        for place in explanation.iter_mut().flat_map(|explanation| &mut explanation.places) {
            let text = u64::try_from(place.offset).ok().and_then(|offset| texts.get(&offset));
            place.text = text.map(|text| (*text).to_owned());
            place.source = lines.at(kernel.address.wrapping_add_signed(place.offset));
        }
        Ok(Self { modelled, explanation })
    }
}

impl Explanation {
    /// The instruction at an offset.
    #[must_use]
    pub fn place(&self, offset: i64) -> Option<&Place> {
        self.places.iter().find(|place| place.offset == offset)
    }
}
