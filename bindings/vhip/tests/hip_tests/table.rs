//! The summary of a run.

use std::{collections::BTreeMap, fmt::Write};

use crate::list::{Case, Status};

const WORDS: [&str; 6] = ["pass", "fail", "skip", "slow", "unbuilt", "crash"];

/// Folders × statuses, with the sums.
pub(crate) fn by_folder(outcomes: &BTreeMap<Case, Status>) -> String {
    let mut counts: BTreeMap<&str, [usize; WORDS.len()]> = BTreeMap::new();
    let mut sums = [0; WORDS.len()];
    for (case, status) in outcomes {
        let folder = case.file.split('/').next().unwrap_or("");
        let column = WORDS.iter().position(|word| *word == status.word()).unwrap_or(0);
        counts.entry(folder).or_default()[column] += 1;
        sums[column] += 1;
    }
    let mut text = row("folder", &WORDS);
    for (folder, numbers) in &counts {
        text += &row(folder, &numbers.map(|number| number.to_string()));
    }
    text + &row("all", &sums.map(|number| number.to_string()))
}

fn row(name: &str, cells: &[impl AsRef<str>]) -> String {
    let mut text = format!("{name:<20}");
    for cell in cells {
        // Writing to a string cannot fail.
        let _written = write!(text, "{:>8}", cell.as_ref());
    }
    text + "\n"
}
