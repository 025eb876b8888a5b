//! Program control (SOPP): branches, waits, barriers, the end.

use cdna4::{Encoding, Inst};

use crate::{
    fault::{Fault, FaultKind},
    op::{M0, Op},
    simd::{Exec, Step},
    wave::{Cx, GPR_INDEX, Status, Wave},
};

/// Claims SOPP. `imm` is `simm16`, sign-extended.
pub(super) fn decode(inst: &Inst, op: &mut Op) -> bool {
    if inst.encoding() != Encoding::Sopp {
        return false;
    }
    let Some(exec) = handler(inst.mnemonic()) else { return false };
    op.exec = exec;
    op.imm = inst.bits() as u16 as i16 as i32;
    true
}

/// Of the messages only the interrupt has a receiver; the others go to the host's driver, which the virtual
/// device does not have: dropped. Priorities, sleeps, performance counters and instruction caches have no
/// effect on results: dropped too. The debugger's flags are clear, so its branches are not taken.
fn handler(name: &str) -> Option<Exec> {
    Some(match name {
        "s_nop"
        | "s_sleep"
        | "s_setprio"
        | "s_icache_inv"
        | "s_incperflevel"
        | "s_decperflevel"
        | "s_ttracedata"
        | "s_wakeup"
        | "s_cbranch_cdbgsys"
        | "s_cbranch_cdbguser"
        | "s_cbranch_cdbgsys_and_user"
        | "s_cbranch_cdbgsys_or_user" => nothing,
        "s_sendmsg" => message,
        "s_branch" => branch,
        "s_cbranch_scc0" => branch_scc::<false>,
        "s_cbranch_scc1" => branch_scc::<true>,
        "s_cbranch_vccz" => branch_vcc::<true>,
        "s_cbranch_vccnz" => branch_vcc::<false>,
        "s_cbranch_execz" => branch_exec::<true>,
        "s_cbranch_execnz" => branch_exec::<false>,
        "s_endpgm" | "s_endpgm_saved" => end,
        "s_setkill" => kill,
        "s_barrier" => barrier,
        "s_waitcnt" => wait,
        "s_sethalt" | "s_sendmsghalt" => halt,
        "s_trap" => trap,
        "s_set_gpr_idx_off" => gpr_index_off,
        "s_set_gpr_idx_mode" => gpr_index_mode,
        _ => return None,
    })
}

fn nothing(_wave: &mut Wave, _op: &Op, _cx: &mut Cx<'_>) -> Step {
    Ok(())
}

/// MSG_INTERRUPT: LLVM, AMDGPUUsage, and the device libraries' signals.
const INTERRUPT: i32 = 1;

fn message(_wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    if op.imm & 0xf == INTERRUPT
        && let Some(host) = cx.host
    {
        host.interrupt();
    }
    Ok(())
}

fn branch(wave: &mut Wave, op: &Op, _cx: &mut Cx<'_>) -> Step {
    jump(wave, op, true)
}

fn branch_scc<const ONE: bool>(wave: &mut Wave, op: &Op, _cx: &mut Cx<'_>) -> Step {
    let taken = wave.scc == ONE;
    jump(wave, op, taken)
}

fn branch_vcc<const ZERO: bool>(wave: &mut Wave, op: &Op, _cx: &mut Cx<'_>) -> Step {
    let taken = (wave.vcc() == 0) == ZERO;
    jump(wave, op, taken)
}

fn branch_exec<const ZERO: bool>(wave: &mut Wave, op: &Op, _cx: &mut Cx<'_>) -> Step {
    let taken = (wave.exec() == 0) == ZERO;
    jump(wave, op, taken)
}

#[inline(always)]
fn jump(wave: &mut Wave, op: &Op, taken: bool) -> Step {
    if taken {
        wave.next_pc = wave.next_pc.wrapping_add_signed(4 * op.imm as i64);
    }
    Ok(())
}

fn end(wave: &mut Wave, _op: &Op, cx: &mut Cx<'_>) -> Step {
    wave.drain(cx);
    wave.status = Status::Ended;
    Ok(())
}

fn kill(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    if op.imm & 1 == 1 { end(wave, op, cx) } else { Ok(()) }
}

fn barrier(wave: &mut Wave, _op: &Op, _cx: &mut Cx<'_>) -> Step {
    wave.status = Status::Barrier;
    Ok(())
}

fn wait(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    let (vm, lgkm) = waits(op.imm as u32);
    wave.wait(cx, vm, lgkm);
    Ok(())
}

/// What an `s_waitcnt` leaves outstanding: vmcnt is bits 3:0 and 15:14, lgkmcnt 11:8; expcnt (6:4) counts exports,
/// which compute waves have not.
pub(crate) fn waits(code: u32) -> (u32, u32) {
    (code & 15 | (code >> 14 & 3) << 4, code >> 8 & 15)
}

/// A halted wave waits for the debugger: nobody would ever wake it.
fn halt(_wave: &mut Wave, op: &Op, _cx: &mut Cx<'_>) -> Step {
    if op.imm & 1 == 0 {
        return Ok(());
    }
    Err(Fault::new(FaultKind::Halt))
}

/// `s_trap 3` is the debugger's breakpoint, which does nothing without a debugger; all other traps end
/// the kernel: `abort`, `__builtin_trap`, a failed `assert`.
fn trap(_wave: &mut Wave, op: &Op, _cx: &mut Cx<'_>) -> Step {
    match op.imm as u16 & 0xff {
        3 => Ok(()),
        id => Err(Fault::new(FaultKind::Trap { id })),
    }
}

fn gpr_index_off(wave: &mut Wave, _op: &Op, _cx: &mut Cx<'_>) -> Step {
    wave.mode &= !GPR_INDEX;
    Ok(())
}

fn gpr_index_mode(wave: &mut Wave, op: &Op, _cx: &mut Cx<'_>) -> Step {
    wave.scalar[M0 as usize] = wave.m0() & !0xf000 | (op.imm as u32 & 15) << 12;
    Ok(())
}
