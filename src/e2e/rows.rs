//! Baselines and targets: what results are compared with.

use serde::{Deserialize, Serialize};

/// `profiles/rows.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowsFile {
    /// Version of the file's shape.
    pub version: u32,
    /// The tables.
    pub tables: Vec<Table>,
}

/// Rows of one origin.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// The name that eras use.
    pub name: String,
    /// For people.
    pub title: String,
    /// What its rows are.
    pub kind: Kind,
    /// GPUs of the measured machine.
    pub gpus: Option<u32>,
    /// Range ratio under which its rows were measured, where that is another than the protocol's.
    pub range_ratio: Option<f64>,
    /// The rows.
    pub rows: Vec<Row>,
}

/// What a row is.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Somebody's measurement: results have a ratio to it.
    Baseline,
    /// A bound: results meet it or not.
    Target,
}

/// One point's figures.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Input tokens.
    pub isl: usize,
    /// Output tokens.
    pub osl: usize,
    /// Requests under way.
    pub concurrency: usize,
    /// Median end-to-end latency in ms; of a target, the most.
    pub e2e_ms: f64,
    /// Tokens per second and user; of a target, the least.
    pub interactivity: f64,
    /// Total tokens per second and GPU; of a target, the least.
    pub tput_per_gpu: f64,
    /// What is odd about it.
    pub note: Option<String>,
}

impl Table {
    /// The row of a point.
    #[must_use]
    pub fn row(&self, isl: usize, osl: usize, concurrency: usize) -> Option<&Row> {
        self.rows.iter().find(|r| (r.isl, r.osl, r.concurrency) == (isl, osl, concurrency))
    }
}

impl Row {
    /// GPUs that the row's own numbers imply by Little's law, for lengths that average `length` of the longest:
    /// tokens under way over tokens per GPU.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn implied_gpus(&self, length: f64) -> f64 {
        let tokens = self.concurrency as f64 * length * (self.isl + self.osl) as f64;
        tokens / (self.e2e_ms / 1e3 * self.tput_per_gpu)
    }
}
