//! The machine description: every constant with its source, reason, effect and date.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A number that the model uses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constant {
    /// Its value in `unit`.
    pub value: f64,
    /// The unit.
    pub unit: String,
    /// Bounds within which calibration may move it; a constant without them is fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounds: Option<[f64; 2]>,
    /// What it was taken to be before any calibration: where fits start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prior: Option<f64>,
    /// Half the width of the 68 % interval that calibration found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<f64>,
    /// The range that it may have, of a constant that was assumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<[f64; 2]>,
    /// Who says so.
    pub source: String,
    /// Why the model has it.
    pub reason: String,
    /// What changes if it is larger.
    pub effect: String,
    /// When that was written down, year-month-day.
    pub date: String,
}

impl Constant {
    /// The ends of the range that it may have: as assumed, or as its fit left open. None if it is known.
    pub fn may_be(&self) -> Option<[f64; 2]> {
        let fitted = self.error.map(|error| {
            let [low, high] = self.bounds.unwrap_or([0.0, f64::INFINITY]);
            [(self.value - error).max(low), (self.value + error).min(high)]
        });
        self.spread.or(fitted)
    }
}

/// All constants by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Machine(pub BTreeMap<String, Constant>);

/// Why a machine description is not one.
#[derive(Debug, Error)]
pub enum MachineError {
    /// It is not TOML of this form.
    #[error("the machine description: {0}")]
    Toml(#[from] toml::de::Error),
    /// A constant is missing.
    #[error("the machine description has no constant {0}; see crates/timing/data/machine.toml")]
    Missing(&'static str),
    /// A constant that nobody reads.
    #[error("the machine description has {0}, which the model does not know")]
    Unknown(String),
    /// A value that cannot be.
    #[error("{name} = {value} must be finite, not negative and within its bounds")]
    Value {
        /// The constant.
        name: String,
        /// Its value.
        value: f64,
    },
}

/// The description that this crate comes with: calibrated on AITER's f4gemm rows.
pub const MI355X: &str = include_str!("../data/machine.toml");

macro_rules! rates {
    ($($(#[doc = $doc:literal])+ $name:ident),+ $(,)?) => {
        /// The constants as the model reads them.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct Rates {
            $($(#[doc = $doc])+ pub $name: f64),+
        }

        impl Rates {
            /// Their names.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),+];

            /// Reads them out of a description.
            ///
            /// # Errors
            /// [`MachineError::Missing`].
            pub fn of(machine: &Machine) -> Result<Rates, MachineError> {
                Ok(Rates {
                    $($name: machine
                        .0
                        .get(stringify!($name))
                        .ok_or(MachineError::Missing(stringify!($name)))?
                        .value),+
                })
            }
        }
    };
}

rates! {
    /// Clock of the compute units without a power limit, GHz.
    clock_ghz,
    /// Share of matrix-core cycles above which power lowers the clock.
    matrix_share_limit,
    /// Time of an empty kernel, ns.
    launch_ns,
    /// Cycles between two workgroups that one XCD starts.
    dispatch_cycles,
    /// Cycles from the end of a workgroup to the first instruction of the next one on its compute unit.
    turnover_cycles,
    /// Cycles from one scalar instruction of a wave to its next instruction.
    issue_scalar_cycles,
    /// The same after a vector instruction.
    issue_vector_cycles,
    /// The same after a matrix instruction.
    issue_matrix_cycles,
    /// The same after a memory instruction.
    issue_memory_cycles,
    /// The same after a branch.
    issue_branch_cycles,
    /// The same after a wait that need not wait.
    issue_wait_cycles,
    /// Cycles from the last wave's arrival at a barrier to the next instruction.
    barrier_cycles,
    /// Cycles from an LDS instruction to its data, without queueing.
    lds_latency_cycles,
    /// Cycles from a scalar load to its data.
    scalar_latency_cycles,
    /// Bytes that L1 gives a compute unit in a cycle.
    l1_bytes_per_cycle,
    /// Cycles of the address unit for a vector memory instruction at least.
    address_cycles,
    /// Cycles to data in L2.
    l2_latency_cycles,
    /// Cycles to data in the Infinity Cache.
    cache_latency_cycles,
    /// Cycles to data in HBM.
    memory_latency_cycles,
    /// Cycles that the first accesses to a page take longer: address translation.
    translation_cycles,
    /// Bytes that L2 gives the compute units of an XCD in a cycle.
    l2_bytes_per_cycle,
    /// Bytes that an XCD receives from the fabric in a cycle.
    fabric_bytes_per_cycle,
    /// Bytes that HBM gives, TB/s.
    memory_tb_per_s,
    /// Lines of 128 bytes that a compute unit can be waiting for.
    lines_in_flight,
    /// Bytes that leave all L2 caches while a kernel writes more than they hold, TB/s.
    write_tb_per_s,
    /// Bytes that leave all L2 caches at the end of a kernel, TB/s.
    flush_tb_per_s,
    /// Cycles from a store to its acknowledgement.
    store_latency_cycles,
}

impl Machine {
    /// Reads a description.
    ///
    /// # Errors
    /// [`MachineError`].
    pub fn parse(text: &str) -> Result<Machine, MachineError> {
        let machine: Machine = toml::from_str(text)?;
        if let Some(name) = machine.0.keys().find(|name| !Rates::NAMES.contains(&name.as_str())) {
            return Err(MachineError::Unknown(name.clone()));
        }
        Rates::of(&machine)?;
        for (name, constant) in &machine.0 {
            let value = constant.value;
            let inside = constant.bounds.is_none_or(|[low, high]| (low..=high).contains(&value));
            if !value.is_finite() || value < 0.0 || !inside {
                return Err(MachineError::Value { name: name.clone(), value });
            }
        }
        Ok(machine)
    }

    /// Names of the constants that calibration may move.
    pub fn free(&self) -> Vec<String> {
        self.0
            .iter()
            .filter(|(_, constant)| constant.bounds.is_some())
            .map(|(name, _)| name.clone())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Topology;

    fn mi355x() -> (Machine, Rates) {
        let machine = Machine::parse(MI355X).expect("the description parses");
        let rates = Rates::of(&machine).expect("complete");
        (machine, rates)
    }

    /// CDNA4 white paper: 10.07 PFLOP/s of MXFP4 at 2.4 GHz. A 16×16×128 takes 4 passes of 4 cycles on each of
    /// 1024 SIMDs.
    #[test]
    fn the_matrix_peak_is_the_data_sheets() {
        let (_, rates) = mi355x();
        let simds = (Topology::MI355X.compute_units() * Topology::MI355X.simds) as f64;
        let peak = simds * 2.0 * 16.0 * 16.0 * 128.0 / 16.0 * rates.clock_ghz * 1e9;
        assert!((peak / 10.07e15 - 1.0).abs() < 0.01, "{peak:e}");
    }

    /// 8 stacks of HBM3E with 1024 bits at 8 Gbit/s: 8.19 TB/s. What arrives is less.
    #[test]
    fn memory_gives_no_more_than_its_channels() {
        let (_, rates) = mi355x();
        let channels: f64 = (0..8 * 32).map(|_| 32.0 / 8.0 * 8e9).sum();
        assert!((channels / 8.192e12 - 1.0).abs() < 1e-9);
        assert!(rates.memory_tb_per_s * 1e12 <= channels);
    }

    #[test]
    fn farther_is_slower_and_narrower() {
        let (_, rates) = mi355x();
        assert!(rates.lds_latency_cycles < rates.l2_latency_cycles);
        assert!(rates.l2_latency_cycles < rates.cache_latency_cycles);
        assert!(rates.cache_latency_cycles < rates.memory_latency_cycles);
        let cycles = rates.clock_ghz * 1e9;
        let l2 = 8.0 * rates.l2_bytes_per_cycle * cycles;
        let fabric = 8.0 * rates.fabric_bytes_per_cycle * cycles;
        assert!(l2 > fabric && fabric > rates.memory_tb_per_s * 1e12);
    }

    #[test]
    fn every_constant_says_where_it_is_from() {
        let (machine, _) = mi355x();
        for (name, constant) in &machine.0 {
            for text in [&constant.source, &constant.reason, &constant.effect, &constant.unit] {
                assert!(!text.trim().is_empty(), "{name}");
            }
            assert_eq!(constant.date.split('-').map(str::len).collect::<Vec<_>>(), [4, 2, 2], "{name}");
        }
    }

    #[test]
    fn a_description_with_gaps_or_strangers_is_refused() {
        let (machine, _) = mi355x();
        let without = |name: &str| {
            let mut other = machine.clone();
            other.0.remove(name);
            Machine::parse(&toml::to_string(&other).expect("serialises"))
        };
        assert!(matches!(without("launch_ns"), Err(MachineError::Missing("launch_ns"))));
        let mut other = machine.clone();
        let launch = other.0["launch_ns"].clone();
        other.0.insert("lunch_ns".into(), launch);
        let text = toml::to_string(&other).expect("serialises");
        assert!(matches!(Machine::parse(&text), Err(MachineError::Unknown(name)) if name == "lunch_ns"));
    }
}
