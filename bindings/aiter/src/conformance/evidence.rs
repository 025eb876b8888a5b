//! Which instructions of a kernel rely on time.

use std::fmt;

use hip::Runtime;

use crate::Result;

/// Two instructions that nothing orders but time, as the virtual device reports them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// What is missing between them.
    pub what: String,
    /// The first: bytes from the entry, and its text.
    pub first: String,
    /// The second.
    pub second: String,
    /// How often: dwords of LDS, or registers.
    pub count: u64,
}

/// What the virtual device's report of the last launch says; nothing if it was not watched.
///
/// # Errors
/// HIP's.
pub(super) fn of_last_launch(runtime: &Runtime) -> Result<Vec<Evidence>> {
    let Some(report) = runtime.last_report()? else { return Ok(Vec::new()) };
    let Some(races) = report["races"].as_array() else { return Ok(Vec::new()) };
    let evidence = races.iter().map(|race| {
        let text = |place: &str| {
            let offset = race[place]["offset"].as_i64().unwrap_or_default();
            format!("+{offset:#x} {}", race[place]["text"].as_str().unwrap_or_default())
        };
        Evidence {
            what: race["what"].as_str().unwrap_or_default().to_owned(),
            first: text("first"),
            second: text("second"),
            count: race["count"].as_u64().unwrap_or_default(),
        }
    });
    Ok(evidence.collect())
}

/// The evidence of several cases of one kernel in one sentence: for each thing that is missing the number of pairs of
/// instructions and the most frequent one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Summary {
    pairs: Vec<Evidence>,
}

impl Summary {
    pub(super) fn add(&mut self, evidence: &[Evidence]) {
        for new in evidence {
            let same = |known: &&mut Evidence| {
                (&known.what, &known.first, &known.second) == (&new.what, &new.first, &new.second)
            };
            match self.pairs.iter_mut().find(same) {
                Some(known) => known.count += new.count,
                None => self.pairs.push(new.clone()),
            }
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut kinds: Vec<&str> = Vec::new();
        for pair in &self.pairs {
            if !kinds.contains(&pair.what.as_str()) {
                kinds.push(&pair.what);
            }
        }
        if kinds.is_empty() {
            return f.write_str("no unordered accesses to LDS or to destinations of loads were seen");
        }
        for (index, what) in kinds.into_iter().enumerate() {
            let pairs = self.pairs.iter().filter(|pair| pair.what == what);
            let (count, most) = (pairs.clone().count(), pairs.max_by_key(|pair| pair.count));
            let Some(most) = most else { continue };
            let separator = if index == 0 { "" } else { "; " };
            let Evidence { first, second, .. } = most;
            write!(
                f,
                "{separator}{what} ({count} pairs of instructions, most often `{first}`, then `{second}`)"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_names_the_most_frequent_pair_of_each_kind() {
        let evidence = |what: &str, first: &str, count| Evidence {
            what: what.to_owned(),
            first: first.to_owned(),
            second: "z".to_owned(),
            count,
        };
        let mut summary = Summary::default();
        summary.add(&[evidence("w", "a", 2), evidence("w", "b", 3)]);
        summary.add(&[evidence("w", "a", 2), evidence("v", "c", 1)]);
        assert_eq!(
            summary.to_string(),
            "w (2 pairs of instructions, most often `a`, then `z`); \
             v (1 pairs of instructions, most often `c`, then `z`)"
        );
        assert!(Summary::default().to_string().starts_with("no unordered"));
    }
}
