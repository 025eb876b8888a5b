//! The shapes of the generated table: one [`Form`] per instruction form, with shared [`Layout`]s.

use crate::inst::{Encoding, Field};

/// One instruction form: the bits that select it and what the other bits mean.
#[derive(Debug)]
pub(crate) struct Form {
    /// Index of the decoder table (LLVM's namespace and size) that holds the form; tables are tried in order.
    pub(crate) table: u8,
    /// Bits that must match.
    pub(crate) mask: u128,
    /// Their values.
    pub(crate) value: u128,
    /// Mnemonic as the disassembler prints it, suffix included.
    pub(crate) mnemonic: &'static str,
    /// Bytes of `mnemonic` without the encoding suffix.
    pub(crate) base_len: u8,
    pub(crate) encoding: Encoding,
    /// Index into `LAYOUTS`.
    pub(crate) layout: u16,
    pub(crate) flags: Flags,
}

/// Operand text and operand positions, shared by many forms.
#[derive(Debug)]
pub(crate) struct Layout {
    /// What follows the mnemonic; `$name` stands for the operand of that name.
    pub(crate) asm: &'static str,
    pub(crate) ops: &'static [Op],
}

/// One operand of a layout.
#[derive(Debug)]
pub(crate) struct Op {
    pub(crate) name: &'static str,
    pub(crate) field: Field,
    /// Index into `KINDS`.
    pub(crate) kind: u8,
    /// (instruction bit, operand bit, length).
    pub(crate) bits: &'static [(u8, u8, u8)],
}

/// What an instruction does besides computing: properties from the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Flags(u64);

macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $bit:literal;)*) => {
        impl Flags { $($(#[$doc])* pub const $name: Flags = Flags(1 << $bit);)* }
    };
}

flags! {
    /// Scalar ALU.
    SALU = 0;
    /// Vector ALU, matrix instructions included.
    VALU = 1;
    /// Transcendental unit (quarter rate).
    TRANS = 2;
    /// Matrix core: MFMA, SMFMAC and the AGPR moves.
    MAI = 3;
    /// Dot product.
    DOT = 4;
    /// May read memory.
    LOAD = 5;
    /// May write memory.
    STORE = 6;
    /// Atomic that returns the old value.
    ATOMIC_RET = 7;
    /// Atomic without a result.
    ATOMIC_NO_RET = 8;
    /// Floating-point atomic.
    FP_ATOMIC = 9;
    /// 16-bit data in memory operations.
    D16 = 10;
    /// Local data share.
    DS = 11;
    /// Global wave sync.
    GWS = 12;
    /// Counted by vmcnt.
    VM_CNT = 13;
    /// Counted by lgkmcnt (LLVM says so of loads to LDS too, which vmcnt counts).
    LGKM_CNT = 14;
    /// Changes the program counter.
    BRANCH = 15;
    /// Ends a basic block.
    TERMINATOR = 16;
    /// Result depends on other lanes or waves.
    CONVERGENT = 17;
    /// `op_sel` has a fourth bit, for the destination.
    OPSEL4 = 18;
    /// Packed: works on two halves.
    PACKED = 19;
    /// `clamp` limits to 0..1.
    FP_CLAMP = 20;
    /// `clamp` saturates.
    INT_CLAMP = 21;
    /// Rounds with the double-precision (and half) rounding mode.
    F64_ROUND = 22;
    /// DPP on 64-bit operands, where only `row_newbcast` exists.
    DPALU = 23;
    /// Writes SCC.
    DEF_SCC = 24;
    /// Writes EXEC without naming it in a field.
    DEF_EXEC = 25;
    /// Writes M0 without naming it in a field.
    DEF_M0 = 26;
    /// Writes MODE.
    DEF_MODE = 27;
    /// Reads SCC.
    USE_SCC = 28;
    /// Reads VCC without naming it in a field: `v_div_fmas`, branches on VCC.
    USE_VCC = 29;
    /// Reads EXEC without naming it in a field (every vector instruction that EXEC masks).
    USE_EXEC = 30;
    /// Reads M0 without naming it in a field.
    USE_M0 = 31;
    /// Reads MODE (rounding, denormals, clamp, ...).
    USE_MODE = 32;
    /// Reads FLAT_SCRATCH.
    USE_FLAT_SCR = 33;
    /// Writes FLAT_SCRATCH.
    DEF_FLAT_SCR = 34;
}

impl Flags {
    pub(crate) const fn of(set: &[Flags]) -> Flags {
        let (mut bits, mut i) = (0, 0);
        while i < set.len() {
            bits |= set[i].0;
            i += 1;
        }
        Flags(bits)
    }

    /// Whether all of `other` are set.
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of `other` is set.
    pub const fn any(self, other: Flags) -> bool {
        self.0 & other.0 != 0
    }
}

impl std::ops::BitOr for Flags {
    type Output = Flags;
    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

/// A row of `FORMS`.
pub(crate) const fn form(
    table: u8,
    mask: u128,
    value: u128,
    mnemonic: &'static str,
    encoding: Encoding,
    layout: u16,
    flags: Flags,
) -> Form {
    let base_len = base_len(mnemonic);
    Form { table, mask, value, mnemonic, base_len, encoding, layout, flags }
}

/// A column of a layout.
pub(crate) const fn op(name: &'static str, field: Field, kind: u8, bits: &'static [(u8, u8, u8)]) -> Op {
    Op { name, field, kind, bits }
}

const fn base_len(mnemonic: &str) -> u8 {
    const SUFFIXES: [&str; 5] = ["_e64_dpp", "_e32", "_e64", "_dpp", "_sdwa"];
    let m = mnemonic.as_bytes();
    let mut i = 0;
    while i < SUFFIXES.len() {
        let s = SUFFIXES[i].as_bytes();
        if m.len() > s.len() {
            let mut same = true;
            let mut k = 0;
            while k < s.len() {
                same &= m[m.len() - s.len() + k] == s[k];
                k += 1;
            }
            if same {
                return (m.len() - s.len()) as u8;
            }
        }
        i += 1;
    }
    m.len() as u8
}

impl Form {
    /// Length in bytes without a literal.
    pub(crate) const fn bytes(&self) -> usize {
        match self.table {
            0 => 16,
            1..=6 => 8,
            _ => 4,
        }
    }
}

impl Op {
    /// The operand's bits, gathered from the instruction.
    pub(crate) fn raw(&self, bits: u128) -> u32 {
        self.bits.iter().fold(0, |v, &(at, to, len)| v | (((bits >> at) as u32 & mask(len)) << to))
    }
}

const fn mask(len: u8) -> u32 {
    if len >= 32 { u32::MAX } else { (1 << len) - 1 }
}
