//! What a run's times amount to, as the reference client defines and writes it.

use std::time::Duration;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::closed_loop::Run;
use crate::statistics::Samples;

/// The figures of a run over its successful requests. Times are in seconds, as the reference keeps them.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Requests that succeeded.
    pub completed: usize,
    /// Input tokens of these, as the workload counts them.
    pub input_tokens: u64,
    /// Output tokens, as the server counts them.
    pub output_tokens: u64,
    /// Of the whole measured part, ramp-up and drain included.
    pub duration: Duration,
    /// From the start of a request to its first event with tokens. Waiting for a turn is not part of it.
    pub ttft: Samples,
    /// Time per output token after the first: `(E2EL - TTFT) / (tokens - 1)`, of answers with several tokens.
    pub tpot: Samples,
    /// Gaps between events with tokens, of all requests together. An event may carry several tokens.
    pub itl: Samples,
    /// From the start of a request to its last event with tokens.
    pub e2el: Samples,
}

/// One of the four latencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latency {
    /// Time to the first token.
    Ttft,
    /// Time per output token.
    Tpot,
    /// Inter-token latency.
    Itl,
    /// End-to-end latency.
    E2el,
}

impl Latency {
    /// All four, in the reference's order.
    pub const ALL: [Self; 4] = [Self::Ttft, Self::Tpot, Self::Itl, Self::E2el];

    /// The name within keys, such as `ttft` in `mean_ttft_ms`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ttft => "ttft",
            Self::Tpot => "tpot",
            Self::Itl => "itl",
            Self::E2el => "e2el",
        }
    }
}

impl Summary {
    /// The figures of a run; `None` if no request succeeded, where the reference writes zeros.
    #[must_use]
    pub fn of(run: &Run) -> Option<Self> {
        let (mut completed, mut input_tokens, mut output_tokens) = (0, 0, 0);
        let [mut ttft, mut tpot, mut itl, mut e2el] = [const { Vec::new() }; 4];
        for (prompt, measured) in run.workload.prompts.iter().zip(&run.requests) {
            let answer = &measured.answer;
            let (None, Some(first), Some(latency)) = (&answer.failure, answer.first(), answer.latency())
            else {
                continue;
            };
            // The reference, too, counts none where the server does not say.
            let tokens = answer.tokens.unwrap_or(0);
            completed += 1;
            input_tokens += prompt.input_tokens as u64;
            output_tokens += tokens;
            if tokens > 1 {
                #[allow(clippy::cast_precision_loss)]
                tpot.push((latency.as_secs_f64() - first.as_secs_f64()) / (tokens - 1) as f64);
            }
            itl.extend(answer.events.windows(2).map(|w| (w[1] - w[0]).as_secs_f64()));
            ttft.push(first.as_secs_f64());
            e2el.push(latency.as_secs_f64());
        }
        let [ttft, tpot, itl, e2el] = [ttft, tpot, itl, e2el].map(Samples::new);
        let duration = run.duration;
        (completed > 0).then_some(Self {
            completed,
            input_tokens,
            output_tokens,
            duration,
            ttft,
            tpot,
            itl,
            e2el,
        })
    }

    /// Samples of one latency, in seconds.
    #[must_use]
    pub fn samples(&self, latency: Latency) -> &Samples {
        match latency {
            Latency::Ttft => &self.ttft,
            Latency::Tpot => &self.tpot,
            Latency::Itl => &self.itl,
            Latency::E2el => &self.e2el,
        }
    }

    /// Requests per second.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn request_throughput(&self) -> f64 {
        self.completed as f64 / self.duration.as_secs_f64()
    }

    /// Output tokens per second.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn output_throughput(&self) -> f64 {
        self.output_tokens as f64 / self.duration.as_secs_f64()
    }

    /// Input and output tokens per second.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn total_throughput(&self) -> f64 {
        (self.input_tokens + self.output_tokens) as f64 / self.duration.as_secs_f64()
    }

    /// Mean gap between events over mean time per token: tokens of one event, which is what speculative decoding
    /// accepts per step. `None` without gaps.
    #[must_use]
    pub fn tokens_per_event(&self) -> Option<f64> {
        (!self.itl.is_empty() && self.tpot.mean() > 0.0).then(|| self.itl.mean() / self.tpot.mean())
    }
}

/// The reference client's result file: the same keys in the same order.
#[derive(Clone, Copy, Debug)]
pub struct ReferenceRecord<'a> {
    /// The run.
    pub run: &'a Run,
    /// Its figures.
    pub summary: &'a Summary,
    /// The model.
    pub model: &'a str,
    /// Where the tokeniser came from.
    pub tokenizer: &'a str,
    /// Percentiles to give; the leaderboard's is 99 alone.
    pub percentiles: &'a [f64],
}

impl Serialize for ReferenceRecord<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { run, summary, .. } = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("date", &run.date.strftime("%Y%m%d-%H%M%S").to_string())?;
        map.serialize_entry("backend", "vllm")?;
        map.serialize_entry("model_id", self.model)?;
        map.serialize_entry("tokenizer_id", self.tokenizer)?;
        map.serialize_entry("best_of", &1)?;
        map.serialize_entry("num_prompts", &run.workload.prompts.len())?;
        map.serialize_entry("request_rate", "inf")?;
        map.serialize_entry("burstiness", &1.0)?;
        map.serialize_entry("max_concurrency", &run.concurrency)?;
        map.serialize_entry("duration", &summary.duration.as_secs_f64())?;
        map.serialize_entry("completed", &summary.completed)?;
        map.serialize_entry("total_input_tokens", &summary.input_tokens)?;
        map.serialize_entry("total_output_tokens", &summary.output_tokens)?;
        map.serialize_entry("request_throughput", &summary.request_throughput())?;
        // The colon is the reference's.
        map.serialize_entry("request_goodput:", &None::<f64>)?;
        map.serialize_entry("output_throughput", &summary.output_throughput())?;
        map.serialize_entry("total_token_throughput", &summary.total_throughput())?;
        for latency in Latency::ALL {
            let (name, samples) = (latency.name(), summary.samples(latency));
            map.serialize_entry(&format!("mean_{name}_ms"), &(samples.mean() * 1e3))?;
            map.serialize_entry(&format!("median_{name}_ms"), &(samples.median() * 1e3))?;
            map.serialize_entry(&format!("std_{name}_ms"), &(samples.deviation() * 1e3))?;
            for p in self.percentiles {
                map.serialize_entry(&format!("p{p}_{name}_ms"), &(samples.percentile(*p) * 1e3))?;
            }
        }
        map.end()
    }
}
