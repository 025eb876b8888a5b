//! What a launch does, small enough to keep: classes of workgroups with one recorded workgroup each, and which
//! memory the workgroups share.
//!
//! A prefix of every workgroup is run. Workgroups that moved the same numbers of bytes and lines by allocation are
//! one [`Class`], of which one workgroup is recorded whole. Workgroups with equal keys of an allocation read the
//! same lines: that gives, for every turn of the grid over the device, how much of the traffic leaves a compute
//! unit's XCD, how much is fetched once for the device and how much has been in the Infinity Cache.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use emulator::{Device, Extent, Launch, LaunchError, Module, Needs, Recording, Touched};
use serde::{Deserialize, Serialize};

use crate::{machine::Rates, units::Topology};

/// A launch, sampled.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The kernel's name.
    pub kernel: String,
    /// Workgroups.
    pub groups: u64,
    /// What a workgroup occupies.
    pub needs: Needs,
    /// Workgroups of a compute unit at a time.
    pub resident: u32,
    /// Kinds of workgroups.
    pub classes: Vec<Class>,
    /// Turns of the grid over the device in order, as runs.
    pub turns: Vec<(Turn, u64)>,
    /// Distinct sharings.
    pub shares: Vec<Share>,
    /// Bytes that the launch writes.
    pub written: u64,
    /// Distinct bytes that it touches.
    pub footprint: u64,
}

/// As many workgroups as the device holds at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Workgroups.
    pub groups: u32,
    /// Index into [`Sample::shares`].
    pub share: u32,
    /// Class and number of its workgroups.
    pub classes: Vec<(u32, u32)>,
}

/// Workgroups that do the same.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Class {
    /// How many.
    pub count: u64,
    /// One of them, recorded whole.
    pub recording: Recording,
}

/// By allocation, in fractions of [`ONE`]: what of the lines that the compute units of one turn ask for goes further.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Share(pub Vec<Levels>);

/// Fractions of one allocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Levels {
    /// Of the lines that instructions move: distinct ones of the workgroup, those that L1 must fetch if it keeps
    /// what waves share.
    pub compute_unit: u16,
    /// Of those: distinct ones of the XCD, those that its L2 must fetch.
    pub xcd: u16,
    /// Of the compute unit's: the device's share, each line counted once.
    pub device: u16,
    /// Of the compute unit's: those that the Infinity Cache does not have from an earlier turn.
    pub memory: u16,
}

/// The whole, in the fractions of [`Levels`].
pub const ONE: u16 = 1 << 12;

/// What the caches hold of the operands when a launch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Caches {
    /// Nothing: what AITER's tuner measures with operands that rotate.
    Cold,
    /// The Infinity Cache has them, L2 does not.
    WarmInfinityCache,
    /// What the same launch leaves behind: each L2 what its XCD reads if all of that fits, the Infinity Cache the
    /// operands if they fit, and the translations of their addresses. No measured row is like that.
    Hot,
}

impl Caches {
    /// The machine's constants in this state.
    pub fn rates(self, rates: &Rates) -> Rates {
        match self {
            Caches::Cold | Caches::WarmInfinityCache => *rates,
            Caches::Hot => Rates { translation_cycles: 0.0, ..*rates },
        }
    }
}

impl Sample {
    /// Runs prefixes of all workgroups and one whole workgroup of each class. What they store is taken back.
    ///
    /// # Errors
    /// As [`Device::record`].
    pub fn take(
        device: &Device,
        module: &Module,
        kernel: &str,
        launch: &Launch<'_>,
        topology: Topology,
    ) -> Result<Sample, LaunchError> {
        let [x, y, z] = launch.grid.map(u64::from);
        let mut sample = Sample { kernel: kernel.to_owned(), groups: x * y * z, ..Sample::default() };
        let mut plan = Plan { topology, groups: Vec::new(), classes: Vec::new() };
        let extent = Extent::Prefix { accesses: prefix(device, module, kernel, launch)? };
        let mut kinds: HashMap<Vec<(u16, u64, u64, bool)>, u32> = HashMap::new();
        let mut first: Vec<[u32; 3]> = Vec::new();
        let known = sample.groups.min(KNOWN);
        for begin in (0..known).step_by(BATCH) {
            let at = |i: u64| [(i % x) as u32, (i / x % y) as u32, (i / x / y) as u32];
            let batch: Vec<[u32; 3]> = (begin..known.min(begin + BATCH as u64)).map(at).collect();
            let recording = device.record(module, kernel, launch, &batch, extent)?;
            sample.needs = recording.needs;
            for group in recording.groups {
                let kind =
                    group.touched.iter().map(|t| (t.allocation, t.bytes, t.line_moves, t.written)).collect();
                let next = first.len() as u32;
                let class = *kinds.entry(kind).or_insert(next);
                if class == next {
                    first.push(group.workgroup);
                    sample.classes.push(Class::default());
                }
                sample.classes[class as usize].count += 1;
                plan.classes.push(class);
                plan.groups.push(group.touched);
            }
        }
        sample.resident = topology.resident(sample.needs);
        let mut whole: HashMap<u16, f64> = HashMap::new();
        for (class, workgroup) in sample.classes.iter_mut().zip(&first) {
            class.recording = device.record(module, kernel, launch, &[*workgroup], Extent::Whole)?;
            for touched in &class.recording.groups[0].touched {
                if touched.written {
                    sample.written += touched.bytes * class.count * sample.groups / known;
                }
                let lines = whole.entry(touched.allocation).or_default();
                *lines = lines.max(touched.lines as f64);
            }
        }
        plan.share(&mut sample, &whole);
        Ok(sample)
    }

    /// A sharing as the caches' state makes it.
    pub fn share(&self, share: u32, caches: Caches) -> Share {
        let topology = Topology::MI355X;
        let [in_cache, in_l2] = match caches {
            Caches::Cold => [false; 2],
            Caches::WarmInfinityCache => [true, false],
            Caches::Hot => [
                self.footprint + self.written <= topology.infinity_cache_bytes,
                self.bytes_of_xcd() <= topology.l2_bytes as f64,
            ],
        };
        let mut share = self.shares[share as usize].clone();
        for levels in &mut share.0 {
            levels.memory = if in_cache || in_l2 { 0 } else { levels.memory };
            levels.xcd = if in_l2 { 0 } else { levels.xcd };
        }
        share
    }

    /// Bytes that an XCD reads and writes through its L2 in all turns together: distinct ones in each turn.
    fn bytes_of_xcd(&self) -> f64 {
        let mut bytes = 0.0;
        for (turn, count) in &self.turns {
            for (class, groups) in &turn.classes {
                let touched = self.classes[*class as usize].recording.groups.iter().flat_map(|g| &g.touched);
                for touched in touched {
                    let share = &self.shares[turn.share as usize].0;
                    let xcd = share.get(touched.allocation as usize).map_or(ONE, |levels| levels.xcd);
                    let part = if touched.written { 1.0 } else { xcd as f64 / ONE as f64 };
                    let lines = touched.lines as f64 * part;
                    bytes += lines * emulator::LINE_BYTES as f64 * *groups as f64 * *count as f64;
                }
            }
        }
        bytes / Topology::MI355X.xcds as f64
    }
}

/// Workgroups whose prefixes are run; what comes after is taken to go on like the last of them.
const KNOWN: u64 = 8192;
/// Workgroups recorded at a time.
const BATCH: usize = 1024;
/// Accesses of a wave, tried in turn, that may suffice to see the first of every operand that is read.
const PREFIXES: [u32; 5] = [10, 16, 24, 40, 64];

/// Vector memory accesses of a wave that show every allocation that the first workgroup reads; the most if none
/// does.
fn prefix(device: &Device, module: &Module, kernel: &str, launch: &Launch<'_>) -> Result<u32, LaunchError> {
    let reads = |extent| {
        let recording = device.record(module, kernel, launch, &[[0; 3]], extent)?;
        let touched = recording.groups.into_iter().flat_map(|group| group.touched);
        let reads = touched.filter(|touched| !touched.written).map(|touched| touched.allocation);
        Ok::<Vec<u16>, LaunchError>(reads.collect())
    };
    let all = reads(Extent::Whole)?;
    for accesses in PREFIXES {
        if reads(Extent::Prefix { accesses })? == all {
            return Ok(accesses);
        }
    }
    Ok(PREFIXES[PREFIXES.len() - 1])
}

/// What all known workgroups touch, and their classes.
struct Plan {
    topology: Topology,
    groups: Vec<Vec<Touched>>,
    classes: Vec<u32>,
}

impl Plan {
    /// Fills in the turns and what they share. `whole` is, by allocation, the lines of a whole workgroup.
    fn share(&self, sample: &mut Sample, whole: &HashMap<u16, f64>) {
        let slots = (self.topology.compute_units() * sample.resident.max(1)) as usize;
        let mut known: HashMap<Share, u32> = HashMap::new();
        let mut cache = InfinityCache::new(self.topology.infinity_cache_bytes);
        let mut seen: HashSet<(u16, u64)> = HashSet::new();
        for (groups, classes) in self.groups.chunks(slots).zip(self.classes.chunks(slots)) {
            let mut sums: BTreeMap<u16, Sums> = BTreeMap::new();
            for (i, touched) in
                groups.iter().enumerate().flat_map(|(i, group)| group.iter().map(move |t| (i, t)))
            {
                let xcd = i as u32 % self.topology.xcds;
                let lines = touched.lines as f64;
                let sums = sums.entry(touched.allocation).or_default();
                sums.moved += touched.line_moves as f64;
                sums.group += lines;
                if sums.by_xcd.insert((xcd, touched.key)) {
                    sums.xcd += lines;
                }
                if !sums.by_device.insert(touched.key) {
                    continue;
                }
                sums.device += lines;
                let stream = (touched.allocation, touched.key);
                let lines_of_whole = whole.get(&touched.allocation).copied().unwrap_or(lines);
                let bytes = (lines_of_whole * emulator::LINE_BYTES as f64) as u64;
                if seen.insert(stream) {
                    sample.footprint += bytes;
                }
                if !cache.touch(stream, bytes) {
                    sums.memory += lines;
                }
            }
            let allocations = sums.keys().filter(|n| **n != u16::MAX).max().map_or(0, |last| *last + 1);
            let levels = |n| sums.get(&n).map_or(Levels::default(), |sums| sums.levels());
            let share = Share((0..allocations).map(levels).collect());
            let next = sample.shares.len() as u32;
            let index = *known.entry(share.clone()).or_insert(next);
            if index == next {
                sample.shares.push(share);
            }
            let mut turn = Turn { groups: groups.len() as u32, share: index, classes: Vec::new() };
            let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
            classes.iter().for_each(|class| *counts.entry(*class).or_default() += 1);
            turn.classes.extend(counts);
            push(&mut sample.turns, turn, 1);
        }
        let rest = sample.groups - self.groups.len() as u64;
        let Some((last, _)) = sample.turns.last().cloned() else { return };
        push(&mut sample.turns, last.clone(), rest / slots as u64);
        let odd = (rest % slots as u64) as u32;
        if odd > 0 {
            let class = last.classes.iter().max_by_key(|(_, count)| *count).map_or(0, |(class, _)| *class);
            push(&mut sample.turns, Turn { groups: odd, share: last.share, classes: vec![(class, odd)] }, 1);
        }
    }
}

/// Counts runs.
fn push(turns: &mut Vec<(Turn, u64)>, turn: Turn, count: u64) {
    match turns.last_mut() {
        _ if count == 0 => {}
        Some((last, n)) if *last == turn => *n += count,
        _ => turns.push((turn, count)),
    }
}

#[derive(Default)]
struct Sums {
    moved: f64,
    group: f64,
    xcd: f64,
    device: f64,
    memory: f64,
    by_xcd: HashSet<(u32, u64)>,
    by_device: HashSet<u64>,
}

impl Sums {
    fn levels(&self) -> Levels {
        // Rounded to 1/64, so that turns which hardly differ are one.
        let fraction = |part: f64, all: f64| {
            let sixty_fourths = if all > 0.0 { (64.0 * part / all).ceil() } else { 0.0 };
            (sixty_fourths as u16).min(64) * (ONE / 64)
        };
        Levels {
            compute_unit: fraction(self.group, self.moved),
            xcd: fraction(self.xcd, self.group),
            device: fraction(self.device, self.group),
            memory: fraction(self.memory, self.group),
        }
    }
}

/// The Infinity Cache by streams of whole workgroups, least recently used first out.
struct InfinityCache {
    capacity: u64,
    used: u64,
    /// Stream → bytes and its last use.
    streams: HashMap<(u16, u64), (u64, u64)>,
    /// Uses in order; an entry is stale if the stream has a later one.
    uses: VecDeque<((u16, u64), u64)>,
    clock: u64,
}

impl InfinityCache {
    fn new(capacity: u64) -> InfinityCache {
        InfinityCache { capacity, used: 0, streams: HashMap::new(), uses: VecDeque::new(), clock: 0 }
    }

    /// Uses a stream; whether it was there.
    fn touch(&mut self, stream: (u16, u64), bytes: u64) -> bool {
        self.clock += 1;
        self.uses.push_back((stream, self.clock));
        let before = self.streams.insert(stream, (bytes, self.clock));
        self.used += bytes - before.map_or(0, |(bytes, _)| bytes);
        while self.used > self.capacity {
            let Some((oldest, at)) = self.uses.pop_front() else { break };
            if self.streams.get(&oldest).is_some_and(|(_, last)| *last == at) {
                let (bytes, _) = self.streams.remove(&oldest).unwrap_or_default();
                self.used -= bytes;
            }
        }
        before.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_infinity_cache_forgets_what_was_used_longest_ago() {
        let mut cache = InfinityCache::new(100);
        assert!(!cache.touch((0, 1), 60) && !cache.touch((0, 2), 40));
        assert!(cache.touch((0, 1), 60), "both fit");
        assert!(!cache.touch((0, 3), 10), "new");
        assert!(cache.touch((0, 1), 60), "2 was the oldest");
        assert!(!cache.touch((0, 2), 40));
    }

    fn touched(key: u64, lines: u32) -> Touched {
        Touched { allocation: 0, key, lines, line_moves: 2 * lines as u64, bytes: 128, written: false }
    }

    /// 16 workgroups on 8 XCDs: 8 read one key, the others each their own.
    #[test]
    fn levels_count_each_line_once_where_it_is_shared() {
        let plan = Plan {
            topology: Topology::MI355X,
            groups: (0..16).map(|i| vec![touched(if i < 8 { 99 } else { i }, 4)]).collect(),
            classes: vec![0; 16],
        };
        let mut sample = Sample { groups: 16, resident: 1, ..Sample::default() };
        plan.share(&mut sample, &HashMap::new());
        let levels = sample.shares[0].0[0];
        assert_eq!(levels.compute_unit, ONE / 2);
        assert_eq!(levels.xcd, ONE, "each XCD reads the shared key once");
        assert_eq!(levels.device, ONE / 64 * 36, "9 of 16 keys");
        assert_eq!(levels.memory, levels.device);
    }
}
