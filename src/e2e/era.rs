//! A protocol of the leaderboard: what is measured, gated, recorded and submitted.

use serde::{Deserialize, Serialize};

/// One file of `profiles/eras`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Era {
    /// Version of the file's shape.
    pub version: u32,
    /// The name, such as `s1b`.
    pub name: String,
    /// For people.
    pub title: String,
    /// The day from which it applied.
    pub since: String,
    /// GPUs by which the recorded throughput is divided, however many are used.
    pub divisor: f64,
    /// The reference client.
    pub client: Client,
    /// How many prompts.
    pub prompts: Prompts,
    /// What the variables default to.
    pub defaults: Defaults,
    /// Names in the result file.
    pub record: RecordNames,
    /// What a submission holds.
    pub submission: Submission,
    /// One per model.
    pub tracks: Vec<Track>,
}

/// Which version of the reference client.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// How prompts get their length.
    pub repair: Repair,
    /// Warm-up requests per concurrent request.
    pub warm_ups_per_concurrency: usize,
}

/// [`load::Repair`], as files spell it.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Repair {
    /// 2025.
    Once,
    /// 2026.
    UpToTenTimes,
}

/// How many prompts a point has.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Prompts {
    /// Prompts per concurrent request.
    pub per_concurrency: usize,
    /// The same where answers have [`LONG`] tokens.
    pub per_concurrency_long: Option<usize>,
}

/// Output tokens from which on an answer counts as long.
pub const LONG: usize = 8192;

/// What the variables default to.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    /// Input tokens.
    pub isl: usize,
    /// Output tokens.
    pub osl: usize,
    /// Requests under way.
    pub concurrency: usize,
    /// Shortest length as a share of the longest.
    pub range_ratio: f64,
}

/// Names of the result file's fields that changed between eras.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RecordNames {
    /// Whether it has `interactivity`.
    pub interactivity: bool,
    /// The row that the result is compared with.
    pub rows: RowNames,
    /// Result over row; absent in eras that record none.
    pub ratios: Option<RatioNames>,
}

/// Names of the object that repeats the row.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RowNames {
    /// The object.
    pub object: String,
    /// End-to-end latency in ms.
    pub e2e: String,
    /// Tokens/s/GPU.
    pub tput: String,
    /// Tokens/s/user.
    pub interactivity: Option<String>,
}

/// Names of the ratios.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RatioNames {
    /// Latency: lower is better.
    pub e2e: String,
    /// Throughput: higher is better.
    pub tput: String,
    /// Interactivity: higher is better.
    pub interactivity: Option<String>,
}

/// What a submission holds.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// The board's parameters, in order.
    pub columns: Vec<Column>,
}

/// One parameter of a board.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Column {
    /// The team's name.
    Team,
    /// Requests under way.
    Concurrency,
    /// Median end-to-end latency in ms.
    E2eMs,
    /// Total tokens/s over the era's divisor.
    TputPerGpu,
    /// The row's latency.
    RowE2e,
    /// The row's throughput.
    RowTput,
    /// Latency over the row's.
    E2eRatio,
    /// Throughput over the row's.
    TputRatio,
    /// 1000 / median TPOT in ms.
    Interactivity,
    /// The row's interactivity.
    RowInteractivity,
    /// Interactivity over the row's.
    InteractivityRatio,
    /// Of the wikitext gate.
    BitsPerByte,
    /// Of the wikitext gate.
    BytePerplexity,
    /// Of the wikitext gate.
    WordPerplexity,
    /// Of SGLang's GSM8K script.
    Gsm8kAccuracy,
    /// Answers of that script without a number.
    Gsm8kInvalid,
    /// Of lm-eval's GSM8K.
    Gsm8kMetric,
}

/// One model's competition.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Track {
    /// The model's short name.
    pub model: String,
    /// Servers that it was run with; the first is the default.
    pub servers: Vec<String>,
    /// The table of rows to compare with.
    pub rows: String,
    /// The board's address; `{isl}`, `{osl}`, `{concurrency}` are replaced.
    pub board: String,
    /// Overrides [`Defaults::concurrency`].
    pub default_concurrency: Option<usize>,
    /// What is measured.
    pub cases: Vec<Case>,
    /// What must be passed first.
    pub gate: Gate,
}

/// Lengths, and the concurrencies at which they are measured, ascending.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Input tokens.
    pub isl: usize,
    /// Output tokens.
    pub osl: usize,
    /// Requests under way.
    pub concurrency: Vec<usize>,
}

/// The accuracy that must be reached before performance counts.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Gate {
    /// Perplexity on wikitext in chunks of 2047 tokens of Llama 2's tokeniser, at most `margin` times each baseline.
    Wikitext {
        /// Baseline.
        bits_per_byte: f64,
        /// Baseline.
        byte_perplexity: f64,
        /// Baseline; per token of that tokeniser, not per word.
        word_perplexity: f64,
        /// Factor.
        margin: f64,
    },
    /// SGLang's own GSM8K script; only its range is checked.
    Gsm8kScript {
        /// Questions.
        questions: usize,
        /// Examples in each prompt.
        shots: usize,
    },
    /// GSM8K by lm-eval, flexible extraction, three shots.
    Gsm8k {
        /// Least accepted value, before [`Gate`]'s tolerance of the environment.
        minimum: f64,
        /// What the original writes as the baseline, where that is another number.
        recorded: Option<f64>,
        /// What it writes as the tolerance.
        recorded_tolerance: Option<f64>,
    },
}

impl Prompts {
    /// Prompts of a point.
    #[must_use]
    pub fn of(&self, osl: usize, concurrency: usize) -> usize {
        let per = if osl == LONG { self.per_concurrency_long } else { None };
        per.unwrap_or(self.per_concurrency) * concurrency
    }
}

impl Track {
    /// The board for a point.
    #[must_use]
    pub fn board(&self, isl: usize, osl: usize, concurrency: usize) -> String {
        self.board
            .replace("{isl}", &isl.to_string())
            .replace("{osl}", &osl.to_string())
            .replace("{concurrency}", &concurrency.to_string())
    }
}
