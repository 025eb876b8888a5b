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
    /// Byte offset of the instruction from the kernel's entry; negative in a function that lies before it.
    pub offset: i64,
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
#[expect(missing_docs, reason = "the variants' documentation names the fields")]
pub enum FaultKind {
    /// The decoder knows the instruction, the emulator does not execute it.
    Unsupported { mnemonic: &'static str, detail: &'static str },
    /// No gfx950 instruction has these bits.
    IllegalInstruction { word: u64 },
    /// The program counter left the loaded code, or points into an instruction.
    BadProgramCounter { pc: u64 },
    /// An access outside every allocation. `nearest` is the closest allocation as (base, bytes).
    OutOfBounds { access: Access, lane: u8, address: u64, bytes: u32, nearest: Option<(u64, u64)> },
    /// An address that the access width forbids.
    Unaligned { access: Access, lane: u8, address: u64, align: u32 },
    /// LDS access beyond the workgroup's allocation, unless `RunOptions::clamp_lds` accepts it.
    LdsOutOfBounds { access: Access, lane: u8, address: u32, bytes: u32, allocated: u32 },
    /// A register index beyond the kernel's allocation.
    BadRegister { register: u16, allocated: u16 },
    /// The wave issued its whole budget of instructions: an endless loop.
    Budget { instructions: u64 },
    /// Waves of one workgroup disagree about a barrier: `wave` waits at `pc`, its barrier number `barriers`
    /// (counted from 1), while `other` waits at `other_pc`, or has ended there after fewer barriers.
    BarrierDivergence { wave: u32, pc: u64, barriers: u64, other: u32, other_pc: u64, other_ended: bool },
    /// `s_trap` with this number: `abort`, `assert`, `__builtin_trap`.
    Trap { id: u16 },
    /// `s_sethalt`: the wave would wait for a debugger for ever.
    Halt,
}

impl Fault {
    /// A fault whose place is not known yet.
    #[cold]
    pub fn new(kind: FaultKind) -> Box<Fault> {
        Box::new(Fault { kind, place: None })
    }
}

impl FaultKind {
    /// A stable name for machine-readable reports.
    pub fn name(&self) -> &'static str {
        match self {
            FaultKind::Unsupported { .. } => "unsupported",
            FaultKind::IllegalInstruction { .. } => "illegal-instruction",
            FaultKind::BadProgramCounter { .. } => "bad-program-counter",
            FaultKind::OutOfBounds { .. } => "out-of-bounds",
            FaultKind::Unaligned { .. } => "unaligned",
            FaultKind::LdsOutOfBounds { .. } => "lds-out-of-bounds",
            FaultKind::BadRegister { .. } => "bad-register",
            FaultKind::Budget { .. } => "budget",
            FaultKind::BarrierDivergence { .. } => "barrier-divergence",
            FaultKind::Trap { .. } => "trap",
            FaultKind::Halt => "halt",
        }
    }
}

impl std::error::Error for Fault {}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        let Some(place) = &self.place else { return Ok(()) };
        let [x, y, z] = place.workgroup;
        let (sign, offset) =
            if place.offset < 0 { ("-", place.offset.unsigned_abs()) } else { ("+", place.offset as u64) };
        write!(f, " in kernel {}{sign}{offset:#x}: {}", place.kernel, place.text)?;
        write!(f, "; workgroup ({x},{y},{z}) wave {} exec {:#x}", place.wave, place.exec)
    }
}

/// Addresses below are null with an offset.
const NULL_BYTES: u64 = 4096;
/// How far from an allocation an access is still likely to have meant it.
const NEAR_BYTES: u64 = 1 << 20;

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FaultKind::Unsupported { mnemonic, detail } => {
                write!(f, "{mnemonic} is not executed by the virtual device ({detail})")
            }
            FaultKind::IllegalInstruction { word } => {
                write!(f, "no gfx950 instruction has the bits {word:#018x}")
            }
            FaultKind::BadProgramCounter { pc } => {
                write!(f, "the program counter {pc:#x} points at no instruction of the code object")
            }
            FaultKind::OutOfBounds { access, lane, address, bytes, nearest } => {
                write!(f, "out-of-bounds {access} of {bytes} bytes at {address:#x} by lane {lane} (")?;
                match *nearest {
                    None => f.write_str("the device has no allocation")?,
                    _ if *address < NULL_BYTES => f.write_str("a null pointer with an offset")?,
                    Some((base, size)) if base.abs_diff(*address).saturating_sub(size) > NEAR_BYTES => {
                        f.write_str("no allocation is near")?;
                    }
                    Some((base, size)) if *address >= base => {
                        let past = (address - base).saturating_add(*bytes as u64).saturating_sub(size);
                        write!(
                            f,
                            "reaches {past} bytes past the end of a {size}-byte allocation at {base:#x}"
                        )?;
                    }
                    Some((base, size)) => {
                        write!(f, "{} bytes before a {size}-byte allocation at {base:#x}", base - address)?;
                    }
                }
                f.write_str(")")
            }
            FaultKind::Unaligned { access, lane, address, align } => {
                write!(f, "{access} at {address:#x} by lane {lane} needs an address divisible by {align}")
            }
            FaultKind::LdsOutOfBounds { access, lane, address, bytes, allocated } => {
                write!(
                    f,
                    "LDS {access} of {bytes} bytes at {address:#x} by lane {lane}, beyond the workgroup's {allocated} bytes"
                )
            }
            FaultKind::BadRegister { register, allocated } => {
                let (file, index) = if *register < 256 { ("v", *register) } else { ("a", register - 256) };
                write!(f, "register {file}{index}: the kernel's descriptor allocates {allocated} of them")
            }
            FaultKind::Budget { instructions } => {
                write!(
                    f,
                    "a wave issued {instructions} instructions without ending: an endless loop, or raise the budget"
                )
            }
            FaultKind::BarrierDivergence { wave, pc, barriers, other, other_pc, other_ended } => {
                write!(
                    f,
                    "wave {wave} waits at barrier {barriers} (s_barrier at {pc:#x}) while wave {other} "
                )?;
                if *other_ended {
                    write!(f, "ended at {other_pc:#x} without reaching it")
                } else {
                    write!(f, "waits at another one (s_barrier at {other_pc:#x})")
                }
            }
            FaultKind::Trap { id } => write!(f, "trap {id}: an abort or a failed assertion of the kernel"),
            FaultKind::Halt => f.write_str("the wave halts itself and waits for a debugger"),
        }
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
