//! MODE: rounding, denormals, DX10 clamp, IEEE; and the output modifiers.

use super::Bench;
use crate::group::Random;

/// FP_ROUND of singles, in the register's order.
const ROUNDINGS: [Direction; 4] = [Direction::Nearest, Direction::Up, Direction::Down, Direction::Zero];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Direction {
    Nearest,
    Up,
    Down,
    Zero,
}

/// Rounds a sum of two f64 (exact as `value` + `rest`, |rest| ≤ half an ulp of value) to f32.
fn round_single(value: f64, rest: f64, direction: Direction) -> f32 {
    // To odd first: then one correctly directed rounding of the f64 is right, for it has 29 spare bits.
    let sticky = if rest != 0.0 && value.to_bits() & 1 == 0 {
        let towards_zero = (rest < 0.0) == (value > 0.0);
        f64::from_bits(if towards_zero { value.to_bits() - 1 } else { value.to_bits() + 1 })
    } else {
        value
    };
    let nearest = sticky as f32;
    let exact = nearest as f64 == sticky;
    let down = if nearest as f64 > sticky { nearest.next_down() } else { nearest };
    let up = if exact { down } else { down.next_up() };
    match direction {
        Direction::Nearest => nearest,
        _ if exact => nearest,
        Direction::Up => up,
        Direction::Down => down,
        Direction::Zero if sticky > 0.0 => down,
        Direction::Zero => up,
    }
}

/// a + b exactly, as the rounded sum and its error (Knuth).
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let b_part = sum - a;
    (sum, (a - (sum - b_part)) + (b - b_part))
}

fn draw(random: &mut Random) -> f32 {
    let exponent = 127 - 20 + random.below(41) as u32;
    f32::from_bits(random.next() as u32 & 0x807f_ffff | exponent << 23)
}

#[test]
fn f32_arithmetic_rounds_in_modes_direction() {
    let mut random = Random(41);
    for (field, direction) in ROUNDINGS.into_iter().enumerate() {
        let mut bench = Bench::new();
        bench.wave.mode = 0x3f0 | field as u32;
        for _ in 0..200 {
            let values: [[f32; 64]; 3] = std::array::from_fn(|_| std::array::from_fn(|_| draw(&mut random)));
            for (register, values) in [32, 64, 80].into_iter().zip(values) {
                bench.set(register, |lane| values[lane].to_bits());
            }
            // v_add_f32, v_mul_f32, v_fma_f32
            let programs: [&[u32]; 3] = [&[0x0200_8120], &[0x0a00_8120], &[0xd1cb_0000, 0x0542_8120]];
            for (which, words) in programs.into_iter().enumerate() {
                bench.run(words);
                let got = bench.get(0);
                for lane in 0..64 {
                    let [a, b, c] = values.map(|values| values[lane] as f64);
                    let (value, rest) = match which {
                        0 => two_sum(a, b),
                        1 => (a * b, 0.0),
                        _ => two_sum(a * b, c),
                    };
                    let want = round_single(value, rest, direction);
                    assert_eq!(got[lane], want.to_bits(), "{words:x?} {direction:?} {a:e} {b:e} {c:e}");
                }
            }
        }
    }
}

#[test]
fn an_exact_zero_sum_is_negative_only_when_rounding_down() {
    for (field, want) in [(0, 0), (1, 0), (2, 1u32 << 31), (3, 0)] {
        let mut bench = Bench::new();
        bench.wave.mode = 0x3f0 | field;
        bench.set(32, |_| 1.5f32.to_bits());
        bench.set(64, |_| (-1.5f32).to_bits());
        bench.run(&[0x0200_8120]);
        assert_eq!(bench.get(0)[0], want, "round {field}");
    }
}

#[test]
fn f16_and_f64_round_by_their_own_field() {
    for (field, direction) in ROUNDINGS.into_iter().enumerate() {
        let mut bench = Bench::new();
        bench.wave.mode = 0x3f0 | (field as u32) << 2;
        // 1 + 3·2⁻¹³ between 1 and 1 + 2⁻¹⁰: v_fma_f16 of 3·2⁻⁷ · 2⁻⁶ + ±1.
        let half = |x: f32| numerics::f16::from_f32_rne(x) as u32;
        for sign in [1.0f32, -1.0] {
            bench.set(32, |_| half(sign * 3.0 / 128.0));
            bench.set(64, |_| half(1.0 / 64.0));
            bench.set(80, |_| half(sign));
            bench.run(&[0xd206_0000, 0x0542_8120]);
            let away = match direction {
                Direction::Up => sign > 0.0,
                Direction::Down => sign < 0.0,
                _ => false,
            };
            assert_eq!(bench.get(0)[3], half(sign) + away as u32, "f16 {direction:?} {sign}");
            bench.set_wide(32, |_| (sign as f64).to_bits());
            bench.set_wide(64, |_| (sign as f64 * 2f64.powi(-60)).to_bits());
            bench.run(&[0xd280_0000, 0x0002_8120]); // v_add_f64
            assert_eq!(
                bench.get_wide(0)[3],
                (sign as f64).to_bits() + away as u64,
                "f64 {direction:?} {sign}"
            );
            // v_cvt_f16_f32 goes by the field of f16, v_cvt_pkrtz_f16_f32 by none.
            bench.set(32, |_| (sign * (1.0 + 3.0 * 2f32.powi(-13))).to_bits());
            bench.set(64, |_| 0);
            bench.run(&[0x7e00_1520]);
            assert_eq!(bench.get(0)[3], half(sign) + away as u32, "convert {direction:?} {sign}");
            bench.run(&[0xd296_0000, 0x0002_8120]);
            assert_eq!(bench.get(0)[3], half(sign), "round to zero {direction:?} {sign}");
        }
    }
}

#[test]
fn denormals_are_flushed_in_and_out_as_mode_says() {
    let tiny = 0x0040_0000u32; // a denormal f32
    let small = 1f32.to_bits() - (120 << 23);
    for mode in [0x30u32, 0x10, 0x20, 0x00] {
        let (input, output) = (mode & 0x10 != 0, mode & 0x20 != 0);
        let mut bench = Bench::new();
        bench.wave.mode = 0x3c0 | mode;
        // A denormal input, a normal result: tiny · 2^20.
        bench.set(32, |_| tiny | 1 << 31);
        bench.set(64, |_| 2f32.powi(20).to_bits());
        bench.run(&[0x0a00_8120]);
        let product = (f32::from_bits(tiny) * -(2f32.powi(20))).to_bits();
        assert_eq!(bench.get(0)[0], if input { product } else { 1 << 31 }, "input, mode {mode:x}");
        // Normal inputs, a denormal result: 2^−120 · 2^−10.
        bench.set(32, |_| small | 1 << 31);
        bench.set(64, |_| 2f32.powi(-10).to_bits());
        bench.run(&[0x0a00_8120]);
        let product = (2f32.powi(-120) * -(2f32.powi(-10))).to_bits();
        assert_eq!(bench.get(0)[0], if output { product } else { 1 << 31 }, "output, mode {mode:x}");
        // Denormals of f16 are the other field's.
        bench.set(32, |_| 1);
        bench.set(64, |_| 0x3c00);
        bench.run(&[0x4400_8120]); // v_mul_f16
        assert_eq!(bench.get(0)[0], 1, "f16, mode {mode:x}");
    }
    for (mode, want) in [(0x3f0, 1u64), (0x3b0, 0), (0x370, 0), (0x330, 0)] {
        let mut bench = Bench::new();
        bench.wave.mode = mode;
        bench.set_wide(32, |_| 1);
        bench.set_wide(64, |_| 1f64.to_bits());
        bench.run(&[0xd281_0000, 0x0002_8120]); // v_mul_f64
        assert_eq!(bench.get_wide(0)[0], want, "f64, mode {mode:x}");
        bench.set(32, |_| 1);
        bench.set(64, |_| 0x3c00);
        bench.run(&[0x4400_8120]);
        assert_eq!(bench.get(0)[0] as u64, want, "f16, mode {mode:x}");
    }
}

#[test]
fn clamp_holds_floats_to_zero_and_one_and_nan_by_dx10_clamp() {
    // v_add_f32 v0, v32, v64 clamp
    let words = [0xd101_8000, 0x0002_8120];
    for (dx10, nan) in [(true, 0.0f32), (false, f32::NAN)] {
        let mut bench = Bench::new();
        bench.wave.mode = 0x2f0 | (dx10 as u32) << 8;
        let values = [-3.0f32, 0.25, 1.0, 7.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
        bench.set(32, |lane| values[lane % values.len()].to_bits());
        bench.set(64, |_| 0);
        bench.run(&words);
        let got: Vec<f32> = bench.get(0)[..7].iter().map(|&bits| f32::from_bits(bits)).collect();
        assert_eq!(got[..6], [0.0, 0.25, 1.0, 1.0, 1.0, 0.0]);
        assert_eq!((got[6].is_nan(), got[6] == 0.0), (nan.is_nan(), nan == 0.0), "DX10 clamp {dx10}");
    }
}

#[test]
fn clamp_saturates_integers() {
    let mut bench = Bench::new();
    bench.set(32, |lane| [u32::MAX, 5, i32::MAX as u32, i32::MIN as u32][lane % 4]);
    bench.set(64, |lane| [1, 6, 1, u32::MAX][lane % 4]);
    bench.run(&[0xd134_8000, 0x0002_8120]); // v_add_u32 clamp
    assert_eq!(bench.get(0)[..4], [u32::MAX, 11, 1 << 31, u32::MAX]);
    bench.run(&[0xd29c_8000, 0x0002_8120]); // v_add_i32 clamp
    assert_eq!(bench.get(0)[..4], [0, 11, i32::MAX as u32, i32::MIN as u32]);
    bench.run(&[0xd135_8000, 0x0002_8120]); // v_sub_u32 clamp
    assert_eq!(bench.get(0)[..4], [u32::MAX - 1, 0, i32::MAX as u32 - 1, 0]);
}

#[test]
fn output_multipliers_act_without_denormals_and_ieee() {
    // OMOD is ignored while MODE allows denormal results or asks for IEEE rules (GFX9 manual).
    for (mode, acts) in [(0x000u32, true), (0x020, false), (0x200, false)] {
        let mut bench = Bench::new();
        bench.wave.mode = mode;
        bench.set(32, |_| 3f32.to_bits());
        bench.set(64, |_| 1f32.to_bits());
        for (omod, factor) in [(0x0802_8120, 2.0), (0x1002_8120, 4.0), (0x1802_8120, 0.5)] {
            bench.run(&[0xd101_0000, omod]);
            let want = if acts { 4.0 * factor } else { 4.0 };
            assert_eq!(f32::from_bits(bench.get(0)[0]), want, "mode {mode:x}");
        }
    }
}

#[test]
fn ieee_min_and_max_quiet_signalling_nan_and_prefer_numbers() {
    let (quiet, signalling, one) = (0x7fc0_1234u32, 0x7f80_1234u32, 1f32.to_bits());
    let cases = [(quiet, one), (one, quiet), (signalling, one), (one, signalling), (quiet, quiet)];
    let mut bench = Bench::new();
    bench.set(32, |lane| cases[lane % cases.len()].0);
    bench.set(64, |lane| cases[lane % cases.len()].1);
    for words in [0x1600_8120, 0x1400_8120] {
        bench.wave.mode = 0x3f0;
        bench.run(&[words]);
        let got = bench.get(0);
        assert_eq!(got[..2], [one, one], "{words:x}: a number wins over a quiet NaN");
        assert!(
            got[2..5].iter().all(|&bits| bits & 0x7fc0_0000 == 0x7fc0_0000),
            "{words:x}: {:x?}",
            &got[..5]
        );
        // Without IEEE a signalling NaN is just a NaN.
        bench.wave.mode = 0x1f0;
        bench.run(&[words]);
        assert_eq!(bench.get(0)[..4], [one; 4], "{words:x} without IEEE");
    }
}
