//! Conversions to and from narrow floats against the `numerics` crate: every code, every half-precision source,
//! every upper half of an f32 with the lower halves that decide ties.

use numerics::{Conversion, Format, Overflow, Rounding, e2m1, e2m3, e3m2, e4m3, e5m2};

use super::Bench;
use crate::{group::Random, op::EXEC};

/// Source registers of the encodings.
const A: u16 = 32;
const B: u16 = 64;
const S: u16 = 80;

/// MODE.FP16_OVFL: 8-bit overflow saturates.
const SATURATE: u32 = 1 << 23;

/// Lower halves of an f32 that matter to rounding.
const LOWER: [u32; 6] = [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Wide {
    F32,
    F16,
    Bf16,
}

impl Wide {
    fn value(self, bits: u32) -> f32 {
        match self {
            Wide::F32 => f32::from_bits(bits),
            Wide::F16 => numerics::f16::to_f32(bits as u16),
            Wide::Bf16 => numerics::bf16::to_f32(bits as u16),
        }
    }

    /// The sources to try.
    fn all(self) -> Vec<u32> {
        match self {
            Wide::F32 => (0..1u32 << 16).flat_map(|high| LOWER.map(|low| high << 16 | low)).collect(),
            _ => (0..1 << 16).collect(),
        }
    }

    fn mantissa(self) -> u32 {
        match self {
            Wide::F32 => 23,
            Wide::F16 => 10,
            Wide::Bf16 => 7,
        }
    }

    /// The code of a value; NaN is the default one.
    fn code(self, value: f32) -> u32 {
        match self {
            _ if value.is_nan() && self == Wide::F32 => 0x7fc0_0000,
            _ if value.is_nan() && self == Wide::F16 => 0x7e00,
            _ if value.is_nan() => 0x7fc0,
            Wide::F32 => value.to_bits(),
            Wide::F16 => numerics::f16::from_f32_rne(value) as u32,
            Wide::Bf16 => numerics::bf16::from_f32_rne(value) as u32,
        }
    }
}

/// The conversion by `numerics`. E5M2 has three NaN mantissas: the hardware's is all ones in AMD's pseudocode.
fn encode(format: &Format, value: f32, exponent: i32, rule: Conversion) -> u32 {
    let nan = if *format == e5m2::FORMAT && value.is_nan() { 3 } else { 0 };
    format.encode(value, exponent, rule) | nan
}

fn width(format: &Format) -> u32 {
    1 + format.exponent_bits + format.mantissa_bits
}

/// The rule of the 8-bit and narrower conversions.
fn rule(saturate: bool) -> Conversion {
    if saturate { Conversion::RNE_SATURATE } else { Conversion::RNE.with_overflow(Overflow::Special) }
}

/// f32 bits with an exponent byte, and a mantissa and sign that must not matter.
fn scale(byte: u32) -> u32 {
    1 << 31 | byte << 23 | 0x12_3456
}

const SCALES: [u32; 9] = [0, 1, 64, 120, 126, 127, 131, 200, 254];

#[test]
fn every_code_widens() {
    let mut bench = Bench::new();
    for first in (0..256).step_by(64) {
        // Byte 2 for the SDWA select, byte 3 its complement for the pairs.
        bench.set(A, |lane| {
            let code = (first + lane) as u32;
            code | (code ^ 0xff) << 8 | code << 16 | (code ^ 0xff) << 24
        });
        let same = |got: u32, want: f32| Wide::F32.code(want) == got;
        for (format, single, pair) in
            [(&e4m3::FORMAT, 0x7e00_a920, 0x7e00_ad20), (&e5m2::FORMAT, 0x7e00_ab20, 0x7e00_af20)]
        {
            let value = |code: usize| {
                let value = format.to_f32(code as u32);
                if value.is_nan() { f32::NAN } else { value }
            };
            bench.run(&[single]);
            assert!((0..64).all(|lane| same(bench.get(0)[lane], value(first + lane))));
            for words in [&[pair][..], &[pair & !0x1ff | 0xf9, 0x0005_0620]] {
                bench.run(words);
                assert!((0..64).all(|lane| same(bench.get(0)[lane], value(first + lane))));
                assert!((0..64).all(|lane| same(bench.get(1)[lane], value((first + lane) ^ 0xff))));
            }
        }
        bench.run(&[0x7e00_a8f9, 0x0002_0620]); // v_cvt_f32_fp8_sdwa v0, v32 src0_sel:BYTE_2
        assert!((0..64).all(|lane| same(bench.get(0)[lane], e4m3::to_f32((first + lane) as u8))));
    }
}

#[test]
fn unscaled_narrowing_keeps_the_other_half() {
    for (format, opcode) in [(&e4m3::FORMAT, 0xd2a2_0000u32), (&e5m2::FORMAT, 0xd2a3_0000)] {
        for saturate in [false, true] {
            let mut bench = Bench::new();
            bench.wave.mode |= if saturate { SATURATE } else { 0 };
            let sources = Wide::F32.all();
            for (i, chunk) in sources.chunks_exact(64).enumerate() {
                bench.set(A, |lane| chunk[lane]);
                bench.set(B, |lane| chunk[63 - lane]);
                bench.set(0, |_| 0x1234_5678);
                let high = i % 2 == 1;
                bench.run(&[opcode | if high { 0x4000 } else { 0 }, 0x0002_8120]);
                let got = bench.get(0);
                for lane in 0..64 {
                    let code = |bits: u32| encode(format, f32::from_bits(bits), 0, rule(saturate));
                    let pair = code(chunk[lane]) | code(chunk[63 - lane]) << 8;
                    let want = if high { 0x5678 | pair << 16 } else { 0x1234_0000 | pair };
                    assert_eq!(got[lane], want, "{opcode:x} {:08x} saturate {saturate}", chunk[lane]);
                }
            }
        }
    }
}

/// `v_cvt_scalef32_pk_*`: opcode word, format, source.
const NARROW_PAIRS: [(u32, &Format, Wide); 9] = [
    (0xd23d_0000, &e2m1::FORMAT, Wide::F32),
    (0xd24c_0000, &e2m1::FORMAT, Wide::F16),
    (0xd24d_0000, &e2m1::FORMAT, Wide::Bf16),
    (0xd235_0000, &e4m3::FORMAT, Wide::F32),
    (0xd240_0000, &e4m3::FORMAT, Wide::F16),
    (0xd244_0000, &e4m3::FORMAT, Wide::Bf16),
    (0xd236_0000, &e5m2::FORMAT, Wide::F32),
    (0xd241_0000, &e5m2::FORMAT, Wide::F16),
    (0xd245_0000, &e5m2::FORMAT, Wide::Bf16),
];

#[test]
fn scaled_narrowing_of_pairs() {
    for (opcode, format, wide) in NARROW_PAIRS {
        let bits = width(format);
        for (n, byte) in SCALES.into_iter().enumerate() {
            let saturate = n % 2 == 1;
            let mut bench = Bench::new();
            bench.wave.mode |= if saturate { SATURATE } else { 0 };
            bench.set(S, |_| scale(byte));
            for (i, chunk) in wide.all().chunks_exact(64).enumerate() {
                let other = |lane: usize| chunk[63 - lane];
                let operands = if wide == Wide::F32 {
                    bench.set(A, |lane| chunk[lane]);
                    bench.set(B, other);
                    0x0542_8120
                } else {
                    bench.set(A, |lane| chunk[lane] | other(lane) << 16);
                    0x0002_a120
                };
                bench.set(0, |_| 0x89ab_cdef);
                // FP4: one of four bytes by op_sel[3:2]; 8 bits: one of two halves by op_sel[3].
                let (select, at) = if bits == 4 { (i % 4 * 2, i % 4 * 8) } else { (i % 2 * 4, i % 2 * 16) };
                bench.run(&[opcode | (select as u32) << 12, operands]);
                let got = bench.get(0);
                for lane in 0..64 {
                    let code = |source: u32| {
                        let value = wide.value(source);
                        encode(format, value, byte as i32 - 127, rule(saturate || bits == 4))
                    };
                    let pair = code(chunk[lane]) | code(other(lane)) << bits;
                    let field = ((1u32 << (2 * bits)) - 1) << at;
                    let want = 0x89ab_cdef & !field | pair << at;
                    assert_eq!(
                        got[lane],
                        want,
                        "{opcode:x} {wide:?} {:08x} {:08x} scale {byte} saturate {saturate}",
                        chunk[lane],
                        other(lane)
                    );
                }
            }
        }
    }
}

#[test]
fn scaled_widening_of_every_code_by_every_scale() {
    let pairs: [(u32, &Format, Wide); 9] = [
        (0xd23f_0000, &e2m1::FORMAT, Wide::F32),
        (0xd250_0000, &e2m1::FORMAT, Wide::F16),
        (0xd251_0000, &e2m1::FORMAT, Wide::Bf16),
        (0xd239_0000, &e4m3::FORMAT, Wide::F32),
        (0xd248_0000, &e4m3::FORMAT, Wide::F16),
        (0xd269_0000, &e4m3::FORMAT, Wide::Bf16),
        (0xd23a_0000, &e5m2::FORMAT, Wide::F32),
        (0xd249_0000, &e5m2::FORMAT, Wide::F16),
        (0xd26a_0000, &e5m2::FORMAT, Wide::Bf16),
    ];
    let mut bench = Bench::new();
    for (opcode, format, wide) in pairs {
        let bits = width(format);
        let codes = 1usize << bits;
        for byte in 0..256u32 {
            bench.set(S, |_| scale(byte));
            for first in (0..codes).step_by(64) {
                let code = |lane: usize| ((first + lane) % codes) as u32;
                let pair = |lane: usize| code(lane) | (code(lane) ^ (codes as u32 - 1)) << bits;
                let places = if bits == 4 { 4 } else { 2 };
                let place = (byte as usize + first / 64) % places;
                bench.set(A, |lane| {
                    !((1u32.unbounded_shl(2 * bits) - 1) << (place as u32 * 2 * bits))
                        | pair(lane) << (place as u32 * 2 * bits)
                });
                bench.run(&[opcode | (place as u32) << 11, 0x0002_a120]);
                for lane in 0..64 {
                    let value = |code: u32| {
                        let power = if byte == 255 { f64::NAN } else { 2f64.powi(byte as i32 - 127) };
                        // A product of 4 significant bits: exact in f64, one rounding into the result.
                        wide.code((format.to_f32(code) as f64 * power) as f32)
                    };
                    let want = [value(code(lane)), value(code(lane) ^ (codes as u32 - 1))];
                    let got = if wide == Wide::F32 {
                        [bench.get(0)[lane], bench.get(1)[lane]]
                    } else {
                        [bench.get(0)[lane] & 0xffff, bench.get(0)[lane] >> 16]
                    };
                    assert_eq!(got, want, "{opcode:x} {wide:?} code {:x} scale {byte}", code(lane));
                }
            }
        }
    }
}

/// The stochastic conversions: opcode word, format, source, whether of pairs.
const STOCHASTIC: [(u32, &Format, Wide, bool); 9] = [
    (0xd237_0000, &e4m3::FORMAT, Wide::F32, false),
    (0xd242_0000, &e4m3::FORMAT, Wide::F16, false),
    (0xd246_0000, &e4m3::FORMAT, Wide::Bf16, false),
    (0xd238_0000, &e5m2::FORMAT, Wide::F32, false),
    (0xd243_0000, &e5m2::FORMAT, Wide::F16, false),
    (0xd247_0000, &e5m2::FORMAT, Wide::Bf16, false),
    (0xd23e_0000, &e2m1::FORMAT, Wide::F32, true),
    (0xd24e_0000, &e2m1::FORMAT, Wide::F16, true),
    (0xd24f_0000, &e2m1::FORMAT, Wide::Bf16, true),
];

/// The hardware's sequence, as the manual gives it.
fn prng(state: u32) -> u32 {
    state << 1 ^ if state >> 31 == 1 { 197 } else { 0 }
}

#[test]
fn stochastic_narrowing_advances_its_random_word() {
    let mut random = Random(51);
    for (opcode, format, wide, pair) in STOCHASTIC {
        let bits = width(format);
        let mut bench = Bench::new();
        for byte in [127u32, 120, 133] {
            for _ in 0..400 {
                let source = |random: &mut Random| match wide {
                    // Exponents around the format's range.
                    Wide::F32 => random.next() as u32 & 0x807f_ffff | (100 + random.below(50) as u32) << 23,
                    Wide::F16 => random.next() as u32 & 0xffff,
                    Wide::Bf16 => random.next() as u32 & 0x807f | (100 + random.below(50) as u32) << 7,
                };
                let values: Vec<[u32; 3]> = (0..64)
                    .map(|_| [source(&mut random), source(&mut random), random.next() as u32])
                    .filter(|[a, b, _]| wide.value(*a).is_finite() && wide.value(*b).is_finite())
                    .collect();
                let value = |lane: usize| values[lane % values.len()];
                if wide == Wide::F32 {
                    bench.set(A, |lane| value(lane)[0]);
                    bench.set(A + 1, |lane| value(lane)[1]);
                } else {
                    bench.set(A, |lane| value(lane)[0] | value(lane)[1] << 16);
                }
                bench.set(B, |lane| value(lane)[2]);
                bench.set(S, |_| scale(byte));
                bench.set(0, |_| 0);
                bench.run(&[opcode, 0x0542_8120]);
                for lane in 0..64 {
                    let [a, b, seed] = value(lane);
                    let code = |source: u32, random: u32| {
                        let rounding = Rounding::Stochastic { random, source_mantissa_bits: wide.mantissa() };
                        let rule = rule(bits == 4).with_rounding(rounding);
                        encode(format, wide.value(source), byte as i32 - 127, rule)
                    };
                    let mut want = code(a, seed);
                    if pair {
                        want |= code(b, prng(seed)) << bits;
                    }
                    assert_eq!(
                        bench.get(0)[lane],
                        want,
                        "{opcode:x} {a:08x} {b:08x} {seed:08x} scale {byte}"
                    );
                }
            }
        }
    }
}

#[test]
fn thirty_two_six_bit_elements() {
    let mut random = Random(52);
    // 32 halves, 16 + 16 singles; widening to singles and halves.
    for (narrow, widen, format, wide) in [
        (0xd258_0000u32, 0xd260_0000u32, &e2m3::FORMAT, Wide::F16),
        (0xd25b_0000, 0xd263_0000, &e3m2::FORMAT, Wide::Bf16),
        (0xd252_0000, 0xd256_0000, &e2m3::FORMAT, Wide::F32),
        (0xd253_0000, 0xd257_0000, &e3m2::FORMAT, Wide::F32),
    ] {
        for round in 0..200 {
            let byte = 119 + round % 17;
            let mut bench = Bench::new();
            bench.set(S, |_| scale(byte));
            let elements: Vec<[u32; 64]> = (0..32)
                .map(|_| {
                    std::array::from_fn(|_| match wide {
                        Wide::F32 => {
                            random.next() as u32 & 0x807f_ffff | (118 + random.below(16) as u32) << 23
                        }
                        Wide::F16 => random.next() as u32 & 0xffff,
                        Wide::Bf16 => random.next() as u32 & 0x807f | (118 + random.below(16) as u32) << 7,
                    })
                })
                .collect();
            if wide == Wide::F32 {
                // Even elements in one operand, odd ones in the other.
                for i in 0..16 {
                    bench.set(A + i as u16, |lane| elements[2 * i][lane]);
                    bench.set(B + i as u16, |lane| elements[2 * i + 1][lane]);
                }
                bench.run(&[narrow, 0x0542_8120]);
            } else {
                for i in 0..16 {
                    bench.set(A + i as u16, |lane| elements[2 * i][lane] | elements[2 * i + 1][lane] << 16);
                }
                bench.run(&[narrow, 0x0002_a120]);
            }
            let packed: Vec<_> = (0..6).map(|i| bench.get(i)).collect();
            let code = |lane: usize, i: usize| -> u32 {
                (0..6).map(|bit| (packed[(6 * i + bit) / 32][lane] >> ((6 * i + bit) % 32) & 1) << bit).sum()
            };
            for lane in 0..64 {
                for (i, element) in elements.iter().enumerate() {
                    let want =
                        format.encode(wide.value(element[lane]), byte as i32 - 127, Conversion::RNE_SATURATE);
                    assert_eq!(code(lane, i), want, "{narrow:x} {:08x} scale {byte}", element[lane]);
                }
            }
            // And back: the widened codes times the scale.
            for (i, lanes) in packed.iter().enumerate() {
                bench.set(A + i as u16, |lane| lanes[lane]);
            }
            bench.run(&[widen, 0x0002_a120]);
            for lane in 0..64 {
                for i in 0..32 {
                    let value = format.to_f32(code(lane, i)) as f64 * 2f64.powi(byte as i32 - 127);
                    let got = if wide == Wide::F32 {
                        bench.get(i as u16)[lane]
                    } else {
                        bench.get(i as u16 / 2)[lane] >> (16 * (i % 2)) & 0xffff
                    };
                    assert_eq!(got, wide.code(value as f32), "{widen:x} element {i} scale {byte}");
                }
            }
        }
    }
}

#[test]
fn bf16_and_f16_rounding_of_every_upper_half() {
    let mut bench = Bench::new();
    for chunk in Wide::F32.all().chunks_exact(64) {
        bench.set(A, |lane| chunk[lane]);
        bench.set(B, |lane| chunk[63 - lane]);
        bench.run(&[0xd268_0000, 0x0002_8120]); // v_cvt_pk_bf16_f32
        let bf16 = bench.get(0);
        bench.run(&[0x7e00_1520]); // v_cvt_f16_f32
        let f16 = bench.get(0);
        bench.run(&[0xd296_0000, 0x0002_8120]); // v_cvt_pkrtz_f16_f32
        let truncated = bench.get(0);
        for lane in 0..64 {
            let (x, y) = (f32::from_bits(chunk[lane]), f32::from_bits(chunk[63 - lane]));
            let same = |got: u32, want: u16, infinite: u32| {
                got == want as u32 || got & 0x7fff > infinite && want as u32 & 0x7fff > infinite
            };
            assert!(same(bf16[lane] & 0xffff, numerics::bf16::from_f32_rne(x), 0x7f80), "bf16 {x:e}");
            assert!(same(bf16[lane] >> 16, numerics::bf16::from_f32_rne(y), 0x7f80), "bf16 {y:e}");
            assert!(same(f16[lane], numerics::f16::from_f32_rne(x), 0x7c00), "f16 {x:e}");
            assert!(same(truncated[lane] >> 16, numerics::f16::from_f32_toward_zero(y), 0x7c00), "rtz {y:e}");
        }
    }
}

#[test]
fn conversions_obey_exec() {
    let mut bench = Bench::new();
    bench.wave.set_scalar64(EXEC, 0xffff);
    bench.set(A, |_| 1f32.to_bits());
    bench.set(B, |_| 2f32.to_bits());
    bench.set(S, |_| scale(127));
    bench.set(0, |_| 0x5555_5555);
    bench.run(&[0xd23d_2000, 0x0542_8120]); // v_cvt_scalef32_pk_fp4_f32 … op_sel:[0,0,1,0]
    let got = bench.get(0);
    assert!((0..64).all(|lane| got[lane] == if lane < 16 { 0x5555_4255 } else { 0x5555_5555 }));
}
