//! Decoded instructions.

use crate::form::{Flags, Form, Layout, Op};
use crate::kind::Kind;
use crate::operand::Operand;
use crate::table::{FORMS, KINDS, LAYOUTS};

/// The microcode format of an instruction.
///
/// The AGPR moves `v_accvgpr_read_b32`/`v_accvgpr_write_b32` are `Mai` (`Vop3p` encodings that the matrix core
/// executes); `v_accvgpr_mov_b32` is `Vop1`.
#[rustfmt::skip]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the ISA manual's")]
pub enum Encoding {
    Sop1, Sop2, Sopc, Sopk, Sopp, Smem,
    Vop1, Vop2, Vopc, Vop3, Vop3p, Mai, Dpp, Sdwa,
    Ds, Flat, Global, Scratch, Mubuf, Mtbuf,
}

/// A named bit field of an instruction.
///
/// `Src2` is also the index operand of SMFMAC. `Literal` is the mandatory constant of `v_fmaak`, `v_fmamk`,
/// `v_madak`, `v_madmk` and `s_setreg_imm32`. `Cpol` is the whole cache policy: sc0 = 1, nt = 2, sc1 = 16.
/// `Src0Mods`..`Src2Mods` hold the bits of [`mods`].
#[rustfmt::skip]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the ISA manual's")]
pub enum Field {
    // scalar
    Sdst, Ssrc0, Ssrc1, Simm16, Sbase, Sdata, Soffset, SmemOffset, Glc, Literal,
    // vector ALU
    Vdst, VSdst, Src0, Src1, Src2, Src0Mods, Src1Mods, Src2Mods, Clamp, Omod, OpSel, OpSelHi, NegLo, NegHi, Bitop3,
    // DPP and SDWA
    DppCtrl, RowMask, BankMask, BoundCtrl, Fi, DstSel, DstUnused, Src0Sel, Src1Sel,
    // matrix
    Cbsz, Abid, Blgp, ScaleSrc0, ScaleSrc1,
    // memory
    Vaddr, Vdata, Data0, Data1, Saddr, Srsrc, Offset, Offset0, Offset1, Offen, Idxen, Slc, Sc0, Sc1, Nt, Lds, Gds, Format, Tfe, Cpol,
}

/// Bits of `Src0Mods`, `Src1Mods` and `Src2Mods`.
pub mod mods {
    /// Negate (the low half, for packed instructions).
    pub const NEG: i64 = 1;
    /// Sign-extend the selected part (SDWA integer sources).
    pub const SEXT: i64 = 16;
    /// Absolute value.
    pub const ABS: i64 = 2;
    /// Negate the high half of a packed source.
    pub const NEG_HI: i64 = 2;
    /// The source's `op_sel` bit.
    pub const OP_SEL: i64 = 4;
    /// The source's `op_sel_hi` bit (packed).
    pub const OP_SEL_HI: i64 = 8;
    /// In `Src0Mods` of unpacked VOP3: the destination's `op_sel` bit.
    pub const DST_OP_SEL: i64 = 8;
}

/// An instruction that could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// Fewer bytes are left than the instruction needs.
    Truncated {
        /// Bytes that the instruction needs.
        needed: usize,
        /// Bytes that there are.
        have: usize,
    },
    /// No gfx950 instruction has these bits.
    Unknown {
        /// The first eight bytes, zero-extended.
        word: u64,
    },
}

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DecodeError::Truncated { needed, have } => {
                write!(f, "truncated instruction: {needed} bytes needed, {have} left")
            }
            DecodeError::Unknown { word } => write!(f, "no gfx950 instruction has the bits {word:#018x}"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// One decoded instruction.
#[derive(Clone, Debug)]
pub struct Inst {
    form: &'static Form,
    index: u16,
    bits: u128,
    literal: Option<u32>,
}

impl Inst {
    pub(crate) fn new(index: u16, bits: u128, literal: Option<u32>) -> Inst {
        Inst { form: &FORMS[usize::from(index)], index, bits, literal }
    }

    /// The base mnemonic without its encoding suffix: `v_add_f32` for `v_add_f32_e32`, `_dpp`, `_sdwa`.
    pub fn mnemonic(&self) -> &'static str {
        &self.form.mnemonic[..usize::from(self.form.base_len)]
    }

    /// The mnemonic as the assembler spells it: `v_add_f32_e32`.
    pub fn asm_mnemonic(&self) -> &'static str {
        self.form.mnemonic
    }

    /// The microcode format.
    pub fn encoding(&self) -> Encoding {
        self.form.encoding
    }

    /// Length in bytes: 4, 8, 12 or 16, a literal included.
    pub fn size(&self) -> usize {
        self.form.bytes() + if self.literal.is_some() { 4 } else { 0 }
    }

    /// The encoding's bits, the first byte lowest, without a literal that follows.
    pub fn bits(&self) -> u128 {
        self.bits
    }

    /// The 32-bit literal: one that follows the instruction, or the mandatory one ([`Field::Literal`]), which a
    /// source may name too.
    pub fn literal(&self) -> Option<u32> {
        self.literal.or_else(|| self.op(Field::Literal).map(|op| op.raw(self.bits)))
    }

    /// Properties of the instruction.
    pub fn flags(&self) -> Flags {
        self.form.flags
    }

    /// A number below [`Inst::FORMS`] that is the same for all instructions of one table row.
    pub fn form_index(&self) -> usize {
        usize::from(self.index)
    }

    /// Number of rows of the instruction table.
    pub const FORMS: usize = FORMS.len();

    /// The register, constant or literal that `field` names; `None` when the instruction has no such field.
    ///
    /// Also answered, although the encoding has no bits for them: the implied VCC of e32 compares (`VSdst`), of
    /// `v_add_co`-like instructions and `v_cndmask` (`VSdst`, `Src2`); `Off` for the address that a global,
    /// scratch or buffer form does without; `Int` for `Simm16`.
    /// A register range may run over the end of its file when the encoding says so.
    pub fn operand(&self, field: Field) -> Option<Operand> {
        let Some(op) = self.op(field) else {
            return match (self.form.encoding, field) {
                (Encoding::Global | Encoding::Scratch, Field::Saddr | Field::Vaddr) => Some(Operand::Off),
                (Encoding::Mubuf | Encoding::Mtbuf, Field::Vaddr) if self.has_address() => Some(Operand::Off),
                _ => None,
            };
        };
        let raw = op.raw(self.bits);
        match KINDS[usize::from(op.kind)] {
            Kind::KImm16 | Kind::KImm32 | Kind::Imm if field == Field::Literal => Some(Operand::Literal(raw)),
            Kind::S16 | Kind::Branch => Some(Operand::Int(i32::from(raw as i16))),
            Kind::U16 | Kind::Imm | Kind::Waitcnt | Kind::SendMsg | Kind::Hwreg => {
                Some(Operand::Int(raw as i32))
            }
            Kind::GprIdxMode | Kind::Endpgm => Some(Operand::Int(raw as i32)),
            kind if kind.is_operand() => match self.sized(op, kind).decode(raw)? {
                Operand::Literal(_) => Some(Operand::Literal(self.literal().unwrap_or(0))),
                operand => Some(operand),
            },
            _ => None,
        }
    }

    /// The raw (sign-extended where the ISA says so) value of a field that is not an operand: offsets, modifiers,
    /// controls. `OpSel`, `OpSelHi`, `NegLo` and `NegHi` are collected from the sources: bit n belongs to source n,
    /// bit 3 of `OpSel` to the destination.
    pub fn value(&self, field: Field) -> Option<i64> {
        match field {
            Field::OpSel | Field::OpSelHi | Field::NegLo | Field::NegHi => return self.collected(field),
            Field::Sc0 | Field::Glc => return self.value(Field::Cpol).map(|c| c & 1),
            Field::Nt | Field::Slc => return self.value(Field::Cpol).map(|c| c >> 1 & 1),
            Field::Sc1 => return self.value(Field::Cpol).map(|c| c >> 4 & 1),
            Field::Offen => return self.buffer_bit(12),
            Field::Idxen => return self.buffer_bit(13),
            Field::Lds => return self.buffer_bit(16),
            Field::Abid if self.is_scaled_mfma() => return Some(1),
            _ => {}
        }
        let op = self.op(field)?;
        let raw = op.raw(self.bits);
        Some(match KINDS[usize::from(op.kind)] {
            Kind::S16 | Kind::Branch => i64::from(raw as i16),
            Kind::SmemOffset | Kind::SmemOffsetMod => sign_extend(raw, 21),
            Kind::FlatOffset if self.form.encoding != Encoding::Flat => sign_extend(raw, 13),
            Kind::Cpol if self.form.flags.has(Flags::ATOMIC_RET) => i64::from(raw | 1),
            _ => i64::from(raw),
        })
    }

    /// The text that `llvm-objdump -d --mcpu=gfx950` prints, operands included. Branches show their offset in
    /// words, as objdump does when no symbol stands at the target: see [`Inst::branch_target`]; `pc` has no effect.
    pub fn text(&self, pc: u64) -> String {
        let _ = pc;
        crate::text::text(self)
    }

    /// Where a branch with an immediate offset goes when it stands at `pc`; `None` for other instructions.
    pub fn branch_target(&self, pc: u64) -> Option<u64> {
        let op = self.op(Field::Simm16)?;
        let words = match KINDS[usize::from(op.kind)] {
            Kind::Branch => op.raw(self.bits) as i16,
            _ => return None,
        };
        Some(pc.wrapping_add(4).wrapping_add_signed(i64::from(words) * 4))
    }

    /// May read memory (LDS included).
    pub fn may_load(&self) -> bool {
        self.form.flags.has(Flags::LOAD)
    }

    /// May write memory (LDS included).
    pub fn may_store(&self) -> bool {
        self.form.flags.has(Flags::STORE)
    }

    /// Changes the program counter: branches, calls, `s_setpc_b64`.
    pub fn is_branch(&self) -> bool {
        self.form.flags.has(Flags::BRANCH)
    }

    /// Vector ALU instruction, matrix instructions included.
    pub fn is_valu(&self) -> bool {
        self.form.flags.has(Flags::VALU)
    }

    /// Scalar ALU instruction.
    pub fn is_salu(&self) -> bool {
        self.form.flags.has(Flags::SALU)
    }

    /// Matrix multiply: `v_mfma_*` and `v_smfmac_*`, without the AGPR moves.
    pub fn is_mfma(&self) -> bool {
        self.form.encoding == Encoding::Mai && !self.form.mnemonic.starts_with("v_accvgpr")
    }

    /// Scaled matrix multiply (16-byte form).
    pub fn is_scaled_mfma(&self) -> bool {
        self.form.bytes() == 16
    }

    /// Atomic on memory or LDS.
    pub fn is_atomic(&self) -> bool {
        self.form.flags.any(Flags::ATOMIC_RET | Flags::ATOMIC_NO_RET)
    }

    pub(crate) fn layout(&self) -> &'static Layout {
        &LAYOUTS[usize::from(self.form.layout)]
    }

    fn op(&self, field: Field) -> Option<&'static Op> {
        self.layout().ops.iter().find(|op| op.field == field)
    }

    /// The kind of an operand with its real width: f8f6f4 sources take 8, 6 or 4 registers, by their format.
    pub(crate) fn sized(&self, op: &Op, kind: Kind) -> Kind {
        let format = match op.field {
            Field::Src0 => Field::Cbsz,
            Field::Src1 => Field::Blgp,
            _ => return kind,
        };
        match kind {
            Kind::Src { add, dwords: 8, imm, class } if self.has_narrow_source() => {
                let (dwords, class) = match self.op(format).map_or(0, |op| op.raw(self.bits)) {
                    2 | 3 => (6, &crate::kind::AV_192_ALIGN2),
                    4 => (4, &crate::kind::AV_128_ALIGN2),
                    _ => (8, class),
                };
                Kind::Src { add, dwords, imm, class }
            }
            _ => kind,
        }
    }

    /// Whether an f8f6f4 matrix instruction has a source in FP6, BF6 or FP4.
    pub(crate) fn has_narrow_source(&self) -> bool {
        self.formats().is_some_and(|(a, b)| a > 1 || b > 1)
    }

    /// The formats of the A and B sources of an f8f6f4 matrix instruction.
    pub(crate) fn formats(&self) -> Option<(u32, u32)> {
        self.form.mnemonic.ends_with("f8f6f4").then(|| {
            let format = |field| self.op(field).map_or(0, |op| op.raw(self.bits));
            (format(Field::Cbsz), format(Field::Blgp))
        })
    }

    /// Buffer instructions that address memory, in contrast to the cache controls of the same format.
    fn has_address(&self) -> bool {
        self.op(Field::Srsrc).is_some()
    }

    fn buffer_bit(&self, bit: u32) -> Option<i64> {
        match self.form.encoding {
            Encoding::Mubuf => Some((self.bits >> bit & 1) as i64),
            Encoding::Mtbuf if bit != 16 => Some((self.bits >> bit & 1) as i64),
            _ => None,
        }
    }

    fn collected(&self, field: Field) -> Option<i64> {
        let bit = match field {
            Field::OpSel => mods::OP_SEL,
            Field::OpSelHi => mods::OP_SEL_HI,
            Field::NegLo => mods::NEG,
            _ => mods::NEG_HI,
        };
        if !self.is_scaled_mfma() {
            self.op(field)?;
        }
        let mut sum = 0;
        for (i, source) in [Field::Src0Mods, Field::Src1Mods, Field::Src2Mods].into_iter().enumerate() {
            let Some(op) = self.op(source) else { continue };
            let raw = i64::from(op.raw(self.bits));
            sum |= i64::from(raw & bit != 0) << i;
            if i == 0 && field == Field::OpSel && self.form.flags.has(Flags::OPSEL4) {
                sum |= i64::from(raw & mods::DST_OP_SEL != 0) << 3;
            }
        }
        Some(sum)
    }
}

fn sign_extend(raw: u32, bits: u32) -> i64 {
    i64::from((raw << (32 - bits)) as i32 >> (32 - bits))
}

/// One row of the instruction table, for tools that enumerate encodings.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Bits that the row fixes; the others are operands or ignored.
    pub mask: u128,
    /// The values of the fixed bits.
    pub value: u128,
    /// Length in bytes without a literal that may follow.
    pub bytes: usize,
    /// The mnemonic as the assembler spells it.
    pub asm_mnemonic: &'static str,
    /// The microcode format.
    pub encoding: Encoding,
    /// Properties of the instruction.
    pub flags: Flags,
}

/// All rows of the instruction table, by [`Inst::form_index`]. A word that matches the mask and value of a row may
/// still decode as a more specific one.
pub fn rows() -> impl ExactSizeIterator<Item = Row> {
    FORMS.iter().map(|form| Row {
        mask: form.mask,
        value: form.value,
        bytes: form.bytes(),
        asm_mnemonic: form.mnemonic,
        encoding: form.encoding,
        flags: form.flags,
    })
}
