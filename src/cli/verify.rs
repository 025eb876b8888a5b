//! `mi355x verify`: whether result files can be what they say, and what they are worth.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::flow::ProfileArguments;
use crate::e2e::audit;
use crate::e2e::result_file::Measured;
use crate::e2e::score::Score;
use crate::e2e::{Profile, rows};
use crate::report;
use crate::{Result, exit};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Result files: ours, the original program's or the reference client's
    #[arg(required = true, value_name = "RESULT.json")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    profile: ProfileArguments,
    /// GPUs that the server used, for the throughput over these [default: the file's, else 8]
    #[arg(long, value_name = "N")]
    gpus: Option<usize>,
    /// Print one JSON document instead of text
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<u8> {
    let profiles = arguments.profile.load()?;
    let profile = arguments.profile.choose(&profiles)?;
    let (mut all, mut sound) = (Vec::new(), true);
    for path in &arguments.files {
        let measured = Measured::read(path)?;
        let findings = audit::findings(&measured);
        sound &= findings.is_empty();
        #[allow(clippy::cast_precision_loss)]
        let gpus = arguments.gpus.map(|n| n as f64).or_else(|| measured.number("gpus_used")).unwrap_or(8.0);
        let figures = measured.figures(profile.era.divisor, gpus);
        let score = measured.point().map(|point| Score::new(figures, &point, profile.table));
        if arguments.json {
            all.push(json!({"file": path, "findings": findings, "figures": figures, "score": score}));
        } else {
            report::print(&text(path, &measured, &findings, score.as_ref(), &profile))?;
        }
    }
    if arguments.json {
        report::print_json("verify", &json!({ "results": all }))?;
    }
    Ok(if sound { exit::SUCCESS } else { exit::INTEGRITY })
}

fn text(
    path: &Path,
    measured: &Measured,
    findings: &[audit::Finding],
    score: Option<&Score>,
    profile: &Profile<'_>,
) -> String {
    let mut text =
        format!("{}: {}\n", path.display(), if findings.is_empty() { "sound" } else { "NOT SOUND" });
    for finding in findings {
        text += &format!("  {}: {}\n", finding.check, finding.what);
    }
    let (itl, tpot) = (measured.number("mean_itl_ms"), measured.number("mean_tpot_ms"));
    if let Some((itl, tpot)) = itl.zip(tpot).filter(|(_, tpot)| *tpot > 0.0) {
        text += &format!("  {:.2} tokens per event (mean ITL / mean TPOT)\n", itl / tpot);
    }
    let Some(score) = score else {
        return text + "  no benchmark_args: nothing to compare with\n";
    };
    let f = score.figures;
    let mut line = |name: &str, value: f64, against: Option<(f64, f64, bool)>| {
        text += &format!("  {name:<14} {value:>12.3}");
        if let Some((row, ratio, met)) = against {
            let what = if profile.table.kind == rows::Kind::Target { "target" } else { "row" };
            let verdict = if met { "at least as good" } else { "not as good" };
            text += &format!("   {what} {row}   ratio {ratio:.4}   {verdict}");
        }
        text.push('\n');
    };
    let against = score.row.as_ref().zip(score.ratios).zip(score.met);
    line("E2E ms", f.e2e_ms, against.as_ref().map(|((row, r), m)| (row.e2e_ms, r.e2e, m.e2e)));
    line(
        "tokens/s/user",
        f.interactivity,
        against.as_ref().map(|((row, r), m)| (row.interactivity, r.interactivity, m.interactivity)),
    );
    line(
        "tokens/s/GPU",
        f.tput_per_gpu,
        against.as_ref().map(|((row, r), m)| (row.tput_per_gpu, r.tput, m.tput)),
    );
    if measured.file.get("accuracy").is_none_or(Value::is_null) {
        text += "  no accuracy: the gate was not run\n";
    }
    for caveat in &score.caveats {
        text += &format!("  note: {caveat}\n");
    }
    text
}
