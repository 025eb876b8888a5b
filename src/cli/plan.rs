//! `mi355x plan`: what a leaderboard run would do, without doing it.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::flow::{PointArguments, ProfileArguments};
use crate::e2e::server::{Launch, Situation};
use crate::e2e::{Profile, Profiles};
use crate::report;
use crate::{Result, exit};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    profile: ProfileArguments,
    #[command(flatten)]
    points: PointArguments,
    /// The model: a name or a folder [default: the server's]
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// List protocols, tracks and servers, and nothing else
    #[arg(long)]
    list: bool,
    /// Print one JSON document instead of a table
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<u8> {
    let profiles = arguments.profile.load()?;
    if arguments.list {
        return list(&profiles, arguments.json);
    }
    let profile = arguments.profile.choose(&profiles)?;
    let points = profile.points(&arguments.points.selection())?;
    let variables: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(n, v)| Some((n.into_string().ok()?, v.into_string().ok()?)))
        .collect();
    let server = profile.server;
    let mut launches: Vec<(Launch, Vec<usize>)> = Vec::new();
    let (mut steps, mut total) = (Vec::new(), Some(Duration::ZERO));
    for (index, point) in points.iter().enumerate() {
        let launch = server.launch(&Situation {
            model: arguments.model.as_ref().unwrap_or(&server.model),
            port: server.port,
            tp: server.tp,
            isl: point.isl,
            osl: point.osl,
            concurrency: point.concurrency,
            config: "config.yaml",
            variables: &variables,
        })?;
        let number = match launches.iter_mut().position(|(l, _)| *l == launch) {
            Some(known) => {
                launches[known].1.push(index);
                known
            }
            None => {
                launches.push((launch, vec![index]));
                launches.len() - 1
            }
        };
        let estimate = profile.estimate(point);
        total = total.zip(estimate).map(|(a, b)| a + b);
        let board = profile.track.board(point.isl, point.osl, point.concurrency);
        steps.push(json!({
            "point": point, "launch": number, "board": board,
            "estimate_s": estimate.map(|d| d.as_secs()),
        }));
    }
    if arguments.json {
        let launches: Vec<_> = launches.iter().map(|(launch, _)| launch).collect();
        let content = json!({
            "protocol": profile.era.name, "track": profile.track.model, "server": server.name,
            "gate": profile.track.gate, "launches": launches, "steps": steps,
        });
        report::print_json("plan", &content)?;
    } else {
        report::print(&text(&profile, &launches, &steps, total))?;
    }
    Ok(exit::SUCCESS)
}

fn text(
    profile: &Profile<'_>,
    launches: &[(Launch, Vec<usize>)],
    steps: &[serde_json::Value],
    total: Option<Duration>,
) -> String {
    let Profile { era, track, server, table } = profile;
    let mut text = format!("{} ({}): {} on {}\n\n", era.name, era.title, track.model, server.title);
    let rows = steps.iter().map(|step| {
        let number = |name: &str| step["point"][name].to_string();
        let minutes = step["estimate_s"].as_u64().map_or("-".into(), |s| s.div_ceil(60).to_string());
        let launch = step["launch"].as_u64().unwrap_or(0) + 1;
        let mut row = ["isl", "osl", "concurrency", "prompts"].map(number).to_vec();
        row.extend([minutes, launch.to_string(), step["board"].as_str().unwrap_or_default().into()]);
        row
    });
    let header = ["ISL", "OSL", "CONC", "prompts", "minutes", "launch", "board"];
    text += &report::table(&header, &[0, 1, 2, 3, 4, 5], rows);
    text += &match total {
        Some(total) => format!(
            "\n{} point(s), {} min at the latencies of {}, besides accuracy and starting the server\n",
            steps.len(),
            total.as_secs().div_ceil(60),
            table.title
        ),
        None => format!("\n{} point(s); {} has no rows for some\n", steps.len(), table.title),
    };
    for (number, (launch, _)) in launches.iter().enumerate() {
        text += &format!("\nlaunch {}: {}\n", number + 1, launch.shell());
    }
    if launches.len() > 1 {
        text +=
            "\nThe server is started anew where the launch changes; the original program never changes it.\n";
    }
    text
}

fn list(profiles: &Profiles, json: bool) -> Result<u8> {
    let tracks = || profiles.eras.iter().flat_map(|era| era.tracks.iter().map(move |track| (era, track)));
    if json {
        let all: Vec<_> = tracks()
            .map(|(era, track)| json!({"protocol": era.name, "track": track.model, "servers": track.servers}))
            .collect();
        report::print_json("plan", &json!({ "profiles": all }))?;
        return Ok(exit::SUCCESS);
    }
    let rows = tracks().map(|(era, track)| {
        vec![
            era.name.clone(),
            era.since.clone(),
            era.title.clone(),
            track.model.clone(),
            track.servers.join(", "),
        ]
    });
    report::print(&report::table(&["protocol", "since", "title", "track", "servers"], &[], rows))?;
    Ok(exit::SUCCESS)
}
