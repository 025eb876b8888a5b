//! Time of a launch: its turns over the device, one replay for each kind of workgroup and sharing.

use std::collections::HashMap;

use emulator::{Recording, Unit};

use crate::{
    lower::{Code, Load, Traffic},
    machine::Rates,
    replay::replay_watched,
    sample::{Caches, Sample, Share, Turn},
    units::{Hertz, Nanoseconds, Ticks, Topology},
    watch::Watch,
};

/// A modelled time and what it is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Prediction {
    /// All of it.
    pub time: Nanoseconds,
    /// An empty kernel's.
    pub launch: Nanoseconds,
    /// Workgroups at work, at the modelled clock.
    pub work: Nanoseconds,
    /// Results on their way out of L2 after the last workgroup.
    pub write_back: Nanoseconds,
    /// Share of the matrix cores' cycles that they were busy.
    pub matrix_share: f64,
    /// Modelled clock, GHz.
    pub clock_ghz: f64,
}

/// Models a launch.
pub fn predict(sample: &Sample, caches: Caches, rates: &Rates) -> Prediction {
    Replayed::new(sample, caches, rates).assemble(rates)
}

/// The load of `groups` workgroups that are at work at the same time.
pub(crate) fn load(groups: u32) -> Load {
    let units = Topology::MI355X.units(groups);
    Load { units, units_of_xcd: units.div_ceil(Topology::MI355X.xcds) }
}

/// Replays what a compute unit gets of a turn, if all its workgroups are like the recorded one.
pub(crate) fn replay_turn<W: Watch>(
    recording: &Recording,
    turn: &Turn,
    traffic: Traffic<'_>,
    rates: &Rates,
    watch: &mut W,
) -> Ticks {
    let code = Code::new(recording, traffic, rates);
    let resident = turn.groups.div_ceil(Topology::MI355X.units(turn.groups));
    replay_watched(recording, &code, resident, rates, watch)
}

/// A launch's replays: all that takes long. [`Replayed::assemble`] makes a time of them, which is cheap.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Replayed {
    /// All turns of the grid over the device, one after the other.
    turns: Ticks,
    /// How many.
    count: u64,
    /// What the last turn's longest workgroup takes, and takes if half as many are at work.
    longest: Ticks,
    late: Ticks,
    /// Workgroups of an XCD in the first turn.
    first: u32,
    /// Cycles that all matrix cores together are busy.
    matrix: f64,
    /// Bytes that leave L2 at the end.
    kept: u64,
}

impl Replayed {
    /// Constants that only [`Replayed::assemble`] reads.
    pub const ASSEMBLED: [&str; 5] =
        ["launch_ns", "dispatch_cycles", "turnover_cycles", "flush_tb_per_s", "matrix_share_limit"];

    /// Replays each kind of workgroup in each kind of turn.
    pub fn new(sample: &Sample, caches: Caches, rates: &Rates) -> Replayed {
        let rates = &caches.rates(rates);
        let topology = Topology::MI355X;
        let spill = spill(sample);
        let shares: Vec<Share> =
            (0..sample.shares.len()).map(|share| sample.share(share as u32, caches)).collect();
        let mut replays: HashMap<(u32, u32, Load), Ticks> = HashMap::new();
        let mut duration = |class: u32, turn: &Turn, active: u32| {
            let load = load(active);
            *replays.entry((class, turn.share, load)).or_insert_with(|| {
                let traffic = Traffic { share: &shares[turn.share as usize], load, spill };
                let recording = &sample.classes[class as usize].recording;
                replay_turn(recording, turn, traffic, rates, &mut ())
            })
        };
        let mut all = Replayed { kept: kept(sample), ..Replayed::default() };
        all.first = sample.turns.first().map_or(0, |(turn, _)| turn.groups.div_ceil(topology.xcds));
        let last = sample.turns.len().saturating_sub(1);
        for (index, (turn, count)) in sample.turns.iter().enumerate() {
            let times: Vec<(Ticks, u32)> = turn
                .classes
                .iter()
                .map(|(class, groups)| (duration(*class, turn, turn.groups), *groups))
                .collect();
            // A compute unit that is done takes the next workgroup: only in the last turn all wait for the longest.
            let sum: u64 = times.iter().map(|(time, groups)| time.0 * *groups as u64).sum();
            let mean = Ticks(sum / turn.groups.max(1) as u64);
            let whole = if index == last { count - 1 } else { *count };
            all.turns += Ticks(mean.0 * whole);
            if index == last {
                all.longest = times.iter().map(|(time, _)| *time).max().unwrap_or_default();
                let half = turn.groups.div_ceil(2);
                let late = turn.classes.iter().map(|(class, _)| duration(*class, turn, half));
                all.late = late.max().unwrap_or_default();
            }
            all.count += count;
        }
        let matrix: f64 =
            sample.classes.iter().map(|class| matrix(&class.recording) * class.count as f64).sum();
        let known: u64 = sample.classes.iter().map(|class| class.count).sum();
        all.matrix = matrix * sample.groups as f64 / known.max(1) as f64;
        all
    }

    /// The time of the whole launch.
    pub fn assemble(&self, rates: &Rates) -> Prediction {
        let topology = Topology::MI355X;
        // The last compute unit of an XCD gets its first workgroup after all others.
        let ramp = Ticks::from_cycles(rates.dispatch_cycles * self.first.saturating_sub(1) as f64);
        // Who starts last finds the memory less busy: those that started first are ahead. All traffic takes its
        // time, or the last start and a replay among half as many.
        let last = self.longest.max(self.late + ramp);
        let turnover = Ticks::from_cycles(rates.turnover_cycles * self.count.saturating_sub(1) as f64);
        let work = self.turns + last + turnover;
        let capacity = work.as_cycles() * (topology.compute_units() * topology.simds) as f64;
        let matrix_share = if capacity > 0.0 { self.matrix / capacity } else { 0.0 };
        let clock_ghz = clock(matrix_share, rates);
        let launch = Nanoseconds(rates.launch_ns);
        let work = work.at(Hertz(1e9 * clock_ghz));
        let write_back = Nanoseconds(self.kept as f64 / rates.flush_tb_per_s / 1e3);
        Prediction { time: launch + work + write_back, launch, work, write_back, matrix_share, clock_ghz }
    }
}

/// Bytes of what is written that L2 keeps until the end: what it can.
fn kept(sample: &Sample) -> u64 {
    sample.written.min(Topology::MI355X.xcds as u64 * Topology::MI355X.l2_bytes)
}

/// Share of what is written that leaves L2 before the end.
pub(crate) fn spill(sample: &Sample) -> f64 {
    1.0 - kept(sample) as f64 / sample.written.max(1) as f64
}

/// Power grows with the share of busy matrix cores and, as voltage follows the clock, with more than the clock:
/// beyond a limit the clock gives way.
fn clock(matrix_share: f64, rates: &Rates) -> f64 {
    let over = matrix_share / rates.matrix_share_limit;
    if over > 1.0 { rates.clock_ghz / over.sqrt() } else { rates.clock_ghz }
}

/// Cycles of the matrix cores that a workgroup takes, all SIMDs together.
fn matrix(recording: &Recording) -> f64 {
    let Some(group) = recording.groups.first() else { return 0.0 };
    let cycles = |event: u32| {
        let op = &recording.ops[recording.events[event as usize].op as usize];
        if op.unit == Unit::Matrix { op.cycles as f64 } else { 0.0 }
    };
    let folds = group.waves.iter().flat_map(|folds| &folds.0);
    folds.map(|fold| fold.turns as f64 * fold.body.iter().map(|event| cycles(*event)).sum::<f64>()).sum()
}
