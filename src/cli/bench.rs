//! `mi355x bench`: device times, bytes and operations per second.

use clap::{Args, value_parser};
use serde::Serialize;

use super::{DeviceArguments, KernelArguments, OutputArguments};
use crate::bench::{Mode, Samples, Subject};
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
    /// Samples of each time on a GPU; on the virtual device all are equal, and one is taken
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
    /// `measured` or `modelled (issue cycles only)`.
    times: &'static str,
    median_ns: f64,
    low_ns: f64,
    high_ns: f64,
    samples: Samples,
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
                let samples = subject.samples(mode, arguments.samples as usize)?;
                let Traffic { bytes, flop } = subject.traffic();
                let timed = Timed {
                    kernel: instance.path(),
                    sha256: instance.sha256.to_string(),
                    case,
                    label: case.to_string(),
                    mode,
                    times: open.times(),
                    median_ns: samples.median().0,
                    low_ns: samples.quantile(0.05).0,
                    high_ns: samples.quantile(0.95).0,
                    samples,
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
        let median = t.samples.median();
        let spread = match t.samples.count() {
            1 => String::new(),
            _ => format!("{}..{}", t.samples.quantile(0.05), t.samples.quantile(0.95)),
        };
        let flops = if t.flop == 0 { "-".into() } else { format!("{:.0}", median.giga_per_second(t.flop)) };
        vec![
            t.kernel.clone(),
            t.label.clone(),
            format!("{:?}", t.mode).to_lowercase(),
            median.to_string(),
            spread,
            format!("{:.0}", median.giga_per_second(t.bytes)),
            flops,
        ]
    });
    // Every column that holds a time, or is made from one, says what it is.
    let times = open.times();
    let columns = [
        format!("median, {times}"),
        if open.is_virtual() { String::new() } else { "5 % .. 95 %, measured".into() },
        format!("GB/s, {times}"),
        format!("GFLOP/s, {times}"),
    ];
    let header = ["kernel", "case", "mode", &columns[0], &columns[1], &columns[2], &columns[3]];
    let mut text = format!("{}, {} runtime {}\n\n", device.name, device.kind, device.library);
    text += &report::table(&header, &[3, 4, 5, 6], rows);
    if open.is_virtual() {
        text += "\nmodelled (issue cycles only): the busiest compute unit's instruction issue at 2.4 GHz, without \
                 memory, caches or latency.\nThis is a lower bound, not a prediction; a cache flush costs nothing \
                 in it, so cold equals hot.\n";
    }
    if let Some(folder) = folder {
        text += &format!("results: {folder}\n");
    }
    text
}
