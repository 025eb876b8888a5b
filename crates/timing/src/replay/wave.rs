//! A wave: its place in its stream, its counters and its registers.

use std::collections::VecDeque;

use emulator::Folds;

use super::{ADDRESS_QUEUE, Unit};
use crate::{
    lower::{Kind, Step},
    units::Ticks,
    watch::{Part, Stall, Watch},
};

/// A wave and where it is in its stream.
pub(super) struct Wave<'a> {
    pub(super) folds: &'a Folds,
    /// Its place among all waves.
    pub(super) id: usize,
    pub(super) group: usize,
    simd: usize,
    pub(super) fold: usize,
    pub(super) turn: u32,
    at: usize,
    pub(super) time: Ticks,
    /// The last event.
    pub(super) event: u32,
    pub(super) ended: bool,
    pub(super) at_barrier: bool,
    /// Outstanding vector memory instructions: when each one and all before it are done.
    vector: VecDeque<Ticks>,
    /// Outstanding LDS and scalar memory instructions.
    lgkm: VecDeque<Ticks>,
    /// When a register's matrix result can be added onto, and when it can be read.
    chained: Vec<Ticks>,
    readable: Vec<Ticks>,
}

/// Counters at their largest.
const VECTOR_COUNTER: usize = 63;
const LGKM_COUNTER: usize = 15;

impl<'a> Wave<'a> {
    pub(super) fn new(folds: &'a Folds, id: usize, group: usize, simd: usize) -> Wave<'a> {
        Wave {
            folds,
            id,
            group,
            simd,
            fold: 0,
            turn: 0,
            at: 0,
            time: Ticks(0),
            event: 0,
            ended: false,
            at_barrier: false,
            vector: VecDeque::new(),
            lgkm: VecDeque::new(),
            chained: vec![Ticks(0); 512],
            readable: vec![Ticks(0); 512],
        }
    }

    pub(super) fn runs(&self) -> bool {
        !self.ended && !self.at_barrier
    }

    /// The next event.
    pub(super) fn next(&mut self) -> Option<u32> {
        loop {
            let fold = self.folds.0.get(self.fold)?;
            if let Some(event) = fold.body.get(self.at) {
                self.at += 1;
                return Some(*event);
            }
            (self.turn, self.at) = (self.turn + 1, 0);
            if self.turn == fold.turns {
                (self.fold, self.turn) = (self.fold + 1, 0);
            }
        }
    }

    /// The next event, if it is in the same turn.
    pub(super) fn peek(&self) -> Option<u32> {
        self.folds.0.get(self.fold)?.body.get(self.at).copied()
    }

    /// Whether the last event was the first of a turn.
    pub(super) fn turned(&self) -> bool {
        self.at == 1 && self.turn > 0
    }

    /// Waits until a time, if it is not there yet.
    fn hold<W: Watch>(&mut self, until: Ticks, why: Stall, watch: &mut W) {
        if until > self.time {
            watch.stall(self.id, self.event, why, self.time, until);
            self.time = until;
        }
    }

    pub(super) fn issue<W: Watch>(
        &mut self,
        event: u32,
        step: &Step,
        registers: &[(u16, u16)],
        unit: &mut Unit,
        watch: &mut W,
    ) {
        self.event = event;
        let (id, simd) = (self.id, self.simd as u8);
        let mut result = Ticks(0);
        for (first, count) in &registers[step.reads.0 as usize..step.reads.1 as usize] {
            for register in *first..first + count {
                result = result.max(self.readable[register as usize & 511]);
            }
        }
        if step.kind == Kind::Matrix {
            let ready = if step.accumulates { &self.chained } else { &self.readable };
            for register in step.writes.0..step.writes.0 + step.writes.1 {
                result = result.max(ready[register as usize & 511]);
            }
        }
        self.hold(result, Stall::MatrixResult, watch);
        let mut from = self.time;
        match step.kind {
            Kind::Plain => self.time += step.issue,
            Kind::Vector => {
                self.hold(unit.vector_free[self.simd], Stall::Simd, watch);
                from = self.time;
                unit.vector_free[self.simd] = from + step.busy;
                watch.busy(id, event, Part::Vector { simd }, from, from + step.busy);
                self.time = from + step.issue;
            }
            Kind::Matrix => {
                let (first, count) = step.writes;
                self.hold(unit.vector_free[self.simd], Stall::Simd, watch);
                self.hold(unit.matrix_free[self.simd], Stall::MatrixCore, watch);
                from = self.time;
                let done = from + step.busy;
                unit.matrix_free[self.simd] = done;
                unit.vector_free[self.simd] = from + Ticks::cycles(4);
                watch.busy(id, event, Part::Matrix { simd }, from, done);
                for register in first..first + count {
                    // Two, or four passes later (LLVM's hazard recogniser): 4 cycles each.
                    self.chained[register as usize & 511] = done;
                    self.readable[register as usize & 511] = done + Ticks::cycles(16);
                }
                self.time = from + step.issue;
            }
            Kind::ScalarMemory => {
                let free = wait(self.time, &mut self.lgkm, LGKM_COUNTER);
                self.hold(free, Stall::Lgkm, watch);
                from = self.time;
                push(&mut self.lgkm, from + unit.scalar_latency);
                watch.arrive(id, event, from, from + unit.scalar_latency);
                self.time += step.issue;
            }
            Kind::Lds => {
                let free = wait(self.time, &mut self.lgkm, LGKM_COUNTER);
                self.hold(free, Stall::Lgkm, watch);
                from = self.time;
                let begin = unit.lds_free.max(from);
                unit.lds_free = begin + step.busy;
                watch.busy(id, event, Part::Lds, begin, unit.lds_free);
                push(&mut self.lgkm, unit.lds_free + unit.lds_latency);
                watch.arrive(id, event, from, unit.lds_free + unit.lds_latency);
                self.time += step.issue;
            }
            Kind::Memory(service) => {
                let free = wait(self.time, &mut self.vector, VECTOR_COUNTER);
                self.hold(free, Stall::Memory, watch);
                from = self.time;
                let (addressed, arrives) = unit.serve(from, &service, (id, event), watch);
                push(&mut self.vector, arrives);
                watch.arrive(id, event, from, arrives);
                self.time = from + step.issue;
                watch.issue(id, event, from, self.time);
                self.hold(addressed.less(ADDRESS_QUEUE), Stall::AddressUnit, watch);
                return;
            }
            Kind::Wait(limit) => {
                let vector = wait(self.time, &mut self.vector, limit.vector as usize);
                self.hold(vector, Stall::Memory, watch);
                let lgkm = wait(self.time, &mut self.lgkm, limit.lgkm as usize);
                self.hold(lgkm, Stall::Lgkm, watch);
                from = self.time;
                self.time += step.issue;
            }
            Kind::Barrier => {
                self.time += step.issue;
                self.at_barrier = true;
            }
        }
        watch.issue(id, event, from, self.time);
    }

    pub(super) fn shift(&mut self, by: Ticks) {
        self.time += by;
        for times in [&mut self.vector, &mut self.lgkm] {
            times.iter_mut().for_each(|time| *time += by);
        }
        for times in [&mut self.chained, &mut self.readable] {
            times.iter_mut().for_each(|time| *time += by);
        }
    }
}

/// When at most `left` are outstanding; forgets those that are done by then.
fn wait(now: Ticks, outstanding: &mut VecDeque<Ticks>, left: usize) -> Ticks {
    let mut time = now;
    while outstanding.len() > left {
        time = time.max(outstanding.pop_front().unwrap_or_default());
    }
    while outstanding.front().is_some_and(|done| *done <= time) {
        outstanding.pop_front();
    }
    time
}

/// Appends; what returns in order cannot be done before what came earlier.
fn push(outstanding: &mut VecDeque<Ticks>, done: Ticks) {
    let last = outstanding.back().copied().unwrap_or_default();
    outstanding.push_back(done.max(last));
}
