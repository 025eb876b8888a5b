//! Conformance of `topksoftmax`.

use std::fmt;

use numerics::bf16;

use super::{Lab, Outcome, Tally};
use crate::reference::{Allowed, Stored, top_k_weights};
use crate::{Result, TopkGating, TopkOperands, TopkRow, TopkShape, TopkSoftmax};

pub(super) const FINDINGS: &[&str] = &[];

pub(super) const BOUND: &str = "relative error of a weight: (4 + 2·range)·2^-23 for an exponential and again for the \
                                sum, n·2^-23 for adding n of them, 4·2^-23 for the quotient; renormalising doubles \
                                it and adds k·2^-23. An index is right if its gating value is that of the place, \
                                but for twice this error (ties may be resolved either way), and none repeats.";

/// One case: tokens, whether weights are renormalised, and how much wider than k the rows of the outputs are.
#[derive(Clone, Copy)]
struct Case {
    tokens: usize,
    renormalise: bool,
    padding: usize,
    /// Spread of the gating values.
    spread: f32,
}

pub(super) fn run(lab: &mut Lab) -> Result<()> {
    for row in TopkSoftmax::open(lab.kernels())?.rows() {
        for case in cases() {
            lab.case(&row.object, case.to_string(), |lab| compare(lab, row, &case))?;
        }
    }
    Ok(())
}

/// The cases: one token, both sides of 4 and 12 tokens, tails; outputs inside wider ones; flat and sharp gating.
fn cases() -> Vec<Case> {
    let case = |tokens, renormalise, padding, spread| Case { tokens, renormalise, padding, spread };
    vec![
        case(1, false, 0, 1.0),
        case(1, true, 0, 1.0),
        case(3, true, 0, 1.0),
        case(4, false, 0, 1.0),
        case(5, true, 0, 4.0),
        case(11, false, 0, 1.0),
        case(12, true, 0, 1.0),
        case(13, false, 0, 8.0),
        case(24, true, 10, 1.0),
        case(31, false, 10, 1.0),
        case(100, true, 0, 0.01),
        case(257, false, 0, 2.0),
    ]
}

fn compare(lab: &mut Lab, row: &TopkRow, case: &Case) -> Result<Outcome> {
    let (experts, k) = (row.experts, row.k);
    let shape = TopkShape { tokens: case.tokens, experts, k, stride: k + case.padding };
    let values: Vec<f32> = (0..case.tokens * experts).map(|_| lab.random().normal() * case.spread).collect();
    let codes: Vec<u16> = values.iter().map(|&value| bf16::from_f32_rne(value)).collect();
    let gating: Vec<f64> = if row.bf16 {
        codes.iter().map(|&code| f64::from(bf16::to_f32(code))).collect()
    } else {
        values.iter().map(|&value| f64::from(value)).collect()
    };
    let (device_values, device_codes) = (lab.upload(&values)?, lab.upload(&codes)?);
    let mut weights = lab.output::<f32>(shape.output_len())?;
    let mut indices = lab.output::<i32>(shape.output_len())?;
    let operands = TopkOperands {
        gating: if row.bf16 {
            TopkGating::Bf16(device_codes.as_slice())
        } else {
            TopkGating::F32(device_values.as_slice())
        },
        renormalise: case.renormalise,
        weights: weights.as_mut_slice()?,
        indices: indices.as_mut_slice()?,
    };
    TopkSoftmax::open(lab.kernels())?.launch(row, shape, operands, lab.stream())?;
    let (found, chosen) = match (lab.read(&weights)?, lab.read(&indices)?) {
        (Ok(weights), Ok(indices)) => (weights, indices),
        (Err(violation), _) | (_, Err(violation)) => return Ok(Outcome::Failed(violation)),
    };
    let mut tally = Tally::default();
    for token in 0..case.tokens {
        let row = &gating[token * experts..][..experts];
        let (truth, error) = top_k_weights(row, k, case.renormalise);
        let mut sorted = row.to_vec();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let chosen = &chosen[token * shape.stride..][..k];
        for place in 0..k {
            let found = f64::from(found[token * shape.stride + place]);
            let allowed = Allowed::new(truth[place], error * truth[place], Stored::F32);
            tally.add(allowed, found, || format!("token {token} weight {place}"));
            let index = usize::try_from(chosen[place]).ok().filter(|&index| index < experts);
            let repeats = chosen[..place].contains(&chosen[place]);
            let value = index.filter(|_| !repeats).map_or(f64::NAN, |index| row[index]);
            // Experts whose weights differ by less than the error of both are in either order.
            let tie = Allowed::new(sorted[place], 2.0 * error, Stored::F32);
            tally.add(tie, value, || format!("token {token} index {place}"));
        }
    }
    let padding = (0..shape.output_len()).filter(|at| at % shape.stride >= k);
    let touched = padding.filter(|&at| found[at].to_bits() != u32::MAX || chosen[at] != -1).count();
    Ok(match touched {
        0 => Outcome::Compared(tally),
        _ => Outcome::Failed(format!("{touched} elements between the rows of the outputs were written")),
    })
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tokens, renormalise, padding, spread } = self;
        let kind = if *renormalise { "renormalised" } else { "plain" };
        write!(f, "tokens={tokens} {kind} stride=k+{padding} spread={spread}")
    }
}
