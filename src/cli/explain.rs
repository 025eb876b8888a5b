//! `mi355x explain`: where a kernel's modelled time goes.

use std::path::{Path, PathBuf};

use clap::Args;
use hip::Module;
use serde::Serialize;

use super::launch_arguments::LaunchArguments;
use super::{DeviceArguments, KernelArguments};
use crate::bench::{Mode, Subject};
use crate::code::CodeObject;
use crate::device::{DeviceChoice, DeviceRecord, OpenDevice};
use crate::explain::{Explained, Lines};
use crate::ops::{self, Case};
use crate::report;
use crate::{Error, Result, exit};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    kernels: KernelArguments,
    #[command(flatten)]
    device: DeviceArguments,
    /// Rows and columns, such as 64x7168 [default: the first that `bench` times]
    #[arg(long, value_name = "MxK", value_parser = shape, conflicts_with = "object")]
    case: Option<(u32, u32)>,
    /// What the caches hold before
    #[arg(long, value_enum, default_value_t = Mode::Cold)]
    mode: Mode,
    /// Explain a launch of this code object instead, given as for `run`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["filters", "kernels"])]
    object: Option<PathBuf>,
    #[command(flatten)]
    launch: LaunchArguments,
    /// Write what one compute unit does to this file: Chrome's trace format, for ui.perfetto.dev
    #[arg(long, value_name = "FILE")]
    perfetto: Option<PathBuf>,
    /// Print one JSON document instead of tables
    #[arg(long)]
    json: bool,
}

/// The `--json` document.
#[derive(Debug, Serialize)]
struct Document<'a> {
    device: &'a DeviceRecord,
    seed: u64,
    /// The kernel's name in its code object.
    kernel: &'a str,
    /// What it ran on.
    case: String,
    #[serde(flatten)]
    explained: &'a Explained,
}

pub(super) fn run(arguments: &Arguments) -> Result<u8> {
    if arguments.device.device == DeviceChoice::Rocm {
        let reason = "only the virtual device explains its times".to_owned();
        return Err(Error::Option { option: "--device", value: "rocm".into(), reason });
    }
    let open = OpenDevice::open(DeviceChoice::Virtual)?;
    open.runtime.set_option("explain", "1")?;
    if let Some(file) = &arguments.perfetto {
        open.runtime.set_option("timeline", &file.display().to_string())?;
    }
    let (object, kernel, case, clock) = match &arguments.object {
        Some(file) => of_object(arguments, &open, file)?,
        None => of_instance(arguments, &open)?,
    };
    written(arguments, &clock)?;
    let (routine, _) = object.kernel(Some(&kernel))?;
    let explained =
        Explained::new(clock, routine, &Lines::new(object.elf())).map_err(|error| hip::Error::Extension {
            function: "vhipReport",
            reason: format!("its clock cannot be read: {error}"),
            library: open.runtime.library_path().to_owned(),
        })?;
    let device = open.record()?;
    if arguments.json {
        let seed = arguments.device.seed;
        let document = Document { device: &device, seed, kernel: &kernel, case, explained: &explained };
        report::print_json("explain", &document)?;
    } else {
        let head =
            format!("{}, {} runtime {}\n\n{kernel} on {case}: ", device.name, device.kind, device.library);
        report::print(&(head + &explained.text()))?;
    }
    Ok(exit::SUCCESS)
}

/// A code object, the kernel's name in it, what it runs on, and what the report says of the clock.
type Asked = (CodeObject, String, String, serde_json::Value);

fn of_instance(arguments: &Arguments, open: &OpenDevice) -> Result<Asked> {
    let kernels = arguments.kernels.load()?;
    let chosen = kernels.select(&arguments.kernels.filters)?;
    let exact = chosen.iter().find(|instance| arguments.kernels.filters.contains(&instance.path()));
    let instance = match (exact, chosen.as_slice()) {
        (Some(exact), _) => exact,
        (None, [only]) => only,
        _ => return Err(Error::ManyKernels { count: chosen.len() }),
    };
    let case = match arguments.case {
        Some((m, k)) if !k.is_multiple_of(32) => {
            let reason = "K must be a multiple of 32".to_owned();
            return Err(Error::Option { option: "--case", value: format!("{m}x{k}"), reason });
        }
        Some((m, k)) => Case::new(m as usize, k as usize, ops::Values::Normal),
        None => *ops::bench_cases(instance)?.first().ok_or_else(|| Error::Declaration {
            kernel: instance.path(),
            what: "bench times it on no case; give one with --case".to_owned(),
        })?,
    };
    let clock = Subject::new(open, instance, case, arguments.device.seed)?.sampled_launch(arguments.mode)?;
    let object = CodeObject::parse(Path::new(&instance.path()), &instance.code_object)?;
    Ok((object, instance.symbol.to_string(), format!("{}, {case}", instance.path()), clock))
}

fn of_object(arguments: &Arguments, open: &OpenDevice, file: &Path) -> Result<Asked> {
    let object = CodeObject::read(file)?;
    let (routine, launch) = arguments.launch.prepare(&object)?;
    let images = launch.images(arguments.device.seed)?;
    for (key, value) in [("clock", "sampled"), ("caches", arguments.mode.caches())] {
        open.runtime.set_option(key, value)?;
    }
    let function = Module::load(&open.device, object.elf())?.function(&routine.name)?;
    let launched = launch.run(open, &function, &images);
    let clock = open.runtime.last_report()?.map(|mut report| report["clock"].take()).unwrap_or_default();
    // Events have no time across a launch that the model does not cover; the report says why.
    if let Err(error) = launched
        && clock["label"] != "no data"
    {
        return Err(error.into());
    }
    let config = launch.config();
    let kernel = routine.name.clone();
    let case = format!("{} workgroups of {} work-items", config.grid, config.block);
    Ok((object, kernel, case, clock))
}

/// That the trace is in its file.
fn written(arguments: &Arguments, clock: &serde_json::Value) -> Result<()> {
    let Some(path) = &arguments.perfetto else { return Ok(()) };
    let timeline = &clock["timeline"];
    if let Some(error) = timeline["error"].as_str() {
        let source = std::io::Error::other(error.to_owned());
        return Err(Error::Store { path: path.clone(), source });
    }
    match timeline["left_out"].as_u64() {
        Some(0) => {}
        Some(n) => eprintln!("the trace ends early: {n} further slices are left out"),
        None => eprintln!("no trace was written: nothing was recorded"),
    }
    Ok(())
}

fn shape(text: &str) -> Result<(u32, u32), String> {
    let (m, k) = text.split_once('x').ok_or("two numbers with an x between, such as 64x7168")?;
    let number = |text: &str| match text.parse::<u32>() {
        Ok(0) => Err("an empty tensor takes no time".to_owned()),
        other => other.map_err(|error| format!("{text}: {error}")),
    };
    Ok((number(m)?, number(k)?))
}
