//! The table kernel × shapes × worst error.

use std::fmt;

use comfy_table::Table;

use crate::Tally;

/// One kernel on one shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Name of the variant.
    pub kernel: String,
    /// The sizes.
    pub shape: String,
    /// What happened.
    pub outcome: Outcome,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Every element is within its bound, under every schedule.
    Right(Tally),
    /// An element is not, or there was none.
    Wrong {
        /// The comparison.
        tally: Tally,
        /// The schedule of the waves.
        under: &'static str,
    },
    /// The kernel could not be launched, was stopped, or wrote outside its outputs.
    Failed {
        /// HIP's error, or the guard band.
        reason: String,
        /// The schedule of the waves.
        under: &'static str,
    },
}

/// All lines of a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// In the order of the run.
    pub lines: Vec<Line>,
}

impl Report {
    /// Lines that are not right.
    pub fn failures(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| !matches!(line.outcome, Outcome::Right(_)))
    }

    /// One row per kernel: its shapes, how many elements were compared, the worst error and the largest share of a
    /// bound that was used.
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.set_header(["kernel", "shapes", "right", "elements", "wrong", "worst error", "of its bound"]);
        for rows in self.lines.chunk_by(|a, b| a.kernel == b.kernel) {
            let shapes: Vec<&str> = rows.iter().map(|line| line.shape.as_str()).collect();
            let right = rows.iter().filter(|line| matches!(line.outcome, Outcome::Right(_))).count();
            let tally = rows.iter().fold(Tally::default(), |total, line| match &line.outcome {
                Outcome::Right(tally) | Outcome::Wrong { tally, .. } => total.join(tally.clone()),
                Outcome::Failed { .. } => total,
            });
            table.add_row([
                rows[0].kernel.clone(),
                shapes.join("\n"),
                format!("{right}/{}", rows.len()),
                tally.elements.to_string(),
                tally.wrong.to_string(),
                format!("{:.3e}", tally.worst_error),
                format!("{:.3}", tally.worst_usage),
            ]);
        }
        table.to_string()
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kernel, shape, outcome } = self;
        match outcome {
            Outcome::Right(tally) => write!(f, "right  {kernel} {shape}: {}", tally),
            Outcome::Wrong { tally, under } => {
                write!(f, "WRONG  {kernel} {shape}, {under}: {}", tally)
            }
            Outcome::Failed { reason, under } => write!(f, "FAILED {kernel} {shape}, {under}: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Allowed;

    fn line(kernel: &str, shape: &str, outcome: Outcome) -> Line {
        Line { kernel: kernel.to_owned(), shape: shape.to_owned(), outcome }
    }

    #[test]
    fn what_is_not_right_is_a_failure_and_is_seen_in_the_table() {
        let mut tally = Tally::default();
        tally.add(Allowed::exact(1.0), 1.5, || "C[0, 1]".to_owned());
        let failed = Outcome::Failed { reason: "stopped".to_owned(), under: "waves in order" };
        let report = Report {
            lines: vec![
                line("add", "N=1", Outcome::Right(Tally::default())),
                line("add", "N=2", Outcome::Wrong { tally, under: "waves in order" }),
                line("sort", "N=1", failed),
            ],
        };
        let names: Vec<String> = report.failures().map(ToString::to_string).collect();
        assert_eq!(names.len(), 2);
        assert!(
            names[0].starts_with("WRONG  add N=2, waves in order: 1 elements, 1 out of bounds"),
            "{}",
            names[0]
        );
        assert!(names[0].ends_with("worst C[0, 1]: 1.5e0 for 1e0"), "{}", names[0]);
        let table = report.table();
        assert!(table.contains("1/2") && table.contains("0/1") && table.contains("5.000e-1"), "{table}");
    }
}
