//! Matrix instruction tests: encodings by llvm-mc, operands and results placed and fetched element by element
//! from the layouts of the CDNA3 and CDNA4 manuals restated in [`matrix`], arithmetic done here.

mod controls;
mod layouts;
mod levels;
mod matrix;
mod policies;
mod scales;

use matrix::{Format, Shape};

use crate::{
    exec::{MfmaPolicy, resolve},
    fault::FaultKind,
    group::Random,
    lanes::Lanes,
    memory::Memory,
    op::Op,
    simd::execute,
    wave::{Cx, Wave},
};

/// `bytes text`, one instruction a line.
const WORDS: &str = include_str!("../../../tests/data/mai_words.txt");

const POLICIES: [MfmaPolicy; 4] =
    [MfmaPolicy::Mixed, MfmaPolicy::ExactBlock, MfmaPolicy::Cdna3Truncating, MfmaPolicy::FmaChain];

/// Registers of the encodings: A, B, C, D, the scales of A and B, the indices of sparse forms.
const A: u16 = 16;
const B: u16 = 32;
const C: u16 = 64;
const D: u16 = 96;
const SCALE_A: u16 = 48;
const SCALE_B: u16 = 49;
const INDICES: u16 = 50;
/// First accumulation register.
const ACC: u16 = 256;

/// An instruction of the word file.
#[derive(Clone, Copy, Debug)]
struct Case {
    hex: &'static str,
    text: &'static str,
}

impl Case {
    fn all() -> impl Iterator<Item = Case> {
        WORDS.lines().filter(|line| !line.starts_with('#')).map(|line| {
            let (hex, text) = line.split_once(' ').expect("two fields");
            Case { hex, text }
        })
    }

    fn find(text: &str) -> Case {
        Case::all().find(|case| case.text == text).unwrap_or_else(|| panic!("no encoding of {text}"))
    }

    fn mnemonic(self) -> &'static str {
        self.text.split(' ').next().expect("a word")
    }

    /// The value of `name:` in the text, 0 without.
    fn modifier(self, name: &str) -> u32 {
        let found = self.text.split_once(&format!(" {name}:"));
        found.map_or(0, |(_, rest)| rest[..1].parse().expect("a digit"))
    }

    fn bytes(self) -> Vec<u8> {
        (0..self.hex.len() / 2)
            .map(|i| u8::from_str_radix(&self.hex[2 * i..2 * i + 2], 16).expect("hexadecimal"))
            .collect()
    }

    fn op(self) -> Op {
        resolve(&cdna4::decode(&self.bytes()).expect("a gfx950 instruction"))
    }
}

/// A wave of 128 + 128 registers.
struct Bench {
    wave: Wave,
    policy: MfmaPolicy,
}

impl Bench {
    fn new(policy: MfmaPolicy) -> Bench {
        let mut wave = Wave::new(0, 128, 128);
        wave.mode = 0x3f0;
        // Matrix instructions ignore EXEC.
        wave.set_scalar64(crate::op::EXEC, 0);
        Bench { wave, policy }
    }

    fn set(&mut self, register: u16, value: impl Fn(usize) -> u32) {
        *self.wave.vector_mut(register).expect("allocated") = Lanes(std::array::from_fn(value));
    }

    fn get(&self, register: u16) -> Lanes {
        *self.wave.vector(register).expect("allocated")
    }

    fn run(&mut self, op: &Op) -> Result<(), FaultKind> {
        let memory = Memory::new(1 << 16).view();
        let mut lds = Vec::new();
        let mut cx = Cx::new(&mut lds, &memory);
        cx.mfma = self.policy;
        execute(&mut self.wave, op, &mut cx).map_err(|fault| fault.kind)
    }
}

#[test]
fn every_matrix_instruction_is_in_the_word_file_and_has_a_handler() {
    let mut seen = std::collections::BTreeSet::new();
    for case in Case::all() {
        seen.insert(case.mnemonic());
        assert!(case.op().exec as usize != crate::exec::UNSUPPORTED as usize, "{}", case.text);
    }
    for row in cdna4::rows() {
        let name = row.asm_mnemonic;
        let matrix = name.starts_with("v_mfma_") || name.starts_with("v_smfmac_");
        assert!(!matrix || name == "v_mfma_ld_scale_b32" || seen.contains(name), "{name} is not tested");
    }
}

#[test]
fn registers_beyond_the_allocation_fault() {
    let mut bench = Bench::new(MfmaPolicy::Mixed);
    bench.wave = Wave::new(0, 98, 0);
    let case = Case::find("v_mfma_f32_16x16x32_bf16 v[96:99], v[16:19], v[32:35], v[64:67]");
    assert_eq!(bench.run(&case.op()), Err(FaultKind::BadRegister { register: 98, allocated: 98 }));
}

/// A random element of `format`: finite, its exponent within `spread` of 1.
fn element(random: &mut Random, format: Format, spread: i32) -> u64 {
    loop {
        let code = random.next() & (!0 >> (64 - format.bits()));
        let value = format.value(code);
        let exponent = if value == 0.0 { 0 } else { value.abs().log2().floor() as i32 };
        if value.is_finite() && exponent.abs() <= spread {
            return code;
        }
    }
}

/// A random f32 of either sign with exponent within `spread` of 1.
fn single(random: &mut Random, spread: u64) -> f32 {
    let exponent = 127 - spread as u32 + random.below(2 * spread + 1) as u32;
    f32::from_bits((random.next() as u32 & 0x807f_ffff) | exponent << 23)
}

/// The forms without controls other than formats and sets of indices.
fn plain() -> impl Iterator<Item = (Case, Shape)> {
    let controlled = ["neg:", "op_sel", "1.0", ", 0", "2.0", "0.5", "a["];
    Case::all()
        .filter(move |case| !controlled.iter().any(|word| case.text.contains(word)))
        .filter(|case| case.text.contains("mf"))
        .filter_map(|case| Some((case, Shape::parse(&case)?)))
        .filter(|(case, shape)| {
            shape.narrow || shape.sparse || case.modifier("cbsz") + case.modifier("blgp") == 0
        })
}
