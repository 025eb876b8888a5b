//! Residual add and RMSNorm, quantised to MXFP4.

use super::*;
use crate::ops::{Content, Geometry, Input, Kind, Output, Span, Start};
use crate::registry::quant::RmsNormMxfp4;

/// The usual epsilon of DeepSeek and Llama models.
const EPSILON: f32 = 1e-6;
/// The sum of squares of a row stays within f32: beyond, every result is zero, which shows little.
const EXPONENTS: (i32, i32) = (-14, 12);

pub(super) fn cases() -> Vec<Case> {
    let mut cases = common_cases();
    cases.extend([
        Case::new(23, 352, Values::Adversarial).gap(Gap::Elements(32)),
        Case::new(23, 1024, Values::Adversarial).gap(Gap::Elements(64)).optional(),
        Case::new(3, 2880, Values::Normal).floor(AITER_FLOOR).optional(),
    ]);
    cases
}

pub(super) fn problem(instance: &Instance, case: Case) -> Result<Problem> {
    let (element, rule, scales) = (element(instance)?, rule(instance, &case)?, scale_layout(instance)?);
    let rows = element_rows(&case, case.k, element.bytes());
    let data = packed_rows(&case);
    // One NaN makes a whole row NaN: patterns change from row to row.
    let numbers = Content::Elements { element, span: Span::Row, exponents: EXPONENTS };
    let mut inputs = vec![
        Input { name: "x", layout: rows, content: numbers },
        Input {
            name: "weight",
            layout: Layout::packed(1, case.k * element.bytes()),
            content: Content::Weights { element },
        },
    ];
    let mut outputs = mxfp4_outputs(&case, scales);
    if case.optional {
        inputs.push(Input { name: "residual", layout: rows, content: numbers });
        outputs.push(Output {
            name: "normed",
            dtype: Dtype::Bf16,
            layout: element_rows(&case, case.k, 2),
            start: Start::Poison,
        });
        outputs.push(Output { name: "sum", dtype: element.dtype(), layout: rows, start: Start::Poison });
    }
    // Per element: residual add, square and sum, two products, comparison, scaling.
    let traffic = Problem::traffic_of(&inputs, &outputs, 7 * case.m * case.k);
    let stride = (rows.stride / element.bytes()) as u64;
    let arguments = RmsNormMxfp4 {
        x_stride: stride,
        residual_stride: stride,
        data_stride: data.stride as u64,
        normed_stride: stride,
        sum_stride: stride,
        m: case.m as u32,
        k: case.k as u32,
        epsilon: EPSILON,
        amax_floor: case.amax_floor,
        ..Default::default()
    };
    Ok(Problem {
        case,
        kind: Kind::RmsNormMxfp4 { element, rule, layout: scales, epsilon: EPSILON },
        inputs,
        outputs,
        geometry: Geometry::of(instance, mxfp4_extent(&case, scales))?,
        traffic,
        arguments: Box::new(move |at| {
            let filled = RmsNormMxfp4 {
                x: at.get("x"),
                residual: at.get("residual"),
                weight: at.get("weight"),
                data: at.get("data"),
                scales: at.get("scales"),
                normed: at.get("normed"),
                sum: at.get("sum"),
                ..arguments
            };
            bytemuck::bytes_of(&filled).to_vec()
        }),
    })
}
