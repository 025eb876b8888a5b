//! The list of cases and how each is expected to end.
//!
//! One line for each case: status, file, name, and behind ` # ` the reason of everything but a pass.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    fs,
    path::Path,
};

/// A test case; `*` is a file's name for all of its cases when it does not build.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Case {
    pub file: String,
    pub name: String,
}

/// How a case ends; the text is the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Pass,
    Fail(String),
    /// The case itself says that it does not apply.
    Skip(String),
    /// It takes more time or memory than a case may.
    Slow(String),
    Unbuilt(String),
    /// A signal ended it. No list says so: a crash is always a difference.
    Crash(String),
}

/// The list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct List {
    /// The comment at the top.
    head: String,
    pub entries: BTreeMap<Case, Status>,
}

impl Case {
    /// Case `name` of `folder/file.cc`.
    pub(crate) fn new(file: &str, name: &str) -> Case {
        Case { file: file.to_owned(), name: name.to_owned() }
    }
}

impl Status {
    /// Its word in the list.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Status::Pass => "pass",
            Status::Fail(_) => "fail",
            Status::Skip(_) => "skip",
            Status::Slow(_) => "slow",
            Status::Unbuilt(_) => "unbuilt",
            Status::Crash(_) => "crash",
        }
    }

    fn reason(&self) -> &str {
        match self {
            Status::Pass => "",
            Status::Fail(why)
            | Status::Skip(why)
            | Status::Slow(why)
            | Status::Unbuilt(why)
            | Status::Crash(why) => why,
        }
    }

    fn parse(word: &str, reason: Option<&str>) -> Option<Status> {
        let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
        let why = || reason.map(str::to_owned);
        match word {
            "pass" => reason.is_none().then_some(Status::Pass),
            "fail" => why().map(Status::Fail),
            "skip" => why().map(Status::Skip),
            "slow" => why().map(Status::Slow),
            "unbuilt" => why().map(Status::Unbuilt),
            _ => None,
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.file, self.name)
    }
}

impl List {
    /// Reads the list's file.
    pub(crate) fn read(path: &Path) -> Result<List, String> {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        List::parse(&text).map_err(|why| format!("{}: {why}", path.display()))
    }

    fn parse(text: &str) -> Result<List, String> {
        let head: String = text
            .lines()
            .take_while(|line| line.starts_with('#'))
            .fold(String::new(), |all, line| all + line + "\n");
        let mut entries = BTreeMap::new();
        let numbered =
            text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        for (index, line) in numbered {
            let bad =
                || format!("line {}: not `status file case` with a reason behind # if not a pass", index + 1);
            let (left, reason) = match line.split_once(" # ") {
                Some((left, reason)) => (left, Some(reason)),
                None => (line, None),
            };
            let (word, rest) = left.split_once(' ').ok_or_else(bad)?;
            let (file, name) = rest.trim_start().split_once(' ').ok_or_else(bad)?;
            let status = Status::parse(word, reason).ok_or_else(bad)?;
            if entries.insert(Case::new(file, name.trim()), status).is_some() {
                return Err(format!("line {}: {file} {name} is listed twice", index + 1));
            }
        }
        Ok(List { head, entries })
    }

    /// The list's file.
    pub(crate) fn text(&self) -> String {
        let mut text = self.head.clone();
        let mut last = "";
        for (case, status) in &self.entries {
            let folder = case.file.split('/').next().unwrap_or("");
            if folder != last {
                text.push('\n');
                last = folder;
            }
            // Writing to a string cannot fail.
            let _written = write!(text, "{} {} {}", status.word(), case.file, case.name);
            if *status != Status::Pass {
                let _written = write!(text, " # {}", status.reason());
            }
            text.push('\n');
        }
        text
    }

    /// What came out differently from what is listed, in words. Only wanted cases are looked at.
    pub(crate) fn differences(
        &self,
        outcomes: &BTreeMap<Case, Status>,
        wanted: impl Fn(&Case) -> bool,
    ) -> Vec<String> {
        let mut found = Vec::new();
        for (case, outcome) in outcomes {
            match self.entries.get(case) {
                None => found.push(format!("not listed: {} {case} # {}", outcome.word(), outcome.reason())),
                Some(listed) if listed.word() == outcome.word() => {}
                Some(Status::Pass) => {
                    found.push(format!(
                        "listed as pass, now {}: {case} # {}",
                        outcome.word(),
                        outcome.reason()
                    ));
                }
                Some(listed) => found.push(format!(
                    "listed as {}, now {}: {case} # {}",
                    listed.word(),
                    outcome.word(),
                    outcome.reason()
                )),
            }
        }
        let gone = self.entries.keys().filter(|case| wanted(case) && !outcomes.contains_key(*case));
        found.extend(gone.map(|case| format!("listed, but not in the checkout: {case}")));
        found
    }

    /// The list with what came out; a reason that is there stays when the status does. A crash changes nothing.
    pub(crate) fn updated(&self, outcomes: &BTreeMap<Case, Status>, wanted: impl Fn(&Case) -> bool) -> List {
        let mut entries = self.entries.clone();
        entries.retain(|case, _| !wanted(case) || outcomes.contains_key(case));
        for (case, outcome) in outcomes.iter().filter(|(_, outcome)| !matches!(outcome, Status::Crash(_))) {
            let known = entries.get(case).is_some_and(|listed| listed.word() == outcome.word());
            if !known {
                entries.insert(case.clone(), outcome.clone());
            }
        }
        List { head: self.head.clone(), entries }
    }
}
