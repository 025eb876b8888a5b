//! Quantisation to FP8 and MXFP4.

use numerics::mx::{self, Mxfp4Rule, ScaleRounding};
use numerics::{bf16, e4m3};

use super::{Case, Operand, Random, f32s, size, tiles, to_bytes_u16};
use crate::{Allowed, Kernel, Result, Tally};
use peers::QUOTIENT;

/// Largest finite e4m3.
const LARGEST: f64 = 448.0;

/// e4m3 codes and one f32 scale per row.
///
/// The scale is one quotient of exact operands. Every code must be the nearest to x / scale for the scale that was
/// stored, where the quotient may err as [`QUOTIENT`]: it lies between the codes of the two ends.
pub(super) fn fp8(kernel: &Kernel, random: &mut Random) -> Result<Vec<Case>> {
    let block = kernel.constant("BLOCK")?;
    let shapes = [(1, 1), (3, 63), (2, 130), (5, block - 1), (4, block)];
    let case = |(rows, columns): (usize, usize)| {
        let mut codes = random.bf16s(rows * columns);
        // The last row is all zeros where there are several: its scale is 1.
        if rows > 1 {
            codes[(rows - 1) * columns..].fill(0);
        }
        let x: Vec<f64> = codes.iter().map(|&code| f64::from(bf16::to_f32(code))).collect();
        Case {
            shape: format!("{rows}x{columns}"),
            grid: (rows as u32, 1, 1),
            operands: vec![
                ("x_ptr", Operand::Input(to_bytes_u16(&codes))),
                ("out_ptr", Operand::Output(rows * columns)),
                ("scale_ptr", Operand::Output(4 * rows)),
                ("columns", size(columns)),
            ],
            check: Box::new(move |outputs| {
                let mut tally = Tally::default();
                let rows =
                    x.chunks_exact(columns).zip(outputs[0].chunks_exact(columns)).zip(f32s(&outputs[1]));
                for (index, ((x, codes), scale)) in rows.enumerate() {
                    compare_row(&mut tally, index, x, codes, f64::from(scale));
                }
                tally
            }),
        }
    };
    Ok(shapes.into_iter().map(case).collect())
}

fn compare_row(tally: &mut Tally, row: usize, x: &[f64], codes: &[u8], scale: f64) {
    let amax = x.iter().fold(0.0_f64, |amax, x| amax.max(x.abs()));
    let exact = if amax > 0.0 { amax / LARGEST } else { 1.0 };
    tally.add(Allowed { value: exact, distance: exact * QUOTIENT }, scale, || format!("scale[{row}]"));
    for (column, (x, &code)) in x.iter().zip(codes).enumerate() {
        let quotient = x / scale;
        let end =
            |factor: f64| f64::from(e4m3::to_f32(nearest((quotient * factor).clamp(-LARGEST, LARGEST))));
        let (one, other) = (end(1.0 - QUOTIENT), end(1.0 + QUOTIENT));
        let allowed = Allowed { value: (one + other) / 2.0, distance: (one - other).abs() / 2.0 };
        tally.add(allowed, f64::from(e4m3::to_f32(code)), || format!("code[{row}, {column}]"));
    }
}

/// The nearest code of a quotient in f64. Rounding to f32 on the way could move it across a tie of e4m3; rounding to
/// odd cannot: the last bit of the f32 keeps the memory of what was cut off.
fn nearest(value: f64) -> u8 {
    let cut = value as f32;
    let towards_zero =
        if f64::from(cut).abs() > value.abs() { f32::from_bits(cut.to_bits() - 1) } else { cut };
    let inexact = u32::from(f64::from(towards_zero) != value);
    e4m3::from_f32_rne(f32::from_bits(towards_zero.to_bits() | inexact))
}

/// e2m1 codes and E8M0 scales: bytes equal to the reference of `numerics`, which rounds the scale down.
pub(super) fn mxfp4(kernel: &Kernel, random: &mut Random) -> Result<Vec<Case>> {
    let block = kernel.constant("BLOCK")?;
    let case = |groups: usize| {
        let mut codes: Vec<u16> = Vec::with_capacity(groups * mx::BLOCK);
        for group in 0..groups {
            // Blocks of all magnitudes, of zeros, of negative zeros, of ties (small multiples of 1/4).
            let power = 2.0_f32.powi(random.below(200) as i32 - 100);
            codes.extend((0..mx::BLOCK).map(|_| match group % 5 {
                0 => bf16::from_f32_rne(0.25 * (random.below(64) as f32 - 32.0)),
                4 if group % 10 == 9 => 0x8000,
                4 => 0,
                _ => bf16::from_f32_rne(random.normal() * power),
            }));
        }
        let rule = Mxfp4Rule::new(ScaleRounding::RoundDown);
        let blocks: Vec<_> = codes
            .as_chunks::<{ mx::BLOCK }>()
            .0
            .iter()
            .map(|block| mx::quantise_mxfp4(&block.map(bf16::to_f32), &rule))
            .collect();
        Case {
            shape: format!("{groups} groups"),
            grid: (tiles(groups, block), 1, 1),
            operands: vec![
                ("x_ptr", Operand::Input(to_bytes_u16(&codes))),
                ("out_ptr", Operand::Output(groups * mx::MXFP4_BLOCK_BYTES)),
                ("scale_ptr", Operand::Output(groups)),
                ("groups", size(groups)),
            ],
            check: Box::new(move |outputs| {
                let mut tally = Tally::default();
                for (group, block) in blocks.iter().enumerate() {
                    let byte = |tally: &mut Tally, expected: u8, found: u8, name: &str| {
                        let name = || format!("{name} of group {group}");
                        tally.add(Allowed::exact(f64::from(expected)), f64::from(found), name);
                    };
                    byte(&mut tally, block.scale, outputs[1][group], "scale");
                    let found = &outputs[0][group * mx::MXFP4_BLOCK_BYTES..];
                    for (at, &expected) in block.data.iter().enumerate() {
                        byte(&mut tally, expected, found[at], &format!("byte {at}"));
                    }
                }
                tally
            }),
        }
    };
    Ok([1, 2, block - 1, block, block + 1, 5 * block + 3].into_iter().map(case).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_beside_the_nearest_is_wrong() {
        // 448 is 0x7e and 416 is 0x7d; 1 is 0x38. The scale of amax 448 is 1.
        let mut tally = Tally::default();
        compare_row(&mut tally, 0, &[448.0, 1.0, -416.0], &[0x7e, 0x38, 0xfd], 1.0);
        assert_eq!((tally.elements, tally.wrong), (4, 0));
        compare_row(&mut tally, 0, &[448.0, 1.0, -416.0], &[0x7d, 0x39, 0xfd], 1.0);
        assert_eq!(tally.wrong, 2);
    }

    #[test]
    fn ties_are_those_of_the_exact_quotient() {
        // 17 lies between 16 (0x58) and 18 (0x59).
        assert_eq!((nearest(17.0), nearest(17.0 + 1e-12), nearest(17.0 - 1e-12)), (0x58, 0x59, 0x58));
        assert_eq!((nearest(19.0), nearest(-19.0 + 1e-12), nearest(-19.0)), (0x5a, 0xd9, 0xda));
        assert_eq!(nearest(0.0), 0);
    }
}
