//! Weights and scales between row-major order and that of the matrix kernels.

use numerics::layout::WeightShuffle;

use super::*;
use crate::Error;
use crate::ops::{Content, Direction, Geometry, Input, Kind, Output, Start};
use crate::registry::quant::{ShuffleScales, ShuffleWeights};

pub(super) fn weight_cases() -> Vec<Case> {
    let mut cases: Vec<_> = [(16, 32), (48, 96), (64, 512), (256, 3584), (0, 512)]
        .map(|(m, k)| Case::new(m, k, Values::Bits))
        .into();
    cases.push(Case::new(32, 64, Values::Golden));
    cases
}

pub(super) fn weights(instance: &Instance, case: Case) -> Result<Problem> {
    let direction = direction(instance)?;
    WeightShuffle::new(case.m, case.k).map_err(|error| Error::Shape {
        kernel: instance.path(),
        operands: format!("{} rows of {} bytes", case.m, case.k),
        reason: error.to_string(),
    })?;
    let layout = Layout::packed(1, case.m * case.k);
    let inputs = vec![Input { name: "source", layout, content: Content::Bytes }];
    let outputs = vec![Output { name: "target", dtype: Dtype::U8, layout, start: Start::Poison }];
    let bytes = case.m * case.k;
    let extent = Extent { blocks: bytes / BLOCK, rows: case.m, bytes, elements: bytes };
    let traffic = Problem::traffic_of(&inputs, &outputs, 0);
    let arguments = ShuffleWeights { rows: case.m as u32, row_bytes: case.k as u32, ..Default::default() };
    Ok(Problem {
        case,
        kind: Kind::ShuffleWeights { direction },
        inputs,
        outputs,
        geometry: Geometry::of(instance, extent)?,
        traffic,
        arguments: Box::new(move |at| {
            let filled = ShuffleWeights { source: at.get("source"), target: at.get("target"), ..arguments };
            bytemuck::bytes_of(&filled).to_vec()
        }),
    })
}

pub(super) fn scale_cases() -> Vec<Case> {
    let mut cases: Vec<_> = [(1, 32), (33, 96), (257, 352), (300, 7168), (0, 512)]
        .map(|(m, k)| Case::new(m, k, Values::Bits))
        .into();
    cases.push(Case::new(64, 16 * BLOCK, Values::Golden));
    cases
}

pub(super) fn scales(instance: &Instance, case: Case) -> Result<Problem> {
    let direction = direction(instance)?;
    let (m, groups) = (case.m, case.k / BLOCK);
    let raw = scale_bytes(&case, ScaleLayout::Raw);
    let shuffled = scale_bytes(&case, ScaleLayout::Shuffled);
    let (from, source, target) = match direction {
        Direction::Shuffle => (ScaleLayout::Raw, raw, shuffled),
        Direction::Unshuffle => (ScaleLayout::Shuffled, shuffled, raw),
    };
    let content = Content::Scales { layout: from, m, groups };
    let inputs = vec![Input { name: "source", layout: source, content }];
    let outputs = vec![Output { name: "target", dtype: Dtype::U8, layout: target, start: Start::Poison }];
    let extent = Extent { bytes: shuffled.live_bytes(), ..mxfp4_extent(&case, ScaleLayout::Shuffled) };
    let traffic = Problem::traffic_of(&inputs, &outputs, 0);
    let arguments = ShuffleScales { m: m as u32, groups: groups as u32, ..Default::default() };
    Ok(Problem {
        case,
        kind: Kind::ShuffleScales { direction },
        inputs,
        outputs,
        geometry: Geometry::of(instance, extent)?,
        traffic,
        arguments: Box::new(move |at| {
            let filled = ShuffleScales { source: at.get("source"), target: at.get("target"), ..arguments };
            bytemuck::bytes_of(&filled).to_vec()
        }),
    })
}

fn direction(instance: &Instance) -> Result<Direction> {
    match instance.define("DIRECTION") {
        Some("shuffle") => Ok(Direction::Shuffle),
        Some("unshuffle") => Ok(Direction::Unshuffle),
        other => Err(declaration(instance, format!("DIRECTION = {other:?} is not shuffle or unshuffle"))),
    }
}
