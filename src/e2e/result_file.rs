//! The result file of an era: the reference client's figures, and what the original adds to them.

use std::fs;
use std::path::Path;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};

use super::era::Gate;
use super::error::Error;
use super::plan::Point;
use super::profile::Profile;
use super::score::{Figures, Score};

/// A JSON object whose members keep their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ordered(Vec<(String, Member)>);

#[derive(Clone, Debug, PartialEq)]
enum Member {
    Value(Value),
    Object(Ordered),
}

/// What an accuracy run measured.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Accuracy {
    /// Perplexity on wikitext.
    Wikitext {
        /// Bits per byte of text.
        bits_per_byte: f64,
        /// Perplexity per byte.
        byte_perplexity: f64,
        /// Perplexity per token of the task's tokeniser.
        word_perplexity: f64,
    },
    /// SGLang's GSM8K script.
    Gsm8kScript {
        /// Share of right answers.
        accuracy: f64,
        /// Share of answers without a number.
        invalid: f64,
    },
    /// lm-eval's GSM8K.
    Gsm8k {
        /// Share of right answers, flexible extraction.
        metric: f64,
    },
}

/// Figures of one run, as read from any result file.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The whole file.
    pub file: Value,
}

/// Names that the original lets through from the client's file; three of them never occur there.
const KEPT: [&str; 4] =
    ["total_input_tokens", "request_throughput", "output_throughput", "total_token_throughput"];

/// The 12 latencies, in the order of the file.
fn latencies() -> impl Iterator<Item = String> {
    ["ttft", "tpot", "itl", "e2el"]
        .into_iter()
        .flat_map(|metric| ["mean", "median", "p99"].map(|s| format!("{s}_{metric}_ms")))
}

/// Where a run was measured.
#[derive(Clone, Debug)]
pub struct Where<'a> {
    /// The model, as the server was asked for it.
    pub model: &'a str,
    /// The server's base URL.
    pub base_url: &'a str,
    /// GPUs that the server used.
    pub gpus: usize,
}

impl Ordered {
    /// Adds a member.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.0.push((name.into(), Member::Value(value.into())));
    }

    fn push_object(&mut self, name: impl Into<String>, object: Self) {
        self.0.push((name.into(), Member::Object(object)));
    }

    /// The text of the file: two spaces of indent, as the original writes it.
    ///
    /// # Panics
    /// Never: its members are plain data.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(self).expect("members are plain data")
    }
}

impl Serialize for Ordered {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, member) in &self.0 {
            match member {
                Member::Value(value) => map.serialize_entry(name, value)?,
                Member::Object(object) => map.serialize_entry(name, object)?,
            }
        }
        map.end()
    }
}

impl Measured {
    /// Reads a result file: ours, the original's or the reference client's.
    ///
    /// # Errors
    /// [`Error::Read`]; [`Error::ResultFile`] if it is no JSON object with the figures that all of these have.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(|source| Error::Read { path: path.into(), source })?;
        let broken = |reason: String| Error::ResultFile { path: path.into(), reason };
        let file = serde_json::from_str(&text).map_err(|e| broken(e.to_string()))?;
        let measured = Self { file };
        for name in KEPT.into_iter().chain(["median_tpot_ms", "median_e2el_ms"]) {
            if measured.number(name).is_none() {
                return Err(broken(format!("it has no number {name}")));
            }
        }
        Ok(measured)
    }

    /// A number of the file.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<f64> {
        self.file.get(name).and_then(Value::as_f64)
    }

    /// The point, where the file says it.
    #[must_use]
    pub fn point(&self) -> Option<Point> {
        let args = self.file.get("benchmark_args")?;
        let count = |name: &str| usize::try_from(args.get(name)?.as_u64()?).ok();
        Some(Point {
            isl: count("random_input_len")?,
            osl: count("random_output_len")?,
            concurrency: count("max_concurrency")?,
            prompts: count("num_prompts")?,
            range_ratio: args.get("random_range_ratio")?.as_f64()?,
        })
    }

    /// The ranked figures, for GPUs used and a protocol's divisor.
    #[must_use]
    pub fn figures(&self, divisor: f64, gpus_used: f64) -> Figures {
        let number = |name| self.number(name).unwrap_or(0.0);
        Figures::new(
            number("median_e2el_ms"),
            number("median_tpot_ms"),
            number("total_token_throughput"),
            divisor,
            gpus_used,
        )
    }
}

impl Profile<'_> {
    /// The result file of a point, from the reference client's record of it.
    ///
    /// With `compat` it is the original's to the field, known wrong values included; without, the gate is the one that
    /// was applied, and fields follow that tell a clean run from another.
    #[must_use]
    pub fn result_file(
        &self,
        reference: &Value,
        point: &Point,
        accuracy: Option<&Accuracy>,
        place: &Where<'_>,
        compat: bool,
    ) -> Ordered {
        let mut file = Ordered::default();
        let names = KEPT.map(String::from).into_iter().chain(latencies());
        for name in names {
            if let Some(value) = reference.get(&name) {
                file.push(name, value.clone());
            }
        }
        let mut args = Ordered::default();
        args.push("model", place.model);
        args.push("backend", self.server.backend.as_str());
        args.push("base_url", place.base_url);
        args.push("dataset_name", "random");
        args.push("random_input_len", point.isl);
        args.push("random_output_len", point.osl);
        args.push("random_range_ratio", point.range_ratio);
        args.push("num_prompts", point.prompts);
        args.push("max_concurrency", point.concurrency);
        args.push("request_rate", "inf");
        file.push_object("benchmark_args", args);

        let measured = Measured { file: reference.clone() };
        #[allow(clippy::cast_precision_loss)]
        let figures = measured.figures(self.era.divisor, place.gpus as f64);
        let score = Score::new(figures, point, self.table);
        file.push("tput_per_gpu", figures.tput_per_gpu);
        if self.era.record.interactivity {
            file.push("interactivity", figures.interactivity);
        }
        self.push_row(&mut file, &score);
        if let Some(accuracy) = accuracy {
            file.push_object("accuracy", accuracy.record());
            if let Some(validation) = self.validation(compat) {
                file.push_object("accuracy_validation", validation);
            }
        }
        if !compat {
            for name in ["completed", "duration", "total_output_tokens"] {
                if let Some(value) = reference.get(name) {
                    file.push(name, value.clone());
                }
            }
            file.push("gpus_used", place.gpus);
            file.push("tput_per_gpu_used", figures.tput_per_gpu_used);
            file.push("protocol", self.era.name.as_str());
        }
        file
    }

    fn push_row(&self, file: &mut Ordered, score: &Score) {
        let names = &self.era.record;
        match &score.row {
            Some(row) => {
                let mut object = Ordered::default();
                object.push(&names.rows.e2e, whole(row.e2e_ms));
                object.push(&names.rows.tput, whole(row.tput_per_gpu));
                if let Some(name) = &names.rows.interactivity {
                    object.push(name, whole(row.interactivity));
                }
                file.push_object(&names.rows.object, object);
            }
            None => file.push(&names.rows.object, Value::Null),
        }
        let Some(names) = &names.ratios else { return };
        file.push(&names.tput, score.ratios.map(|r| r.tput));
        file.push(&names.e2e, score.ratios.map(|r| r.e2e));
        if let Some(name) = &names.interactivity {
            file.push(name, score.ratios.map(|r| r.interactivity));
        }
    }

    fn validation(&self, compat: bool) -> Option<Ordered> {
        let mut object = Ordered::default();
        object.push("status", "PASSED");
        match self.track.gate {
            Gate::Wikitext { bits_per_byte, byte_perplexity, word_perplexity, margin } => {
                let mut baselines = Ordered::default();
                baselines.push("bits_per_byte", bits_per_byte);
                baselines.push("byte_perplexity", byte_perplexity);
                baselines.push("word_perplexity", word_perplexity);
                object.push_object("baselines", baselines);
                object.push("threshold_multiplier", margin);
            }
            Gate::Gsm8kScript { .. } => return None,
            Gate::Gsm8k { minimum, recorded, recorded_tolerance } => {
                let baseline = recorded.filter(|_| compat).unwrap_or(minimum);
                let tolerance = recorded_tolerance.filter(|_| compat).unwrap_or(0.0);
                if recorded_tolerance.is_some() {
                    let mut baselines = Ordered::default();
                    baselines.push("gsm8k_metric", baseline);
                    object.push_object("baselines", baselines);
                    object.push("tolerance", tolerance);
                } else {
                    object.push("baseline_gsm8k_metric", baseline);
                    object.push("gsm8k_tol", tolerance);
                    object.push("minimum_accepted", baseline - tolerance);
                }
            }
        }
        Some(object)
    }
}

impl Accuracy {
    fn record(&self) -> Ordered {
        let mut object = Ordered::default();
        match *self {
            Self::Wikitext { bits_per_byte, byte_perplexity, word_perplexity } => {
                object.push("bits_per_byte", bits_per_byte);
                object.push("byte_perplexity", byte_perplexity);
                object.push("word_perplexity", word_perplexity);
            }
            Self::Gsm8kScript { accuracy, invalid } => {
                object.push("task", "gsm8k");
                object.push("accuracy", accuracy);
                object.push("invalid", invalid);
            }
            Self::Gsm8k { metric } => {
                object.push("task", "gsm8k");
                object.push("gsm8k_metric", metric);
            }
        }
        object
    }
}

/// Whole numbers without a fraction, as the original's tables have them.
#[allow(clippy::cast_possible_truncation)]
fn whole(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 1e15 { json!(number as i64) } else { json!(number) }
}
