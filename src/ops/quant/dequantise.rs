//! MXFP4 back to bf16.

use super::*;
use crate::ops::{Content, Geometry, Input, Kind, Output, Start};
use crate::registry::quant::DequantiseMxfp4;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = common_cases();
    // 256 groups and more: every scale byte occurs.
    cases.push(Case::new(37, 1024, Values::Bits).gap(Gap::Elements(32)));
    cases
}

pub(super) fn problem(instance: &Instance, case: Case) -> Result<Problem> {
    let layout = scale_layout(instance)?;
    let (data, out) = (packed_rows(&case), element_rows(&case, case.k, 2));
    let groups = case.k / BLOCK;
    let inputs = vec![
        Input { name: "data", layout: data, content: Content::Bytes },
        Input {
            name: "scales",
            layout: scale_bytes(&case, layout),
            content: Content::Scales { layout, m: case.m, groups },
        },
    ];
    let outputs = vec![Output { name: "out", dtype: Dtype::Bf16, layout: out, start: Start::Poison }];
    let traffic = Problem::traffic_of(&inputs, &outputs, case.m * case.k);
    let arguments = DequantiseMxfp4 {
        data_stride: data.stride as u64,
        out_stride: (out.stride / 2) as u64,
        m: case.m as u32,
        k: case.k as u32,
        ..Default::default()
    };
    Ok(Problem {
        case,
        kind: Kind::DequantiseMxfp4 { layout },
        inputs,
        outputs,
        geometry: Geometry::of(instance, mxfp4_extent(&case, layout))?,
        traffic,
        arguments: Box::new(move |at| {
            let filled = DequantiseMxfp4 {
                data: at.get("data"),
                scales: at.get("scales"),
                out: at.get("out"),
                ..arguments
            };
            bytemuck::bytes_of(&filled).to_vec()
        }),
    })
}
