//! Operators whose device arithmetic is not defined to the bit: f64 values with an error bound, and what the bound
//! allows each output to be.

use numerics::mx::{BLOCK, MXFP4_BLOCK_BYTES, Mxfp4Rule};
use numerics::{Conversion, e2m1, e4m3, e8m0};

use crate::mxfp4::check_packed;
use crate::rows::check_rows;
use crate::{Error, Half, ScaleLayout, Verdict, Violation};

/// How far the device's f32 value may be from the f64 truth: `relative · |truth| + absolute`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// Share of the truth's magnitude.
    pub relative: f64,
    /// In units of the value, for results near f32's smallest numbers.
    pub absolute: f64,
}

/// An operator as `[m, k]` true values with bounds, one row at a time.
pub trait TruthRows {
    /// Rows.
    fn m(&self) -> usize;

    /// Values per row.
    fn k(&self) -> usize;

    /// Writes one row: the values of the device's f32 result in exact arithmetic, and how far the device may be off:
    /// as far as the value itself where the result may underflow, farther only where its sign may be wrong.
    /// Both slices have [`Self::k`] elements.
    fn row(&self, row: usize, values: &mut [f64], errors: &mut [f64]);
}

/// Checks the MXFP4 output of an operator. A scale byte is legal if some amax within the bounds yields it; a code
/// is legal if some value within the bounds yields it under the scale byte *found*, so that one ambiguous scale does
/// not condemn 32 codes. Where the truth is NaN or Inf the scale must be 255, and where it is beyond f32 too; codes
/// under 255 are not compared.
///
/// `data` has rows of K/2 bytes, `data_stride` bytes apart.
pub fn verify_mxfp4(
    truth: &impl TruthRows,
    data: &[u8],
    data_stride: usize,
    scales: &[u8],
    layout: ScaleLayout,
    rule: &Mxfp4Rule,
) -> Result<Verdict, Error> {
    let (m, k) = (truth.m(), truth.k());
    check_packed("verify MXFP4", m, k, data, data_stride, scales, layout)?;
    let groups = k / BLOCK;
    let mut verdict = Verdict::default();
    let (mut values, mut errors) = (vec![0.0; k], vec![0.0; k]);
    for row in 0..m {
        truth.row(row, &mut values, &mut errors);
        let blocks = values.as_chunks::<BLOCK>().0.iter().zip(errors.as_chunks::<BLOCK>().0);
        for (group, (values, errors)) in blocks.enumerate() {
            let actual = scales[layout.index(m, groups, row, group)];
            let legal = legal_scales(values, errors, rule);
            verdict.checked += 1;
            verdict.ambiguous += u64::from(legal.0 != legal.1);
            if !(legal.0..=legal.1).contains(&actual) {
                verdict.push(f64::INFINITY, Violation::Scale { row, group, legal, actual });
                continue;
            }
            if actual == e8m0::NAN {
                continue;
            }
            let start = row * data_stride + group * MXFP4_BLOCK_BYTES;
            let bytes = &data[start..start + MXFP4_BLOCK_BYTES];
            let exponent = i32::from(actual) - 127;
            for (i, (value, error)) in values.iter().zip(errors).enumerate() {
                let found = bytes[i / 2] >> (i % 2 * 4) & 15;
                let [low, high] =
                    ends(*value, *error).map(|x| e2m1::from_f32(x as f32, exponent, rule.element));
                check_code(&mut verdict, low, high, found, 8, || {
                    let scale = e8m0::to_f32(actual);
                    (row, group * BLOCK + i, *value, Box::new(move |code| e2m1::to_f32(code as u8) * scale))
                });
            }
        }
    }
    verdict.check_padding(layout, m, groups, scales);
    Ok(verdict)
}

/// Checks the bf16 or f16 output of an operator: legal is whatever some value within the bounds rounds to (nearest
/// even). NaN must be NaN. `out` has rows `stride` elements apart.
pub fn verify_half(truth: &impl TruthRows, out: &[u16], stride: usize, half: Half) -> Result<Verdict, Error> {
    let (m, k) = (truth.m(), truth.k());
    check_rows("verify half", "out", m, k, stride, out.len())?;
    let mut verdict = Verdict::default();
    let (mut values, mut errors) = (vec![0.0; k], vec![0.0; k]);
    for row in 0..m {
        truth.row(row, &mut values, &mut errors);
        for (column, (value, error)) in values.iter().zip(&errors).enumerate() {
            let found = out[row * stride + column];
            if value.is_nan() || half.to_f32(found).is_nan() {
                check_nan(&mut verdict, row, column, *value, half.to_f32(found));
                continue;
            }
            let [low, high] = ends(*value, *error).map(|x| half.from_f32_rne(x as f32));
            check_code(&mut verdict, low, high, found, 0x8000, || {
                (row, column, *value, Box::new(move |code| half.to_f32(code)))
            });
        }
    }
    Ok(verdict)
}

/// Checks the f32 output of an operator: legal is whatever lies within the bounds, rounded to nearest. NaN must be NaN.
/// `out` has rows `stride` elements apart.
pub fn verify_f32(truth: &impl TruthRows, out: &[f32], stride: usize) -> Result<Verdict, Error> {
    let (m, k) = (truth.m(), truth.k());
    check_rows("verify f32", "out", m, k, stride, out.len())?;
    let mut verdict = Verdict::default();
    let (mut values, mut errors) = (vec![0.0; k], vec![0.0; k]);
    for row in 0..m {
        truth.row(row, &mut values, &mut errors);
        for (column, (value, error)) in values.iter().zip(&errors).enumerate() {
            let actual = out[row * stride + column];
            if value.is_nan() || actual.is_nan() {
                check_nan(&mut verdict, row, column, *value, actual);
                continue;
            }
            let legal = ends(*value, *error).map(|x| x as f32);
            verdict.checked += 1;
            verdict.ambiguous += u64::from(legal[0] != legal[1]);
            if actual < legal[0] || actual > legal[1] {
                let distance = (f64::from(actual) - *value).abs();
                let legal = (legal[0], legal[1]);
                verdict.push(distance, Violation::Element { row, column, legal, actual, truth: *value });
            }
        }
    }
    Ok(verdict)
}

/// Checks the E4M3 output of an operator whose values are already divided by their scale: legal is whatever some
/// value within the bounds rounds to (nearest even, saturating). NaN must be NaN, of either sign.
/// `out` has rows `stride` bytes apart.
pub fn verify_fp8(truth: &impl TruthRows, out: &[u8], stride: usize) -> Result<Verdict, Error> {
    let (m, k) = (truth.m(), truth.k());
    check_rows("verify FP8", "out", m, k, stride, out.len())?;
    let mut verdict = Verdict::default();
    let (mut values, mut errors) = (vec![0.0; k], vec![0.0; k]);
    for row in 0..m {
        truth.row(row, &mut values, &mut errors);
        for (column, (value, error)) in values.iter().zip(&errors).enumerate() {
            let found = out[row * stride + column];
            if value.is_nan() || e4m3::to_f32(found).is_nan() {
                check_nan(&mut verdict, row, column, *value, e4m3::to_f32(found));
                continue;
            }
            let [low, high] =
                ends(*value, *error).map(|x| e4m3::from_f32(x as f32, 0, Conversion::RNE_SATURATE));
            check_code(&mut verdict, low, high, found, 0x80, || {
                (row, column, *value, Box::new(|code| e4m3::to_f32(code as u8)))
            });
        }
    }
    Ok(verdict)
}

/// The smallest and the largest value within the bound. An end that is just 0 has the value's sign: the interval
/// reaches zero, not beyond it.
fn ends(value: f64, error: f64) -> [f64; 2] {
    if !value.is_finite() {
        return [value; 2];
    }
    [value - error, value + error].map(|end| if end == 0.0 { end.copysign(value) } else { end })
}

/// The scale bytes that some amax within the bounds yields. Monotone, so the ends suffice.
fn legal_scales(values: &[f64; BLOCK], errors: &[f64; BLOCK], rule: &Mxfp4Rule) -> (u8, u8) {
    let (mut low, mut high) = (0.0_f64, 0.0_f64);
    for (value, error) in values.iter().zip(errors) {
        if !value.is_finite() {
            return (e8m0::NAN, e8m0::NAN);
        }
        low = low.max(value.abs() - error);
        high = high.max(value.abs() + error);
    }
    (rule.scale_byte(low as f32), rule.scale_byte(high as f32))
}

fn check_nan(verdict: &mut Verdict, row: usize, column: usize, truth: f64, actual: f32) {
    verdict.checked += 1;
    if truth.is_nan() != actual.is_nan() {
        let legal = (truth as f32, truth as f32);
        verdict.push(f64::INFINITY, Violation::Element { row, column, legal, actual, truth });
    }
}

/// Coordinates, truth and decoder of an element, made only for violations.
type Place<'a> = (usize, usize, f64, Box<dyn Fn(u16) -> f32 + 'a>);

/// Checks one sign-magnitude code against the codes of both ends of its interval.
#[inline]
fn check_code<'a, C: Copy + Into<u16>>(
    verdict: &mut Verdict,
    low: C,
    high: C,
    found: C,
    sign: u16,
    place: impl FnOnce() -> Place<'a>,
) {
    let (low, high, found) = (low.into(), high.into(), found.into());
    verdict.checked += 1;
    if found == low && found == high {
        return;
    }
    // -0 lies below +0: an interval that does not reach 0 from below does not allow the wrong zero.
    let order = |code: u16| if code & sign == 0 { i32::from(code) } else { -1 - i32::from(code & !sign) };
    verdict.ambiguous += u64::from(low != high);
    if order(found) < order(low) || order(found) > order(high) {
        let (row, column, truth, decode) = place();
        let actual = decode(found);
        let legal = (decode(low), decode(high));
        let nearest = if f64::from(actual) < truth { legal.0 } else { legal.1 };
        let distance = (f64::from(actual) - f64::from(nearest)).abs();
        verdict.push(distance, Violation::Element { row, column, legal, actual, truth });
    }
}

#[cfg(test)]
mod tests {
    use numerics::mx::ScaleRounding;

    use super::*;
    use crate::{Elements, Rows, quantise_mxfp4};

    /// Values with one bound for all.
    struct Given<'a>(&'a [f32], f64);

    impl TruthRows for Given<'_> {
        fn m(&self) -> usize {
            1
        }

        fn k(&self) -> usize {
            self.0.len()
        }

        fn row(&self, _row: usize, values: &mut [f64], errors: &mut [f64]) {
            values.iter_mut().zip(self.0).for_each(|(value, x)| *value = f64::from(*x));
            errors.fill(self.1);
        }
    }

    const RULE: Mxfp4Rule = Mxfp4Rule::new(ScaleRounding::Even);

    fn verify(x: &[f32], error: f64, data: &[u8], scales: &[u8]) -> Verdict {
        verify_mxfp4(&Given(x, error), data, data.len(), scales, ScaleLayout::Raw, &RULE).unwrap()
    }

    #[test]
    fn an_exact_truth_allows_the_quantiser_s_result_only() {
        let x: Vec<f32> = (0..32).map(|i| (i as f32 - 9.5) * 0.3).collect();
        let made = quantise_mxfp4(Elements::F32(&x), Rows::packed(1, 32), &RULE, ScaleLayout::Raw).unwrap();
        let verdict = verify(&x, 0.0, &made.data, &made.scales);
        assert!(verdict.is_right() && verdict.ambiguous == 0 && verdict.checked == 33, "{verdict:?}");
        for at in 0..16 {
            let mut data = made.data.clone();
            data[at] ^= 1;
            assert_eq!(verify(&x, 0.0, &data, &made.scales).violations, 1);
        }
        assert_eq!(verify(&x, 0.0, &made.data, &[made.scales[0] + 1]).violations, 1);
    }

    #[test]
    fn a_bound_that_crosses_a_threshold_allows_both_codes() {
        // 2.5 lies between 2 (code 4) and 3 (code 5); the largest, 6, keeps the scale.
        let mut x = [6.0_f32; 32];
        x[0] = 2.5;
        for code in 0..8 {
            let mut data = [0x77_u8; 16];
            data[0] = 0x70 | code;
            assert_eq!(verify(&x, 1e-6, &data, &[127]).is_right(), code == 4 || code == 5, "code {code}");
        }
    }

    #[test]
    fn a_bound_that_reaches_zero_keeps_the_sign() {
        assert_eq!(ends(-1.0, 1.0).map(f64::to_bits), [-2.0_f64, -0.0].map(f64::to_bits));
        assert_eq!(ends(1.0, 1.0).map(f64::to_bits), [0.0_f64, 2.0].map(f64::to_bits));
        assert_eq!(ends(f64::INFINITY, f64::INFINITY), [f64::INFINITY; 2]);
        let zeros = Given(&[-0.0; 32], 0.0);
        assert!(verify_half(&zeros, &[0x8000; 32], 32, Half::F16).unwrap().is_right());
        assert_eq!(verify_half(&zeros, &[0; 32], 32, Half::F16).unwrap().violations, 32);
    }

    #[test]
    fn beyond_f32_is_infinite_and_near_its_end_may_be() {
        struct Huge(f64);
        impl TruthRows for Huge {
            fn m(&self) -> usize {
                1
            }

            fn k(&self) -> usize {
                32
            }

            fn row(&self, _row: usize, values: &mut [f64], errors: &mut [f64]) {
                values.fill(self.0);
                errors.fill(self.0 * 1e-6);
            }
        }
        let verify = |truth: f64, scale: u8| {
            verify_mxfp4(&Huge(truth), &[0x66; 16], 16, &[scale], ScaleLayout::Raw, &RULE).unwrap().is_right()
        };
        let end = f64::from(f32::MAX);
        assert_eq!([verify(end * 2.0, 255), verify(end * 2.0, 253)], [true, false]);
        assert_eq!([verify(end, 255), verify(end, 253), verify(end, 252)], [true, true, false]);
        assert_eq!([verify(end * 0.9, 255), verify(end * 0.9, 253)], [false, true]);
        let half = |bits: u16| verify_half(&Huge(end * 2.0), &[bits; 32], 32, Half::Bf16).unwrap().is_right();
        assert_eq!([half(0x7f80), half(0x7f7f)], [true, false]);
    }

    #[test]
    fn not_a_number_is_nothing_else() {
        let mut x = [1.0_f32; 32];
        x[7] = f32::NAN;
        assert!(verify(&x, 0.0, &[0; 16], &[255]).is_right());
        assert!(!verify(&x, 0.0, &[0x22; 16], &[125]).is_right());
        let truth = Given(&x, 0.0);
        let mut codes = [0x38_u8; 32];
        assert_eq!(verify_fp8(&truth, &codes, 32).unwrap().violations, 1);
        codes[7] = 0xff;
        assert!(verify_fp8(&truth, &codes, 32).unwrap().is_right());
    }
}
