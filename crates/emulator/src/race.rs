//! Races: accesses of one workgroup that nothing orders but time.
//!
//! | file | what it watches |
//! |---|---|
//! | `race.rs` | what is found, the launch that looks for it |
//! | `race/watch.rs` | the observer: which memory operations the waits have proven |
//! | `race/lds.rs` | LDS: the last accesses of every dword |
//!
//! LDS: two accesses to a dword, one of them a write, by two waves, are ordered if the first one's wave waits for it
//! (`s_waitcnt`), then all waves meet at a barrier, then the second is issued. Loads from device memory to LDS are
//! writes; their own wave must wait for them too. Registers: the destination of a load is read or overwritten before
//! the wait that covers the load.
//!
//! A launch shows every race of the path that it takes, whatever the order of its waves. That a race is found does not
//! say that a result is wrong: both waves may write the same, or one may be slower for certain.
//!
//! Not watched: vector instructions in GPR-index mode, device memory.

mod lds;
mod watch;

use std::{collections::HashMap, fmt};

use crate::{
    device::{Device, Module},
    dispatch::{self, Launch, LaunchError, LaunchReport},
    host::Host,
    ledger,
};
use watch::Watch;

/// The races of a launch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Races {
    /// One for each kind and pair of instructions, those that occurred most often first.
    pub found: Vec<Race>,
}

/// Two instructions without an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Race {
    /// What is missing.
    pub kind: RaceKind,
    /// The one that was issued first.
    pub first: RacePlace,
    /// The other one.
    pub second: RacePlace,
    /// Byte of LDS, or number of the register: vector registers, accumulation registers from 256, scalar ones from
    /// 512.
    pub address: u32,
    /// Workgroup, of the first time in its order.
    pub workgroup: [u32; 3],
    /// How often: dwords of LDS, or registers.
    pub count: u64,
}

/// An instruction of a wave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RacePlace {
    /// The wave's index in its workgroup.
    pub wave: u32,
    /// Bytes from the kernel's entry.
    pub offset: i64,
    /// Disassembly.
    pub text: String,
}

/// What is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RaceKind {
    /// A barrier between a wave's write to LDS and another wave's read.
    ReadAfterWrite,
    /// A barrier between a wave's read of LDS and another wave's write.
    WriteAfterRead,
    /// A barrier between two waves' writes to LDS.
    WriteAfterWrite,
    /// A wait, before the barrier that separates two waves' accesses to LDS, for an LDS instruction. LDS serves
    /// instructions in the order in which they reach it.
    UnwaitedLds,
    /// A wait for a load to LDS, before its data is read or overwritten.
    EarlyLds,
    /// A wait for a load, before a register of its destination is read.
    EarlyRead,
    /// A wait for a load, before a register of its destination is overwritten.
    EarlyWrite,
}

impl Device {
    /// [`Device::launch_with_host`], watched: some ten times slower. With [`RunOptions::ledger`](crate::RunOptions::ledger) the report has the
    /// ledger, too.
    ///
    /// # Errors
    /// As [`Device::launch`].
    pub fn launch_watching_races(
        &self,
        module: &Module,
        kernel: &str,
        launch: &Launch<'_>,
        host: Option<&dyn Host>,
    ) -> Result<(LaunchReport, Races), LaunchError> {
        let kernel = self.kernel(module, kernel)?;
        let ledger = launch.options.ledger.then(|| ledger::Book::new(kernel.program));
        let watch = || (Watch::new(&kernel), ledger.as_ref().map(ledger::Book::watch));
        let (mut report, (watch, kept)) = dispatch::run(self.memory(), &kernel, launch, host, watch)?;
        report.ledger = kept.map(|kept| kept.ledger(kernel.entry()));
        Ok((report, watch.finish()))
    }
}

impl RaceKind {
    /// In a few words.
    pub fn name(self) -> &'static str {
        match self {
            RaceKind::ReadAfterWrite => "no barrier between a write to LDS and another wave's read",
            RaceKind::WriteAfterRead => "no barrier between a read of LDS and another wave's write",
            RaceKind::WriteAfterWrite => "no barrier between the writes of two waves to LDS",
            RaceKind::UnwaitedLds => "no wait before the barrier between two waves' accesses to LDS",
            RaceKind::EarlyLds => "no wait between a load to LDS and an access to its data",
            RaceKind::EarlyRead => "no wait between a load and a read of its destination",
            RaceKind::EarlyWrite => "no wait between a load and a write to its destination",
        }
    }
}

impl fmt::Display for RacePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{:#x} {} (wave {})", self.offset, self.text, self.wave)
    }
}

impl fmt::Display for Race {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}, then {}", self.kind.name(), self.first, self.second)
    }
}

/// Races by kind and addresses of the two instructions.
#[derive(Debug, Default)]
struct Found {
    by_pair: HashMap<(RaceKind, u64, u64), Sample>,
}

/// One race, with the first time that it occurred.
#[derive(Clone, Copy, Debug)]
struct Sample {
    waves: [u8; 2],
    address: u32,
    /// Index and coordinates of the workgroup.
    group: (u64, [u32; 3]),
    count: u64,
}

impl Found {
    fn add(&mut self, kind: RaceKind, pcs: [u64; 2], sample: Sample) {
        let count = sample.count;
        let known = self.by_pair.entry((kind, pcs[0], pcs[1])).or_insert(Sample { count: 0, ..sample });
        let count = known.count + count;
        if sample.group.0 < known.group.0 {
            *known = sample;
        }
        known.count = count;
    }

    fn merge(&mut self, other: Found) {
        for ((kind, first, second), sample) in other.by_pair {
            self.add(kind, [first, second], sample);
        }
    }
}
