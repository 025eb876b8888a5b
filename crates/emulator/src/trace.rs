//! What workgroups did, for a model of time: the executed instructions of each wave with what each moved.
//!
//! ```text
//! Device::record(kernel, launch, workgroups, extent) ─▶ Recording
//!    ops      each instruction that ran, once: class, registers, what it waits for
//!    events   each (instruction, what it moved) that occurred, once
//!    groups   per workgroup: streams of events per wave, loops folded; what of memory it touched
//! ```
//! Control flow and addresses of the kernels that this serves hardly depend on data, so one workgroup of each
//! class (interior, edges) stands for the others; [`Extent::Prefix`] shows cheaply which workgroups touch the
//! same memory.

mod access;
mod banks;
mod fold;
mod recorder;

use serde::{Deserialize, Serialize};

pub use banks::{LdsAccess, lds_cycles};
pub use fold::{Fold, Folds};

/// How much of a workgroup is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Every instruction of every wave.
    Whole,
    /// Until its waves have made so many vector memory accesses on average, and only [`GroupTrace::touched`]. The
    /// workgroup does not run to its end.
    Prefix {
        /// Accesses of a wave.
        accesses: u32,
    },
}

/// Recorded workgroups of one launch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// What the workgroups need of a compute unit.
    pub needs: Needs,
    /// The instructions that were executed.
    pub ops: Vec<TraceOp>,
    /// What instructions moved; an [`Event`] that occurs many times is here once.
    pub events: Vec<Event>,
    /// In the order asked for.
    pub groups: Vec<GroupTrace>,
}

/// What a workgroup occupies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// Waves.
    pub waves: u32,
    /// LDS, bytes.
    pub lds_bytes: u32,
    /// Vector registers of a lane, architectural and accumulation together.
    pub vgprs: u32,
    /// Scratch of a lane, bytes.
    pub scratch_bytes: u32,
}

/// One workgroup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupTrace {
    /// Its coordinates in the grid.
    pub workgroup: [u32; 3],
    /// The events of each wave: indices into [`Recording::events`]. Empty for a prefix.
    pub waves: Vec<Folds>,
    /// What it touched of device memory, by allocation, in order of address; scratch, which no other workgroup
    /// shares, is not among them.
    pub touched: Vec<Touched>,
}

/// What a workgroup touched of one allocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touched {
    /// Index of the allocation by ascending address, as [`MemoryAccess::allocation`].
    pub allocation: u16,
    /// A number that two workgroups share if and (but for collisions) only if they touched the same lines.
    pub key: u64,
    /// Distinct lines of [`LINE_BYTES`].
    pub lines: u32,
    /// Lines moved by all instructions together: more than `lines` where waves read the same.
    pub line_moves: u64,
    /// Bytes moved.
    pub bytes: u64,
    /// Whether anything was written.
    pub written: bool,
}

/// Bytes of a cache line of L1 (TCP) and L2 on CDNA3 and later.
pub const LINE_BYTES: u64 = 128;

/// [`MemoryAccess::allocation`] where nothing was accessed, or what no allocation holds.
pub const NO_ALLOCATION: u16 = u16::MAX;

/// [`MemoryAccess::allocation`] of scratch.
pub const SCRATCH: u16 = u16::MAX - 1;

/// A static instruction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceOp {
    /// Bytes from the kernel's entry.
    pub offset: i64,
    /// Base mnemonic.
    pub mnemonic: String,
    /// What unit issues it.
    pub unit: Unit,
    /// Cycles that its unit is busy, by the rates of LLVM's scheduling model of gfx950: 4 per pass of the matrix
    /// core, 16 for a transcendental, 4 otherwise.
    pub cycles: u16,
    /// Vector registers written: first and count; accumulation registers from 256 on.
    pub writes: Vec<(u16, u16)>,
    /// Vector registers read.
    pub reads: Vec<(u16, u16)>,
    /// What it waits for.
    pub wait: Option<Wait>,
}

/// Who executes an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Unit {
    /// Vector ALU.
    Valu,
    /// Matrix core.
    Matrix,
    /// Scalar ALU.
    Scalar,
    /// Scalar memory.
    ScalarMemory,
    /// Local data share.
    Lds,
    /// Vector memory.
    Memory,
    /// Branches.
    Branch,
    /// `s_barrier`.
    Barrier,
    /// `s_sleep`, with its length in units of 64 cycles.
    Sleep(u16),
    /// Waits, hints, the end: nothing but an issue slot.
    Other,
}

/// `s_waitcnt`: at most so many may be outstanding afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Wait {
    /// Vector memory; 63 is no limit.
    pub vector: u8,
    /// LDS and scalar memory; 15 is no limit.
    pub lgkm: u8,
}

/// An executed instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Event {
    /// Index into [`Recording::ops`].
    pub op: u32,
    /// What it moved.
    pub moved: Moved,
}

/// What an executed instruction moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Moved {
    /// Nothing.
    Nothing,
    /// LDS to or from registers.
    Lds {
        /// Cycles of the LDS port, conflicts included; see [`lds_cycles`].
        cycles: u16,
        /// Of these, cycles that conflicts cost.
        conflicts: u16,
    },
    /// Device memory.
    Memory(MemoryAccess),
}

/// What a vector or scalar memory instruction moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MemoryAccess {
    /// Index of the allocation by ascending address, [`SCRATCH`] or [`NO_ALLOCATION`].
    pub allocation: u16,
    /// Bytes that the range check let through.
    pub bytes: u32,
    /// Distinct lines of [`LINE_BYTES`].
    pub lines: u16,
    /// Distinct sectors of half a line.
    pub sectors: u16,
    /// Direction.
    pub kind: AccessKind,
    /// Whether the data goes to LDS instead of registers.
    pub to_lds: bool,
}

/// Direction of a memory instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AccessKind {
    /// Reads.
    Load,
    /// Writes.
    Store,
    /// Reads and writes in the cache.
    Atomic,
}
