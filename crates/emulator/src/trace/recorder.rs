//! Watches waves and writes down what they do.

use std::collections::{BTreeMap, HashMap, HashSet};

use cdna4::Field;

use super::{
    AccessKind, Event, Extent, GroupTrace, LINE_BYTES, Moved, Needs, Recording, SCRATCH, Touched, TraceOp,
    Unit, Wait,
    access::{Regions, moved},
};
use crate::{
    cost::Class,
    device::{Device, Module},
    dispatch::{self, Launch, LaunchError},
    effects::{Effects, SCALAR, Span},
    exec::footprint::Shape,
    fault::{Fault, FaultKind},
    memory::Memory,
    observe::{Group, Observer},
    op::Op,
    program::Program,
    simd::Step,
    wave::Wave,
};

impl Device {
    /// Runs the named workgroups of a launch, and no others, and records what they do. They run on the real
    /// memory, each finds what those before it stored, and afterwards all of it is as it was: a recording may precede
    /// the launch that it is about.
    ///
    /// # Errors
    /// As [`Device::launch`]. A prefix that ends before a fault does not see it.
    pub fn record(
        &self,
        module: &Module,
        kernel: &str,
        launch: &Launch<'_>,
        workgroups: &[[u32; 3]],
        extent: Extent,
    ) -> Result<Recording, LaunchError> {
        let kernel = self.kernel(module, kernel)?;
        let mut regions: Regions = Vec::new();
        for allocation in self.memory().allocations() {
            regions.push((allocation.base, allocation.base + allocation.bytes));
        }
        regions.sort_unstable();
        let mut recorder = Recorder::new(&kernel, self.memory(), regions, extent);
        let mut launch = *launch;
        let may_stop = extent != Extent::Whole;
        if may_stop {
            // Waves that advance together have come equally far when the workgroup stops.
            launch.options.turn = 1;
        }
        let ran = dispatch::run_chosen(self.memory(), &kernel, &launch, workgroups, may_stop, &mut recorder);
        recorder.restore()?;
        Ok(recorder.finish(ran?))
    }
}

/// The observer.
struct Recorder<'a> {
    program: &'a Program,
    effects: &'a [Option<Effects>],
    /// How each instruction accesses memory, by its index as `effects`.
    shapes: Vec<Option<Shape>>,
    memory: &'a Memory,
    entry: u64,
    regions: Regions,
    /// What lines held before they were first written: by number of the line, addresses and bytes.
    before: HashMap<u64, Vec<(u64, Vec<u8>)>>,
    whole: bool,
    /// Accesses of a wave after which a workgroup stops.
    enough: u64,
    /// Accesses of the current workgroup that may still come.
    left: u64,
    recording: Recording,
    /// By address: index into `recording.ops`.
    ops: HashMap<u64, u32>,
    /// By index: the event of having moved nothing.
    idle: Vec<Option<u32>>,
    events: HashMap<Event, u32>,
    /// The current workgroup.
    waves: Vec<Stream>,
    touched: BTreeMap<u16, (HashSet<u64>, Touched)>,
    lines: Vec<u64>,
}

/// The current wave's part that has not been folded, and where its last instruction was.
#[derive(Default)]
struct Stream {
    piece: Vec<u32>,
    folds: super::Folds,
    last: u64,
}

impl<'a> Recorder<'a> {
    fn new(
        kernel: &dispatch::Kernel<'a>,
        memory: &'a Memory,
        regions: Regions,
        extent: Extent,
    ) -> Recorder<'a> {
        let effects = kernel.program.effects();
        let shape = |effects: &Option<Effects>| Shape::of(&effects.as_ref()?.inst);
        Recorder {
            program: kernel.program,
            effects,
            shapes: effects.iter().map(shape).collect(),
            memory,
            entry: kernel.entry(),
            regions,
            before: HashMap::new(),
            whole: extent == Extent::Whole,
            enough: match extent {
                Extent::Whole => u64::MAX,
                Extent::Prefix { accesses } => accesses as u64,
            },
            left: 0,
            recording: Recording::default(),
            ops: HashMap::new(),
            idle: Vec::new(),
            events: HashMap::new(),
            waves: Vec::new(),
            touched: BTreeMap::new(),
            lines: Vec::new(),
        }
    }

    /// Keeps what the lines of a store hold. Memory without an allocation of before the launch is the launch's own
    /// (scratch), or the access is about to fault.
    fn keep(&mut self) {
        for line in &self.lines {
            if self.before.contains_key(line) {
                continue;
            }
            let (begin, end) = (line * LINE_BYTES, (line + 1) * LINE_BYTES);
            let first = self.regions.partition_point(|(_, region_end)| *region_end <= begin);
            // Host ranges that a program registered may share a line.
            let regions = self.regions[first..].iter().take_while(|(region, _)| *region < end);
            let held = regions.filter_map(|(from, to)| {
                let (from, to) = (begin.max(*from), end.min(*to));
                let mut held = vec![0; (to - from) as usize];
                self.memory.read(from, &mut held).ok().map(|()| (from, held))
            });
            self.before.insert(*line, held.collect());
        }
    }

    /// Undoes what the workgroups stored.
    fn restore(&mut self) -> Result<(), LaunchError> {
        for (address, held) in std::mem::take(&mut self.before).into_values().flatten() {
            self.memory.write(address, &held)?;
        }
        Ok(())
    }

    fn finish(mut self, needs: Needs) -> Recording {
        self.recording.needs = needs;
        self.recording
    }

    /// Index of the instruction at `pc` among those seen.
    fn op(&mut self, pc: u64, op: &Op, effects: Option<&Effects>, shape: Option<Shape>) -> u32 {
        let ops = &mut self.recording.ops;
        *self.ops.entry(pc).or_insert_with(|| {
            ops.push(describe(effects, shape, op, pc.wrapping_sub(self.entry) as i64));
            self.idle.push(None);
            ops.len() as u32 - 1
        })
    }

    fn event(&mut self, op: u32, moved: Moved) -> u32 {
        if moved == Moved::Nothing
            && let Some(event) = self.idle[op as usize]
        {
            return event;
        }
        let event = Event { op, moved };
        let events = &mut self.recording.events;
        let index = *self.events.entry(event).or_insert_with(|| {
            events.push(event);
            events.len() as u32 - 1
        });
        if moved == Moved::Nothing {
            self.idle[op as usize] = Some(index);
        }
        index
    }

    /// Adds an access to what the workgroup touched.
    fn touch(&mut self, access: super::MemoryAccess) {
        let (lines, touched) = self.touched.entry(access.allocation).or_default();
        touched.allocation = access.allocation;
        touched.line_moves += access.lines as u64;
        touched.bytes += access.bytes as u64;
        touched.written |= access.kind != super::AccessKind::Load;
        for line in &self.lines {
            if lines.insert(*line) {
                touched.lines += 1;
                touched.key = touched.key.wrapping_add(mix(*line));
            }
        }
    }
}

impl Observer for Recorder<'_> {
    fn begin(&mut self, _group: &Group, waves: &[Wave]) {
        self.left = self.enough.saturating_mul(waves.len() as u64);
    }

    fn issue(&mut self, wave: &Wave, op: &Op) -> Step {
        let index = self.program.index(wave.pc);
        let effects = index.and_then(|index| self.effects.get(index)?.as_ref());
        let shape = index.and_then(|index| *self.shapes.get(index)?);
        let moves = match op.class {
            Class::Vmem => true,
            Class::Lds | Class::Smem => self.whole,
            _ => false,
        };
        let mut what = Moved::Nothing;
        if moves {
            what = moved(shape, wave, op, &self.regions, &mut self.lines);
            if let Moved::Memory(access) = what
                && op.class == Class::Vmem
            {
                // Here the workgroups follow each other in one scratch, on the device each has its own.
                if access.lines > 0 && access.allocation != SCRATCH {
                    self.touch(access);
                }
                if access.kind != AccessKind::Load {
                    self.keep();
                }
                self.left = self.left.saturating_sub(1);
                if self.left == 0 {
                    return Err(Fault::new(FaultKind::Budget { instructions: wave.issued }));
                }
            }
        }
        if !self.whole {
            return Ok(());
        }
        let index = self.op(wave.pc, op, effects, shape);
        let event = self.event(index, what);
        let id = wave.id as usize;
        if self.waves.len() <= id {
            self.waves.resize_with(id + 1, Stream::default);
        }
        let stream = &mut self.waves[id];
        // A jump backwards ends one turn of a loop.
        if wave.pc < stream.last {
            stream.folds.push(&stream.piece);
            stream.piece.clear();
        }
        stream.last = wave.pc;
        stream.piece.push(event);
        Ok(())
    }

    fn end(&mut self, group: &Group, _waves: &[Wave], _faulted: bool) {
        let mut waves = std::mem::take(&mut self.waves);
        for stream in &mut waves {
            stream.folds.push(&stream.piece);
        }
        self.recording.groups.push(GroupTrace {
            workgroup: group.at,
            waves: waves.into_iter().map(|stream| stream.folds).collect(),
            touched: std::mem::take(&mut self.touched).into_values().map(|(_, touched)| touched).collect(),
        });
    }

    /// One thread records.
    fn merge(&mut self, _other: Self) {}
}

/// SplitMix64's finaliser: lines that differ little get keys that differ much.
fn mix(line: u64) -> u64 {
    let z = line.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

fn describe(effects: Option<&Effects>, shape: Option<Shape>, op: &Op, offset: i64) -> TraceOp {
    let mut described = TraceOp {
        offset,
        mnemonic: effects.map_or("", |effects| effects.inst.mnemonic()).to_owned(),
        unit: match op.class {
            Class::Valu => Unit::Valu,
            Class::Salu => Unit::Scalar,
            Class::Lds => Unit::Lds,
            Class::Vmem => Unit::Memory,
            Class::Smem => Unit::ScalarMemory,
            Class::Mfma => Unit::Matrix,
            Class::Branch => Unit::Branch,
            Class::Control => Unit::Other,
        },
        cycles: op.cycles as u16,
        writes: Vec::new(),
        reads: Vec::new(),
        wait: None,
    };
    let Some(effects) = effects else { return described };
    let inst = &effects.inst;
    let immediate = inst.value(Field::Simm16).unwrap_or(0) as u32;
    match inst.mnemonic() {
        "s_barrier" => described.unit = Unit::Barrier,
        "s_sleep" => described.unit = Unit::Sleep(immediate as u16 & 0x7f),
        "s_waitcnt" => {
            described.wait = Some(Wait {
                vector: (immediate & 15 | (immediate >> 14 & 3) << 4) as u8,
                lgkm: (immediate >> 8 & 15) as u8,
            });
        }
        _ => {}
    }
    let vector = |spans: &[Span]| {
        let vectors = spans.iter().filter(|span| span.first < SCALAR);
        vectors.map(|span| (span.first, span.count as u16)).collect()
    };
    // Data that a load brings to LDS passes no register.
    if !shape.is_some_and(Shape::is_to_lds) {
        described.writes = vector(&effects.writes);
    }
    described.reads = vector(&effects.reads);
    described
}
