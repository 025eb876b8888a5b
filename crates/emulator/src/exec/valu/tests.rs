//! Vector ALU tests: instructions are assembled words (llvm-mc 22, gfx950), decoded and resolved like a
//! kernel's. Expected values come from elsewhere: AMD's published pseudocode evaluated by a separate
//! interpreter (the vector file), f64 arithmetic, the `numerics` crate.

mod accuracy;
mod formats;
mod modes;
mod selects;
mod vectors;

use cdna4::{Encoding, rows};

use super::handler;
use crate::{
    exec::resolve,
    lanes::Lanes,
    memory::Memory,
    op::{Arg, Op},
    simd,
    wave::{Cx, Wave},
};

/// A wave of 128 registers. MODE as hipcc sets it: denormals kept, IEEE and DX10 clamp on.
struct Bench {
    wave: Wave,
}

impl Bench {
    fn new() -> Bench {
        let mut wave = Wave::new(0, 128, 8);
        wave.mode = 0x3f0;
        Bench { wave }
    }

    fn set(&mut self, register: u16, value: impl Fn(usize) -> u32) {
        *self.wave.vector_mut(register).expect("allocated") = Lanes(std::array::from_fn(value));
    }

    /// A 64-bit value in two registers.
    fn set_wide(&mut self, register: u16, value: impl Fn(usize) -> u64) {
        self.set(register, |lane| value(lane) as u32);
        self.set(register + 1, |lane| (value(lane) >> 32) as u32);
    }

    fn get(&self, register: u16) -> Lanes {
        *self.wave.vector(register).expect("allocated")
    }

    fn get_wide(&self, register: u16) -> [u64; 64] {
        let (low, high) = (self.get(register), self.get(register + 1));
        std::array::from_fn(|lane| low[lane] as u64 | (high[lane] as u64) << 32)
    }

    fn run(&mut self, words: &[u32]) {
        let op = decoded(words);
        let memory = Memory::new(1 << 16).view();
        let mut lds = Vec::new();
        simd::execute(&mut self.wave, &op, &mut Cx::new(&mut lds, &memory)).expect("no fault");
    }
}

fn decoded(words: &[u32]) -> Op {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    resolve(&cdna4::decode(&bytes).expect("assembled words decode"))
}

/// The base mnemonics of compiled HIP, Triton, HipKittens and device-library code and of AITER's gfx950 code
/// objects that the vector ALU executes.
const USED: &str = include_str!("../../../tests/data/valu_mnemonics.txt");

#[test]
fn every_used_mnemonic_has_a_handler() {
    let used = USED.lines().filter(|line| !line.starts_with('#'));
    let missing: Vec<&str> = used.clone().filter(|mnemonic| handler(mnemonic).is_none()).collect();
    assert_eq!(missing, Vec::<&str>::new());
    assert!(used.count() > 200);
}

#[test]
fn every_vector_instruction_has_a_handler() {
    // The prefix of scaled matrix instructions and the AGPR move belong to the matrix handlers; the screen
    // partition of graphics has no published semantics.
    let elsewhere = ["v_mfma_ld_scale_b32", "v_accvgpr_mov_b32", "v_screen_partition_4se_b32"];
    for row in rows() {
        use Encoding::{Dpp, Sdwa, Vop1, Vop2, Vop3, Vop3p, Vopc};
        if !matches!(row.encoding, Vop1 | Vop2 | Vopc | Vop3 | Vop3p | Dpp | Sdwa) {
            continue;
        }
        let suffixes = ["_sdwa", "_dpp", "_e64", "_e32"];
        let base = suffixes.iter().fold(row.asm_mnemonic, |m, suffix| m.strip_suffix(suffix).unwrap_or(m));
        assert!(handler(base).is_some() || elsewhere.contains(&base), "{base} has no handler");
    }
}

#[test]
fn implied_operands_are_filled_in() {
    // v_fmamk_f32 v0, v1, 0x3fc00000, v2
    assert_eq!(
        decoded(&[0x2e00_0501, 0x3fc0_0000]).src[..3],
        [Arg::Vector(1), Arg::Literal(0x3fc0_0000), Arg::Vector(2)]
    );
    // v_fmaak_f32 v0, v1, v2, 0x3fc00000
    assert_eq!(
        decoded(&[0x3000_0501, 0x3fc0_0000]).src[..3],
        [Arg::Vector(1), Arg::Vector(2), Arg::Literal(0x3fc0_0000)]
    );
    // v_fmac_f32 v0, v1, v2
    assert_eq!(decoded(&[0x7600_0501]).src[..3], [Arg::Vector(1), Arg::Vector(2), Arg::Vector(0)]);
}
