//! `mi355x check`: cases × schedules × oracles.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, value_parser};
use serde::Serialize;

use super::{DeviceArguments, KernelArguments, OutputArguments};
use crate::check::{Checker, Plan, Task, Verdict};
use crate::code::CodeObject;
use crate::device::{DeviceRecord, OpenDevice};
use crate::envelope::{self, Numerics, Spread};
use crate::error::in_one_line;
use crate::kernels::Kernels;
use crate::ledger::{self, Ledger};
use crate::ops::{Contract, Depth};
use crate::registry::Instance;
use crate::report::{self, Progress, thousands};
use crate::store::Run;
use crate::{Error, Result, exit};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    kernels: KernelArguments,
    #[command(flatten)]
    device: DeviceArguments,
    #[command(flatten)]
    output: OutputArguments,
    /// Runs of every case, each under another order of waves: 3 at least
    #[arg(long, value_name = "N", default_value_t = 4)]
    schedules: u32,
    /// Check a grid of all shapes, strides and values: an hour or two instead of a minute
    #[arg(long)]
    full: bool,
    /// Print the cases and run none
    #[arg(long)]
    list: bool,
    /// Check the remaining cases and kernels after a failure
    #[arg(long)]
    keep_going: bool,
    /// Use this code object for the one kernel that matches the filters
    #[arg(long, value_name = "FILE")]
    code_object: Option<PathBuf>,
    /// How matrix instructions round their sums
    #[arg(long, value_enum, default_value_t = Numerics::Default)]
    numerics: Numerics,
    /// Say of every instruction whether its result is exact, and how far assumed ones got
    #[arg(long)]
    ledger: bool,
    /// Instructions that one wave of the virtual device may issue before it counts as looping
    #[arg(long, value_name = "N", default_value_t = 1 << 24, value_parser = value_parser!(u64).range(1..))]
    instruction_budget: u64,
}

/// What `run.json` says.
#[derive(Debug, Serialize)]
struct About<'a> {
    program: &'static str,
    device: &'a DeviceRecord,
    seed: u64,
    schedules: u32,
    kernels: usize,
    cases: usize,
    folder: Option<String>,
}

/// One line of `results.jsonl`.
#[derive(Debug, Serialize)]
struct Stored<'a> {
    device: &'a DeviceRecord,
    seed: u64,
    code: &'a Code,
    right: bool,
    verdict: &'a Verdict,
}

/// Which code was checked.
#[derive(Debug, Serialize)]
struct Code {
    sha256: String,
    fingerprint: String,
    compiler: String,
}

/// A kernel's results.
#[derive(Debug, Serialize)]
struct Checked {
    kernel: String,
    code: Code,
    right: bool,
    /// Of `--numerics envelope`: whether the kernel can reach a matrix instruction. Policies were varied if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    matrix_instructions: Option<bool>,
    /// Cases that a failure left undone.
    skipped: usize,
    /// Of `--ledger`: the first run of every case.
    #[serde(skip_serializing_if = "Option::is_none")]
    ledger: Option<Ledger>,
    verdicts: Vec<Verdict>,
}

/// The `--json` document.
#[derive(Debug, Serialize)]
struct Document<'a> {
    device: &'a DeviceRecord,
    seed: u64,
    schedules: u32,
    run: Option<String>,
    summary: Summary,
    kernels: &'a [Checked],
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Summary {
    kernels: usize,
    kernels_wrong: usize,
    kernels_skipped: usize,
    cases: usize,
    cases_wrong: usize,
    checked: u64,
    ambiguous: u64,
    seconds: f64,
}

pub(super) fn run(arguments: &Arguments) -> Result<u8> {
    let mut kernels = arguments.kernels.load()?;
    if let Some(file) = &arguments.code_object {
        kernels.replace_code(&arguments.kernels.filters, file)?;
    }
    let depth = if arguments.full { Depth::Full } else { Depth::Default };
    let seed = arguments.device.seed;
    let plan = Plan::new(&kernels, &arguments.kernels.filters, depth, seed, arguments.schedules)?;
    if arguments.list {
        return list(&plan, arguments.output.json);
    }
    let open = OpenDevice::open(arguments.device.device)?;
    if arguments.numerics == Numerics::Envelope {
        envelope::require_policies(&open)?;
    }
    if arguments.ledger {
        ledger::keep(&open, false)?;
    }
    let device = open.record()?;
    let about = About {
        program: concat!("mi355x ", env!("CARGO_PKG_VERSION")),
        device: &device,
        seed,
        schedules: plan.schedules,
        kernels: plan.tasks.len(),
        cases: plan.cases(),
        folder: arguments.kernels.kernels.as_ref().map(|f| f.display().to_string()),
    };
    let output = &arguments.output;
    let run = if output.no_store { None } else { Some(Run::create(&output.runs, "check", &about)?) };

    let started = Instant::now();
    let mut session = Session {
        kernels: &kernels,
        checker: Checker::new(open, seed, plan.schedules, arguments.instruction_budget)?,
        progress: Progress::new(plan.cases()),
        device: &device,
        seed,
        run,
        store_failure: None,
        keep_going: arguments.keep_going,
        numerics: arguments.numerics,
    };
    session.checker.keep_ledger(arguments.ledger);
    let mut checked = Vec::new();
    for task in &plan.tasks {
        checked.push(session.check(task)?);
        if !arguments.keep_going && checked.last().is_some_and(|c| !c.right) {
            break;
        }
    }
    let Session { progress, run, store_failure, .. } = session;
    drop(progress);
    let mut summary = summarise(&plan, &checked);
    summary.seconds = started.elapsed().as_secs_f64();
    let folder = run.map(|r| r.folder().display().to_string());
    if output.json {
        let document = Document {
            device: &device,
            seed,
            schedules: plan.schedules,
            run: folder,
            summary,
            kernels: &checked,
        };
        report::print_json("check", &document)?;
    } else {
        report::print(&render(&plan, &device, &checked, summary, folder.as_deref()))?;
    }
    match store_failure {
        _ if summary.cases_wrong > 0 => Ok(exit::CHECK_FAILED),
        Some(error) => Err(error),
        None => Ok(exit::SUCCESS),
    }
}

/// What the cases of one command share.
struct Session<'a> {
    kernels: &'a Kernels,
    checker: Checker,
    progress: Progress,
    device: &'a DeviceRecord,
    seed: u64,
    run: Option<Run>,
    /// The first result that could not be stored. The check goes on: its results are still printed.
    store_failure: Option<Error>,
    keep_going: bool,
    numerics: Numerics,
}

impl Session<'_> {
    fn check(&mut self, task: &Task<'_>) -> Result<Checked> {
        let instance = task.instance;
        let operator = self.kernels.operator(&instance.op).expect("every instance has its operator");
        let contract = Contract::of(operator)?;
        let matrix_instructions = match self.numerics {
            Numerics::Default => None,
            Numerics::Envelope => Some(uses_matrix_cores(instance)?),
        };
        self.checker.vary_policies(matrix_instructions == Some(true));
        let mut checked = Checked {
            kernel: instance.path(),
            code: Code::of(instance),
            right: true,
            matrix_instructions,
            skipped: 0,
            ledger: None,
            verdicts: Vec::new(),
        };
        for (done, case) in task.cases.iter().enumerate() {
            self.progress.step(&format!("{} {case}", checked.kernel));
            let verdict = self.checker.check(instance, &contract, *case)?;
            self.store(&checked.code, &verdict);
            checked.right &= verdict.is_right();
            checked.verdicts.push(verdict);
            if !checked.right && !self.keep_going {
                checked.skipped = task.cases.len() - done - 1;
                break;
            }
        }
        checked.ledger = self.checker.take_ledger();
        Ok(checked)
    }

    fn store(&mut self, code: &Code, verdict: &Verdict) {
        let Some(run) = &mut self.run else { return };
        if self.store_failure.is_some() {
            return;
        }
        let right = verdict.is_right();
        let line = Stored { device: self.device, seed: self.seed, code, right, verdict };
        if let Err(error) = run.append("check", &line) {
            self.progress.note(&format!("results are no longer stored: {}", in_one_line(&error)));
            self.store_failure = Some(error);
        }
    }
}

/// Decided by the code that is checked, not by what the kernel is said to do.
fn uses_matrix_cores(instance: &Instance) -> Result<bool> {
    let object = CodeObject::parse(Path::new(&instance.path()), &instance.code_object)?;
    let (routine, _) = object.kernel(Some(&instance.symbol))?;
    Ok(object.uses_matrix_cores(routine))
}

impl Code {
    fn of(instance: &Instance) -> Self {
        Self {
            sha256: instance.sha256.to_string(),
            fingerprint: instance.fingerprint.to_string(),
            compiler: instance.compiler.to_string(),
        }
    }
}

fn list(plan: &Plan<'_>, json: bool) -> Result<u8> {
    if json {
        let all: Vec<_> = plan
            .tasks
            .iter()
            .flat_map(|t| t.cases.iter().map(|case| (t.instance.path(), case.to_string())))
            .map(|(kernel, case)| serde_json::json!({ "kernel": kernel, "case": case }))
            .collect();
        report::print_json("check", &serde_json::json!({ "cases": all }))?;
    } else {
        let mut text = String::new();
        for task in &plan.tasks {
            for case in &task.cases {
                text += &format!("{}  {case}\n", task.instance.path());
            }
        }
        report::print(&text)?;
    }
    Ok(exit::SUCCESS)
}

fn summarise(plan: &Plan<'_>, checked: &[Checked]) -> Summary {
    let mut summary = Summary {
        kernels: checked.len(),
        kernels_skipped: plan.tasks.len() - checked.len(),
        ..Summary::default()
    };
    for kernel in checked {
        summary.kernels_wrong += usize::from(!kernel.right);
        for verdict in &kernel.verdicts {
            let (values, ambiguous) = verdict.counts();
            summary.cases += 1;
            summary.cases_wrong += usize::from(!verdict.is_right());
            summary.checked += values;
            summary.ambiguous += ambiguous;
        }
    }
    summary
}

fn render(
    plan: &Plan<'_>,
    device: &DeviceRecord,
    checked: &[Checked],
    summary: Summary,
    folder: Option<&str>,
) -> String {
    let rows = checked.iter().map(|kernel| {
        let (mut values, mut ambiguous, mut seconds) = (0, 0, 0.0);
        for verdict in &kernel.verdicts {
            let counts = verdict.counts();
            values += counts.0;
            ambiguous += counts.1;
            seconds += verdict.seconds;
        }
        vec![
            kernel.kernel.clone(),
            kernel.verdicts.len().to_string(),
            thousands(values),
            percent(ambiguous, values),
            format!("{seconds:.1} s"),
            report::coloured(if kernel.right { "right" } else { "WRONG" }, kernel.right),
        ]
    });
    let mut text = format!("{}, {} runtime {}\n\n", device.name, device.kind, device.library);
    text +=
        &report::table(&["kernel", "cases", "values", "ambiguous", "time", "verdict"], &[1, 2, 3, 4], rows);
    for kernel in checked.iter().filter(|k| !k.right) {
        for verdict in kernel.verdicts.iter().filter(|v| !v.is_right()) {
            text += &format!("\n{}: {}\n", kernel.kernel, verdict.label);
            for finding in &verdict.findings {
                text += &format!("  {finding}\n");
            }
        }
        if kernel.skipped > 0 {
            text += &format!("  {} more case(s) not tried; --keep-going tries them\n", kernel.skipped);
        }
    }
    text += &render_envelope(checked);
    for kernel in checked {
        if let Some(ledger) = &kernel.ledger {
            text += &ledger.text(&kernel.kernel);
        }
    }
    text += &format!(
        "\n{} of {} cases right on {} kernel(s), {} values, {} ambiguous, {} schedules, seed {}, {:.1} s\n",
        summary.cases - summary.cases_wrong,
        summary.cases,
        summary.kernels,
        thousands(summary.checked),
        percent(summary.ambiguous, summary.checked),
        plan.schedules,
        plan.seed,
        summary.seconds
    );
    if summary.kernels_skipped > 0 {
        text += &format!("{} kernel(s) not checked; --keep-going checks them\n", summary.kernels_skipped);
    }
    if let Some(folder) = folder {
        text += &format!("results: {folder}\n");
    }
    text
}

/// How far outputs move, kernel by kernel; nothing unless it was asked for.
fn render_envelope(checked: &[Checked]) -> String {
    let mut rows = Vec::new();
    for kernel in checked.iter().filter(|k| k.matrix_instructions == Some(true)) {
        for sum in Spread::totals(kernel.verdicts.iter().flat_map(|v| &v.spreads)) {
            let mut row = vec![kernel.kernel.clone()];
            row.extend(sum.row());
            rows.push(row);
        }
    }
    let mut text = String::new();
    if !rows.is_empty() {
        let header: Vec<_> = ["kernel"].into_iter().chain(envelope::HEADER).collect();
        let right = envelope::RIGHT.map(|column| column + 1);
        text += "\nagainst the device's own policy for sums of matrix instructions:\n";
        text += &report::table(&header, &right, rows);
    }
    let without = checked.iter().filter(|k| k.matrix_instructions == Some(false)).count();
    if without > 0 {
        text += &format!(
            "\n{without} kernel(s) without matrix instructions: the same under every policy, none was tried\n"
        );
    }
    text
}

/// Share of values with more than one legal result: how much the tolerance really grants.
fn percent(part: u64, whole: u64) -> String {
    match (part, whole) {
        (0, _) => "none".to_owned(),
        _ => format!("{:.3} %", 100.0 * part as f64 / whole as f64),
    }
}
