//! Where the time of a modelled launch goes: by cause, by part of the compute unit, by instruction.
//!
//! Each kind of workgroup in each turn of the grid is replayed on one compute unit under observation. Of every wave
//! all time is accounted for: it issues, it waits for something, or it has ended before the last wave of its compute
//! unit. The mean over waves and turns, what the last turn takes beyond the mean, the launch and the write-back add
//! up to the modelled time.

mod account;

use std::collections::BTreeMap;

use emulator::{Moved, Needs};
use serde::Serialize;

use crate::{
    model::{Model, Timed},
    sample::{Caches, Sample},
    units::{Hertz, Topology},
    watch::{Part, Stall},
};
use account::Account;

/// Where a launch's time goes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// Causes with their share of the time, largest first; together they are [`Explanation::time_ns`].
    pub causes: Vec<Cause>,
    /// All of it, ns.
    pub time_ns: f64,
    /// Parts of the compute unit with their busy share while workgroups are at work, busiest first.
    pub parts: Vec<Busy>,
    /// The busiest part.
    pub binding: Binding,
    /// Workgroups and waves of a compute unit, and what allows no more.
    pub occupancy: Occupancy,
    /// Instructions by offset.
    pub places: Vec<Place>,
    /// Stalls by instruction and cause, longest first.
    pub stalls: Vec<StallAt>,
    /// Modelled clock, GHz.
    pub clock_ghz: f64,
}

/// A cause.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cause {
    /// What it is: `issue: vector`, `wait: memory`, `tail`, …
    pub name: String,
    /// Mean over waves, ns.
    pub ns: f64,
}

/// How busy a part is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Busy {
    /// Which.
    pub name: &'static str,
    /// Share of the time in which workgroups are at work.
    pub share: f64,
    /// Share of the whole time, with launch, tail and write-back.
    pub of_all: f64,
}

/// What bounds the launch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Binding {
    /// The busiest part.
    pub part: &'static str,
    /// Its share of the whole time: 1 is as fast as this part allows.
    pub achieved: f64,
    /// Whether a part is busy for at least half of the work. Otherwise it is latency, not a part, that bounds.
    pub saturated: bool,
}

/// Occupancy of a compute unit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Occupancy {
    /// Workgroups that fit.
    pub workgroups: u32,
    /// Waves of a SIMD then.
    pub waves_per_simd: f64,
    /// What allows no more: `registers`, `LDS`, `waves`; `grid` if there are not enough workgroups to fill it.
    pub limited_by: Vec<&'static str>,
}

/// An instruction that ran.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Place {
    /// Bytes from the kernel's entry.
    pub offset: i64,
    /// Its mnemonic.
    pub mnemonic: String,
    /// Times that a wave executed it, on average over the launch.
    pub executed: f64,
    /// Mean over waves, ns: its issue slots.
    pub issue_ns: f64,
    /// Mean over waves, ns: waits before it, or at it.
    pub stall_ns: f64,
    /// Mean over waves, ns: waits of later instructions for its data.
    pub awaited_ns: f64,
    /// Cycles of the LDS port for one workgroup.
    pub lds_cycles: f64,
    /// Of these, what bank conflicts cost.
    pub conflict_cycles: f64,
}

/// A stall.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StallAt {
    /// The instruction that waits, bytes from the kernel's entry.
    pub offset: i64,
    /// Its mnemonic.
    pub mnemonic: String,
    /// What it waits for.
    pub cause: &'static str,
    /// The access whose data it mostly waits for.
    pub awaits: Option<i64>,
    /// Mean over waves, ns.
    pub ns: f64,
}

impl Stall {
    /// What a wave waits for.
    pub const fn name(self) -> &'static str {
        match self {
            Stall::MatrixResult => "matrix result",
            Stall::Simd => "vector ALU",
            Stall::MatrixCore => "matrix core",
            Stall::Memory => "memory",
            Stall::Lgkm => "LDS or scalar memory",
            Stall::AddressUnit => "address unit",
            Stall::Barrier => "barrier",
        }
    }
}

impl Part {
    /// What it is, without the number of its SIMD.
    pub const fn name(self) -> &'static str {
        match self {
            Part::Vector { .. } => "vector ALU",
            Part::Matrix { .. } => "matrix core",
            Part::Lds => "LDS port",
            Part::L1 => "L1",
            Part::L2 => "L2",
            Part::Fabric => "fabric",
            Part::Memory => "HBM",
        }
    }
}

impl Explanation {
    /// Explains a launch that `model` took for `timed`.
    pub fn of(model: &Model, sample: &Sample, caches: Caches, timed: &Timed) -> Explanation {
        let breakdown = &timed.breakdown;
        let mut all = Account::default();
        let mut known: BTreeMap<(u32, u32, u32), Account> = BTreeMap::new();
        for (index, (turn, count)) in sample.turns.iter().enumerate() {
            for (class, groups) in &turn.classes {
                let account = known.entry((turn.share, turn.groups, *class)).or_insert_with(|| {
                    let recording = &sample.classes[*class as usize].recording;
                    let mut account = Account::new(recording);
                    let length = model.watch(sample, caches, index, *class, &mut account);
                    account.finish(length);
                    account
                });
                all.add(account, *count as f64 * f64::from(*groups) / f64::from(turn.groups.max(1)));
            }
        }
        let clock = Hertz(1e9 * breakdown.clock_ghz);
        // Loops that have settled are replayed to their ends here and not for the time: the difference is far below
        // the model's error, and what is explained is the time.
        let work = all.length * 1e9 / clock.0;
        let scale = if work > breakdown.work.0 { breakdown.work.0 / work } else { 1.0 };
        let ns = |cycles: f64| cycles * scale * 1e9 / clock.0;
        let mut causes: Vec<Cause> =
            all.causes.iter().map(|(name, cycles)| Cause { name: name.clone(), ns: ns(*cycles) }).collect();
        let attributed: f64 = causes.iter().map(|cause| cause.ns).sum();
        let rest = [
            ("tail and turnover", breakdown.work.0 - attributed),
            ("write-back", breakdown.write_back.0),
            ("launch", breakdown.launch.0),
        ];
        causes.extend(rest.map(|(name, ns)| Cause { name: name.to_owned(), ns }));
        causes.sort_by(|a, b| b.ns.total_cmp(&a.ns));
        let mut parts: Vec<Busy> = all
            .parts
            .iter()
            .map(|(name, cycles)| Busy {
                name,
                share: if all.length > 0.0 { cycles / all.length } else { 0.0 },
                of_all: ns(*cycles) / breakdown.time.0,
            })
            .collect();
        parts.sort_by(|a, b| b.share.total_cmp(&a.share));
        let binding =
            parts.first().map_or(Binding { part: "nothing", achieved: 0.0, saturated: false }, |busy| {
                Binding { part: busy.name, achieved: busy.of_all, saturated: busy.share >= 0.5 }
            });
        Explanation {
            time_ns: breakdown.time.0,
            causes,
            parts,
            binding,
            occupancy: Occupancy::of(sample),
            places: places(sample, &all, ns),
            stalls: stalls(&all, ns),
            clock_ghz: breakdown.clock_ghz,
        }
    }
}

impl Occupancy {
    fn of(sample: &Sample) -> Occupancy {
        let topology = Topology::MI355X;
        let needs = sample.needs;
        let without = |needs: Needs| topology.resident(needs);
        let mut limited_by = Vec::new();
        let one = Needs { waves: needs.waves, ..Needs::default() };
        let limits = [
            ("registers", without(Needs { vgprs: needs.vgprs, ..one })),
            ("LDS", without(Needs { lds_bytes: needs.lds_bytes, ..one })),
            ("waves", without(one)),
        ];
        let fits = topology.resident(needs);
        // Registers and LDS count only where they allow less than the waves do.
        let waves = limits[2].1;
        for (name, limit) in limits {
            if limit == fits && (name == "waves" || limit < waves) {
                limited_by.push(name);
            }
        }
        let used = sample.groups.div_ceil(u64::from(topology.compute_units())).min(u64::from(fits)) as u32;
        if used < fits {
            limited_by = vec!["grid"];
        }
        Occupancy {
            workgroups: used,
            waves_per_simd: f64::from(used * needs.waves) / f64::from(topology.simds),
            limited_by,
        }
    }
}

/// Instructions by offset. LDS cycles are those of a mean workgroup.
fn places(sample: &Sample, all: &Account, ns: impl Fn(f64) -> f64) -> Vec<Place> {
    let mut lds: BTreeMap<i64, (f64, f64)> = BTreeMap::new();
    let known: u64 = sample.classes.iter().map(|class| class.count).sum();
    for class in &sample.classes {
        let weight = class.count as f64 / known.max(1) as f64;
        let recording = &class.recording;
        let folds = recording.groups.iter().flat_map(|group| &group.waves).flat_map(|folds| &folds.0);
        for (event, turns) in folds.flat_map(|fold| fold.body.iter().map(|event| (*event, fold.turns))) {
            let event = recording.events[event as usize];
            if let Moved::Lds { cycles, conflicts } = event.moved {
                let sums = lds.entry(recording.ops[event.op as usize].offset).or_default();
                sums.0 += weight * f64::from(turns) * f64::from(cycles);
                sums.1 += weight * f64::from(turns) * f64::from(conflicts);
            }
        }
    }
    let turns: f64 = sample.turns.iter().map(|(_, count)| *count as f64).sum();
    let place = |(offset, place): (&i64, &account::Place)| {
        let (lds_cycles, conflict_cycles) = lds.get(offset).copied().unwrap_or_default();
        Place {
            offset: *offset,
            mnemonic: place.mnemonic.clone(),
            executed: place.executed / turns.max(1.0),
            issue_ns: ns(place.issue),
            stall_ns: ns(place.stalls.values().map(|stall| stall.cycles).sum()),
            awaited_ns: ns(place.awaited),
            lds_cycles,
            conflict_cycles,
        }
    };
    all.places.iter().map(place).collect()
}

fn stalls(all: &Account, ns: impl Fn(f64) -> f64) -> Vec<StallAt> {
    let mut stalls: Vec<StallAt> = Vec::new();
    for (offset, place) in &all.places {
        for (why, stall) in &place.stalls {
            let awaits = stall.awaits.iter().max_by(|a, b| a.1.total_cmp(b.1)).map(|(offset, _)| *offset);
            stalls.push(StallAt {
                offset: *offset,
                mnemonic: place.mnemonic.clone(),
                cause: why.name(),
                awaits,
                ns: ns(stall.cycles),
            });
        }
    }
    // Equal ones by place, so that the order is one.
    stalls.sort_by(|a, b| b.ns.total_cmp(&a.ns).then(a.offset.cmp(&b.offset)));
    stalls
}

#[cfg(test)]
mod tests;
