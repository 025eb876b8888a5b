//! Measured rows, their samples, fits and leave-out validation.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::{
    descent::descend,
    f4gemm::{Gemm, GemmError},
    fit::minimise,
    machine::{Constant, Machine, Rates},
    predict::{Replayed, predict},
    roofline::Baseline,
    sample::Sample,
    score::Score,
};

/// A measured time.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What ran.
    pub gemm: Gemm,
    /// µs.
    pub measured: f64,
    /// Number of the row's line in the file.
    pub line: usize,
}

/// A row and what its launch does.
#[derive(Clone, Debug)]
pub struct Case {
    /// The row.
    pub row: Row,
    /// Its launch.
    pub sample: Sample,
}

/// Why there is no calibration.
#[derive(Debug, Error)]
pub enum CalibrationError {
    /// A file.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line of the CSV file.
    #[error("{path} line {line}: expected M,N,K,us,kernel,tile_m,tile_n,log2_splitk,…, found {text:?}")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// What it says.
        text: String,
    },
    /// A launch.
    #[error(transparent)]
    Gemm(#[from] GemmError),
}

/// Reads rows; those with a split of K are left out, for they run two kernels.
///
/// # Errors
/// [`CalibrationError::Io`], [`CalibrationError::Line`].
pub fn rows(path: &Path) -> Result<Vec<Row>, CalibrationError> {
    let text =
        fs::read_to_string(path).map_err(|source| CalibrationError::Io { path: path.to_owned(), source })?;
    let mut rows = Vec::new();
    for (index, text) in text.lines().enumerate().skip(1) {
        let fields: Vec<&str> = text.split(',').collect();
        let number = |i: usize| fields.get(i).and_then(|field| field.parse::<u64>().ok());
        let row = (|| {
            let gemm = Gemm {
                m: number(0)?,
                n: number(1)?,
                k: number(2)?,
                tile_m: number(5)? as u32,
                tile_n: number(6)? as u32,
            };
            let measured = fields.get(3)?.parse().ok()?;
            Some((Row { gemm, measured, line: index + 1 }, number(7)?))
        })();
        match row {
            Some((row, 0)) => rows.push(row),
            Some(_) => {}
            None => {
                let (path, text) = (path.to_owned(), text.to_owned());
                return Err(CalibrationError::Line { path, line: index + 1, text });
            }
        }
    }
    Ok(rows)
}

/// Version of what the cache holds: another one is not read.
const CACHE: &str = "sample-v4";

/// The sample of a launch: from `cache`, or recorded with the code objects in `aiter` and put there.
///
/// # Errors
/// [`CalibrationError`].
pub fn sample(gemm: &Gemm, aiter: Option<&Path>, cache: &Path) -> Result<Sample, CalibrationError> {
    let Gemm { m, n, k, tile_m, tile_n } = gemm;
    let path = cache.join(format!("{CACHE}-{tile_m}x{tile_n}-{m}-{n}-{k}"));
    if let Ok(bytes) = fs::read(&path)
        && let Ok(sample) = postcard::from_bytes(&bytes)
    {
        return Ok(sample);
    }
    let sample = gemm.sample(aiter.unwrap_or(Path::new("")))?;
    let io = |source| CalibrationError::Io { path: path.clone(), source };
    fs::create_dir_all(cache).map_err(io)?;
    if let Ok(bytes) = postcard::to_stdvec(&sample) {
        // Written aside first: whoever reads meanwhile finds all of it or nothing.
        let aside = path.with_extension("new");
        fs::write(&aside, bytes).map_err(io)?;
        fs::rename(&aside, &path).map_err(io)?;
    }
    Ok(sample)
}

/// Modelled µs of each case.
pub fn model(cases: &[&Case], rates: &Rates) -> Vec<f64> {
    cases
        .iter()
        .map(|case| predict(&case.sample, case.row.gemm.caches(), rates).time.microseconds())
        .collect()
}

/// Fits the free constants of a machine to cases, from their values or, to know nothing of earlier fits, from their
/// priors: least mean deviation of the logarithms, so that large and small kernels, too slow and too fast count alike.
pub fn fit(machine: &Machine, cases: &[&Case], evaluations: usize, from_prior: bool) -> (Machine, f64) {
    let names = machine.free();
    let begin = |constant: &Constant| {
        if from_prior { constant.prior.unwrap_or(constant.value) } else { constant.value }
    };
    let start: Vec<f64> = names.iter().map(|name| begin(&machine.0[name])).collect();
    let bounds: Vec<[f64; 2]> = names.iter().filter_map(|name| machine.0[name].bounds).collect();
    let with = |values: &[f64]| {
        let mut machine = machine.clone();
        for (name, value) in names.iter().zip(values) {
            if let Some(constant) = machine.0.get_mut(name) {
                constant.value = *value;
            }
        }
        machine
    };
    // What the last whole evaluation replayed: constants that only the assembly reads need no other replays.
    let mut last: Vec<Replayed> = Vec::new();
    let found = descend(&start, &bounds, evaluations, |values, single| {
        let Ok(rates) = Rates::of(&with(values)) else { return vec![f64::INFINITY; cases.len()] };
        let assembled = single.is_some_and(|j| Replayed::ASSEMBLED.contains(&names[j].as_str()));
        let other: Vec<Replayed> = match assembled {
            true => Vec::new(),
            false => replay_all(cases, &rates),
        };
        let replayed = if assembled { &last } else { &other };
        let residuals = replayed
            .iter()
            .zip(cases)
            .map(|(replayed, case)| (replayed.assemble(&rates).time.microseconds() / case.row.measured).ln());
        let residuals = residuals.collect();
        if single.is_none() {
            last = other;
        }
        residuals
    });
    (with(&found.at), found.cost)
}

fn replay_all(cases: &[&Case], rates: &Rates) -> Vec<Replayed> {
    cases.iter().map(|case| Replayed::new(&case.sample, case.row.gemm.caches(), rates)).collect()
}

/// Fits a baseline to rows.
pub fn fit_baseline(baseline: Baseline, rows: &[&Row]) -> Vec<f64> {
    let start = baseline.start();
    let bounds: Vec<[f64; 2]> = start.iter().map(|x| [x / 100.0, x * 100.0]).collect();
    let cost = |values: &[f64]| {
        let each =
            rows.iter().map(|row| (baseline.microseconds(&row.gemm, values) / row.measured).ln().abs());
        each.sum::<f64>() / rows.len().max(1) as f64
    };
    let first = minimise(&start, &bounds, 2000, cost);
    minimise(&first.at, &bounds, 2000, cost).at
}

/// Splits cases into `folds` sets so that cases with one key are together: sets of indices that are left out.
pub fn folds<K: Ord>(cases: &[Case], folds: usize, key: impl Fn(&Case) -> K) -> Vec<Vec<usize>> {
    let mut groups: BTreeMap<K, Vec<usize>> = BTreeMap::new();
    for (index, case) in cases.iter().enumerate() {
        groups.entry(key(case)).or_default().push(index);
    }
    // The largest groups first, each into the smallest set.
    let mut groups: Vec<Vec<usize>> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
    let mut sets: Vec<Vec<usize>> = vec![Vec::new(); folds.min(groups.len()).max(1)];
    for group in groups {
        if let Some(smallest) = sets.iter_mut().min_by_key(|set| set.len()) {
            smallest.extend(group);
        }
    }
    sets
}

/// Regimes by M.
pub const REGIMES: [(&str, u64, u64); 4] =
    [("M ≤ 64", 0, 64), ("65–512", 65, 512), ("> 512", 513, u64::MAX), ("all", 0, u64::MAX)];

/// Scores by regime.
pub fn by_regime(cases: &[Case], predicted: &[f64]) -> Vec<(&'static str, Score)> {
    let pairs = |low: u64, high: u64| -> Vec<(f64, f64)> {
        let all = cases.iter().zip(predicted).filter(|(case, _)| (low..=high).contains(&case.row.gemm.m));
        all.map(|(case, predicted)| (*predicted, case.row.measured)).collect()
    };
    REGIMES.iter().map(|(name, low, high)| (*name, Score::of(&pairs(*low, *high)))).collect()
}
