//! What a replay shows while it runs: for timelines and for where the cycles go.

use crate::units::Ticks;

/// Why a wave did not issue its next instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stall {
    /// A vector or memory instruction reads, or a matrix instruction adds onto, what the matrix core has not finished.
    MatrixResult,
    /// Another wave's vector instruction has the SIMD.
    Simd,
    /// The matrix core of the SIMD is busy.
    MatrixCore,
    /// `s_waitcnt vmcnt`, or the counter is full: device memory.
    Memory,
    /// `s_waitcnt lgkmcnt`, or the counter is full: LDS or scalar memory.
    Lgkm,
    /// The address unit takes no further accesses.
    AddressUnit,
    /// `s_barrier`: others have not arrived.
    Barrier,
}

impl Stall {
    /// All of them.
    pub const ALL: [Stall; 7] = [
        Stall::MatrixResult,
        Stall::Simd,
        Stall::MatrixCore,
        Stall::Memory,
        Stall::Lgkm,
        Stall::AddressUnit,
        Stall::Barrier,
    ];
}

/// Parts that the waves of a compute unit share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// Vector ALU of a SIMD.
    Vector {
        /// The SIMD.
        simd: u8,
    },
    /// Matrix core of a SIMD.
    Matrix {
        /// The SIMD.
        simd: u8,
    },
    /// The LDS port.
    Lds,
    /// Address unit and L1.
    L1,
    /// The compute unit's share of L2.
    L2,
    /// The compute unit's share of its XCD's fabric port.
    Fabric,
    /// The compute unit's share of HBM.
    Memory,
}

/// Sees a replay. `event` is an index into [`emulator::Recording::events`], whose operation has the instruction's
/// offset; `wave` counts the waves of the first resident workgroup, then those of the next. Times of one wave ascend;
/// those of different waves interleave.
pub trait Watch {
    /// Whether loops are replayed to their end. Otherwise those that have settled are skipped, which
    /// [`Watch::skip`] is told.
    const EVERY_TURN: bool = true;

    /// A wave waits before (or, for [`Stall::AddressUnit`] and [`Stall::Barrier`], after) it issues an event.
    fn stall(&mut self, _wave: usize, _event: u32, _why: Stall, _from: Ticks, _until: Ticks) {}

    /// A wave issues an event; it could issue its next one at `until`.
    fn issue(&mut self, _wave: usize, _event: u32, _from: Ticks, _until: Ticks) {}

    /// A part works for an event.
    fn busy(&mut self, _wave: usize, _event: u32, _part: Part, _from: Ticks, _until: Ticks) {}

    /// An access that a wave issued at `from` has its data at `until`.
    fn arrive(&mut self, _wave: usize, _event: u32, _from: Ticks, _until: Ticks) {}

    /// All waves repeat the last turn of their loops so many times, which takes `by`.
    fn skip(&mut self, _turns: u32, _by: Ticks) {}

    /// A wave ends.
    fn end(&mut self, _wave: usize, _at: Ticks) {}
}

/// Nobody watches.
impl Watch for () {
    const EVERY_TURN: bool = false;
}
