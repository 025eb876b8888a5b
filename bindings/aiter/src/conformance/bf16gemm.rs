//! Conformance of `bf16gemm`.

use std::fmt;

use numerics::bf16;

use super::f4gemm::shuffle_weight;
use super::{Lab, Outcome, Tally};
use crate::bf16gemm::SEMAPHORES;
use crate::reference::{Allowed, Dot, Stored, bf16_product};
use crate::{Bf16Choice, Bf16Gemm, Bf16Operands, Bf16Output, Bf16Tile, GemmShape, Result};

pub(super) const FINDINGS: &[&str] = &[
    "The bias is read as bf16.",
    "The kernels that split K count on a semaphore even when K is not split, where AITER passes null: with K = 64 its \
     choice launches such a kernel, which faults. Given a semaphore the result is right, but the semaphore is not zero \
     afterwards, as the next launch needs it.",
    "The workgroups of a split wait for the first of their tile, which needs workgroups to start in order: these \
     kernels are not run with a random order of workgroups.",
    "The prologue advances A by three K steps and shortens its range without a test: below 384 bytes of A the range \
     wraps around and rows beyond M are loaded from behind the buffer.",
];

pub(super) const BOUND: &str = "products of two bf16 are exact in f32; adding K of them in any order, rounded or \
                                truncated to 24 bits, errs by at most K · 2^-23 · Σ|product|, the bias once more; \
                                parts of a split are added atomically in the format of the result (2^-8 of what is \
                                there for bf16); a bf16 result is stored as the nearest.";

/// One case: the sizes, the parts of K for kernels that split, the bias and the format of the result.
#[derive(Clone, Copy)]
struct Case {
    shape: GemmShape,
    split: usize,
    bias: bool,
    /// Whether the result is f32; bf16 otherwise.
    single: bool,
}

pub(super) fn run(lab: &mut Lab) -> Result<()> {
    for tile in Bf16Gemm::open(lab.kernels())?.tiles() {
        for case in cases() {
            let run = |lab: &mut Lab| match excluded(tile, &case) {
                Some(reason) => Ok(Outcome::Excluded(reason.to_owned())),
                None => compare(lab, tile, &case.within(tile)),
            };
            if tile.split_k {
                lab.case_of_waiting_groups(&tile.object, case.to_string(), run)?;
            } else {
                lab.case(&tile.object, case.to_string(), run)?;
            }
        }
    }
    Ok(())
}

/// The shapes: K minimum, M = 1, tails of M beside the tile edges, long K, every number of parts that matters.
fn cases() -> Vec<Case> {
    let case = |m, n, k, split, bias, single| Case { shape: GemmShape { m, n, k }, split, bias, single };
    let (half, single) = (false, true);
    vec![
        case(4, 256, 64, 1, false, half),
        case(1, 256, 192, 3, false, half),
        case(2, 256, 128, 2, false, single),
        case(1, 256, 512, 2, false, half),
        case(1, 512, 4096, 16, false, single),
        case(16, 256, 192, 3, false, half),
        case(31, 256, 256, 4, false, single),
        case(33, 256, 128, 2, false, half),
        case(47, 512, 320, 5, false, single),
        case(64, 256, 1024, 8, false, half),
        case(65, 256, 576, 2, false, half),
        case(97, 256, 448, 7, false, single),
        case(129, 256, 256, 2, false, half),
        case(161, 512, 384, 3, false, single),
        case(257, 256, 128, 2, false, half),
        case(50, 256, 512, 4, true, half),
        case(50, 256, 512, 4, true, single),
        case(255, 512, 256, 2, false, half),
        case(256, 256, 640, 5, false, half),
        case(300, 512, 192, 3, false, half),
    ]
}

fn excluded(tile: &Bf16Tile, case: &Case) -> Option<&'static str> {
    if case.bias && !tile.bias {
        Some("the manifest says that the kernel adds no bias")
    } else if case.single && !tile.bias {
        Some("the kernel stores bf16 only")
    } else if case.split == 1 && tile.split_k {
        Some("a kernel that splits K counts on a semaphore even when it does not, and does not leave it zero")
    } else {
        None
    }
}

impl Case {
    /// The case with the parts that the kernel can do.
    fn within(self, tile: &Bf16Tile) -> Self {
        Self { split: if tile.split_k { self.split } else { 1 }, ..self }
    }
}

fn compare(lab: &mut Lab, tile: &Bf16Tile, case: &Case) -> Result<Outcome> {
    let GemmShape { m, n, k } = case.shape;
    let mut codes =
        |len: usize| (0..len).map(|_| bf16::from_f32_rne(lab.random().normal())).collect::<Vec<u16>>();
    let (a, b, bias) = (codes(m * k), codes(n * k), codes(n));
    let device_a = lab.upload(&a)?;
    let device_b = if tile.shuffled {
        let bytes = shuffle_weight(bytemuck::cast_slice(&b), n, k * 2);
        lab.upload(&bytes.as_chunks().0.iter().map(|&code| u16::from_le_bytes(code)).collect::<Vec<_>>())?
    } else {
        lab.upload(&b)?
    };
    let device_bias = lab.upload(&bias)?;
    let semaphores = lab.upload(&[0_u32; SEMAPHORES])?;
    let operands = |out| Bf16Operands {
        a: device_a.as_slice(),
        b: device_b.as_slice(),
        bias: case.bias.then(|| device_bias.as_slice()),
        semaphores: semaphores.as_slice(),
        out,
    };
    let choice = Bf16Choice { tile, split: case.split };
    let family = Bf16Gemm::open(lab.kernels())?;
    let tally = |found: &mut dyn Iterator<Item = f64>| {
        let mut tally = Tally::default();
        for (index, (dot, found)) in bf16_product(&a, &b, (m, n, k)).iter().zip(found).enumerate() {
            let added = if case.bias { f64::from(bf16::to_f32(bias[index % n])) } else { 0.0 };
            tally.add(allowed(dot, added, case), found, || format!("[{}, {}]", index / n, index % n));
        }
        tally
    };
    let outcome = if case.single {
        let mut out = lab.output::<f32>(m * n)?;
        let operands = operands(Bf16Output::F32(out.as_mut_slice()?));
        family.launch(choice, case.shape, operands, lab.stream())?;
        lab.finish(&out, |out| tally(&mut out.iter().map(|&value| f64::from(value))))?
    } else {
        let mut out = lab.output::<u16>(m * n)?;
        let operands = operands(Bf16Output::Bf16(out.as_mut_slice()?));
        family.launch(choice, case.shape, operands, lab.stream())?;
        lab.finish(&out, |out| tally(&mut out.iter().map(|&code| f64::from(bf16::to_f32(code)))))?
    };
    if semaphores.to_vec()?.iter().any(|&count| count != 0) {
        return Ok(Outcome::Failed("the semaphores are not zero again".to_owned()));
    }
    Ok(outcome)
}

/// The bound of one element, see [`BOUND`].
///
/// Let S be Σ|product| and u = 2^-23 the relative error of one addition that truncates to 24 bits. No partial sum
/// exceeds S(1 + K·u), each of K additions errs by u times it, the bias adds one more. With p parts there are p more
/// additions in the format of the result, after one conversion of each part: with relative error r = 2^-8 for bf16
/// (nearest), u for f32, each of at most r times a partial result, none of which exceeds S + |bias| + errors.
fn allowed(dot: &Dot, added: f64, case: &Case) -> Allowed {
    let unit = 2.0_f64.powi(-23);
    let steps = case.shape.k as f64;
    let sum = dot.magnitude * (1.0 + steps * unit) + added.abs();
    let accumulated = (steps + 1.0) * unit * sum;
    let value = dot.value + added;
    if case.split == 1 {
        let stored = if case.single { Stored::F32 } else { Stored::Bf16 };
        return Allowed::new(value, accumulated, stored);
    }
    let parts = case.split as f64;
    let rounding = if case.single { unit } else { 2.0_f64.powi(-8) };
    let largest = (sum + accumulated) * (1.0 + rounding).powf(2.0 * parts);
    Allowed { value, distance: accumulated + 2.0 * parts * rounding * largest }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = if self.single { "f32" } else { "bf16" };
        write!(f, "{} split {} {format}", self.shape, self.split)?;
        if self.bias { write!(f, " bias") } else { Ok(()) }
    }
}
