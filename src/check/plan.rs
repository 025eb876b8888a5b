//! What to check: arguments made into a list.

use crate::kernels::Kernels;
use crate::ops::{self, Case, Depth};
use crate::registry::Instance;
use crate::{Error, Result};

/// Runs of a case that a verdict needs: without them nothing was compared that could show a race.
const LEAST_SCHEDULES: u32 = 3;

/// Everything that a check will do, before it does it.
#[derive(Debug)]
pub struct Plan<'a> {
    /// In the order in which it is done.
    pub tasks: Vec<Task<'a>>,
    /// Where every random value comes from.
    pub seed: u64,
    /// How often each case runs.
    pub schedules: u32,
}

/// One kernel with all its cases.
#[derive(Debug)]
pub struct Task<'a> {
    /// The kernel.
    pub instance: &'a Instance,
    /// Its cases.
    pub cases: Vec<Case>,
}

impl<'a> Plan<'a> {
    /// The kernels that match `filters`, each with its cases.
    ///
    /// # Errors
    /// [`Error::NoMatch`]; [`Error::Option`] for fewer than three schedules; [`Error::Declaration`] for a kernel
    /// that the harness cannot launch.
    pub fn new(
        kernels: &'a Kernels,
        filters: &[String],
        depth: Depth,
        seed: u64,
        schedules: u32,
    ) -> Result<Self> {
        if schedules < LEAST_SCHEDULES {
            let reason = format!(
                "{LEAST_SCHEDULES} at least: in order, and random orders with late results and with prompt ones; \
                 a kernel that races can be right in fewer"
            );
            return Err(Error::Option { option: "--schedules", value: schedules.to_string(), reason });
        }
        let mut tasks = Vec::new();
        for instance in kernels.select(filters)? {
            tasks.push(Task { instance, cases: ops::cases(instance, depth)? });
        }
        Ok(Self { tasks, seed, schedules })
    }

    /// Number of cases in all.
    #[must_use]
    pub fn cases(&self) -> usize {
        self.tasks.iter().map(|t| t.cases.len()).sum()
    }
}
