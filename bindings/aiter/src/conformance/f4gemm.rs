//! Conformance of `f4gemm`.

use numerics::bf16;
use numerics::layout::{ScaleShuffle, WeightShuffle};

use super::{Lab, Outcome, Tally};
use crate::reference::{Allowed, Dot, Mxfp4Matrix, Stored, mxfp4_product};
use crate::{F4Choice, F4Gemm, F4Operands, F4Tile, GemmShape, Result};

pub(super) const FINDINGS: &[&str] = &[
    "The sizes are rounded up to what a kernel can do: 192x256, 224x256, 256x256 and 128x512 store whole tiles of \
     columns (no mask by column, only a buffer range that ends with row M), all others test every 32 columns; the \
     256x256 kernel for a row-major B also stores whole tiles of rows (its output range is 4 GiB). With a tail the \
     excess of one row lands in the next, in a race with its owner. AITER's choice checks N for 128x512 alone.",
    "32 of 35 kernels load alpha and never use it, and none uses the bias and beta that AITER's entry accepts.",
];

pub(super) const BOUND: &str = "block sums are exact in f32; adding K/32 of them in any order, \
                                rounded or truncated to 24 bits, \
                     errs by at most K/32 · 2^-23 · Σ|block sum|; each part of a split and each atomic addition \
                     rounds to bf16 (2^-8 of what is there); the result is stored as the nearest bf16.";

/// One case: the sizes, how K is split, and the weight.
#[derive(Clone, Copy)]
struct Case {
    shape: GemmShape,
    log2_split: u32,
    alpha: f32,
}

pub(super) fn run(lab: &mut Lab) -> Result<()> {
    for tile in F4Gemm::open(lab.kernels())?.tiles() {
        for case in cases() {
            lab.case(&tile.object, case.to_string(), |lab| match excluded(tile, &case) {
                Some(reason) => Ok(Outcome::Excluded(reason.to_owned())),
                None => compare(lab, tile, &case.within(tile)),
            })?;
        }
    }
    Ok(())
}

/// The shapes: K minimum, M = 1, tails of M beside every tile edge, tails of N, long K, split K, alpha.
fn cases() -> Vec<Case> {
    let plain = |m, n, k| Case { shape: GemmShape { m, n, k }, log2_split: 0, alpha: 1.0 };
    vec![
        plain(1, 1024, 256),
        plain(1, 512, 2048),
        plain(16, 2112, 512),
        plain(31, 1536, 768),
        plain(32, 1024, 1024),
        plain(33, 384, 512),
        plain(64, 128, 7168),
        plain(100, 640, 256),
        plain(129, 544, 512),
        plain(257, 1056, 256),
        plain(3, 32, 512),
        plain(225, 96, 1536),
        Case { log2_split: 1, ..plain(65, 1024, 1024) },
        Case { log2_split: 2, ..plain(130, 512, 2048) },
        Case { log2_split: 3, ..plain(16, 512, 7168) },
        Case { alpha: 0.75, ..plain(40, 1024, 512) },
    ]
}

fn excluded(tile: &F4Tile, case: &Case) -> Option<&'static str> {
    if case.log2_split > 0 && !tile.split_k {
        Some("the manifest says that the kernel does not split K")
    } else if case.alpha != 1.0 && !tile.limits().alpha {
        Some("the machine code loads alpha and never uses it")
    } else {
        None
    }
}

impl Case {
    /// The case with its sizes rounded up to what the kernel can do.
    fn within(self, tile: &F4Tile) -> Self {
        let (limits, GemmShape { m, n, k }) = (tile.limits(), self.shape);
        let (m, n) = (m.next_multiple_of(limits.m_multiple), n.next_multiple_of(limits.n_multiple));
        Self { shape: GemmShape { m, n, k: k.max(limits.k_minimum) }, ..self }
    }
}

fn compare(lab: &mut Lab, tile: &F4Tile, case: &Case) -> Result<Outcome> {
    let GemmShape { m, n, k } = case.shape;
    let groups = k / 32;
    let (a, b) = (lab.random().bytes(m * k / 2), lab.random().bytes(n * k / 2));
    // Seven octaves on either side, so that the blocks of one sum differ by up to 2^12 and cancel in part.
    let mut scales =
        |rows: usize| (0..rows * groups).map(|_| 124 + lab.random().below(7) as u8).collect::<Vec<_>>();
    let (a_scale, b_scale) = (scales(m), scales(n));

    let device_a = lab.upload(&a)?;
    let device_b = lab.upload(&if tile.shuffled { shuffle_weight(&b, n, k / 2) } else { b.clone() })?;
    let device_a_scale = lab.upload(&shuffle_scale(&a_scale, m, groups))?;
    let device_b_scale = lab.upload(&shuffle_scale(&b_scale, n, groups))?;
    let mut out = lab.output::<u16>(m * n)?;
    if case.log2_split > 0 {
        out.as_mut_slice()?.fill_bytes(0)?;
    }
    let operands = F4Operands {
        a: device_a.as_slice(),
        b: device_b.as_slice(),
        a_scale: device_a_scale.as_slice(),
        b_scale: device_b_scale.as_slice(),
        alpha: case.alpha,
        out: out.as_mut_slice()?,
    };
    let choice = F4Choice { tile, log2_split: case.log2_split };
    F4Gemm::open(lab.kernels())?.launch(choice, case.shape, operands, lab.stream())?;
    let dots = mxfp4_product(
        Mxfp4Matrix { rows: m, k, codes: &a, scales: &a_scale },
        Mxfp4Matrix { rows: n, k, codes: &b, scales: &b_scale },
    );
    lab.finish(&out, |out| {
        let mut tally = Tally::default();
        for (index, (dot, code)) in dots.iter().zip(out).enumerate() {
            let (row, column) = (index / n, index % n);
            tally.add(allowed(dot, case), f64::from(bf16::to_f32(*code)), || format!("[{row}, {column}]"));
        }
        tally
    })
}

/// The bound of one element, see [`BOUND`].
///
/// Let S be Σ|block sum| and u = 2^-23 the relative error of one addition that truncates to 24 bits (rounding to
/// nearest has half of it). No partial sum exceeds S(1 + K/32·u), and each of the K/32 additions errs by u times
/// it; the product with alpha errs once more. A split into p parts stores p bf16
/// values and adds them with up to p more roundings to bf16, each of at most 2^-8 of a partial result, none of
/// which exceeds S + errors.
fn allowed(dot: &Dot, case: &Case) -> Allowed {
    let unit = 2.0_f64.powi(-23);
    let steps = (case.shape.k / 32) as f64;
    let alpha = f64::from(case.alpha);
    let sum = dot.magnitude * (1.0 + steps * unit);
    let accumulated = steps * unit * sum;
    let weighted = alpha.abs() * (accumulated + unit * sum);
    let value = alpha * dot.value;
    let parts = f64::from(1_u32 << case.log2_split);
    if case.log2_split == 0 {
        return Allowed::new(value, weighted, Stored::Bf16);
    }
    let rounding = 2.0_f64.powi(-8);
    let largest = (alpha.abs() * sum + weighted) * (1.0 + rounding).powf(2.0 * parts);
    Allowed { value, distance: weighted + 2.0 * parts * rounding * largest }
}

/// [`WeightShuffle`] of a row-major matrix.
pub(super) fn shuffle_weight(data: &[u8], rows: usize, row_bytes: usize) -> Vec<u8> {
    let layout = WeightShuffle::new(rows, row_bytes).expect("the cases have whole panels");
    (0..data.len())
        .map(|index| {
            let (row, byte) = layout.coordinates(index);
            data[row * row_bytes + byte]
        })
        .collect()
}

/// [`ScaleShuffle::dense`] of row-major scales; the padding is E8M0's NaN, so that whoever uses it is found out.
pub(super) fn shuffle_scale(data: &[u8], rows: usize, groups: usize) -> Vec<u8> {
    let layout = ScaleShuffle::dense(rows, groups);
    let mut out = vec![numerics::e8m0::NAN; layout.len()];
    for row in 0..rows {
        for group in 0..groups {
            out[layout.index(row, group)] = data[row * groups + group];
        }
    }
    out
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.shape)?;
        if self.log2_split > 0 {
            write!(f, " split {}", 1 << self.log2_split)?;
        }
        if self.alpha != 1.0 {
            write!(f, " alpha {}", self.alpha)?;
        }
        Ok(())
    }
}
