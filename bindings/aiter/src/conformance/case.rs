//! The result of one object on one shape.

use std::fmt;

use super::Evidence;
use crate::reference::Allowed;

/// One object on one shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The object, without folder and `.co`.
    pub object: String,
    /// The shape and what else the case varies, short.
    pub shape: String,
    /// What happened.
    pub outcome: Outcome,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The kernel ran and its output was compared.
    Compared(Tally),
    /// Right in one schedule, but not in another: the kernel relies on time where it needs a barrier or a wait.
    Timed {
        /// The comparison in the schedule in which it is right.
        right: Tally,
        /// That schedule.
        right_in: &'static str,
        /// The schedules in which it is wrong, and what happened.
        wrong: Vec<(&'static str, String)>,
        /// The instructions that rely on time.
        evidence: Vec<Evidence>,
    },
    /// The kernel does not do this shape; the reason is its contract's.
    Excluded(String),
    /// The kernel could not be launched, or was stopped, or wrote outside its output.
    Failed(String),
}

/// A comparison, element by element.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tally {
    /// Elements compared.
    pub elements: usize,
    /// Elements farther from the exact value than the bound.
    pub wrong: usize,
    /// The largest distance from the exact value.
    pub worst_error: f64,
    /// The largest share of its bound that an element used.
    pub worst_usage: f64,
    /// The element with that share: name, found, exact value.
    pub worst: Option<(String, f64, f64)>,
}

impl Tally {
    /// Compares one element; `name` is asked for only when it is the worst so far.
    pub fn add(&mut self, allowed: Allowed, found: f64, name: impl FnOnce() -> String) {
        let usage = allowed.usage(found);
        let error = (found - allowed.value).abs();
        self.elements += 1;
        self.wrong += usize::from(usage > 1.0);
        self.worst_error = if error.is_nan() { f64::INFINITY } else { self.worst_error.max(error) };
        if usage > self.worst_usage {
            self.worst_usage = usage;
            self.worst = Some((name(), found, allowed.value));
        }
    }
}

impl Tally {
    /// Whether something was compared and nothing was out of bounds.
    pub(super) fn is_right(&self) -> bool {
        self.wrong == 0 && self.elements > 0
    }

    /// Of two comparisons of the same case, the one that used more of the bound.
    pub(super) fn worse(self, other: Self) -> Self {
        if other.worst_usage > self.worst_usage { other } else { self }
    }
}

impl Outcome {
    /// What it says about the kernel.
    pub fn verdict(&self) -> Verdict {
        match self {
            Outcome::Compared(tally) if tally.is_right() => Verdict::Right,
            Outcome::Compared(_) | Outcome::Failed(_) => Verdict::Wrong,
            Outcome::Timed { .. } => Verdict::Timed,
            Outcome::Excluded(_) => Verdict::NotRun,
        }
    }
}

/// What an outcome says about the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Every element is within its bound in every schedule.
    Right,
    /// So in one schedule, but not in all.
    Timed,
    /// An element is out of bounds, or there is none, or the kernel was stopped.
    Wrong,
    /// The kernel does not do the shape.
    NotRun,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Right => "right",
            Verdict::Timed => "TIMED",
            Verdict::Wrong => "WRONG",
            Verdict::NotRun => "not run",
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Compared(tally) => {
                let Tally { elements, wrong, worst_usage, worst, .. } = tally;
                write!(f, "{elements} elements, {wrong} out of bounds, {worst_usage:.3} of the bound")?;
                match worst {
                    Some((name, found, exact)) => write!(f, ", worst {name}: {found:e} for {exact:e}"),
                    None => Ok(()),
                }
            }
            Outcome::Timed { right_in, wrong, evidence, .. } => {
                write!(f, "right when {right_in}")?;
                for (schedule, what) in wrong {
                    write!(f, "; wrong when {schedule}: {what}")?;
                }
                for Evidence { what, first, second, count } in evidence.iter().take(3) {
                    write!(f, "; {what}: {first}, then {second} ({count})")?;
                }
                Ok(())
            }
            Outcome::Excluded(reason) | Outcome::Failed(reason) => f.write_str(reason),
        }
    }
}
