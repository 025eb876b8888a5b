//! The table objects × shapes × worst error.

use std::fmt::Write;

use super::evidence::Summary;
use super::{Family, Line, Outcome};

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
}

impl FamilyReport {
    /// Lines that count against the family.
    pub fn failures(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| line.outcome.is_failure())
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
- `✗` is wrong, or the kernel was stopped, with the worst element or the fault;
- *worst error* is the largest distance from the exact value in the row.

Regenerate with `cargo run --release -p aiter --bin aiter-conformance -- --markdown` and `AITER_DIR` at a checkout.
"
    )
}

/// One family as a Markdown section: legend of the shapes, table, and the reasons of what did not run.
pub fn markdown(report: &FamilyReport) -> String {
    let (objects, shapes) = (report.objects(), report.shapes());
    let mut out = String::new();
    let compared = report.lines.iter().filter_map(|line| match &line.outcome {
        Outcome::Compared(tally) => Some(tally),
        _ => None,
    });
    let (cases, elements, wrong) =
        compared.fold((0, 0, 0), |(c, e, w), tally| (c + 1, e + tally.elements, w + tally.wrong));
    let count = |test: fn(&Outcome) -> bool| report.lines.iter().filter(|line| test(&line.outcome)).count();
    let failed = count(|outcome| matches!(outcome, Outcome::Failed(_)));
    let timed = count(|outcome| matches!(outcome, Outcome::Timed { .. }));
    let excluded = count(|outcome| matches!(outcome, Outcome::Excluded(_)));
    let _ = writeln!(out, "## {}\n", report.family);
    let _ = writeln!(
        out,
        "{} objects, {} shapes: {cases} cases compared, {elements} elements, **{wrong} out of bounds**; \
         {timed} cases right by time only, {failed} cases failed, {excluded} excluded by contract.\n",
        objects.len(),
        shapes.len()
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
            let _ = write!(out, " {} |", cell(line, timing.as_deref(), &mut reasons, &mut worst));
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
    let word = match outcome {
        Outcome::Compared(_) if outcome.is_failure() => "WRONG",
        Outcome::Compared(_) => "right",
        Outcome::Timed { .. } => "TIMED",
        Outcome::Excluded(_) => "not run",
        Outcome::Failed(_) => "FAILED",
    };
    format!("{word:7} {object} {shape}: {outcome}")
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
fn cell(line: Option<&Line>, timing: Option<&str>, reasons: &mut Vec<String>, worst: &mut f64) -> String {
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
            if tally.wrong == 0 { format!("{:.2}", tally.worst_usage) } else { refer("✗", text(line)) }
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
    use super::*;
    use crate::conformance::{Evidence, Tally};
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
        let report =
            FamilyReport { family: Family::F4gemm, lines, bound: "by hand", findings: &["a finding"] };
        let table = markdown(&report);
        assert!(table.contains("**1 out of bounds**"), "{table}");
        assert!(table.contains("| k1 | ✗[1] | –[2] |"), "{table}");
        assert!(table.contains("| k2 |  | –[2] |"), "{table}");
        assert!(table.contains("- a finding\n"), "{table}");
        assert_eq!(report.failures().count(), 1);
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
        let report = FamilyReport { family: Family::Mla, lines, bound: "by hand", findings: &[] };
        let table = markdown(&report);
        assert!(table.contains("| k | 0.50⚡[1] | 0.50⚡[1] |"), "{table}");
        let note = "[1] k: right when in lockstep (2); wrong when ahead (1), random (1); no barrier (1 pairs of \
                    instructions, most often `+0x10 ds_read_b32 v0, v1`, then `+0x20 ds_write_b32 v1, v0`)";
        assert!(table.contains(note), "{table}");
        assert_eq!(report.failures().count(), 2);
    }

    #[test]
    fn a_comparison_of_nothing_is_a_failure() {
        assert!(Outcome::Compared(Tally::default()).is_failure());
    }
}
