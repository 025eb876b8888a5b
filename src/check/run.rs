//! Running a case on the device, under several schedules.

use std::fmt;
use std::time::Instant;

use hip::{Function, Module, Stream};

use super::compare::Comparison;
use super::{Finding, Verdict, inputs, oracle};
use crate::device::OpenDevice;
use crate::envelope::{self, Spread};
use crate::ledger::Ledger;
use crate::ops::{self, Case, Contract, Fill, Problem, Resident, Tensors};
use crate::registry::Instance;
use crate::{Error, Result};

/// How one run differs from the others of its case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Which run of the case, from 0.
    pub index: u32,
    /// Random order of waves and workgroups; in order without.
    pub seed: Option<u64>,
    /// Whether memory results arrive at the covering `s_waitcnt` only: a missing wait shows.
    pub late: bool,
}

/// Checks kernels on one device.
#[derive(Debug)]
pub struct Checker {
    /// Absent only while the device recovers.
    open: Option<OpenDevice>,
    loaded: Option<(String, Function)>,
    seed: u64,
    schedules: u32,
    vary_policies: bool,
    /// Of the cases since it was last taken; absent when none is kept.
    ledger: Option<Ledger>,
}

impl Checker {
    /// A checker that derives all values from `seed` and runs each case `schedules` times.
    ///
    /// `instruction_budget` is what a wave may issue on the virtual device before it counts as looping.
    ///
    /// # Errors
    /// [`Error::Device`] when the virtual runtime refuses the budget.
    pub fn new(open: OpenDevice, seed: u64, schedules: u32, instruction_budget: u64) -> Result<Self> {
        if open.is_virtual() {
            open.runtime.set_option("instruction_budget", &instruction_budget.to_string())?;
        }
        Ok(Self { open: Some(open), loaded: None, seed, schedules, vary_policies: false, ledger: None })
    }

    /// Whether the cases that follow also run, in order, under every policy for sums of matrix instructions.
    /// Differences are reported in [`Verdict::spreads`] and are no mistakes: hardware's way is not known.
    pub fn vary_policies(&mut self, vary: bool) {
        self.vary_policies = vary;
    }

    /// Whether the first run of the cases that follow keeps a fidelity ledger: the virtual device only.
    pub fn keep_ledger(&mut self, keep: bool) {
        self.ledger = keep.then(Ledger::default);
    }

    /// The ledger of the cases since it was last taken, where one is kept.
    pub fn take_ledger(&mut self) -> Option<Ledger> {
        self.ledger.as_mut().map(std::mem::take)
    }

    /// Runs one case and judges it.
    ///
    /// # Errors
    /// [`Error::Declaration`] when the instance's definitions cannot be used; [`Error::Device`] when the
    /// device cannot be used any more. What a kernel does wrong is a finding, not an error.
    pub fn check(&mut self, instance: &Instance, contract: &Contract, case: Case) -> Result<Verdict> {
        let started = Instant::now();
        let problem = ops::problem(instance, case)?;
        let kernel = instance.path();
        let tensors = inputs::generate(&problem, &kernel, self.seed);
        let mut verdict = Verdict {
            kernel,
            case,
            label: case.to_string(),
            schedules: 0,
            comparisons: Vec::new(),
            spreads: Vec::new(),
            findings: Vec::new(),
            seconds: 0.0,
        };
        if let Some(outputs) = self.run(instance, &problem, &tensors, &mut verdict)? {
            verdict.comparisons = oracle::judge(&problem, contract, &tensors, &outputs).map_err(|e| {
                Error::Declaration { kernel: verdict.kernel.clone(), what: format!("{case}: {e}") }
            })?;
            if !self.device().is_virtual() {
                verdict.comparisons.retain(|c| c.oracle != oracle::DEVICE_ORDER);
            }
            let wrong = verdict.comparisons.iter().filter_map(wrong);
            verdict.findings.splice(0..0, wrong);
        }
        verdict.seconds = started.elapsed().as_secs_f64();
        Ok(verdict)
    }

    /// What the checks ran on.
    ///
    /// # Panics
    /// After a device did not recover, which ended the check with an error.
    #[must_use]
    pub fn device(&self) -> &OpenDevice {
        self.open.as_ref().expect("a check that fails to recover the device ends")
    }

    /// Every run of a case. The first run's outputs, unless a run did not come to its end.
    fn run(
        &mut self,
        instance: &Instance,
        problem: &Problem,
        tensors: &Tensors,
        verdict: &mut Verdict,
    ) -> Result<Option<Tensors>> {
        let mut resident = None;
        let outcome = self.run_schedules(instance, problem, tensors, verdict, &mut resident);
        let Err((error, schedule)) = outcome else { return Ok(outcome.ok().flatten()) };
        verdict.findings.push(match error.fault() {
            Some(fault) => Finding::Fault { fault: fault.clone(), schedule: schedule.to_string() },
            None if is_the_kernels(&error) => Finding::Call { message: error.to_string() },
            // No memory, no device: that says nothing about the kernel.
            None => return Err(Error::Device(error)),
        });
        // The device refuses all work until it is reset, which needs everything on it to be gone.
        drop(resident);
        self.loaded = None;
        let open = self.open.take().expect("present between checks");
        self.open = Some(open.recover()?);
        Ok(None)
    }

    fn run_schedules(
        &mut self,
        instance: &Instance,
        problem: &Problem,
        tensors: &Tensors,
        verdict: &mut Verdict,
        slot: &mut Option<Resident>,
    ) -> Result<Option<Tensors>, (hip::Error, Schedule)> {
        let mut schedule = Schedule { index: 0, seed: None, late: false };
        let function = self.function(instance).map_err(|e| (e, schedule))?;
        let open = self.device();
        let resident = slot.insert(Resident::new(open, problem).map_err(|e| (e, schedule))?);
        let stream = Stream::null(&open.device);
        let base = schedule.to_string();
        let mut ledger = None;
        let mut first: Option<Tensors> = None;
        for index in 0..self.schedules {
            schedule = Schedule::nth(index, self.seed);
            // An empty problem launches nothing.
            let keeps = index == 0 && self.ledger.is_some() && problem.geometry.grid != 0;
            let mut step = || -> hip::Result<_> {
                schedule.apply(open)?;
                if keeps {
                    open.runtime.set_option("ledger", "1")?;
                }
                resident.reset(problem, tensors, Fill::nth(index))?;
                resident.launch(problem, &function, &stream)?;
                stream.synchronize()?;
                if keeps {
                    ledger = Ledger::of_last_launch(open)?;
                    open.runtime.set_option("ledger", "0")?;
                }
                let (outputs, mut changed) = resident.outputs(problem)?;
                changed.extend(resident.changed_inputs(problem, tensors)?);
                Ok((outputs, changed))
            };
            let (outputs, changed) = step().map_err(|e| (e, schedule))?;
            verdict.schedules += 1;
            let schedule = schedule.to_string();
            let changes = changed.into_iter();
            verdict
                .findings
                .extend(changes.map(|changed| Finding::Changed { changed, schedule: schedule.clone() }));
            match &first {
                None => first = Some(outputs),
                Some(first) => {
                    verdict.findings.extend(difference(problem, first, &outputs, (&base, &schedule)))
                }
            }
        }
        if self.vary_policies
            && let Some(first) = &first
        {
            schedule = Schedule::nth(0, self.seed);
            verdict.spreads =
                spreads(open, resident, (problem, tensors), &function, first).map_err(|e| (e, schedule))?;
        }
        if let (Some(sum), Some(ledger)) = (&mut self.ledger, ledger) {
            sum.merge(ledger);
        }
        Ok(first)
    }

    /// The instance's kernel, loaded once for all its cases.
    fn function(&mut self, instance: &Instance) -> hip::Result<Function> {
        let path = instance.path();
        if let Some((loaded, function)) = &self.loaded
            && *loaded == path
        {
            return Ok(function.clone());
        }
        let function =
            Module::load(&self.device().device, &instance.code_object)?.function(&instance.symbol)?;
        self.loaded = Some((path, function.clone()));
        Ok(function)
    }
}

impl Schedule {
    /// In order first; then seeded orders, every other one with late results and other garbage in what the
    /// kernel has not written.
    #[must_use]
    pub fn nth(index: u32, seed: u64) -> Self {
        match index {
            0 => Self { index, seed: None, late: false },
            // An odd multiplier keeps the seeds of different runs apart.
            n => Self {
                index,
                seed: Some(seed.wrapping_add(u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15))),
                late: n % 2 == 1,
            },
        }
    }

    /// Tells the virtual device. A GPU has its own order.
    fn apply(&self, open: &OpenDevice) -> hip::Result<()> {
        if !open.is_virtual() {
            return Ok(());
        }
        let seed = self.seed.map_or("none".to_owned(), |s| s.to_string());
        open.runtime.set_option("seed", &seed)?;
        open.runtime.set_option("late_delivery", if self.late { "1" } else { "0" })?;
        open.runtime.set_option("garbage", if self.late { "huge" } else { "nan" })
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.seed, self.late) {
            (None, _) => f.write_str("in order"),
            (Some(seed), false) => write!(f, "random order {seed:#x}"),
            (Some(seed), true) => write!(f, "random order {seed:#x}, late results"),
        }
    }
}

/// The outputs, in order of the waves, under every policy but the one that gave `first`.
fn spreads(
    open: &OpenDevice,
    resident: &mut Resident,
    (problem, tensors): (&Problem, &Tensors),
    function: &Function,
    first: &Tensors,
) -> hip::Result<Vec<Spread>> {
    // An empty problem launched nothing that could differ.
    if problem.geometry.grid == 0 {
        return Ok(Vec::new());
    }
    let base = envelope::policy_in_force(open)?;
    let stream = Stream::null(&open.device);
    Schedule { index: 0, seed: None, late: false }.apply(open)?;
    let others = envelope::each_other(open, &base, || {
        resident.reset(problem, tensors, Fill::nth(0))?;
        resident.launch(problem, function, &stream)?;
        stream.synchronize()?;
        resident.outputs(problem)
    })?;
    let mut spreads = Vec::new();
    for output in &problem.outputs {
        for (policy, (other, _)) in &others {
            let (base, other) = (first.get(output.name), other.get(output.name));
            spreads.push(Spread::between(policy, output.name.to_owned(), output.dtype, base, other));
        }
    }
    Ok(spreads)
}

/// Whether an error without a fault is about the kernel: it cannot be launched, or did not come to its end.
fn is_the_kernels(error: &hip::Error) -> bool {
    const CALLS: [&str; 4] =
        ["hipModuleLoadData", "hipModuleGetFunction", "hipModuleLaunchKernel", "hipStreamSynchronize"];
    matches!(error, hip::Error::Call(call) if CALLS.contains(&call.call))
}

fn wrong(comparison: &Comparison) -> Option<Finding> {
    let worst = comparison.worst.clone()?;
    Some(Finding::Wrong {
        oracle: comparison.oracle,
        output: comparison.output,
        violations: comparison.violations,
        checked: comparison.checked,
        worst,
    })
}

/// The first byte that two runs left different.
fn difference(
    problem: &Problem,
    first: &Tensors,
    other: &Tensors,
    (base, schedule): (&str, &str),
) -> Option<Finding> {
    problem.outputs.iter().find_map(|output| {
        let (a, b) = (first.get(output.name), other.get(output.name));
        let at = a.iter().zip(b).position(|(a, b)| a != b)?;
        Some(Finding::Schedule {
            output: output.name,
            base: base.to_owned(),
            schedule: schedule.to_owned(),
            row: at / output.layout.row_bytes,
            byte: at % output.layout.row_bytes,
            first: a[at],
            other: b[at],
        })
    })
}
