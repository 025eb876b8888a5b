//! The handlers of every level of this host give the same bits.

use super::{
    super::{Control, Form, handler},
    Bench, C, D, POLICIES, Random, SCALE_A, SCALE_B,
    matrix::{Format, Problem, Shape},
};
use crate::{
    op::Op,
    simd::{Level, level},
};

/// The op with the handler of a level.
fn at_level(op: &Op, level: Level) -> Op {
    let mut op = op.clone();
    op.exec = handler(Form::unpack(op.bits), level);
    op
}

/// Any bits: all codes, NaN and denormal C, all scales.
fn anything(shape: Shape, random: &mut Random) -> Problem {
    let mut streams: [Random; 4] = std::array::from_fn(|_| Random(random.next()));
    let [ra, rb, rc, rp] = &mut streams;
    let code = |random: &mut Random, format: Format| random.next() & (!0 >> (64 - format.bits()));
    let wide = shape.a == Format::F64;
    Problem::new(
        shape,
        || code(ra, shape.a),
        || code(rb, shape.b),
        || if wide { rc.next() } else { rc.next() as u32 as u64 },
        || [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)][rp.below(6) as usize],
    )
}

#[test]
fn levels_agree_on_any_bits() {
    let mut random = Random(13);
    let mut compared = 0;
    for case in super::Case::all() {
        let Some(mut shape) = Shape::parse(&case) else { continue };
        shape.set = if shape.sparse { shape.set } else { 0 };
        let op = case.op();
        let repeats = if shape.a == Format::Fp4 && shape.b == Format::Fp4 { 20 } else { 2 };
        for policy in POLICIES {
            for repeat in 0..repeats {
                let problem = anything(shape, &mut random);
                // Scales near each other, then any.
                let draw = |random: &mut Random| match repeat % 2 {
                    0 => u32::from_le_bytes(std::array::from_fn(|_| 120 + random.below(16) as u8)),
                    _ => random.next() as u32,
                };
                let scales: Vec<[u32; 2]> = (0..64).map(|_| [draw(&mut random), draw(&mut random)]).collect();
                let mut results = Vec::new();
                for level in
                    [Level::Portable, Level::Avx2, Level::Avx512].into_iter().filter(|&l| l <= level())
                {
                    let mut bench = Bench::new(policy);
                    problem.load_at(&mut bench, C);
                    bench.set(SCALE_A, |lane| scales[lane][0]);
                    bench.set(SCALE_B, |lane| scales[lane][1]);
                    bench.run(&at_level(&op, level)).expect("registers are allocated");
                    results.push(problem.fetch(&bench, if shape.sparse { C } else { D }));
                }
                compared += results.len() - 1;
                for other in &results[1..] {
                    assert!(results[0] == *other, "{} {policy:?}: levels differ", case.text);
                }
            }
        }
    }
    assert!(compared > 0 || level() == Level::Portable, "nothing was compared");
}

#[test]
fn controls_survive_packing() {
    for word in [0, 0x0332_1fff, 0x0011_0234] {
        assert_eq!(Control::unpack(word).pack(), word & 0x0333_17f7);
    }
}
