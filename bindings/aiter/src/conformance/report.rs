//! The table objects × shapes × worst error.

use std::fmt::Write;

use super::evidence::Summary;
use super::{Counts, Family, Known, Line, Outcome, Verdict};

/// All lines of one family.
#[derive(Debug, Clone, PartialEq)]
pub struct FamilyReport {
    /// The family.
    pub family: Family,
    /// One line per object and shape.
    pub lines: Vec<Line>,
    /// How the bound of the family is derived, one sentence.
    pub bound: &'static str,
    /// What was learned about the kernels, with the evidence.
    pub findings: &'static [&'static str],
    /// What is known not to be right.
    pub known: &'static [Known],
}

impl FamilyReport {
    /// Lines with another verdict than is known.
    pub fn unexpected(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| {
            let known = self.known(line).map(|known| known.verdict);
            match line.outcome.verdict() {
                Verdict::Right => known == Some(Verdict::Wrong),
                Verdict::NotRun => false,
                verdict => known != Some(verdict),
            }
        })
    }

    /// The cases by verdict.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts {
            objects: self.objects().len(),
            unexpected: self.unexpected().count(),
            ..Counts::default()
        };
        for line in &self.lines {
            *match line.outcome.verdict() {
                Verdict::Right => &mut counts.right,
                Verdict::Timed => &mut counts.timed,
                Verdict::Wrong => &mut counts.wrong,
                Verdict::NotRun => &mut counts.not_run,
            } += 1;
            if let Outcome::Compared(tally) | Outcome::Timed { right: tally, .. } = &line.outcome {
                counts.elements += tally.elements;
                counts.out_of_bounds += tally.wrong;
            }
        }
        counts
    }

    fn known(&self, line: &Line) -> Option<&Known> {
        self.known.iter().find(|known| (known.case)(&line.object, &line.shape))
    }

    fn objects(&self) -> Vec<&str> {
        unique(self.lines.iter().map(|line| line.object.as_str()))
    }

    fn shapes(&self) -> Vec<&str> {
        unique(self.lines.iter().map(|line| line.shape.as_str()))
    }

    fn line(&self, object: &str, shape: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.object == object && line.shape == shape)
    }
}

/// The head of a Markdown document: what was run, and what the tables say.
pub fn introduction(device: &str, aiter_commit: &str, date: &str, seed: u64) -> String {
    format!(
        "# Conformance of AITER's kernels

{date}. Device: {device}. AITER: {aiter_commit}. Seed {seed}.

Every object of a family runs over the same shapes with random inputs; padding holds NaN, outputs start as NaN
between guard bands. Each element is compared with the f64 result; the bound is derived from the formats and the
operations of the kernel, as each section says, and holds for every order of additions.

On the virtual device every case runs in four schedules: in lockstep (the order nearest to hardware's), in lockstep
with every destination of a load holding NaN until the covering wait, each wave running ahead to its next barrier, and
in random turns. Only barriers and waits promise an order, so a kernel that is wrong in one of them relies on time. What
is right in none runs in lockstep with loads that take 8 to 64 instructions. The kernel is then watched in the schedule
in which it is right, and the instructions that nothing orders are named.

A row is an object, a column a shape of the list above the table:

- a number is the largest share of its bound that an element used, in any order; above 1 would be wrong. Results that
  are rounded to the nearest bf16 come close to 1 by that rounding alone;
- `–` is not run, for the reason given: the kernel does not claim the shape or the operand;
- `⚡` behind the number: right in one schedule and wrong in another. A barrier or a wait is missing, and time makes up
  for it; the note names the schedules and the instructions;
- `✗` is wrong in every schedule, or the kernel was stopped; the note says why, with the worst element or the fault;
- an empty cell: the shape belongs to other objects of the family;
- *worst error* is the largest distance from the exact value in the row.

Regenerate with `cargo run --release -p aiter --bin aiter-conformance -- --markdown`, `AITER_DIR` at a checkout and,
where that has no folder csrc, `AITER_SRC` at one that has. The command ends with 0 when every case that ran is right, or
is ⚡ or ✗ as is recorded in the program with the reason (the notes repeat it); with 1 when one is ⚡ or ✗ and is not
recorded so, or is right although ✗ is recorded. The totals are at the end.
"
    )
}

/// One family as a Markdown section: legend of the shapes, table, and the reasons of what did not run.
pub fn markdown(report: &FamilyReport) -> String {
    let (objects, shapes) = (report.objects(), report.shapes());
    let mut out = String::new();
    let Counts { right, timed, wrong, not_run, elements, out_of_bounds, .. } = report.counts();
    let _ = writeln!(out, "## {}\n", report.family);
    let _ = writeln!(
        out,
        "{} objects, {} shapes, {} cases: {right} right, {timed} right by time only (⚡), **{wrong} wrong (✗)**, {not_run} \
         not run (–). {elements} elements compared, {out_of_bounds} out of bounds.\n",
        objects.len(),
        shapes.len(),
        report.lines.len()
    );
    let _ = writeln!(out, "Bound: {}\n", report.bound);
    for (index, shape) in shapes.iter().enumerate() {
        let _ = writeln!(out, "{}. {shape}", index + 1);
    }
    let _ = write!(out, "\n| object |");
    for index in 1..=shapes.len() {
        let _ = write!(out, " {index} |");
    }
    let _ = write!(out, " worst error |\n|---|");
    (0..=shapes.len()).for_each(|_| out.push_str("--:|"));
    out.push('\n');
    let mut reasons: Vec<String> = Vec::new();
    for object in objects {
        let _ = write!(out, "| {object} |");
        let mut worst = 0.0_f64;
        let timing = timing(report, object);
        for shape in &shapes {
            let line = report.line(object, shape);
            let why = line.and_then(|line| report.known(line)).map(|known| known.why);
            let _ = write!(out, " {} |", cell(line, why, timing.as_deref(), &mut reasons, &mut worst));
        }
        let _ = writeln!(out, " {worst:.3e} |");
    }
    if !report.findings.is_empty() {
        out.push_str("\nFindings:\n\n");
        for finding in report.findings {
            let _ = writeln!(out, "- {finding}");
        }
    }
    if !reasons.is_empty() {
        out.push('\n');
        for (index, reason) in reasons.iter().enumerate() {
            let _ = writeln!(out, "[{}] {reason}  ", index + 1);
        }
    }
    out
}

/// One line of text for the terminal.
pub fn text(line: &Line) -> String {
    let Line { object, shape, outcome } = line;
    format!("{:7} {object} {shape}: {outcome}", outcome.verdict())
}

/// The totals of a Markdown document, family by family.
pub fn totals(families: &[(Family, Counts)]) -> String {
    let mut out = "## Totals\n\n\
         | family | objects | right | right by time only ⚡ | wrong ✗ | not run – | not as recorded |\n\
         |---|--:|--:|--:|--:|--:|--:|\n"
        .to_owned();
    let mut row = |name: &str, counts: &Counts| {
        let Counts { objects, right, timed, wrong, not_run, unexpected, .. } = counts;
        let _ =
            writeln!(out, "| {name} | {objects} | {right} | {timed} | {wrong} | {not_run} | {unexpected} |");
    };
    let mut all = Counts::default();
    for (family, counts) in families {
        row(&family.to_string(), counts);
        all += *counts;
    }
    row("all", &all);
    out
}

/// What an object's cases that are right by time only have in common: where they are right, where they are wrong, and
/// the instructions that rely on time. `None` without such cases.
fn timing(report: &FamilyReport, object: &str) -> Option<String> {
    let (mut right, mut wrong, mut summary) = (Vec::new(), Vec::new(), Summary::default());
    for line in report.lines.iter().filter(|line| line.object == object) {
        let Outcome::Timed { right_in, wrong: wrong_in, evidence, .. } = &line.outcome else { continue };
        count_name(&mut right, right_in);
        wrong_in.iter().for_each(|(schedule, _)| count_name(&mut wrong, schedule));
        summary.add(evidence);
    }
    let list = |names: &[(&str, usize)]| {
        let names: Vec<String> = names.iter().map(|(name, count)| format!("{name} ({count})")).collect();
        names.join(", ")
    };
    (!right.is_empty())
        .then(|| format!("{object}: right when {}; wrong when {}; {summary}", list(&right), list(&wrong)))
}

fn count_name<'a>(names: &mut Vec<(&'a str, usize)>, name: &'a str) {
    match names.iter_mut().find(|(known, _)| *known == name) {
        Some((_, count)) => *count += 1,
        None => names.push((name, 1)),
    }
}

/// A cell: the share of the bound, or a reference to a reason.
fn cell(
    line: Option<&Line>,
    why: Option<&str>,
    timing: Option<&str>,
    reasons: &mut Vec<String>,
    worst: &mut f64,
) -> String {
    let mut refer = |mark: &str, reason: String| {
        let index = reasons.iter().position(|known| *known == reason).unwrap_or_else(|| {
            reasons.push(reason);
            reasons.len() - 1
        });
        format!("{mark}[{}]", index + 1)
    };
    match line.map(|line| (&line.outcome, line)) {
        None => String::new(),
        Some((Outcome::Excluded(reason), _)) => refer("–", reason.clone()),
        Some((Outcome::Failed(reason), _)) => refer("✗", reason.clone()),
        Some((Outcome::Timed { right, .. }, _)) => {
            *worst = worst.max(right.worst_error);
            let usage = right.worst_usage;
            refer(&format!("{usage:.2}⚡"), timing.unwrap_or_default().to_owned())
        }
        Some((Outcome::Compared(tally), line)) => {
            *worst = worst.max(tally.worst_error);
            if tally.wrong == 0 {
                return format!("{:.2}", tally.worst_usage);
            }
            // One note for all that is wrong for the same reason.
            refer("✗", why.map_or_else(|| text(line), |why| format!("{}: {why}", line.object)))
        }
    }
}

fn unique<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut out = Vec::new();
    names.for_each(|name| {
        if !out.contains(&name) {
            out.push(name);
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::super::{Evidence, Tally};
    use super::*;
    use crate::reference::{Allowed, Stored};

    fn line(object: &str, shape: &str, outcome: Outcome) -> Line {
        Line { object: object.to_owned(), shape: shape.to_owned(), outcome }
    }

    #[test]
    fn wrong_elements_and_reasons_are_visible() {
        let mut tally = Tally::default();
        tally.add(Allowed::new(1.0, 0.5, Stored::F32), 1.25, || "a".to_owned());
        tally.add(Allowed::new(1.0, 0.5, Stored::F32), f64::NAN, || "b".to_owned());
        let lines = vec![
            line("k1", "M=1", Outcome::Compared(tally)),
            line("k1", "M=2", Outcome::Excluded("no tail".to_owned())),
            line("k2", "M=2", Outcome::Excluded("no tail".to_owned())),
        ];
        let report = FamilyReport {
            family: Family::F4gemm,
            lines,
            bound: "by hand",
            findings: &["a finding"],
            known: &[],
        };
        let table = markdown(&report);
        assert!(
            table.contains("0 right, 0 right by time only (⚡), **1 wrong (✗)**, 2 not run (–)"),
            "{table}"
        );
        assert!(table.contains("2 elements compared, 1 out of bounds"), "{table}");
        assert!(table.contains("| k1 | ✗[1] | –[2] |"), "{table}");
        assert!(table.contains("| k2 |  | –[2] |"), "{table}");
        assert!(table.contains("- a finding\n"), "{table}");
        assert_eq!(report.unexpected().count(), 1);
    }

    /// What is known and so has its note; what is known and right counts as unexpected.
    #[test]
    fn what_is_known_is_expected_until_it_is_right() {
        const KNOWN: &[Known] = &[Known {
            case: |object, _| object.starts_with('k'),
            verdict: Verdict::Wrong,
            why: "converts to the wrong format",
        }];
        let tally = |found| {
            let mut tally = Tally::default();
            tally.add(Allowed::new(1.0, 0.5, Stored::F32), found, || "a".to_owned());
            Outcome::Compared(tally)
        };
        let lines = |found| vec![line("k1", "M=1", tally(found)), line("k1", "M=2", tally(9.0))];
        let report = |lines| FamilyReport {
            family: Family::Fmoe,
            lines,
            bound: "by hand",
            findings: &[],
            known: KNOWN,
        };
        let wrong = report(lines(9.0));
        assert_eq!((wrong.unexpected().count(), wrong.counts().wrong), (0, 2));
        let table = markdown(&wrong);
        assert!(table.contains("| k1 | ✗[1] | ✗[1] |"), "{table}");
        assert!(table.contains("[1] k1: converts to the wrong format"), "{table}");
        assert_eq!(report(lines(1.0)).unexpected().count(), 1);
        let new = report(vec![line("other", "M=1", tally(9.0))]);
        assert_eq!(new.unexpected().count(), 1);
        let totals = totals(&[(Family::Fmoe, wrong.counts()), (Family::Fmoe, new.counts())]);
        assert!(totals.ends_with("| all | 2 | 0 | 0 | 3 | 0 | 1 |\n"), "{totals}");
    }

    #[test]
    fn what_is_right_by_time_has_one_note_per_object() {
        let timed = |wrong| {
            let mut right = Tally::default();
            right.add(Allowed::new(1.0, 0.5, Stored::F32), 1.25, || "a".to_owned());
            let evidence = Evidence {
                what: "no barrier".to_owned(),
                first: "+0x10 ds_read_b32 v0, v1".to_owned(),
                second: "+0x20 ds_write_b32 v1, v0".to_owned(),
                count: 4,
            };
            let (wrong, evidence) = (vec![(wrong, "NaN".to_owned())], vec![evidence]);
            Outcome::Timed { right, right_in: "in lockstep", wrong, evidence }
        };
        let lines = vec![line("k", "M=1", timed("ahead")), line("k", "M=2", timed("random"))];
        let report = FamilyReport { family: Family::Mla, lines, bound: "by hand", findings: &[], known: &[] };
        let table = markdown(&report);
        assert!(table.contains("| k | 0.50⚡[1] | 0.50⚡[1] |"), "{table}");
        let note = "[1] k: right when in lockstep (2); wrong when ahead (1), random (1); no barrier (1 pairs of \
                    instructions, most often `+0x10 ds_read_b32 v0, v1`, then `+0x20 ds_write_b32 v1, v0`)";
        assert!(table.contains(note), "{table}");
        assert_eq!(report.unexpected().count(), 2);
    }

    #[test]
    fn a_comparison_of_nothing_is_wrong() {
        assert_eq!(Outcome::Compared(Tally::default()).verdict(), Verdict::Wrong);
    }
}
