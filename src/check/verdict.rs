//! What a check says about one case of one kernel.

use std::fmt;

use hip::DeviceFault;
use serde::Serialize;

use super::compare::{Comparison, Mismatch};
use crate::envelope::Spread;
use crate::ops::{Case, Changed};

/// One case of one kernel, run under every schedule and held against every oracle.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// `op/instance`.
    pub kernel: String,
    /// What was tried.
    pub case: Case,
    /// The case as text, as tables and `--list` show it.
    pub label: String,
    /// Runs that were carried out.
    pub schedules: u32,
    /// Every output with every oracle.
    pub comparisons: Vec<Comparison>,
    /// How far each output moves under the other policies for matrix sums, where that was asked for.
    pub spreads: Vec<Spread>,
    /// Everything that is wrong; empty when the kernel is right.
    pub findings: Vec<Finding>,
    /// Wall time of it all, in seconds.
    pub seconds: f64,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Finding {
    /// Output values differ from an oracle's.
    Wrong {
        /// Who says so.
        oracle: &'static str,
        /// Which output.
        output: &'static str,
        /// How many values.
        violations: u64,
        /// Of how many.
        checked: u64,
        /// The worst of them.
        worst: Mismatch,
    },
    /// The device stopped the kernel.
    Fault {
        /// Where and why.
        fault: DeviceFault,
        /// The schedule under which it happened.
        schedule: String,
    },
    /// The kernel changed what is not its own.
    Changed {
        /// What it changed.
        changed: Changed,
        /// The schedule under which it happened.
        schedule: String,
    },
    /// The result depends on the order in which waves run, or on memory that was never written.
    Schedule {
        /// Which output.
        output: &'static str,
        /// The schedule of the first run.
        base: String,
        /// That of the run that differs from it.
        schedule: String,
        /// The first byte that differs: its row.
        row: usize,
        /// Its place in the row.
        byte: usize,
        /// What the first run left there.
        first: u8,
        /// What this one left there.
        other: u8,
    },
    /// A call failed, and no kernel's fault explains it.
    Call {
        /// The error, with call, operands and library.
        message: String,
    },
}

impl Verdict {
    /// True if nothing is wrong.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.findings.is_empty()
    }

    /// Values looked at, and how many of them had more than one legal value.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        self.comparisons.iter().fold((0, 0), |(c, a), x| (c + x.checked, a + x.ambiguous))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrong { oracle, output, violations, checked, worst } => {
                write!(
                    f,
                    "{violations} of {checked} values of {output} differ from the {oracle}; worst: {worst}"
                )
            }
            Self::Fault { fault, schedule } => write!(f, "{fault} (schedule: {schedule})"),
            Self::Changed { changed, schedule } => write!(f, "{changed} (schedule: {schedule})"),
            Self::Schedule { output, base, schedule, row, byte, first, other } => write!(
                f,
                "{output} differs between schedules: byte {byte} of row {row} is {first:#04x} under \"{base}\" and \
                 {other:#04x} under \"{schedule}\"; waves race, a wait is missing, workgroups add floats in \
                 no order, or the byte is never written"
            ),
            Self::Call { message } => f.write_str(message),
        }
    }
}
