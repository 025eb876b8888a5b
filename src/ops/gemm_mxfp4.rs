//! MXFP4 products: `kernels/gemm_mxfp4`.

pub mod choice;

use numerics::mx::{BLOCK, Mxfp4Rule, ScaleRounding};
use reference::{Parts, ScaleLayout};

use super::{
    Case, Content, Depth, Element, GemmMxfp4, Geometry, Input, Kind, Layout, Output, Problem, Span, Start,
    Values, declaration,
};
use crate::dtype::Dtype;
use crate::ops::Gap;
use crate::registry::{Instance, gemm_mxfp4 as structs};
use crate::{Error, Result};

/// Rows of out are less than this apart, in elements.
const STRIDE_LIMIT: usize = 1 << 22;

/// How an instance divides a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiling {
    /// Rows and columns of the result that a workgroup makes.
    pub tile: (usize, usize),
    /// Columns of K that a wave takes at a time.
    pub k_step: usize,
    /// Waves that share a workgroup's tile, each with its part of K.
    pub waves_k: usize,
    /// Work-items of a workgroup.
    pub threads: usize,
}

impl Tiling {
    /// From the instance's definitions.
    ///
    /// # Errors
    /// [`Error::Declaration`] when one is missing or no positive number.
    pub fn of(instance: &Instance) -> Result<Self> {
        let number = |name: &str| -> Result<usize> {
            let text = instance.define(name).unwrap_or("");
            text.parse()
                .ok()
                .filter(|n| *n > 0)
                .ok_or_else(|| declaration(instance, format!("{name} = \"{text}\" is not a positive number")))
        };
        Ok(Self {
            tile: (number("BM")?, number("BN")?),
            k_step: number("KSTEP")?,
            waves_k: number("WAVES_K")?,
            threads: number("THREADS")?,
        })
    }

    /// Workgroups across M and across N.
    #[must_use]
    pub const fn grid(&self, m: usize, n: usize) -> (usize, usize) {
        (m.div_ceil(self.tile.0), n.div_ceil(self.tile.1))
    }
}

/// The parts of K that the waves of a tile's workgroups take, in blocks of 32.
#[must_use]
pub fn parts(k: usize, k_step: usize, waves_k: usize, splits: usize) -> Parts {
    let steps = k.div_ceil(k_step);
    let each = steps.div_ceil(splits * waves_k);
    let block = |part: usize| ((part * each).min(steps) * k_step).min(k) / BLOCK;
    let wave = |part: usize| block(part)..block(part + 1);
    (0..splits).map(|split| (split * waves_k..(split + 1) * waves_k).map(wave).collect()).collect()
}

pub(super) fn cases(instance: &Instance, depth: Depth) -> Result<Vec<Case>> {
    let mut cases = vec![
        Case::product(0, 32, 64, Values::Normal),
        Case::product(1, 16, 64, Values::Normal),
        Case::product(5, 48, 192, Values::Wide).gap(Gap::Elements(32)),
        Case::product(33, 80, 320, Values::Adversarial).gap(Gap::Elements(96)).optional(),
        Case::product(17, 112, 704, Values::Normal).optional(),
        Case::product(130, 272, 256, Values::Normal),
        Case::product(19, 48, 1344, Values::Wide).splits(3).optional(),
        Case::product(16, 96, 2048, Values::Adversarial).splits(4),
        Case::product(7, 64, 128, Values::Normal).splits(2),
    ];
    if instance.define("TAIL") != Some("1") {
        let step = Tiling::of(instance)?.k_step;
        cases.retain(|case| case.k.is_multiple_of(step));
        cases.extend([
            Case::product(5, 48, step, Values::Wide).gap(Gap::Elements(32)),
            Case::product(33, 80, 9 * step, Values::Adversarial).gap(Gap::Elements(96)).optional(),
            Case::product(19, 48, 11 * step, Values::Wide).splits(3).optional(),
            Case::product(66, 144, 16 * step, Values::Normal).splits(2),
        ]);
    }
    if instance.define("BATCHED") == Some("1") {
        cases.retain(|case| case.splits == 1);
        cases.extend([
            Case::product(3, 128, 512, Values::Wide).batch(3).optional(),
            Case::product(18, 48, 128, Values::Normal).batch(2).gap(Gap::Elements(32)),
        ]);
    }
    if depth == Depth::Full {
        cases.extend(full(instance)?);
    }
    Ok(cases)
}

/// The contest's and the model's shapes, and random ones.
fn full(instance: &Instance) -> Result<Vec<Case>> {
    let model = model_shapes().into_iter().flat_map(|(n, k)| ROWS.map(|m| (m, n, k)));
    let shapes = contest_shapes().into_iter().chain(model).chain(random_shapes(RANDOM));
    let batched = instance.define("BATCHED") == Some("1");
    let tiling = Tiling::of(instance)?;
    let whole = instance.define("TAIL") != Some("1");
    let mut cases = Vec::new();
    for (m, n, k) in shapes.filter(|(_, _, k)| !whole || k.is_multiple_of(tiling.k_step)) {
        let splits = if batched { 1 } else { 1 + (k / tiling.k_step / (4 * tiling.waves_k)).min(7) };
        cases.push(Case::product(m, n, k, Values::Normal).splits(splits));
    }
    if batched {
        // The absorbed projections of multi-head latent attention: 16 heads.
        for (n, k) in [(512, 128), (128, 512)] {
            cases.extend([1, 4, 17, 64].map(|m| Case::product(m, n, k, Values::Normal).batch(16)));
        }
    }
    Ok(cases)
}

/// Rows of the model's shapes.
const ROWS: [usize; 10] = [1, 2, 4, 8, 16, 17, 32, 64, 128, 256];
/// Random shapes of a full check.
const RANDOM: usize = 200;

/// M, N, K: powers of two times something below two, so that small ones are as frequent as large ones.
fn random_shapes(count: usize) -> Vec<(usize, usize, usize)> {
    let mut state = 355_u64;
    let mut below = |end: u64| {
        // Knuth's MMIX generator; its upper half is random enough for sizes.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % end) as usize
    };
    let mut size = |octaves: u64| {
        let octave = below(octaves);
        (1 << octave) + below(1 << octave)
    };
    (0..count).map(|_| (size(9), 16 * size(7), 64 * size(6))).collect()
}

/// The shapes of the public MXFP4 product contest, tests and benchmarks: M, N, K.
#[must_use]
pub fn contest_shapes() -> Vec<(usize, usize, usize)> {
    vec![
        (8, 2112, 7168),
        (16, 3072, 1536),
        (64, 3072, 1536),
        (256, 2880, 512),
        (4, 2880, 512),
        (16, 2112, 7168),
        (32, 4096, 512),
        (32, 2880, 512),
        (64, 7168, 2048),
        (256, 3072, 1536),
    ]
}

/// DeepSeek-R1's dense products on one of eight devices: N, K.
#[must_use]
pub fn model_shapes() -> Vec<(usize, usize)> {
    vec![
        (2112, 7168),
        (3072, 1536),
        (4096, 512),
        (7168, 2048),
        (4608, 7168),
        (7168, 2304),
        (512, 7168),
        (7168, 256),
    ]
}

pub(super) fn bench_cases() -> Vec<Case> {
    contest_shapes().into_iter().skip(4).map(|(m, n, k)| Case::product(m, n, k, Values::Normal)).collect()
}

pub(super) fn problem(instance: &Instance, case: Case) -> Result<Problem> {
    if instance.params != "GemmMxfp4" {
        return Err(declaration(
            instance,
            format!("this program does not know what {} computes", instance.params),
        ));
    }
    let (tiling, kind) = (Tiling::of(instance)?, kind(instance)?);
    let Case { m, n, k, splits, batch, .. } = case;
    legal(instance, &case)?;
    let (scales, gap, groups) = (kind.scales, case.gap.elements(), k / BLOCK);

    let strided =
        |rows: usize, row_bytes: usize, gap: usize| Layout { rows, row_bytes, stride: row_bytes + gap };
    let a = match kind.rule {
        Some(_) => strided(batch * m, 2 * k, 2 * gap),
        None => strided(batch * m, k / 2, gap / 2),
    };
    let w = if kind.weights_shuffled {
        Layout::packed(batch * n, k / 2)
    } else {
        strided(batch * n, k / 2, gap / 2)
    };
    let bytes = if kind.out == Dtype::F32 { 4 } else { 2 };
    let out = strided(batch * m, n * bytes, gap * bytes);
    let w_scales = scales.len(n, groups);

    let a_content = match kind.rule {
        Some(_) => {
            let element = Element::Bf16;
            // Products of the largest stay within f32.
            Content::Elements { element, span: Span::Columns(BLOCK), exponents: (-30, 30) }
        }
        None => Content::Bytes,
    };
    let mut inputs = vec![Input { name: "a", layout: a, content: a_content }];
    if kind.rule.is_none() {
        let content = Content::ProductScales { layout: scales, m, groups, batch: 1 };
        let layout = Layout::packed(1, scales.len(m, groups));
        inputs.push(Input { name: "a_scales", layout, content });
    }
    inputs.push(Input { name: "w", layout: w, content: Content::Bytes });
    inputs.push(Input {
        name: "w_scales",
        layout: Layout::packed(1, batch * w_scales),
        content: Content::ProductScales { layout: scales, m: n, groups, batch },
    });
    if case.optional {
        let content = Content::Weights { element: Element::F32 };
        inputs.push(Input { name: "bias", layout: Layout::packed(1, 4 * n), content });
    }
    let mut outputs = vec![Output { name: "out", dtype: kind.out, layout: out, start: Start::Poison }];
    let traffic = Problem::traffic_of(&inputs, &outputs, 2 * batch * m * n * k);
    let (tiles_m, tiles_n) = tiling.grid(m, n);
    let counters = (4 * tiles_m * tiles_n).next_multiple_of(256);
    if splits > 1 {
        let partials = tiles_m * tiles_n * splits * tiling.tile.0 * tiling.tile.1 * 4;
        let layout = Layout::packed(1, counters + partials);
        outputs.push(Output { name: "workspace", dtype: Dtype::F32, layout, start: Start::Zero });
    }
    let steps = k.div_ceil(tiling.k_step);
    let pitch = if scales == ScaleLayout::Raw { groups } else { 32 * groups.next_multiple_of(8) };
    let a_scales = if kind.rule.is_none() { scales.len(m, groups) } else { 0 };
    // A resource for each product of a batch.
    let sizes = [a.span_bytes() - (batch - 1) * m * a.stride, w.span_bytes() - (batch - 1) * n * w.stride];
    let arguments = structs::GemmMxfp4 {
        a_stride: a.stride as u32,
        w_stride: w.stride as u32,
        scale_pitch: pitch as u32,
        whole_steps: (k / tiling.k_step) as u32,
        steps: steps as u32,
        steps_per_part: steps.div_ceil(splits * tiling.waves_k) as u32,
        rest: (k % tiling.k_step / BLOCK) as u32,
        splits: splits as u32,
        m: m as u32,
        n: n as u32,
        out_stride: (out.stride / bytes) as u64,
        partials: counters as u64,
        a_batch: (m * a.stride) as u64,
        w_batch: (n * w.stride) as u64,
        w_scales_batch: w_scales as u64,
        out_batch: (m * out.stride / bytes) as u64,
        ..Default::default()
    };
    let grid = if m == 0 { 0 } else { tiles_n as u32 };
    let layers = [tiles_m.max(1) as u32, (splits * batch) as u32];
    Ok(Problem {
        case,
        kind: Kind::GemmMxfp4(GemmMxfp4 { counters, ..kind }),
        inputs,
        outputs,
        geometry: Geometry {
            grid,
            layers,
            block: tiling.threads as u32,
            lds_bytes: instance.dynamic_lds_bytes,
        },
        traffic,
        arguments: Box::new(move |at| {
            let filled = structs::GemmMxfp4 {
                a: resource(at.get("a"), sizes[0]),
                w: resource(at.get("w"), sizes[1]),
                a_scales: resource(at.get("a_scales"), a_scales),
                w_scales: resource(at.get("w_scales"), w_scales),
                bias: at.get("bias"),
                out: at.get("out"),
                workspace: at.get("workspace"),
                ..arguments
            };
            bytemuck::bytes_of(&filled).to_vec()
        }),
    })
}

/// A buffer resource: `bytes` from `address` on, raw, data format 32.
fn resource(address: u64, bytes: usize) -> [u32; 4] {
    [address as u32, (address >> 32) as u32, bytes as u32, 0x27000]
}

/// What the kernels do not take.
fn legal(instance: &Instance, case: &Case) -> Result<()> {
    let Case { m, n, k, splits, batch, .. } = *case;
    let activations_bf16 = instance.define("ACTIVATIONS") == Some("bf16");
    let element = if activations_bf16 { 2 } else { 1 };
    let stride = n + case.gap.elements();
    let largest = m.max(n) * (k * element + 2 * case.gap.elements());
    let batched = instance.define("BATCHED") == Some("1");
    let tail = instance.define("TAIL") == Some("1");
    let reason = if n == 0 || !n.is_multiple_of(16) {
        "N is a multiple of 16"
    } else if k == 0 || !k.is_multiple_of(64) {
        "K is a multiple of 64"
    } else if splits == 0 || batch == 0 || (splits > 1 && batch > 1) {
        "a batch of several products is not split"
    } else if batch > 1 && !batched {
        "a batch of several products needs an instance with BATCHED = 1"
    } else if !tail && !k.is_multiple_of(Tiling::of(instance)?.k_step) {
        "K is a multiple of KSTEP for an instance with TAIL = 0"
    } else if stride >= STRIDE_LIMIT || largest >= 1 << 31 {
        "operands are smaller than 2 GiB, rows of the result less than 2^22 elements apart"
    } else {
        return Ok(());
    };
    Err(Error::Shape {
        kernel: instance.path(),
        operands: format!("M {m}, N {n}, K {k}, {splits} splits, batch {batch}"),
        reason: reason.into(),
    })
}

fn kind(instance: &Instance) -> Result<GemmMxfp4> {
    let tiling = Tiling::of(instance)?;
    let choice = |name: &str, of: [&str; 2]| -> Result<bool> {
        let text = instance.define(name).unwrap_or("");
        match of.iter().position(|t| *t == text) {
            Some(at) => Ok(at == 1),
            None => {
                Err(declaration(instance, format!("{name} = \"{text}\" is neither {} nor {}", of[0], of[1])))
            }
        }
    };
    let rule = if choice("ACTIVATIONS", ["mxfp4", "bf16"])? {
        let text = instance.define("ROUNDING").unwrap_or("");
        let scale = ScaleRounding::from_name(text)
            .ok_or_else(|| declaration(instance, format!("ROUNDING = \"{text}\" is no rule for scales")))?;
        Some(Mxfp4Rule::new(scale))
    } else {
        None
    };
    Ok(GemmMxfp4 {
        rule,
        weights_shuffled: choice("WEIGHTS", ["raw", "shuffled"])?,
        scales: if choice("SCALES", ["raw", "shuffled"])? { ScaleLayout::Shuffled } else { ScaleLayout::Raw },
        out: if choice("OUT", ["bf16", "f32"])? { Dtype::F32 } else { Dtype::Bf16 },
        k_step: tiling.k_step,
        waves_k: tiling.waves_k,
        counters: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_k_once_and_in_order() {
        for (k, k_step, waves_k, splits) in
            [(7168, 256, 4, 4), (64, 256, 4, 2), (704, 128, 3, 1), (1344, 256, 2, 3)]
        {
            let parts = parts(k, k_step, waves_k, splits);
            assert_eq!(parts.len(), splits);
            let mut next = 0;
            for range in parts.iter().flatten() {
                assert_eq!(range.start, next);
                next = range.end;
            }
            assert_eq!(next, k / BLOCK);
        }
    }
}
