//! Elementary functions within the stated error of the true value: 1 ULP in f32 (the GFX9 manuals' figure for
//! exp, log, rcp, rsq, sqrt), and the special values. Truth is the host's f64 library, good to some 2⁻⁵².

use super::Bench;
use crate::group::Random;

const SOURCE: u16 = 32;

/// Values of every exponent and sign, the neighbourhoods of powers of two, and small numbers.
fn singles() -> Vec<f32> {
    let mut random = Random(21);
    let mut values: Vec<f32> = (0..1 << 19).map(|_| f32::from_bits(random.next() as u32)).collect();
    for exponent in 0..=254u32 {
        for near in [0u32, 1, 2, 0x3f_ffff, 0x40_0000, 0x7f_fffe, 0x7f_ffff] {
            values.extend([exponent << 23 | near, 1 << 31 | exponent << 23 | near].map(f32::from_bits));
        }
    }
    // Where exp, sin and cos are neither 0 nor 1 nor infinite.
    values.extend((0..1 << 18).map(|_| (random.next() as i32) as f32 / 2f32.powi(24)));
    values
}

/// Results of a one-source instruction.
fn run(words: &[u32], values: &[u32]) -> Vec<u32> {
    let mut bench = Bench::new();
    let mut results = Vec::with_capacity(values.len());
    for chunk in values.chunks(64) {
        bench.set(SOURCE, |lane| chunk[lane % chunk.len()]);
        bench.run(words);
        results.extend_from_slice(&bench.get(0)[..chunk.len()]);
    }
    results
}

fn flush(value: f32) -> f32 {
    if value.is_subnormal() { 0f32.copysign(value) } else { value }
}

/// Distance of `got` from the true value, in units of the last place of the nearest f32.
fn ulps(got: f32, truth: f64) -> f64 {
    let nearest = truth as f32;
    let exponent = (nearest.to_bits() >> 23 & 255).max(1) as i32 - 150;
    (got as f64 - truth).abs() / 2f64.powi(exponent)
}

/// An f32 instruction against `truth` of its flushed input. `absolute`: an error that is allowed anyway.
fn check(name: &str, words: u32, absolute: f64, truth: impl Fn(f64) -> f64) {
    let values = singles();
    let results = run(&[words], &values.iter().map(|x| x.to_bits()).collect::<Vec<_>>());
    let mut worst = 0.0f64;
    for (&x, &bits) in values.iter().zip(&results) {
        let (got, want) = (f32::from_bits(bits), truth(flush(x) as f64));
        if want.is_nan() {
            assert!(got.is_nan(), "{name}({x:e}) is {got:e}, not NaN");
        } else if (want as f32).is_infinite() {
            assert!(got == want as f32, "{name}({x:e}) is {got:e}, not {want:e}");
        } else if (want as f32).is_subnormal() {
            assert!(
                got == 0.0 && got.is_sign_negative() == want.is_sign_negative(),
                "{name}({x:e}) is {got:e}"
            );
        } else if (got as f64 - want).abs() > absolute {
            worst = worst.max(ulps(got, want));
            assert!(ulps(got, want) <= 1.0, "{name}({x:e}) is {got:e}, not {want:e}");
        }
    }
    assert!(worst <= 0.501, "{name}: {worst} ULP, the module promises 0.5001");
}

#[test]
fn f32_exp_log_rcp_rsq_sqrt_are_within_an_ulp() {
    check("exp", 0x7e00_4120, 0.0, f64::exp2);
    check("log", 0x7e00_4320, 0.0, f64::log2);
    check("rcp", 0x7e00_4520, 0.0, |x| 1.0 / x);
    check("rsq", 0x7e00_4920, 0.0, |x| if x == 0.0 { 1.0 / x } else { 1.0 / x.sqrt() });
    check("sqrt", 0x7e00_4f20, 0.0, f64::sqrt);
}

#[test]
fn f32_sin_and_cos_take_revolutions() {
    // Exact reduction: the fraction of a revolution, then the quadrant, so that the truth is good near zeros.
    let reduced = |x: f64| (x - x.round_ties_even()) * std::f64::consts::TAU;
    for (name, words, function) in
        [("sin", 0x7e00_5320, f64::sin as fn(f64) -> f64), ("cos", 0x7e00_5520, f64::cos)]
    {
        let values: Vec<f32> = singles().into_iter().filter(|x| x.abs() < 1e9).collect();
        let results = run(&[words], &values.iter().map(|x| x.to_bits()).collect::<Vec<_>>());
        for (&x, &bits) in values.iter().zip(&results) {
            let (got, want) = (f32::from_bits(bits) as f64, function(reduced(x as f64)));
            // f64's 2π is off by 2⁻⁵³ relative: near the zeros of the function truth is that good only.
            assert!((got - want).abs() <= 2f64.powi(-25) + want.abs() * 2f64.powi(-24), "{name}({x:e})");
        }
    }
    let specials = [f32::INFINITY, f32::NEG_INFINITY, f32::NAN].map(f32::to_bits);
    for words in [0x7e00_5320, 0x7e00_5520] {
        assert!(run(&[words], &specials).iter().all(|&bits| f32::from_bits(bits).is_nan()));
    }
    // Quarter revolutions are exact, signs of zero kept.
    let quarters = [0.0f32, -0.0, 0.25, 0.5, 0.75, 1.0, -0.25, 1e20].map(f32::to_bits);
    let sines: Vec<f32> = run(&[0x7e00_5320], &quarters).into_iter().map(f32::from_bits).collect();
    let cosines: Vec<f32> = run(&[0x7e00_5520], &quarters).into_iter().map(f32::from_bits).collect();
    assert_eq!(sines, [0.0, 0.0, 1.0, 0.0, -1.0, 0.0, -1.0, 0.0]);
    assert!(sines[1].is_sign_negative());
    assert_eq!(cosines, [1.0, 1.0, 0.0, -1.0, 0.0, 1.0, 0.0, 1.0]);
}

#[test]
fn f32_special_values() {
    let run1 = |words: u32, x: f32| f32::from_bits(run(&[words], &[x.to_bits()])[0]);
    let (exp, log, rcp, rsq, sqrt) = (0x7e00_4120, 0x7e00_4320, 0x7e00_4520, 0x7e00_4920, 0x7e00_4f20);
    assert_eq!((run1(exp, f32::NEG_INFINITY), run1(exp, 128.0)), (0.0, f32::INFINITY));
    assert_eq!((run1(exp, 0.0), run1(exp, -0.0), run1(exp, -127.0)), (1.0, 1.0, 0.0));
    assert_eq!((run1(log, 0.0), run1(log, -0.0)), (f32::NEG_INFINITY, f32::NEG_INFINITY));
    assert!(run1(log, -1.0).is_nan() && run1(rsq, -1.0).is_nan() && run1(sqrt, -1.0).is_nan());
    assert_eq!((run1(rcp, -0.0), run1(rcp, f32::NEG_INFINITY)), (f32::NEG_INFINITY, -0.0));
    assert_eq!((run1(rsq, 0.0), run1(rsq, -0.0)), (f32::INFINITY, f32::NEG_INFINITY));
    assert!(run1(sqrt, -0.0).is_sign_negative());
    // Denormal inputs and results are zeros whatever MODE says.
    assert_eq!((run1(rcp, 1e-40), run1(rcp, 3e38), run1(sqrt, 1e-40)), (f32::INFINITY, 0.0, 0.0));
}

#[test]
fn f16_functions_are_within_an_ulp_for_every_input() {
    type Truth = fn(f64) -> f64;
    let functions: [(&str, u32, Truth); 7] = [
        ("exp", 0x7e00_8320, f64::exp2),
        ("log", 0x7e00_8120, f64::log2),
        ("rcp", 0x7e00_7b20, |x| 1.0 / x),
        ("rsq", 0x7e00_7f20, |x| if x == 0.0 { 1.0 / x } else { 1.0 / x.sqrt() }),
        ("sqrt", 0x7e00_7d20, f64::sqrt),
        ("sin", 0x7e00_9320, |x| ((x - x.round_ties_even()) * std::f64::consts::TAU).sin()),
        ("cos", 0x7e00_9520, |x| ((x - x.round_ties_even()) * std::f64::consts::TAU).cos()),
    ];
    let all: Vec<u32> = (0..1 << 16).collect();
    for (name, words, truth) in functions {
        for (&code, &bits) in all.iter().zip(&run(&[words], &all)) {
            let x = numerics::f16::to_f32(code as u16) as f64;
            let (got, want) = (numerics::f16::to_f32(bits as u16) as f64, truth(x));
            assert_eq!(bits >> 16, 0, "{name}: the upper half is cleared");
            if want.is_nan() {
                assert!(got.is_nan(), "{name}({x}) is {got}");
            } else if want.abs() >= 65520.0 {
                assert_eq!(got, f64::INFINITY.copysign(want), "{name}({x})");
            } else {
                let exponent = if want == 0.0 { -14 } else { (want.abs().log2().floor() as i32).max(-14) };
                let ulp = 2f64.powi(exponent - 10);
                // 2⁻³⁰: sin and cos near their zeros.
                assert!(
                    (got - want).abs() <= 0.51 * ulp + 2f64.powi(-30),
                    "{name}({x}) is {got}, not {want}"
                );
            }
        }
    }
}

#[test]
fn f64_rcp_rsq_sqrt() {
    let mut random = Random(22);
    let mut bench = Bench::new();
    for _ in 0..500 {
        let values: Vec<f64> = (0..64).map(|_| f64::from_bits(random.next()).abs()).collect();
        bench.set_wide(SOURCE, |lane| values[lane].to_bits());
        for (words, truth) in [
            (0x7e00_4b20, (|x| 1.0 / x) as fn(f64) -> f64),
            (0x7e00_4d20, |x| 1.0 / x.sqrt()),
            (0x7e00_5120, f64::sqrt),
        ] {
            bench.run(&[words]);
            for (&x, &bits) in values.iter().zip(&bench.get_wide(0)) {
                let (got, want) = (f64::from_bits(bits), truth(x));
                // The manuals promise 2⁻²⁹ relative; compilers refine from there.
                let close = (got - want).abs() <= want.abs() * 2f64.powi(-29) || got == want;
                assert!(close || got.is_nan() && want.is_nan(), "{words:x} {x:e}: {got:e} {want:e}");
            }
        }
    }
}
