//! A launch: checks, kernel arguments, initial registers, workgroups over host threads.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use thiserror::Error;

use crate::{
    code_object::Descriptor,
    cost::Class,
    exec::MfmaPolicy,
    fault::{Fault, FaultKind, Place},
    group::{self, Observer, Random, Schedule},
    host::Host,
    lanes::Lanes,
    memory::{AllocationKind, Memory, MemoryError, PRIVATE_BASE, SHARED_BASE, View},
    metadata::{ArgKind, KernelInfo},
    op::{FLAT_SCRATCH, Op},
    pending::POISON,
    program::Program,
    wave::{Cx, Wave},
};

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
    /// Deliver memory results at the covering `s_waitcnt` only: a missing wait gives wrong numbers.
    pub late_delivery: bool,
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
            late_delivery: false,
            instruction_budget: DEFAULT_BUDGET,
            threads: 0,
            mfma: MfmaPolicy::default(),
            divergent_barriers: false,
            clamp_lds: false,
            garbage: Garbage::default(),
        }
    }
}

/// What a launch did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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

/// Runs all workgroups. Of several faulting workgroups the first in order is reported: workgroups are
/// handed out in ascending order, and those before a fault still run to their ends.
pub(crate) fn run(
    memory: &Memory,
    kernel: &Kernel<'_>,
    launch: &Launch<'_>,
    host: Option<&dyn Host>,
) -> Result<LaunchReport, LaunchError> {
    let shape = Shape::check(kernel, launch)?;
    let arguments = Block::new(memory, kernarg(kernel.info, launch, host))?;
    let packet = Block::new(memory, packet(kernel, &shape, launch, arguments.base))?;
    let scratch_bytes = shape.private_bytes as u64 * 64 * shape.waves as u64;
    let cores = || std::thread::available_parallelism().map_or(1, |n| n.get());
    let threads = if launch.options.threads == 0 { cores() } else { launch.options.threads };
    let threads = threads.min(shape.groups.min(usize::MAX as u64) as usize);
    let scratch: Vec<Option<Block<'_>>> = (0..threads)
        .map(|_| (scratch_bytes > 0).then(|| Block::empty(memory, scratch_bytes)).transpose())
        .collect::<Result<_, _>>()?;
    let view = memory.view();
    let job = Job {
        kernel,
        launch,
        host,
        shape: &shape,
        registers: Registers::new(kernel, &shape, &arguments, packet.base),
        memory,
        next: AtomicU64::new(0),
        stop: AtomicU64::new(u64::MAX),
        units: (0..COMPUTE_UNITS).map(|_| AtomicU64::new(0)).collect(),
        outcome: Mutex::new(Outcome::default()),
    };
    std::thread::scope(|scope| {
        for scratch in scratch.iter().skip(1) {
            let (job, view) = (&job, view.clone());
            scope.spawn(move || job.work(view, scratch.as_ref()));
        }
        job.work(view.clone(), scratch.first().and_then(Option::as_ref));
    });
    let outcome = job.outcome.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, fault)) = outcome.fault {
        return Err(LaunchError::Fault(fault));
    }
    let issue_cycles = job.units.iter().map(|unit| unit.load(Ordering::Relaxed)).max().unwrap_or(0);
    Ok(LaunchReport {
        waves: shape.groups * shape.waves as u64,
        instructions: outcome.by_class.iter().sum(),
        issue_cycles,
        by_class: outcome.by_class,
    })
}

/// The sizes of a launch that has been found valid.
struct Shape {
    groups: u64,
    /// Work-items of a workgroup.
    threads: u32,
    /// Waves of a workgroup.
    waves: u32,
    lds_bytes: u32,
    private_bytes: u32,
    arch_vgprs: u16,
    acc_vgprs: u16,
}

impl Shape {
    fn check(kernel: &Kernel<'_>, launch: &Launch<'_>) -> Result<Shape, Refusal> {
        let (grid, block, info) = (launch.grid, launch.block, kernel.info);
        if grid.contains(&0) || block.contains(&0) {
            return Err(Refusal::Empty { grid, block });
        }
        let limit =
            if info.max_workgroup == 0 { MAX_WORKGROUP } else { info.max_workgroup.min(MAX_WORKGROUP) };
        let threads = block.iter().fold(1u64, |product, n| product.saturating_mul(*n as u64));
        if threads > limit as u64 {
            return Err(Refusal::BlockTooLarge { kernel: info.name.clone(), threads, limit });
        }
        if let Some(required) = info.required_workgroup.filter(|required| *required != block) {
            return Err(Refusal::BlockSize { kernel: info.name.clone(), required, block });
        }
        let groups = grid.iter().try_fold(1u64, |product, n| product.checked_mul(*n as u64));
        let items = (0..3).all(|i| grid[i].checked_mul(block[i]).is_some());
        let Some(groups) = groups.filter(|_| items) else {
            return Err(Refusal::GridTooLarge { grid, block });
        };
        let lds = kernel.descriptor.lds_bytes.max(info.lds_bytes) as u64 + launch.dynamic_lds as u64;
        if lds > LDS_BYTES as u64 {
            return Err(Refusal::LdsTooLarge { bytes: lds });
        }
        let mut private = kernel.descriptor.private_bytes.max(info.private_bytes);
        if info.dynamic_stack || kernel.descriptor.properties & DYNAMIC_STACK != 0 {
            private = private.saturating_add(DYNAMIC_STACK_BYTES);
        }
        if private > MAX_PRIVATE_BYTES {
            return Err(Refusal::ScratchTooLarge { bytes: private });
        }
        let needed = info.explicit_bytes();
        if launch.kernarg.len() < needed as usize {
            let given = launch.kernarg.len();
            return Err(Refusal::KernargTooShort { kernel: info.name.clone(), needed, given });
        }
        // rsrc1 counts all vector registers in granules of 8, rsrc3 where the accumulation registers begin in
        // granules of 4 (LLVM, AMDGPUUsage, gfx90a).
        let total = 8 * ((kernel.descriptor.rsrc1 & 63) as u16 + 1);
        let arch = (4 * ((kernel.descriptor.rsrc3 & 63) as u16 + 1)).min(total).min(256);
        Ok(Shape {
            groups,
            threads: threads as u32,
            waves: (threads as u32).div_ceil(64),
            lds_bytes: lds as u32,
            private_bytes: private.next_multiple_of(4),
            arch_vgprs: arch,
            acc_vgprs: (total - arch).min(256),
        })
    }
}

/// `kernel_code_properties`.
const PRIVATE_SEGMENT_BUFFER: u16 = 1 << 0;
const DISPATCH_PTR: u16 = 1 << 1;
const QUEUE_PTR: u16 = 1 << 2;
const KERNARG_PTR: u16 = 1 << 3;
const DISPATCH_ID: u16 = 1 << 4;
const FLAT_SCRATCH_INIT: u16 = 1 << 5;
const PRIVATE_SEGMENT_SIZE: u16 = 1 << 6;
const DYNAMIC_STACK: u16 = 1 << 11;

/// A piece of device memory that lives as long as the launch.
struct Block<'a> {
    memory: &'a Memory,
    base: u64,
    bytes: u64,
    content: Vec<u8>,
}

impl<'a> Block<'a> {
    fn new(memory: &'a Memory, content: Vec<u8>) -> Result<Block<'a>, MemoryError> {
        let base = memory.alloc_kind(content.len().max(1) as u64, AllocationKind::Code)?;
        let block = Block { memory, base, bytes: content.len() as u64, content };
        memory.write(base, &block.content)?;
        Ok(block)
    }

    fn empty(memory: &'a Memory, bytes: u64) -> Result<Block<'a>, MemoryError> {
        Ok(Block {
            memory,
            base: memory.alloc_kind(bytes, AllocationKind::Code)?,
            bytes,
            content: Vec::new(),
        })
    }
}

impl Drop for Block<'_> {
    fn drop(&mut self) {
        // Its own allocation: nobody else frees it.
        let _freed = self.memory.free(self.base);
    }
}

/// The kernarg segment: the launch's bytes, then the hidden arguments in their places.
fn kernarg(info: &KernelInfo, launch: &Launch<'_>, host: Option<&dyn Host>) -> Vec<u8> {
    let mut segment = vec![0; (info.kernarg_size as usize).max(info.explicit_bytes() as usize)];
    let given = launch.kernarg.len().min(segment.len());
    segment[..given].copy_from_slice(&launch.kernarg[..given]);
    let (grid, block) = (launch.grid, launch.block);
    let dimensions = (0..3).rev().find(|i| grid[*i] > 1 || block[*i] > 1).map_or(1, |i| i + 1);
    for arg in info.args.iter().filter(|arg| arg.kind.is_hidden()) {
        let value = match arg.kind {
            ArgKind::HiddenBlockCountX => grid[0] as u64,
            ArgKind::HiddenBlockCountY => grid[1] as u64,
            ArgKind::HiddenBlockCountZ => grid[2] as u64,
            ArgKind::HiddenGroupSizeX => block[0] as u64,
            ArgKind::HiddenGroupSizeY => block[1] as u64,
            ArgKind::HiddenGroupSizeZ => block[2] as u64,
            ArgKind::HiddenGridDims => dimensions as u64,
            ArgKind::HiddenDynamicLdsSize => launch.dynamic_lds as u64,
            ArgKind::HiddenPrivateBase => PRIVATE_BASE >> 32,
            ArgKind::HiddenSharedBase => SHARED_BASE >> 32,
            ArgKind::HiddenHostcallBuffer => host.map_or(0, Host::hostcall_buffer),
            ArgKind::HiddenPrintfBuffer => host.map_or(0, Host::printf_buffer),
            // Grids are whole workgroups and start at 0; the rest has no counterpart here.
            _ => 0,
        };
        let at = arg.offset as usize;
        let n = (arg.size as usize).min(8);
        if let Some(target) = segment.get_mut(at..at.saturating_add(n)) {
            target.copy_from_slice(&value.to_le_bytes()[..n]);
        }
    }
    segment
}

/// Bytes of `hsa_kernel_dispatch_packet_t`, and of the zeroed queue behind it.
const PACKET_BYTES: usize = 64;
const QUEUE_BYTES: usize = 256;

/// The dispatch packet (HSA runtime specification 1.2, 2.9.6), then an empty queue structure.
fn packet(kernel: &Kernel<'_>, shape: &Shape, launch: &Launch<'_>, kernarg: u64) -> Vec<u8> {
    let mut bytes = vec![0; PACKET_BYTES + QUEUE_BYTES];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, &2u16.to_le_bytes()); // a kernel dispatch
    put(2, &3u16.to_le_bytes()); // three dimensions
    for i in 0..3 {
        put(4 + 2 * i, &(launch.block[i] as u16).to_le_bytes());
        put(12 + 4 * i, &(launch.grid[i] * launch.block[i]).to_le_bytes());
    }
    put(24, &shape.private_bytes.to_le_bytes());
    put(28, &shape.lds_bytes.to_le_bytes());
    put(32, &(kernel.base + kernel.descriptor.address).to_le_bytes());
    put(40, &kernarg.to_le_bytes());
    bytes
}

/// What the command processor puts into a wave's registers.
struct Registers {
    entry: u64,
    mode: u32,
    user: Vec<u32>,
    rsrc2: u32,
}

impl Registers {
    fn new(kernel: &Kernel<'_>, shape: &Shape, arguments: &Block<'_>, packet: u64) -> Registers {
        let descriptor = kernel.descriptor;
        let has = |property| descriptor.properties & property != 0;
        let mut user: Vec<u32> = Vec::with_capacity(16);
        let pair = |user: &mut Vec<u32>, value: u64| user.extend([value as u32, (value >> 32) as u32]);
        if has(PRIVATE_SEGMENT_BUFFER) {
            // With architected flat scratch nobody reads it (LLVM keeps the slot for the ABI's sake).
            user.extend([0; 4]);
        }
        if has(DISPATCH_PTR) {
            pair(&mut user, packet);
        }
        if has(QUEUE_PTR) {
            pair(&mut user, packet + PACKET_BYTES as u64);
        }
        if has(KERNARG_PTR) {
            pair(&mut user, arguments.base);
        }
        if has(DISPATCH_ID) {
            pair(&mut user, 0);
        }
        if has(FLAT_SCRATCH_INIT) {
            pair(&mut user, 0);
        }
        if has(PRIVATE_SEGMENT_SIZE) {
            user.push(shape.private_bytes);
        }
        let (count, first) = ((descriptor.preload & 0x7f) as usize, (descriptor.preload >> 7) as usize);
        let dword = |i: usize| {
            let bytes = arguments.content.get(4 * i..4 * i + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.map_or(0, u32::from_le_bytes)
        };
        user.extend((first..first + count).map(dword));
        // The hardware has 16 user registers; the descriptor's count is authoritative.
        user.resize((descriptor.rsrc2 >> 1 & 31) as usize, 0);
        // With preload the entry's first 256 bytes load the registers for firmware that cannot.
        let skip = if count > 0 { 256 } else { 0 };
        let rsrc1 = descriptor.rsrc1;
        Registers {
            entry: kernel.base.wrapping_add(descriptor.entry).wrapping_add(skip),
            // FLOAT_MODE, DX10_CLAMP, IEEE and FP16_OVFL in their places in MODE.
            mode: rsrc1 >> 12 & 0xff
                | (rsrc1 >> 21 & 1) << 8
                | (rsrc1 >> 23 & 1) << 9
                | (rsrc1 >> 26 & 1) << 23,
            user,
            rsrc2: descriptor.rsrc2,
        }
    }

    /// The scalar registers: user data, then the workgroup's coordinates that the kernel asked for.
    fn scalars(&self, wave: &mut Wave, workgroup: [u32; 3], garbage: u32) {
        let mut next = self.user.len();
        wave.scalar[..next].copy_from_slice(&self.user);
        for (i, coordinate) in workgroup.into_iter().enumerate() {
            if self.rsrc2 >> (7 + i) & 1 == 1 {
                wave.scalar[next] = coordinate;
                next += 1;
            }
        }
        if self.rsrc2 >> 10 & 1 == 1 {
            wave.scalar[next] = 0; // workgroup info: only ordered append reads it
        }
        wave.scalar[crate::op::M0 as usize] = garbage;
        (wave.pc, wave.mode) = (self.entry, self.mode);
    }
}

/// One launch, shared by the host threads.
struct Job<'a> {
    kernel: &'a Kernel<'a>,
    launch: &'a Launch<'a>,
    host: Option<&'a dyn Host>,
    shape: &'a Shape,
    registers: Registers,
    memory: &'a Memory,
    /// The next workgroup to hand out.
    next: AtomicU64,
    /// The first faulting workgroup: later ones need not start.
    stop: AtomicU64,
    /// Issue cycles by compute unit.
    units: Vec<AtomicU64>,
    outcome: Mutex<Outcome>,
}

#[derive(Default)]
struct Outcome {
    by_class: [u64; Class::COUNT],
    fault: Option<(u64, Box<Fault>)>,
}

/// Counts what is issued.
struct Counts {
    by_class: [u64; Class::COUNT],
    /// Issue cycles of the current workgroup by SIMD.
    cycles: [u64; SIMDS],
}

impl Observer for Counts {
    #[inline(always)]
    fn issue(&mut self, wave: &Wave, op: &Op) {
        self.by_class[op.class as usize] += 1;
        self.cycles[wave.id as usize % SIMDS] += op.cycles as u64;
    }
}

impl Job<'_> {
    /// One thread: workgroups until there are none left.
    fn work(&self, view: View, scratch: Option<&Block<'_>>) {
        let mut waves: Vec<Wave> = (0..self.shape.waves).map(|id| Wave::new(id, 0, 0)).collect();
        let mut lds = vec![0; self.shape.lds_bytes as usize];
        let mut counts = Counts { by_class: [0; Class::COUNT], cycles: [0; SIMDS] };
        loop {
            let turn = self.next.fetch_add(1, Ordering::Relaxed);
            if turn >= self.shape.groups || turn > self.stop.load(Ordering::Relaxed) {
                break;
            }
            let index = self.place(turn);
            let workgroup = self.coordinates(index);
            fill(&mut lds, self.launch.options.garbage.pattern());
            self.prepare(&mut waves, workgroup, scratch);
            let mut cx = Cx::new(&mut lds, &view);
            cx.mfma = self.launch.options.mfma;
            cx.clamp_lds = self.launch.options.clamp_lds;
            cx.host = self.host;
            let budget = match self.launch.options.instruction_budget {
                0 => DEFAULT_BUDGET,
                budget => budget,
            };
            let schedule = Schedule {
                seed: self.launch.options.seed.map(|seed| seed ^ Random(index).next()),
                turn: self.launch.options.turn,
                budget,
                strict_barriers: !self.launch.options.divergent_barriers,
            };
            counts.cycles = [0; SIMDS];
            let run = group::run(&mut waves, self.kernel.program, &mut cx, schedule, &mut counts);
            let busiest = counts.cycles.into_iter().max().unwrap_or(0);
            self.units[(index % COMPUTE_UNITS as u64) as usize].fetch_add(busiest, Ordering::Relaxed);
            if let Err((wave, fault)) = run {
                self.stop.fetch_min(turn, Ordering::Relaxed);
                let fault = self.locate(fault, &waves[wave], workgroup);
                let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
                if outcome.fault.as_ref().is_none_or(|(first, _)| turn < *first) {
                    outcome.fault = Some((turn, fault));
                }
            }
        }
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        for (total, count) in outcome.by_class.iter_mut().zip(counts.by_class) {
            *total += count;
        }
    }

    /// The workgroup of a turn: itself, or a permutation of all by the seed.
    fn place(&self, turn: u64) -> u64 {
        let Some(seed) = self.launch.options.seed else { return turn };
        let groups = self.shape.groups;
        let mut random = Random(seed);
        let offset = random.below(groups);
        let mut factor = 1 + random.below(groups);
        while gcd(factor, groups) != 1 {
            factor += 1;
        }
        ((turn as u128 * factor as u128 + offset as u128) % groups as u128) as u64
    }

    fn coordinates(&self, index: u64) -> [u32; 3] {
        let [x, y, _] = self.launch.grid.map(u64::from);
        [(index % x) as u32, (index / x % y) as u32, (index / x / y) as u32]
    }

    fn prepare(&self, waves: &mut [Wave], workgroup: [u32; 3], scratch: Option<&Block<'_>>) {
        let garbage = self.launch.options.garbage.pattern();
        if let Some(scratch) = scratch {
            // The block is the thread's own and has that size.
            let _filled = self.memory.fill(scratch.base, &garbage.to_le_bytes(), scratch.bytes / 4);
        }
        for (id, wave) in waves.iter_mut().enumerate() {
            wave.pending.late = self.launch.options.late_delivery;
            wave.restart(id as u32, self.shape.arch_vgprs, self.shape.acc_vgprs, garbage);
            self.registers.scalars(wave, workgroup, garbage);
            if let Some(scratch) = scratch {
                wave.scratch_bytes_per_lane = self.shape.private_bytes;
                wave.scratch_base = scratch.base + id as u64 * 64 * self.shape.private_bytes as u64;
                wave.set_scalar64(FLAT_SCRATCH, wave.scratch_base);
            }
            let first = 64 * id as u32;
            let active = (self.shape.threads - first).min(64);
            wave.set_scalar64(crate::op::EXEC, if active == 64 { !0 } else { (1 << active) - 1 });
            let [x, y, _] = self.launch.block;
            // Packed work-item ids, ten bits each (gfx90a and later).
            let ids = Lanes(std::array::from_fn(|lane| {
                let item = first + lane as u32;
                (item % x) | ((item / x % y) << 10) | (item / x / y) << 20
            }));
            if let Ok(v0) = wave.vector_mut(0) {
                *v0 = ids;
            }
        }
    }

    /// Completes a fault with its place.
    #[cold]
    fn locate(&self, mut fault: Box<Fault>, wave: &Wave, workgroup: [u32; 3]) -> Box<Fault> {
        let pc = match fault.kind {
            FaultKind::BarrierDivergence { pc, .. } => pc,
            _ => wave.pc,
        };
        let (bits, text, name) = self.kernel.program.describe(pc);
        match &mut fault.kind {
            FaultKind::IllegalInstruction { word } => *word = bits,
            FaultKind::Unsupported { mnemonic, .. } if mnemonic.is_empty() => *mnemonic = name,
            _ => {}
        }
        let entry = self.kernel.base.wrapping_add(self.kernel.descriptor.entry);
        fault.place = Some(Place {
            kernel: self.kernel.info.name.clone(),
            offset: pc.wrapping_sub(entry) as i64,
            pc,
            text,
            workgroup,
            wave: wave.id,
            exec: wave.exec(),
        });
        fault
    }
}

/// LDS holds what the last workgroup left: garbage, here the same each time.
fn fill(lds: &mut [u8], garbage: u32) {
    for bytes in lds.chunks_mut(4) {
        bytes.copy_from_slice(&garbage.to_le_bytes()[..bytes.len()]);
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
