//! The baseline that a model of time must beat: a roofline with three or five numbers, fitted to the same rows.

use crate::{f4gemm::Gemm, units::Topology};

/// What a row is, as far as the baselines see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Baseline {
    /// Launch + the longer of arithmetic and memory: launch µs, share of the arithmetic peak, share of the memory
    /// peak.
    Roofline,
    /// The same, with whole tiles in whole turns over the compute units, launch of a turn, and the traffic of a
    /// compute unit: launch µs, share of the arithmetic peak, share of the memory peak, µs of a turn, bytes
    /// per ns of a compute unit.
    Tiled,
}

/// 10.07 PFLOP/s of MXFP4, in FLOP per µs.
const PEAK_FLOP: f64 = 10.07e9;
/// 8 TB/s, in bytes per µs.
const PEAK_BYTES: f64 = 8e6;

impl Baseline {
    /// Its parameters' start.
    pub fn start(self) -> Vec<f64> {
        match self {
            Baseline::Roofline => vec![4.0, 0.5, 0.6],
            Baseline::Tiled => vec![3.0, 0.6, 0.7, 1.0, 40.0],
        }
    }

    /// µs of a row.
    pub fn microseconds(self, row: &Gemm, parameters: &[f64]) -> f64 {
        let bytes = row.bytes() as f64;
        match (self, parameters) {
            (Baseline::Roofline, [launch, arithmetic, memory]) => {
                launch + (row.flops() / (PEAK_FLOP * arithmetic)).max(bytes / (PEAK_BYTES * memory))
            }
            (Baseline::Tiled, [launch, arithmetic, memory, turn, unit]) => {
                let units = Topology::MI355X.compute_units() as u64;
                let turns = row.groups().div_ceil(units) as f64;
                let (m, n, k) = (row.tile_m as f64, row.tile_n as f64, row.k as f64);
                let tile = 2.0 * m * n * k / (PEAK_FLOP * arithmetic / units as f64);
                let traffic = (m.min(row.m as f64) + n) * k * 17.0 / 32.0 / (unit * 1e3);
                launch + (turns * (turn + tile.max(traffic))).max(bytes / (PEAK_BYTES * memory))
            }
            _ => f64::NAN,
        }
    }
}
