//! The quantisation family: `kernels/quant`.

mod dequantise;
mod fp8;
mod mxfp4;
mod rms_norm;
mod shuffle;
mod silu_mul;

use numerics::mx::{Mxfp4Rule, ScaleRounding};
use reference::ScaleLayout;

use super::{
    Case, Depth, Element, Extent, Gap, Layout, Output, Pattern, Problem, Start, Values, declaration,
};
use crate::Result;
use crate::dtype::Dtype;
use crate::registry::Instance;

/// MX block: elements that share a scale.
const BLOCK: usize = numerics::mx::BLOCK;

pub(super) fn cases(instance: &Instance, depth: Depth) -> Result<Vec<Case>> {
    if depth == Depth::Full {
        return full(instance);
    }
    match instance.params.as_ref() {
        "QuantiseMxfp4" => mxfp4::cases(instance),
        "DequantiseMxfp4" => Ok(dequantise::cases()),
        "SiluMulMxfp4" => Ok(silu_mul::cases()),
        "RmsNormMxfp4" => Ok(rms_norm::cases()),
        "QuantiseFp8" => fp8::cases(instance),
        "TensorAmax" => Ok(fp8::amax_cases()),
        "ShuffleWeights" => Ok(shuffle::weight_cases()),
        "ShuffleScales" => Ok(shuffle::scale_cases()),
        other => Err(unknown_params(instance, other)),
    }
}

/// A decode step, a small batch and a prefill chunk of a model with 7168 channels.
pub(super) fn bench_cases() -> Vec<Case> {
    [16, 128, 1024].map(|m| Case::new(m, 7168, Values::Normal)).into()
}

pub(super) fn problem(instance: &Instance, case: Case) -> Result<Problem> {
    match instance.params.as_ref() {
        "QuantiseMxfp4" => mxfp4::problem(instance, case),
        "DequantiseMxfp4" => dequantise::problem(instance, case),
        "SiluMulMxfp4" => silu_mul::problem(instance, case),
        "RmsNormMxfp4" => rms_norm::problem(instance, case),
        "QuantiseFp8" => fp8::problem(instance, case),
        "TensorAmax" => fp8::amax_problem(instance, case),
        "ShuffleWeights" => shuffle::weights(instance, case),
        "ShuffleScales" => shuffle::scales(instance, case),
        other => Err(unknown_params(instance, other)),
    }
}

/// The default cases and every combination of shape, gap and values.
fn full(instance: &Instance) -> Result<Vec<Case>> {
    let mut all = cases(instance, Depth::Default)?;
    let weights = instance.params == "ShuffleWeights";
    let (rows, gaps): (&[usize], &[usize]) = match instance.params.as_ref() {
        "ShuffleWeights" => (&[16, 32, 48, 256, 272], &[0]),
        "ShuffleScales" => (&[1, 31, 32, 33, 255, 256, 257, 513], &[0]),
        _ => (&[1, 2, 31, 32, 33, 128, 255, 256, 257], &[0, 32, 160]),
    };
    for &m in rows {
        for k in [32, 64, 96, 128, 224, 256, 288, 2048, 2880, 7168] {
            for &gap in gaps {
                for values in [Values::Normal, Values::Wide, Values::Adversarial, Values::Bits] {
                    let case = Case::new(m, k, values).gap(Gap::Elements(gap));
                    all.push(if gap == 0 { case } else { case.optional() });
                    if weights {
                        // Reordering does not look at the values.
                        break;
                    }
                }
            }
        }
    }
    Ok(all)
}

fn unknown_params(instance: &Instance, name: &str) -> crate::Error {
    declaration(instance, format!("this program does not know what {name} computes"))
}

fn element(instance: &Instance) -> Result<Element> {
    let text = instance.define("TYPE").unwrap_or("");
    Element::from_name(text)
        .ok_or_else(|| declaration(instance, format!("TYPE = \"{text}\" is not bf16, f16 or f32")))
}

fn scale_layout(instance: &Instance) -> Result<ScaleLayout> {
    match instance.define("SCALES") {
        Some("raw") => Ok(ScaleLayout::Raw),
        Some("shuffled") => Ok(ScaleLayout::Shuffled),
        other => Err(declaration(instance, format!("SCALES = {other:?} is not raw or shuffled"))),
    }
}

fn rule(instance: &Instance, case: &Case) -> Result<Mxfp4Rule> {
    let text = instance.define("ROUNDING").unwrap_or("");
    let scale = ScaleRounding::from_name(text).ok_or_else(|| {
        let names = ScaleRounding::ALL.map(ScaleRounding::name).join(", ");
        declaration(instance, format!("ROUNDING = \"{text}\" is not one of {names}"))
    })?;
    Ok(Mxfp4Rule::new(scale).with_amax_floor(case.amax_floor))
}

/// Rows of elements, with the case's gap between them.
fn element_rows(case: &Case, columns: usize, bytes: usize) -> Layout {
    let row_bytes = columns * bytes;
    Layout { rows: case.m, row_bytes, stride: row_bytes + case.gap.elements() * bytes }
}

/// Rows of packed E2M1, two to a byte, with the case's gap between them.
fn packed_rows(case: &Case) -> Layout {
    let row_bytes = case.k / 2;
    Layout { rows: case.m, row_bytes, stride: row_bytes + case.gap.elements() / 2 }
}

/// A scale buffer: one row, padding included.
fn scale_bytes(case: &Case, layout: ScaleLayout) -> Layout {
    Layout::packed(1, layout.len(case.m, case.k / BLOCK))
}

/// What every kernel that makes MXFP4 writes: packed codes, and their scales in `layout`.
fn mxfp4_outputs(case: &Case, layout: ScaleLayout) -> Vec<Output> {
    let start = Start::Poison;
    vec![
        Output { name: "data", dtype: Dtype::E2m1, layout: packed_rows(case), start },
        Output { name: "scales", dtype: Dtype::E8m0, layout: scale_bytes(case, layout), start },
    ]
}

/// The problem's size with scales in `layout`.
fn mxfp4_extent(case: &Case, layout: ScaleLayout) -> Extent {
    let groups = case.k / BLOCK;
    Extent {
        blocks: layout.len(case.m, groups),
        rows: layout.shuffle(case.m, groups).map_or(case.m, |s| s.padded_rows()),
        bytes: case.m * case.k,
        elements: case.m * case.k,
    }
}

/// Cases that every operator with strided rows has: smallest, odd sizes, a long row, an empty tensor, and
/// offsets beyond 32 bits.
fn common_cases() -> Vec<Case> {
    vec![
        Case::new(1, 32, Values::Normal),
        Case::new(3, 96, Values::Wide).gap(Gap::Elements(32)),
        Case::new(33, 512, Values::Normal).gap(Gap::Elements(96)),
        Case::new(2, 7168, Values::Wide).optional(),
        Case::new(16, 7168, Values::Normal),
        Case::new(129, 2880, Values::Wide).gap(Gap::Elements(64)).optional(),
        Case::new(257, 288, Values::Normal).optional(),
        Case::new(5, 18_432, Values::Normal),
        Case::new(31, 2048, Values::Wide),
        Case::new(64, 4096, Values::Normal).gap(Gap::Elements(32)).optional(),
        Case::new(256, 1536, Values::Wide),
        Case::new(7, 224, Values::Wide).gap(Gap::Elements(160)).optional(),
        Case::new(1, 7168, Values::Normal).optional(),
        Case::new(0, 512, Values::Normal),
        Case::new(6, 64, Values::Normal).gap(Gap::Huge).optional(),
    ]
}

/// One case for each pattern, for operators with one group for everything.
fn pattern_cases(m: usize, k: usize) -> impl Iterator<Item = Case> {
    Pattern::ALL.into_iter().map(move |pattern| Case::new(m, k, Values::Only(pattern)))
}

/// AITER's floor under amax.
const AITER_FLOOR: f32 = Mxfp4Rule::AITER_HIP_AMAX_FLOOR;
