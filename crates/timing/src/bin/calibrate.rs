//! Calibrates the timing model: records what measured kernels execute, fits the machine's free constants, validates
//! by leaving out shapes and kernels, and prints the residuals.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use clap::{Parser, Subcommand};
use timing::{
    calibration::{Case, REGIMES, Row, by_regime, fit, fit_baseline, folds, model, rows, sample},
    envelope::{Calibrated, Errors},
    f4gemm::{Gemm, tiles},
    machine::{MI355X, Machine, Rates},
    predict::predict,
    roofline::Baseline,
    scatter::{Series, scatter},
    score::Score,
};

/// Calibrates the timing model on measured rows.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Measured rows.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/data/aiter_f4gemm_calibration.csv"))]
    rows: PathBuf,
    /// A checkout of AITER; needed for launches that the cache does not have.
    #[arg(long, env = "AITER_DIR")]
    aiter: Option<PathBuf>,
    /// Where recorded launches are kept.
    #[arg(long, env = "MI355X_TRACE_CACHE")]
    cache: PathBuf,
    /// A machine description; the crate's without.
    #[arg(long)]
    machine: Option<PathBuf>,
    /// Use every n-th row only.
    #[arg(long, default_value_t = 1)]
    every: usize,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Records all launches.
    Record,
    /// Predicts all rows; with --residuals one line each.
    Predict {
        /// Draws measured against modelled times into an SVG file.
        #[arg(long)]
        svg: Option<PathBuf>,
        /// One line for each row.
        #[arg(long)]
        residuals: bool,
    },
    /// Fits the free constants and writes the machine description.
    Fit {
        /// Where to.
        #[arg(long)]
        out: PathBuf,
        /// Evaluations of a fit.
        #[arg(long, default_value_t = 600)]
        evaluations: usize,
        /// Start from the constants' priors instead of their values.
        #[arg(long)]
        from_prior: bool,
        /// An envelope to write the ranges of these rows' launches to.
        #[arg(long)]
        envelope: Option<PathBuf>,
    },
    /// Models the kernels that a baseline finds most plausible for each shape: is the one that was measured to be
    /// the fastest among the model's first?
    Choose {
        /// Kernels of a shape, at least.
        #[arg(long, default_value_t = 6)]
        tiles: usize,
    },
    /// Fits with parts left out and predicts those.
    Validate {
        /// Evaluations of a fit.
        #[arg(long, default_value_t = 300)]
        evaluations: usize,
        /// Fit to every n-th of the rows that are not left out; all left-out rows are predicted.
        #[arg(long, default_value_t = 1)]
        thin: usize,
        /// Kernels with fewer rows are left out together.
        #[arg(long, default_value_t = 1)]
        small: usize,
        /// Where to write the machine description with error bars: how much the constants move from set to set of
        /// (N, K) (jackknife).
        #[arg(long)]
        out: Option<PathBuf>,
        /// An envelope to write the errors of left-out rows to.
        #[arg(long)]
        envelope: Option<PathBuf>,
        /// Sets that (N, K) and kernels are split into.
        #[arg(long, default_value_t = 5)]
        folds: usize,
    },
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("calibrate: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn std::error::Error>> {
    let started = Instant::now();
    let machine = match &args.machine {
        Some(path) => Machine::parse(&std::fs::read_to_string(path)?)?,
        None => Machine::parse(MI355X)?,
    };
    let mut cases = Vec::new();
    for row in rows(&args.rows)?.into_iter().step_by(args.every.max(1)) {
        let at = Instant::now();
        let sample = sample(&row.gemm, args.aiter.as_deref(), &args.cache)?;
        if at.elapsed().as_millis() > 1000 {
            eprintln!("{:?}: {:.1} s", row.gemm, at.elapsed().as_secs_f64());
        }
        cases.push(Case { row, sample });
    }
    eprintln!("{} launches in {:.1} s", cases.len(), started.elapsed().as_secs_f64());
    match &args.verb {
        Verb::Record => {}
        Verb::Predict { residuals, svg } => {
            predictions(&machine, &cases, *residuals)?;
            if let Some(svg) = svg {
                std::fs::write(svg, draw(&machine, &cases)?)?;
            }
        }
        Verb::Choose { tiles } => choose(args, &machine, &cases, *tiles)?,
        Verb::Fit { out, evaluations, from_prior, envelope } => {
            let all: Vec<&Case> = cases.iter().collect();
            let (fitted, cost) = fit(&machine, &all, *evaluations, *from_prior);
            std::fs::write(out, toml::to_string(&fitted)?)?;
            for name in fitted.free() {
                println!("{name:24} {:10.2} {}", fitted.0[&name].value, fitted.0[&name].unit);
            }
            println!("mean deviation {:.4} after {:.0} s", cost, started.elapsed().as_secs_f64());
            predictions(&fitted, &cases, false)?;
            if let Some(path) = envelope {
                ranges(path, &cases)?;
            }
        }
        Verb::Validate { evaluations, folds, thin, small, out, envelope } => {
            let (moved, errors) = validate(&machine, &cases, *evaluations, *folds, *thin, *small)?;
            if let Some(path) = envelope {
                let mut envelope = read(path)?;
                [envelope.known, envelope.unknown] = errors;
                std::fs::write(path, toml::to_string(&envelope)?)?;
            }
            if let Some(out) = out {
                std::fs::write(out, toml::to_string(&with_errors(&machine, &moved))?)?;
            }
        }
    }
    eprintln!("{:.1} s", started.elapsed().as_secs_f64());
    Ok(())
}

fn predictions(machine: &Machine, cases: &[Case], residuals: bool) -> Result<(), Box<dyn std::error::Error>> {
    let rates = Rates::of(machine)?;
    let at = Instant::now();
    let all: Vec<&Case> = cases.iter().collect();
    let predicted = model(&all, &rates);
    eprintln!("predicted in {:.2} s", at.elapsed().as_secs_f64());
    if residuals {
        for (case, us) in cases.iter().zip(&predicted) {
            let Row { gemm, measured, .. } = &case.row;
            let p = predict(&case.sample, case.row.gemm.caches(), &rates);
            println!(
                "{:+6.1}% {us:9.2} {measured:9.2} M{} N{} K{} {}x{} groups {} turns {} classes {} mfma {:.2} clock {:.2} wb {:.2}",
                100.0 * (us / measured - 1.0),
                gemm.m,
                gemm.n,
                gemm.k,
                gemm.tile_m,
                gemm.tile_n,
                case.sample.groups,
                case.sample.groups.div_ceil(256 * case.sample.resident.max(1) as u64),
                case.sample.classes.len(),
                p.matrix_share,
                p.clock_ghz,
                p.write_back.microseconds(),
            );
        }
    }
    table("model", cases, &predicted);
    baselines(cases);
    Ok(())
}

/// Measured against modelled times by regime.
fn draw(machine: &Machine, cases: &[Case]) -> Result<String, Box<dyn std::error::Error>> {
    let rates = Rates::of(machine)?;
    let regimes = REGIMES.iter().take(REGIMES.len() - 1);
    let series: Vec<Series> = regimes
        .map(|(name, low, high)| Series {
            name: (*name).replace('>', "&gt;"),
            points: cases
                .iter()
                .filter(|case| (*low..=*high).contains(&case.row.gemm.m))
                .map(|case| {
                    (
                        case.row.measured,
                        predict(&case.sample, case.row.gemm.caches(), &rates).time.microseconds(),
                    )
                })
                .collect(),
        })
        .collect();
    Ok(scatter("AITER's f4gemm on an MI355X, by M", &series))
}

/// Baselines, fitted to the same rows.
fn baselines(cases: &[Case]) {
    let rows: Vec<&Row> = cases.iter().map(|case| &case.row).collect();
    for baseline in [Baseline::Roofline, Baseline::Tiled] {
        let parameters = fit_baseline(baseline, &rows);
        let predicted: Vec<f64> =
            rows.iter().map(|row| baseline.microseconds(&row.gemm, &parameters)).collect();
        table(&format!("{baseline:?}"), cases, &predicted);
    }
}

fn table(name: &str, cases: &[Case], predicted: &[f64]) {
    for (regime, score) in by_regime(cases, predicted) {
        println!("{name:20} {regime:8} {score}");
    }
}

fn choose(
    args: &Args,
    machine: &Machine,
    cases: &[Case],
    count: usize,
) -> Result<(), Box<dyn std::error::Error>> {
    let aiter = args.aiter.as_deref().ok_or("choose needs --aiter or AITER_DIR")?;
    let rates = Rates::of(machine)?;
    let tiles = tiles(aiter)?;
    let rows: Vec<&Row> = cases.iter().map(|case| &case.row).collect();
    let baseline = fit_baseline(Baseline::Tiled, &rows);
    let mut within = [0; 3];
    let mut excess = 0.0;
    for case in cases {
        let winner = case.row.gemm;
        let mut others: Vec<Gemm> = tiles
            .iter()
            .map(|(tile_m, tile_n)| Gemm { tile_m: *tile_m, tile_n: *tile_n, ..winner })
            .filter(|gemm| gemm.runs() && *gemm != winner)
            .collect();
        let estimate = |gemm: &Gemm| Baseline::Tiled.microseconds(gemm, &baseline);
        others.sort_by(|a, b| estimate(a).total_cmp(&estimate(b)));
        others.truncate(count.saturating_sub(1));
        let own = predict(&case.sample, case.row.gemm.caches(), &rates).time;
        let mut faster = Vec::new();
        for gemm in &others {
            let time = predict(&sample(gemm, Some(aiter), &args.cache)?, gemm.caches(), &rates).time;
            if time < own {
                faster.push((time.microseconds(), gemm.tile_m, gemm.tile_n));
            }
        }
        for (rank, within) in within.iter_mut().enumerate() {
            *within += (faster.len() <= rank) as u32;
        }
        let best = faster.iter().map(|(us, ..)| *us).fold(own.microseconds(), f64::min);
        excess += own.microseconds() / best - 1.0;
        if faster.len() > 2 {
            let Gemm { m, n, k, tile_m, tile_n } = winner;
            let us = case.row.measured;
            println!(
                "M{m} N{n} K{k}: {tile_m}x{tile_n} measured {us:.2}, modelled {:.2}; faster: {faster:.2?}",
                own.microseconds()
            );
        }
    }
    let share = |n: u32| 100.0 * n as f64 / cases.len().max(1) as f64;
    println!(
        "{} shapes, {count} kernels each: the measured winner is first in {:.1} %, in the first two in {:.1} %, in the \
         first three in {:.1} %; modelled, it is {:.1} % slower than the model's first on average",
        cases.len(),
        share(within[0]),
        share(within[1]),
        share(within[2]),
        100.0 * excess / cases.len().max(1) as f64
    );
    Ok(())
}

/// The machines of the fits without some (N, K), and errors of rows without their (N, K), without their kernel.
type Validated = (Vec<Machine>, [Vec<Errors>; 2]);

fn validate(
    machine: &Machine,
    cases: &[Case],
    evaluations: usize,
    sets: usize,
    thin: usize,
    small: usize,
) -> Result<Validated, Box<dyn std::error::Error>> {
    let shapes = folds(cases, sets, |case| (case.row.gemm.n, case.row.gemm.k));
    let tile = |case: &Case| (case.row.gemm.tile_m, case.row.gemm.tile_n);
    let kernels = folds(cases, usize::MAX, |case| {
        let rows = cases.iter().filter(|other| tile(other) == tile(case)).count();
        (rows >= small).then_some(tile(case))
    });
    let mut by_shape = Vec::new();
    let mut errors = [const { Vec::new() }; 2];
    for (name, left_out) in [("left-out (N,K)", shapes), ("left-out kernel", kernels)] {
        let mut predicted = vec![f64::NAN; cases.len()];
        let mut base = [vec![f64::NAN; cases.len()], vec![f64::NAN; cases.len()]];
        let rest = |out: &[usize]| -> Vec<&Case> {
            cases.iter().enumerate().filter(|(i, _)| !out.contains(i)).map(|(_, case)| case).collect()
        };
        let fits = each(&left_out, |out| {
            let at = Instant::now();
            let thinned: Vec<&Case> = rest(out).into_iter().step_by(thin.max(1)).collect();
            let (fitted, cost) = fit(machine, &thinned, evaluations, true);
            let seconds = at.elapsed().as_secs_f64();
            eprintln!(
                "{name}: {} left out, fitted to {} with deviation {cost:.4} in {seconds:.0} s",
                out.len(),
                thinned.len()
            );
            fitted
        });
        for (out, fitted) in left_out.iter().zip(fits) {
            let rates = Rates::of(&fitted)?;
            if name.contains("(N,K)") {
                by_shape.push(fitted);
            }
            let mine: Vec<&Case> = out.iter().map(|i| &cases[*i]).collect();
            for (i, us) in out.iter().zip(model(&mine, &rates)) {
                predicted[*i] = us;
            }
            let rows: Vec<&Row> = rest(out).iter().map(|case| &case.row).collect();
            for (baseline, base) in [Baseline::Roofline, Baseline::Tiled].into_iter().zip(&mut base) {
                let parameters = fit_baseline(baseline, &rows);
                for i in out {
                    base[*i] = baseline.microseconds(&cases[*i].row.gemm, &parameters);
                }
            }
        }
        errors[!name.contains("(N,K)") as usize] = by_duration(cases, &predicted);
        println!("{name}: {} fits", left_out.len());
        table("model", cases, &predicted);
        table("Roofline", cases, &base[0]);
        table("Tiled", cases, &base[1]);
    }
    Ok((by_shape, errors))
}

/// Applies `work` to each set, on two threads.
fn each<T: Send>(sets: &[Vec<usize>], work: impl Fn(&[usize]) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let mut done: Vec<(usize, T)> = std::thread::scope(|scope| {
        let thread = || {
            let mut done = Vec::new();
            while let at = next.fetch_add(1, Ordering::Relaxed)
                && let Some(set) = sets.get(at)
            {
                done.push((at, work(set)));
            }
            done
        };
        let threads = [scope.spawn(thread), scope.spawn(thread)];
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Modelled µs from which rows are scored apart.
const DURATIONS: [f64; 5] = [0.0, 8.0, 16.0, 64.0, 512.0];

/// Errors of left-out rows by modelled time.
fn by_duration(cases: &[Case], predicted: &[f64]) -> Vec<Errors> {
    let ends = DURATIONS[1..].iter().copied().chain([f64::INFINITY]);
    let errors = DURATIONS.iter().zip(ends).map(|(from, to)| {
        let rows = cases.iter().zip(predicted).filter(|(_, us)| (*from..to).contains(*us));
        let pairs: Vec<(f64, f64)> = rows.map(|(case, us)| (*us, case.row.measured)).collect();
        let Score { rows, median, p90, .. } = Score::of(&pairs);
        Errors { from_us: *from, rows, median, p90 }
    });
    errors.filter(|errors| errors.rows > 0).collect()
}

/// An envelope's file; an empty one if there is none yet.
fn read(path: &Path) -> Result<Calibrated, Box<dyn std::error::Error>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(toml::from_str(&text)?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Calibrated::default()),
        Err(error) => Err(error.into()),
    }
}

/// Writes the ranges of these cases' launches; the errors stay.
fn ranges(path: &Path, cases: &[Case]) -> Result<(), Box<dyn std::error::Error>> {
    let Calibrated { known, unknown, .. } = read(path)?;
    let source = format!("{} rows of AITER's f4gemm", cases.len());
    let mut envelope = Calibrated { source, known, unknown, ..Calibrated::default() };
    for case in cases {
        envelope.include(&case.sample, case.row.gemm.caches());
    }
    std::fs::write(path, toml::to_string(&envelope)?)?;
    Ok(())
}

/// The machine with the jackknife's standard errors of its free constants.
fn with_errors(machine: &Machine, fits: &[Machine]) -> Machine {
    let mut machine = machine.clone();
    let n = fits.len() as f64;
    for name in machine.free() {
        let values: Vec<f64> = fits.iter().map(|fit| fit.0[&name].value).collect();
        let mean = values.iter().sum::<f64>() / n;
        let spread: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        if let Some(constant) = machine.0.get_mut(&name) {
            constant.error = Some(((n - 1.0) / n * spread).sqrt());
        }
    }
    machine
}
