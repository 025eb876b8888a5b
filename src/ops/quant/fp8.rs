//! FP8 quantisation, and the largest magnitude that its per-tensor form needs.

use reference::{DivisionRule, Fp8Granularity, Fp8Rule};

use super::*;
use crate::ops::{Content, Geometry, Input, Kind, Output, Span, Start};
use crate::registry::quant::{QuantiseFp8, TensorAmax};

/// Elements of a row that share a scale in the block forms.
const GROUP: usize = 128;

pub(super) fn cases(instance: &Instance) -> Result<Vec<Case>> {
    let mut cases = common_cases();
    cases.extend([
        Case::new(23, 1504, Values::Adversarial).gap(Gap::Elements(32)),
        Case::new(13, 416, Values::Adversarial).floor(AITER_FLOOR),
        Case::new(9, 256, Values::Bits),
    ]);
    if granularity(instance)? == Fp8Granularity::Tensor {
        cases.extend(pattern_cases(3, 160));
    }
    Ok(cases)
}

pub(super) fn problem(instance: &Instance, case: Case) -> Result<Problem> {
    let (element, granularity) = (element(instance)?, granularity(instance)?);
    let x = element_rows(&case, case.k, element.bytes());
    let data = element_rows(&case, case.k, 1);
    let span = match granularity {
        Fp8Granularity::Block128 { .. } => Span::Columns(GROUP),
        Fp8Granularity::Token | Fp8Granularity::Tensor => Span::Row,
    };
    let mut inputs = vec![Input {
        name: "x",
        layout: x,
        content: Content::Elements { element, span, exponents: element.wide() },
    }];
    if granularity == Fp8Granularity::Tensor {
        let content = Content::AmaxOfX { element };
        inputs.push(Input { name: "amax", layout: Layout::packed(1, 4), content });
    }
    // Nothing is launched for an empty tensor, so its one scale is not written either.
    let scales = if case.m == 0 { 0 } else { granularity.scales(case.m, case.k) };
    let scales = Layout::packed(1, 4 * scales);
    let outputs = vec![
        Output { name: "data", dtype: Dtype::E4m3, layout: data, start: Start::Poison },
        Output { name: "scales", dtype: Dtype::F32, layout: scales, start: Start::Poison },
    ];
    let extent = Extent {
        blocks: case.m * case.k.div_ceil(GROUP),
        rows: case.m,
        bytes: data.live_bytes(),
        elements: case.m * case.k,
    };
    // Per element one comparison and one scaling.
    let traffic = Problem::traffic_of(&inputs, &outputs, 2 * case.m * case.k);
    let arguments = QuantiseFp8 {
        x_stride: (x.stride / element.bytes()) as u64,
        data_stride: data.stride as u64,
        m: case.m as u32,
        k: case.k as u32,
        amax_floor: case.amax_floor,
        ..Default::default()
    };
    // params.h: scale = amax / 448, code = x / scale.
    let rule =
        Fp8Rule { scale: DivisionRule::Divide, apply: DivisionRule::Divide, amax_floor: case.amax_floor };
    Ok(Problem {
        case,
        kind: Kind::QuantiseFp8 { element, granularity, rule },
        inputs,
        outputs,
        geometry: Geometry::of(instance, extent)?,
        traffic,
        arguments: Box::new(move |at| {
            let filled = QuantiseFp8 {
                x: at.get("x"),
                data: at.get("data"),
                scales: at.get("scales"),
                amax: at.get("amax"),
                ..arguments
            };
            bytemuck::bytes_of(&filled).to_vec()
        }),
    })
}

pub(super) fn amax_cases() -> Vec<Case> {
    let mut cases = common_cases();
    cases.push(Case::new(9, 1024, Values::Bits));
    cases.extend(pattern_cases(3, 160));
    cases
}

pub(super) fn amax_problem(instance: &Instance, case: Case) -> Result<Problem> {
    let element = element(instance)?;
    let x = element_rows(&case, case.k, element.bytes());
    let content = Content::Elements { element, span: Span::Row, exponents: element.wide() };
    let inputs = vec![Input { name: "x", layout: x, content }];
    let outputs =
        vec![Output { name: "amax", dtype: Dtype::F32, layout: Layout::packed(1, 4), start: Start::Zero }];
    let traffic = Problem::traffic_of(&inputs, &outputs, case.m * case.k);
    let elements = case.m * case.k;
    let extent = Extent { blocks: elements.div_ceil(BLOCK), rows: case.m, bytes: x.live_bytes(), elements };
    let arguments = TensorAmax {
        x_stride: (x.stride / element.bytes()) as u64,
        m: case.m as u32,
        k: case.k as u32,
        ..Default::default()
    };
    Ok(Problem {
        case,
        kind: Kind::TensorAmax { element },
        inputs,
        outputs,
        geometry: Geometry::of(instance, extent)?,
        traffic,
        arguments: Box::new(move |at| {
            let filled = TensorAmax { x: at.get("x"), amax: at.get("amax"), ..arguments };
            bytemuck::bytes_of(&filled).to_vec()
        }),
    })
}

fn granularity(instance: &Instance) -> Result<Fp8Granularity> {
    match instance.define("GRANULARITY") {
        Some("tensor") => Ok(Fp8Granularity::Tensor),
        Some("token") => Ok(Fp8Granularity::Token),
        Some("block128") => Ok(Fp8Granularity::Block128 { transposed: false }),
        Some("block128_transposed") => Ok(Fp8Granularity::Block128 { transposed: true }),
        other => Err(declaration(
            instance,
            format!("GRANULARITY = {other:?} is not tensor, token, block128 or block128_transposed"),
        )),
    }
}
