//! `mi355x bench`: device times, bytes and operations per second.

use clap::{Args, value_parser};
use serde::Serialize;

use super::{DeviceArguments, KernelArguments, OutputArguments};
use crate::bench::{Mode, Modelled, Nanos, Samples, Subject, Timing};
use crate::device::{DeviceRecord, OpenDevice};
use crate::ops::{self, Case, Traffic};
use crate::report::{self, Progress};
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
    /// Only this mode; both without
    #[arg(long, value_enum)]
    mode: Option<Mode>,
    /// Rows and columns instead of the operator's own shapes
    #[arg(long, num_args = 2, value_names = ["M", "K"], value_parser = value_parser!(u32).range(1..))]
    shape: Option<Vec<u32>>,
    /// Samples of each time on a GPU; the virtual device's model gives one time
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = value_parser!(u32).range(1..))]
    samples: u32,
}

/// What `run.json` says.
#[derive(Debug, Serialize)]
struct About<'a> {
    program: &'static str,
    device: &'a DeviceRecord,
    seed: u64,
    kernels: usize,
}

/// One line of `results.jsonl`, and one entry of the `--json` document.
#[derive(Debug, Serialize)]
struct Timed {
    kernel: String,
    sha256: String,
    case: Case,
    label: String,
    mode: Mode,
    /// `measured` or `modelled`.
    times: &'static str,
    /// Of a modelled time that time; nothing where the model has no data.
    median_ns: Option<f64>,
    /// Of a GPU: 5 % of the samples are faster.
    low_ns: Option<f64>,
    /// Of a GPU: 5 % of the samples are slower.
    high_ns: Option<f64>,
    /// Of a GPU.
    samples: Option<Samples>,
    /// Of the virtual device: model, caches, label, error.
    model: Option<Modelled>,
    bytes: u64,
    flop: u64,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    device: &'a DeviceRecord,
    seed: u64,
    run: Option<String>,
    results: &'a [Timed],
}

pub(super) fn run(arguments: &Arguments) -> Result<u8> {
    let kernels = arguments.kernels.load()?;
    let chosen = kernels.select(&arguments.kernels.filters)?;
    let open = OpenDevice::open(arguments.device.device)?;
    let device = open.record()?;
    let output = &arguments.output;
    let mut run = if output.no_store {
        None
    } else {
        {
            let about = About {
                program: concat!("mi355x ", env!("CARGO_PKG_VERSION")),
                device: &device,
                seed: arguments.device.seed,
                kernels: chosen.len(),
            };
            Some(Run::create(&output.runs, "bench", &about)?)
        }
    };
    let modes: Vec<Mode> = arguments.mode.map_or(vec![Mode::Cold, Mode::Hot], |mode| vec![mode]);
    let mut progress = Progress::new(chosen.len());
    let mut results = Vec::new();
    for instance in chosen {
        progress.step(&instance.path());
        for case in cases(arguments, instance)? {
            let mut subject = Subject::new(&open, instance, case, arguments.device.seed)?;
            for &mode in &modes {
                let timing = subject.timing(mode, arguments.samples as usize)?;
                let median_ns = timing.median().map(|nanos| nanos.0);
                let (samples, model) = match timing {
                    Timing::Measured(samples) => (Some(samples), None),
                    Timing::Modelled(modelled) => (None, Some(modelled)),
                };
                let quantile = |q| samples.as_ref().map(|samples| samples.quantile(q).0);
                let Traffic { bytes, flop } = subject.traffic();
                let timed = Timed {
                    kernel: instance.path(),
                    sha256: instance.sha256.to_string(),
                    case,
                    label: case.to_string(),
                    mode,
                    times: open.times(),
                    median_ns,
                    low_ns: quantile(0.05),
                    high_ns: quantile(0.95),
                    samples,
                    model,
                    bytes,
                    flop,
                };
                if let Some(run) = &mut run {
                    run.append("bench", &timed)?;
                }
                results.push(timed);
            }
        }
    }
    drop(progress);
    let folder = run.map(|r| r.folder().display().to_string());
    if output.json {
        let seed = arguments.device.seed;
        report::print_json("bench", &Document { device: &device, seed, run: folder, results: &results })?;
    } else {
        report::print(&render(&open, &device, &results, folder.as_deref()))?;
    }
    Ok(exit::SUCCESS)
}

fn cases(arguments: &Arguments, instance: &crate::registry::Instance) -> Result<Vec<Case>> {
    let Some(shape) = &arguments.shape else { return ops::bench_cases(instance) };
    let (m, k) = (shape[0] as usize, shape[1] as usize);
    if !k.is_multiple_of(32) {
        let reason = "K must be a multiple of 32".to_owned();
        return Err(Error::Option { option: "--shape", value: format!("{m} {k}"), reason });
    }
    Ok(vec![Case::new(m, k, ops::Values::Normal)])
}

fn render(open: &OpenDevice, device: &DeviceRecord, results: &[Timed], folder: Option<&str>) -> String {
    let rows = results.iter().map(|t| {
        let median = t.median_ns.map(Nanos);
        let rate = |amount: u64| match median {
            Some(median) if amount > 0 => format!("{:.0}", median.giga_per_second(amount)),
            _ => "-".to_owned(),
        };
        let spread = match (&t.model, t.low_ns, t.high_ns) {
            (Some(model), ..) => model.error(),
            (None, Some(low), Some(high)) => format!("{}..{}", Nanos(low), Nanos(high)),
            _ => String::new(),
        };
        let mut row = vec![
            t.kernel.clone(),
            t.label.clone(),
            format!("{:?}", t.mode).to_lowercase(),
            median.map_or_else(|| "no data".to_owned(), |median| median.to_string()),
            spread,
            rate(t.bytes),
            rate(t.flop),
        ];
        row.extend(t.model.as_ref().map(|model| model.label.clone()));
        row
    });
    // Every column that holds a time, or is made from one, says what it is.
    let times = open.times();
    let columns = [
        format!("median, {times}"),
        if open.is_virtual() { "9 of 10 within".into() } else { "5 % .. 95 %, measured".into() },
        format!("GB/s, {times}"),
        format!("GFLOP/s, {times}"),
    ];
    let mut header = vec!["kernel", "case", "mode", &columns[0], &columns[1], &columns[2], &columns[3]];
    if open.is_virtual() {
        header.push("model");
    }
    let mut text = format!("{}, {} runtime {}\n\n", device.name, device.kind, device.library);
    text += &report::table(&header, &[3, 4, 5, 6], rows);
    text += &basis(device, results);
    if let Some(folder) = folder {
        text += &format!("results: {folder}\n");
    }
    text
}

/// What the modelled times rest on: nothing if there are none.
fn basis(device: &DeviceRecord, results: &[Timed]) -> String {
    let models: Vec<&Modelled> = results.iter().filter_map(|timed| timed.model.as_ref()).collect();
    if models.is_empty() {
        return String::new();
    }
    let version = device.model.as_deref().unwrap_or("unnamed");
    let mut text = format!("\nmodelled: by the timing model {version}; docs/timing.md has its errors.\n");
    for (label, meaning) in [
        ("extrapolated", "unlike the measured launches, so the error is a wider estimate"),
        ("no data", "the model does not cover it"),
    ] {
        // One of each kind: those that differ in their numbers only are of one. `explain` has them all.
        let kind = |reason: &str| reason.split(|c: char| c.is_ascii_digit()).next().unwrap_or("").to_owned();
        let mut reasons: Vec<&str> = Vec::new();
        for reason in models.iter().filter(|model| model.label == label).flat_map(|model| &model.reasons) {
            if !reasons.iter().any(|other| kind(other) == kind(reason)) {
                reasons.push(reason);
            }
        }
        if !reasons.is_empty() {
            text += &format!("{label}: {meaning}:\n");
            text += &reasons.iter().map(|reason| format!("  {reason}\n")).collect::<String>();
        }
    }
    text
}
