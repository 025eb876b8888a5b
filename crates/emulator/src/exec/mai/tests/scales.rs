//! Scaled forms: which byte of which lane scales which block, and the special scales.

use super::{
    Bench, C, Case, D, MfmaPolicy, POLICIES, Random, SCALE_A, SCALE_B,
    matrix::{Format, Problem, Shape},
    policies::{expected, random_problem},
};

/// The scaled forms on registers, and the bytes of A's and B's scale register that they select.
fn scaled() -> impl Iterator<Item = (Case, Shape, [u32; 2])> {
    Case::all().filter(|case| case.text.contains("_scale_") && case.text.contains("v[64:")).filter_map(
        |case| {
            let bits = |name: &str| -> [u32; 2] {
                let found = case.text.split_once(&format!("{name}:["));
                // The assembler leaves out what is all zero.
                found.map_or([0; 2], |(_, rest)| [0, 2].map(|at| rest[at..at + 1].parse().expect("a bit")))
            };
            let (low, high) = (bits("op_sel"), bits("op_sel_hi"));
            Some((case, Shape::parse(&case)?, [low[0] | high[0] << 1, low[1] | high[1] << 1]))
        },
    )
}

/// Loads `bytes[row][block]` into byte `select` of a scale register, and noise into the other bytes.
fn load_scales(bench: &mut Bench, register: u16, select: u32, shape: Shape, bytes: &[Vec<u8>]) {
    bench.set(register, |lane| {
        let byte = bytes[lane % shape.size][lane / shape.size] as u32;
        0x1357_9bdf & !(0xff << (8 * select)) | byte << (8 * select)
    });
}

fn bytes(shape: Shape, mut byte: impl FnMut() -> u8) -> Vec<Vec<u8>> {
    (0..shape.size).map(|_| (0..shape.k / 32).map(|_| byte()).collect()).collect()
}

#[test]
fn every_format_pair_and_byte_under_every_policy() {
    let mut random = Random(4);
    let mut selects = std::collections::BTreeSet::new();
    let mut cases = 0;
    for (case, shape, select) in scaled() {
        for policy in POLICIES {
            let problem = random_problem(shape, 6, &mut random);
            let mut byte = || 119 + random.below(17) as u8;
            let (scales_a, scales_b) = (bytes(shape, &mut byte), bytes(shape, &mut byte));
            let mut bench = Bench::new(policy);
            problem.load_at(&mut bench, C);
            load_scales(&mut bench, SCALE_A, select[0], shape, &scales_a);
            load_scales(&mut bench, SCALE_B, select[1], shape, &scales_b);
            bench.run(&case.op()).expect("registers are allocated");
            let d = problem.fetch(&bench, D);
            for (n, i, j) in problem.outputs() {
                let c = f32::from_bits(problem.c[n][i][j] as u32);
                let scales: Vec<(i32, i32)> = (0..shape.k / 32)
                    .map(|q| (scales_a[i][q] as i32 - 127, scales_b[j][q] as i32 - 127))
                    .collect();
                let want = expected(policy, shape, &problem.values(n, i, j), &scales, c);
                let got = f32::from_bits(d[n][i][j] as u32);
                assert_eq!(got.to_bits(), want.to_bits(), "{} {policy:?} {i} {j}: {got} {want}", case.text);
            }
            cases += 1;
        }
        selects.insert(select);
    }
    assert!(cases > 200 && selects.len() >= 4, "{cases} cases, bytes {selects:?}");
}

fn find(a: Format, b: Format, size: usize) -> (Case, Shape, [u32; 2]) {
    scaled().find(|(_, shape, _)| (shape.a, shape.b, shape.size) == (a, b, size)).expect("exists")
}

/// D of all-one operands with the given scales.
fn run(
    policy: MfmaPolicy,
    at: (Case, Shape, [u32; 2]),
    a: &[Vec<u8>],
    b: &[Vec<u8>],
    c: f32,
) -> Vec<Vec<u64>> {
    let (case, shape, select) = at;
    let (one_a, one_b) = (shape.a.code(1.0), shape.b.code(1.0));
    let problem = Problem::new(shape, || one_a, || one_b, || c.to_bits() as u64, || (0, 1));
    let mut bench = Bench::new(policy);
    problem.load_at(&mut bench, C);
    load_scales(&mut bench, SCALE_A, select[0], shape, a);
    load_scales(&mut bench, SCALE_B, select[1], shape, b);
    bench.run(&case.op()).expect("registers are allocated");
    problem.fetch(&bench, D).swap_remove(0)
}

#[test]
fn a_nan_scale_spoils_its_row_or_column() {
    for policy in POLICIES {
        for (a, b) in [(Format::Fp4, Format::Fp4), (Format::Fp8, Format::Fp4), (Format::Bf8, Format::Fp6)] {
            for size in [16, 32] {
                let at = find(a, b, size);
                let (mut left, mut right) = (bytes(at.1, || 127), bytes(at.1, || 127));
                left[3][1] = 0xff;
                right[size - 1][0] = 0xff;
                let d = run(policy, at, &left, &right, 1.0);
                for (i, row) in d.iter().enumerate() {
                    for (j, &got) in row.iter().enumerate() {
                        let spoilt = i == 3 || j == size - 1;
                        let want = if spoilt { 0x7fc0_0000 } else { (at.1.k as f32 + 1.0).to_bits() as u64 };
                        assert_eq!(got, want, "{policy:?} {a:?} {b:?} {size} {i} {j}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_nan_scale_spoils_a_block_of_zeros_too() {
    for policy in POLICIES {
        let (case, shape, select) = find(Format::Fp4, Format::Fp4, 16);
        let problem = Problem::new(shape, || 0, || 0, || 0, || (0, 1));
        let mut bench = Bench::new(policy);
        problem.load_at(&mut bench, C);
        let mut left = bytes(shape, || 127);
        left[5][2] = 0xff;
        load_scales(&mut bench, SCALE_A, select[0], shape, &left);
        load_scales(&mut bench, SCALE_B, select[1], shape, &bytes(shape, || 127));
        bench.run(&case.op()).expect("registers are allocated");
        let d = &problem.fetch(&bench, D)[0];
        assert_eq!((d[5][0], d[4][0]), (0x7fc0_0000, 0), "{policy:?}");
    }
}

#[test]
fn extreme_scales_underflow_cancel_and_overflow() {
    for policy in POLICIES {
        for (a, b) in [(Format::Fp4, Format::Fp4), (Format::Fp8, Format::Fp8)] {
            let at = find(a, b, 16);
            let uniform = |byte: u8| bytes(at.1, || byte);
            // 2^−127 · 2^−127: far below f32; C decides.
            assert_eq!(run(policy, at, &uniform(0), &uniform(0), 1.5)[0][0], 1.5f32.to_bits() as u64);
            // 2^−127 · 2^127 = 1.
            assert_eq!(run(policy, at, &uniform(0), &uniform(254), 0.0)[0][0], 128f32.to_bits() as u64);
            // 2^−127 · 2^−20 · 128 = 2^−140, a denormal result.
            let tiny = run(policy, at, &uniform(0), &uniform(107), 0.0)[1][1];
            assert_eq!(f32::from_bits(tiny as u32) as f64, 2f64.powi(-140), "{policy:?} {a:?}");
            // 2^127 · 2^127.
            assert_eq!(
                run(policy, at, &uniform(254), &uniform(254), 0.0)[2][2],
                f32::INFINITY.to_bits() as u64
            );
        }
    }
}

#[test]
fn blocks_of_zeros_add_nothing() {
    for policy in POLICIES {
        let (case, shape, select) = find(Format::Fp4, Format::Fp4, 16);
        let one = Format::Fp4.code(1.0);
        // Negative zeros in block 1 of A; C is −0 in one place.
        let mut problem = Problem::new(shape, || one, || one, || 0, || (0, 1));
        for row in &mut problem.a[0] {
            row[32..64].fill(8);
        }
        problem.c[0][0][0] = 0x8000_0000;
        let mut bench = Bench::new(policy);
        problem.load_at(&mut bench, C);
        load_scales(&mut bench, SCALE_A, select[0], shape, &bytes(shape, || 127));
        load_scales(&mut bench, SCALE_B, select[1], shape, &bytes(shape, || 127));
        bench.run(&case.op()).expect("registers are allocated");
        let d = &problem.fetch(&bench, D)[0];
        assert!(d.iter().flatten().all(|&bits| bits == 96f32.to_bits() as u64), "{policy:?}");
    }
}
