//! The workgroups of a launch, handed out to host threads.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use super::{
    COMPUTE_UNITS, DEFAULT_BUDGET, Kernel, Launch, SIMDS, Shape, block::Block, registers::Registers,
};
use crate::{
    cost::Class,
    fault::{Fault, FaultKind, Place},
    group::{self, Random, Schedule},
    host::Host,
    lanes::Lanes,
    memory::{Memory, View},
    observe::{Group, Observer},
    op::{FLAT_SCRATCH, Op},
    simd::Step,
    wave::{Cx, Wave},
};

/// One launch, shared by the host threads.
pub(super) struct Job<'a> {
    kernel: &'a Kernel<'a>,
    launch: &'a Launch<'a>,
    host: Option<&'a dyn Host>,
    shape: &'a Shape,
    registers: Registers,
    memory: &'a Memory,
    /// The next workgroup to hand out.
    next: AtomicU64,
    /// The first faulting workgroup: later ones need not start.
    stop: AtomicU64,
    /// The fault of the first faulting workgroup so far, by turn.
    fault: Mutex<Option<(u64, Box<Fault>)>>,
}

impl<'a> Job<'a> {
    /// A launch of which nothing has run.
    pub(super) fn new(
        kernel: &'a Kernel<'a>,
        launch: &'a Launch<'a>,
        host: Option<&'a dyn Host>,
        shape: &'a Shape,
        registers: Registers,
        memory: &'a Memory,
    ) -> Job<'a> {
        Job {
            kernel,
            launch,
            host,
            shape,
            registers,
            memory,
            next: AtomicU64::new(0),
            stop: AtomicU64::new(u64::MAX),
            fault: Mutex::new(None),
        }
    }

    /// One thread: workgroups until there are none left.
    pub(super) fn work<O: Observer>(&self, view: &View, scratch: Option<&Block<'_>>, observer: &mut O) {
        let mut room = Room::new(self.shape);
        loop {
            let turn = self.next.fetch_add(1, Ordering::Relaxed);
            if turn >= self.shape.groups || turn > self.stop.load(Ordering::Relaxed) {
                break;
            }
            if let Err(fault) = self.one(self.place(turn), &mut room, view, scratch, observer) {
                self.stop.fetch_min(turn, Ordering::Relaxed);
                let mut first = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
                if first.as_ref().is_none_or(|(other, _)| turn < *other) {
                    *first = Some((turn, fault));
                }
            }
        }
    }

    /// Runs one workgroup, by its row-major index.
    ///
    /// # Errors
    /// Its fault.
    pub(super) fn one<O: Observer>(
        &self,
        index: u64,
        room: &mut Room,
        view: &View,
        scratch: Option<&Block<'_>>,
        observer: &mut O,
    ) -> Result<(), Box<Fault>> {
        let Room { waves, lds } = room;
        let group =
            Group { index, at: self.coordinates(index), unit: (index % COMPUTE_UNITS as u64) as usize };
        fill(lds, self.launch.options.garbage.pattern());
        self.prepare(waves, group.at, scratch);
        let mut cx = Cx::new(lds, view);
        cx.mfma = self.launch.options.mfma;
        cx.clamp_lds = self.launch.options.clamp_lds;
        cx.host = self.host;
        observer.begin(&group, waves);
        let run = group::run(waves, self.kernel.program, &mut cx, self.schedule(group.index), observer);
        observer.end(&group, waves, run.is_err());
        run.map_err(|(wave, fault)| self.locate(fault, &waves[wave], group.at))
    }

    /// The fault of the first workgroup in order that has one.
    pub(super) fn into_fault(self) -> Option<Box<Fault>> {
        let fault = self.fault.into_inner().unwrap_or_else(PoisonError::into_inner);
        fault.map(|(_, fault)| fault)
    }

    fn schedule(&self, index: u64) -> Schedule {
        let options = &self.launch.options;
        Schedule {
            seed: options.seed.map(|seed| seed ^ Random(index).next()),
            turn: options.turn,
            budget: match options.instruction_budget {
                0 => DEFAULT_BUDGET,
                budget => budget,
            },
            strict_barriers: !options.divergent_barriers,
        }
    }

    /// The workgroup of a turn: itself, or a permutation of all by the seed.
    fn place(&self, turn: u64) -> u64 {
        let Some(seed) = self.launch.options.seed else { return turn };
        let groups = self.shape.groups;
        let mut random = Random(seed);
        let offset = random.below(groups);
        let mut factor = 1 + random.below(groups);
        while gcd(factor, groups) != 1 {
            factor += 1;
        }
        ((turn as u128 * factor as u128 + offset as u128) % groups as u128) as u64
    }

    fn coordinates(&self, index: u64) -> [u32; 3] {
        let [x, y, _] = self.launch.grid.map(u64::from);
        [(index % x) as u32, (index / x % y) as u32, (index / x / y) as u32]
    }

    fn prepare(&self, waves: &mut [Wave], workgroup: [u32; 3], scratch: Option<&Block<'_>>) {
        let garbage = self.launch.options.garbage.pattern();
        if let Some(scratch) = scratch {
            // The block is the thread's own and has that size.
            let _filled = self.memory.fill(scratch.base, &garbage.to_le_bytes(), scratch.bytes / 4);
        }
        for (id, wave) in waves.iter_mut().enumerate() {
            wave.pending.delivery = self.launch.options.delivery;
            wave.restart(id as u32, self.shape.arch_vgprs, self.shape.acc_vgprs, garbage);
            self.registers.scalars(wave, workgroup, garbage);
            if let Some(scratch) = scratch {
                wave.scratch_bytes_per_lane = self.shape.private_bytes;
                wave.scratch_base = scratch.base + id as u64 * 64 * self.shape.private_bytes as u64;
                wave.set_scalar64(FLAT_SCRATCH, wave.scratch_base);
            }
            let first = 64 * id as u32;
            let active = (self.shape.threads - first).min(64);
            wave.set_scalar64(crate::op::EXEC, if active == 64 { !0 } else { (1 << active) - 1 });
            let [x, y, _] = self.launch.block;
            // Packed work-item ids, ten bits each (gfx90a and later).
            let ids = Lanes(std::array::from_fn(|lane| {
                let item = first + lane as u32;
                (item % x) | ((item / x % y) << 10) | (item / x / y) << 20
            }));
            if let Ok(v0) = wave.vector_mut(0) {
                *v0 = ids;
            }
        }
    }

    /// Completes a fault with its place.
    #[cold]
    fn locate(&self, mut fault: Box<Fault>, wave: &Wave, workgroup: [u32; 3]) -> Box<Fault> {
        let pc = match fault.kind {
            FaultKind::BarrierDivergence { pc, .. } => pc,
            _ => wave.pc,
        };
        let (bits, text, name) = self.kernel.program.describe(pc);
        match &mut fault.kind {
            FaultKind::IllegalInstruction { word } => *word = bits,
            FaultKind::Unsupported { mnemonic, .. } if mnemonic.is_empty() => *mnemonic = name,
            _ => {}
        }
        let entry = self.kernel.entry();
        fault.place = Some(Place {
            kernel: self.kernel.info.name.clone(),
            offset: pc.wrapping_sub(entry) as i64,
            pc,
            text,
            workgroup,
            wave: wave.id,
            exec: wave.exec(),
        });
        fault
    }
}

/// Waves and LDS of one workgroup at a time.
pub(super) struct Room {
    waves: Vec<Wave>,
    lds: Vec<u8>,
}

impl Room {
    /// Room for workgroups of a shape.
    pub(super) fn new(shape: &Shape) -> Room {
        Room {
            waves: (0..shape.waves).map(|id| Wave::new(id, 0, 0)).collect(),
            lds: vec![0; shape.lds_bytes as usize],
        }
    }
}

/// LDS holds what the last workgroup left: garbage, here the same each time.
fn fill(lds: &mut [u8], garbage: u32) {
    for bytes in lds.chunks_mut(4) {
        bytes.copy_from_slice(&garbage.to_le_bytes()[..bytes.len()]);
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Counts what is issued.
#[derive(Default)]
pub(super) struct Counts {
    pub by_class: [u64; Class::COUNT],
    /// Issue cycles of the current workgroup by SIMD.
    cycles: [u64; SIMDS],
    /// Issue cycles by compute unit.
    units: Vec<u64>,
}

impl Counts {
    /// Issue cycles of the busiest compute unit.
    pub(super) fn busiest_unit(&self) -> u64 {
        self.units.iter().copied().max().unwrap_or(0)
    }
}

impl Observer for Counts {
    fn begin(&mut self, _group: &Group, _waves: &[Wave]) {
        self.cycles = [0; SIMDS];
    }

    #[inline(always)]
    fn issue(&mut self, wave: &Wave, op: &Op) -> Step {
        self.by_class[op.class as usize] += 1;
        self.cycles[wave.id as usize % SIMDS] += op.cycles as u64;
        Ok(())
    }

    fn end(&mut self, group: &Group, _waves: &[Wave], _faulted: bool) {
        self.units.resize(COMPUTE_UNITS, 0);
        self.units[group.unit] += self.cycles.into_iter().max().unwrap_or(0);
    }

    fn merge(&mut self, other: Counts) {
        self.by_class.iter_mut().zip(other.by_class).for_each(|(total, count)| *total += count);
        self.units.resize(COMPUTE_UNITS, 0);
        self.units.iter_mut().zip(other.units).for_each(|(total, cycles)| *total += cycles);
    }
}
