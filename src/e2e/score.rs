//! What a result is worth: ratios to a baseline, targets met, and what to keep in mind.

use serde::Serialize;

use super::plan::Point;
use super::rows::{Kind, Row, Table};

/// The three figures by which results are ranked.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Median end-to-end latency in ms; lower is better.
    pub e2e_ms: f64,
    /// 1000 / median TPOT in ms: tokens per second and user; higher is better.
    pub interactivity: f64,
    /// Total tokens per second over the protocol's divisor; higher is better.
    pub tput_per_gpu: f64,
    /// The same over the GPUs that were used.
    pub tput_per_gpu_used: f64,
}

/// Figures against a row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    /// What was measured.
    pub figures: Figures,
    /// The row.
    pub row: Option<Row>,
    /// Result over row; `None` without a row.
    pub ratios: Option<Ratios>,
    /// Whether each figure is at least as good as the row's; `None` without a row.
    pub met: Option<Met>,
    /// What makes the comparison uneven.
    pub caveats: Vec<String>,
}

/// Result over row.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ratios {
    /// Lower is better.
    pub e2e: f64,
    /// Higher is better.
    pub tput: f64,
    /// Higher is better.
    pub interactivity: f64,
}

/// Whether figures are at least as good as a row's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Met {
    /// Latency.
    pub e2e: bool,
    /// Throughput over the GPUs that were used, which is how targets were set.
    pub tput: bool,
    /// Interactivity.
    pub interactivity: bool,
}

impl Figures {
    /// The figures of measured values: medians in ms, total tokens per second.
    #[must_use]
    pub fn new(e2e_ms: f64, tpot_ms: f64, total_throughput: f64, divisor: f64, gpus_used: f64) -> Self {
        Self {
            e2e_ms,
            interactivity: if tpot_ms > 0.0 { 1000.0 / tpot_ms } else { 0.0 },
            tput_per_gpu: total_throughput / divisor,
            tput_per_gpu_used: total_throughput / gpus_used,
        }
    }
}

impl Score {
    /// Compares figures of a point with its row in a table.
    #[must_use]
    pub fn new(figures: Figures, point: &Point, table: &Table) -> Self {
        let row = table.row(point.isl, point.osl, point.concurrency).cloned();
        let ratios = row.as_ref().map(|row| Ratios {
            e2e: ratio(figures.e2e_ms, row.e2e_ms),
            tput: ratio(figures.tput_per_gpu, row.tput_per_gpu),
            interactivity: ratio(figures.interactivity, row.interactivity),
        });
        let met = row.as_ref().map(|row| Met {
            e2e: figures.e2e_ms <= row.e2e_ms,
            tput: figures.tput_per_gpu_used >= row.tput_per_gpu,
            interactivity: figures.interactivity >= row.interactivity,
        });
        let caveats = row.as_ref().map_or_else(Vec::new, |row| caveats(&figures, point, table, row));
        Self { figures, row, ratios, met, caveats }
    }
}

fn caveats(figures: &Figures, point: &Point, table: &Table, row: &Row) -> Vec<String> {
    let mut caveats = Vec::new();
    if let Some(theirs) = table.range_ratio.filter(|&r| r.to_bits() != point.range_ratio.to_bits()) {
        // Lengths are uniform from ratio × longest to the longest.
        let mean = |r: f64| f64::midpoint(1.0, r);
        let longer = (mean(point.range_ratio) / mean(theirs) - 1.0) * 100.0;
        caveats.push(format!(
            "the row was measured at range ratio {theirs}: requests here are {longer:.0} % longer, which lengthens \
             E2E by as much and leaves throughput about as it is; --range-ratio {theirs} compares like with like"
        ));
    }
    if let Some(note) = &row.note {
        caveats.push(format!("the row is odd: {note}"));
    }
    if figures.tput_per_gpu.to_bits() != figures.tput_per_gpu_used.to_bits() {
        let (used, divided) = (figures.tput_per_gpu_used, figures.tput_per_gpu);
        caveats.push(format!(
            "over the GPUs that were used throughput is {used:.1} tokens/s/GPU; the protocol's field, over its own \
             divisor, is {divided:.1}"
        ));
    }
    if table.kind == Kind::Target && !reachable(point, row, 8.0) {
        caveats.push(
            "no deployment on eight GPUs can reach this row's throughput at its latency: fewer GPUs or a lower latency \
             is needed"
                .into(),
        );
    }
    caveats
}

/// Whether `gpus` GPUs can have a row's throughput at a row's latency, by Little's law.
fn reachable(point: &Point, row: &Row, gpus: f64) -> bool {
    row.implied_gpus(f64::midpoint(1.0, point.range_ratio)) >= gpus
}

/// As the original: 0 for a row of 0.
fn ratio(figure: f64, row: f64) -> f64 {
    if row > 0.0 { figure / row } else { 0.0 }
}

/// Points of a rank within one concurrency of the second stage: 1000, 900, …, 0.
#[must_use]
pub fn rank_points(rank: u32) -> f64 {
    f64::from(1000_u32.saturating_sub(100 * rank.saturating_sub(1)))
}

/// Points of a concurrency from the ranks by throughput and interactivity. The weights are inferred from two published
/// scores, which they give exactly.
#[must_use]
pub fn points(throughput_rank: u32, interactivity_rank: u32) -> f64 {
    0.6 * rank_points(throughput_rank) + 0.4 * rank_points(interactivity_rank)
}

/// Which of `(x, y)` no other beats in both, where higher is better.
#[must_use]
pub fn pareto(all: &[(f64, f64)]) -> Vec<bool> {
    all.iter().map(|a| !all.iter().any(|b| b.0 >= a.0 && b.1 >= a.1 && (b.0 > a.0 || b.1 > a.1))).collect()
}
