//! Conformance of the e4m3 kernels for prompts.

use std::cell::OnceCell;
use std::fmt;

use super::mla::{Merged, merge};
use super::mla_problem::numbers;
use super::{Lab, Outcome, Tally};
use crate::reference::{Allowed, AttentionHead, AttentionQuery, AttentionRounding, Stored, attention};
use crate::{
    Mla, MlaFormat, MlaRow, PREFILL_KEY, PREFILL_TILE, PREFILL_VALUE, PrefillOperands, PrefillPlan,
    PrefillShape, Result,
};

/// One case: the query tokens and keys of each sequence.
#[derive(Clone, Copy)]
pub(super) struct Case {
    lengths: &'static [(usize, usize)],
    heads: usize,
    workgroups: usize,
}

const fn case(lengths: &'static [(usize, usize)], heads: usize, workgroups: usize) -> Case {
    Case { lengths, heads, workgroups }
}

/// One token; tiles of 32 rows of a wave and of 256 with tails; keys around 128 and 196; prompts that continue a
/// cache; several sequences; tiles divided among workgroups.
pub(super) const CASES: &[Case] = &[
    case(&[(1, 1)], 1, 1),
    case(&[(8, 8)], 2, 2),
    case(&[(33, 33)], 1, 1),
    case(&[(64, 64), (65, 65)], 2, 3),
    case(&[(127, 127)], 1, 1),
    case(&[(129, 129)], 1, 1),
    case(&[(1, 195), (1, 196), (1, 197)], 2, 2),
    case(&[(195, 195), (196, 196), (197, 197)], 1, 2),
    case(&[(256, 256)], 1, 1),
    case(&[(257, 257)], 1, 3),
    case(&[(40, 300)], 2, 4),
    case(&[(300, 500)], 1, 5),
    case(&[(7, 700), (20, 20)], 2, 8),
];

pub(super) fn compare(
    lab: &mut Lab,
    row: &MlaRow,
    case: &Case,
    problem: &mut Option<Problem>,
) -> Result<Outcome> {
    let problem = problem.get_or_insert_with(|| Problem::new(lab, row, case));
    let plan = PrefillPlan::new(case.lengths, case.heads, case.workgroups, row.causal);
    let tokens: usize = case.lengths.iter().map(|(q, _)| q).sum();
    let used: usize = case.lengths.iter().map(|(_, keys)| keys).sum();
    let starts = |lengths: &mut dyn Iterator<Item = usize>| {
        let mut starts = vec![0_i32];
        lengths.for_each(|length| starts.push(starts[starts.len() - 1] + length as i32));
        starts
    };
    let (q, k, v) =
        (lab.upload(&problem.q_codes)?, lab.upload(&problem.k_codes)?, lab.upload(&problem.v_codes)?);
    let (items, items_start) = (lab.upload(&plan.items)?, lab.upload(&plan.items_start)?);
    let q_start = lab.upload(&starts(&mut case.lengths.iter().map(|(q, _)| *q)))?;
    let page_start = lab.upload(&starts(&mut case.lengths.iter().map(|(_, keys)| *keys)))?;
    let pages = lab.upload(&problem.pages)?;
    let scales = lab.upload(&Problem::SCALES.map(|scale| scale as f32))?;
    let out = lab.output::<u16>(tokens * case.heads * PREFILL_VALUE)?;
    let rows = plan.partial_tiles.max(1) * PREFILL_TILE;
    let partial = lab.output::<f32>(rows * case.heads * PREFILL_VALUE)?;
    let partial_lse = lab.output::<f32>(rows * case.heads)?;
    let operands = PrefillOperands {
        q: q.as_slice(),
        k: k.as_slice(),
        v: v.as_slice(),
        out: out.as_slice()?,
        partial: partial.as_slice()?,
        partial_lse: partial_lse.as_slice()?,
        items_start: items_start.as_slice(),
        items: items.as_slice(),
        q_start: q_start.as_slice(),
        page_start: page_start.as_slice(),
        pages: pages.as_slice(),
        scale: Problem::SCALE as f32,
        scales: scales.as_slice(),
    };
    let shape = PrefillShape { heads: case.heads, tokens, pages: 2 * used };
    Mla::open(lab.kernels())?.launch_prefill(row, shape, &operands, lab.stream())?;
    let out = match lab.read(&out)? {
        Ok(values) => values,
        Err(violation) => return Ok(Outcome::Failed(violation)),
    };
    let (partial, partial_lse) = match (lab.read(&partial)?, lab.read(&partial_lse)?) {
        (Ok(partial), Ok(lse)) => (partial, lse),
        (Err(violation), _) | (_, Err(violation)) => return Ok(Outcome::Failed(violation)),
    };
    let mut tally = Tally::default();
    for tile in &plan.tiles {
        for token in tile.tokens.clone() {
            for head in 0..case.heads {
                let truth = problem.head(row, token, head);
                let name = |d: usize| format!("token {token} head {head} [{d}]");
                let merged: Option<Merged> = (!tile.partials.is_empty()).then(|| {
                    let row = |first: &usize| (first + token - tile.tokens.start) * case.heads + head;
                    let places: Vec<usize> = tile.partials.iter().map(row).collect();
                    merge(&partial, &partial_lse, &places, PREFILL_VALUE)
                });
                for d in 0..PREFILL_VALUE {
                    let (value, error) = (truth.value[d], truth.error[d]);
                    match &merged {
                        Some(merged) => {
                            tally.add(Allowed::new(value, error, Stored::F32), merged.value[d], || name(d));
                        }
                        None => {
                            let code = out[(token * case.heads + head) * PREFILL_VALUE + d];
                            let found = f64::from(numerics::bf16::to_f32(code));
                            tally.add(Allowed::new(value, error, Stored::Bf16Truncated), found, || name(d));
                        }
                    }
                }
                if let Some(merged) = merged {
                    let allowed = Allowed::new(truth.lse, truth.lse_error, Stored::F32);
                    tally.add(allowed, merged.lse, || format!("token {token} head {head} log-sum-exp"));
                }
            }
        }
    }
    Ok(Outcome::Compared(tally))
}

/// Random queries, keys and values.
pub(super) struct Problem {
    case: Case,
    q: Vec<f64>,
    q_codes: Vec<u8>,
    k: Vec<f64>,
    k_codes: Vec<u8>,
    v: Vec<f64>,
    v_codes: Vec<u8>,
    pages: Vec<i32>,
    /// The truth of each head of each token, once computed: the same for every schedule.
    heads_truth: Vec<OnceCell<AttentionHead>>,
}

impl Problem {
    /// Weight of the scores, large enough for the softmax to prefer a few keys.
    const SCALE: f64 = 0.125;
    /// Of queries, keys and values.
    const SCALES: [f64; 3] = [0.75, 0.5, 0.25];

    fn new(lab: &mut Lab, row: &MlaRow, case: &Case) -> Self {
        let tokens: usize = case.lengths.iter().map(|(q, _)| q).sum();
        let used: usize = case.lengths.iter().map(|(_, keys)| keys).sum();
        let heads_truth = vec![OnceCell::new(); tokens * case.heads];
        let (q, q_codes) = numbers(lab, row.q, tokens * case.heads * PREFILL_KEY);
        let (k, k_codes) = numbers(lab, row.kv, 2 * used * case.heads * PREFILL_KEY);
        let (v, v_codes) = numbers(lab, MlaFormat::Fp8, 2 * used * case.heads * PREFILL_VALUE);
        // Every other page belongs to nobody, and the pages of a sequence are in no order.
        let mut pages: Vec<i32> = (0..2 * used as i32).collect();
        for index in (1..pages.len()).rev() {
            pages.swap(index, lab.random().below(index as u32 + 1) as usize);
        }
        pages.truncate(used);
        Self { case: *case, q, q_codes, k, k_codes, v, v_codes, pages, heads_truth }
    }

    /// The truth of one head of one token. The reference takes the first numbers of a key as its value: the value is
    /// put before the key, and zeros before the query.
    fn head(&self, row: &MlaRow, token: usize, head: usize) -> &AttentionHead {
        self.heads_truth[token * self.case.heads + head].get_or_init(|| self.truth(row, token, head))
    }

    fn truth(&self, row: &MlaRow, token: usize, head: usize) -> AttentionHead {
        let (heads, mut first_token, mut first_page) = (self.case.heads, 0, 0);
        let mut found = (0, 0);
        for &(q, keys) in self.case.lengths {
            if token < first_token + q {
                found = (q, keys);
                break;
            }
            (first_token, first_page) = (first_token + q, first_page + keys);
        }
        let (q, keys) = found;
        let seen = if row.causal { keys - q + token - first_token + 1 } else { keys };
        let keys: Vec<Vec<f64>> = self.pages[first_page..first_page + seen]
            .iter()
            .map(|&page| {
                let at = page as usize * heads + head;
                let value = &self.v[at * PREFILL_VALUE..][..PREFILL_VALUE];
                [value, &self.k[at * PREFILL_KEY..][..PREFILL_KEY]].concat()
            })
            .collect();
        let keys: Vec<&[f64]> = keys.iter().map(Vec::as_slice).collect();
        let mut query = vec![0.0; PREFILL_VALUE];
        query.extend(&self.q[(token * heads + head) * PREFILL_KEY..][..PREFILL_KEY]);
        let [q_scale, k_scale, v_scale] = Self::SCALES;
        let query = AttentionQuery {
            q: &query,
            keys: &keys,
            scale: Self::SCALE * q_scale * k_scale,
            value_scale: v_scale,
        };
        let rounding = AttentionRounding {
            probability: 2.0_f64.powi(-4),
            probability_floor: 2.0_f64.powi(-10),
            exponent_steps: 16.0,
        };
        attention(query, PREFILL_VALUE, rounding)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lengths, heads, workgroups } = self;
        write!(f, "prompts (queries, keys) {lengths:?} heads {heads} workgroups {workgroups}")
    }
}
