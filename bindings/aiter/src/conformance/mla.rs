//! Conformance of `mla` decode kernels.

use std::fmt;

use numerics::bf16;

use super::mla_problem::{Inputs, PAGE, Problem, starts};
use super::{Known, Lab, Outcome, Tally, Verdict, mla_prefill};
use crate::reference::{Allowed, Stored};
use crate::{MLA_VALUE, Mla, MlaChoice, MlaRow, MlaShape, MlaTask, MlaWork, Result, WorkPlan};

pub(super) const FINDINGS: &[&str] = &[
    "The notes name the instructions that nothing orders but time. Three kinds recur. Registers: page numbers and keys \
     are used some 400 instructions after their load without the wait that covers it. LDS: maxima and probabilities are \
     exchanged through the same words without a barrier between reading the ones and writing the others \
     (mla_a8w8_qh16_qseqlen1_gqaratio16), and the first keys are loaded over the queries in LDS while other waves may \
     still read these (the v3 kernels). Unsteady results of the kernel for 16 e4m3 heads and 1 token on hardware have \
     been reported to AITER.",
    "mla_a8w8_qh16_qseqlen4_gqaratio16_*v3* and mla_a8w8_qh64_qseqlen4_gqaratio16 are wrong beyond 128 cached tokens if \
     loads arrive at once and right if they take 7 to 20 instructions: the loop of waves 2 and 3 reloads a[120:127] \
     (ds_read_b128) five v_exp_f32 before the matrix instruction that still needs the old values, in all four copies of \
     the loop. These take some 80 cycles, the sixth ds_read_b128 in a row longer.",
    "mla_a8w8_qh64_qseqlen4_gqaratio16 without persistence cannot split: the address of its stores has the sequence in \
     it (`s_mul_i32 s56, s79, s75`) and not the split (s4), so that all splits write to the same place. AITER splits \
     nevertheless, and hands it a bf16 buffer without a split, where it stores f32 unless the dword at 0xf0 is 1 \
     (AITER's struct has a null address there). It is compared without splits, as f32.",
    "No kernel of the manifest takes pages of more than one token: each sets the register with the logarithm of the \
     page's size to 0 before it uses it (`s_mov_b32 s69, 0` or s73). The two that do not, …qseqlen2_…_ps_page and \
     …qseqlen4_…_ps_page, are in no manifest.",
    "mla_a8w8_qh32_qseqlen1_gqaratio32_lse_ps never loads the address of the log-sum-exp that the manifest promises; it \
     is compared without.",
    "Three kernels that the manifest calls causal do not mask (subQ128_mqa128 and 64mx1 for bf16, and \
     mla_a16w16_qh8_qseqlen2_gqaratio8): they are compared without a mask. The two for bf16 prompts mask, though the \
     manifest says no.",
    "✗ MLA_A16W16_1TG_4W_16mx4_32nx1 with lengths [130, 33] and two splits: the second split of 33 keys is key 32 alone, \
     which the first of two tokens does not see; without a visible key the kernel gives NaN. AITER's rule makes such \
     splits: for one sequence of 33 tokens it chooses 16, and its merge reads the first three.",
    "Without persistence AITER merges splits by a Triton kernel, so that the merge is f64 here, of the kernels' own parts \
     and their log-sum-exp; the persistent kernels run with AITER's merge in the next table.",
    "A split without keys is not written. AITER counts the splits that hold a result by another unit than the kernels' \
     blocks, so its merge can read unwritten ones; here they are filled with -∞ beforehand.",
    "mla_pfl_qh192_vh128_* uses v0 to v235 with accumulation registers from 128 on, and none of these by name.",
];

pub(super) const KNOWN: &[Known] = &[
    Known {
        case: |object, shape| {
            object.starts_with("MLA_A16W16_1TG_4W_16mx4_32nx1") && shape == "lengths [130, 33] splits 2"
        },
        verdict: Verdict::Wrong,
        why: "the first of two tokens sees no key of the second split and becomes NaN",
    },
    Known {
        case: |_, _| true,
        verdict: Verdict::Timed,
        why: "waits or barriers are missing, see the findings",
    },
];

pub(super) const BOUND: &str = "scores are f32 sums of 576 products (576 · 2^-23 · Σ|q·k|), exp2 and the shift by \
                                the maximum err by 16 · 2^-23 of the exponent; probabilities are stored as bf16 \
                                (2^-8) or e4m3 (2^-4, at least 2^-10 of the largest), the errors of the n terms \
                                bounded by the smaller of their sum and 8·√Σ² (Hoeffding); normalisation and the \
                                sum over n keys err by n · 2^-23; splits are merged here in f64; bf16 results are \
                                rounded or cut off (2^-7).";

/// One case: sequences of these lengths, in this many splits.
#[derive(Clone, Copy)]
struct Case {
    lengths: &'static [usize],
    splits: usize,
    /// Query tokens of a sequence; 0 for what the kernel is made for.
    tokens: usize,
}

const fn case(lengths: &'static [usize], splits: usize, tokens: usize) -> Case {
    Case { lengths, splits, tokens }
}

pub(super) fn run(lab: &mut Lab) -> Result<()> {
    let family = Mla::open(lab.kernels())?;
    for row in family.rows() {
        let cases = if row.prefill { PROMPTS } else { CASES };
        let more = if row.ignores_splits() { UNSPLIT } else { &[] };
        if row.prefill && row.persistent {
            for case in mla_prefill::CASES {
                let mut problem = None;
                lab.case(&row.object, case.to_string(), |lab| {
                    mla_prefill::compare(lab, row, case, &mut problem)
                })?;
            }
            continue;
        }
        for case in cases.iter().chain(more) {
            let mut problem = None;
            lab.case(&row.object, case.to_string(), |lab| match row.ignores_splits() && case.splits > 1 {
                true => Ok(Outcome::Excluded(IGNORES_SPLITS.to_owned())),
                false => compare(lab, row, case, &mut problem),
            })?;
        }
    }
    Ok(())
}

const IGNORES_SPLITS: &str = "the kernel writes all splits to the same place: the split (s4) is not in the address of \
                              its stores";

/// The lengths: few, around 64, 128 and 196 (AITER's unit of splitting); unequal sequences; more splits than blocks of
/// keys. A kernel for several tokens needs as many cached ones.
const CASES: &[Case] = &[
    case(&[8], 1, 0),
    case(&[64], 1, 0),
    case(&[63, 65], 1, 0),
    case(&[129], 1, 0),
    case(&[195, 196, 197], 1, 0),
    case(&[500], 1, 0),
    case(&[8], 2, 0),
    case(&[128], 2, 0),
    case(&[130, 33], 2, 0),
    case(&[195, 196, 197], 3, 0),
    case(&[300], 4, 0),
    case(&[1000], 5, 0),
    case(&[700, 20], 16, 0),
    case(&[1], 1, 1),
    case(&[4], 1, 0),
];

/// For kernels that cannot split, in the place of splits.
const UNSPLIT: &[Case] = &[
    case(&[16], 1, 0),
    case(&[33], 1, 0),
    case(&[100], 1, 0),
    case(&[127, 128], 1, 0),
    case(&[300, 5, 64], 1, 0),
    case(&[1000], 1, 0),
];

/// The same for prompts: one token, blocks of 8 tokens with tails, prompts that continue a cache.
const PROMPTS: &[Case] = &[
    case(&[1], 1, 1),
    case(&[195, 196, 197], 1, 1),
    case(&[8], 1, 2),
    case(&[8], 1, 8),
    case(&[64], 1, 3),
    case(&[63, 65], 1, 5),
    case(&[9], 1, 9),
    case(&[129], 1, 9),
    case(&[130, 33], 1, 17),
    case(&[195, 196, 197], 1, 7),
    case(&[500], 1, 4),
    case(&[64], 1, 64),
    case(&[300], 1, 12),
    case(&[700, 20], 1, 3),
];

fn compare(lab: &mut Lab, row: &MlaRow, case: &Case, problem: &mut Option<Problem>) -> Result<Outcome> {
    // Kernels for any number of tokens are run with two.
    let tokens = match (row.tokens, case.tokens) {
        (0, 0) => 2,
        (0, asked) => asked,
        (own, _) => own,
    };
    if case.lengths.iter().any(|length| *length < tokens) {
        return Ok(Outcome::Excluded("a kernel for several tokens needs as many cached ones".to_owned()));
    }
    let problem = problem.get_or_insert_with(|| Problem::new(lab, row, case.lengths, tokens));
    let all = case.lengths.len() * tokens;
    let inputs = Inputs::new(lab, problem)?;
    let split_start = lab.upload(&starts(case.lengths.len(), case.splits))?;
    let plan = WorkPlan::within_sequences(case.lengths, tokens, WORKGROUPS, case.splits, GRANULARITY);
    let (items, items_start) = (lab.upload(&plan.items)?, lab.upload(&plan.items_start)?);
    let lists = lab.upload(&[items_start.address(), items.address()])?;
    let final_out = lab.output::<u16>(all * row.heads * MLA_VALUE)?;
    let final_lse = lab.output::<f32>(all * row.heads)?;

    let layout = Layout::new(row, case, tokens, &plan);
    let halves = if layout.is_final_bf16 { 2 } else { 1 };
    let partial = lab.output::<f32>(layout.rows * row.heads * MLA_VALUE / halves)?;
    let mut partial_lse = lab.output::<f32>(layout.rows * row.heads)?;
    partial_lse.as_mut_slice()?.copy_from(&vec![f32::NEG_INFINITY; layout.rows * row.heads])?;
    let work = if row.persistent {
        MlaWork::Lists {
            lists: lists.as_slice(),
            items_start: items_start.as_slice(),
            items: items.as_slice(),
            out: final_out.as_slice()?,
            out_lse: if row.writes_lse() { Some(final_lse.as_slice()?) } else { None },
        }
    } else {
        MlaWork::Grid(split_start.as_slice())
    };
    let operands = inputs.operands(partial.as_slice()?, partial_lse.as_slice()?, work)?;
    let family = Mla::open(lab.kernels())?;
    let splits = if row.persistent { 1 } else { case.splits };
    let shape = MlaShape { batch: case.lengths.len(), tokens, heads: row.heads, page: PAGE, splits };
    family.launch(choice(&family, row, tokens), shape, &operands, lab.stream())?;

    let mut read = Vec::new();
    for output in [lab.read(&partial)?, lab.read(&partial_lse)?, lab.read(&final_lse)?] {
        match output {
            Ok(values) => read.push(values),
            Err(violation) => return Ok(Outcome::Failed(violation)),
        }
    }
    let final_out = match lab.read(&final_out)? {
        Ok(values) => values,
        Err(violation) => return Ok(Outcome::Failed(violation)),
    };
    let (partial, partial_lse, final_lse) = (&read[0], &read[1], &read[2]);
    let whole: &[u16] = if layout.is_final_bf16 { bytemuck::cast_slice(partial) } else { &final_out };
    let mut tally = Tally::default();
    for token in 0..all {
        for head in 0..row.heads {
            let truth = problem.head(row, token, head);
            let name = |d: usize| format!("token {token} head {head} [{d}]");
            let at = token * row.heads + head;
            let lse = match &layout.parts[token] {
                None => {
                    for d in 0..MLA_VALUE {
                        let allowed = Allowed::new(truth.value[d], truth.error[d], Stored::Bf16Truncated);
                        tally.add(allowed, f64::from(bf16::to_f32(whole[at * MLA_VALUE + d])), || name(d));
                    }
                    row.writes_lse().then(|| f64::from(final_lse[at]))
                }
                Some(rows) => {
                    let places: Vec<usize> = rows.iter().map(|place| place * row.heads + head).collect();
                    let merged = merge(partial, partial_lse, &places, MLA_VALUE);
                    for d in 0..MLA_VALUE {
                        let allowed = Allowed::new(truth.value[d], truth.error[d], Stored::F32);
                        tally.add(allowed, merged.value[d], || name(d));
                    }
                    Some(merged.lse)
                }
            };
            if let Some(lse) = lse {
                let allowed = Allowed::new(truth.lse, truth.lse_error, Stored::F32);
                tally.add(allowed, lse, || format!("token {token} head {head} log-sum-exp"));
            }
        }
    }
    Ok(Outcome::Compared(tally))
}

/// Persistent workgroups of a launch: few, so that some have several items.
pub(super) const WORKGROUPS: usize = 6;

/// Tokens that an item is a multiple of.
pub(super) const GRANULARITY: usize = 16;

/// This row as a choice. Where AITER would serve the task with another row, the launch is the plain one.
pub(super) fn choice<'a>(family: &Mla, row: &'a MlaRow, tokens: usize) -> MlaChoice<'a> {
    let MlaRow { q, kv, heads, persistent, causal, lse, .. } = *row;
    if row.prefill {
        return MlaChoice { row, rows_per_group: 128, query_rows: heads };
    }
    let task = MlaTask { q, kv, heads, tokens, persistent, causal, lse };
    match family.choose(task) {
        Ok(choice) if (choice.row.heads, choice.row.tokens) == (row.heads, row.tokens) => {
            MlaChoice { row, ..choice }
        }
        _ => MlaChoice { row, rows_per_group: 128, query_rows: heads * tokens },
    }
}

/// Where results lie.
struct Layout {
    /// Rows of the partial results, in tokens.
    rows: usize,
    /// Whether the partial results are final bf16 ones.
    is_final_bf16: bool,
    /// For each token the rows of its parts; `None` when its result is final.
    parts: Vec<Option<Vec<usize>>>,
}

impl Layout {
    fn new(row: &MlaRow, case: &Case, tokens: usize, plan: &WorkPlan) -> Self {
        let all = case.lengths.len() * tokens;
        if row.persistent {
            let parts = |token: usize| {
                let items = plan.sequences[token / tokens].clone();
                (items.len() > 1).then(|| items.map(|item| item * tokens + token % tokens).collect())
            };
            let rows = plan.partial_tokens(tokens);
            return Self { rows, is_final_bf16: false, parts: (0..all).map(parts).collect() };
        }
        let is_final_bf16 = case.splits == 1 && row.stores_bf16_unsplit();
        let place = |token: usize, split: usize| token * case.splits + split;
        let parts =
            |token| (!is_final_bf16).then(|| (0..case.splits).map(|split| place(token, split)).collect());
        Self { rows: all * case.splits, is_final_bf16, parts: (0..all).map(parts).collect() }
    }
}

/// A merged head.
pub(super) struct Merged {
    pub value: Vec<f64>,
    pub lse: f64,
}

/// Merges the splits of a head by their log-sum-exp. One without keys is not written: its log-sum-exp is still -∞.
pub(super) fn merge(partial: &[f32], lse: &[f32], places: &[usize], size: usize) -> Merged {
    let lses: Vec<f64> = places.iter().map(|&place| f64::from(lse[place])).collect();
    let largest = lses.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (mut value, mut total) = (vec![0.0; size], 0.0);
    for (&place, lse) in places.iter().zip(&lses).filter(|(_, lse)| **lse != f64::NEG_INFINITY) {
        let weight = (lse - largest).exp();
        total += weight;
        let from = &partial[place * size..][..size];
        value.iter_mut().zip(from).for_each(|(sum, &part)| *sum += weight * f64::from(part));
    }
    value.iter_mut().for_each(|sum| *sum /= total);
    Merged { value, lse: largest + total.ln() }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lengths, splits, tokens } = self;
        match tokens {
            0 => write!(f, "lengths {lengths:?} splits {splits}"),
            _ => write!(f, "lengths {lengths:?} tokens {tokens}"),
        }
    }
}
