//! What a problem's outputs must be, from independent sources.

use numerics::mx::{BLOCK, MXFP4_BLOCK_BYTES};
use reference::{
    Elements, Fp8Granularity, Gemm, GemmTolerance, Half, MxOperand, RmsNorm, RmsNormInput, Rows, ScaleLayout,
    SiluMul, Verdict, add_residual, dequantise_mxfp4, quantise_fp8, quantise_mxfp4, shuffle_scales,
    shuffle_weights, unshuffle_scales, unshuffle_weights, verify_f32, verify_half, verify_mxfp4,
};

use super::compare::Comparison;
use super::inputs;
use crate::dtype::Dtype;
use crate::golden::{self, Shuffle};
use crate::ops::{Case, Contract, Direction, Element, GemmMxfp4, Kind, Problem, Tensors, Values, gemm_mxfp4};

/// The oracle that knows the virtual device's order of sums: no other device need agree.
pub const DEVICE_ORDER: &str = "device order";

/// Why outputs cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum OracleError {
    /// The problem's shapes are none that the operator has.
    #[error(transparent)]
    Reference(#[from] reference::Error),
    /// The operator's contract has no bound for such a kernel.
    #[error("contract.toml has no tolerance.{0}, which this kernel needs")]
    NoTolerance(&'static str),
}

/// Compares every output with every oracle that knows about it.
///
/// # Errors
/// [`OracleError`].
pub fn judge(
    problem: &Problem,
    contract: &Contract,
    inputs: &Tensors,
    outputs: &Tensors,
) -> Result<Vec<Comparison>, OracleError> {
    let case = problem.case;
    let mut found = match problem.kind {
        Kind::QuantiseMxfp4 { element, rule, layout } => {
            let x = Host::new(element, inputs.get("x"));
            let right = quantise_mxfp4(x.elements(), Rows::packed(case.m, case.k), &rule, layout)?;
            mxfp4(&right.compare(outputs.get("data"), case.k / 2, outputs.get("scales"))?)
        }
        Kind::DequantiseMxfp4 { layout } => {
            let (data, scales) = (inputs.get("data"), inputs.get("scales"));
            let right = dequantise_mxfp4(data, case.k / 2, scales, layout, case.m, case.k)?;
            let actual = halves(outputs.get("out"));
            vec![Comparison::of_codes("reference", "out", case.k, &right, &actual, numerics::bf16::to_f32)]
        }
        Kind::SiluMulMxfp4 { element, rule, layout } => {
            let x = Host::new(element, inputs.get("x"));
            let rows = Rows { m: case.m, k: case.k, stride: 2 * case.k };
            let tolerance = contract.silu_mul().ok_or(OracleError::NoTolerance("silu_mul"))?;
            let truth = SiluMul::new(x.elements(), rows, tolerance)?;
            let (data, scales) = (outputs.get("data"), outputs.get("scales"));
            mxfp4(&verify_mxfp4(&truth, data, case.k / 2, scales, layout, &rule)?)
        }
        Kind::RmsNormMxfp4 { element, rule, layout, epsilon } => {
            rms_norm(&case, contract, inputs, outputs, element, &rule, layout, epsilon)?
        }
        Kind::QuantiseFp8 { element, granularity, rule } => {
            let x = Host::new(element, inputs.get("x"));
            let right = quantise_fp8(x.elements(), Rows::packed(case.m, case.k), granularity, &rule)?;
            let data = outputs.get("data");
            let value = numerics::e4m3::to_f32;
            let written = outputs.get("scales").len() / 4;
            let scales: Vec<u32> = right.scales.iter().take(written).map(|s| s.to_bits()).collect();
            let width = match granularity {
                Fp8Granularity::Tensor | Fp8Granularity::Token => 1,
                Fp8Granularity::Block128 { transposed: false } => case.k.div_ceil(128),
                Fp8Granularity::Block128 { transposed: true } => case.m,
            };
            vec![
                Comparison::of_codes("reference", "data", case.k, &right.data, data, value),
                floats("scales", width, &scales, outputs.get("scales")),
            ]
        }
        Kind::TensorAmax { element } => {
            let right = inputs::amax(element, inputs.get("x"));
            vec![floats("amax", 1, &[right.to_bits()], outputs.get("amax"))]
        }
        Kind::GemmMxfp4(gemm) => {
            let tolerance = contract.gemm().ok_or(OracleError::NoTolerance("gemm"))?;
            product(&case, gemm, tolerance, inputs, outputs)?
        }
        Kind::ShuffleWeights { direction } => {
            let source = inputs.get("source");
            let right = match direction {
                Direction::Shuffle => shuffle_weights(source, case.m, case.k)?,
                Direction::Unshuffle => unshuffle_weights(source, case.m, case.k)?,
            };
            vec![bytes("reference", case.k, &right, outputs.get("target"))]
        }
        Kind::ShuffleScales { direction } => {
            let (source, groups) = (inputs.get("source"), case.k / BLOCK);
            let right = match direction {
                Direction::Shuffle => shuffle_scales(source, case.m, groups, ScaleLayout::Shuffled)?,
                Direction::Unshuffle => unshuffle_scales(source, case.m, groups, ScaleLayout::Shuffled)?,
            };
            vec![bytes("reference", groups, &right, outputs.get("target"))]
        }
    };
    if case.values == Values::Golden {
        found.extend(golden(problem, inputs, outputs));
    }
    Ok(found)
}

#[expect(clippy::too_many_arguments, reason = "one operator's operands, used once")]
fn rms_norm(
    case: &Case,
    contract: &Contract,
    inputs: &Tensors,
    outputs: &Tensors,
    element: Element,
    rule: &numerics::mx::Mxfp4Rule,
    layout: ScaleLayout,
    epsilon: f32,
) -> Result<Vec<Comparison>, OracleError> {
    let (x, weight) = (Host::new(element, inputs.get("x")), Host::new(element, inputs.get("weight")));
    let residual = inputs.find("residual").map(|bytes| Host::new(element, bytes));
    let rows = Rows::packed(case.m, case.k);
    let input = RmsNormInput {
        x: x.elements(),
        rows,
        residual: residual.as_ref().map(|r| (r.elements(), case.k)),
        weight: weight.elements(),
        epsilon,
    };
    let tolerance = contract.rms_norm(case.k).ok_or(OracleError::NoTolerance("rms_norm"))?;
    let truth = RmsNorm::new(input, tolerance)?;
    let (data, scales) = (outputs.get("data"), outputs.get("scales"));
    let mut found = mxfp4(&verify_mxfp4(&truth, data, case.k / 2, scales, layout, rule)?);
    if let Some(normed) = outputs.find("normed") {
        let verdict = verify_half(&truth, &halves(normed), case.k, Half::Bf16)?;
        found.push(Comparison::of_verdict("normed", &verdict));
    }
    if let (Some(sum), Some(residual)) = (outputs.find("sum"), &residual) {
        let half = if element == Element::F16 { Half::F16 } else { Half::Bf16 };
        let right = add_residual(x.elements(), rows, residual.elements(), case.k, half)?;
        let value = |bits| half.to_f32(bits);
        found.push(Comparison::of_codes("reference", "sum", case.k, &right, &halves(sum), value));
    }
    Ok(found)
}

/// Multiply-adds up to which every row of a product is compared; of larger ones, the edges of tiles and a sample.
const WHOLE_PRODUCT: usize = 1 << 27;

fn product(
    case: &Case,
    gemm: GemmMxfp4,
    tolerance: GemmTolerance,
    inputs: &Tensors,
    outputs: &Tensors,
) -> Result<Vec<Comparison>, OracleError> {
    let Case { m, n, k, .. } = *case;
    let mut found = Vec::new();
    let bias: Option<Vec<f32>> = inputs.find("bias").map(|bytes| inputs::widen(Element::F32, bytes));
    let parts = gemm_mxfp4::parts(k, gemm.k_step, gemm.waves_k, case.splits);
    let rows = sampled_rows(m, WHOLE_PRODUCT / (n * k).max(1));
    let out = if gemm.out == Dtype::F32 {
        words(outputs.get("out"))
    } else {
        halves(outputs.get("out")).iter().map(|h| u32::from(*h)).collect()
    };
    for batch in 0..case.batch {
        let of = |name: &str| {
            let all = inputs.get(name);
            &all[all.len() / case.batch * batch..][..all.len() / case.batch]
        };
        let a = match gemm.rule {
            Some(rule) => {
                let x = halves(of("a"));
                let made = quantise_mxfp4(Elements::Bf16(&x), Rows::packed(m, k), &rule, ScaleLayout::Raw)?;
                MxOperand::new(&made.data, k / 2, &made.scales, ScaleLayout::Raw, m, k)?
            }
            None => MxOperand::new(of("a"), k / 2, of("a_scales"), gemm.scales, m, k)?,
        };
        let unshuffled;
        let w = if gemm.weights_shuffled {
            unshuffled = unshuffle_weights(of("w"), n, k / 2)?;
            unshuffled.as_slice()
        } else {
            of("w")
        };
        let w = MxOperand::new(w, k / 2, of("w_scales"), gemm.scales, n, k)?;
        let a = a.pick(&rows);
        let truth = Gemm::new(&a, &w, bias.as_deref(), tolerance)?;
        let actual: Vec<u32> = rows.iter().flat_map(|r| &out[(batch * m + r) * n..][..n]).copied().collect();
        let ordered = truth.in_device_order(&parts);
        let mut both = if gemm.out == Dtype::F32 {
            let values: Vec<f32> = actual.iter().map(|bits| f32::from_bits(*bits)).collect();
            let right: Vec<u32> = ordered.iter().map(|x| x.to_bits()).collect();
            [
                Comparison::of_verdict("out", &verify_f32(&truth, &values, n)?),
                Comparison::of_codes(DEVICE_ORDER, "out", n, &right, &actual, f32::from_bits),
            ]
        } else {
            let values: Vec<u16> = actual.iter().map(|bits| *bits as u16).collect();
            let right: Vec<u16> = ordered.iter().map(|x| numerics::bf16::from_f32_rne(*x)).collect();
            [
                Comparison::of_verdict("out", &verify_half(&truth, &values, n, Half::Bf16)?),
                Comparison::of_codes(DEVICE_ORDER, "out", n, &right, &values, numerics::bf16::to_f32),
            ]
        };
        for worst in both.iter_mut().filter_map(|c| c.worst.as_mut()) {
            worst.row = batch * m + rows[worst.row];
        }
        found.extend(both);
    }
    if let Some(workspace) = outputs.find("workspace") {
        let counters = &workspace[..gemm.counters];
        found.push(floats("counters", 1, &vec![0; gemm.counters / 4], counters));
    }
    Ok(found)
}

/// All of `m` rows, or `most` at least: the edges of tiles of 16 and of the tensor, and rows that an odd stride meets.
fn sampled_rows(m: usize, most: usize) -> Vec<usize> {
    if m <= most {
        return (0..m).collect();
    }
    let edges = [0, 1, 15, 16, 31, 32, 63, 64, 127, 128, 255, 256];
    let stride = (m / most.max(1)).max(1) | 1;
    let mut rows: Vec<usize> = edges.into_iter().chain(m - 2..m).chain((7..m).step_by(stride)).collect();
    rows.retain(|row| *row < m);
    rows.sort_unstable();
    rows.dedup();
    rows
}

/// What other implementations made of the golden inputs.
fn golden(problem: &Problem, inputs: &Tensors, outputs: &Tensors) -> Option<Comparison> {
    match problem.kind {
        Kind::QuantiseMxfp4 { rule, layout, .. } => {
            let (data, scales) = (outputs.get("data"), outputs.get("scales"));
            let blocks = golden::blocks();
            let (mut expected, mut actual) = (Vec::new(), Vec::new());
            for (row, block) in blocks.iter().enumerate() {
                let (_, right) = block.results.iter().find(|(mode, _)| *mode == rule.scale)?;
                expected.push(right.scale);
                actual.push(scales[layout.index(blocks.len(), 1, row, 0)]);
                // Codes under a NaN scale carry no value.
                if right.scale != numerics::e8m0::NAN {
                    expected.extend(&right.data);
                    actual.extend(&data[row * MXFP4_BLOCK_BYTES..][..MXFP4_BLOCK_BYTES]);
                } else {
                    expected.extend([0; MXFP4_BLOCK_BYTES]);
                    actual.extend([0; MXFP4_BLOCK_BYTES]);
                }
            }
            // Row: the block. Column 0: its scale; from 1 on: its packed codes.
            Some(Comparison::of_bytes("golden", "data and scales", 1 + MXFP4_BLOCK_BYTES, &expected, &actual))
        }
        Kind::ShuffleWeights { direction } => {
            Some(golden_moves(Shuffle::Weights, 64, direction, inputs, outputs))
        }
        Kind::ShuffleScales { direction } => {
            Some(golden_moves(Shuffle::Scales, 16, direction, inputs, outputs))
        }
        _ => None,
    }
}

fn golden_moves(
    shuffle: Shuffle,
    width: usize,
    direction: Direction,
    inputs: &Tensors,
    outputs: &Tensors,
) -> Comparison {
    let (source, target) = (inputs.get("source"), outputs.get("target"));
    let (mut expected, mut actual) = (Vec::new(), Vec::new());
    for (row, column, moved) in golden::moves(shuffle) {
        let (from, to) = match direction {
            Direction::Shuffle => (row * width + column, moved),
            Direction::Unshuffle => (moved, row * width + column),
        };
        expected.push(source[from]);
        actual.push(target[to]);
    }
    Comparison::of_bytes("golden", "target", width, &expected, &actual)
}

fn mxfp4(verdict: &Verdict) -> Vec<Comparison> {
    vec![Comparison::of_verdict("data and scales", verdict)]
}

fn floats(output: &'static str, width: usize, expected: &[u32], actual: &[u8]) -> Comparison {
    Comparison::of_codes("reference", output, width.max(1), expected, &words(actual), f32::from_bits)
}

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b)).collect()
}

fn bytes(oracle: &'static str, width: usize, expected: &[u8], actual: &[u8]) -> Comparison {
    Comparison::of_bytes(oracle, "target", width, expected, actual)
}

fn halves(bytes: &[u8]) -> Vec<u16> {
    bytes.as_chunks::<2>().0.iter().map(|b| u16::from_le_bytes(*b)).collect()
}

/// A tensor as the reference takes it: aligned, typed.
enum Host {
    Bf16(Vec<u16>),
    F16(Vec<u16>),
    F32(Vec<f32>),
}

impl Host {
    fn new(element: Element, bytes: &[u8]) -> Self {
        match element {
            Element::Bf16 => Self::Bf16(halves(bytes)),
            Element::F16 => Self::F16(halves(bytes)),
            Element::F32 => Self::F32(inputs::widen(element, bytes)),
        }
    }

    fn elements(&self) -> Elements<'_> {
        match self {
            Self::Bf16(bits) => Elements::Bf16(bits),
            Self::F16(bits) => Elements::F16(bits),
            Self::F32(values) => Elements::F32(values),
        }
    }
}
