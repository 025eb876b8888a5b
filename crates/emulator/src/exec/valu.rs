//! The vector ALU: VOP1, VOP2, VOPC, VOP3, VOP3P, DPP and SDWA forms.
//!
//! ```text
//! source!(a, …) ─▶ lane rule ─▶ float modes / integer clamp ─▶ write
//!  (fetch.rs,       (one line per     (float.rs)               (fetch.rs: EXEC, DPP
//!   select.rs)       mnemonic)                                   masks, SDWA, high halves)
//! ```
//! One handler serves every encoding of a mnemonic. The plain case, vector registers and constants without
//! modifiers, is compiled into each handler; everything else goes through [`fetch::build`].

mod convert;
mod cross;
mod double;
mod fetch;
mod float;
mod half;
mod integer;
mod minifloat;
mod packed;
mod scaled;
mod select;
mod soft;
mod transcendental;
mod vop1;
mod vop2;
mod vop3;
mod vop3p;
mod vopc;

use cdna4::{Encoding, Field, Inst};

use crate::{
    op::{Arg, Mods, Op, Select, VCC, arg},
    simd::Exec,
};

/// Bits of [`Op::bits`] that this encoding family uses.
pub(super) mod bit {
    /// Shifted by the source's index: not a straight vector register.
    pub(in crate::exec) const MOVED: u32 = 1 << 0;
    /// Shifted by the source's index: has negation, magnitude or a half select.
    pub(in crate::exec) const MODIFIED: u32 = 1 << 4;
    /// The result does not go to the lanes of EXEC alone: DPP masks or an SDWA destination select.
    pub(in crate::exec) const RESULT: u32 = 1 << 8;
    /// Output modifier or clamp.
    pub(in crate::exec) const FINISH: u32 = 1 << 9;
    /// A compare that also writes EXEC.
    pub(in crate::exec) const CMPX: u32 = 1 << 10;
    /// A compare whose result is the complement of its rule.
    pub(in crate::exec) const INVERT: u32 = 1 << 11;
}

/// Claims every vector ALU instruction but the matrix ones.
pub(super) fn decode(inst: &Inst, op: &mut Op) -> bool {
    use Encoding::{Dpp, Sdwa, Vop1, Vop2, Vop3, Vop3p, Vopc};
    if !matches!(inst.encoding(), Vop1 | Vop2 | Vopc | Vop3 | Vop3p | Dpp | Sdwa) {
        return false;
    }
    let Some((exec, bits)) = handler(inst.mnemonic()) else { return false };
    operands(inst, op);
    op.exec = exec;
    op.bits |= bits;
    true
}

/// The handler of a base mnemonic and the bits that select its variant.
fn handler(mnemonic: &str) -> Option<(Exec, u32)> {
    if let Some(found) = vopc::handler(mnemonic) {
        return Some(found);
    }
    let tables = [
        vop1::handler,
        vop2::handler,
        vop3::handler,
        vop3p::handler,
        convert::handler,
        scaled::handler,
        cross::handler,
    ];
    tables.iter().find_map(|table| table(mnemonic)).map(|exec| (exec, 0))
}

/// Fills operands, modifiers and the summary bits.
fn operands(inst: &Inst, op: &mut Op) {
    let flag = |field| inst.value(field).unwrap_or(0);
    op.dst = arg(inst, Field::Vdst);
    op.sdst = arg(inst, Field::VSdst);
    op.src = [arg(inst, Field::Src0), arg(inst, Field::Src1), arg(inst, Field::Src2), Arg::None];
    op.mods = modifiers(inst);
    op.select = match inst.encoding() {
        Encoding::Dpp => Select::Dpp {
            ctrl: flag(Field::DppCtrl) as u16,
            row_mask: flag(Field::RowMask) as u8,
            bank_mask: flag(Field::BankMask) as u8,
            bound_ctrl: flag(Field::BoundCtrl) != 0,
        },
        Encoding::Sdwa => Select::Sdwa {
            src0: inst.value(Field::Src0Sel).unwrap_or(6) as u8 | ((inst.bits() >> 51 & 1) as u8 * 8),
            src1: inst.value(Field::Src1Sel).unwrap_or(6) as u8 | ((inst.bits() >> 59 & 1) as u8 * 8),
            dst: inst.value(Field::DstSel).unwrap_or(6) as u8,
            unused: flag(Field::DstUnused) as u8,
        },
        _ => Select::Straight,
    };
    implied_operands(inst, op);
    op.bits = summary(op, inst.encoding() == Encoding::Vop3p);
}

/// Negation, magnitude, clamp and half selects of any encoding, from their places in the instruction word.
fn modifiers(inst: &Inst) -> Mods {
    let field = |first: u32, width: u32| (inst.bits() >> first) as u8 & ((1u16 << width) - 1) as u8;
    let flag = |field| inst.value(field).unwrap_or(0) as u8;
    match inst.encoding() {
        Encoding::Vop3p => Mods {
            neg: field(61, 3),
            abs: field(8, 3),
            clamp: field(15, 1) != 0,
            op_sel: field(11, 3),
            op_sel_hi: field(59, 2) | field(14, 1) << 2,
            omod: 0,
        },
        Encoding::Vop3 => {
            // With a scalar destination beside the vector one, it takes the place of magnitudes and selects.
            let carries = inst.operand(Field::VSdst).is_some() && inst.operand(Field::Vdst).is_some();
            Mods {
                neg: field(61, 3),
                abs: if carries { 0 } else { field(8, 3) },
                clamp: field(15, 1) != 0,
                omod: field(59, 2),
                op_sel: if carries { 0 } else { field(11, 4) },
                op_sel_hi: 0,
            }
        }
        Encoding::Dpp => Mods {
            neg: field(52, 1) | field(54, 1) << 1,
            abs: field(53, 1) | field(55, 1) << 1,
            ..Mods::default()
        },
        Encoding::Sdwa => Mods {
            neg: field(52, 1) | field(60, 1) << 1,
            abs: field(53, 1) | field(61, 1) << 1,
            clamp: flag(Field::Clamp) != 0,
            omod: flag(Field::Omod),
            ..Mods::default()
        },
        _ => Mods::default(),
    }
}

/// Adds the operands that the assembler does not write: VCC, the accumulator, the literal multiplicand.
fn implied_operands(inst: &Inst, op: &mut Op) {
    let mnemonic = inst.mnemonic();
    let carry_in = ["v_addc_co_u32", "v_subb_co_u32", "v_subbrev_co_u32"].contains(&mnemonic);
    let carry_out = carry_in || ["v_add_co_u32", "v_sub_co_u32", "v_subrev_co_u32"].contains(&mnemonic);
    let accumulates = ["v_fmac_", "v_mac_", "v_pk_fmac_", "v_dot2c_", "v_dot4c_", "v_dot8c_"]
        .iter()
        .any(|p| mnemonic.starts_with(p));
    if carry_out && op.sdst == Arg::None {
        op.sdst = Arg::Scalar(VCC);
    }
    if (carry_in || mnemonic == "v_cndmask_b32") && op.src[2] == Arg::None {
        op.src[2] = Arg::Scalar(VCC);
    }
    if mnemonic.starts_with("v_cmp") {
        if op.sdst == Arg::None {
            op.sdst = if matches!(op.dst, Arg::Scalar(_)) { op.dst } else { Arg::Scalar(VCC) };
        }
        op.dst = Arg::None;
    }
    if accumulates {
        op.src[2] = op.dst;
    }
    // The literal takes its place in a·b + c: `…mk` multiplies by it, `…ak` adds it.
    if mnemonic.contains("mk_f") {
        op.src[2] = op.src[1];
        op.src[1] = arg(inst, Field::Literal);
    } else if mnemonic.contains("ak_f") {
        op.src[2] = arg(inst, Field::Literal);
    }
}

/// The summary bits that let a handler skip [`fetch::build`].
fn summary(op: &Op, packed: bool) -> u32 {
    let mut bits = 0;
    let half_selects = if packed { op.mods.op_sel | !op.mods.op_sel_hi } else { op.mods.op_sel };
    let modified = op.mods.neg | op.mods.abs | half_selects;
    for i in 0..3 {
        let shuffled = match op.select {
            Select::Straight => false,
            Select::Dpp { .. } => i == 0,
            Select::Sdwa { .. } => i < 2,
        };
        if shuffled || !matches!(op.src[i], Arg::Vector(_)) {
            bits |= bit::MOVED << i;
        }
        if modified >> i & 1 != 0 {
            bits |= bit::MODIFIED << i;
        }
    }
    if op.select != Select::Straight {
        bits |= bit::RESULT;
    }
    if op.mods.clamp || op.mods.omod != 0 {
        bits |= bit::FINISH;
    }
    bits
}

/// A handler from a lane shape and a lane rule: `each!(int2: |a, b| a.wrapping_add(b))`.
macro_rules! each {
    ($shape:path $([$($extra:expr),+])? : $rule:expr) => {
        $crate::simd::simd!(|wave, op, _cx| $shape(wave, op, $($($extra,)+)? $rule))
    };
}
use each;

#[cfg(test)]
mod tests;
