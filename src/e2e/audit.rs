//! Whether a result file's figures can be what they say: for files of any origin, from their figures alone.

use serde::Serialize;

use super::result_file::Measured;

/// Something that a sound result does not have.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// A short name.
    pub check: &'static str,
    /// What is wrong, with the figures.
    pub what: String,
}

/// Rounding that a chain of divisions of doubles, or a table of six digits, may leave.
const ROUNDING: f64 = 1e-5;

/// Share of the turns that a client may lose between requests, besides ramp-up and drain.
const LOST_TURNS: f64 = 0.02;

/// What is wrong with a result; nothing for a sound one.
#[must_use]
pub fn findings(result: &Measured) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut check = |check, wrong: Option<String>| {
        found.extend(wrong.map(|what| Finding { check, what }));
    };
    check("completed", completed(result));
    check("input tokens", input_tokens(result));
    check("output tokens", output_tokens(result));
    check("throughput", throughput(result));
    check("Little's law", littles_law(result));
    check("latencies", latencies(result));
    check("percentiles", percentiles(result));
    check(
        "tput_per_gpu",
        derived(result, "tput_per_gpu", |r| Some(r.number("total_token_throughput")? / 8.0)),
    );
    check("interactivity", derived(result, "interactivity", |r| Some(1000.0 / r.number("median_tpot_ms")?)));
    found
}

fn differ(a: f64, b: f64) -> bool {
    (a - b).abs() > ROUNDING * a.abs().max(b.abs())
}

/// Requests that succeeded: as the file says, else as its input tokens say.
#[allow(clippy::cast_precision_loss)]
fn requests(result: &Measured) -> Option<f64> {
    result.number("completed").or_else(|| {
        let point = result.point()?;
        let exact = point.range_ratio.to_bits() == 1f64.to_bits();
        exact.then(|| result.number("total_input_tokens")).flatten().map(|n| n / point.isl as f64)
    })
}

#[allow(clippy::cast_precision_loss)]
fn completed(result: &Measured) -> Option<String> {
    let throughput = result.number("request_throughput")?;
    if throughput <= 0.0 {
        return Some("no request was completed".into());
    }
    let (completed, asked) = (result.number("completed")?, result.point()?.prompts as f64);
    differ(completed, asked).then(|| format!("{completed} of {asked} requests were completed"))
}

/// At range ratio 1 all prompts have the same length, up to what text cannot keep.
#[allow(clippy::cast_precision_loss)]
fn input_tokens(result: &Measured) -> Option<String> {
    let point = result.point().filter(|p| p.range_ratio.to_bits() == 1f64.to_bits())?;
    let (found, expected) = (result.number("total_input_tokens")?, (point.prompts * point.isl) as f64);
    // Re-encoding and chat templates move a prompt by a few tokens.
    let wrong = (found - expected).abs() > 0.01 * expected;
    wrong.then(|| format!("{found} input tokens, not {} prompts of {}", point.prompts, point.isl))
}

#[allow(clippy::cast_precision_loss)]
fn output_tokens(result: &Measured) -> Option<String> {
    let point = result.point().filter(|p| p.range_ratio.to_bits() == 1f64.to_bits())?;
    let per_request = result.number("output_throughput")? / result.number("request_throughput")?;
    differ(per_request, point.osl as f64)
        .then(|| format!("{per_request:.2} output tokens per request, not {}", point.osl))
}

fn throughput(result: &Measured) -> Option<String> {
    let (input, requests) = (result.number("total_input_tokens")?, requests(result)?);
    let (rate, output) = (result.number("request_throughput")?, result.number("output_throughput")?);
    let total = result.number("total_token_throughput")?;
    let expected = input / requests * rate + output;
    differ(total, expected).then(|| format!("{total:.2} tokens/s in all, but its parts give {expected:.2}"))
}

/// Requests under way: request throughput × mean latency. Full until the last request begins, at most one latency
/// before the end.
#[allow(clippy::cast_precision_loss)]
fn littles_law(result: &Measured) -> Option<String> {
    let turns = result.point()?;
    let turns = turns.concurrency.min(turns.prompts) as f64;
    let rate = result.number("request_throughput")?;
    let in_flight = rate * result.number("mean_e2el_ms")? / 1e3;
    let duration = requests(result)? / rate;
    let drain = (result.number("p99_e2el_ms")? / 1e3 / duration).min(1.0);
    let least = turns * (1.0 - drain - LOST_TURNS);
    let wrong = in_flight < least || in_flight > turns * (1.0 + ROUNDING);
    wrong.then(|| format!("{in_flight:.2} requests under way on average, not {least:.2} to {turns:.2}"))
}

fn latencies(result: &Measured) -> Option<String> {
    for statistic in ["mean", "median", "p99"] {
        let (ttft, e2el) = (
            result.number(&format!("{statistic}_ttft_ms"))?,
            result.number(&format!("{statistic}_e2el_ms"))?,
        );
        if ttft > e2el * (1.0 + ROUNDING) {
            return Some(format!("{statistic} TTFT {ttft} ms is above {statistic} E2EL {e2el} ms"));
        }
    }
    let (itl, tpot) = (result.number("mean_itl_ms")?, result.number("mean_tpot_ms")?);
    // Pooled gaps weigh long answers more than the mean over requests does.
    (itl < tpot * 0.9).then(|| format!("mean ITL {itl} ms is below mean TPOT {tpot} ms: gaps are missing"))
}

fn percentiles(result: &Measured) -> Option<String> {
    for metric in ["ttft", "tpot", "itl", "e2el"] {
        let number = |statistic: &str| result.number(&format!("{statistic}_{metric}_ms"));
        let (Some(median), Some(p99)) = (number("median"), number("p99")) else { continue };
        if median > p99 || median < 0.0 {
            return Some(format!("{metric}: median {median} ms, 99th percentile {p99} ms"));
        }
    }
    None
}

fn derived(
    result: &Measured,
    name: &'static str,
    formula: impl Fn(&Measured) -> Option<f64>,
) -> Option<String> {
    let (found, expected) = (result.number(name)?, formula(result)?);
    differ(found, expected).then(|| format!("{name} is {found}, its formula gives {expected}"))
}
