//! silu(gate) · up, quantised to MXFP4.

use super::*;
use crate::ops::{Content, Geometry, Input, Kind, Span};
use crate::registry::quant::SiluMulMxfp4;

/// Gates and ups for which silu is neither zero nor the identity, and products neither zero nor Inf.
const EXPONENTS: (i32, i32) = (-12, 5);

pub(super) fn cases() -> Vec<Case> {
    let mut cases = common_cases();
    cases.extend([
        // Odd block counts: the pattern of a gate meets each pattern of an up.
        Case::new(23, 352, Values::Adversarial).gap(Gap::Elements(32)),
        Case::new(3, 256, Values::Normal).floor(AITER_FLOOR),
        Case::new(9, 256, Values::Bits),
    ]);
    cases
}

pub(super) fn problem(instance: &Instance, case: Case) -> Result<Problem> {
    let (element, rule, scales) = (element(instance)?, rule(instance, &case)?, scale_layout(instance)?);
    let x = element_rows(&case, 2 * case.k, element.bytes());
    let data = packed_rows(&case);
    let span = Span::Columns(BLOCK);
    let inputs = vec![Input {
        name: "x",
        layout: x,
        content: Content::Elements { element, span, exponents: EXPONENTS },
    }];
    let outputs = mxfp4_outputs(&case, scales);
    // Per output: negate, exponential, add, reciprocal, two products, comparison, scaling.
    let traffic = Problem::traffic_of(&inputs, &outputs, 8 * case.m * case.k);
    let arguments = SiluMulMxfp4 {
        x_stride: (x.stride / element.bytes()) as u64,
        data_stride: data.stride as u64,
        m: case.m as u32,
        k: case.k as u32,
        amax_floor: case.amax_floor,
        ..Default::default()
    };
    Ok(Problem {
        case,
        kind: Kind::SiluMulMxfp4 { element, rule, layout: scales },
        inputs,
        outputs,
        geometry: Geometry::of(instance, mxfp4_extent(&case, scales))?,
        traffic,
        arguments: Box::new(move |at| {
            let filled =
                SiluMulMxfp4 { x: at.get("x"), data: at.get("data"), scales: at.get("scales"), ..arguments };
            bytemuck::bytes_of(&filled).to_vec()
        }),
    })
}
