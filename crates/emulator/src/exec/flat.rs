//! FLAT, GLOBAL and SCRATCH: vector memory with 64-bit or scratch addresses.
//!
//! Operands of an [`Op`]: `dst` = loaded data or returned old value, `src[0]` = address register(s),
//! `src[1]` = data to store, `src[2]` = scalar base, `imm` = byte offset, `bits` = [`RETURNS`].
//!
//! The handlers of [`transfer`] are generic over a [`Space`], which knows where lanes aim and what is
//! there; buffers ([`super::mubuf`]) are one more space.

mod atomic;
mod space;
pub(super) mod transfer;

use cdna4::{Encoding, Field, Inst};

use crate::{
    op::{Arg, Op, arg},
    simd::Exec,
};

pub(super) use atomic::{index32, index64, update32, update64};
pub(super) use space::{Aim, Flat, Global, Scratch, Space, device_memory, split, swizzle};
pub(super) use transfer::{ATOMIC_SHIFT, atomic, dwords, transfers};

/// `bits`: an atomic that returns the old value (SC0).
pub(super) const RETURNS: u32 = 1;

/// Claims every FLAT, GLOBAL and SCRATCH instruction that has a handler.
pub(super) fn decode(inst: &Inst, op: &mut Op) -> bool {
    let name = inst.mnemonic();
    let picked = match inst.encoding() {
        Encoding::Flat => pick_flat(name),
        Encoding::Global => pick_global(name),
        Encoding::Scratch => pick_scratch(name),
        _ => None,
    };
    let Some((exec, bits)) = picked else { return false };
    op.exec = exec;
    op.dst = arg(inst, Field::Vdst);
    op.src[0] = arg(inst, Field::Vaddr);
    op.src[1] = first(inst, &[Field::Vdata, Field::Data0]);
    op.src[2] = arg(inst, Field::Saddr);
    op.imm = inst.value(Field::Offset).unwrap_or(0) as i32;
    op.bits = bits | returns(inst);
    op.dwords = dwords(name);
    true
}

/// The operand in the first of `fields` that the instruction has.
pub(super) fn first(inst: &Inst, fields: &[Field]) -> Arg {
    fields.iter().map(|field| arg(inst, *field)).find(|arg| *arg != Arg::None).unwrap_or(Arg::None)
}

/// [`RETURNS`] if an atomic's SC0 asks for the old value.
pub(super) fn returns(inst: &Inst) -> u32 {
    if inst.value(Field::Sc0).unwrap_or(0) != 0 { RETURNS } else { 0 }
}

fn pick_flat(name: &str) -> Option<(Exec, u32)> {
    let name = name.strip_prefix("flat_")?;
    transfers!(Flat, name).map(|exec| (exec, 0)).or_else(|| atomic::<Flat>(name))
}

fn pick_global(name: &str) -> Option<(Exec, u32)> {
    let name = name.strip_prefix("global_")?;
    transfers!(Global, name).map(|exec| (exec, 0)).or_else(|| atomic::<Global>(name))
}

fn pick_scratch(name: &str) -> Option<(Exec, u32)> {
    let name = name.strip_prefix("scratch_")?;
    transfers!(Scratch, name).map(|exec| (exec, 0))
}

#[cfg(test)]
pub(crate) mod rig;
#[cfg(test)]
mod tests;
