//! Matrix products of every format.

use numerics::{bf16, e2m1, e4m3, e5m2, e8m0, f16};

use super::{Case, Operand, Random, bf16s, f32s, size, tiles, to_bytes_u16, words};
use crate::{Allowed, Error, Kernel, Result, Stored, Tally};
use peers::{SMALLEST, UNIT};

/// Elements that share one E8M0 scale.
const BLOCK: usize = 32;

/// Elements of one side as values and as the bytes that the kernel reads, row by row.
struct Side {
    values: Vec<f64>,
    bytes: Vec<u8>,
}

/// C = A·Bᵀ.
///
/// A product of two elements of these formats has at most 22 significant bits, so it is exact in f32. Adding k of
/// them, in any order, each time rounded or truncated to 24 bits, errs by at most k · 2^-23 · Σ|product|; a partial
/// sum that is flushed to zero costs less than the smallest normal number. Sums of i8 products are exact in i32.
pub(super) fn gemm(kernel: &Kernel, random: &mut Random) -> Result<Vec<Case>> {
    let (bm, bn, bk) = (kernel.constant("BM")?, kernel.constant("BN")?, kernel.constant("BK")?);
    let shapes = [
        (1, 1, 1),
        (1, bn, bk),
        (bm, bn, bk),
        (bm, bn, 3 * bk),
        (bm - 1, bn + 1, bk + 1),
        (bm + 5, 2 * bn - 3, 2 * bk - 1),
        (17, 33, 5 * bk + 16),
        (2 * bm, 2 * bn, 4 * bk),
    ];
    shapes
        .into_iter()
        .map(|(m, n, k)| {
            let (m, n) =
                (m.next_multiple_of(kernel.multiple_of("m")), n.next_multiple_of(kernel.multiple_of("n")));
            let k = k.next_multiple_of(kernel.multiple_of("k"));
            let a = side(kernel, "a_ptr", m * k, random)?;
            let b = side(kernel, "b_ptr", n * k, random)?;
            let stored = stored(kernel)?;
            let allowed = products(&a.values, &b.values, k, |sum, magnitude| {
                let error = k as f64 * (UNIT * magnitude + SMALLEST);
                Allowed::new(sum, if stored == Stored::I32 { 0.0 } else { error }, stored)
            });
            Ok(Case {
                shape: format!("{m}x{n}x{k}"),
                grid: (tiles(m, bm), tiles(n, bn), 1),
                operands: vec![
                    ("a_ptr", Operand::Input(a.bytes)),
                    ("b_ptr", Operand::Input(b.bytes)),
                    ("c_ptr", Operand::Output(m * n * if stored == Stored::Bf16 { 2 } else { 4 })),
                    ("m", size(m)),
                    ("n", size(n)),
                    ("k", size(k)),
                ],
                check: Box::new(move |outputs| compare(&allowed, &outputs[0], n, stored)),
            })
        })
        .collect()
}

/// C = A·Bᵀ of MXFP4: every product of two e2m1 is a multiple of 1/4 of magnitude at most 36, so the 32 products of a
/// block add up exactly in 24 bits; k/32 blocks with their own powers of two are then added as above.
pub(super) fn mxfp4(kernel: &Kernel, random: &mut Random) -> Result<Vec<Case>> {
    let (bm, bn, bk) = (kernel.constant("BM")?, kernel.constant("BN")?, kernel.constant("BK")?);
    let shapes = [
        (1, 1, bk),
        (1, bn, 2 * bk),
        (bm, bn, bk),
        (bm - 1, bn + 1, 2 * bk),
        (bm + 5, 2 * bn - 3, 3 * bk),
        (17, 33, 7 * bk),
        (2 * bm, 2 * bn, 4 * bk),
    ];
    let case = |(m, n, k): (usize, usize, usize)| {
        let n = n.next_multiple_of(kernel.multiple_of("n"));
        let (a, b) = (random.bytes(m * k / 2), random.bytes(n * k / 2));
        // 2^-6 to 2^6: sums of blocks of one product then need more than f32's 24 bits.
        let mut scales = |rows: usize| -> Vec<u8> {
            (0..rows * k / BLOCK).map(|_| (121 + random.below(13)) as u8).collect()
        };
        let (a_scale, b_scale) = (scales(m), scales(n));
        let allowed = mxfp4_products((&a, &a_scale), (&b, &b_scale), k);
        Case {
            shape: format!("{m}x{n}x{k}"),
            grid: (tiles(m, bm), tiles(n, bn), 1),
            operands: vec![
                ("a_ptr", Operand::Input(a)),
                ("a_scale_ptr", Operand::Input(a_scale)),
                ("b_ptr", Operand::Input(b)),
                ("b_scale_ptr", Operand::Input(b_scale)),
                ("c_ptr", Operand::Output(2 * m * n)),
                ("m", size(m)),
                ("n", size(n)),
                ("k", size(k)),
            ],
            check: Box::new(move |outputs| compare(&allowed, &outputs[0], n, Stored::Bf16)),
        }
    };
    Ok(shapes.into_iter().map(case).collect())
}

/// C = A·Bᵀ of MXFP8 and of MXFP8 with MXFP4: the scaled products are exact in f32, their sums err as those of [`gemm`].
pub(super) fn mxfp8(kernel: &Kernel, random: &mut Random) -> Result<Vec<Case>> {
    let (bm, bn, bk) = (kernel.constant("BM")?, kernel.constant("BN")?, kernel.constant("BK")?);
    let packed = kernel.constant("B_PACK")? == 2;
    let shapes =
        [(1, 1, bk), (bm, bn, bk), (bm - 1, bn + 1, 2 * bk), (17, 33, 7 * bk), (2 * bm, 2 * bn, 4 * bk)];
    let case = |(m, n, k): (usize, usize, usize)| {
        let mut fp8 = |len| -> Vec<u8> {
            random.normals(len).into_iter().map(|x| e4m3::from_f32_rne(8.0 * x)).collect()
        };
        let a = fp8(m * k);
        let b = if packed { random.bytes(n * k / 2) } else { fp8(n * k) };
        let mut scales = |rows: usize| -> Vec<u8> {
            (0..rows * k / BLOCK).map(|_| (121 + random.below(13)) as u8).collect()
        };
        let (a_scale, b_scale) = (scales(m), scales(n));
        let scaled = |values: Vec<f32>, scales: &[u8]| -> Vec<f64> {
            let scale = |index: usize| f64::from(e8m0::to_f32(scales[index / BLOCK]));
            values.into_iter().enumerate().map(|(index, x)| f64::from(x) * scale(index)).collect()
        };
        let widen = |codes: &[u8]| codes.iter().map(|&code| e4m3::to_f32(code)).collect::<Vec<_>>();
        let split = |codes: &[u8]| {
            codes.iter().flat_map(|&byte| [e2m1::to_f32(byte), e2m1::to_f32(byte >> 4)]).collect::<Vec<_>>()
        };
        let x = scaled(widen(&a), &a_scale);
        let y = scaled(if packed { split(&b) } else { widen(&b) }, &b_scale);
        let allowed = products(&x, &y, k, |sum, magnitude| {
            Allowed::new(sum, k as f64 * UNIT * magnitude, Stored::Bf16)
        });
        Case {
            shape: format!("{m}x{n}x{k}"),
            grid: (tiles(m, bm), tiles(n, bn), 1),
            operands: vec![
                ("a_ptr", Operand::Input(a)),
                ("a_scale_ptr", Operand::Input(a_scale)),
                ("b_ptr", Operand::Input(b)),
                ("b_scale_ptr", Operand::Input(b_scale)),
                ("c_ptr", Operand::Output(2 * m * n)),
                ("m", size(m)),
                ("n", size(n)),
                ("k", size(k)),
            ],
            check: Box::new(move |outputs| compare(&allowed, &outputs[0], n, Stored::Bf16)),
        }
    };
    Ok(shapes.into_iter().map(case).collect())
}

/// Random elements of the format that the kernel takes.
fn side(kernel: &Kernel, argument: &str, len: usize, random: &mut Random) -> Result<Side> {
    let halves = |codes: Vec<u16>, widen: fn(u16) -> f32| Side {
        values: codes.iter().map(|&code| f64::from(widen(code))).collect(),
        bytes: to_bytes_u16(&codes),
    };
    let mut quarters = |narrow: fn(f32) -> u8, widen: fn(u8) -> f32| {
        let codes: Vec<u8> = random.normals(len).into_iter().map(|x| narrow(x * 2.0)).collect();
        Side { values: codes.iter().map(|&code| f64::from(widen(code))).collect(), bytes: codes }
    };
    match kernel.kind_of(argument) {
        "*fp8e4nv" => Ok(quarters(e4m3::from_f32_rne, e4m3::to_f32)),
        "*fp8e5" => Ok(quarters(e5m2::from_f32_rne, e5m2::to_f32)),
        "*bf16" => Ok(halves(random.bf16s(len), bf16::to_f32)),
        "*fp16" => {
            let codes = random.normals(len).into_iter().map(f16::from_f32_rne).collect();
            Ok(halves(codes, f16::to_f32))
        }
        "*i8" => {
            let bytes = random.bytes(len);
            Ok(Side { values: bytes.iter().map(|&byte| f64::from(byte as i8)).collect(), bytes })
        }
        other => Err(unknown(kernel, argument, other)),
    }
}

fn stored(kernel: &Kernel) -> Result<Stored> {
    match kernel.kind_of("c_ptr") {
        "*bf16" => Ok(Stored::Bf16),
        "*fp32" => Ok(Stored::F32),
        "*i32" => Ok(Stored::I32),
        other => Err(unknown(kernel, "c_ptr", other)),
    }
}

fn unknown(kernel: &Kernel, argument: &str, kind: &str) -> Error {
    Error::Argument {
        kernel: kernel.name.clone(),
        parameter: argument.to_owned(),
        reason: format!("there are no inputs of the type {kind:?}"),
    }
}

/// `allowed(Σ product, Σ|product|)` of every pair of rows.
fn products(a: &[f64], b: &[f64], k: usize, allowed: impl Fn(f64, f64) -> Allowed) -> Vec<Allowed> {
    let mut out = Vec::with_capacity(a.len() / k * (b.len() / k));
    for row in a.chunks_exact(k) {
        for column in b.chunks_exact(k) {
            let terms = || row.iter().zip(column).map(|(x, y)| x * y);
            out.push(allowed(terms().sum(), terms().map(f64::abs).sum()));
        }
    }
    out
}

fn mxfp4_products(a: (&[u8], &[u8]), b: (&[u8], &[u8]), k: usize) -> Vec<Allowed> {
    let widen = |(codes, scales): (&[u8], &[u8])| -> Vec<f64> {
        let element = |index: usize| {
            let code = codes[index / 2] >> (4 * (index % 2)) & 15;
            f64::from(e2m1::to_f32(code)) * f64::from(e8m0::to_f32(scales[index / BLOCK]))
        };
        (0..2 * codes.len()).map(element).collect()
    };
    let (a, b) = (widen(a), widen(b));
    let mut out = Vec::with_capacity(a.len() / k * (b.len() / k));
    for row in a.chunks_exact(k) {
        for column in b.chunks_exact(k) {
            let (mut sum, mut magnitude) = (0.0, 0.0_f64);
            for (x, y) in row.chunks_exact(BLOCK).zip(column.chunks_exact(BLOCK)) {
                let block: f64 = x.iter().zip(y).map(|(x, y)| x * y).sum();
                sum += block;
                magnitude += block.abs();
            }
            out.push(Allowed::new(sum, (k / BLOCK) as f64 * UNIT * magnitude, Stored::Bf16));
        }
    }
    out
}

fn compare(allowed: &[Allowed], bytes: &[u8], columns: usize, stored: Stored) -> Tally {
    let found: Vec<f64> = match stored {
        Stored::Bf16 | Stored::Bf16Truncated => bf16s(bytes).map(f64::from).collect(),
        Stored::F32 => f32s(bytes).map(f64::from).collect(),
        Stored::I32 => words(bytes).map(|word| f64::from(word as i32)).collect(),
    };
    let mut tally = Tally::default();
    for (index, (allowed, found)) in allowed.iter().zip(found).enumerate() {
        tally.add(*allowed, found, || format!("C[{}, {}]", index / columns, index % columns));
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_mxfp4_product_by_hand() {
        // Row of A: 1.5 at k=0, -6 at k=33; row of B: 2 at k=0, 4 at k=33; scales 2 and 1/2 for B.
        let (mut a, mut b) = ([0_u8; 32], [0_u8; 32]);
        (a[0], b[0]) = (3, 4);
        (a[16], b[16]) = (15 << 4, 6 << 4);
        let allowed = mxfp4_products((&a, &[127, 127]), (&b, &[128, 126]), 64);
        assert_eq!(allowed.len(), 1);
        assert_eq!(allowed[0].value, 6.0 - 12.0);
        assert_eq!(allowed[0].distance, Allowed::new(-6.0, 2.0 * UNIT * 18.0, Stored::Bf16).distance);
    }

    #[test]
    fn a_product_by_hand() {
        let allowed = products(&[1.0, 2.0, 3.0, 4.0], &[1.0, -1.0], 2, |sum, magnitude| Allowed {
            value: sum,
            distance: magnitude,
        });
        assert_eq!(allowed, [Allowed { value: -1.0, distance: 3.0 }, Allowed { value: -1.0, distance: 7.0 }]);
    }
}
