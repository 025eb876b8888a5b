//! What an operand field names.

/// A decoded operand. Register ranges carry their first index and their length in dwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// Scalar general registers `s[first..first + count]`, 0 to 101.
    Sgpr { first: u8, count: u8 },
    /// Architectural vector registers `v[first..first + count]`.
    Vgpr { first: u8, count: u8 },
    /// Accumulation registers `a[first..first + count]`.
    Agpr { first: u8, count: u8 },
    /// A named register or a hardware value; `count` is 1 for a 32-bit read, 2 for a pair.
    Special { which: Special, count: u8 },
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
}
