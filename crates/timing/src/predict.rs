//! Time of a launch: its turns over the device, one replay for each kind of workgroup and sharing.

use std::collections::HashMap;

use emulator::{Recording, Unit};

use crate::{
    lower::{Code, Load, Traffic},
    machine::Rates,
    replay::replay,
    sample::{Sample, Turn},
    units::{Hertz, Nanoseconds, Ticks, Topology},
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
pub fn predict(sample: &Sample, rates: &Rates) -> Prediction {
    let topology = Topology::MI355X;
    let resident = sample.resident.max(1);
    // L2 keeps of what is written what it can until the end.
    let kept = sample.written.min((topology.xcds as u64) * topology.l2_bytes);
    let spill = 1.0 - kept as f64 / sample.written.max(1) as f64;
    let mut replays: HashMap<(u32, u32, Load), Ticks> = HashMap::new();
    let mut duration = |class: u32, turn: &Turn, active: u32| {
        let units = active.div_ceil(resident).max(1);
        let load = Load { units, units_of_xcd: units.div_ceil(topology.xcds) };
        *replays.entry((class, turn.share, load)).or_insert_with(|| {
            let recording = &sample.classes[class as usize].recording;
            let traffic = Traffic { share: &sample.shares[turn.share as usize], load, spill };
            let code = Code::new(recording, traffic, rates);
            let units = turn.groups.div_ceil(resident).max(1);
            replay(recording, &code, turn.groups.div_ceil(units), rates)
        })
    };
    // The last compute unit of an XCD gets its first workgroup after all others.
    let first = sample.turns.first().map_or(0, |(turn, _)| turn.groups.div_ceil(topology.xcds));
    let ramp = Ticks::from_cycles(rates.dispatch_cycles * first.saturating_sub(1) as f64);
    let mut work = Ticks(0);
    let last = sample.turns.len().saturating_sub(1);
    let mut turns = 0;
    for (index, (turn, count)) in sample.turns.iter().enumerate() {
        let times: Vec<(Ticks, u32)> = turn
            .classes
            .iter()
            .map(|(class, groups)| (duration(*class, turn, turn.groups), *groups))
            .collect();
        let longest = times.iter().map(|(time, _)| *time).max().unwrap_or_default();
        // A compute unit that is done takes the next workgroup: only in the last turn all wait for the longest.
        let sum: u64 = times.iter().map(|(time, groups)| time.0 * *groups as u64).sum();
        let mean = Ticks(sum / turn.groups.max(1) as u64);
        let whole = if index == last { count - 1 } else { *count };
        work += Ticks(mean.0 * whole);
        if index == last {
            work += longest;
            // Who starts last finds the memory less busy: those that started first are ahead. All traffic takes its
            // time, or the last start and a replay among half as many.
            let late = turn.classes.iter().map(|(class, _)| duration(*class, turn, turn.groups.div_ceil(2)));
            let late = late.max().unwrap_or_default() + ramp;
            work += late.since(longest);
        }
        turns += count;
    }
    work += Ticks::from_cycles(rates.turnover_cycles * turns.saturating_sub(1) as f64);

    let matrix: f64 = sample.classes.iter().map(|class| matrix(&class.recording) * class.count as f64).sum();
    let known: u64 = sample.classes.iter().map(|class| class.count).sum();
    let matrix = matrix * sample.groups as f64 / known.max(1) as f64;
    let capacity = work.as_cycles() * (topology.compute_units() * topology.simds) as f64;
    let matrix_share = if capacity > 0.0 { matrix / capacity } else { 0.0 };
    let clock_ghz = clock(matrix_share, rates);
    let launch = Nanoseconds(rates.launch_ns);
    let work = work.at(Hertz(1e9 * clock_ghz));
    let write_back = Nanoseconds(kept as f64 / rates.flush_tb_per_s / 1e3);
    Prediction { time: launch + work + write_back, launch, work, write_back, matrix_share, clock_ghz }
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
