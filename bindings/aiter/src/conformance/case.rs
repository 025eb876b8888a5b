//! The result of one object on one shape.

use std::fmt;

use peers::Tally;

use super::Evidence;

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
            Outcome::Compared(tally) => tally.fmt(f),
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
