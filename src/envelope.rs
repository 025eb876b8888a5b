//! How far results depend on the way in which matrix cores round their sums.
//!
//! That way is not public for CDNA4, so the virtual device offers several, and a kernel's results are known
//! only as far as they agree: the envelope.

use serde::Serialize;

use crate::device::OpenDevice;
use crate::dtype::Dtype;
use crate::{Error, Result};

/// What `--numerics` asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Numerics {
    /// The virtual device's policy for sums of matrix instructions
    #[default]
    Default,
    /// Every policy, and how far the output moves between them
    Envelope,
}

/// How far one output under one policy lies from that of the device's own policy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The policy.
    pub policy: String,
    /// The output's name.
    pub output: String,
    /// Type of its elements.
    pub dtype: Dtype,
    /// How many were compared.
    pub elements: u64,
    /// How many have other bits; two NaN are equal.
    pub differing: u64,
    /// The largest difference in steps of the type: representable values from one to the other.
    pub max_steps: u64,
    /// Elements that are NaN under one of the two policies only; they have no difference in steps.
    pub nan: u64,
}

impl Spread {
    /// Compares two images of one output.
    #[must_use]
    pub fn between(policy: &str, output: String, dtype: Dtype, base: &[u8], other: &[u8]) -> Self {
        let policy = policy.to_owned();
        let mut spread = Self { policy, output, dtype, elements: 0, differing: 0, max_steps: 0, nan: 0 };
        for (a, b) in dtype.codes(base).zip(dtype.codes(other)) {
            spread.elements += 1;
            let is_nan = |code| dtype.decode(code).is_nan();
            if a == b || is_nan(a) && is_nan(b) {
                continue;
            }
            spread.differing += 1;
            match dtype.steps(a, b) {
                Some(steps) => spread.max_steps = spread.max_steps.max(steps),
                None => spread.nan += 1,
            }
        }
        spread
    }

    /// One spread for each policy and output of several launches of a kernel.
    #[must_use]
    pub fn totals<'a>(spreads: impl IntoIterator<Item = &'a Self>) -> Vec<Self> {
        let mut totals: Vec<Self> = Vec::new();
        for spread in spreads {
            match totals.iter_mut().find(|t| t.policy == spread.policy && t.output == spread.output) {
                Some(total) => total.add(spread),
                None => totals.push(spread.clone()),
            }
        }
        totals
    }

    fn add(&mut self, other: &Self) {
        self.elements += other.elements;
        self.differing += other.differing;
        self.max_steps = self.max_steps.max(other.max_steps);
        self.nan += other.nan;
    }

    /// One row of a table under [`HEADER`].
    #[must_use]
    pub fn row(&self) -> Vec<String> {
        let share = match (self.differing, self.elements) {
            (0, _) => "none".to_owned(),
            (part, whole) => format!("{:.3} %", 100.0 * part as f64 / whole as f64),
        };
        let steps = match self.max_steps {
            1 => "1 step".to_owned(),
            n => format!("{n} steps"),
        };
        vec![
            self.output.clone(),
            self.dtype.to_string(),
            self.policy.clone(),
            crate::report::thousands(self.elements),
            share,
            steps,
            if self.nan == 0 { "-".to_owned() } else { self.nan.to_string() },
        ]
    }
}

/// Columns of [`Spread::row`].
pub const HEADER: [&str; 7] = ["output", "type", "policy", "elements", "differ", "largest", "NaN in one"];
/// Those that are set flush right.
pub const RIGHT: [usize; 4] = [3, 4, 5, 6];

/// That `open` has policies to vary.
///
/// # Errors
/// [`Error::Option`] for a GPU, which rounds in its own way only.
pub fn require_policies(open: &OpenDevice) -> Result<()> {
    if open.is_virtual() {
        return Ok(());
    }
    let reason = "a GPU has one way to round; the policies are the virtual device's".to_owned();
    Err(Error::Option { option: "--numerics", value: "envelope".into(), reason })
}

/// The virtual device's policies, as its option `mfma` and its identification name them.
///
/// # Errors
/// Those of reading the identification, and that it names none.
pub fn policies(open: &OpenDevice) -> hip::Result<Vec<String>> {
    let info = open.runtime.virtual_info()?.unwrap_or_default();
    let names = info["mfma_policies"].as_array().into_iter().flatten();
    let names: Vec<String> = names.filter_map(|name| Some(name.as_str()?.to_owned())).collect();
    if names.is_empty() {
        return Err(hip::Error::Extension {
            function: "vhipInfo",
            reason: "it names no policies for matrix sums".to_owned(),
            library: open.runtime.library_path().to_owned(),
        });
    }
    Ok(names)
}

/// The policy of the last launch.
///
/// # Errors
/// Those of reading the virtual device's report, and that it names no policy.
pub fn policy_in_force(open: &OpenDevice) -> hip::Result<String> {
    let report = open.runtime.last_report()?.unwrap_or_default();
    let name = &report["options"]["mfma"];
    name.as_str().map(str::to_owned).ok_or_else(|| hip::Error::Extension {
        function: "vhipReport",
        reason: format!("its policy for matrix sums is {name}, not a name"),
        library: open.runtime.library_path().to_owned(),
    })
}

/// Runs `launch` under every policy but `base`, and then restores that one.
///
/// # Errors
/// The first of a run or of changing the policy. After one the policy may not be restored.
pub fn each_other<T>(
    open: &OpenDevice,
    base: &str,
    mut launch: impl FnMut() -> hip::Result<T>,
) -> hip::Result<Vec<(String, T)>> {
    let mut results = Vec::new();
    for policy in policies(open)?.into_iter().filter(|policy| policy != base) {
        open.runtime.set_option("mfma", &policy)?;
        results.push((policy, launch()?));
    }
    open.runtime.set_option("mfma", base)?;
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_counts_bits_steps_and_nan() {
        let image = |values: [f32; 5]| -> Vec<u8> { values.iter().flat_map(|v| v.to_le_bytes()).collect() };
        let base = image([1.0, 2.0, f32::NAN, f32::NAN, 0.0]);
        let other = image([1.0, 2.0_f32.next_up().next_up(), -f32::NAN, 1.0, -0.0]);
        let between = |policy, other| Spread::between(policy, "out".into(), Dtype::F32, &base, other);
        let counts = |spread: &Spread| (spread.elements, spread.differing, spread.max_steps, spread.nan);
        let spread = between("fma-chain", &other);
        assert_eq!(counts(&spread), (5, 3, 2, 1));
        let all = [spread, between("exact-block", &base), between("fma-chain", &base)];
        let totals = Spread::totals(&all);
        assert_eq!(totals.iter().map(counts).collect::<Vec<_>>(), [(10, 3, 2, 1), (5, 0, 0, 0)]);
        let spread = &totals[0];
        assert_eq!(spread.row()[3..], ["10", "30.000 %", "2 steps", "1"]);
    }
}
