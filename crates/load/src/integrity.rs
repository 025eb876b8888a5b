//! Whether a run's figures can be what they say.

use std::time::Duration;

use serde::Serialize;

use crate::closed_loop::{End, Run};
use crate::summary::{Latency, Summary};

/// Something that a sound run does not have.
#[derive(Clone, Debug, PartialEq, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Finding {
    /// The run did not come to its end.
    #[error("the run ended early")]
    Early,
    /// Requests failed.
    #[error("{failed} of {of} requests failed; the first: {first}")]
    Failed {
        /// How many.
        failed: usize,
        /// Of how many.
        of: usize,
        /// Why the first did.
        first: String,
    },
    /// Streams ended without `[DONE]`.
    #[error("{streams} of {of} streams ended without [DONE]")]
    Unfinished {
        /// How many.
        streams: usize,
        /// Of how many.
        of: usize,
    },
    /// Answers have another length than asked for, though the model may not end them itself.
    #[error(
        "{answers} of {of} answers have another length than asked for; the first {found} of {asked} tokens"
    )]
    OutputLength {
        /// How many.
        answers: usize,
        /// Of how many.
        of: usize,
        /// The first one's tokens; 0 if the server does not say.
        found: u64,
        /// As asked for.
        asked: usize,
    },
    /// More events than tokens: the server's count of tokens, or the stream, is wrong.
    #[error("an answer of {tokens} tokens came in {events} events")]
    EventsAboveTokens {
        /// Tokens, as the server counts.
        tokens: u64,
        /// Events with tokens.
        events: usize,
    },
    /// Fewer or more requests were under way than the load prescribes.
    #[error("{in_flight:.2} requests were under way on average, not {least:.2} to {most:.2}")]
    Littles {
        /// Average number of requests under way: request throughput × mean time of a request.
        in_flight: f64,
        /// The least that a full load with this drain can have.
        least: f64,
        /// The most.
        most: f64,
    },
    /// Statistics of a latency are out of order.
    #[error("{latency}: median, 99th percentile and maximum are out of order, or not finite")]
    NotMonotone {
        /// Which.
        latency: &'static str,
    },
    /// The client was the limit, or near it.
    #[error("this client was computing {percent:.0} % of the time: it may have measured itself")]
    Busy {
        /// Share of the measured time.
        percent: f64,
    },
}

/// Share of a core from which the client's own work shows in the latencies of others: with one event loop, half the
/// events wait for another at that load.
const BUSY: f64 = 0.5;

/// What is wrong with a run; nothing for a sound one.
#[must_use]
pub fn findings(run: &Run) -> Vec<Finding> {
    let mut found = Vec::new();
    let of = run.requests.len();
    if run.end != End::Complete {
        found.push(Finding::Early);
    }
    let mut failures = run.requests.iter().filter_map(|m| m.answer.failure.as_ref());
    if let Some(first) = failures.next() {
        found.push(Finding::Failed { failed: 1 + failures.count(), of, first: first.to_string() });
    }
    let succeeded = || {
        let pairs = run.workload.prompts.iter().zip(&run.requests);
        pairs.filter(|(_, m)| m.answer.failure.is_none())
    };
    let streams = succeeded().filter(|(_, m)| !m.answer.finished).count();
    if streams > 0 {
        found.push(Finding::Unfinished { streams, of });
    }
    let mut wrong = succeeded().filter(|(p, m)| m.answer.tokens != Some(p.output_tokens as u64));
    if let Some((prompt, measured)) = wrong.next() {
        let first = measured.answer.tokens.unwrap_or(0);
        let answers = 1 + wrong.count();
        found.push(Finding::OutputLength { answers, of, found: first, asked: prompt.output_tokens });
    }
    let above = succeeded().find_map(|(_, m)| {
        let (tokens, events) = (m.answer.tokens?, m.answer.events.len());
        (events as u64 > tokens).then_some(Finding::EventsAboveTokens { tokens, events })
    });
    found.extend(above);
    found.extend(littles_law(run));
    if let Some(summary) = Summary::of(run) {
        found.extend(Latency::ALL.into_iter().filter_map(|latency| {
            let s = summary.samples(latency);
            let points = [0.0, s.median(), s.percentile(99.0), s.max()];
            let ordered = points.windows(2).all(|w| w[0] <= w[1]) && s.max().is_finite();
            (!ordered).then_some(Finding::NotMonotone { latency: latency.name() })
        }));
    }
    if let Some(share) = run.busy.filter(|&share| share > BUSY) {
        found.push(Finding::Busy { percent: share * 100.0 });
    }
    found
}

/// Until the last request begins, all turns are taken: that much time under way there must be, and no more than all
/// turns over the whole run.
fn littles_law(run: &Run) -> Option<Finding> {
    let last = run.requests.iter().map(|m| m.begun).max()?;
    let turns = run.concurrency.min(run.requests.len());
    let seconds = run.duration.as_secs_f64();
    if seconds == 0.0 || run.end != End::Complete {
        return None;
    }
    let under_way: Duration = run.requests.iter().map(|m| m.ended.saturating_sub(m.begun)).sum();
    let in_flight = under_way.as_secs_f64() / seconds;
    #[allow(clippy::cast_precision_loss)]
    let most = turns as f64;
    let least = most * last.as_secs_f64() / seconds;
    // Passing a turn on takes a moment; one in a hundred is far more than it takes, and far less than a lost turn.
    let sound = in_flight >= least * 0.99 && in_flight <= most * 1.000_001;
    (!sound).then_some(Finding::Littles { in_flight, least, most })
}
