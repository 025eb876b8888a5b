//! What the virtual device says about the time of a launch, beside the time.

use serde::{Deserialize, Serialize};

use super::Nanos;
use crate::device::OpenDevice;

/// A modelled time with what it is worth, as `vhipReport` gives it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Modelled {
    /// The model and its constants.
    pub model: String,
    /// What the caches held before: `cold`, `warm` or `hot`.
    pub caches: String,
    /// `calibrated`, `extrapolated` or `no data`.
    pub label: String,
    /// Why it is not calibrated.
    pub reasons: Vec<String>,
    /// Modelled nanoseconds; none without data.
    #[serde(default)]
    pub ns: Option<f64>,
    /// How far they may be off; none without data.
    #[serde(default)]
    pub band: Option<Band>,
}

/// Relative errors.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// Nine of ten launches are no farther off, as far as the calibration tells.
    pub p90: f64,
    /// Half of them.
    pub median: f64,
    /// Measured rows behind it.
    pub rows: usize,
}

impl Modelled {
    /// That of the last launch, out of its report; `None` for a GPU and for a launch that nobody asked the time of.
    ///
    /// # Errors
    /// [`hip::Error::Extension`] for a report that cannot be read.
    pub fn of_last_launch(open: &OpenDevice) -> hip::Result<Option<Self>> {
        let Some(mut report) = open.runtime.last_report()? else { return Ok(None) };
        Self::out_of(report["clock"].take(), open)
    }

    /// Out of a report's `clock`.
    ///
    /// # Errors
    /// As [`of_last_launch`](Self::of_last_launch).
    pub fn out_of(clock: serde_json::Value, open: &OpenDevice) -> hip::Result<Option<Self>> {
        serde_json::from_value(clock).map_err(|error| hip::Error::Extension {
            function: "vhipReport",
            reason: format!("its clock cannot be read: {error}"),
            library: open.runtime.library_path().to_owned(),
        })
    }

    /// The time, if there is one.
    #[must_use]
    pub fn nanos(&self) -> Option<Nanos> {
        self.ns.map(Nanos)
    }

    /// `± 40 %`; nothing without a band.
    #[must_use]
    pub fn error(&self) -> String {
        self.band.map_or_else(String::new, |band| format!("± {:.0} %", 100.0 * band.p90))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_launch_without_data_has_neither_time_nor_error() {
        let text = r#"{ "model": "m", "caches": "cold", "label": "no data", "reasons": ["r"] }"#;
        let modelled: Modelled = serde_json::from_str(text).unwrap();
        assert_eq!((modelled.nanos(), modelled.error()), (None, String::new()));
        let text = r#"{ "model": "m", "caches": "cold", "label": "extrapolated", "reasons": [], "ns": 5.0,
            "band": { "p90": 0.4, "median": 0.1, "rows": 9 } }"#;
        let modelled: Modelled = serde_json::from_str(text).unwrap();
        assert_eq!((modelled.nanos(), modelled.error().as_str()), (Some(Nanos(5.0)), "± 40 %"));
    }
}
