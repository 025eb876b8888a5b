//! Properties over random inputs: the fast paths equal the engine, rounding is nearest, layouts are bijections.

use numerics::layout::{GateUpInterleave, ScaleShuffle, WeightShuffle};
use numerics::mx::{self, Element, Mxfp4Rule, ScaleRounding};
use numerics::{Conversion, Overflow, Rounding, bf16, e2m1, e2m3, e3m2, e4m3, e5m2, e8m0, f16};
use proptest::prelude::*;

/// f32 from all bit patterns, and from magnitudes where the narrow formats round.
fn any_f32() -> impl Strategy<Value = f32> {
    prop_oneof![any::<u32>().prop_map(f32::from_bits), -1e3_f32..1e3, -8.0_f32..8.0]
}

/// `x` brought into ±`limit`.
fn folded(x: f32, limit: f32) -> f32 {
    if x.is_finite() { x % limit } else { limit }
}

fn mode() -> impl Strategy<Value = ScaleRounding> {
    prop::sample::select(ScaleRounding::ALL.to_vec())
}

fn element() -> impl Strategy<Value = Element> {
    use Element::{E2m1, E2m3, E3m2, E4m3, E5m2};
    prop::sample::select(vec![E2m1, E2m3, E3m2, E4m3, E5m2])
}

#[test]
fn every_finite_code_round_trips_in_every_mode() {
    let modes = [
        Rounding::NearestEven,
        Rounding::TowardZero,
        Rounding::Stochastic { random: u32::MAX, source_mantissa_bits: 23 },
    ];
    for element in [Element::E2m1, Element::E2m3, Element::E3m2, Element::E4m3, Element::E5m2] {
        let format = element.format();
        for code in 0..2 * format.sign_mask() {
            let value = format.to_f32(code);
            if !value.is_finite() {
                continue;
            }
            for rounding in modes {
                let rule = Conversion::RNE.with_rounding(rounding);
                assert_eq!(format.encode(value, 0, rule), code, "{element:?} {rounding:?}");
                if value != 0.0 && value.abs() >= 1.0 {
                    let scaled = value * f32::from_bits((127 + 90) << 23);
                    assert_eq!(format.encode(scaled, 90, rule), code, "{element:?} scaled");
                }
            }
        }
    }
    for bits in 0..=u16::MAX {
        for (value, back) in [
            (f16::to_f32(bits), f16::from_f32_rne(f16::to_f32(bits))),
            (bf16::to_f32(bits), bf16::from_f32_rne(bf16::to_f32(bits))),
        ] {
            assert!(back == bits || value.is_nan(), "{bits:04x}");
        }
    }
    for code in 0..=255 {
        assert_eq!(e8m0::from_f32_rne(e8m0::to_f32(code)), code);
    }
}

#[test]
fn overflow_modes_differ_only_above_the_largest_code() {
    let sat = Conversion::RNE_SATURATE;
    let sat_finite = Conversion::RNE.with_overflow(Overflow::SaturateFinite);
    let inf = f32::INFINITY;
    // 464 is the tie between 448 and the missing 480; ties go to 448, whose code is even.
    for (x, rne, saturated, finite) in
        [(464.0, 0x7e, 0x7e, 0x7e), (465.0, 0x7f, 0x7e, 0x7e), (inf, 0x7f, 0x7e, 0x7f)]
    {
        assert_eq!(e4m3::from_f32_rne(x), rne);
        assert_eq!(e4m3::from_f32(x, 0, sat), saturated);
        assert_eq!(e4m3::from_f32(x, 0, sat_finite), finite);
    }
    assert_eq!(e5m2::from_f32_rne(61440.0), 0x7c);
    assert_eq!(e5m2::from_f32(61440.0, 0, sat), 0x7b);
    assert_eq!(e5m2::from_f32(-inf, 0, sat_finite), 0xfc);
    let truncate = Conversion::RNE.with_rounding(Rounding::TowardZero);
    assert_eq!(e4m3::from_f32(1e30, 0, truncate), 0x7e);
    assert_eq!(f16::from_f32_toward_zero(65519.0), 0x7bff);
    assert_eq!(f16::from_f32_rne(65520.0), 0x7c00);
}

#[test]
fn stochastic_rounding_hits_each_neighbour_in_proportion() {
    // 1.125 lies a quarter of the way from 1.0 to 1.5: a quarter of all random words round up.
    let up = (0..4096_u32)
        .filter(|i| {
            let rounding = Rounding::Stochastic { random: i << 20, source_mantissa_bits: 23 };
            e2m1::from_f32(1.125, 0, Conversion::RNE.with_rounding(rounding)) == 3
        })
        .count();
    assert_eq!(up, 1024);
    let up = (0..4096_u32)
        .filter(|i| {
            let rounding = Rounding::Stochastic { random: i << 20, source_mantissa_bits: 23 };
            e2m1::from_f32(-0.125, 0, Conversion::RNE.with_rounding(rounding)) == 9
        })
        .count();
    assert_eq!(up, 1024, "in the denormal range too");
}

proptest! {
    #[test]
    fn nearest_even_is_nearest(x in any_f32(), element in element()) {
        let format = element.format();
        let x = folded(x, 2.0 * format.max());
        let code = format.encode(x, 0, Conversion::RNE_SATURATE);
        let error = |code: u32| (f64::from(format.to_f32(code)) - f64::from(x)).abs();
        for other in 0..2 * format.sign_mask() {
            if format.to_f32(other).is_finite() {
                prop_assert!(error(code) <= error(other), "{x}: {code:#x} is worse than {other:#x}");
                let tie = error(code) == error(other) && other & (format.sign_mask() - 1) != code & (format.sign_mask() - 1);
                prop_assert!(!tie || code & 1 == 0, "{x}: tie to the odd {code:#x}");
            }
        }
    }

    #[test]
    fn encoding_is_monotone_and_odd(a in any_f32(), b in any_f32(), element in element()) {
        prop_assume!(!a.is_nan() && !b.is_nan());
        let format = element.format();
        let value = |x: f32| format.to_f32(format.encode(x, 0, Conversion::RNE_SATURATE));
        let (low, high) = if a <= b { (a, b) } else { (b, a) };
        prop_assert!(value(low) <= value(high));
        prop_assert_eq!(value(a).to_bits() ^ 0x8000_0000, value(-a).to_bits());
    }

    #[test]
    fn scaling_by_the_exponent_is_one_rounding(x in any_f32(), scale in -126_i32..=126, element in element()) {
        prop_assume!(x.is_finite());
        // f64 holds the product exactly and all narrow formats' rounding points are f32.
        let scaled = f64::from(x) * 2_f64.powi(-scale);
        prop_assume!(scaled == f64::from(scaled as f32));
        let format = element.format();
        let rule = Conversion::RNE_SATURATE;
        prop_assert_eq!(format.encode(x, scale, rule), format.encode(scaled as f32, 0, rule));
    }

    #[test]
    fn toward_zero_and_stochastic_bracket_the_value(x in any_f32(), random in any::<u32>(), element in element()) {
        let format = element.format();
        let x = folded(x, format.max());
        let with = |rounding| format.encode(x, 0, Conversion::RNE_SATURATE.with_rounding(rounding));
        let down = with(Rounding::TowardZero);
        let code = with(Rounding::Stochastic { random, source_mantissa_bits: 23 });
        prop_assert!(format.to_f32(down).abs() <= x.abs());
        prop_assert!(code == down || code == down + 1, "{x}: {code:#x} from {down:#x}");
        prop_assert_eq!(with(Rounding::Stochastic { random: 0, source_mantissa_bits: 23 }), down);
    }

    #[test]
    fn block_quantiser_equals_the_engine(
        exponent in 0_u32..=254,
        fractions in prop::array::uniform32(any::<u32>()),
        mode in mode(),
    ) {
        // Elements within 16 octaves below the block's exponent, so that all codes occur.
        let block = fractions.map(|word| {
            let field = exponent.saturating_sub(word >> 27 & 15);
            f32::from_bits(word & 0x8000_0000 | field << 23 | word & 0x007f_ffff)
        });
        let rule = Mxfp4Rule::new(mode);
        let quantised = mx::quantise_mxfp4(&block, &rule);
        let scale = i32::from(quantised.scale) - 127;
        for (i, x) in block.iter().enumerate() {
            let code = quantised.data[i / 2] >> (i % 2 * 4) & 15;
            prop_assert_eq!(code, e2m1::from_f32(*x, scale, rule.element), "element {} = {}", i, x);
        }
        let back = mx::dequantise_mxfp4(&quantised);
        let again = mx::quantise_mxfp4(&back, &Mxfp4Rule::new(ScaleRounding::RoundDown));
        let twice = mx::dequantise_mxfp4(&again);
        if back.iter().all(|x| x.is_finite()) {
            prop_assert_eq!(back.map(f32::to_bits), twice.map(f32::to_bits), "requantising is idempotent");
        }
    }

    #[test]
    fn fp6_tables_agree_with_the_engine(code in 0_u8..64) {
        prop_assert_eq!(e2m3::to_f32(code).to_bits(), e2m3::FORMAT.to_f32(code.into()).to_bits());
        prop_assert_eq!(e3m2::to_f32(code).to_bits(), e3m2::FORMAT.to_f32(code.into()).to_bits());
    }

    #[test]
    fn shuffles_are_bijections(row_panels in 1_usize..5, byte_panels in 1_usize..5, rows in 1_usize..600, groups in 1_usize..40) {
        let scales = ScaleShuffle::dense(rows, groups);
        let mut seen = vec![false; scales.len()];
        for row in 0..scales.padded_rows() {
            for group in 0..scales.padded_groups() {
                let index = scales.index(row, group);
                prop_assert!(!std::mem::replace(&mut seen[index], true));
                prop_assert_eq!(scales.coordinates(index), (row, group));
            }
        }
        let (rows, row_bytes) = (row_panels * 32, byte_panels * 64);
        let weights = WeightShuffle::new(rows, row_bytes).unwrap();
        let gate_up = GateUpInterleave::new(rows, row_bytes).unwrap();
        let mut seen = vec![false; gate_up.len()];
        for row in 0..rows {
            for byte in 0..row_bytes {
                prop_assert_eq!(weights.coordinates(weights.index(row, byte)), (row, byte));
                prop_assert!(!std::mem::replace(&mut seen[gate_up.index(row, byte)], true));
            }
        }
    }
}
