//! What an instruction costs at issue, coarsely: enough to tell a matrix kernel from a scalar loop.
//!
//! A SIMD issues one wave64 vector instruction in 4 cycles (16 lanes wide), a transcendental or a 32-bit
//! multiply in 16, a matrix instruction in 4 cycles per pass (passes: LLVM's scheduling model of gfx950).
//! Everything else takes one issue slot of 4 cycles. Memory latency and bandwidth are not in this figure.

use cdna4::{Encoding, Field, Inst};

/// The unit that issues an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Vector ALU.
    Valu,
    /// Scalar ALU.
    Salu,
    /// Local data share.
    Lds,
    /// Vector memory: flat, global, scratch, buffer.
    Vmem,
    /// Scalar memory.
    Smem,
    /// Matrix core.
    Mfma,
    /// Branches and calls.
    Branch,
    /// Waits, barriers, hints, the end.
    Control,
}

impl Class {
    /// Number of classes.
    pub const COUNT: usize = 8;

    /// Their names, by `class as usize`.
    pub const NAMES: [&'static str; Class::COUNT] =
        ["valu", "salu", "lds", "vmem", "smem", "mfma", "branch", "control"];

    /// Whether VSKIP skips it: everything that works on lanes.
    pub(crate) fn is_vector(self) -> bool {
        matches!(self, Class::Valu | Class::Lds | Class::Vmem | Class::Mfma)
    }
}

/// The class of an instruction.
pub(crate) fn class(inst: &Inst) -> Class {
    use Encoding::*;
    match inst.encoding() {
        _ if inst.is_branch() => Class::Branch,
        Mai if inst.is_mfma() => Class::Mfma,
        Vop1 | Vop2 | Vopc | Vop3 | Vop3p | Dpp | Sdwa | Mai => Class::Valu,
        Sop1 | Sop2 | Sopc | Sopk => Class::Salu,
        Sopp => Class::Control,
        Smem => Class::Smem,
        Ds => Class::Lds,
        Flat | Global | Scratch | Mubuf | Mtbuf => Class::Vmem,
    }
}

/// Issue cycles of an instruction.
pub(crate) fn issue_cycles(inst: &Inst) -> u8 {
    let name = inst.mnemonic();
    if inst.is_mfma() {
        return 4 * passes(inst, name);
    }
    let quarter_rate =
        ["v_exp_", "v_log_", "v_rcp_", "v_rsq_", "v_sqrt_", "v_sin_", "v_cos_", "v_mul_lo_", "v_mul_hi_"];
    if quarter_rate.iter().any(|prefix| name.starts_with(prefix)) { 16 } else { 4 }
}

/// Passes of the matrix core.
fn passes(inst: &Inst, name: &str) -> u8 {
    let wide = |field| inst.value(field).unwrap_or(0) < 2;
    let large = name.contains("_32x32x");
    if name.ends_with("f8f6f4") {
        // FP4 and FP6 run at twice the rate of FP8, when both operands are that narrow.
        let eight_bit = wide(Field::Cbsz) || wide(Field::Blgp);
        return if large { 8 } else { 4 } << eight_bit as u8;
    }
    let single = name.ends_with("_f32") && name.contains("_f32_") && name.starts_with("v_mfma_f32") && {
        name.split("x").nth(2).is_some_and(|tail| tail.contains("f32"))
    };
    match () {
        () if name.ends_with("_f64") => {
            if name.contains("_16x16x") {
                16
            } else {
                4
            }
        }
        () if name.contains("_4x4x") => 2,
        () if large => {
            if single {
                16
            } else {
                8
            }
        }
        () => {
            if single {
                8
            } else {
                4
            }
        }
    }
}
