//! What an operand field names.

use std::fmt;

/// A decoded operand. Register ranges carry their first index and their length in dwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// Scalar general registers `s[first..first + count]`, 0 to 101.
    Sgpr {
        /// First register.
        first: u8,
        /// Dwords.
        count: u8,
    },
    /// Architectural vector registers `v[first..first + count]`.
    Vgpr {
        /// First register.
        first: u8,
        /// Dwords.
        count: u8,
    },
    /// Accumulation registers `a[first..first + count]`.
    Agpr {
        /// First register.
        first: u8,
        /// Dwords.
        count: u8,
    },
    /// A named register or a hardware value; `count` is 1 for a 32-bit read, 2 for a pair.
    Special {
        /// The first dword's register.
        which: Special,
        /// Dwords.
        count: u8,
    },
    /// Inline integer constant, −16 to 64 (also an immediate field already sign-extended).
    Int(i32),
    /// Inline floating constant: index 0..=8 for 0.5, −0.5, 1, −1, 2, −2, 4, −4, 1/(2π).
    /// The consumer turns it into its own width (f16, f32, f64).
    Float(u8),
    /// The 32-bit literal that follows the instruction.
    Literal(u32),
    /// `off`: no register in this field.
    Off,
}

/// Registers and values outside the general register files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Special {
    /// `flat_scratch` (lo at the first dword).
    FlatScratchLo,
    /// High half of `flat_scratch`.
    FlatScratchHi,
    /// `xnack_mask`.
    XnackMaskLo,
    /// High half of `xnack_mask`.
    XnackMaskHi,
    /// Vector condition code, low half.
    VccLo,
    /// High half of VCC.
    VccHi,
    /// Trap temporaries `ttmp0..15`.
    Ttmp(u8),
    /// `m0`.
    M0,
    /// EXEC, low half.
    ExecLo,
    /// High half of EXEC.
    ExecHi,
    /// `src_shared_base`.
    SharedBase,
    /// `src_shared_limit`.
    SharedLimit,
    /// `src_private_base`.
    PrivateBase,
    /// `src_private_limit`.
    PrivateLimit,
    /// `src_pops_exiting_wave_id`.
    PopsExitingWaveId,
    /// `src_vccz` as a value.
    Vccz,
    /// `src_execz` as a value.
    Execz,
    /// `src_scc` as a value.
    Scc,
    /// `src_lds_direct`.
    LdsDirect,
    /// `src_flat_scratch_base_lo`.
    FlatScratchBaseLo,
    /// `src_flat_scratch_base_hi`.
    FlatScratchBaseHi,
    /// `null`: reads as zero, writes are dropped.
    Null,
}

impl Operand {
    /// VCC as a pair.
    pub const VCC: Operand = Operand::Special { which: Special::VccLo, count: 2 };
    /// EXEC as a pair.
    pub const EXEC: Operand = Operand::Special { which: Special::ExecLo, count: 2 };

    /// Dwords of a register operand; `None` for constants, literals and `Off`.
    pub fn dwords(self) -> Option<u8> {
        match self {
            Operand::Sgpr { count, .. }
            | Operand::Vgpr { count, .. }
            | Operand::Agpr { count, .. }
            | Operand::Special { count, .. } => Some(count),
            Operand::Int(_) | Operand::Float(_) | Operand::Literal(_) | Operand::Off => None,
        }
    }
}

impl Special {
    /// Whether this is a value that the hardware supplies rather than a register that can be written.
    pub fn is_value(self) -> bool {
        use Special::*;
        matches!(
            self,
            SharedBase
                | SharedLimit
                | PrivateBase
                | PrivateLimit
                | PopsExitingWaveId
                | Vccz
                | Execz
                | Scc
                | FlatScratchBaseLo
                | FlatScratchBaseHi
                | Null
        )
    }
}

impl fmt::Display for Operand {
    /// The assembler's name; constants and literals in the form of a 32-bit operand.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let range = |f: &mut fmt::Formatter<'_>, file: &str, first: u8, count: u8| match count {
            1 => write!(f, "{file}{first}"),
            _ => write!(f, "{file}[{first}:{}]", u32::from(first) + u32::from(count) - 1),
        };
        match *self {
            Operand::Sgpr { first, count } => range(f, "s", first, count),
            Operand::Vgpr { first, count } => range(f, "v", first, count),
            Operand::Agpr { first, count } => range(f, "a", first, count),
            Operand::Special { which: Special::Ttmp(first), count } => range(f, "ttmp", first, count),
            Operand::Special { which, count } => f.write_str(which.name(count)),
            Operand::Int(i) => write!(f, "{i}"),
            Operand::Float(i) => f.write_str(FLOAT_NAMES[usize::from(i)]),
            Operand::Literal(x) => write!(f, "{x:#x}"),
            Operand::Off => f.write_str("off"),
        }
    }
}

/// Inline floating constants by index, as printed for operands of up to 32 bits.
pub(crate) const FLOAT_NAMES: [&str; 9] =
    ["0.5", "-0.5", "1.0", "-1.0", "2.0", "-2.0", "4.0", "-4.0", "0.15915494"];

impl Special {
    /// The name of the register, or of the pair when `count` is 2; trap temporaries are numbered elsewhere.
    fn name(self, count: u8) -> &'static str {
        use Special::*;
        match (self, count) {
            (FlatScratchLo, 2) => "flat_scratch",
            (XnackMaskLo, 2) => "xnack_mask",
            (VccLo, 2) => "vcc",
            (ExecLo, 2) => "exec",
            (FlatScratchLo, _) => "flat_scratch_lo",
            (FlatScratchHi, _) => "flat_scratch_hi",
            (XnackMaskLo, _) => "xnack_mask_lo",
            (XnackMaskHi, _) => "xnack_mask_hi",
            (VccLo, _) => "vcc_lo",
            (VccHi, _) => "vcc_hi",
            (Ttmp(_), _) => "ttmp",
            (M0, _) => "m0",
            (ExecLo, _) => "exec_lo",
            (ExecHi, _) => "exec_hi",
            (SharedBase, _) => "src_shared_base",
            (SharedLimit, _) => "src_shared_limit",
            (PrivateBase, _) => "src_private_base",
            (PrivateLimit, _) => "src_private_limit",
            (PopsExitingWaveId, _) => "src_pops_exiting_wave_id",
            (Vccz, _) => "src_vccz",
            (Execz, _) => "src_execz",
            (Scc, _) => "src_scc",
            (LdsDirect, _) => "src_lds_direct",
            (FlatScratchBaseLo, _) => "src_flat_scratch_base_lo",
            (FlatScratchBaseHi, _) => "src_flat_scratch_base_hi",
            (Null, _) => "null",
        }
    }
}
