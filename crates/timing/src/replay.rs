//! One compute unit runs its resident workgroups.
//!
//! Waves issue in order; the wave with the earliest time goes next. What a wave waits for are its counters (in
//! order), results of the matrix core, barriers, and parts that others keep busy: the SIMD, the matrix core, the LDS
//! port, the address unit, the compute unit's shares of L2, fabric and HBM. Loops whose turns have come to take the
//! same time are not replayed to their end.

use std::collections::VecDeque;

use emulator::{Folds, Recording};

use crate::{
    lower::{Code, Kind, Service, Step},
    machine::Rates,
    units::{Ticks, Topology},
};

/// Runs `resident` copies of a recorded workgroup on one compute unit: time from the first instruction to the last
/// wave's end.
pub fn replay(recording: &Recording, code: &Code, resident: u32, rates: &Rates) -> Ticks {
    let Some(group) = recording.groups.first() else { return Ticks(0) };
    let mut unit = Unit::new(rates);
    let mut waves: Vec<Wave<'_>> = Vec::new();
    for copy in 0..resident.max(1) {
        for (id, folds) in group.waves.iter().enumerate() {
            let simd = (copy as usize + id) % Topology::MI355X.simds as usize;
            waves.push(Wave::new(folds, copy as usize, simd));
        }
    }
    // With one wave on each SIMD its pipes are the wave's own.
    let alone = waves.len() <= Topology::MI355X.simds as usize;
    let mut periods = Periods::default();
    loop {
        let next = (0..waves.len()).filter(|i| waves[*i].runs()).min_by_key(|i| waves[*i].time);
        let Some(next) = next else {
            if waves.iter().all(|wave| wave.ended) {
                break;
            }
            // Nobody runs and not all have ended: barriers that wait for nobody.
            release(&mut waves, unit.barrier, None);
            continue;
        };
        // Steps that concern nobody else need no turn-taking.
        loop {
            let Some(event) = waves[next].next() else {
                waves[next].ended = true;
                unit.end = unit.end.max(waves[next].time);
                let group = waves[next].group;
                release(&mut waves, unit.barrier, Some(group));
                break;
            };
            let step = &code.steps[event as usize];
            waves[next].issue(step, &code.registers, &mut unit);
            if step.kind == Kind::Barrier {
                let group = waves[next].group;
                release(&mut waves, unit.barrier, Some(group));
            }
            if next == 0 && waves[0].turned() {
                periods.look(&mut waves, &mut unit);
            }
            let private = |event: u32| match code.steps[event as usize].kind {
                Kind::Plain | Kind::ScalarMemory | Kind::Wait(_) => true,
                Kind::Vector | Kind::Matrix => alone,
                Kind::Lds | Kind::Memory(_) | Kind::Barrier => false,
            };
            if waves[next].at_barrier || !waves[next].peek().is_some_and(private) {
                break;
            }
        }
    }
    unit.end
}

/// Lets waves go when all of their workgroup that have not ended have arrived.
fn release(waves: &mut [Wave<'_>], cost: Ticks, only: Option<usize>) {
    let groups = waves.iter().map(|wave| wave.group).max().map_or(0, |last| last + 1);
    for group in (0..groups).filter(|group| only.is_none_or(|only| only == *group)) {
        let mut members = waves.iter_mut().filter(|wave| wave.group == group && !wave.ended);
        let mut last = Ticks(0);
        if members.by_ref().all(|wave| {
            last = last.max(wave.time);
            wave.at_barrier
        }) {
            for wave in waves.iter_mut().filter(|wave| wave.group == group && !wave.ended) {
                wave.at_barrier = false;
                wave.time = last + cost;
            }
        }
    }
}

/// Parts of the compute unit that waves share.
struct Unit {
    vector_free: [Ticks; 4],
    matrix_free: [Ticks; 4],
    lds_free: Ticks,
    l1_free: Ticks,
    l2_free: Ticks,
    fabric_free: Ticks,
    memory_free: Ticks,
    /// Accesses on their way: when they arrive, lines.
    flying: VecDeque<(Ticks, u32)>,
    lines: u32,
    /// Allocations whose translation is known, and from when.
    translated: Vec<(u16, Ticks)>,
    end: Ticks,
    // The machine's constants.
    lines_in_flight: u32,
    barrier: Ticks,
    lds_latency: Ticks,
    scalar_latency: Ticks,
    translation: Ticks,
}

/// Accesses that the address unit takes in before a wave must hold its next one back.
const ADDRESS_QUEUE: Ticks = Ticks::cycles(64);

impl Unit {
    fn new(rates: &Rates) -> Unit {
        Unit {
            vector_free: [Ticks(0); 4],
            matrix_free: [Ticks(0); 4],
            lds_free: Ticks(0),
            l1_free: Ticks(0),
            l2_free: Ticks(0),
            fabric_free: Ticks(0),
            memory_free: Ticks(0),
            flying: VecDeque::new(),
            lines: 0,
            translated: Vec::new(),
            end: Ticks(0),
            lines_in_flight: rates.lines_in_flight as u32,
            barrier: Ticks::from_cycles(rates.barrier_cycles),
            lds_latency: Ticks::from_cycles(rates.lds_latency_cycles),
            scalar_latency: Ticks::from_cycles(rates.scalar_latency_cycles),
            translation: Ticks::from_cycles(rates.translation_cycles),
        }
    }

    /// Serves an access that is issued at `now`: when the address unit is done and when the data is there.
    fn serve(&mut self, now: Ticks, service: &Service) -> (Ticks, Ticks) {
        let mut start = now.max(self.l1_free);
        if service.lines > 0 {
            while self.lines + service.lines > self.lines_in_flight {
                let Some((arrives, lines)) = self.flying.pop_front() else { break };
                start = start.max(arrives);
                self.lines -= lines;
            }
        }
        self.l1_free = start + service.l1;
        let translated = match self.translated.iter().find(|(known, _)| *known == service.allocation) {
            Some((_, at)) => *at,
            None => {
                let at = start + self.translation;
                self.translated.push((service.allocation, at));
                at
            }
        };
        let ready = if service.latency == Ticks(0) { start } else { start.max(translated) };
        // Each part takes the access when it is free; the slowest one sets the pace.
        let pass = |free: &mut Ticks, busy: Ticks| {
            *free = (*free).max(start) + busy;
            *free
        };
        let mut served = self.l1_free;
        if service.l2 > Ticks(0) {
            served = served.max(pass(&mut self.l2_free, service.l2));
            served = served.max(pass(&mut self.fabric_free, service.fabric));
            served = served.max(pass(&mut self.memory_free, service.memory));
        }
        let mut arrives = served.max(ready) + service.latency;
        if service.lds > Ticks(0) {
            self.lds_free = self.lds_free.max(now) + service.lds;
            arrives = arrives.max(self.lds_free);
        }
        if service.lines > 0 {
            self.flying.push_back((arrives, service.lines));
            self.lines += service.lines;
        }
        (self.l1_free, arrives)
    }

    /// How far the shared parts' work reaches beyond `now`.
    fn lags(&self, now: Ticks) -> [u64; 5] {
        [self.lds_free, self.l1_free, self.l2_free, self.fabric_free, self.memory_free]
            .map(|free| free.since(now).0)
    }

    fn shift(&mut self, by: Ticks) {
        for free in self.vector_free.iter_mut().chain(&mut self.matrix_free) {
            *free += by;
        }
        for free in [
            &mut self.lds_free,
            &mut self.l1_free,
            &mut self.l2_free,
            &mut self.fabric_free,
            &mut self.memory_free,
        ] {
            *free += by;
        }
        self.flying.iter_mut().for_each(|(arrives, _)| *arrives += by);
    }
}

/// A wave and where it is in its stream.
struct Wave<'a> {
    folds: &'a Folds,
    group: usize,
    simd: usize,
    fold: usize,
    turn: u32,
    at: usize,
    time: Ticks,
    ended: bool,
    at_barrier: bool,
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
    fn new(folds: &'a Folds, group: usize, simd: usize) -> Wave<'a> {
        Wave {
            folds,
            group,
            simd,
            fold: 0,
            turn: 0,
            at: 0,
            time: Ticks(0),
            ended: false,
            at_barrier: false,
            vector: VecDeque::new(),
            lgkm: VecDeque::new(),
            chained: vec![Ticks(0); 512],
            readable: vec![Ticks(0); 512],
        }
    }

    fn runs(&self) -> bool {
        !self.ended && !self.at_barrier
    }

    /// The next event.
    fn next(&mut self) -> Option<u32> {
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
    fn peek(&self) -> Option<u32> {
        self.folds.0.get(self.fold)?.body.get(self.at).copied()
    }

    /// Whether the last event was the first of a turn.
    fn turned(&self) -> bool {
        self.at == 1 && self.turn > 0
    }

    fn issue(&mut self, step: &Step, registers: &[(u16, u16)], unit: &mut Unit) {
        for (first, count) in &registers[step.reads.0 as usize..step.reads.1 as usize] {
            for register in *first..first + count {
                self.time = self.time.max(self.readable[register as usize & 511]);
            }
        }
        match step.kind {
            Kind::Plain => self.time += step.issue,
            Kind::Vector => {
                let start = self.time.max(unit.vector_free[self.simd]);
                unit.vector_free[self.simd] = start + step.busy;
                self.time = start + step.issue;
            }
            Kind::Matrix => {
                let (first, count) = step.writes;
                for register in first..first + count {
                    let ready = if step.accumulates { &self.chained } else { &self.readable };
                    self.time = self.time.max(ready[register as usize & 511]);
                }
                let start = self.time.max(unit.vector_free[self.simd]).max(unit.matrix_free[self.simd]);
                unit.matrix_free[self.simd] = start + step.busy;
                unit.vector_free[self.simd] = start + Ticks::cycles(4);
                for register in first..first + count {
                    // Two, or four passes later (LLVM's hazard recogniser): 4 cycles each.
                    self.chained[register as usize & 511] = start + step.busy;
                    self.readable[register as usize & 511] = start + step.busy + Ticks::cycles(16);
                }
                self.time = start + step.issue;
            }
            Kind::ScalarMemory => {
                wait(&mut self.time, &mut self.lgkm, LGKM_COUNTER);
                push(&mut self.lgkm, self.time + unit.scalar_latency);
                self.time += step.issue;
            }
            Kind::Lds => {
                wait(&mut self.time, &mut self.lgkm, LGKM_COUNTER);
                unit.lds_free = unit.lds_free.max(self.time) + step.busy;
                push(&mut self.lgkm, unit.lds_free + unit.lds_latency);
                self.time += step.issue;
            }
            Kind::Memory(service) => {
                wait(&mut self.time, &mut self.vector, VECTOR_COUNTER);
                let (addressed, arrives) = unit.serve(self.time, &service);
                push(&mut self.vector, arrives);
                self.time = (self.time + step.issue).max(Ticks(addressed.0.saturating_sub(ADDRESS_QUEUE.0)));
            }
            Kind::Wait(limit) => {
                wait(&mut self.time, &mut self.vector, limit.vector as usize);
                wait(&mut self.time, &mut self.lgkm, limit.lgkm as usize);
                self.time += step.issue;
            }
            Kind::Barrier => {
                self.time += step.issue;
                self.at_barrier = true;
            }
        }
    }

    fn shift(&mut self, by: Ticks) {
        self.time += by;
        for times in [&mut self.vector, &mut self.lgkm] {
            times.iter_mut().for_each(|time| *time += by);
        }
        for times in [&mut self.chained, &mut self.readable] {
            times.iter_mut().for_each(|time| *time += by);
        }
    }
}

/// Waits until at most `left` are outstanding, and forgets those that are done.
fn wait(time: &mut Ticks, outstanding: &mut VecDeque<Ticks>, left: usize) {
    while outstanding.len() > left {
        let done = outstanding.pop_front().unwrap_or_default();
        *time = (*time).max(done);
    }
    while outstanding.front().is_some_and(|done| *done <= *time) {
        outstanding.pop_front();
    }
}

/// Appends; what returns in order cannot be done before what came earlier.
fn push(outstanding: &mut VecDeque<Ticks>, done: Ticks) {
    let last = outstanding.back().copied().unwrap_or_default();
    outstanding.push_back(done.max(last));
}

/// How long the last turns of a loop took, and how far the shared parts were behind at their ends.
#[derive(Default)]
struct Periods {
    fold: usize,
    last: Ticks,
    lengths: VecDeque<u64>,
    lags: VecDeque<[u64; 5]>,
}

/// Turns that must agree before the others are taken to be like them.
const AGREEING: usize = 3;

impl Periods {
    /// Called at each turn of the first wave: skips the loop's rest, but for its last turns, if it has settled.
    fn look(&mut self, waves: &mut [Wave<'_>], unit: &mut Unit) {
        let (fold, now) = (waves[0].fold, waves[0].time);
        if self.fold != fold || self.last == Ticks(0) {
            *self = Periods { fold, last: now, ..Periods::default() };
            return;
        }
        self.lengths.push_back(now.since(self.last).0);
        self.lags.push_back(unit.lags(now));
        self.last = now;
        if self.lengths.len() < AGREEING {
            return;
        }
        let mean = self.lengths.iter().sum::<u64>() / AGREEING as u64;
        let steady = |values: &mut dyn Iterator<Item = u64>| {
            let (low, high) = values.fold((u64::MAX, 0), |(low, high), n| (low.min(n), high.max(n)));
            high - low <= mean / 512
        };
        // A queue that still fills would stop the waves later.
        let settled = steady(&mut self.lengths.iter().copied())
            && (0..5).all(|part| steady(&mut self.lags.iter().map(|lags| lags[part])));
        self.lengths.pop_front();
        self.lags.pop_front();
        if !settled {
            return;
        }
        let rest = waves.iter().map(|wave| {
            let same = wave.fold == fold && !wave.ended;
            if same { (wave.folds.0[fold].turns - wave.turn).saturating_sub(2) } else { 0 }
        });
        let skipped = rest.min().unwrap_or(0);
        if skipped == 0 {
            return;
        }
        let by = Ticks(mean * skipped as u64);
        for wave in waves.iter_mut() {
            wave.turn += skipped;
            wave.shift(by);
        }
        unit.shift(by);
        *self = Periods::default();
    }
}

#[cfg(test)]
mod tests;
