//! `mi355x tune`: which instance is the fastest for each shape.

use std::path::PathBuf;

use clap::Args;
use numerics::mx::{Mxfp4Rule, ScaleRounding};

use super::{DeviceArguments, KernelArguments};
use crate::bench::{Mode, Subject};
use crate::device::OpenDevice;
use crate::ops::gemm_mxfp4::choice::{self, Entry, Shape};
use crate::ops::gemm_mxfp4::{self, Tiling};
use crate::ops::{Case, Values};
use crate::registry::Instance;
use crate::report::{self, Progress};
use crate::{Error, Result, exit};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    kernels: KernelArguments,
    #[command(flatten)]
    device: DeviceArguments,
    /// Shapes M,N,K instead of the operator's own; may be repeated
    #[arg(long, value_name = "M,N,K", value_parser = sizes)]
    shape: Vec<[usize; 3]>,
    /// Write the table here instead of to stdout: kernels/gemm_mxfp4/choice.csv is the one that is built in
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Compute units: a grid of splits beyond them only adds to the sums.
const COMPUTE_UNITS: usize = 256;
/// Workgroups of a tile that are tried.
const SPLITS: [usize; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

pub(super) fn run(arguments: &Arguments) -> Result<u8> {
    let kernels = arguments.kernels.load()?;
    let chosen = kernels.select(&arguments.kernels.filters)?;
    let open = OpenDevice::open(arguments.device.device)?;
    let shapes = shapes(arguments);
    let mut progress = Progress::new(shapes.len());
    let mut table = format!("{}\n", choice::HEADER);
    for shape in shapes {
        let [m, n, k] = shape.sizes;
        progress.step(&format!("{m} {n} {k}"));
        let rule = shape.bf16.then(|| Mxfp4Rule::new(ScaleRounding::Even));
        let mut best: Option<Entry> = None;
        for instance in chosen.iter().filter(|i| choice::takes(i, &choice::usual(rule), shape)) {
            for splits in splits(instance, shape)? {
                let case = Case::product(m, n, k, Values::Normal).splits(splits);
                let mut subject = Subject::new(&open, instance, case, arguments.device.seed)?;
                // A model without data on a kernel has no say.
                let Some(median) = subject.timing(Mode::Cold, 20)?.median() else { continue };
                let us = median.0 / 1e3;
                if best.as_ref().is_none_or(|best| us < best.us) {
                    let (tile, times) = (choice::tile(instance).to_owned(), open.times().to_owned());
                    best = Some(Entry { shape, tile, splits, us, times });
                }
            }
        }
        if let Some(Entry { shape, tile, splits, us, times }) = best {
            let activations = if shape.bf16 { "bf16" } else { "mxfp4" };
            table += &format!("{activations},{m},{n},{k},{tile},{splits},{us:.2},{times}\n");
        }
    }
    drop(progress);
    match &arguments.out {
        None => report::print(&table)?,
        Some(path) => std::fs::write(path, &table).map_err(|source| Error::Option {
            option: "--out",
            value: path.display().to_string(),
            reason: source.to_string(),
        })?,
    }
    Ok(exit::SUCCESS)
}

/// The contest's shapes with bf16 activations, the model's with MXFP4.
fn shapes(arguments: &Arguments) -> Vec<Shape> {
    let both = |sizes: [usize; 3]| [false, true].map(|bf16| Shape { bf16, sizes });
    if !arguments.shape.is_empty() {
        return arguments.shape.iter().copied().flat_map(both).collect();
    }
    let contest =
        gemm_mxfp4::contest_shapes().into_iter().map(|(m, n, k)| Shape { bf16: true, sizes: [m, n, k] });
    let model = gemm_mxfp4::model_shapes()
        .into_iter()
        .flat_map(|(n, k)| [1, 16, 32, 64, 128, 256, 1024].map(|m| Shape { bf16: false, sizes: [m, n, k] }));
    contest.chain(model).collect()
}

/// How often a tile may be split: as long as there are compute units and every wave has a step of K.
fn splits(instance: &Instance, shape: Shape) -> Result<Vec<usize>> {
    let tiling = Tiling::of(instance)?;
    let [m, n, k] = shape.sizes;
    let (tiles_m, tiles_n) = tiling.grid(m, n);
    let steps = k.div_ceil(tiling.k_step);
    let sensible =
        |s: usize| s == 1 || (tiles_m * tiles_n * s <= COMPUTE_UNITS && s * tiling.waves_k <= 2 * steps);
    Ok(SPLITS.into_iter().filter(|s| sensible(*s)).collect())
}

fn sizes(text: &str) -> Result<[usize; 3], String> {
    let numbers: Vec<usize> = text.split(',').map_while(|n| n.parse().ok()).collect();
    numbers.try_into().map_err(|_| "three numbers, such as 16,2112,7168".to_owned())
}
