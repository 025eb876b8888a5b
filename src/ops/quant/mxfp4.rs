//! Plain quantisation to MXFP4.

use super::*;
use crate::ops::{Content, Geometry, Input, Kind, Span};
use crate::registry::quant::QuantiseMxfp4;

pub(super) fn cases(instance: &Instance) -> Result<Vec<Case>> {
    let mut cases = common_cases();
    cases.extend([
        Case::new(97, 704, Values::Adversarial).gap(Gap::Elements(32)),
        Case::new(5, 352, Values::Adversarial).floor(AITER_FLOOR),
        Case::new(9, 256, Values::Bits),
    ]);
    if element(instance)? != Element::F16 {
        // The golden blocks are bf16, which f32 holds exactly and f16 does not.
        cases.push(Case::new(crate::golden::blocks().len(), BLOCK, Values::Golden));
    }
    Ok(cases)
}

pub(super) fn problem(instance: &Instance, case: Case) -> Result<Problem> {
    let (element, rule, scales) = (element(instance)?, rule(instance, &case)?, scale_layout(instance)?);
    let x = element_rows(&case, case.k, element.bytes());
    let data = packed_rows(&case);
    let span = Span::Columns(BLOCK);
    let inputs = vec![Input {
        name: "x",
        layout: x,
        content: Content::Elements { element, span, exponents: element.wide() },
    }];
    let outputs = mxfp4_outputs(&case, scales);
    // Per element one comparison and one scaling.
    let traffic = Problem::traffic_of(&inputs, &outputs, 2 * case.m * case.k);
    let arguments = QuantiseMxfp4 {
        x_stride: (x.stride / element.bytes()) as u64,
        data_stride: data.stride as u64,
        m: case.m as u32,
        k: case.k as u32,
        amax_floor: case.amax_floor,
        ..Default::default()
    };
    Ok(Problem {
        case,
        kind: Kind::QuantiseMxfp4 { element, rule, layout: scales },
        inputs,
        outputs,
        geometry: Geometry::of(instance, mxfp4_extent(&case, scales))?,
        traffic,
        arguments: Box::new(move |at| {
            let filled =
                QuantiseMxfp4 { x: at.get("x"), data: at.get("data"), scales: at.get("scales"), ..arguments };
            bytemuck::bytes_of(&filled).to_vec()
        }),
    })
}
