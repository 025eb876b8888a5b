//! The observer.

use cdna4::{Encoding, Field};

use super::{
    Found, Race, RaceKind, RacePlace, Races, Sample,
    lds::{OUTSTANDING, Operation, Shadow},
};
use crate::{
    cost::Class,
    dispatch,
    effects::{Effects, REGISTERS, SCALAR},
    exec::{
        footprint::{Memory, Shape, footprints},
        waits,
    },
    fault::Access,
    observe::{Group, Observer},
    op::Op,
    pending::{Counter, LGKM_MAX, Queue, VM_MAX},
    program::Program,
    simd::Step,
    wave::{GPR_INDEX, Wave},
};

/// Watches the workgroups of one host thread.
pub(super) struct Watch<'a> {
    program: &'a Program,
    effects: &'a [Option<Effects>],
    /// How each instruction accesses memory, by its index as `effects`.
    shapes: Vec<Option<Shape>>,
    entry: u64,
    found: Found,
    group: (u64, [u32; 3]),
    /// Barriers of the current workgroup so far.
    epoch: u32,
    /// Memory operations of the current workgroup, in the order of their issue.
    operations: Vec<Operation>,
    lds: Shadow,
    waves: Vec<Flights>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(kernel: &dispatch::Kernel<'a>) -> Watch<'a> {
        let effects = kernel.program.effects();
        let shape = |effects: &Option<Effects>| Shape::of(&effects.as_ref()?.inst);
        Watch {
            program: kernel.program,
            effects,
            shapes: effects.iter().map(shape).collect(),
            entry: kernel.entry(),
            found: Found::default(),
            group: (0, [0; 3]),
            epoch: 0,
            operations: Vec::new(),
            lds: Shadow::default(),
            waves: Vec::new(),
        }
    }

    /// What was found, with texts.
    pub(super) fn finish(self) -> Races {
        let place = |pc: u64, wave: u8| RacePlace {
            wave: wave.into(),
            offset: pc.wrapping_sub(self.entry) as i64,
            text: self.program.describe(pc).1,
        };
        let race = |((kind, first, second), sample): ((RaceKind, u64, u64), Sample)| Race {
            kind,
            first: place(first, sample.waves[0]),
            second: place(second, sample.waves[1]),
            address: sample.address,
            workgroup: sample.group.1,
            count: sample.count,
        };
        let mut found: Vec<Race> = self.found.by_pair.into_iter().map(race).collect();
        found.sort_by_key(|race| {
            (race.kind, std::cmp::Reverse(race.count), race.first.offset, race.second.offset)
        });
        Races { found }
    }

    /// Registers that `op` uses though a load under way will write them.
    fn check_registers(&mut self, wave: &Wave, op: &Op, effects: &Effects) {
        let flights = &self.waves[wave.id as usize];
        // In GPR-index mode the registers are others than the instruction names.
        if flights.queue.is_empty() || (op.class == Class::Valu && wave.mode & GPR_INDEX != 0) {
            return;
        }
        // Matrix instructions take all lanes.
        let exec = if op.class == Class::Mfma { !0 } else { wave.exec() };
        let own = counter(effects, op.class);
        let reads = effects.reads.iter().map(|span| (span, RaceKind::EarlyRead));
        let writes = effects.writes.iter().map(|span| (span, RaceKind::EarlyWrite));
        for (span, kind) in reads.chain(writes) {
            for register in span.registers() {
                let Some((index, lanes)) = flights.targets[register] else { continue };
                let load = &self.operations[index as usize];
                let in_order = load.ordered && own == Some((load.counter, true));
                let hit = lanes & exec != 0 || register >= SCALAR as usize;
                if load.done == OUTSTANDING && hit && !(kind == RaceKind::EarlyWrite && in_order) {
                    let sample = Sample {
                        waves: [load.wave; 2],
                        address: register as u32,
                        group: self.group,
                        count: 1,
                    };
                    self.found.add(kind, [load.pc, wave.pc], sample);
                }
            }
        }
    }

    /// Adds a memory operation: what it does to LDS, and the registers that it will write.
    fn start(
        &mut self,
        wave: &Wave,
        op: &Op,
        effects: &Effects,
        shape: Option<Shape>,
        (counter, ordered): (Counter, bool),
    ) {
        let index = self.operations.len() as u32;
        let to_lds = shape.is_some_and(Shape::is_to_lds);
        self.operations.push(Operation {
            pc: wave.pc,
            wave: wave.id as u8,
            epoch: self.epoch,
            done: OUTSTANDING,
            arrives: to_lds,
            atomic: shape.is_some_and(|shape| shape.access() == Access::Atomic),
            counter,
            ordered,
        });
        if let Some(shape) = shape {
            let Watch { lds, operations, found, group, .. } = self;
            let mut race = |kind, earlier: u32, byte| {
                let earlier = &operations[earlier as usize];
                let waves = [earlier.wave, wave.id as u8];
                let sample = Sample { waves, address: byte, group: *group, count: 1 };
                found.add(kind, [earlier.pc, wave.pc], sample);
            };
            // A register beyond the allocation is the handler's to report.
            let _refused = footprints(shape, wave, op, |one| {
                if one.memory == Memory::Lds {
                    for lane in one.lanes(0) {
                        let at = one.address(lane, 0) as u32;
                        lds.access(operations, index, one.access, at, one.bytes, &mut race);
                    }
                }
            });
        }
        let flights = &mut self.waves[wave.id as usize];
        if !to_lds {
            for register in effects.writes.iter().flat_map(|span| span.registers()) {
                flights.targets[register] = Some((index, wave.exec()));
            }
        }
        // A full counter stalls the issue.
        if counter != Counter::Lgkm {
            if flights.vm == VM_MAX {
                self.wait(wave.id, VM_MAX - 1, u32::MAX);
            }
            self.waves[wave.id as usize].vm += 1;
        }
        if counter != Counter::Vm {
            if self.waves[wave.id as usize].lgkm == LGKM_MAX {
                self.wait(wave.id, u32::MAX, LGKM_MAX - 1);
            }
            self.waves[wave.id as usize].lgkm += 1;
        }
        self.waves[wave.id as usize].queue.push(counter, ordered, index);
    }

    /// At most so many operations of the wave stay outstanding.
    fn wait(&mut self, wave: u32, vm: u32, lgkm: u32) {
        let flights = &mut self.waves[wave as usize];
        (flights.vm, flights.lgkm) = (flights.vm.min(vm), flights.lgkm.min(lgkm));
        for index in flights.queue.prove(vm, lgkm) {
            self.operations[index as usize].done = self.epoch;
        }
    }
}

impl Observer for Watch<'_> {
    fn begin(&mut self, group: &Group, waves: &[Wave]) {
        self.group = (group.index, group.at);
        self.epoch = 0;
        self.operations.clear();
        self.lds.clear();
        self.waves.clear();
        self.waves.resize_with(waves.len(), Flights::default);
    }

    fn issue(&mut self, wave: &Wave, op: &Op) -> Step {
        let effects = self.effects;
        let Some(index) = self.program.index(wave.pc) else { return Ok(()) };
        let Some(effects) = effects.get(index).and_then(Option::as_ref) else { return Ok(()) };
        self.check_registers(wave, op, effects);
        if let Some(counter) = counter(effects, op.class) {
            self.start(wave, op, effects, self.shapes[index], counter);
        } else if effects.inst.mnemonic() == "s_waitcnt" {
            let (vm, lgkm) = waits(effects.inst.value(Field::Simm16).unwrap_or(-1) as u32);
            self.wait(wave.id, vm, lgkm);
        }
        Ok(())
    }

    fn release(&mut self, _waves: &[Wave]) {
        self.epoch += 1;
    }

    fn merge(&mut self, other: Self) {
        self.found.merge(other.found);
    }
}

/// What is under way for one wave.
struct Flights {
    vm: u32,
    lgkm: u32,
    /// Indices of operations.
    queue: Queue<u32>,
    /// By register: the last load that has it as destination, and the lanes.
    targets: Vec<Option<(u32, u64)>>,
}

impl Default for Flights {
    fn default() -> Flights {
        Flights { vm: 0, lgkm: 0, queue: Queue::default(), targets: vec![None; REGISTERS] }
    }
}

/// The counter of a memory instruction, and whether it completes in issue order; see [`Queue`].
fn counter(effects: &Effects, class: Class) -> Option<(Counter, bool)> {
    match class {
        Class::Vmem if effects.inst.encoding() == Encoding::Flat => Some((Counter::Flat, false)),
        Class::Vmem => Some((Counter::Vm, true)),
        Class::Lds => Some((Counter::Lgkm, true)),
        Class::Smem => Some((Counter::Lgkm, false)),
        _ => None,
    }
}
