//! Conformance of `fmoe`.

use std::fmt;

use numerics::layout::ScaleShuffle;
use numerics::mx::{BLOCK, Mxfp4Rule, ScaleRounding, quantise_mxfp4};
use numerics::{bf16, f16};

use super::f4gemm::{shuffle_scale, shuffle_weight};
use super::{Known, Lab, Outcome, Tally, Verdict};
use crate::reference::{Allowed, Mxfp4Matrix, Uncertain, gated, gelu_tanh, mxfp4_product, requantised, silu};
use crate::{Fmoe, MOE_BLOCK, MOE_FLAGS, MoeActivation, MoeOperands, MoeRow, MoeShape, Result, SortedTokens};

pub(super) const FINDINGS: &[&str] = &[
    "Inner scales follow the rule that AITER's own quantisers used until June 2026 (up from 1.5 times a power of two), \
     as read in the machine code; compared with the rule that rounds to even, 57 of 512 elements of the second shape \
     are out of bounds.",
    "The manifests name 36 of the 68 MXFP4 objects. The other 32, `fmoe_f16_…` and those with neither `vs` nor `novs` in \
     their names, are in none, so AITER cannot launch them; they are run here with what their namesakes take. ✗ Eight of \
     them, `fmoe_fp16_…` without `vs`, convert their results to bf16 (64 v_cvt_pk_bf16_f32) and add them as f16 \
     (global_atomic_pk_add_f16), where their namesakes convert by v_cvt_pkrtz_f16_f32.",
    "The four objects that the manifests call flat (one workgroup for each choice of a token and part of the inner \
     size; tokens in bf16, the router's choices unsorted) quantise tokens and inner blocks with scales that round up. \
     They take the model size in rounds of 1024 (16x128) or 2048 (16x256) columns and leave the weights of down with \
     less; 2048 is the least here. AITER hands three of them 448 bytes of arguments where their descriptors say 480; \
     they do not load the rest.",
    "✗ Three of the flat objects address the scales of down wrongly from some part of the inner size on. \
     flat_novs_gelu_16x128 reads part p at 2·p instead of 256·⌊p/2⌋ + 2·(p mod 2), as its namesake for SiLU does, and is \
     right for up to 256 inner columns; flat_novs_*_16x256 read it at 256·⌊p/2⌋ + 256·(p mod 2) instead of 256·p, and \
     are right for up to 512.",
    "With a model size of 256 the loads of the second K step leave the tokens and the weights; 512 is the least here.",
];

pub(super) const KNOWN: &[Known] = &[
    Known {
        case: |object, _| object.starts_with("fmoe_fp16_") && !object.contains("vs"),
        verdict: Verdict::Wrong,
        why: "results are converted to bf16 (v_cvt_pk_bf16_f32) and added as f16 (global_atomic_pk_add_f16)",
    },
    Known {
        case: |object, shape| object.ends_with("flat_novs_gelu_16x128") && inner(shape) != "256",
        verdict: Verdict::Wrong,
        why: "beyond 256 inner columns it reads the scales of down at 2 bytes a part (s_mul_i32 s60, s2, 2), where its \
              namesake for SiLU adds 0x100 for every other one",
    },
    Known {
        case: |object, shape| {
            object.contains("flat_novs_")
                && object.ends_with("_16x256")
                && !["256", "512"].contains(&inner(shape))
        },
        verdict: Verdict::Wrong,
        why: "beyond 512 inner columns it reads the scales of down 0x100 too low: s2 >> 1 and s2 & 1 are both multiplied by \
              0x100",
    },
    Known { case: |_, _| true, verdict: Verdict::Timed, why: "waits or barriers are missing, see the notes" },
];

/// The inner size in the name of a shape.
fn inner(shape: &str) -> &str {
    shape.split_once("inner=").and_then(|(_, rest)| rest.split(' ').next()).unwrap_or_default()
}

pub(super) const BOUND: &str = "gate and up err by K/32 · 2^-23 · Σ|block sum|, the activation by \
                                (16 + 4·|gate|)·2^-23; \
                                an inner value within its error of a rounding boundary of MXFP4 may be either code, \
                                and counts with half the difference; the second product errs likewise; each part of \
                                each expert is converted to the result's format and added atomically (2^-8 for bf16, \
                                2^-11 for f16, of what is there).";

/// One case: sizes.
type Case = MoeShape;

pub(super) fn run(lab: &mut Lab) -> Result<()> {
    for activation in [MoeActivation::Silu, MoeActivation::Gelu] {
        for is_bf16 in [true, false] {
            let family = Fmoe::open(lab.kernels(), activation, is_bf16)?;
            for row in family.rows().iter().chain(&family.unlisted()?) {
                for case in if row.flat { flat_cases() } else { cases() } {
                    let mut bounds = None;
                    lab.case(&row.object, Name(case).to_string(), |lab| {
                        compare(lab, activation, is_bf16, row, case, &mut bounds)
                    })?;
                }
            }
        }
    }
    Ok(())
}

/// The shapes: one token, one expert, blocks with tails and full ones, experts without a token, both inner parts.
fn cases() -> Vec<Case> {
    let case = |tokens, model, inner, experts, k| MoeShape { tokens, model, inner, experts, k };
    vec![
        case(1, 512, 512, 4, 1),
        case(1, 512, 512, 8, 2),
        case(2, 512, 512, 4, 4),
        case(5, 512, 1024, 4, 2),
        case(16, 512, 512, 2, 1),
        case(31, 512, 512, 1, 1),
        case(32, 512, 512, 1, 1),
        case(33, 512, 512, 1, 1),
        case(64, 512, 512, 4, 2),
        case(65, 512, 512, 3, 3),
        case(100, 512, 512, 16, 2),
        case(7, 1024, 512, 4, 2),
    ]
}

/// The shapes of flat kernels: rounds of 2048 model columns, two to eight inner parts, one choice and several.
fn flat_cases() -> Vec<Case> {
    let case = |tokens, model, inner, experts, k| MoeShape { tokens, model, inner, experts, k };
    vec![
        case(1, 2048, 256, 1, 1),
        case(1, 2048, 512, 4, 1),
        case(1, 2048, 512, 8, 2),
        case(2, 2048, 512, 4, 4),
        case(5, 2048, 1024, 4, 2),
        case(16, 2048, 512, 2, 1),
        case(17, 2048, 256, 3, 3),
        case(20, 2048, 512, 16, 2),
        case(31, 2048, 512, 1, 1),
        case(33, 2048, 512, 1, 1),
        case(64, 2048, 256, 4, 2),
        case(3, 4096, 768, 4, 2),
        case(7, 4096, 512, 4, 2),
    ]
}

fn compare(
    lab: &mut Lab,
    activation: MoeActivation,
    is_bf16: bool,
    row: &MoeRow,
    case: Case,
    bounds: &mut Option<Vec<Allowed>>,
) -> Result<Outcome> {
    let MoeShape { tokens, model, inner, experts, k } = case;
    let problem = Problem::new(lab, case, row.flat);
    let sorted = SortedTokens::new(&problem.choices, &problem.weights, k, experts, MOE_BLOCK);

    let layout = ScaleShuffle::sorted(sorted.ids.len(), model / BLOCK);
    let mut x_scale = vec![0; layout.len()];
    for at in 0..sorted.ids.len() {
        for group in (0..model / BLOCK).filter(|_| sorted.token(at).is_some()) {
            let token = sorted.token(at).unwrap_or_default();
            x_scale[layout.index(at, group)] = problem.x_scale[token * (model / BLOCK) + group];
        }
    }
    let shuffled = |data: &[u8], rows: usize, row_bytes: usize| -> Vec<u8> {
        data.chunks_exact(rows * row_bytes)
            .flat_map(|expert| shuffle_weight(expert, rows, row_bytes))
            .collect()
    };
    let x = lab.upload(if row.flat { &problem.x_bf16 } else { &problem.x })?;
    let x_scale = lab.upload(&x_scale)?;
    let gate_up = lab.upload(&shuffled(&problem.gate_up, 2 * inner, model / 2))?;
    let gate_up_scale =
        lab.upload(&shuffle_scale(&problem.gate_up_scale, experts * 2 * inner, model / BLOCK))?;
    let down = lab.upload(&shuffled(&problem.down, model, inner / 2))?;
    // Flat kernels also load, and do not use, 2 bytes behind the scales of the last expert.
    let mut down_scale = shuffle_scale(&problem.down_scale, experts * model, inner / BLOCK);
    let down_scale_len = down_scale.len();
    down_scale.extend([0xff; 2]);
    let down_scale = lab.upload(&down_scale)?;
    let (ids, weights) = match row.flat {
        true => (lab.upload(&problem.choices)?, lab.upload(&problem.weights)?),
        false => (lab.upload(&sorted.ids)?, lab.upload(&sorted.weights)?),
    };
    let (block_experts, valid) = (lab.upload(&sorted.experts)?, lab.upload(&sorted.valid)?);
    let mut out = lab.output::<u16>(tokens * model + if row.flat { MOE_FLAGS } else { 0 })?;
    if !row.flat {
        out.as_mut_slice()?.fill_bytes(0)?;
    }
    let operands = MoeOperands {
        x: x.as_slice(),
        x_scale: x_scale.as_slice(),
        gate_up: gate_up.as_slice(),
        gate_up_scale: gate_up_scale.as_slice(),
        down: down.as_slice(),
        down_scale: down_scale.slice(..down_scale_len)?,
        ids: ids.as_slice(),
        weights: weights.as_slice(),
        block_experts: block_experts.as_slice(),
        valid: valid.as_slice(),
        out: out.as_mut_slice()?,
    };
    Fmoe::open(lab.kernels(), activation, is_bf16)?.launch(row, case, operands, lab.stream())?;
    let rounding = 2.0_f64.powi(if is_bf16 { -8 } else { -11 });
    // The same for every schedule.
    let bounds = bounds.get_or_insert_with(|| {
        (0..tokens).flat_map(|token| problem.token(token, activation, row.n, rounding)).collect()
    });
    lab.finish(&out, |out| {
        let mut tally = Tally::default();
        for (index, (allowed, &code)) in bounds.iter().zip(out).enumerate() {
            let found = if is_bf16 { bf16::to_f32(code) } else { f16::to_f32(code) };
            tally.add(*allowed, f64::from(found), || format!("[{}, {}]", index / model, index % model));
        }
        tally
    })
}

/// Random tokens, experts and routing.
struct Problem {
    shape: Case,
    x: Vec<u8>,
    x_scale: Vec<u8>,
    /// Tokens of which the two above are the quantised ones, little-endian; for flat kernels only.
    x_bf16: Vec<u8>,
    gate_up: Vec<u8>,
    gate_up_scale: Vec<u8>,
    down: Vec<u8>,
    down_scale: Vec<u8>,
    choices: Vec<u32>,
    weights: Vec<f32>,
}

impl Problem {
    fn new(lab: &mut Lab, shape: Case, flat: bool) -> Self {
        let MoeShape { tokens, model, inner, experts, k } = shape;
        let mut x = lab.random().bytes(tokens * model / 2);
        let gate_up = lab.random().bytes(experts * inner * model);
        let down = lab.random().bytes(experts * model * inner / 2);
        // Scales that keep gate and up near 1, where the activation is curved.
        let mut scales =
            |len: usize, first: u8| (0..len).map(|_| first + lab.random().below(4) as u8).collect::<Vec<_>>();
        let mut x_scale = scales(tokens * model / BLOCK, 124);
        let gate_up_scale = scales(experts * 2 * inner * model / BLOCK, 119);
        let down_scale = scales(experts * model * inner / BLOCK, 122);
        let mut x_bf16 = Vec::new();
        if flat {
            let codes = lab.random().bf16s(tokens * model);
            (x, x_scale) = (Vec::new(), Vec::new());
            for block in codes.as_chunks::<BLOCK>().0 {
                let block = quantise_mxfp4(&block.map(bf16::to_f32), &Mxfp4Rule::new(FLAT_SCALE));
                x.extend(block.data);
                x_scale.push(block.scale);
            }
            x_bf16 = codes.iter().flat_map(|code| code.to_le_bytes()).collect();
        }
        let mut choices = Vec::new();
        for _ in 0..tokens {
            // A random rotation gives k different experts.
            let first = lab.random().below(experts as u32);
            choices.extend((0..k as u32).map(|place| (first + place) % experts as u32));
        }
        let weights = (0..tokens * k).map(|_| 0.1 + lab.random().below(900) as f32 / 1000.0).collect();
        Self { shape, x, x_scale, x_bf16, gate_up, gate_up_scale, down, down_scale, choices, weights }
    }

    /// The bounds of one token's result.
    ///
    /// Every part of every chosen expert is one atomic addition. With p of them there are p conversions and p
    /// additions in the result's format, each of at most r of a partial result, none of which exceeds the sum of
    /// all magnitudes and errors.
    fn token(&self, token: usize, activation: MoeActivation, columns: usize, rounding: f64) -> Vec<Allowed> {
        let MoeShape { model, inner, k, .. } = self.shape;
        let (unit, groups) = (2.0_f64.powi(-23), model / BLOCK);
        let rule = Mxfp4Rule::new(if self.x_bf16.is_empty() { SCALE } else { FLAT_SCALE });
        let x = Mxfp4Matrix {
            rows: 1,
            k: model,
            codes: &self.x[token * model / 2..][..model / 2],
            scales: &self.x_scale[token * groups..][..groups],
        };
        let (mut sums, mut magnitudes) = (vec![Uncertain::default(); model], vec![0.0; model]);
        for place in 0..k {
            let expert = self.choices[token * k + place] as usize;
            let weight = f64::from(self.weights[token * k + place]);
            let gate_up = Mxfp4Matrix {
                rows: 2 * inner,
                k: model,
                codes: &self.gate_up[expert * inner * model..][..inner * model],
                scales: &self.gate_up_scale[expert * 2 * inner * groups..][..2 * inner * groups],
            };
            let dots = mxfp4_product(x, gate_up);
            let (gate, up) = dots.split_at(inner);
            let hidden: Vec<Uncertain> = gate
                .iter()
                .zip(up)
                .map(|(&gate, &up)| match activation {
                    MoeActivation::Silu => gated(gate, up, groups as f64, silu),
                    MoeActivation::Gelu => gated(gate, up, groups as f64, gelu_tanh),
                })
                .collect();
            let inner_values: Vec<Uncertain> =
                hidden.chunks_exact(BLOCK).flat_map(|block| requantised(block, &rule)).collect();
            for column in 0..model {
                let (mut value, mut error, mut magnitude) = (0.0, 0.0, 0.0);
                for (index, x) in inner_values.iter().enumerate() {
                    let w = self.down_value(expert, column, index);
                    value += x.value * w;
                    error += x.error * w.abs();
                    magnitude += (x.value.abs() + x.error) * w.abs();
                }
                let steps = (inner / BLOCK + 2) as f64;
                sums[column].value += weight * value;
                sums[column].error += weight * (error + steps * unit * magnitude * (1.0 + steps * unit));
                magnitudes[column] += weight * magnitude;
            }
        }
        let parts = (k * inner.div_ceil(columns)) as f64;
        let bound = |(sum, magnitude): (Uncertain, f64)| {
            // Partial results are at most the sum of the parts, whose magnitude is far below Σ|term| mostly; a part is
            // not known apart, so Σ|term| it is, but for a single part, which is the result.
            let largest = if parts == 1.0 { sum.value.abs() } else { magnitude } + sum.error;
            let distance = sum.error + 2.0 * parts * rounding * largest * (1.0 + rounding).powf(2.0 * parts);
            Allowed { value: sum.value, distance }
        };
        sums.into_iter().zip(magnitudes).map(bound).collect()
    }

    fn down_value(&self, expert: usize, row: usize, column: usize) -> f64 {
        let MoeShape { model, inner, .. } = self.shape;
        let at = expert * model + row;
        let byte = self.down[at * inner / 2 + column / 2];
        let code = byte >> (column % 2 * 4) & 15;
        let scale = self.down_scale[at * (inner / BLOCK) + column / BLOCK];
        f64::from(numerics::e2m1::to_f32(code)) * f64::from(numerics::e8m0::to_f32(scale))
    }
}

/// How the kernels round the scale of an inner block: AITER's rule until June 2026, read in the machine code, although
/// its quantisers of today round up.
const SCALE: ScaleRounding = ScaleRounding::Legacy;

/// The same of flat kernels, for their tokens and for inner blocks.
const FLAT_SCALE: ScaleRounding = ScaleRounding::RoundUp;

/// A case as the report names it.
struct Name(Case);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
