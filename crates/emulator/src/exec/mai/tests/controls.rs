//! Operand files, inline constants, negation, broadcasts, and the moves between register files.

use super::{
    A, ACC, B, Bench, C, Case, D, MfmaPolicy, Random, SCALE_A, SCALE_B,
    matrix::{Problem, Shape},
    policies::{expected, random_problem},
};
use crate::op::EXEC;

/// What happens to C before the addition.
type Sign = fn(f32) -> f32;

/// Loads a random problem where `at` says, runs, and checks D against `c(problem's C)`.
fn check(text: &str, at: [u16; 3], d_at: u16, c_of: impl Fn(f32) -> f32) {
    let case = Case::find(text);
    let shape = Shape::parse(&case).expect("a product");
    let problem = random_problem(shape, 6, &mut Random(5));
    let mut bench = Bench::new(MfmaPolicy::Mixed);
    problem.load(&mut bench, at);
    for register in [SCALE_A, SCALE_B] {
        bench.set(register, |_| 127);
    }
    bench.run(&case.op()).expect("registers are allocated");
    let d = problem.fetch(&bench, d_at);
    for (n, i, j) in problem.outputs() {
        let c = c_of(f32::from_bits(problem.c[n][i][j] as u32));
        let want = expected(MfmaPolicy::Mixed, shape, &problem.values(n, i, j), &[], c);
        assert_eq!(d[n][i][j] as u32, want.to_bits(), "{text} {i} {j}");
    }
}

#[test]
fn operands_come_from_either_register_file() {
    let same = |c: f32| c;
    check(
        "v_mfma_f32_16x16x32_bf16 a[96:99], a[16:19], v[32:35], a[64:67]",
        [ACC + A, B, ACC + C],
        ACC + D,
        same,
    );
    check("v_mfma_f32_16x16x32_bf16 v[96:99], v[16:19], a[32:35], v[64:67]", [A, ACC + B, C], D, same);
    check(
        "v_mfma_scale_f32_32x32x64_f8f6f4 a[96:111], a[16:19], a[32:35], a[64:79], v48, v49 op_sel_hi:[0,0,0] \
         cbsz:4 blgp:4",
        [ACC + A, ACC + B, ACC + C],
        ACC + D,
        same,
    );
}

#[test]
fn c_may_be_an_inline_constant() {
    check("v_mfma_f32_16x16x32_bf16 v[96:99], v[16:19], v[32:35], 1.0", [A, B, C], D, |_| 1.0);
    check("v_mfma_f32_16x16x32_bf16 v[96:99], v[16:19], v[32:35], 0", [A, B, C], D, |_| 0.0);
    check(
        "v_mfma_scale_f32_16x16x128_f8f6f4 v[96:99], v[16:19], v[32:35], -2.0, v48, v49 op_sel_hi:[0,0,0] cbsz:4 \
         blgp:4",
        [A, B, C],
        D,
        |_| -2.0,
    );
}

#[test]
fn the_scaled_prefix_negates_c_and_takes_its_magnitude() {
    let case = Case::all()
        .find(|case| case.text.contains("scale_f32_16x16x128") && case.text.contains("v[64:67]"))
        .expect("exists");
    let shape = Shape::parse(&case).expect("a product");
    let problem = random_problem(shape, 6, &mut Random(6));
    let rules: [(u128, Sign); 3] =
        [(1 << 63, |c| -c), (1 << 10, f32::abs), (1 << 63 | 1 << 10, |c| -c.abs())];
    for (bits, rule) in rules {
        let word = u128::from_le_bytes(case.bytes().try_into().expect("16 bytes")) | bits;
        let inst = cdna4::decode(&word.to_le_bytes()).expect("the modifier bits are no opcode bits");
        let mut bench = Bench::new(MfmaPolicy::Mixed);
        problem.load_at(&mut bench, C);
        bench.set(SCALE_A, |_| 0x7f7f_7f7f);
        bench.set(SCALE_B, |_| 0x7f7f_7f7f);
        bench.run(&crate::exec::resolve(&inst)).expect("registers are allocated");
        let d = problem.fetch(&bench, D);
        for (n, i, j) in problem.outputs() {
            let c = rule(f32::from_bits(problem.c[n][i][j] as u32));
            let want = expected(MfmaPolicy::Mixed, shape, &problem.values(n, i, j), &[], c);
            assert_eq!(d[n][i][j] as u32, want.to_bits(), "{bits:x} {i} {j}");
        }
    }
}

/// Runs an f64 form on small integers; D's values and the products' sums without C.
fn doubles(text: &str) -> (Problem, Vec<Vec<Vec<u64>>>) {
    let case = Case::find(text);
    let mut shape = Shape::parse(&case).expect("a product");
    shape.set = 0;
    let mut streams = [Random(7), Random(8), Random(9)];
    let [ra, rb, rc] = &mut streams;
    let draw = |random: &mut Random| (random.below(100) as f64 - 50.0).to_bits();
    let problem = Problem::new(shape, || draw(ra), || draw(rb), || draw(rc), || (0, 1));
    let mut bench = Bench::new(MfmaPolicy::Mixed);
    problem.load_at(&mut bench, C);
    bench.run(&case.op()).expect("registers are allocated");
    let d = problem.fetch(&bench, D);
    (problem, d)
}

#[test]
fn f64_forms_negate_their_operands_and_take_constants() {
    for (text, product, addend) in [
        ("v_mfma_f64_16x16x4_f64 v[96:103], v[16:17], v[32:33], v[64:71] neg:[1,0,0]", -1.0, Some(1.0)),
        ("v_mfma_f64_16x16x4_f64 v[96:103], v[16:17], v[32:33], v[64:71] neg:[0,1,1]", -1.0, Some(-1.0)),
        ("v_mfma_f64_4x4x4_4b_f64 v[96:97], v[16:17], v[32:33], v[64:65] neg:[0,0,1]", 1.0, Some(-1.0)),
        ("v_mfma_f64_16x16x4_f64 v[96:103], v[16:17], v[32:33], 0.5", 1.0, None),
    ] {
        let (problem, d) = doubles(text);
        for (n, i, j) in problem.outputs() {
            let dot: f64 = problem.values(n, i, j).iter().map(|&(a, b)| a * b).sum();
            let c = addend.map_or(0.5, |sign| sign * f64::from_bits(problem.c[n][i][j]));
            assert_eq!(f64::from_bits(d[n][i][j]), product * dot + c, "{text} {n} {i} {j}");
        }
    }
}

#[test]
fn cbsz_and_abid_broadcast_a_block_of_a() {
    for (text, group, block) in [
        ("v_mfma_f32_4x4x4_16b_f16 v[96:99], v[16:17], v[32:33], v[64:67] cbsz:2 abid:1", 4, 1),
        ("v_mfma_f32_32x32x1_2b_f32 v[96:127], v16, v32, v[64:95] cbsz:1 abid:1", 2, 1),
    ] {
        let case = Case::find(text);
        let shape = Shape { set: 0, ..Shape::parse(&case).expect("a product") };
        let mut streams = [Random(10), Random(11)];
        let [ra, rb] = &mut streams;
        let (a, b) = (shape.a, shape.b);
        let problem = Problem::new(
            shape,
            || a.code(ra.below(9) as f64 - 4.0),
            || b.code(rb.below(9) as f64 - 4.0),
            || 1f32.to_bits() as u64,
            || (0, 1),
        );
        let mut bench = Bench::new(MfmaPolicy::Mixed);
        problem.load_at(&mut bench, C);
        bench.run(&case.op()).expect("registers are allocated");
        let d = problem.fetch(&bench, D);
        for (n, i, j) in problem.outputs() {
            let terms = problem.terms_of(n / group * group + block, n, i, j);
            let dot: f64 = terms.iter().map(|&(x, y)| a.value(x) * b.value(y)).sum();
            assert_eq!(f32::from_bits(d[n][i][j] as u32) as f64, dot + 1.0, "{text} {n} {i} {j}");
        }
    }
}

/// The lane that a lane of B comes from.
type LaneOf = fn(usize) -> usize;

#[test]
fn blgp_moves_the_lanes_of_b() {
    let patterns: [(u32, LaneOf); 4] = [
        (1, |lane| lane % 32),
        (2, |lane| 32 + lane % 32),
        (3, |lane| (lane + 16) % 64),
        (6, |lane| 32 + lane % 16),
    ];
    let plain = Case::find("v_mfma_f32_16x16x16_f16 v[96:99], v[16:17], v[32:33], v[64:67]");
    let shape = Shape::parse(&plain).expect("a product");
    for (blgp, source) in patterns {
        let moved = Case::find(&format!("{} blgp:{blgp}", plain.text));
        let problem = random_problem(shape, 4, &mut Random(12));
        let mut bench = Bench::new(MfmaPolicy::Mixed);
        problem.load_at(&mut bench, C);
        bench.run(&moved.op()).expect("registers are allocated");
        let got = problem.fetch(&bench, D);
        // The same with the lanes moved by hand.
        for register in [B, B + 1] {
            let lanes = bench.get(register);
            bench.set(register, |lane| lanes[source(lane)]);
        }
        bench.run(&plain.op()).expect("registers are allocated");
        assert_eq!(got, problem.fetch(&bench, D), "blgp {blgp}");
    }
}

#[test]
fn moves_between_the_files_obey_exec() {
    let mut bench = Bench::new(MfmaPolicy::Mixed);
    bench.wave.set_scalar64(EXEC, 0xf0);
    bench.set(A, |lane| lane as u32);
    bench.set(ACC + A, |lane| 1000 + lane as u32);
    let at = |register: u16, value: &dyn Fn(usize) -> u32, bench: &Bench| {
        let lanes = bench.get(register);
        (0..64).for_each(|lane| {
            assert_eq!(lanes[lane], if (4..8).contains(&lane) { value(lane) } else { 7 }, "lane {lane}")
        });
    };
    for (text, target, value) in [
        ("v_accvgpr_read_b32 v96, a16", D, (|lane| 1000 + lane as u32) as fn(usize) -> u32),
        ("v_accvgpr_write_b32 a96, v16", ACC + D, |lane| lane as u32),
        ("v_accvgpr_write_b32 a96, 1.0", ACC + D, |_| 0x3f80_0000),
        ("v_accvgpr_mov_b32 a96, a16", ACC + D, |lane| 1000 + lane as u32),
    ] {
        bench.set(target, |_| 7);
        bench.run(&Case::find(text).op()).expect("registers are allocated");
        at(target, &value, &bench);
    }
}
