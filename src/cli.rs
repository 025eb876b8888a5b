//! The command line: one file per verb.

mod baseline;
mod bench;
mod check;
mod disasm;
mod doctor;
mod env;
mod explain;
mod flow;
mod launch_arguments;
mod ops;
mod plan;
mod run;
mod tune;
mod verify;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use miette::MietteHandlerOpts;

use crate::Result;
use crate::device::DeviceChoice;
use crate::kernels::{self, Kernels};

/// Checks and times HIP kernels for AMD's MI355X, on a real one or on the virtual one.
#[derive(Debug, Parser)]
#[command(name = "mi355x", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

const EXIT_CODES: &str = "Exit codes: 0 right; 1 a kernel is wrong; 2 command line; \
     3 compiler or runtime library missing; 4 device missing; \
     5 kernels do not build or code object unreadable; 6 results cannot be stored; 7 the device failed; \
     10 a leaderboard profile or result is missing or unreadable; 14 a leaderboard result cannot be what it says.";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Says for every part found or missing, and what to do next
    Doctor(doctor::Arguments),
    /// Lists operators and kernels with what they use
    Ops(ops::Arguments),
    /// Checks kernels against independent references
    Check(check::Arguments),
    /// Times kernels by device events
    Bench(bench::Arguments),
    /// Says where a kernel's modelled time goes
    #[command(after_help = run::ARGUMENTS_HELP)]
    Explain(explain::Arguments),
    /// Finds the fastest instance for each shape of a product
    Tune(tune::Arguments),
    /// Launches a kernel of any gfx950 code object
    #[command(after_help = run::ARGUMENTS_HELP)]
    Run(run::Arguments),
    /// Shows a code object's kernels: resources, parameters, instructions in basic blocks
    Disasm(disasm::Arguments),
    /// Shows what a leaderboard run would do: points, time, launch commands, boards
    Plan(plan::Arguments),
    /// Writes the variables that the quick-start guides have one source
    Env(env::Arguments),
    /// Shows the rows that leaderboard results are compared with
    Baseline(baseline::Arguments),
    /// Says whether leaderboard results can be what they say, and what they are worth
    Verify(verify::Arguments),
}

/// Which kernels; shared by the verbs that work on some.
#[derive(Debug, Args)]
struct KernelArguments {
    /// Parts of kernel names, such as quant/mxfp4_bf16; all kernels without any
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
    /// Compile this folder, laid out as kernels/, instead of using the built-in kernels
    #[arg(long, value_name = "DIR")]
    kernels: Option<PathBuf>,
    /// Where compiled kernels of --kernels are kept [default: the user's cache folder]
    #[arg(long, value_name = "DIR", env = "MI355X_CACHE", requires = "kernels")]
    cache: Option<PathBuf>,
}

/// Where to run; shared by the verbs that run kernels.
#[derive(Debug, Args)]
struct DeviceArguments {
    /// The device
    #[arg(long, value_enum, default_value_t = DeviceChoice::Virtual, env = "MI355X_DEVICE")]
    device: DeviceChoice,
    /// Source of all random values
    #[arg(long, value_name = "N", default_value_t = 355)]
    seed: u64,
}

/// Where results go.
#[derive(Debug, Args)]
struct OutputArguments {
    /// Print one JSON document instead of a table
    #[arg(long)]
    json: bool,
    /// Folder that gets one folder of results per run
    #[arg(long, value_name = "DIR", default_value = "runs", env = "MI355X_RUNS")]
    runs: PathBuf,
    /// Store nothing
    #[arg(long, conflicts_with = "runs")]
    no_store: bool,
}

impl KernelArguments {
    fn load(&self) -> Result<Kernels> {
        match &self.kernels {
            None => Ok(Kernels::built_in()),
            Some(folder) => {
                let cache = self.cache.clone().unwrap_or_else(|| kernels::cache_folder(folder));
                Kernels::compile(folder, &cache)
            }
        }
    }
}

/// Runs the command; the exit code is one of [`crate::exit`].
#[must_use]
pub fn main() -> ExitCode {
    let plain = !std::io::stderr().is_terminal();
    // The hook is set once, before any report is made.
    let _ = miette::set_hook(Box::new(move |_| {
        let options = MietteHandlerOpts::new();
        // A pipe has no width and no colours: one line per thought, to be searched.
        let options = if plain { options.color(false).unicode(false).wrap_lines(false) } else { options };
        Box::new(options.build())
    }));
    let outcome = match Cli::parse().verb {
        Verb::Doctor(arguments) => doctor::run(&arguments),
        Verb::Ops(arguments) => ops::run(&arguments),
        Verb::Check(arguments) => check::run(&arguments),
        Verb::Bench(arguments) => bench::run(&arguments),
        Verb::Explain(arguments) => explain::run(&arguments),
        Verb::Tune(arguments) => tune::run(&arguments),
        Verb::Run(arguments) => run::run(&arguments),
        Verb::Disasm(arguments) => disasm::run(&arguments),
        Verb::Plan(arguments) => plan::run(&arguments),
        Verb::Env(arguments) => env::run(&arguments),
        Verb::Baseline(arguments) => baseline::run(&arguments),
        Verb::Verify(arguments) => verify::run(&arguments),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let code = error.exit_code();
            eprintln!("{:?}", miette::Report::new(error));
            ExitCode::from(code)
        }
    }
}
