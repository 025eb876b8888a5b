//! `mi355x baseline`: the rows that results are compared with.

use clap::Args;

use super::flow::ProfileArguments;
use crate::report;
use crate::{Result, exit};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    profile: ProfileArguments,
    /// Print one JSON document instead of a table
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<u8> {
    let profiles = arguments.profile.load()?;
    let table = arguments.profile.choose(&profiles)?.table;
    if arguments.json {
        report::print_json("baseline", table)?;
        return Ok(exit::SUCCESS);
    }
    let rows = table.rows.iter().map(|r| {
        let mut row = vec![r.isl.to_string(), r.osl.to_string(), r.concurrency.to_string()];
        row.extend([r.e2e_ms, r.interactivity, r.tput_per_gpu].map(|n| n.to_string()));
        row.push(r.note.clone().unwrap_or_default());
        row
    });
    let header = ["ISL", "OSL", "CONC", "E2E ms", "tokens/s/user", "tokens/s/GPU", "note"];
    let mut text = format!("{}\n\n", table.title);
    text += &report::table(&header, &[0, 1, 2, 3, 4, 5], rows);
    if let Some(ratio) = table.range_ratio {
        text += &format!("\nMeasured at range ratio {ratio}, by what the rows themselves imply.\n");
    }
    report::print(&text)?;
    Ok(exit::SUCCESS)
}
