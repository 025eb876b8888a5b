//! Every form on small integers, whose products and sums are exact under every policy: what differs from the
//! integer matrix product is a wrong layout.

use super::{
    Bench, C, D, POLICIES, Random,
    matrix::{Format, Problem, Shape},
    plain,
};

/// A, B and C of integers that every format of the shape has.
fn integers(shape: Shape, random: &mut Random) -> Problem {
    let mut streams: [Random; 4] = std::array::from_fn(|_| Random(random.next()));
    let [ra, rb, rc, rp] = &mut streams;
    let range = |format: Format| if format == Format::I8 { 127 } else { 3 };
    let small = |random: &mut Random, limit: i64| random.below(2 * limit as u64 + 1) as i64 - limit;
    Problem::new(
        shape,
        || shape.a.code(small(ra, range(shape.a)) as f64),
        || shape.b.code(small(rb, range(shape.b)) as f64),
        || match shape.a {
            Format::I8 => rc.next() as u32 as u64,
            Format::F64 => (small(rc, 1000) as f64).to_bits(),
            _ => (small(rc, 1000) as f32).to_bits() as u64,
        },
        || [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)][rp.below(6) as usize],
    )
}

#[test]
fn every_form_multiplies_integer_matrices_under_every_policy() {
    let mut random = Random(1);
    let mut forms = 0;
    for (case, shape) in plain() {
        forms += 1;
        for policy in POLICIES {
            let problem = integers(shape, &mut random);
            let mut bench = Bench::new(policy);
            let at = if shape.sparse { C } else { D };
            problem.load_at(&mut bench, C);
            bench.run(&case.op()).expect("registers are allocated");
            let d = problem.fetch(&bench, at);
            for (n, i, j) in problem.outputs() {
                let dot: i64 = problem.values(n, i, j).iter().map(|&(x, y)| x as i64 * y as i64).sum();
                let c = problem.c[n][i][j];
                let want = match shape.a {
                    Format::I8 => (c as u32).wrapping_add(dot as u32) as u64,
                    Format::F64 => (f64::from_bits(c) + dot as f64).to_bits(),
                    _ => (f32::from_bits(c as u32) + dot as f32).to_bits() as u64,
                };
                assert_eq!(d[n][i][j], want, "{} {policy:?} block {n} row {i} column {j}", case.text);
            }
        }
    }
    // 28 dense forms, 50 f8f6f4 ones without scales, 28 sparse ones with their index sets.
    assert!(forms > 120, "{forms} forms");
}

#[test]
fn integer_sums_wrap() {
    let (case, shape) = plain().find(|(case, _)| case.text.contains("i32_16x16x64_i8")).expect("exists");
    let extreme = || Format::I8.code(-128.0);
    let problem = Problem::new(shape, extreme, extreme, || i32::MAX as u64, || (0, 1));
    let mut bench = Bench::new(POLICIES[0]);
    problem.load_at(&mut bench, C);
    bench.run(&case.op()).expect("registers are allocated");
    assert_eq!(problem.fetch(&bench, D)[0][3][7] as u32, (i32::MAX as u32).wrapping_add(64 * 128 * 128));
}
