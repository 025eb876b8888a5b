//! MUBUF: vector memory through a buffer resource (V#), and its cache controls.
//!
//! Operands of an [`Op`]: `dst` = loaded data or returned old value, `src[0]` = VGPR index and/or offset,
//! `src[1]` = data to store, `src[2]` = the V# (four SGPRs), `src[3]` = scalar offset, `imm` = byte
//! offset, `bits` = [`RETURNS`](super::flat), [`OFFEN`], [`IDXEN`].

mod format;
mod resource;

use std::sync::atomic::{Ordering, fence};

use cdna4::{Encoding, Field, Inst};

use self::resource::Resource;
use crate::{
    fault::Fault,
    lanes::Lanes,
    op::{Arg, Op, arg},
    pending::Counter,
    simd::{Exec, Step},
    wave::{Cx, Wave},
};

use super::flat::{Aim, Space, atomic, device_memory, dwords, first, returns, transfers};

/// `bits`: a VGPR gives an offset.
const OFFEN: u32 = 2;

/// `bits`: a VGPR gives an index.
const IDXEN: u32 = 4;

/// Claims every MUBUF instruction that has a handler.
pub(super) fn decode(inst: &Inst, op: &mut Op) -> bool {
    if inst.encoding() != Encoding::Mubuf {
        return false;
    }
    let flag = |field| inst.value(field).unwrap_or(0) != 0;
    let Some(name) = inst.mnemonic().strip_prefix("buffer_") else { return false };
    let Some((exec, bits)) = pick(name, flag(Field::Lds)) else { return false };
    op.exec = exec;
    op.src[0] = arg(inst, Field::Vaddr);
    op.src[1] = first(inst, &[Field::Vdata, Field::Data0]);
    op.dst = first(inst, &[Field::Vdst, Field::Vdata, Field::Data0]);
    op.src[2] = arg(inst, Field::Srsrc);
    op.src[3] = arg(inst, Field::Soffset);
    op.imm = inst.value(Field::Offset).unwrap_or(0) as i32;
    op.bits = bits | returns(inst);
    op.bits |= if flag(Field::Offen) { OFFEN } else { 0 };
    op.bits |= if flag(Field::Idxen) { IDXEN } else { 0 };
    op.dwords = dwords(name);
    true
}

/// Handler and `bits` by the mnemonic without `buffer_`; `lds` loads go to LDS.
fn pick(name: &str, lds: bool) -> Option<(Exec, u32)> {
    if lds {
        return pick_lds(name).map(|exec| (exec, 0));
    }
    match name {
        "wbl2" | "inv" | "wbinvl1" | "wbinvl1_vol" => return Some((cache, 0)),
        _ => {}
    }
    transfers!(Buffer, name)
        .or_else(|| format::pick(name))
        .map(|exec| (exec, 0))
        .or_else(|| atomic::<Buffer>(name))
}

/// The forms that the ISA allows to LDS (9.1.9).
fn pick_lds(name: &str) -> Option<Exec> {
    let name = match name {
        "load_ubyte" => "load_lds_ubyte",
        "load_sbyte" => "load_lds_sbyte",
        "load_ushort" => "load_lds_ushort",
        "load_sshort" => "load_lds_sshort",
        "load_dword" => "load_lds_dword",
        "load_dwordx3" => "load_lds_dwordx3",
        "load_dwordx4" => "load_lds_dwordx4",
        "load_format_x" => return Some(format::load_lds),
        _ => return None,
    };
    transfers!(Buffer, name)
}

/// Device memory through a V#.
pub(super) struct Buffer;

impl Space for Buffer {
    const COUNTER: Counter = Counter::Vm;

    #[inline(always)]
    fn aim(wave: &Wave, op: &Op, bytes: u32) -> Result<Aim, Box<Fault>> {
        let resource = Resource::of(wave, op.src[2]);
        let scalar_offset = wave.scalar_arg(op.src[3]);
        let zero = Lanes::ZERO;
        let (mut index, mut offset) = (&zero, &zero);
        if let Arg::Vector(mut register) = op.src[0] {
            if op.bits & IDXEN != 0 {
                index = wave.vector(register)?;
                register += 1;
            }
            if op.bits & OFFEN != 0 {
                offset = wave.vector(register)?;
            }
        }
        let exec = wave.exec();
        if resource.is_raw(op.bits & IDXEN != 0) {
            return Ok(resource.aim_raw(scalar_offset, offset, op.imm as u32, bytes, exec));
        }
        Ok(resource.aim_structured(scalar_offset, index, offset, op.imm as u32, bytes, exec))
    }

    device_memory!();
}

/// Write-back and invalidate: device memory has no caches here; what remains is the order.
fn cache(wave: &mut Wave, _op: &Op, cx: &mut Cx<'_>) -> Step {
    fence(Ordering::SeqCst);
    wave.count_store(cx, Counter::Vm);
    Ok(())
}

#[cfg(test)]
mod tests;
