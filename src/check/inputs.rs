//! What a case's input tensors hold: ordinary numbers, and the ones that find mistakes.
//!
//! Everything follows from the seed, the kernel's name and the case, so that one case can be repeated alone.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use reference::ScaleLayout;
use sha2::{Digest, Sha256};

use crate::golden;
use crate::ops::{Content, Element, Input, Kind, Pattern, Problem, Span, Tensors, Values};

/// Elements that share a power of two in [`Values::Wide`].
const BLOCK: usize = numerics::mx::BLOCK;

/// The input tensors of `problem`.
#[must_use]
pub fn generate(problem: &Problem, kernel: &str, seed: u64) -> Tensors {
    let mut tensors = Tensors::default();
    for input in &problem.inputs {
        let label = format!("{seed} {kernel} {} {}", problem.case, input.name);
        let mut source = Source::new(&label);
        let bytes = match input.content {
            Content::AmaxOfX { element } => amax(element, tensors.get("x")).to_bits().to_le_bytes().into(),
            _ => source.fill(problem, input),
        };
        tensors.0.push((input.name, bytes));
    }
    tensors
}

/// The largest magnitude of `bytes`, elements of that format; NaN counts as the largest.
#[must_use]
pub fn amax(element: Element, bytes: &[u8]) -> f32 {
    numerics::mx::amax(&widen(element, bytes))
}

/// The elements in `bytes` as f32; exact.
#[must_use]
pub fn widen(element: Element, bytes: &[u8]) -> Vec<f32> {
    let halves = |to_f32: fn(u16) -> f32| {
        bytes.as_chunks::<2>().0.iter().map(|b| to_f32(u16::from_le_bytes(*b))).collect()
    };
    match element {
        Element::Bf16 => halves(numerics::bf16::to_f32),
        Element::F16 => halves(numerics::f16::to_f32),
        Element::F32 => bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
    }
}

/// Which elements to draw.
#[derive(Clone, Copy)]
struct Draw {
    element: Element,
    span: Span,
    exponents: (i32, i32),
    values: Values,
}

/// A stream of random values.
#[derive(Debug)]
pub struct Source {
    rng: ChaCha8Rng,
    /// Box and Muller's method makes two at a time.
    spare: Option<f32>,
}

impl Source {
    /// The stream that follows from `label`, the same on every machine.
    #[must_use]
    pub fn new(label: &str) -> Self {
        Self { rng: ChaCha8Rng::from_seed(Sha256::digest(label).into()), spare: None }
    }

    fn fill(&mut self, problem: &Problem, input: &Input) -> Vec<u8> {
        let size = input.layout.live_bytes();
        match input.content {
            Content::Elements { element, span, exponents } => {
                if problem.case.values == Values::Golden {
                    return golden_elements(element);
                }
                let columns = input.layout.row_bytes / element.bytes();
                let draw = Draw { element, span, exponents, values: problem.case.values };
                self.elements(draw, input.layout.rows, columns)
            }
            Content::Weights { element } => {
                let mut bytes = Vec::with_capacity(size);
                for _ in 0..size / element.bytes() {
                    element.write(1.0 + 0.25 * self.normal(), &mut bytes);
                }
                bytes
            }
            Content::Scales { layout, m, groups } => self.scales(problem, layout, m, groups),
            Content::ProductScales { layout, m, groups, batch } => (0..batch)
                .flat_map(|_| {
                    let raw = self.product_scales(problem.case.values, m * groups);
                    self.in_layout(&raw, layout, m, groups)
                })
                .collect(),
            Content::Bytes | Content::AmaxOfX { .. } => self.bytes(size),
        }
    }

    fn elements(&mut self, draw: Draw, rows: usize, columns: usize) -> Vec<u8> {
        let Draw { element, span, exponents: (low, high), values } = draw;
        if values == Values::Bits {
            return self.bytes(rows * columns * element.bytes());
        }
        let width = match span {
            Span::Columns(n) => n,
            Span::Row => columns,
        };
        let mut bytes = Vec::with_capacity(rows * columns * element.bytes());
        let mut turn = 0;
        let mut row = vec![0.0; columns];
        for _ in 0..rows {
            match values {
                Values::Normal => row.iter_mut().for_each(|x| *x = self.normal()),
                Values::Wide => {
                    for block in row.chunks_mut(BLOCK) {
                        let scale = exp2(self.between(low, high));
                        block.iter_mut().for_each(|x| *x = self.normal() * scale);
                    }
                }
                Values::Adversarial => {
                    for group in row.chunks_mut(width) {
                        self.pattern(Pattern::ALL[turn % Pattern::ALL.len()], element, group);
                        turn += 1;
                    }
                }
                Values::Only(pattern) => self.pattern(pattern, element, &mut row),
                Values::Bits | Values::Golden => unreachable!("made elsewhere"),
            }
            row.iter().for_each(|x| element.write(*x, &mut bytes));
        }
        bytes
    }

    fn pattern(&mut self, pattern: Pattern, element: Element, group: &mut [f32]) {
        let (low, high) = element.exponents();
        let tiny = exp2(low - element.mantissa_bits());
        let max = (2.0 - exp2(-element.mantissa_bits())) * exp2(high);
        match pattern {
            Pattern::Zeros => group.fill(0.0),
            Pattern::NegativeZeros => group.fill(-0.0),
            Pattern::Max => group.iter_mut().for_each(|x| *x = self.sign() * max),
            Pattern::Tiny => group.iter_mut().for_each(|x| *x = self.sign() * tiny),
            Pattern::Subnormal => {
                let steps = 1_u64 << element.mantissa_bits();
                group.iter_mut().for_each(|x| *x = self.sign() * tiny * self.below(steps) as f32);
            }
            Pattern::Nan => self.plant(group, &[f32::NAN]),
            Pattern::Inf => self.plant(group, &[f32::INFINITY]),
            Pattern::InfAndNan => self.plant(group, &[f32::NEG_INFINITY, f32::NAN]),
            Pattern::Outlier => {
                group.iter_mut().for_each(|x| *x = self.normal() * tiny);
                let at = self.below(group.len() as u64) as usize;
                group[at] = self.sign() * exp2(high - 1);
            }
            Pattern::Thresholds => {
                // E2M1: ties lie halfway between 0, 0.5, 1, 1.5, 2, 3, 4, 6. All stay below the edge, which is
                // to be the largest magnitude.
                let edge = [4.0, 6.0, 7.0][self.below(3) as usize];
                let ties = [0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0];
                self.around(if edge > 5.0 { &ties } else { &ties[..6] }, element, group, 0);
                let at = self.below(group.len() as u64) as usize;
                let scale = exp2(self.between(low + 4, high - 3));
                group[at] = self.sign() * self.near(edge, element);
                group.iter_mut().for_each(|x| *x *= scale);
            }
            Pattern::Ties8 => {
                // E4M3: three mantissa bits, so ties have the fourth set; and the largest, which fixes the scale.
                self.around(&[1.0625, 1.1875, 1.3125, 1.9375], element, group, 8);
                group[0] = self.sign() * 448.0;
            }
        }
    }

    /// Ordinary numbers with `special` at random places.
    fn plant(&mut self, group: &mut [f32], special: &[f32]) {
        group.iter_mut().for_each(|x| *x = self.normal());
        let first = self.below(group.len() as u64) as usize;
        for (i, value) in special.iter().enumerate() {
            let at = (first + i * 7) % group.len();
            group[at] = *value;
        }
    }

    /// Values at and one step beside one of `ties`, of either sign, times up to 2^`octaves`.
    fn around(&mut self, ties: &[f32], element: Element, group: &mut [f32], octaves: i32) {
        for x in group {
            let tie = ties[self.below(ties.len() as u64) as usize];
            *x = self.sign() * self.near(tie, element) * exp2(self.between(0, octaves));
        }
    }

    /// `x`, or a neighbour of `x` in the format.
    fn near(&mut self, x: f32, element: Element) -> f32 {
        let step = exp2(x.log2().floor() as i32 - element.mantissa_bits());
        x + step * (self.below(3) as f32 - 1.0)
    }

    fn scales(&mut self, problem: &Problem, layout: ScaleLayout, m: usize, groups: usize) -> Vec<u8> {
        let mut raw = self.bytes(m * groups);
        if matches!(problem.kind, Kind::DequantiseMxfp4 { .. }) && problem.case.values == Values::Normal {
            // The scales of ordinary tensors, rather than mostly those of enormous ones.
            raw.iter_mut().for_each(|s| *s = 120 + *s % 12);
        }
        self.in_layout(&raw, layout, m, groups)
    }

    /// Ordinary tensors' scales; those of [`Values::Wide`] from 2^-37 to 2^36, so that no sum of products leaves f32;
    /// among those of [`Values::Adversarial`] zeros and NaN.
    fn product_scales(&mut self, values: Values, count: usize) -> Vec<u8> {
        let mut raw = self.bytes(count);
        for scale in &mut raw {
            *scale = match values {
                Values::Adversarial if *scale == 1 => numerics::e8m0::NAN,
                Values::Adversarial if *scale < 32 => 0,
                Values::Wide => 90 + *scale % 74,
                _ => 120 + *scale % 12,
            };
        }
        raw
    }

    /// Scales in their places, anything in between.
    fn in_layout(&mut self, raw: &[u8], layout: ScaleLayout, m: usize, groups: usize) -> Vec<u8> {
        let mut scales = self.bytes(layout.len(m, groups));
        for row in 0..m {
            for group in 0..groups {
                scales[layout.index(m, groups, row, group)] = raw[row * groups + group];
            }
        }
        scales
    }

    /// So many random bytes.
    pub fn bytes(&mut self, size: usize) -> Vec<u8> {
        let mut bytes = vec![0; size];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    /// Uniform in 0 (inclusive) to `end` (exclusive).
    fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.rng.next_u64()) * u128::from(end)) >> 64) as u64
    }

    /// Uniform in `low` to `high`, both inclusive.
    fn between(&mut self, low: i32, high: i32) -> i32 {
        low + self.below((high - low + 1) as u64) as i32
    }

    fn sign(&mut self) -> f32 {
        if self.rng.next_u32() & 1 == 0 { 1.0 } else { -1.0 }
    }

    /// A deviate with mean 0 and deviation 1, by Box and Muller's method.
    pub fn normal(&mut self) -> f32 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let mut unit = || ((self.rng.next_u64() >> 11) as f64 + 1.0) / (1_u64 << 53) as f64;
        let (radius, angle) = ((-2.0 * unit().ln()).sqrt(), std::f64::consts::TAU * unit());
        self.spare = Some((radius * angle.sin()) as f32);
        (radius * angle.cos()) as f32
    }
}

fn golden_elements(element: Element) -> Vec<u8> {
    let mut bytes = Vec::new();
    for bits in golden::blocks().iter().flat_map(|b| &b.bits) {
        match element {
            // Bits, not values: a NaN keeps its payload.
            Element::Bf16 => bytes.extend(bits.to_le_bytes()),
            _ => element.write(numerics::bf16::to_f32(*bits), &mut bytes),
        }
    }
    bytes
}

/// 2^n, subnormals included.
fn exp2(n: i32) -> f32 {
    2.0_f64.powi(n) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Source {
        Source { rng: ChaCha8Rng::seed_from_u64(7), spare: None }
    }

    #[test]
    fn patterns_are_what_they_say() {
        for element in [Element::Bf16, Element::F16, Element::F32] {
            let made = |pattern| {
                let mut group = [0.5; 32];
                source().pattern(pattern, element, &mut group);
                let mut bytes = Vec::new();
                group.iter().for_each(|x| element.write(*x, &mut bytes));
                widen(element, &bytes)
            };
            let (low, high) = element.exponents();
            assert!(made(Pattern::NegativeZeros).iter().all(|x| *x == 0.0 && x.is_sign_negative()));
            assert!(made(Pattern::Max).iter().all(|x| x.is_finite() && x.abs() > exp2(high)), "{element:?}");
            assert!(made(Pattern::Tiny).iter().all(|x| *x != 0.0 && x.abs() < exp2(low)), "{element:?}");
            assert!(made(Pattern::Subnormal).iter().all(|x| x.abs() < exp2(low)), "{element:?}");
            assert_eq!(made(Pattern::Nan).iter().filter(|x| x.is_nan()).count(), 1);
            assert_eq!(made(Pattern::Inf).iter().filter(|x| x.is_infinite()).count(), 1);
            let both = made(Pattern::InfAndNan);
            assert_eq!(both.iter().filter(|x| !x.is_finite()).count(), 2);
            assert!(made(Pattern::Thresholds).iter().all(|x| x.is_finite() && *x != 0.0), "{element:?}");
        }
    }

    #[test]
    fn thresholds_reach_both_sides_of_every_step() {
        let mut source = source();
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..500 {
            let mut group = [0.0; 32];
            source.pattern(Pattern::Thresholds, Element::Bf16, &mut group);
            let amax = numerics::mx::amax(&group);
            let mantissa = amax.to_bits() >> 16 & 0x7f;
            seen.insert(mantissa);
        }
        // 4, 6 and 7 and their neighbours, as bf16 mantissas; the one below 4 lies an octave lower.
        for mantissa in [0x7e, 0x00, 0x01, 0x3f, 0x40, 0x41, 0x5f, 0x60, 0x61] {
            assert!(seen.contains(&mantissa), "{mantissa:#x} is not among {seen:x?}");
        }
    }

    #[test]
    fn normal_values_have_deviation_one() {
        let mut source = source();
        let values: Vec<f64> = (0..100_000).map(|_| f64::from(source.normal())).collect();
        let mean = values.iter().sum::<f64>() / 1e5;
        let variance = values.iter().map(|x| x * x).sum::<f64>() / 1e5;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
    }
}
