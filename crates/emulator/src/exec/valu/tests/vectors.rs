//! Rarer instructions: for each instruction word, sources and what AMD's pseudocode makes of them. The vectors of all
//! others are `tools/oracles/generate.py`'s, see `tests/oracle.rs`.

use super::{Bench, decoded};
use crate::op::Arg;

/// `mnemonic words source-dwords destination-dwords nan-class width`, then indented cases:
/// `sources old-destination carry-in destination carry-out`.
const VECTORS: &str = include_str!("../../../../tests/data/valu_vectors.txt");

/// Registers of the vector file's sources; the destination starts at v0.
const SOURCES: [u16; 3] = [32, 64, 80];

struct Group<'a> {
    header: Vec<&'a str>,
    cases: Vec<Vec<&'a str>>,
}

fn groups() -> Vec<Group<'static>> {
    let mut groups: Vec<Group<'static>> = Vec::new();
    for line in VECTORS.lines().filter(|line| !line.starts_with('#')) {
        let fields = line.split_whitespace().collect();
        match line.starts_with(' ') {
            true => groups.last_mut().expect("a header first").cases.push(fields),
            false => groups.push(Group { header: fields, cases: Vec::new() }),
        }
    }
    groups
}

/// Dword `i` of a big-endian hexadecimal number.
fn dword(hex: &str, i: usize) -> u32 {
    let end = hex.len() - 8 * i;
    u32::from_str_radix(&hex[end - 8..end], 16).expect("hexadecimal")
}

/// Equal, or both NaN in the group's format: payloads are the emulator's own rule.
fn agrees(class: &str, got: u64, want: u64) -> bool {
    let half = |bits: u64, limit: u64| bits & 0x7fff > limit;
    let halves = |limit: u64| {
        (0..2).all(|i| {
            let (g, w) = (got >> (16 * i) & 0xffff, want >> (16 * i) & 0xffff);
            g == w || half(g, limit) && half(w, limit)
        })
    };
    got == want
        || match class {
            "f32" => f32::from_bits(got as u32).is_nan() && f32::from_bits(want as u32).is_nan(),
            "f64" => f64::from_bits(got).is_nan() && f64::from_bits(want).is_nan(),
            "pk16" => halves(0x7c00),
            "pkbf" => halves(0x7f80),
            _ => false,
        }
}

#[test]
fn pseudocode_vectors_agree() {
    let mut failures = Vec::new();
    let mut cases = 0;
    for group in groups() {
        let [mnemonic, words, widths, dst, class, width] = group.header[..] else {
            panic!("six fields: {:?}", group.header)
        };
        let words: Vec<u32> =
            words.split('+').map(|word| u32::from_str_radix(word, 16).expect("hexadecimal")).collect();
        let widths: Vec<usize> = widths.split(',').map(|width| width.parse().expect("a number")).collect();
        let dst: usize = dst.parse().expect("a number");
        let mut b = Bench::new();
        let case = |lane: usize| &group.cases[lane % group.cases.len()];
        for (i, &dwords) in widths.iter().enumerate() {
            for part in 0..dwords {
                b.set(SOURCES[i] + part as u16, |lane| dword(case(lane)[i], part));
            }
        }
        let n = widths.len();
        for part in 0..dst {
            b.set(part as u16, |lane| dword(case(lane)[n], part));
        }
        let carry: u64 = (0..64).map(|lane| ((case(lane)[n + 1] == "1") as u64) << lane).sum();
        b.wave.set_scalar64(crate::op::VCC, carry);
        b.run(&words);
        let mask = match decoded(&words).sdst {
            Arg::Scalar(index) => Some(b.wave.scalar64(index)),
            _ => None,
        };
        for lane in 0..64.min(group.cases.len()) {
            cases += 1;
            let expected = case(lane);
            let step = if class == "f64" { 2 } else { 1 };
            for part in (0..dst).step_by(step) {
                let wide = step == 2;
                let high = |value: u32| if wide { (value as u64) << 32 } else { 0 };
                let mut got = b.get(part as u16)[lane] as u64;
                let mut want = dword(expected[n + 2], part) as u64;
                if wide {
                    got |= high(b.get(part as u16 + 1)[lane]);
                    want |= high(dword(expected[n + 2], part + 1));
                }
                let kept = if width == "half" { 0xffff } else { !0 };
                if !agrees(class, got & kept, want & kept) {
                    failures.push(format!(
                        "{mnemonic} {words:08x?} {expected:?}: dword {part} is {got:x}, not {want:x}"
                    ));
                }
            }
            if let Some(mask) = mask
                && (mask >> lane & 1 != 0) != (expected[n + 3] == "1")
            {
                failures.push(format!("{mnemonic} {words:08x?} {expected:?}: mask bit"));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {cases} cases differ:\n{}", failures.len(), failures.join("\n"));
    assert!(cases > 600, "the file holds {cases} cases");
}
