//! Follows assumed results through one host thread's workgroups.

use std::sync::Arc;

use super::{
    Ledger,
    plan::{Flow, Origins, Plan, Step},
    shadow::{DeviceShadow, LdsShadow, MOST_ORIGINS, Registers, Taint},
};
use crate::{
    cost::Class,
    effects::{MODE, Role, SCALAR, Span, scalar},
    exec::footprint::{self, Footprint, Memory, footprints},
    fault::Access,
    observe::{Group, Observer},
    op::{Arg, EXEC, Op},
    simd::Step as Outcome,
    wave::{GPR_INDEX, Wave},
};

/// The observer.
#[derive(Debug)]
pub(crate) struct Watch<'a> {
    plan: &'a Plan<'a>,
    waves: Vec<Registers>,
    lds: LdsShadow,
    device: Arc<DeviceShadow>,
    seen: Seen,
}

/// What was seen.
#[derive(Debug)]
pub(super) struct Seen {
    /// Executions by instruction.
    pub counts: Vec<u64>,
    /// Lowest address of an instruction that took an origin's result for an address.
    pub addresses: [Option<u64>; MOST_ORIGINS],
    /// Lowest address of an instruction that decided by it.
    pub branches: [Option<u64>; MOST_ORIGINS],
    /// Origins that were stored.
    pub outputs: Origins,
}

impl<'a> Watch<'a> {
    /// A watch that has seen nothing; those of one launch share `device`.
    pub(crate) fn new(plan: &'a Plan<'a>, device: Arc<DeviceShadow>) -> Watch<'a> {
        let none = [None; MOST_ORIGINS];
        let seen = Seen { counts: vec![0; plan.len()], addresses: none, branches: none, outputs: 0 };
        Watch { plan, waves: Vec::new(), lds: LdsShadow::default(), device, seen }
    }

    /// What was seen; `entry` is the kernel's first instruction.
    pub(crate) fn ledger(&self, entry: u64) -> Ledger {
        self.plan.ledger(&self.seen, entry)
    }
}

impl Observer for Watch<'_> {
    fn begin(&mut self, _group: &Group, waves: &[Wave]) {
        self.lds.clear();
        self.waves.iter_mut().for_each(Registers::clear);
        self.waves.resize_with(waves.len(), Registers::new);
    }

    fn issue(&mut self, wave: &Wave, op: &Op) -> Outcome {
        let Some((index, step)) = self.plan.at(wave.pc) else { return Ok(()) };
        self.seen.counts[index] += 1;
        let registers = &mut self.waves[wave.id as usize];
        let memory = step.shape.is_some() && (self.lds.is_marked() || self.device.is_marked());
        if step.origin == 0 && !registers.marked && !memory {
            return Ok(());
        }
        let spans = Spans::of(step, wave, op);
        let flow = Issue { wave, step, spans: &spans, registers, seen: &mut self.seen };
        match step.shape {
            Some(shape) => flow.access(shape, op, &mut self.lds, &self.device),
            None => flow.compute(),
        }
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        self.seen.counts.iter_mut().zip(other.seen.counts).for_each(|(total, count)| *total += count);
        let lower =
            |own: &mut Option<u64>, other: Option<u64>| *own = [*own, other].into_iter().flatten().min();
        for (own, other) in self.seen.addresses.iter_mut().zip(other.seen.addresses) {
            lower(own, other);
        }
        for (own, other) in self.seen.branches.iter_mut().zip(other.seen.branches) {
            lower(own, other);
        }
        self.seen.outputs |= other.seen.outputs;
    }
}

/// The registers that an instruction really uses.
struct Spans {
    moved: Option<(Vec<Span>, Vec<Span>)>,
}

impl Spans {
    fn of(step: &Step<'_>, wave: &Wave, op: &Op) -> Spans {
        let effects = step.effects;
        let shift = |spans: &[Span], arg: Arg| {
            let mut spans = spans.to_vec();
            if let Arg::Scalar(base) = arg {
                let from = scalar(base);
                let moved = from.saturating_add(wave.m0().min(128) as u16).min(SCALAR + 127);
                spans.iter_mut().filter(|span| span.first == from).for_each(|span| span.first = moved);
            }
            spans
        };
        let moved = match step.flow {
            Flow::RelativeSource => Some((shift(&effects.reads, op.src[0]), effects.writes.to_vec())),
            Flow::RelativeDestination => Some((effects.reads.to_vec(), shift(&effects.writes, op.dst))),
            _ if wave.mode & GPR_INDEX != 0 && op.class == Class::Valu => Some(indexed(step, op)),
            _ => None,
        };
        Spans { moved }
    }

    fn reads<'s>(&'s self, step: &'s Step<'_>) -> &'s [Span] {
        self.moved.as_ref().map_or(&step.effects.reads, |(reads, _)| reads)
    }

    fn writes<'s>(&'s self, step: &'s Step<'_>) -> &'s [Span] {
        self.moved.as_ref().map_or(&step.effects.writes, |(_, writes)| writes)
    }
}

/// In GPR-index mode the operands name the registers; M0 chose them.
fn indexed(step: &Step<'_>, op: &Op) -> (Vec<Span>, Vec<Span>) {
    let is_scalar = |span: &&Span| span.first >= SCALAR;
    let width = |spans: &[Span]| {
        spans.iter().filter(|span| !is_scalar(span)).map(|span| span.count).max().unwrap_or(1)
    };
    let (reads, writes) = (&step.effects.reads, &step.effects.writes);
    let vector = |arg: &Arg, count| match *arg {
        Arg::Vector(first) if first < SCALAR => Some(Span { first, count, role: Role::Data }),
        _ => None,
    };
    let mut used: Vec<Span> = op.src.iter().filter_map(|arg| vector(arg, width(reads))).collect();
    used.extend(reads.iter().filter(is_scalar));
    used.push(Span { first: scalar(crate::op::M0), count: 1, role: Role::Address });
    let mut written: Vec<Span> = vector(&op.dst, width(writes)).into_iter().collect();
    written.extend(writes.iter().filter(is_scalar));
    (used, written)
}

/// One instruction of one wave.
struct Issue<'i, 'a> {
    wave: &'i Wave,
    step: &'i Step<'a>,
    spans: &'i Spans,
    registers: &'i mut Registers,
    seen: &'i mut Seen,
}

impl Issue<'_, '_> {
    /// An instruction without memory.
    fn compute(mut self) {
        let address = self.address();
        let branch = self.read(Role::Branch);
        note(&mut self.seen.branches, branch.origins(), self.wave.pc);
        let mut result = self.read(Role::Data).join(address);
        let exec = self.wave.exec();
        match self.step.flow {
            Flow::Swap => return self.swap(exec),
            Flow::SaveExec => return self.save_exec(result),
            Flow::RestoreExec => result = self.restore_exec(result),
            Flow::FirstLane => {
                // With no active lane the hardware reads lane 0.
                result = result.within(1 << (exec.trailing_zeros() & 63)).spread();
            }
            Flow::Across => result = result.within(exec).spread(),
            Flow::Anywhere | Flow::Matrix => result = result.spread(),
            Flow::Lanes | Flow::RelativeSource | Flow::RelativeDestination => {}
            Flow::Dwords | Flow::Upward | Flow::Downward => {}
        }
        let result = result.join(Taint::scalar(self.step.origin));
        let vector =
            self.step.effects.inst.is_valu() || self.step.effects.inst.encoding() == cdna4::Encoding::Ds;
        let mask = if vector && self.step.flow != Flow::Matrix { exec } else { !0 };
        let halves = self.halves().map(|halves| halves.map(|half| half.join(address)));
        for (nth, span) in self.spans.writes(self.step).iter().enumerate() {
            for (dword, register) in span.registers().enumerate() {
                let result = match halves {
                    // What comes after the destination, a carry or SCC, follows from all of it.
                    Some(halves) if nth == 0 => halves[dword & 1],
                    _ => result,
                };
                self.write(register, result, if self.step.flow == Flow::FirstLane { !0 } else { mask });
            }
        }
    }

    /// Marks of the two dwords of a 64-bit result that do not follow from the same dwords of its sources.
    fn halves(&self) -> Option<[Taint; 2]> {
        // Which operands are wide is known where they are those that the instruction names.
        if self.spans.moved.is_some() {
            return None;
        }
        let (upward, downward) = match self.step.flow {
            Flow::Dwords => (false, false),
            Flow::Upward => (true, false),
            Flow::Downward => (false, true),
            _ => return None,
        };
        let mut halves = [Taint::scalar(self.step.origin); 2];
        let sources = self.step.effects.reads.iter();
        for span in sources.filter(|span| span.role == Role::Data && span.first != MODE) {
            for (dword, register) in span.registers().enumerate() {
                let taint = self.registers.get(register);
                // A factor, an amount or SCC enters everywhere.
                let narrow = span.count != 2;
                for (half, reached) in halves.iter_mut().enumerate() {
                    let moves = half > dword && upward || half < dword && downward;
                    if narrow || half == dword || moves {
                        *reached = reached.join(taint);
                    }
                }
            }
        }
        Some(halves)
    }

    /// An instruction that accesses memory.
    fn access(mut self, shape: footprint::Shape, op: &Op, lds: &mut LdsShadow, device: &DeviceShadow) {
        let address = self.address();
        let step = self.step;
        let (origin, left) = (Taint::scalar(step.origin), Taint::scalar(step.memory_origin));
        let stored: Vec<Taint> = self
            .spans
            .reads(step)
            .iter()
            .filter(|span| span.role == Role::Data && span.first != MODE)
            .flat_map(|span| span.registers())
            .map(|register| self.registers.get(register))
            .collect();
        let all_stored = stored.iter().fold(Taint::default(), |all, one| all.join(*one));
        let mut loaded = [Taint::default(); 16];
        let mut outputs = 0;
        let mut cursor = device.cursor();
        let mut each = |one: &Footprint| {
            let in_lds = one.memory == Memory::Lds;
            let mut get = |at: u64| {
                let mut dword = |at| if in_lds { lds.get(at) } else { cursor.get(at) };
                // A dword that is not aligned lies in two.
                dword(at) | if at.is_multiple_of(4) || one.bytes < 4 { 0 } else { dword(at.wrapping_add(3)) }
            };
            let reads = one.access != Access::Write;
            let mut old: Vec<(usize, usize, Origins)> = Vec::new();
            for dword in 0..one.dwords {
                for lane in one.lanes(dword) {
                    let origins = if reads { get(one.address(lane, dword)) } else { 0 };
                    if origins != 0 {
                        let target = &mut loaded[(one.first + dword) & 15];
                        *target = target.join(Taint::lane(lane, origins));
                    }
                    if one.access != Access::Read {
                        old.push((lane, dword, origins));
                    }
                }
            }
            for (lane, dword, old) in old {
                let data = match one.access {
                    Access::Atomic => all_stored.join(left),
                    // The second access of a load to LDS writes what the first has read.
                    _ if shape.is_to_lds() => loaded[dword & 15].join(left),
                    _ => stored.get(one.first + dword).copied().unwrap_or_default(),
                };
                let new = data.join(address).within(1 << lane).origins();
                let at = one.address(lane, dword);
                let aligned = at.is_multiple_of(4);
                let keep = one.access == Access::Atomic || one.bytes < 4 || !aligned;
                let last = if aligned || one.bytes < 4 { at } else { at.wrapping_add(3) };
                for at in [at, last] {
                    if in_lds {
                        lds.set(at, new | old, keep);
                    } else {
                        cursor.set(at, new | old, keep);
                    }
                }
                outputs |= if one.memory == Memory::Device { new } else { 0 };
            }
        };
        // A register beyond the allocation is the handler's to report.
        let _refused = footprints(shape, self.wave, op, &mut each);
        self.seen.outputs |= outputs;
        let everywhere = address.join(origin);
        for span in self.spans.writes(step) {
            for (i, register) in span.registers().enumerate() {
                let mut taint = loaded[i & 15].join(everywhere);
                if step.flow == Flow::Across {
                    taint = taint.spread();
                }
                let mask = if register < SCALAR as usize { self.wave.exec() } else { !0 };
                self.write(register, taint, mask);
            }
        }
    }

    /// Marks of the address operands in the lanes that use them, noted.
    fn address(&mut self) -> Taint {
        let inst = &self.step.effects.inst;
        let lanes =
            if inst.is_salu() || inst.encoding() == cdna4::Encoding::Smem { !0 } else { self.wave.exec() };
        let address = self.read(Role::Address).within(lanes);
        note(&mut self.seen.addresses, address.origins(), self.wave.pc);
        address
    }

    fn read(&self, role: Role) -> Taint {
        let spans = self.spans.reads(self.step).iter();
        spans
            .filter(|span| span.role == role && span.first != MODE)
            .flat_map(|span| span.registers())
            .fold(Taint::default(), |all, register| all.join(self.registers.get(register)))
    }

    fn write(&mut self, register: usize, taint: Taint, mask: u64) {
        let exec = scalar(EXEC) as usize;
        if register == exec || register == exec + 1 {
            note(&mut self.seen.branches, taint.within(mask).origins(), self.wave.pc);
        }
        self.registers.set(register, taint, mask, self.step.effects.partial);
    }

    fn swap(&mut self, exec: u64) {
        let spans = self.spans.writes(self.step);
        let [a, b] = spans else { return };
        let (a, b) = (a.first as usize, b.first as usize);
        let (x, y) = (self.registers.get(a), self.registers.get(b));
        self.registers.set(a, y, exec, false);
        self.registers.set(b, x, exec, false);
    }

    fn save_exec(&mut self, result: Taint) {
        let exec = scalar(EXEC) as usize;
        let old = self.registers.get(exec);
        for span in self.spans.writes(self.step) {
            for register in span.registers() {
                let is_saved =
                    register != exec && register != exec + 1 && register != crate::effects::SCC as usize;
                self.write(register, if is_saved { old } else { result }, !0);
            }
        }
    }

    /// `s_or_b64 exec, exec, s[n:n+1]` at the end of a branch: when the pair covers EXEC, the result is the pair,
    /// whatever EXEC was.
    fn restore_exec(&self, result: Taint) -> Taint {
        let exec = scalar(EXEC);
        let spans = self.spans.reads(self.step);
        let [a, b] = spans else { return result };
        let other = match () {
            () if a.first == exec && b.count == 2 => b,
            () if b.first == exec && a.count == 2 => a,
            () => return result,
        };
        let Some(index) = other.first.checked_sub(SCALAR).filter(|index| *index < 128) else { return result };
        if self.wave.exec() & !self.wave.scalar64(index as u8) != 0 {
            return result;
        }
        other.registers().fold(Taint::default(), |all, register| all.join(self.registers.get(register)))
    }
}

/// Notes the lowest address for each origin.
fn note(places: &mut [Option<u64>; MOST_ORIGINS], origins: Origins, pc: u64) {
    let mut rest = origins;
    while rest != 0 {
        let place = &mut places[rest.trailing_zeros() as usize];
        *place = Some(place.map_or(pc, |other| other.min(pc)));
        rest &= rest - 1;
    }
}
