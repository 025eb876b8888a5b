//! `mi355x run`: one launch of a kernel in any code object.

use std::fs;
use std::path::PathBuf;

use clap::{Args, value_parser};
use hip::{DeviceFault, Module};
use serde::Serialize;

use super::DeviceArguments;
use super::launch_arguments::LaunchArguments;
use crate::bench::Modelled;
use crate::code::CodeObject;
use crate::device::{DeviceRecord, OpenDevice};
use crate::envelope::{self, Numerics, Spread};
use crate::launch::{Launch, Outcome, Summary};
use crate::ledger::{self, Ledger};
use crate::report::{self, thousands};
use crate::{Error, Result, exit};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A gfx950 code object, or an offload bundle with one
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    launch: LaunchArguments,
    #[command(flatten)]
    device: DeviceArguments,
    /// How matrix instructions round their sums
    #[arg(long, value_enum, default_value_t = Numerics::Default)]
    numerics: Numerics,
    /// Say of every instruction whether its result is exact, and how far assumed ones got
    #[arg(long)]
    ledger: bool,
    /// Elements of each output to print
    #[arg(long, value_name = "N", default_value_t = 8)]
    print: usize,
    /// Print elements as their bits
    #[arg(long)]
    hex: bool,
    /// Instructions that one wave of the virtual device may issue before it counts as looping
    #[arg(long, value_name = "N", default_value_t = 1 << 30, value_parser = value_parser!(u64).range(1..))]
    instruction_budget: u64,
    /// Print one JSON document instead of text
    #[arg(long)]
    json: bool,
}

/// What `--arg` and TOML files understand.
pub(super) const ARGUMENTS_HELP: &str = "\
Arguments, in the order of the kernel's parameters:
  u32=7  f32=-1.5  bf16=0x3f80   a value; hexadecimal digits are its bits
  f32x256=normal                 a buffer of 256 elements; before the launch it holds
                                 zeros, poison, index (0 1 2 ...), normal, bits, @FILE, or one value
  f32x256,out                    a buffer that is poisoned before and shown afterwards
  f32x256=zeros,out:FILE         the same with zeros before, written to FILE afterwards
  hex=00ff10                     a struct by value, byte by byte
  _                              zeros, for padding that the metadata lists
A kernel that takes one struct by value takes the struct's fields instead.
Types: u8 i8 u16 i16 u32 i32 u64 i64 f16 bf16 f32 f64 e4m3 e5m2 e8m0 e2m1.

A TOML file holds args as a list of the same texts, or as a table by parameter name.

The virtual device's options are variables of the environment, such as
MI355X_VIRTUAL_DIVERGENT_BARRIERS=1 for kernels whose waves wait at different barriers,
MI355X_VIRTUAL_SEED=1 and MI355X_VIRTUAL_LATE_DELIVERY=1 for another schedule.";

/// The `--json` document.
#[derive(Debug, Serialize)]
struct Document<'a> {
    device: &'a DeviceRecord,
    seed: u64,
    file: String,
    kernel: &'a str,
    grid: [u32; 3],
    block: [u32; 3],
    dynamic_lds: u32,
    fault: Option<DeviceFault>,
    /// Nanoseconds, `measured` or modelled as `device.times` says.
    time_ns: Option<f64>,
    outputs: Vec<Shown>,
    report: Option<serde_json::Value>,
    envelope: Option<Envelope>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ledger: Option<Ledger>,
}

/// An output and its first elements.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    summary: Summary,
    elements: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Envelope {
    /// Whether the kernel can reach a matrix instruction. Without one no policy was run.
    matrix_instructions: bool,
    /// The policy that the others are compared with.
    base: Option<String>,
    spreads: Vec<Spread>,
}

pub(super) fn run(arguments: &Arguments) -> Result<u8> {
    let object = CodeObject::read(&arguments.file)?;
    let (routine, launch) = arguments.launch.prepare(&object)?;
    let config = launch.config();
    let before = launch.images(arguments.device.seed)?;

    let open = OpenDevice::open(arguments.device.device)?;
    if arguments.numerics == Numerics::Envelope {
        envelope::require_policies(&open)?;
    }
    if open.is_virtual() {
        open.runtime.set_option("instruction_budget", &arguments.instruction_budget.to_string())?;
    }
    if arguments.ledger {
        ledger::keep(&open, true)?;
    }
    let device = open.record()?;
    let function = Module::load(&open.device, object.elf())?.function(&routine.name)?;
    let mut document = Document {
        device: &device,
        seed: arguments.device.seed,
        file: arguments.file.display().to_string(),
        kernel: &routine.name,
        grid: [config.grid.x, config.grid.y, config.grid.z],
        block: [config.block.x, config.block.y, config.block.z],
        dynamic_lds: config.shared_bytes,
        fault: None,
        time_ns: None,
        outputs: Vec::new(),
        report: None,
        envelope: None,
        ledger: None,
    };
    let launched = (|| {
        let mut outcome = launch.run(&open, &function, &before)?;
        let ledger = if arguments.ledger { Ledger::of_last_launch(&open)? } else { None };
        // It stands beside the report, not in it.
        if let Some(report) = outcome.report.as_mut().and_then(serde_json::Value::as_object_mut) {
            report.remove("ledger");
        }
        let envelope = match arguments.numerics {
            Numerics::Default => None,
            Numerics::Envelope if !object.uses_matrix_cores(routine) => {
                Some(Envelope { matrix_instructions: false, base: None, spreads: Vec::new() })
            }
            Numerics::Envelope => Some(vary(&open, &launch, &function, &before, &outcome)?),
        };
        Ok((outcome, envelope, ledger))
    })();
    match launched {
        Ok((outcome, envelope, ledger)) => {
            dump(&launch, &outcome)?;
            document.outputs = shown(arguments, &launch, &before, &outcome);
            document.time_ns = Some(outcome.time.0);
            document.report = outcome.report;
            document.envelope = envelope;
            document.ledger = ledger;
        }
        Err(error) => match hip::Error::fault(&error) {
            Some(fault) => document.fault = Some(fault.clone()),
            None => return Err(error.into()),
        },
    }
    if arguments.json {
        report::print_json("run", &document)?;
    } else {
        report::print(&render(&document))?;
    }
    Ok(if document.fault.is_some() { exit::CHECK_FAILED } else { exit::SUCCESS })
}

/// The outputs under every other policy, held against those of `base`.
fn vary(
    open: &OpenDevice,
    launch: &Launch<'_>,
    function: &hip::Function,
    before: &[Vec<u8>],
    base: &Outcome,
) -> hip::Result<Envelope> {
    let policy = envelope::policy_in_force(open)?;
    let others = envelope::each_other(open, &policy, || launch.run(open, function, before))?;
    let mut spreads = Vec::new();
    for (index, buffer) in launch.outputs() {
        for (policy, other) in &others {
            let (base, other) = (&base.images[index], &other.images[index]);
            spreads.push(Spread::between(policy, launch.name(index), buffer.dtype, base, other));
        }
    }
    Ok(Envelope { matrix_instructions: true, base: Some(policy), spreads })
}

fn dump(launch: &Launch<'_>, outcome: &Outcome) -> Result<()> {
    for (index, buffer) in launch.outputs() {
        if let Some(path) = &buffer.dump {
            fs::write(path, &outcome.images[index])
                .map_err(|source| Error::Store { path: path.clone(), source })?;
        }
    }
    Ok(())
}

fn shown(arguments: &Arguments, launch: &Launch<'_>, before: &[Vec<u8>], outcome: &Outcome) -> Vec<Shown> {
    let summaries = launch.summaries(before, &outcome.images);
    let elements = launch.outputs().map(|(index, buffer)| {
        let codes = buffer.dtype.codes(&outcome.images[index]).take(arguments.print);
        let digits = buffer.dtype.bits() as usize / 4;
        let show = |code| if arguments.hex { format!("{code:0digits$x}") } else { buffer.dtype.show(code) };
        codes.map(show).collect()
    });
    summaries.into_iter().zip(elements).map(|(summary, elements)| Shown { summary, elements }).collect()
}

fn render(document: &Document<'_>) -> String {
    let device = document.device;
    let [grid, block] = [document.grid, document.block].map(|[x, y, z]| format!("{x}x{y}x{z}"));
    let mut text = format!("{}, {} runtime {}\n\n", device.name, device.kind, device.library);
    text += &format!(
        "{} of {}: {grid} workgroups of {block} work-items, {} B of dynamic LDS, seed {}\n",
        document.kernel, document.file, document.dynamic_lds, document.seed
    );
    if let Some(fault) = &document.fault {
        text += &format!("\n{}: {fault}\n", report::coloured("FAULT", false));
        return text;
    }
    if !document.outputs.is_empty() {
        let rows = document.outputs.iter().map(|Shown { summary: s, .. }| {
            let limit = |limit: &Option<String>| limit.clone().unwrap_or_else(|| "-".into());
            let counts = [s.count, s.changed, s.nan].map(|n| thousands(n as u64));
            let mut row = vec![s.name.clone(), s.dtype.to_string()];
            row.extend(counts);
            row.extend([limit(&s.min), limit(&s.max), s.sha256[..12].to_owned()]);
            row
        });
        let header = ["output", "type", "elements", "changed", "NaN", "min", "max", "sha256"];
        text += &format!("\n{}", report::table(&header, &[2, 3, 4, 5, 6], rows));
        for Shown { summary, elements } in &document.outputs {
            if !elements.is_empty() {
                let more = if elements.len() < summary.count { " ..." } else { "" };
                text += &format!("\n{} = {}{more}", summary.name, elements.join(" "));
            }
        }
        text.push('\n');
    }
    if let Some(envelope) = &document.envelope {
        text += &render_envelope(envelope, document.kernel);
    }
    if let Some(ledger) = &document.ledger {
        text += &ledger.text(document.kernel);
    }
    if let Some(nanos) = document.time_ns {
        text += &format!("\n{}, {}\n", crate::bench::Nanos(nanos), basis(document));
    }
    if let Some(report) = &document.report {
        text += &render_report(report);
    }
    text
}

/// What the time is worth: `measured`, or what the virtual device's report says of its clock.
fn basis(document: &Document<'_>) -> String {
    let clock = document.report.as_ref().and_then(|report| report.get("clock"));
    let modelled = clock.and_then(|clock| serde_json::from_value::<Modelled>(clock.clone()).ok());
    match modelled {
        Some(modelled) if modelled.ns.is_none() => {
            format!("issue cycles only, a lower bound: no data ({})", modelled.reasons.join("; "))
        }
        Some(modelled) => {
            format!("modelled {} ({}, {} caches)", modelled.error(), modelled.label, modelled.caches)
        }
        None if document.device.kind == "virtual" => "issue cycles only, a lower bound".to_owned(),
        None => document.device.times.to_owned(),
    }
}

fn render_envelope(envelope: &Envelope, kernel: &str) -> String {
    let Some(base) = &envelope.base else {
        return format!(
            "\n{kernel} has no matrix instructions: its results are the same under every policy, none was tried\n"
        );
    };
    let rows = envelope.spreads.iter().map(Spread::row);
    let table = report::table(&envelope::HEADER, &envelope::RIGHT, rows);
    format!("\nagainst the policy {base} for sums of matrix instructions:\n{table}")
}

/// The virtual device's counters in two lines.
fn render_report(report: &serde_json::Value) -> String {
    let number = |value: &serde_json::Value| value.as_u64().map_or_else(|| "?".into(), thousands);
    let classes = report["classes"].as_array().map_or(&[][..], Vec::as_slice);
    let classes: Vec<_> = classes
        .iter()
        .filter(|class| class[1].as_u64() != Some(0))
        .map(|class| format!("{} {}", class[0].as_str().unwrap_or("?"), number(&class[1])))
        .collect();
    format!(
        "{} wave(s), {} instructions, {} issue cycles of the busiest compute unit\ninstructions by class: {}\n",
        number(&report["waves"]),
        number(&report["instructions"]),
        number(&report["issue_cycles"]),
        classes.join(", ")
    )
}
