//! A pre-decoded instruction: what the handlers read.

use cdna4::{Field, Inst, Operand, Special};

use crate::{cost::Class, simd::Exec};

/// Hardware index of EXEC's low half in the scalar file; VCC, M0 likewise.
pub(crate) const FLAT_SCRATCH: u8 = 102;
pub(crate) const XNACK_MASK: u8 = 104;
pub(crate) const VCC: u8 = 106;
pub(crate) const TTMP0: u8 = 108;
pub(crate) const M0: u8 = 124;
pub(crate) const EXEC: u8 = 126;

/// A source or destination, resolved as far as it can be without the wave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arg {
    /// The instruction has no such operand, or it is `off`.
    None,
    /// First vector register: 0..=255 architectural, 256..=511 accumulation.
    Vector(u16),
    /// First scalar register by hardware index: SGPRs, then `FLAT_SCRATCH`, `VCC`, `TTMP0`, `M0`, `EXEC`.
    Scalar(u8),
    /// Inline integer, sign-extended to the width of the read.
    Int(i32),
    /// Inline float: index into 0.5, −0.5, 1, −1, 2, −2, 4, −4, 1/(2π); its bits depend on the read's width.
    Float(u8),
    /// Literal dword.
    Literal(u32),
    /// A hardware value: SCC, VCCZ, EXECZ, apertures.
    Special(Special),
}

/// Modifiers of a vector ALU instruction, all encodings in one shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mods {
    /// Bit i negates source i (VOP3P: the low half, `neg_lo`).
    pub neg: u8,
    /// Bit i takes the magnitude of source i (VOP3P: `neg_hi`).
    pub abs: u8,
    /// Output clamp.
    pub clamp: bool,
    /// Output multiplier: 0 none, 1 ×2, 2 ×4, 3 ÷2.
    pub omod: u8,
    /// Half selects, bit 3 for the destination.
    pub op_sel: u8,
    /// VOP3P's selects of the high result.
    pub op_sel_hi: u8,
}

/// How source 0 (and 1, SDWA) lanes are picked before the operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Select {
    /// Lane i reads lane i.
    Straight,
    /// Data-parallel primitive on source 0.
    Dpp { ctrl: u16, row_mask: u8, bank_mask: u8, bound_ctrl: bool },
    /// Sub-dword selects: 0–3 byte, 4–5 word, 6 dword; +8 sign-extends a source.
    Sdwa { src0: u8, src1: u8, dst: u8, unused: u8 },
}

/// One pre-decoded instruction.
#[derive(Clone, Debug)]
pub(crate) struct Op {
    /// What executes it.
    pub exec: Exec,
    /// First destination: `vdst` or `sdst`; the data destination of a load.
    pub dst: Arg,
    /// Second destination: the scalar carry-out or compare mask.
    pub sdst: Arg,
    /// Sources in assembler order; for memory: see the encoding's exec file.
    pub src: [Arg; 4],
    pub mods: Mods,
    pub select: Select,
    /// `simm16`, memory offset (`offset0 | offset1 << 8` for DS pairs), branch distance in dwords.
    pub imm: i32,
    /// Encoding-specific bits, written by the encoding's own `decode`, read by its handlers only.
    pub bits: u32,
    /// Dwords of one operand of a memory instruction.
    pub dwords: u8,
    /// What unit issues it.
    pub class: Class,
    /// Cycles that its issue takes, see [`crate::cost`].
    pub cycles: u8,
    /// Length in dwords: the next instruction is at `pc + 4 * length`.
    pub length: u8,
}

/// Turns a decoded operand into an [`Arg`].
pub(crate) fn arg(inst: &Inst, field: Field) -> Arg {
    let Some(operand) = inst.operand(field) else { return Arg::None };
    match operand {
        Operand::Sgpr { first, .. } => Arg::Scalar(first),
        Operand::Vgpr { first, .. } => Arg::Vector(first as u16),
        Operand::Agpr { first, .. } => Arg::Vector(256 + first as u16),
        Operand::Int(value) => Arg::Int(value),
        Operand::Float(index) => Arg::Float(index),
        Operand::Literal(word) => Arg::Literal(word),
        Operand::Off => Arg::None,
        Operand::Special { which, .. } => match which {
            Special::FlatScratchLo => Arg::Scalar(FLAT_SCRATCH),
            Special::FlatScratchHi => Arg::Scalar(FLAT_SCRATCH + 1),
            Special::XnackMaskLo => Arg::Scalar(XNACK_MASK),
            Special::XnackMaskHi => Arg::Scalar(XNACK_MASK + 1),
            Special::VccLo => Arg::Scalar(VCC),
            Special::VccHi => Arg::Scalar(VCC + 1),
            Special::Ttmp(n) => Arg::Scalar(TTMP0 + n),
            Special::M0 => Arg::Scalar(M0),
            Special::ExecLo => Arg::Scalar(EXEC),
            Special::ExecHi => Arg::Scalar(EXEC + 1),
            other => Arg::Special(other),
        },
    }
}
