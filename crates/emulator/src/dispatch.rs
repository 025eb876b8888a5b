//! A launch: checks, kernel arguments, initial registers, workgroups over host threads.

mod block;
mod chosen;
mod job;
mod packet;
mod ready;
mod registers;
mod shape;

use thiserror::Error;

use crate::{
    code_object::Descriptor,
    cost::Class,
    exec::MfmaPolicy,
    fault::Fault,
    host::Host,
    ledger::Ledger,
    memory::{Memory, MemoryError},
    metadata::KernelInfo,
    observe::Observer,
    pending::{Delivery, POISON},
    program::Program,
};
use block::Block;
pub(crate) use chosen::run_chosen;
use job::Counts;
use ready::Ready;
use shape::Shape;

/// LDS of a compute unit, bytes: what one workgroup can have.
pub const LDS_BYTES: u32 = 160 * 1024;
/// Work-items of a workgroup at most.
pub const MAX_WORKGROUP: u32 = 1024;
/// Compute units of the device.
const COMPUTE_UNITS: usize = 256;
/// SIMDs of a compute unit.
const SIMDS: usize = 4;
/// Scratch of a lane when the code object does not know what its calls need.
const DYNAMIC_STACK_BYTES: u32 = 16 * 1024;
/// Scratch of a lane at most (the hardware's limit for a wave is 8 MiB).
const MAX_PRIVATE_BYTES: u32 = 128 * 1024;
/// Instructions of a wave when the options leave it open: some ten seconds of one host core.
pub const DEFAULT_BUDGET: u64 = 1 << 30;

/// What to run, and on what.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    /// Workgroups in x, y, z.
    pub grid: [u32; 3],
    /// Work-items of a workgroup in x, y, z.
    pub block: [u32; 3],
    /// LDS beyond what the kernel declares, bytes.
    pub dynamic_lds: u32,
    /// The explicit arguments as the code object lays them out; hidden ones are filled by the engine.
    pub kernarg: &'a [u8],
    /// How to run.
    pub options: RunOptions,
}

/// How a launch runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunOptions {
    /// Random order of waves and workgroups from this seed; in order without.
    pub seed: Option<u64>,
    /// Instructions that a wave issues before the next one of its workgroup has its turn: exactly so many without
    /// a seed, at most so many with one; 0 is long without a seed and 48 with one. 1 is lockstep, the order that is
    /// nearest to hardware's: kernels that lack a barrier but leave time for one are right in it.
    pub turn: u64,
    /// When memory results arrive.
    pub delivery: Delivery,
    /// Instructions that one wave may issue; 0 is [`DEFAULT_BUDGET`].
    pub instruction_budget: u64,
    /// Host threads; 0 is all cores.
    pub threads: usize,
    /// How matrix instructions accumulate.
    pub mfma: MfmaPolicy,
    /// Accept waves of a workgroup that wait at different `s_barrier` instructions, or end early, as the
    /// hardware does: it only counts arrivals. HIP leaves such programs undefined; warp-specialised
    /// assembly uses it.
    pub divergent_barriers: bool,
    /// Accept LDS accesses beyond the workgroup's allocation as the hardware does: reads give 0, writes are
    /// dropped. A kernel that relies on it is rarely meant to.
    pub clamp_lds: bool,
    /// What registers, LDS and scratch hold before a workgroup writes them.
    pub garbage: Garbage,
    /// Keep a fidelity ledger: what the executed instructions' results are worth, and how far assumed ones got.
    /// The launch takes several times as long.
    pub ledger: bool,
}

/// What a kernel finds where it has not written. One pattern alone would hide some readers of it: a NaN is
/// ignored by a maximum, a number is not ordered above all others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Garbage {
    /// NaN as FP64, FP32, FP16 and BF16, and in two bytes as FP8.
    #[default]
    Nan,
    /// Large and finite in the same formats: some 1e36 as FP32 and BF16, 6e4 as FP16, 352 as E4M3.
    Huge,
}

impl Garbage {
    /// Its dword.
    fn pattern(self) -> u32 {
        match self {
            Garbage::Nan => POISON,
            Garbage::Huge => 0x7b7b_7b7b,
        }
    }
}

impl Default for RunOptions {
    fn default() -> RunOptions {
        RunOptions {
            seed: None,
            turn: 0,
            delivery: Delivery::Immediate,
            instruction_budget: DEFAULT_BUDGET,
            threads: 0,
            mfma: MfmaPolicy::default(),
            divergent_barriers: false,
            clamp_lds: false,
            garbage: Garbage::default(),
            ledger: false,
        }
    }
}

/// What a launch did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaunchReport {
    /// Waves that ran.
    pub waves: u64,
    /// Wave instructions that were executed.
    pub instructions: u64,
    /// Modelled issue cycles of the busiest compute unit. Workgroups go round over 256 units, waves over 4
    /// SIMDs each; instructions cost what `cost.rs` says. No memory time, no overlap: a lower bound.
    pub issue_cycles: u64,
    /// Executed instructions by class, see [`LaunchReport::classes`].
    pub by_class: [u64; Class::COUNT],
    /// The fidelity ledger, if [`RunOptions::ledger`] asked for it.
    pub ledger: Option<Ledger>,
}

impl LaunchReport {
    /// Name and executed instructions of each class.
    pub fn classes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Class::NAMES.into_iter().zip(self.by_class)
    }
}

/// Why a launch did not succeed.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum LaunchError {
    /// It cannot start.
    #[error("launch refused: {0}")]
    Invalid(#[from] Refusal),
    /// It started and went wrong.
    #[error("{0}")]
    Fault(Box<Fault>),
}

/// Why a launch cannot start.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum Refusal {
    /// Unknown kernel.
    #[error("the module has no kernel {kernel}")]
    NoKernel { kernel: String },
    /// The module belongs elsewhere.
    #[error("the module was loaded on another device")]
    OtherDevice,
    /// A workgroup to record that the grid does not have.
    #[error("workgroup {workgroup:?} is outside the grid {grid:?}")]
    NoWorkgroup { workgroup: [u32; 3], grid: [u32; 3] },
    /// An empty grid or block.
    #[error("grid {grid:?} and block {block:?} need at least 1 in every dimension")]
    Empty { grid: [u32; 3], block: [u32; 3] },
    /// Too many work-items in a workgroup.
    #[error(
        "a block of {threads} work-items exceeds the limit {limit} of kernel {kernel}; see __launch_bounds__"
    )]
    BlockTooLarge { kernel: String, threads: u64, limit: u32 },
    /// Not the size that the kernel was compiled for.
    #[error("kernel {kernel} was compiled for blocks of {required:?}, not {block:?}")]
    BlockSize { kernel: String, required: [u32; 3], block: [u32; 3] },
    /// More work-items than a dispatch packet can count.
    #[error("grid {grid:?} of blocks {block:?} has more than 2^32 - 1 work-items in one dimension")]
    GridTooLarge { grid: [u32; 3], block: [u32; 3] },
    /// Too much LDS.
    #[error("{bytes} bytes of LDS exceed the {LDS_BYTES} of a compute unit")]
    LdsTooLarge { bytes: u64 },
    /// Too much scratch.
    #[error("{bytes} bytes of scratch for each work-item exceed {MAX_PRIVATE_BYTES}")]
    ScratchTooLarge { bytes: u32 },
    /// Arguments missing.
    #[error("kernel {kernel} takes {needed} bytes of arguments, {given} were given")]
    KernargTooShort { kernel: String, needed: u32, given: usize },
    /// No room for arguments or scratch.
    #[error("preparing the launch: {0}")]
    Memory(#[from] MemoryError),
}

impl From<MemoryError> for LaunchError {
    fn from(error: MemoryError) -> LaunchError {
        Refusal::Memory(error).into()
    }
}

/// A kernel of a loaded module.
pub(crate) struct Kernel<'a> {
    pub info: &'a KernelInfo,
    pub descriptor: Descriptor,
    /// Load address of the code object.
    pub base: u64,
    pub program: &'a Program,
}

impl Kernel<'_> {
    /// Address of its first instruction.
    pub(crate) fn entry(&self) -> u64 {
        self.base.wrapping_add(self.descriptor.entry)
    }
}

/// Runs all workgroups, watched by an observer of each host thread. Of several faulting workgroups the first in
/// order is reported: workgroups are handed out in ascending order, and those before a fault still run to their
/// ends.
pub(crate) fn run<O: Observer>(
    memory: &Memory,
    kernel: &Kernel<'_>,
    launch: &Launch<'_>,
    host: Option<&dyn Host>,
    observer: impl Fn() -> O,
) -> Result<(LaunchReport, O), LaunchError> {
    let ready = Ready::new(memory, kernel, launch, host)?;
    let shape = &ready.shape;
    let cores = || std::thread::available_parallelism().map_or(1, |n| n.get());
    let threads = if launch.options.threads == 0 { cores() } else { launch.options.threads };
    let threads = threads.min(shape.groups.min(usize::MAX as u64) as usize);
    let scratch: Vec<Option<Block<'_>>> = (0..threads).map(|_| ready.scratch()).collect::<Result<_, _>>()?;
    let view = memory.view();
    let job = ready.job(kernel, launch, host);
    let mut watching = (Counts::default(), observer());
    std::thread::scope(|scope| {
        let others: Vec<_> = scratch
            .iter()
            .skip(1)
            .map(|scratch| {
                let (job, view, mut watching) = (&job, view.clone(), (Counts::default(), observer()));
                scope.spawn(move || {
                    job.work(&view, scratch.as_ref(), &mut watching);
                    watching
                })
            })
            .collect();
        job.work(&view, scratch.first().and_then(Option::as_ref), &mut watching);
        for other in others {
            match other.join() {
                Ok(other) => watching.merge(other),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    if let Some(fault) = job.into_fault() {
        return Err(LaunchError::Fault(fault));
    }
    let (counts, observer) = watching;
    let report = LaunchReport {
        waves: shape.groups * shape.waves as u64,
        instructions: counts.by_class.iter().sum(),
        issue_cycles: counts.busiest_unit(),
        by_class: counts.by_class,
        ledger: None,
    };
    Ok((report, observer))
}
