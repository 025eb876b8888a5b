//! The three orders of accumulation on random values, one output at a time: f64 and f32 sums in program order,
//! and the truncating arithmetic in 128-bit fixed point.

use super::{
    Bench, C, D, MfmaPolicy, POLICIES, Random, element,
    matrix::{Format, Problem, Shape},
    plain, single,
};

/// What a policy makes of the products (a, b) and C. `scales` are the exponents of A's and B's scales for each
/// block of 32.
pub(super) fn expected(
    policy: MfmaPolicy,
    shape: Shape,
    terms: &[(f64, f64)],
    scales: &[(i32, i32)],
    c: f32,
) -> f32 {
    let policy = match policy {
        MfmaPolicy::Mixed if shape.narrow => MfmaPolicy::ExactBlock,
        MfmaPolicy::Mixed => MfmaPolicy::Cdna3Truncating,
        other => other,
    };
    let block = if shape.narrow { 32 } else { terms.len() };
    let scale = |n: usize| scales.get(n).map_or(1.0, |&(a, b)| 2f64.powi(a) * 2f64.powi(b));
    match policy {
        MfmaPolicy::ExactBlock => {
            let mut total = c as f64;
            for (n, block) in terms.chunks(block).enumerate() {
                total += block.iter().fold(0.0, |sum, (a, b)| sum + a * b) * scale(n);
            }
            total as f32
        }
        MfmaPolicy::FmaChain if shape.narrow => {
            let mut total = c;
            for (n, block) in terms.chunks(block).enumerate() {
                let dot = block.iter().fold(0f32, |sum, &(a, b)| (a as f32).mul_add(b as f32, sum));
                total = (dot as f64 * scale(n) + total as f64) as f32;
            }
            total
        }
        MfmaPolicy::FmaChain => terms.iter().fold(c, |sum, &(a, b)| (a as f32).mul_add(b as f32, sum)),
        _ => {
            let (eights, group) = (shape.a.bits() == 16, if shape.a.bits() == 16 { 8 } else { 16 });
            terms.chunks(group).enumerate().fold(c, |c, (n, group)| {
                let shift = scales.get(n / 2).map_or(0, |&(a, b)| a + b);
                let products: Vec<(i128, i32)> = group
                    .iter()
                    .map(|&(a, b)| {
                        let e = if a * b == 0.0 { EMPTY } else { shape.a.exponent(a) + shape.b.exponent(b) };
                        (fixed(a * b * 2f64.powi(shift)), e + shift)
                    })
                    .collect();
                if eights { join(&[truncated(&products)], c, false) } else { join_halves(&products, c) }
            })
        }
    }
}

/// Fraction bits of the fixed-point numbers.
const UNIT: i32 = 70;
/// Exponent of a product that is zero.
const EMPTY: i32 = -999;

fn fixed(value: f64) -> i128 {
    let scaled = value * 2f64.powi(UNIT);
    assert!(scaled.fract() == 0.0 && scaled.abs() < 2f64.powi(120), "{value} fits");
    scaled as i128
}

/// Towards −∞ to a multiple of 2^exponent.
fn floor(value: i128, exponent: i32) -> i128 {
    let bits = (exponent + UNIT).clamp(0, 126);
    value >> bits << bits
}

/// Products towards zero to 24 fraction bits of the largest exponent, added.
fn truncated(products: &[(i128, i32)]) -> (i128, i32) {
    let largest = products.iter().map(|&(_, e)| e).max().expect("not empty");
    let sum = products.iter().map(|&(v, _)| v.signum() * floor(v.abs(), largest - 24)).sum();
    (sum, largest)
}

fn join_halves(products: &[(i128, i32)], c: f32) -> f32 {
    let half = |first: usize| truncated(&products.iter().skip(first).step_by(2).copied().collect::<Vec<_>>());
    join(&[half(0), half(1)], c, true)
}

/// Partial sums, each floored to 24 bits of the largest exponent if there are several, and C.
fn join(parts: &[(i128, i32)], c: f32, drop: bool) -> f32 {
    let e = parts.iter().map(|&(_, e)| e).max().expect("not empty");
    let dot: i128 = parts.iter().map(|&(v, _)| if parts.len() > 1 { floor(v, e - 24) } else { v }).sum();
    let e_c = if c == 0.0 { -126 } else { (c.abs().log2().floor() as i32).max(-126) };
    let top = e.max(e_c);
    let addend = if drop && e_c < top - 25 { 0 } else { floor(fixed(c as f64), top - 24) };
    let total = floor(dot, top - 32) + addend;
    let own = 127 - total.unsigned_abs().leading_zeros() as i32 - UNIT;
    // At most 32 significant bits: exact in f64, rounded once.
    (floor(total, own.max(-126) - 31) as f64 * 2f64.powi(-UNIT)) as f32
}

/// Elements within 2^±`spread`, C within 2^±20.
pub(super) fn random_problem(shape: Shape, spread: i32, random: &mut Random) -> Problem {
    let mut streams: [Random; 4] = std::array::from_fn(|_| Random(random.next()));
    let [ra, rb, rc, rp] = &mut streams;
    Problem::new(
        shape,
        || element(ra, shape.a, spread),
        || element(rb, shape.b, spread),
        || single(rc, 20).to_bits() as u64,
        || [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)][rp.below(6) as usize],
    )
}

#[test]
fn float_forms_accumulate_as_the_policy_says() {
    let mut random = Random(2);
    let float = |format: Format| !matches!(format, Format::F32 | Format::F64 | Format::I8);
    for (case, shape) in plain().filter(|(_, shape)| float(shape.a)) {
        for policy in POLICIES {
            let problem = random_problem(shape, 9, &mut random);
            let mut bench = Bench::new(policy);
            problem.load_at(&mut bench, C);
            bench.run(&case.op()).expect("registers are allocated");
            let d = problem.fetch(&bench, if shape.sparse { C } else { D });
            for (n, i, j) in problem.outputs() {
                let c = f32::from_bits(problem.c[n][i][j] as u32);
                let want = expected(policy, shape, &problem.values(n, i, j), &[], c);
                let got = f32::from_bits(d[n][i][j] as u32);
                assert_eq!(got.to_bits(), want.to_bits(), "{} {policy:?} {i} {j}: {got} {want}", case.text);
            }
        }
    }
}

#[test]
fn f32_and_f64_forms_are_fma_chains() {
    let mut random = Random(3);
    for (case, shape) in plain().filter(|(_, shape)| matches!(shape.a, Format::F32 | Format::F64)) {
        let double = shape.a == Format::F64;
        let draw = |stream: &mut Random| match double {
            true => (single(stream, 9) as f64 * 1.000_000_1).to_bits(),
            false => single(stream, 9).to_bits() as u64,
        };
        let mut streams: [Random; 3] = std::array::from_fn(|_| Random(random.next()));
        let [ra, rb, rc] = &mut streams;
        let problem = Problem::new(shape, || draw(ra), || draw(rb), || 0, || (0, 1));
        let mut problem = problem;
        problem.c.iter_mut().flatten().flatten().for_each(|c| *c = draw(rc));
        let mut bench = Bench::new(MfmaPolicy::Mixed);
        problem.load_at(&mut bench, C);
        bench.run(&case.op()).expect("registers are allocated");
        let d = problem.fetch(&bench, D);
        for (n, i, j) in problem.outputs() {
            let c = problem.c[n][i][j];
            let terms = problem.values(n, i, j);
            let want = match double {
                true => terms.iter().fold(f64::from_bits(c), |sum, &(a, b)| a.mul_add(b, sum)).to_bits(),
                false => terms
                    .iter()
                    .fold(f32::from_bits(c as u32), |sum, &(a, b)| (a as f32).mul_add(b as f32, sum))
                    .to_bits() as u64,
            };
            assert_eq!(d[n][i][j], want, "{} {n} {i} {j}", case.text);
        }
    }
}

#[test]
fn f32_forms_flush_denormal_factors_only_if_mode_says_so() {
    let (case, shape) = plain().find(|(case, _)| case.text.contains("f32_16x16x4_f32")).expect("exists");
    let denormal = || 0x0040_0000;
    let problem = Problem::new(shape, denormal, || 2f32.powi(100).to_bits() as u64, || 1, || (0, 1));
    for (mode, want) in [(0x3f0, 4.0 * 2f64.powi(-27)), (0x3c0, 2f64.powi(-149))] {
        let mut bench = Bench::new(MfmaPolicy::Mixed);
        bench.wave.mode = mode;
        problem.load_at(&mut bench, C);
        bench.run(&case.op()).expect("registers are allocated");
        assert_eq!(f32::from_bits(problem.fetch(&bench, D)[0][2][3] as u32), want as f32, "mode {mode:x}");
    }
}

#[test]
fn denormal_factors_and_results_of_other_forms_are_kept() {
    for (name, code, value) in
        [("f32_16x16x32_f16", 1, 2f64.powi(-24)), ("f32_16x16x32_bf16", 0x0001, 2f64.powi(-133))]
    {
        let (case, shape) = plain().find(|(case, _)| case.text.contains(name)).expect("exists");
        let one = shape.b.code(1.0);
        let problem = Problem::new(shape, || code, || one, || 0, || (0, 1));
        for policy in POLICIES {
            let mut bench = Bench::new(policy);
            bench.wave.mode = 0;
            problem.load_at(&mut bench, C);
            bench.run(&case.op()).expect("registers are allocated");
            let d = f32::from_bits(problem.fetch(&bench, D)[0][0][0] as u32);
            assert_eq!(d as f64, 32.0 * value, "{name} {policy:?}");
        }
    }
}

#[test]
fn infinities_and_nan_reach_their_outputs_only() {
    for name in ["f32_16x16x32_bf16", "f32_32x32x16_f16", "f32_16x16x32_bf8_bf8", "f32_16x16x32_fp8_fp8"] {
        let (case, shape) = plain().find(|(case, _)| case.text.contains(name)).expect("exists");
        let one = shape.a.code(1.0);
        for policy in POLICIES {
            let mut problem = Problem::new(shape, || one, || one, || 0, || (0, 1));
            let nan = if shape.a == Format::Fp8 { 0x7f } else { shape.a.code(f64::NAN) };
            problem.a[0][1][3] = nan;
            let infinite = shape.a != Format::Fp8;
            if infinite {
                problem.a[0][2][5] = shape.a.code(f64::INFINITY);
                problem.a[0][3][5] = shape.a.code(f64::INFINITY);
                problem.a[0][3][6] = shape.a.code(f64::NEG_INFINITY);
            }
            problem.c[0][5][4] = f32::NEG_INFINITY.to_bits() as u64;
            let mut bench = Bench::new(policy);
            problem.load_at(&mut bench, C);
            bench.run(&case.op()).expect("registers are allocated");
            let d = problem.fetch(&bench, D);
            for (n, i, j) in problem.outputs() {
                let want = match (i, j) {
                    (1, _) => 0x7fc0_0000,
                    (2, _) if infinite => f32::INFINITY.to_bits(),
                    (3, _) if infinite => 0x7fc0_0000,
                    (5, 4) => f32::NEG_INFINITY.to_bits(),
                    _ => (shape.k as f32).to_bits(),
                };
                assert_eq!(d[n][i][j] as u32, want, "{name} {policy:?} {i} {j}");
            }
        }
    }
}
