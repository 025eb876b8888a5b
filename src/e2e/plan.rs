//! What a run will measure, and how long that may take.

use std::time::Duration;

use load::{Repair, Shape, WarmUp};
use serde::Serialize;

use super::era;
use super::error::Error;
use super::profile::Profile;

/// One point to measure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// Input tokens.
    pub isl: usize,
    /// Output tokens.
    pub osl: usize,
    /// Requests under way.
    pub concurrency: usize,
    /// Prompts.
    pub prompts: usize,
    /// Shortest length as a share of the longest.
    pub range_ratio: f64,
}

/// Which points of a protocol.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Input tokens.
    pub isl: Option<usize>,
    /// Output tokens.
    pub osl: Option<usize>,
    /// Requests under way; all of the protocol's if empty.
    pub concurrency: Vec<usize>,
    /// Prompts, for every point.
    pub prompts: Option<usize>,
    /// Range ratio, for every point.
    pub range_ratio: Option<f64>,
}

impl Profile<'_> {
    /// The points that a selection leaves of the protocol, in its order.
    ///
    /// # Errors
    /// [`Error::NoCase`] if none is left, or a concurrency that was asked for is not among them.
    pub fn points(&self, selection: &Selection) -> Result<Vec<Point>, Error> {
        let defaults = &self.era.defaults;
        let mut points = Vec::new();
        for case in &self.track.cases {
            let (isl, osl) = (case.isl, case.osl);
            if selection.isl.is_some_and(|n| n != isl) || selection.osl.is_some_and(|n| n != osl) {
                continue;
            }
            for &concurrency in &case.concurrency {
                if selection.concurrency.is_empty() || selection.concurrency.contains(&concurrency) {
                    points.push(self.point(isl, osl, concurrency, selection));
                }
            }
        }
        let missing = selection.concurrency.iter().find(|c| points.iter().all(|p| p.concurrency != **c));
        if points.is_empty() || missing.is_some() {
            return Err(Error::NoCase {
                protocol: self.era.name.clone(),
                isl: selection.isl.unwrap_or(defaults.isl),
                osl: selection.osl.unwrap_or(defaults.osl),
                concurrency: missing.map_or_else(|| "any".into(), ToString::to_string),
            });
        }
        Ok(points)
    }

    /// A point, of the protocol or not.
    #[must_use]
    pub fn point(&self, isl: usize, osl: usize, concurrency: usize, selection: &Selection) -> Point {
        Point {
            isl,
            osl,
            concurrency,
            prompts: selection.prompts.unwrap_or_else(|| self.era.prompts.of(osl, concurrency)),
            range_ratio: selection.range_ratio.unwrap_or(self.era.defaults.range_ratio),
        }
    }

    /// The load generator's shape for a point. The seed is the reference client's.
    #[must_use]
    pub fn shape(&self, point: &Point) -> Shape {
        Shape {
            input_len: point.isl,
            output_len: point.osl,
            range_ratio: point.range_ratio,
            prompts: point.prompts,
            seed: 0,
            chat_template: self.server.chat_template,
            repair: match self.era.client.repair {
                era::Repair::Once => Repair::Once,
                era::Repair::UpToTenTimes => Repair::UpToTenTimes,
            },
        }
    }

    /// What comes before the measured requests of a point.
    #[must_use]
    pub fn warm_up(&self, point: &Point) -> WarmUp {
        match self.era.client.repair {
            era::Repair::Once => WarmUp::TestRun,
            era::Repair::UpToTenTimes => {
                WarmUp::Requests(self.era.client.warm_ups_per_concurrency * point.concurrency)
            }
        }
    }

    /// How long a point would take at its row's latency: rounds of concurrent requests, warm-ups included. `None`
    /// without a row.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn estimate(&self, point: &Point) -> Option<Duration> {
        let row = self.table.row(point.isl, point.osl, point.concurrency)?;
        let warm_up = match self.warm_up(point) {
            WarmUp::TestRun => 1,
            WarmUp::Requests(n) => n.div_ceil(point.concurrency),
        };
        let rounds = point.prompts as f64 / point.concurrency as f64 + warm_up as f64;
        Some(Duration::from_secs_f64(rounds * row.e2e_ms / 1e3))
    }
}
