//! Decoded instructions.

use crate::operand::Operand;

/// The microcode format of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the ISA manual's")]
pub enum Encoding {
    Sop1, Sop2, Sopc, Sopk, Sopp, Smem,
    Vop1, Vop2, Vopc, Vop3, Vop3p, Mai, Dpp, Sdwa,
    Ds, Flat, Global, Scratch, Mubuf, Mtbuf,
}

/// A named bit field of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the ISA manual's")]
pub enum Field {
    // scalar
    Sdst, Ssrc0, Ssrc1, Simm16, Sbase, Sdata, Soffset, SmemOffset, Glc,
    // vector ALU
    Vdst, VSdst, Src0, Src1, Src2, Src0Mods, Src1Mods, Src2Mods, Clamp, Omod, OpSel, OpSelHi, NegLo, NegHi,
    // DPP and SDWA
    DppCtrl, RowMask, BankMask, BoundCtrl, Fi, DstSel, DstUnused, Src0Sel, Src1Sel,
    // matrix
    Cbsz, Abid, Blgp, ScaleSrc0, ScaleSrc1,
    // memory
    Vaddr, Vdata, Data0, Data1, Saddr, Srsrc, Offset, Offset0, Offset1, Offen, Idxen, Slc, Sc0, Sc1, Nt, Lds, Gds, Format, Tfe,
}

/// An instruction that could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// Fewer bytes are left than the instruction needs.
    Truncated { needed: usize, have: usize },
    /// No gfx950 instruction has these bits.
    Unknown { word: u64 },
}

/// One decoded instruction.
#[derive(Clone, Debug)]
pub struct Inst {
    _private: (),
}

/// Decodes the instruction at the start of `bytes` (little-endian, any length ≥ 4).
pub fn decode(bytes: &[u8]) -> Result<Inst, DecodeError> {
    Err(DecodeError::Truncated { needed: 4, have: bytes.len() })
}

impl Inst {
    /// The base mnemonic without its encoding suffix: `v_add_f32` for `v_add_f32_e32`, `_dpp`, `_sdwa`.
    pub fn mnemonic(&self) -> &'static str {
        ""
    }
    /// The microcode format.
    pub fn encoding(&self) -> Encoding {
        Encoding::Sopp
    }
    /// Length in bytes: 4, 8, 12 or 16, a literal included.
    pub fn size(&self) -> usize {
        4
    }
    /// The register, constant or literal that `field` names; `None` when the instruction has no such field.
    pub fn operand(&self, _field: Field) -> Option<Operand> {
        None
    }
    /// The raw (sign-extended where the ISA says so) value of a field that is not an operand: offsets, modifiers, controls.
    pub fn value(&self, _field: Field) -> Option<i64> {
        None
    }
    /// The text that `llvm-objdump -d --mcpu=gfx950` prints, operands included; `pc` resolves nothing but is kept for branch targets.
    pub fn text(&self, _pc: u64) -> String {
        String::new()
    }
}
