//! What an operand of the table is: how its bits decode, and which registers it may name.

use crate::operand::{Operand, Special};

/// The meaning of an operand's bits.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// 8-bit index of the first of `.0` vector registers.
    Vgpr(u8, &'static Class),
    /// 8-bit index of the first of `.0` accumulation registers.
    Agpr(u8, &'static Class),
    /// The 9-bit source encoding (bit 9: accumulation register), after `add` is or-ed in.
    Src {
        add: u16,
        dwords: u8,
        imm: ImmType,
        class: &'static Class,
    },
    /// Source of an SDWA instruction: 0 to 255 a vector register, from 256 the scalar encoding.
    Sdwa(ImmType, &'static Class),
    /// Scalar destination of an SDWA compare: bit 7 says that it is not VCC.
    SdwaVopcDst,
    /// Data of a global wave sync: the first of an even pair.
    GwsData,
    /// VCC, which the encoding does not name.
    ImpliedVcc,
    /// A flag printed by its name when set.
    Bit(&'static str),
    /// ` name:value`: hexadecimal?, printed when zero?
    Int(&'static str, bool, bool),
    /// Source modifiers printed around the operand that follows: neg and abs.
    FpMods,
    /// Source modifiers printed around the operand that follows: sext.
    IntMods,
    /// Source modifiers printed as lists (op_sel, neg_lo, ...) or not at all.
    Mods,
    // The remaining ones have a printer of their own.
    S16,
    U16,
    Imm,
    Branch,
    KImm16,
    KImm32,
    Cpol,
    Offset,
    FlatOffset,
    SmemOffset,
    SmemOffsetMod,
    Format,
    Omod,
    OpSel,
    OpSelHi,
    NegLo,
    NegHi,
    DppCtrl,
    BoundCtrl,
    DppFi,
    DstSel,
    DstUnused,
    Src0Sel,
    Src1Sel,
    Blgp,
    Bitop3,
    Waitcnt,
    SendMsg,
    Hwreg,
    GprIdxMode,
    Swizzle,
    Endpgm,
}

/// How an inline constant or literal of an operand is read, which decides how it prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ImmType {
    I32,
    F32,
    I16,
    F16,
    Bf16,
    I64,
    F64,
    V2I16,
    V2F16,
    V2Bf16,
    /// The operand must be a register.
    Register,
}

/// A register class: the registers that an operand may name.
#[derive(Debug)]
pub(crate) struct Class {
    pub(crate) name: &'static str,
    banks: u16,
    /// Vector tuples must start at an even register.
    even: bool,
}

/// Vector registers.
pub(crate) const V: u16 = 1;
/// Accumulation registers.
pub(crate) const A: u16 = 2;
/// Scalar registers, trap temporaries, VCC, FLAT_SCRATCH, XNACK_MASK.
pub(crate) const S: u16 = 4;
/// M0.
pub(crate) const M0: u16 = 8;
/// EXEC or its low half.
pub(crate) const EXEC_LO: u16 = 16;
/// The high half of EXEC.
pub(crate) const EXEC_HI: u16 = 32;
/// The LDS direct read.
pub(crate) const LDS: u16 = 64;

pub(crate) const fn class(name: &'static str, banks: u16, even: bool) -> Class {
    Class { name, banks, even }
}

pub(crate) const fn src(add: u16, dwords: u8, imm: ImmType, class: &'static Class) -> Kind {
    Kind::Src { add, dwords, imm, class }
}

/// Sources of the f8f6f4 matrix instructions in FP6 and BF6.
pub(crate) static AV_192_ALIGN2: Class = class("AV_192_Align2", V | A, true);
/// Sources of the f8f6f4 matrix instructions in FP4.
pub(crate) static AV_128_ALIGN2: Class = class("AV_128_Align2", V | A, true);

impl Class {
    /// Whether `operand` is a register of the class (values such as `src_scc` belong to every class).
    pub(crate) fn contains(&self, operand: Operand) -> bool {
        let has = |bank: u16| self.banks & bank != 0;
        match operand {
            Operand::Vgpr { first, .. } => has(V) && !(self.even && first % 2 == 1),
            Operand::Agpr { first, .. } => has(A) && !(self.even && first % 2 == 1),
            Operand::Sgpr { .. } => has(S),
            Operand::Special { which, .. } => match which {
                Special::M0 => has(M0),
                Special::ExecLo => has(EXEC_LO),
                Special::ExecHi => has(EXEC_HI),
                Special::LdsDirect => has(LDS),
                which if which.is_value() => true,
                _ => has(S),
            },
            _ => true,
        }
    }
}

impl Kind {
    /// Decodes a register or source operand; `None` when no register or constant has these bits.
    /// Literals come back as `Literal(0)`: the value follows the instruction. Kinds that are no operand give `Off`.
    pub(crate) fn decode(self, raw: u32) -> Option<Operand> {
        match self {
            Kind::Vgpr(count, _) => Some(Operand::Vgpr { first: raw as u8, count }),
            Kind::Agpr(count, _) => agpr(raw, count),
            Kind::Src { add, dwords, .. } => source(raw | u32::from(add), dwords),
            Kind::Sdwa(..) if raw < 256 => Some(Operand::Vgpr { first: raw as u8, count: 1 }),
            Kind::Sdwa(..) => match raw - 256 {
                255 => None, // no literal in SDWA
                scalar => source(scalar, 1),
            },
            Kind::SdwaVopcDst if raw & 0x80 == 0 => Some(Operand::VCC),
            Kind::SdwaVopcDst => source(raw & 0x7f, 2),
            Kind::GwsData => source(raw | 256, 1),
            Kind::ImpliedVcc => Some(Operand::VCC),
            _ => Some(Operand::Off),
        }
    }

    /// Whether the operand is a register or source (not an immediate field).
    pub(crate) fn is_operand(self) -> bool {
        use Kind::*;
        matches!(self, Vgpr(..) | Agpr(..) | Src { .. } | Sdwa(..) | SdwaVopcDst | GwsData | ImpliedVcc)
    }
}

/// The 10-bit source encoding: 0..=255 scalar and constants, 256..=511 vector, bit 9 with bit 8 accumulation.
fn source(value: u32, dwords: u8) -> Option<Operand> {
    let first = value as u8;
    if value & 256 != 0 {
        return if value & 512 != 0 {
            agpr(value & 255, dwords)
        } else {
            Some(Operand::Vgpr { first, count: dwords })
        };
    }
    if first < 124 && matches!(dwords, 6 | 32) {
        return None; // six and 32 dwords exist in vector registers only
    }
    match first {
        0..=101 => scalar_tuple(first, dwords, 106).map(|first| Operand::Sgpr { first, count: dwords }),
        108..=123 => {
            let first = scalar_tuple(first - 108, dwords, 16)?;
            Some(Operand::Special { which: Special::Ttmp(first), count: dwords })
        }
        128..=192 => Some(Operand::Int(i32::from(first) - 128)),
        193..=208 => Some(Operand::Int(192 - i32::from(first))),
        240..=248 => Some(Operand::Float(first - 240)),
        255 => Some(Operand::Literal(0)),
        _ => special(first, dwords).map(|which| Operand::Special { which, count: dwords }),
    }
}

fn agpr(first: u32, count: u8) -> Option<Operand> {
    (first + u32::from(count) <= 256).then_some(Operand::Agpr { first: first as u8, count })
}

/// Tuples of two start at even registers, larger ones at multiples of four: the low bits are ignored.
/// `end` is the number of registers of the file as far as tuples go.
fn scalar_tuple(first: u8, dwords: u8, end: u8) -> Option<u8> {
    let first = match dwords {
        1 => first,
        2 => first & !1,
        _ => first & !3,
    };
    (first + dwords <= end).then_some(first)
}

fn special(value: u8, dwords: u8) -> Option<Special> {
    use Special::*;
    Some(match (value, dwords) {
        (125, _) => Null,
        (_, 3..) => return None,
        (102, _) => FlatScratchLo,
        (104, _) => XnackMaskLo,
        (106, _) => VccLo,
        (126, _) => ExecLo,
        (230, _) => FlatScratchBaseLo,
        (235, _) => SharedBase,
        (236, _) => SharedLimit,
        (237, _) => PrivateBase,
        (238, _) => PrivateLimit,
        (239, _) => PopsExitingWaveId,
        (251, _) => Vccz,
        (252, _) => Execz,
        (253, _) => Scc,
        (_, 2) => return None,
        (103, _) => FlatScratchHi,
        (105, _) => XnackMaskHi,
        (107, _) => VccHi,
        (124, _) => M0,
        (127, _) => ExecHi,
        (231, _) => FlatScratchBaseHi,
        (254, _) => LdsDirect,
        _ => return None,
    })
}
