//! Conformance of `fp8gemm_blockscale`.

use std::fmt;

use numerics::{bf16, e4m3};

use super::f4gemm::shuffle_weight;
use super::{Lab, Outcome, Tally};
use crate::reference::{Allowed, Dot, FP8_BLOCK, Stored, fp8_block_product};
use crate::{Fp8Choice, Fp8Gemm, Fp8Operands, Fp8Tile, GemmShape, Result};

pub(super) const FINDINGS: &[&str] = &[
    "bf16 results are cut off, not rounded (v_perm_b32 with 0x07060302): twice the error of rounding, always towards \
     zero.",
];

pub(super) const BOUND: &str = "products of two e4m3 are exact in f32; the 128 of a block are added, the sum is \
                                multiplied by two scales and added to the others: 128 + 3 + K/128 operations, each \
                                with an error of at most 2^-23 · Σ|scaled product|, the bias once more; bf16 \
                                results are the upper half of the f32, cut off (2^-7); parts of a split are added \
                                atomically in bf16 (2^-8 of what is there).";

/// One case: the sizes, the parts of K and the bias.
#[derive(Clone, Copy)]
struct Case {
    shape: GemmShape,
    split: usize,
    bias: bool,
}

pub(super) fn run(lab: &mut Lab) -> Result<()> {
    for tile in Fp8Gemm::open(lab.kernels())?.tiles() {
        for case in cases() {
            lab.case(&tile.object, case.to_string(), |lab| compare(lab, tile, &case))?;
        }
    }
    Ok(())
}

/// The shapes: K minimum, M = 1, tails of M beside the tile edges, long K, splits with equal and unequal parts.
fn cases() -> Vec<Case> {
    let case = |m, n, k, split, bias| Case { shape: GemmShape { m, n, k }, split, bias };
    vec![
        case(1, 256, 128, 1, false),
        case(1, 128, 2048, 1, false),
        case(16, 512, 512, 1, false),
        case(31, 256, 384, 1, false),
        case(33, 128, 256, 1, true),
        case(47, 256, 1024, 1, false),
        case(64, 128, 7168, 1, false),
        case(65, 384, 256, 1, false),
        case(81, 256, 640, 1, true),
        case(97, 128, 384, 1, false),
        case(129, 256, 256, 1, false),
        case(257, 128, 128, 1, false),
        case(1, 256, 512, 2, false),
        case(50, 128, 1280, 4, false),
        case(20, 128, 2048, 16, false),
    ]
}

fn compare(lab: &mut Lab, tile: &Fp8Tile, case: &Case) -> Result<Outcome> {
    let GemmShape { m, n, k } = case.shape;
    let blocks = k / FP8_BLOCK;
    let mut codes =
        |len: usize| (0..len).map(|_| e4m3::from_f32_rne(lab.random().normal() * 32.0)).collect::<Vec<u8>>();
    let (a, b) = (codes(m * k), codes(n * k));
    let mut scales =
        |len: usize| (0..len).map(|_| 0.01 + lab.random().normal().abs() / 64.0).collect::<Vec<f32>>();
    let (a_scale, b_scale) = (scales(m * blocks), scales(n / FP8_BLOCK * blocks));
    let bias: Vec<f32> = (0..n).map(|_| if case.bias { lab.random().normal() * 16.0 } else { 0.0 }).collect();
    let by_block: Vec<f32> = (0..m * blocks).map(|index| a_scale[index % m * blocks + index / m]).collect();

    let device_a = lab.upload(&a)?;
    let device_b = lab.upload(&if tile.shuffled { shuffle_weight(&b, n, k) } else { b.clone() })?;
    let (device_a_scale, device_b_scale) = (lab.upload(&by_block)?, lab.upload(&b_scale)?);
    let device_bias = lab.upload(&bias)?;
    let mut out = lab.output::<u16>(m * n)?;
    if case.split > 1 {
        out.as_mut_slice()?.fill_bytes(0)?;
    }
    let operands = Fp8Operands {
        a: device_a.as_slice(),
        b: device_b.as_slice(),
        a_scale: device_a_scale.as_slice(),
        b_scale: device_b_scale.as_slice(),
        bias: device_bias.as_slice(),
        out: out.as_mut_slice()?,
    };
    let choice = Fp8Choice { tile, split: case.split };
    Fp8Gemm::open(lab.kernels())?.launch(choice, case.shape, operands, lab.stream())?;
    let dots = fp8_block_product(&a, &a_scale, &b, &b_scale, (m, n, k));
    lab.finish(&out, |out| {
        let mut tally = Tally::default();
        for (index, (dot, code)) in dots.iter().zip(out).enumerate() {
            let allowed = allowed(dot, f64::from(bias[index % n]), case);
            tally.add(allowed, f64::from(bf16::to_f32(*code)), || format!("[{}, {}]", index / n, index % n));
        }
        tally
    })
}

/// The bound of one element, see [`BOUND`].
///
/// Let S be Σ|scaled product| and u = 2^-23 the relative error of one operation that truncates to 24 bits. Inside a
/// block 128 additions err by at most u of the block's share of S each; the product of its scales, and their product
/// with the sum, err once each, and adding K/128 blocks and the bias errs by u of S each. With p parts there are p
/// conversions to bf16, cut off, and p additions in bf16, each of at most 2^-7 of a partial result.
fn allowed(dot: &Dot, added: f64, case: &Case) -> Allowed {
    let unit = 2.0_f64.powi(-23);
    let steps = (FP8_BLOCK + 3 + case.shape.k / FP8_BLOCK) as f64;
    let sum = dot.magnitude * (1.0 + steps * unit) + added.abs();
    let accumulated = steps * unit * sum;
    let value = dot.value + added;
    if case.split == 1 {
        return Allowed::new(value, accumulated, Stored::Bf16Truncated);
    }
    let (parts, rounding) = (case.split as f64, 2.0_f64.powi(-7));
    let largest = (sum + accumulated) * (1.0 + rounding).powf(2.0 * parts);
    Allowed { value, distance: accumulated + 2.0 * parts * rounding * largest }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} split {}", self.shape, self.split)?;
        if self.bias { write!(f, " bias") } else { Ok(()) }
    }
}
