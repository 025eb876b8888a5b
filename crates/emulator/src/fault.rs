//! What can go wrong inside a kernel, and where.

use std::fmt;

/// A kernel's violation: the reason, completed by the engine with the place.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// What happened.
    pub kind: FaultKind,
    /// Where, once known: the handlers do not know their place, the engine fills it in.
    pub place: Option<Place>,
}

/// Where a fault happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// Kernel symbol.
    pub kernel: String,
    /// Byte offset of the instruction from the kernel's entry.
    pub offset: u64,
    /// Its address in device memory.
    pub pc: u64,
    /// Its disassembly.
    pub text: String,
    /// Workgroup coordinates.
    pub workgroup: [u32; 3],
    /// Wave index in the workgroup.
    pub wave: u32,
    /// EXEC at the instruction.
    pub exec: u64,
}

/// Direction of a memory access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Load.
    Read,
    /// Store.
    Write,
    /// Read-modify-write.
    Atomic,
}

/// The reason of a fault.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum FaultKind {
    /// The decoder knows the instruction, the emulator does not execute it.
    Unsupported { mnemonic: &'static str, detail: &'static str },
    /// No gfx950 instruction has these bits, or the program counter left the code.
    IllegalInstruction { word: u64 },
    /// The program counter left the loaded code.
    BadProgramCounter { pc: u64 },
    /// An access outside every allocation. `nearest` is the closest allocation as (base, bytes).
    OutOfBounds { access: Access, lane: u8, address: u64, bytes: u32, nearest: Option<(u64, u64)> },
    /// An address that the access width forbids.
    Unaligned { access: Access, lane: u8, address: u64, align: u32 },
    /// LDS access beyond the workgroup's allocation (reported when strict LDS is on).
    LdsOutOfBounds { access: Access, lane: u8, address: u32, bytes: u32, allocated: u32 },
    /// A register index beyond the kernel's allocation.
    BadRegister { register: u16, allocated: u16 },
    /// The instruction budget ran out: an endless loop.
    Budget { instructions: u64 },
    /// Some waves wait at a barrier that others will never reach.
    BarrierDeadlock { waiting: u32, ended: u32 },
    /// `s_trap`.
    Trap { id: u16 },
}

impl Fault {
    /// A fault whose place is not known yet.
    #[cold]
    pub fn new(kind: FaultKind) -> Box<Fault> {
        Box::new(Fault { kind, place: None })
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Access::Read => "read",
            Access::Write => "write",
            Access::Atomic => "atomic",
        })
    }
}
