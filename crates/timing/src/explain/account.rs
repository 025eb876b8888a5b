//! Accounts for the time of every wave of a replay.

use std::collections::{BTreeMap, VecDeque};

use emulator::{Recording, Unit};

use crate::{
    units::{Ticks, Topology},
    watch::{Part, Stall, Watch},
};

/// Time by cause, part and instruction; cycles, means over the waves of a compute unit.
#[derive(Clone, Debug, Default)]
pub(super) struct Account {
    /// Of the replays.
    pub length: f64,
    /// By cause: add up to `length`.
    pub causes: BTreeMap<String, f64>,
    /// Busy cycles, means over SIMDs where each has the part.
    pub parts: BTreeMap<&'static str, f64>,
    /// By offset.
    pub places: BTreeMap<i64, Place>,
    /// By event: offset, mnemonic, unit.
    events: Vec<(i64, String, Unit)>,
    /// By wave.
    waves: Vec<Wave>,
}

/// An instruction.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    pub mnemonic: String,
    /// Executions of a wave.
    pub executed: f64,
    pub issue: f64,
    /// Waits of others for its data.
    pub awaited: f64,
    pub stalls: BTreeMap<Stall, Waited>,
}

/// A stall.
#[derive(Clone, Debug, Default)]
pub(super) struct Waited {
    pub cycles: f64,
    /// By offset of the access whose data came last.
    pub awaits: BTreeMap<i64, f64>,
}

/// What is known of a wave while it is replayed.
#[derive(Clone, Debug, Default)]
struct Wave {
    end: Ticks,
    /// Accesses on their way: when each has its data, and its event.
    flying: VecDeque<(Ticks, u32)>,
}

impl Account {
    /// An empty account of a recording's replay.
    pub(super) fn new(recording: &Recording) -> Account {
        let described = |event: &emulator::Event| {
            let op = &recording.ops[event.op as usize];
            (op.offset, op.mnemonic.clone(), op.unit)
        };
        Account { events: recording.events.iter().map(described).collect(), ..Account::default() }
    }

    /// Makes means of the sums, when the replay took `length`: waves that ended before have waited until then.
    pub(super) fn finish(&mut self, length: Ticks) {
        let waves = self.waves.len().max(1) as f64;
        let idle: f64 = self.waves.iter().map(|wave| length.since(wave.end).as_cycles()).sum();
        if idle > 0.0 {
            *self.causes.entry("ended before the last wave".to_owned()).or_default() += idle;
        }
        self.length = length.as_cycles();
        self.causes.values_mut().for_each(|cycles| *cycles /= waves);
        let simds = f64::from(Topology::MI355X.simds);
        for (name, cycles) in &mut self.parts {
            if matches!(*name, "vector ALU" | "matrix core") {
                *cycles /= simds;
            }
        }
        for place in self.places.values_mut() {
            place.executed /= waves;
            place.issue /= waves;
            place.awaited /= waves;
            for waited in place.stalls.values_mut() {
                waited.cycles /= waves;
                waited.awaits.values_mut().for_each(|cycles| *cycles /= waves);
            }
        }
        (self.events, self.waves) = (Vec::new(), Vec::new());
    }

    /// Adds `weight` times another account.
    pub(super) fn add(&mut self, other: &Account, weight: f64) {
        self.length += weight * other.length;
        for (name, cycles) in &other.causes {
            *self.causes.entry(name.clone()).or_default() += weight * cycles;
        }
        for (name, cycles) in &other.parts {
            *self.parts.entry(name).or_default() += weight * cycles;
        }
        for (offset, from) in &other.places {
            let to = self.places.entry(*offset).or_default();
            to.mnemonic.clone_from(&from.mnemonic);
            to.executed += weight * from.executed;
            to.issue += weight * from.issue;
            to.awaited += weight * from.awaited;
            for (why, waited) in &from.stalls {
                let sum = to.stalls.entry(*why).or_default();
                sum.cycles += weight * waited.cycles;
                for (offset, cycles) in &waited.awaits {
                    *sum.awaits.entry(*offset).or_default() += weight * cycles;
                }
            }
        }
    }

    fn wave(&mut self, wave: usize) -> &mut Wave {
        if self.waves.len() <= wave {
            self.waves.resize_with(wave + 1, Wave::default);
        }
        &mut self.waves[wave]
    }

    fn place(&mut self, event: u32) -> &mut Place {
        let (offset, mnemonic, _) = &self.events[event as usize];
        let place = self.places.entry(*offset).or_default();
        if place.mnemonic.is_empty() {
            place.mnemonic.clone_from(mnemonic);
        }
        place
    }

    /// The access that a wave waited for until then.
    fn awaited(&mut self, wave: usize, until: Ticks) -> Option<u32> {
        let flying = &mut self.wave(wave).flying;
        let found = flying.iter().find(|(arrives, _)| *arrives == until).map(|(_, event)| *event);
        flying.retain(|(arrives, _)| *arrives > until);
        found
    }
}

impl Watch for Account {
    fn stall(&mut self, wave: usize, event: u32, why: Stall, from: Ticks, until: Ticks) {
        let cycles = until.since(from).as_cycles();
        *self.causes.entry(format!("wait: {}", why.name())).or_default() += cycles;
        let source = match why {
            Stall::Memory | Stall::Lgkm => self.awaited(wave, until),
            _ => None,
        };
        let source = source.map(|event| {
            self.place(event).awaited += cycles;
            self.events[event as usize].0
        });
        let waited = self.place(event).stalls.entry(why).or_default();
        waited.cycles += cycles;
        if let Some(offset) = source {
            *waited.awaits.entry(offset).or_default() += cycles;
        }
    }

    fn issue(&mut self, _wave: usize, event: u32, from: Ticks, until: Ticks) {
        let cycles = until.since(from).as_cycles();
        let name = match self.events[event as usize].2 {
            Unit::Valu => "issue: vector",
            Unit::Matrix => "issue: matrix",
            Unit::Scalar => "issue: scalar",
            Unit::ScalarMemory => "issue: scalar memory",
            Unit::Lds => "issue: LDS",
            Unit::Memory => "issue: memory",
            Unit::Branch => "issue: branch",
            Unit::Sleep(_) => "issue: sleep",
            Unit::Barrier | Unit::Other => "issue: waits and hints",
        };
        *self.causes.entry(name.to_owned()).or_default() += cycles;
        let place = self.place(event);
        place.executed += 1.0;
        place.issue += cycles;
    }

    fn busy(&mut self, _wave: usize, _event: u32, part: Part, from: Ticks, until: Ticks) {
        *self.parts.entry(part.name()).or_default() += until.since(from).as_cycles();
    }

    fn arrive(&mut self, wave: usize, event: u32, from: Ticks, until: Ticks) {
        let flying = &mut self.wave(wave).flying;
        while flying.front().is_some_and(|(arrives, _)| *arrives <= from) {
            flying.pop_front();
        }
        flying.push_back((until, event));
    }

    fn end(&mut self, wave: usize, at: Ticks) {
        self.wave(wave).end = at;
    }
}
