//! Plain MXFP4: every bit is defined by the formats and the rule.

use numerics::mx::{self, BLOCK, MXFP4_BLOCK_BYTES, Mxfp4Block, Mxfp4Rule};
use numerics::{bf16, e2m1, e8m0};

use crate::rows::check_rows;
use crate::{Elements, Error, Rows, SCALE_PADDING, ScaleLayout, Verdict, Violation};

/// A quantised tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mxfp4 {
    /// Rows.
    pub m: usize,
    /// Elements per row.
    pub k: usize,
    /// `[M, K/2]`, no gaps, two E2M1 per byte, low nibble first.
    pub data: Vec<u8>,
    /// `layout.len(m, k/32)` E8M0 bytes.
    pub scales: Vec<u8>,
    /// Order of `scales`.
    pub layout: ScaleLayout,
}

impl Mxfp4 {
    /// One block of 32 elements.
    #[must_use]
    pub fn block(&self, row: usize, group: usize) -> Mxfp4Block {
        let start = row * self.k / 2 + group * MXFP4_BLOCK_BYTES;
        let mut data = [0; MXFP4_BLOCK_BYTES];
        data.copy_from_slice(&self.data[start..start + MXFP4_BLOCK_BYTES]);
        Mxfp4Block { scale: self.scales[self.layout.index(self.m, self.k / BLOCK, row, group)], data }
    }

    /// Compares a device's output bit by bit, padding included. Codes of a block whose scale byte is 255 carry no
    /// value and are not compared.
    ///
    /// `data` has rows of K/2 bytes, `data_stride` bytes apart; `scales` has this tensor's layout.
    pub fn compare(&self, data: &[u8], data_stride: usize, scales: &[u8]) -> Result<Verdict, Error> {
        let operation = "compare MXFP4";
        check_packed(operation, self.m, self.k, data, data_stride, scales, self.layout)?;
        let mut verdict = Verdict::default();
        let groups = self.k / BLOCK;
        for row in 0..self.m {
            for group in 0..groups {
                let expected = self.block(row, group);
                let actual = scales[self.layout.index(self.m, groups, row, group)];
                verdict.checked += 1;
                if actual != expected.scale {
                    let legal = (expected.scale, expected.scale);
                    verdict.push(f64::INFINITY, Violation::Scale { row, group, legal, actual });
                    continue;
                }
                if expected.scale == e8m0::NAN {
                    continue;
                }
                verdict.checked += BLOCK as u64;
                let start = row * data_stride + group * MXFP4_BLOCK_BYTES;
                let bytes = &data[start..start + MXFP4_BLOCK_BYTES];
                if bytes == expected.data {
                    continue;
                }
                for column in 0..BLOCK {
                    let code = |bytes: &[u8]| bytes[column / 2] >> (column % 2 * 4) & 15;
                    let (wanted, actual) = (code(&expected.data), code(bytes));
                    if wanted != actual {
                        let scale = e8m0::to_f32(expected.scale);
                        let (wanted, actual) = (e2m1::to_f32(wanted) * scale, e2m1::to_f32(actual) * scale);
                        let column = group * BLOCK + column;
                        let truth = f64::from(wanted);
                        verdict.push(
                            (f64::from(actual) - truth).abs(),
                            Violation::Element { row, column, legal: (wanted, wanted), actual, truth },
                        );
                    }
                }
            }
        }
        verdict.check_padding(self.layout, self.m, groups, scales);
        Ok(verdict)
    }
}

/// Quantises `[M, K]` to MXFP4, one scale per 32 elements of a row. Padding of a shuffled scale buffer becomes
/// [`SCALE_PADDING`]. A block with Inf or NaN gets scale byte 255.
pub fn quantise_mxfp4(
    x: Elements<'_>,
    rows: Rows,
    rule: &Mxfp4Rule,
    layout: ScaleLayout,
) -> Result<Mxfp4, Error> {
    let operation = "quantise MXFP4";
    rows.check_blocks(operation, BLOCK)?;
    rows.check(operation, "x", rows.k, x.len())?;
    let Rows { m, k, stride } = rows;
    let groups = k / BLOCK;
    let mut data = vec![0; m * k / 2];
    let mut scales = vec![SCALE_PADDING; layout.len(m, groups)];
    let mut values = [0.0; BLOCK];
    let blocks = data.as_chunks_mut::<MXFP4_BLOCK_BYTES>().0;
    for row in 0..m {
        for group in 0..groups {
            x.widen(row * stride + group * BLOCK, &mut values);
            let block = mx::quantise_mxfp4(&values, rule);
            blocks[row * groups + group] = block.data;
            scales[layout.index(m, groups, row, group)] = block.scale;
        }
    }
    Ok(Mxfp4 { m, k, data, scales, layout })
}

/// Dequantises MXFP4 to `[M, K]` bf16 bits, no gaps. Exact, except that ±4 and ±6 under scale byte 254 overflow to
/// ±Inf; scale byte 255 gives NaN (bits 0x7FC0, or 0xFFC0 for a negative code).
///
/// `data` has rows of K/2 bytes, `data_stride` bytes apart.
pub fn dequantise_mxfp4(
    data: &[u8],
    data_stride: usize,
    scales: &[u8],
    layout: ScaleLayout,
    m: usize,
    k: usize,
) -> Result<Vec<u16>, Error> {
    check_packed("dequantise MXFP4", m, k, data, data_stride, scales, layout)?;
    let groups = k / BLOCK;
    let mut values = vec![0; m * k];
    for row in 0..m {
        for group in 0..groups {
            let start = row * data_stride + group * MXFP4_BLOCK_BYTES;
            let scale = e8m0::to_f32(scales[layout.index(m, groups, row, group)]);
            let out = &mut values[row * k + group * BLOCK..][..BLOCK];
            for (pair, byte) in out.as_chunks_mut::<2>().0.iter_mut().zip(&data[start..]) {
                *pair = [*byte, byte >> 4].map(|code| {
                    let sign = u16::from(code & 8) << 12;
                    bf16::from_f32_rne(e2m1::to_f32(code & 7) * scale) | sign
                });
            }
        }
    }
    Ok(values)
}

/// Checks a packed tensor's shape, data and scales against each other.
pub(crate) fn check_packed(
    operation: &'static str,
    m: usize,
    k: usize,
    data: &[u8],
    data_stride: usize,
    scales: &[u8],
    layout: ScaleLayout,
) -> Result<(), Error> {
    Rows::packed(m, k).check_blocks(operation, BLOCK)?;
    check_rows(operation, "data", m, k / 2, data_stride, data.len())?;
    let needed = layout.len(m, k / BLOCK);
    if scales.len() < needed {
        return Err(Error::TooShort { operation, operand: "scales", needed, actual: scales.len() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use numerics::mx::ScaleRounding;

    use super::*;

    const RULE: Mxfp4Rule = Mxfp4Rule::new(ScaleRounding::RoundUp);

    /// Two rows of 64 with a stride of 72, the gap full of NaN.
    fn strided() -> (Vec<f32>, Rows) {
        let rows = Rows { m: 2, k: 64, stride: 72 };
        let element = |i: usize| match i % 72 {
            column @ 0..64 => (column as f32 - 31.0) * 0.37 * if i < 72 { 1.0 } else { 64.0 },
            _ => f32::NAN,
        };
        ((0..136).map(element).collect(), rows)
    }

    #[test]
    fn every_layout_holds_the_same_blocks() {
        let (x, rows) = strided();
        let raw = quantise_mxfp4(Elements::F32(&x), rows, &RULE, ScaleLayout::Raw).unwrap();
        for layout in ScaleLayout::ALL {
            let other = quantise_mxfp4(Elements::F32(&x), rows, &RULE, layout).unwrap();
            assert_eq!(other.data, raw.data);
            assert_eq!(other.scales.len(), layout.len(2, 2));
            for (row, group) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                assert_eq!(other.block(row, group), raw.block(row, group), "{layout:?}");
            }
            let set = other.scales.iter().filter(|scale| **scale != SCALE_PADDING).count();
            assert_eq!(set, 4, "{layout:?}");
        }
    }

    #[test]
    fn dequantised_values_are_near_and_quantise_to_themselves() {
        let (x, rows) = strided();
        let first = quantise_mxfp4(Elements::F32(&x), rows, &RULE, ScaleLayout::Shuffled).unwrap();
        let values = dequantise_mxfp4(&first.data, 32, &first.scales, first.layout, 2, 64).unwrap();
        for (i, value) in values.iter().enumerate() {
            let (source, scale) = (x[i / 64 * 72 + i % 64], first.block(i / 64, i % 64 / 32).scale);
            let error = (bf16::to_f32(*value) - source).abs();
            assert!(error <= e8m0::to_f32(scale), "{i}: {source} is {}", bf16::to_f32(*value));
        }
        let again =
            quantise_mxfp4(Elements::Bf16(&values), Rows::packed(2, 64), &RULE, first.layout).unwrap();
        assert_eq!(again, first);
    }

    #[test]
    fn special_values_dequantise_to_defined_bits() {
        // Codes: +0, -0, +6, -0.5.
        let data = [0x80, 0x97].repeat(8);
        let first =
            |scale| dequantise_mxfp4(&data, 16, &[scale], ScaleLayout::Raw, 1, 32).unwrap()[..4].to_vec();
        assert_eq!(first(127), [0x0000, 0x8000, 0x40c0, 0xbf00]);
        // 2^-128 is denormal.
        assert_eq!(first(0), [0x0000, 0x8000, 0x0140, 0x8020]);
        assert_eq!(first(254), [0x0000, 0x8000, 0x7f80, 0xfe80]);
        assert_eq!(first(255), [0x7fc0, 0xffc0, 0x7fc0, 0xffc0]);
    }

    #[test]
    fn a_comparison_sees_codes_scales_and_padding() {
        let (x, rows) = strided();
        let tensor = quantise_mxfp4(Elements::F32(&x), rows, &RULE, ScaleLayout::Shuffled).unwrap();
        let compare = |data: &[u8], scales: &[u8]| tensor.compare(data, 32, scales).unwrap();
        assert!(compare(&tensor.data, &tensor.scales).is_right());

        let mut data = tensor.data.clone();
        data[32 + 17] ^= 0x10;
        let verdict = compare(&data, &tensor.scales);
        assert_eq!(verdict.violations, 1);
        assert!(matches!(verdict.worst, Some(Violation::Element { row: 1, column: 35, .. })), "{verdict:?}");

        let mut scales = tensor.scales.clone();
        let at = tensor.layout.index(2, 2, 1, 1);
        scales[at] += 1;
        let verdict = compare(&tensor.data, &scales);
        assert!(matches!(verdict.first[..], [Violation::Scale { row: 1, group: 1, .. }]), "{verdict:?}");

        scales.copy_from_slice(&tensor.scales);
        scales[2047] = 127;
        let verdict = compare(&tensor.data, &scales);
        assert!(
            matches!(verdict.first[..], [Violation::Padding { index: 2047, actual: 127 }]),
            "{verdict:?}"
        );
    }

    #[test]
    fn codes_under_a_nan_scale_are_not_compared() {
        let mut x = [1.0; 32];
        x[5] = f32::INFINITY;
        let tensor = quantise_mxfp4(Elements::F32(&x), Rows::packed(1, 32), &RULE, ScaleLayout::Raw).unwrap();
        assert_eq!(tensor.scales, [255]);
        assert!(tensor.compare(&[0; 16], 16, &[255]).unwrap().is_right());
        assert!(!tensor.compare(&tensor.data, 16, &[254]).unwrap().is_right());
    }

    #[test]
    fn operands_that_do_not_fit_are_refused() {
        let rows = Rows::packed(1, 48);
        let partial = quantise_mxfp4(Elements::F32(&[0.0; 48]), rows, &RULE, ScaleLayout::Raw);
        assert!(matches!(partial, Err(Error::PartialBlock { k: 48, .. })));
        let short = dequantise_mxfp4(&[0; 32], 16, &[0; 63], ScaleLayout::Shuffled, 2, 32);
        assert!(matches!(short, Err(Error::TooShort { operand: "scales", needed: 2048, actual: 63, .. })));
    }
}
