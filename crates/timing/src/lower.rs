//! A recorded workgroup as steps with the machine's costs.

use emulator::{AccessKind, LINE_BYTES, MemoryAccess, Moved, Recording, TraceOp, Unit, Wait};

use crate::{
    machine::Rates,
    sample::{Levels, ONE, Share},
    units::Ticks,
};

/// How many compute units work at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Load {
    /// On the whole device.
    pub units: u32,
    /// On the busiest XCD.
    pub units_of_xcd: u32,
}

/// What the compute units ask of the memory system meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Traffic<'a> {
    /// What of an access goes how far.
    pub share: &'a Share,
    /// Who else is there.
    pub load: Load,
    /// Share of what is written that L2 cannot keep until the end.
    pub spill: f64,
}

/// What a step does besides passing time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Scalar work, hints, branches.
    Plain,
    /// Vector ALU.
    Vector,
    /// Matrix core.
    Matrix,
    /// Scalar memory.
    ScalarMemory,
    /// LDS.
    Lds,
    /// Vector memory.
    Memory(Service),
    /// `s_waitcnt`.
    Wait(Wait),
    /// `s_barrier`.
    Barrier,
}

/// What serves a vector memory access, and how long each part is busy with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// Address unit and L1.
    pub l1: Ticks,
    /// The compute unit's share of L2.
    pub l2: Ticks,
    /// The compute unit's share of its XCD's fabric port.
    pub fabric: Ticks,
    /// The compute unit's share of HBM.
    pub memory: Ticks,
    /// From the last part's end to the data.
    pub latency: Ticks,
    /// Lines that are on their way meanwhile.
    pub lines: u32,
    /// Time of the LDS port, for data that goes there.
    pub lds: Ticks,
    /// Index of the allocation: its first access waits for the translation of addresses.
    pub allocation: u16,
}

/// One executed instruction with its costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it does.
    pub kind: Kind,
    /// From its issue to the wave's next one at least.
    pub issue: Ticks,
    /// Time that its pipe (SIMD, matrix core, LDS port) is busy.
    pub busy: Ticks,
    /// Registers that it reads and that matrix instructions write: range of `Code::registers`.
    pub reads: (u32, u32),
    /// Register range that a matrix instruction writes.
    pub writes: (u16, u16),
    /// Whether it adds onto its own destination.
    pub accumulates: bool,
}

/// A workgroup's steps.
#[derive(Clone, Debug, Default)]
pub struct Code {
    /// By event of the recording.
    pub steps: Vec<Step>,
    /// Ranges of registers, see [`Step::reads`].
    pub registers: Vec<(u16, u16)>,
}

impl Code {
    /// Puts the machine's costs to a recording.
    pub fn new(recording: &Recording, traffic: Traffic<'_>, rates: &Rates) -> Code {
        let mut matrix = [false; 512];
        for op in recording.ops.iter().filter(|op| op.unit == Unit::Matrix) {
            for register in op.writes.iter().flat_map(|(first, count)| *first..first + count) {
                matrix[register as usize & 511] = true;
            }
        }
        let mut code = Code::default();
        for event in &recording.events {
            let op = &recording.ops[event.op as usize];
            let begin = code.registers.len() as u32;
            let target = op.writes.first().copied().unwrap_or_default();
            let mut accumulates = false;
            if matches!(op.unit, Unit::Matrix | Unit::Valu | Unit::Memory | Unit::Lds) {
                for range in &op.reads {
                    if op.unit == Unit::Matrix && *range == target {
                        accumulates = true;
                    } else if (range.0..range.0 + range.1).any(|register| matrix[register as usize & 511]) {
                        code.registers.push(*range);
                    }
                }
            }
            code.steps.push(Step {
                kind: kind(op, event.moved, traffic, rates),
                issue: Ticks::from_cycles(issue(op, rates)),
                busy: busy(op, event.moved),
                reads: (begin, code.registers.len() as u32),
                writes: if op.unit == Unit::Matrix { target } else { (0, 0) },
                accumulates,
            });
        }
        code
    }
}

fn issue(op: &TraceOp, rates: &Rates) -> f64 {
    match op.unit {
        Unit::Valu => rates.issue_vector_cycles.max(op.cycles as f64),
        Unit::Matrix => rates.issue_matrix_cycles,
        Unit::Scalar => rates.issue_scalar_cycles,
        Unit::Lds | Unit::Memory | Unit::ScalarMemory => rates.issue_memory_cycles,
        Unit::Branch => rates.issue_branch_cycles,
        Unit::Sleep(length) => 64.0 * length as f64,
        // `s_nop n` is n + 1 wait states; here it is one issue slot.
        Unit::Barrier | Unit::Other => rates.issue_wait_cycles,
    }
}

fn busy(op: &TraceOp, moved: Moved) -> Ticks {
    match (op.unit, moved) {
        (Unit::Valu | Unit::Matrix, _) => Ticks::cycles(op.cycles as u64),
        (_, Moved::Lds { cycles, .. }) => Ticks::cycles(cycles as u64),
        _ => Ticks(0),
    }
}

fn kind(op: &TraceOp, moved: Moved, traffic: Traffic<'_>, rates: &Rates) -> Kind {
    if let Some(wait) = op.wait {
        return Kind::Wait(wait);
    }
    match (op.unit, moved) {
        (Unit::Valu, _) => Kind::Vector,
        (Unit::Matrix, _) => Kind::Matrix,
        (Unit::Barrier, _) => Kind::Barrier,
        (Unit::ScalarMemory, _) => Kind::ScalarMemory,
        (Unit::Lds, _) => Kind::Lds,
        (Unit::Memory, Moved::Memory(access)) => Kind::Memory(service(access, traffic, rates)),
        _ => Kind::Plain,
    }
}

fn service(access: MemoryAccess, traffic: Traffic<'_>, rates: &Rates) -> Service {
    let Traffic { share, load, spill } = traffic;
    let whole = Levels { compute_unit: ONE, xcd: ONE, device: ONE, memory: ONE };
    let levels = share.0.get(access.allocation as usize).copied().unwrap_or(whole);
    let part = |fraction: u16| fraction as f64 / ONE as f64;
    let clock = rates.clock_ghz * 1e9;
    let lines = access.lines as f64 * LINE_BYTES as f64;
    // A range check lets nothing through: the address unit has its work, nothing else has.
    let l1 = (access.bytes as f64 / rates.l1_bytes_per_cycle).max(rates.address_cycles);
    let lds = if access.to_lds { access.bytes as f64 / LDS_BYTES_PER_CYCLE } else { 0.0 };
    let mut service = Service {
        l1: Ticks::from_cycles(l1),
        lds: Ticks::from_cycles(lds),
        allocation: access.allocation,
        ..Service::default()
    };
    if access.lines == 0 {
        return service;
    }
    if access.kind == AccessKind::Store {
        let bytes = access.bytes as f64;
        let write = rates.write_tb_per_s * 1e12 / clock / load.units as f64;
        let l2 = (rates.l2_bytes_per_cycle / load.units_of_xcd as f64).min(rates.l1_bytes_per_cycle);
        service.l2 = Ticks::from_cycles(bytes / l2);
        service.fabric = Ticks::from_cycles(spill * bytes / write);
        service.latency = Ticks::from_cycles(rates.store_latency_cycles);
        return service;
    }
    let from_l1 = lines * part(levels.compute_unit);
    let l2 = (rates.l2_bytes_per_cycle / load.units_of_xcd as f64).min(rates.l1_bytes_per_cycle);
    let fabric = rates.fabric_bytes_per_cycle / load.units_of_xcd as f64;
    let memory = rates.memory_tb_per_s * 1e12 / clock / load.units as f64;
    service.l2 = Ticks::from_cycles(from_l1 / l2);
    service.fabric = Ticks::from_cycles(from_l1 * part(levels.xcd) / fabric);
    service.memory = Ticks::from_cycles(from_l1 * part(levels.memory) / memory);
    service.lines = (access.lines as f64 * part(levels.compute_unit)).ceil() as u32;
    service.latency = Ticks::from_cycles(match levels {
        Levels { memory: 1.., .. } => rates.memory_latency_cycles,
        Levels { xcd: 1.., .. } => rates.cache_latency_cycles,
        _ => rates.l2_latency_cycles,
    });
    service
}

/// Width of the LDS port: Chips and Cheese on CDNA 4, the phases of HipKittens' measurements agree.
const LDS_BYTES_PER_CYCLE: f64 = 128.0;
