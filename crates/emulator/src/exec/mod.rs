//! Instruction handlers, one file per encoding or family.
//!
//! Each file has `decode(&Inst, &mut Op) -> bool`: it claims the instruction by its encoding and base
//! mnemonic, fills the operands and sets `exec`. One handler serves every encoding of a mnemonic
//! (e32, e64, DPP, SDWA): the differences are in the operands' modifiers.

#[cfg(test)]
mod coverage;
mod ds;
mod flat;
pub(crate) mod footprint;
mod mai;
mod mubuf;
mod smem;
mod sop;
mod sopp;
mod valu;

pub use mai::MfmaPolicy;
pub(crate) use sopp::waits;

use cdna4::Inst;
#[cfg(test)]
pub(crate) use flat::rig;

use crate::{
    fault::{Fault, FaultKind},
    op::{Arg, Mods, Op, Select},
    simd::Step,
    wave::{Cx, Wave},
};

/// Resolves the handler and operands of one instruction. An instruction that nothing claims becomes an
/// [`Op`] that faults when it is executed, not when it is decoded: dead code may hold anything.
pub(crate) fn resolve(inst: &Inst) -> Op {
    let mut op = Op {
        exec: unsupported,
        dst: Arg::None,
        sdst: Arg::None,
        src: [Arg::None; 4],
        mods: Mods::default(),
        select: Select::Straight,
        imm: 0,
        bits: 0,
        dwords: 0,
        class: crate::cost::class(inst),
        cycles: crate::cost::issue_cycles(inst),
        length: (inst.size() / 4) as u8,
    };
    let claims: [fn(&Inst, &mut Op) -> bool; 8] = [
        valu::decode,
        sop::decode,
        sopp::decode,
        smem::decode,
        ds::decode,
        flat::decode,
        mubuf::decode,
        mai::decode,
    ];
    let _claimed = claims.iter().any(|claim| claim(inst, &mut op));
    op
}

/// Faults; the engine adds mnemonic and place.
fn unsupported(_wave: &mut Wave, _op: &Op, _cx: &mut Cx<'_>) -> Step {
    Err(Fault::new(FaultKind::Unsupported { mnemonic: "", detail: "no handler" }))
}

/// What stands where no gfx950 instruction does; the engine adds the bits.
pub(crate) fn illegal() -> Op {
    Op {
        exec: |_, _, _| Err(Fault::new(FaultKind::IllegalInstruction { word: 0 })),
        dst: Arg::None,
        sdst: Arg::None,
        src: [Arg::None; 4],
        mods: Mods::default(),
        select: Select::Straight,
        imm: 0,
        bits: 0,
        dwords: 0,
        class: crate::cost::Class::Control,
        cycles: 0,
        length: 1,
    }
}

/// [`unsupported`] as the value to compare with: an [`Op`] that nothing claimed.
#[cfg(test)]
pub(crate) const UNSUPPORTED: crate::simd::Exec = unsupported;
