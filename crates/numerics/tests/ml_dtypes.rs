//! Every narrow format over all 65,536 bf16 inputs, every code's value, and f16/bf16, against ml_dtypes.
//! tools/golden/ml_dtypes_golden.py writes the files.

use numerics::{Conversion, FiniteNan, bf16, e2m1, e2m3, e3m2, e4m3, e5m2, e8m0, f16};

const ENCODE: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/golden_ml_dtypes_encode.csv"));
const DECODE: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/golden_ml_dtypes_decode.csv"));
const WIDE: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/golden_ml_dtypes_wide.csv"));

/// What ml_dtypes does: no saturation where the format has Inf or NaN, NaN to the inverted zero where not.
const RULE: Conversion = Conversion::RNE.with_nan(FiniteNan::InvertedZero);

/// bf16 inputs between 2^-127 and 1.5 · 2^-127, which ml_dtypes 0.6.0 rounds up to 2^-126 as E8M0 although
/// 2^-127 is nearer (its denormal path rounds away); we round to nearest. The only disagreement.
const ROUNDED_AWAY: std::ops::RangeInclusive<u32> = 0x0041..=0x005f;

struct Narrow {
    name: &'static str,
    codes: u32,
    encode: fn(f32) -> u8,
    decode: fn(u8) -> f32,
}

const NARROW: [Narrow; 8] = [
    Narrow { name: "e2m1", codes: 16, encode: |x| e2m1::from_f32(x, 0, RULE), decode: e2m1::to_f32 },
    Narrow { name: "e2m3", codes: 64, encode: |x| e2m3::from_f32(x, 0, RULE), decode: e2m3::to_f32 },
    Narrow { name: "e3m2", codes: 64, encode: |x| e3m2::from_f32(x, 0, RULE), decode: e3m2::to_f32 },
    Narrow { name: "e4m3", codes: 256, encode: e4m3::from_f32_rne, decode: e4m3::to_f32 },
    Narrow { name: "e4m3fnuz", codes: 256, encode: e4m3::fnuz::from_f32_rne, decode: e4m3::fnuz::to_f32 },
    Narrow { name: "e5m2", codes: 256, encode: e5m2::from_f32_rne, decode: e5m2::to_f32 },
    Narrow { name: "e5m2fnuz", codes: 256, encode: e5m2::fnuz::from_f32_rne, decode: e5m2::fnuz::to_f32 },
    Narrow { name: "e8m0", codes: 256, encode: e8m0::from_f32_rne, decode: e8m0::to_f32 },
];

/// The rows of one format (first column), remaining columns split.
fn rows<'a>(file: &'a str, name: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    file.lines().skip(1).filter_map(move |line| {
        let mut columns = line.split(',');
        (columns.next() == Some(name)).then(|| (columns.next().unwrap(), columns.next().unwrap()))
    })
}

#[test]
fn every_bf16_encodes_as_in_ml_dtypes() {
    for Narrow { name, encode, .. } in NARROW {
        let runs: Vec<(u32, u8)> = rows(ENCODE, name)
            .map(|(first, code)| {
                (u32::from_str_radix(first, 16).unwrap(), u8::from_str_radix(code, 16).unwrap())
            })
            .collect();
        assert_eq!(runs[0].0, 0, "{name} starts at input 0");
        let ends = runs.iter().skip(1).map(|run| run.0).chain([0x1_0000]);
        let mut checked = 0;
        for ((first, expected), end) in runs.iter().zip(ends) {
            for input in *first..end {
                let code = encode(bf16::to_f32(input as u16));
                if name == "e8m0" && ROUNDED_AWAY.contains(&input) {
                    assert_eq!((code, *expected), (0, 1), "e8m0 of bf16 {input:04x}");
                    checked += 1;
                    continue;
                }
                assert_eq!(code, *expected, "{name} of bf16 {input:04x}: {code:02x}, not {expected:02x}");
                checked += 1;
            }
        }
        assert_eq!(checked, 65_536, "{name}");
    }
}

#[test]
fn every_code_decodes_as_in_ml_dtypes() {
    for Narrow { name, codes, decode, .. } in NARROW {
        let mut checked = 0;
        for (code, bits) in rows(DECODE, name) {
            let value = decode(u8::from_str_radix(code, 16).unwrap());
            match bits {
                "nan" => assert!(value.is_nan(), "{name} code {code}"),
                _ => assert_eq!(format!("{:08x}", value.to_bits()), bits, "{name} code {code}"),
            }
            checked += 1;
        }
        assert_eq!(checked, codes, "{name}");
    }
}

#[test]
fn f16_and_bf16_convert_as_in_numpy_and_ml_dtypes() {
    const LOW_HALVES: [u32; 16] = [
        0x0000, 0x0001, 0x0fff, 0x1000, 0x1001, 0x1fff, 0x2fff, 0x3000, 0x3001, 0x7fff, 0x8000, 0x8001,
        0xc000, 0xe000, 0xf000, 0xffff,
    ];
    fn one_nan_per_sign(code: u16, infinity: u16) -> u16 {
        if code & 0x7fff > infinity { code | 0x7fff } else { code }
    }
    let narrowed = |block: u32, encode: fn(f32) -> u16, infinity: u16| {
        let mut bytes = Vec::new();
        for upper in block << 8..(block + 1) << 8 {
            for low in LOW_HALVES {
                let code = encode(f32::from_bits(upper << 16 | low));
                bytes.extend(one_nan_per_sign(code, infinity).to_le_bytes());
            }
        }
        bytes
    };
    let widened = |block: u32| {
        let mut bytes = Vec::new();
        for code in block << 8..(block + 1) << 8 {
            let value = f16::to_f32(code as u16);
            let bits = if value.is_nan() { value.to_bits() | 0x7fff_ffff } else { value.to_bits() };
            bytes.extend(bits.to_le_bytes());
        }
        bytes
    };
    for conversion in ["f32_to_f16", "f32_to_bf16", "f16_to_f32"] {
        let mut checked = 0;
        for (block, hash) in rows(WIDE, conversion) {
            let block = u32::from_str_radix(block, 16).unwrap();
            let bytes = match conversion {
                "f32_to_f16" => narrowed(block, f16::from_f32_rne, 0x7c00),
                "f32_to_bf16" => narrowed(block, bf16::from_f32_rne, 0x7f80),
                _ => widened(block),
            };
            assert_eq!(format!("{:016x}", fnv1a(&bytes)), hash, "{conversion}, upper byte {block:02x}");
            checked += 1;
        }
        assert_eq!(checked, 256, "{conversion}");
    }
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |state, byte| (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
