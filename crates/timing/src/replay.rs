//! One compute unit runs its resident workgroups.
//!
//! Waves issue in order; the wave with the earliest time goes next. What a wave waits for are its counters (in
//! order), results of the matrix core, barriers, and parts that others keep busy: the SIMD, the matrix core, the LDS
//! port, the address unit, the compute unit's shares of L2, fabric and HBM. Loops whose turns have come to take the
//! same time are not replayed to their end.

mod periods;
mod wave;

use std::collections::VecDeque;

use emulator::Recording;

use self::{periods::Periods, wave::Wave};

use crate::{
    lower::{Code, Kind, Service},
    machine::Rates,
    units::{Ticks, Topology},
    watch::{Part, Stall, Watch},
};

/// Runs `resident` copies of a recorded workgroup on one compute unit: time from the first instruction to the last
/// wave's end.
pub fn replay(recording: &Recording, code: &Code, resident: u32, rates: &Rates) -> Ticks {
    replay_watched(recording, code, resident, rates, &mut ())
}

/// The same under observation.
pub fn replay_watched<W: Watch>(
    recording: &Recording,
    code: &Code,
    resident: u32,
    rates: &Rates,
    watch: &mut W,
) -> Ticks {
    let Some(group) = recording.groups.first() else { return Ticks(0) };
    let mut unit = Unit::new(rates);
    let mut waves: Vec<Wave<'_>> = Vec::new();
    for copy in 0..resident.max(1) {
        for (id, folds) in group.waves.iter().enumerate() {
            let simd = (copy as usize + id) % Topology::MI355X.simds as usize;
            waves.push(Wave::new(folds, waves.len(), copy as usize, simd));
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
            release(&mut waves, unit.barrier, None, watch);
            continue;
        };
        // Steps that concern nobody else need no turn-taking.
        loop {
            let Some(event) = waves[next].next() else {
                waves[next].ended = true;
                watch.end(next, waves[next].time);
                unit.end = unit.end.max(waves[next].time);
                let group = waves[next].group;
                release(&mut waves, unit.barrier, Some(group), watch);
                break;
            };
            let step = &code.steps[event as usize];
            waves[next].issue(event, step, &code.registers, &mut unit, watch);
            if step.kind == Kind::Barrier {
                let group = waves[next].group;
                release(&mut waves, unit.barrier, Some(group), watch);
            }
            if !W::EVERY_TURN && next == 0 && waves[0].turned() {
                periods.look(&mut waves, &mut unit, watch);
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
fn release<W: Watch>(waves: &mut [Wave<'_>], cost: Ticks, only: Option<usize>, watch: &mut W) {
    let groups = waves.iter().map(|wave| wave.group).max().map_or(0, |last| last + 1);
    for group in (0..groups).filter(|group| only.is_none_or(|only| only == *group)) {
        let mut members = waves.iter_mut().filter(|wave| wave.group == group && !wave.ended);
        let mut last = Ticks(0);
        if members.by_ref().all(|wave| {
            last = last.max(wave.time);
            wave.at_barrier
        }) {
            for wave in waves.iter_mut().filter(|wave| wave.group == group && !wave.ended) {
                if wave.at_barrier {
                    watch.stall(wave.id, wave.event, Stall::Barrier, wave.time, last + cost);
                }
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
    fn serve<W: Watch>(
        &mut self,
        now: Ticks,
        service: &Service,
        (wave, event): (usize, u32),
        watch: &mut W,
    ) -> (Ticks, Ticks) {
        let mut start = now.max(self.l1_free);
        if service.lines > 0 {
            while self.lines + service.lines > self.lines_in_flight {
                let Some((arrives, lines)) = self.flying.pop_front() else { break };
                start = start.max(arrives);
                self.lines -= lines;
            }
        }
        self.l1_free = start + service.l1;
        watch.busy(wave, event, Part::L1, start, self.l1_free);
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
        let mut pass = |free: &mut Ticks, busy: Ticks, part: Part| {
            let begin = (*free).max(start);
            *free = begin + busy;
            watch.busy(wave, event, part, begin, *free);
            *free
        };
        let mut served = self.l1_free;
        if service.l2 > Ticks(0) {
            served = served.max(pass(&mut self.l2_free, service.l2, Part::L2));
            served = served.max(pass(&mut self.fabric_free, service.fabric, Part::Fabric));
            served = served.max(pass(&mut self.memory_free, service.memory, Part::Memory));
        }
        let mut arrives = served.max(ready) + service.latency;
        if service.lds > Ticks(0) {
            let begin = self.lds_free.max(now);
            self.lds_free = begin + service.lds;
            watch.busy(wave, event, Part::Lds, begin, self.lds_free);
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

#[cfg(test)]
mod tests;
