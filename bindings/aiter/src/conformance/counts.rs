//! How many cases are right, and which are known not to be.

use super::Verdict;

/// Cases that are known not to be right, and why. One that is right after all is as unexpected as a new one that is not:
/// something else changed.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// Whether an object and a shape are concerned.
    pub case: fn(&str, &str) -> bool,
    /// In which way it is not right. What is known to be right by time only may be right as well: it relies on time.
    pub verdict: Verdict,
    /// Why, for the note.
    pub why: &'static str,
}

impl PartialEq for Known {
    fn eq(&self, other: &Self) -> bool {
        (self.verdict, self.why) == (other.verdict, other.why)
    }
}

/// Cases by verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Objects.
    pub objects: usize,
    /// Cases that are right in every schedule.
    pub right: usize,
    /// That are right in some.
    pub timed: usize,
    /// That are right in none.
    pub wrong: usize,
    /// Not run.
    pub not_run: usize,
    /// Elements compared, those of wrong cases included.
    pub elements: usize,
    /// Elements out of bounds: all of them in wrong cases.
    pub out_of_bounds: usize,
    /// Cases with another verdict than is known.
    pub unexpected: usize,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.objects += other.objects;
        self.right += other.right;
        self.timed += other.timed;
        self.wrong += other.wrong;
        self.not_run += other.not_run;
        self.elements += other.elements;
        self.out_of_bounds += other.out_of_bounds;
        self.unexpected += other.unexpected;
    }
}
