//! The state of one wave64 and the operand access that every handler uses.

pub(crate) use crate::simd::blend;
use crate::{
    fault::{Access, Fault, FaultKind},
    lanes::Lanes,
    op::{Arg, EXEC, M0, Op, VCC},
};

/// What a wave is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// Can issue.
    Ready,
    /// Waits at `s_barrier`.
    Barrier,
    /// After `s_endpgm`.
    Ended,
}

/// One resumable wave.
#[derive(Clone, Debug)]
pub(crate) struct Wave {
    /// Vector registers: architectural at 0, accumulation from `agpr_base`; only what the kernel allocated.
    vgpr: Vec<Lanes>,
    /// Where the accumulation registers begin.
    arch_count: u16,
    /// Architectural registers that can be named: the two kinds are one file, and the numbers of the first reach into
    /// the second (AITER's kernels for prompts use v235 with accumulation registers from 128 on).
    arch_limit: u16,
    /// Accumulation registers allocated.
    acc_count: u16,
    /// The scalar file by hardware index (SGPRs, VCC, TTMP, M0, EXEC).
    pub scalar: [u32; 128],
    pub scc: bool,
    /// The MODE register: round, denorm, clamp, IEEE, GPR-index enable … as in the ISA.
    pub mode: u32,
    /// Address of the current instruction.
    pub pc: u64,
    /// Address of the next one; a branch overwrites it.
    pub next_pc: u64,
    pub status: Status,
    /// Index in the workgroup.
    pub id: u32,
    /// Instructions issued so far, kept by the run loop: the wave's deterministic clock.
    pub issued: u64,
    /// Barriers passed or waited at so far.
    pub barriers: u64,
    /// Address of the barrier that it waits at, or of its end.
    pub at: u64,
    /// Base of this wave's scratch in device memory, and bytes per lane.
    pub scratch_base: u64,
    pub scratch_bytes_per_lane: u32,
    /// Memory results that the wave has not waited for.
    pub pending: crate::pending::Pending,
}

/// What a handler reaches besides its wave.
pub(crate) struct Cx<'a> {
    /// The workgroup's LDS, exactly the allocated bytes.
    pub lds: &'a mut Vec<u8>,
    /// Device memory.
    pub memory: &'a crate::memory::View,
    /// How matrix instructions accumulate.
    pub mfma: crate::exec::MfmaPolicy,
    /// Who listens to messages.
    pub host: Option<&'a dyn crate::host::Host>,
    /// Beyond the workgroup's LDS reads give 0 and writes are dropped, as on hardware, instead of faulting.
    pub clamp_lds: bool,
}

impl<'a> Cx<'a> {
    /// The default matrix policy.
    pub(crate) fn new(lds: &'a mut Vec<u8>, memory: &'a crate::memory::View) -> Cx<'a> {
        Cx { lds, memory, mfma: crate::exec::MfmaPolicy::default(), host: None, clamp_lds: false }
    }

    /// What an LDS access beyond the workgroup's allocation comes to.
    ///
    /// # Errors
    /// [`FaultKind::LdsOutOfBounds`], unless LDS clamps.
    #[cold]
    pub(crate) fn outside_lds(
        &self,
        access: Access,
        lane: usize,
        address: u32,
        bytes: usize,
    ) -> Result<(), Box<Fault>> {
        if self.clamp_lds {
            return Ok(());
        }
        Err(Fault::new(FaultKind::LdsOutOfBounds {
            access,
            lane: lane as u8,
            address,
            bytes: bytes as u32,
            allocated: self.lds.len() as u32,
        }))
    }
}

/// MODE: vector register indices are relative to M0 (`s_set_gpr_idx_on`).
pub(crate) const GPR_INDEX: u32 = 1 << 27;
/// MODE: vector instructions are skipped (`s_setvskip`).
pub(crate) const VSKIP: u32 = 1 << 28;

impl Wave {
    /// A wave with `arch` + `acc` vector registers, all zero, EXEC full.
    pub(crate) fn new(id: u32, arch: u16, acc: u16) -> Wave {
        let mut scalar = [0; 128];
        scalar[EXEC as usize] = !0;
        scalar[EXEC as usize + 1] = !0;
        Wave {
            vgpr: vec![Lanes::ZERO; (arch + acc) as usize],
            arch_count: arch,
            arch_limit: (arch + acc).min(256),
            acc_count: acc,
            scalar,
            scc: false,
            mode: 0,
            pc: 0,
            next_pc: 0,
            status: Status::Ready,
            id,
            issued: 0,
            barriers: 0,
            at: 0,
            scratch_base: 0,
            scratch_bytes_per_lane: 0,
            pending: crate::pending::Pending::default(),
        }
    }

    /// Back to the start of a kernel with other sizes, keeping the buffers. Registers hold what the hardware
    /// leaves there: `garbage`.
    pub(crate) fn restart(&mut self, id: u32, arch: u16, acc: u16, garbage: u32) {
        self.vgpr.clear();
        self.vgpr.resize((arch + acc) as usize, Lanes::splat(garbage));
        (self.arch_count, self.arch_limit, self.acc_count) = (arch, (arch + acc).min(256), acc);
        self.scalar = [garbage; 128];
        self.set_scalar64(EXEC, !0);
        (self.scc, self.mode, self.issued, self.barriers) = (false, 0, 0, 0);
        (self.id, self.status) = (id, Status::Ready);
        self.pending = crate::pending::Pending::new(self.pending.delivery);
    }

    /// EXEC as a lane mask.
    #[inline(always)]
    pub(crate) fn exec(&self) -> u64 {
        self.scalar64(EXEC)
    }

    /// VCC as a lane mask.
    #[inline(always)]
    pub(crate) fn vcc(&self) -> u64 {
        self.scalar64(VCC)
    }

    /// M0.
    #[inline(always)]
    pub(crate) fn m0(&self) -> u32 {
        self.scalar[M0 as usize]
    }

    /// A scalar pair.
    #[inline(always)]
    pub(crate) fn scalar64(&self, index: u8) -> u64 {
        let i = index as usize & 126;
        self.scalar[i] as u64 | (self.scalar[i + 1] as u64) << 32
    }

    /// Writes a scalar pair.
    #[inline(always)]
    pub(crate) fn set_scalar64(&mut self, index: u8, value: u64) {
        let i = index as usize & 126;
        self.scalar[i] = value as u32;
        self.scalar[i + 1] = (value >> 32) as u32;
    }

    /// A vector register; `register` as in [`Arg::Vector`].
    ///
    /// # Errors
    /// [`FaultKind::BadRegister`] beyond the kernel's allocation.
    #[inline(always)]
    pub(crate) fn vector(&self, register: u16) -> Result<&Lanes, Box<Fault>> {
        let index = self.vector_index(register)?;
        Ok(&self.vgpr[index])
    }

    /// A vector register for writing; the caller honours EXEC.
    #[inline(always)]
    pub(crate) fn vector_mut(&mut self, register: u16) -> Result<&mut Lanes, Box<Fault>> {
        let index = self.vector_index(register)?;
        Ok(&mut self.vgpr[index])
    }

    /// Writes the active lanes of a vector register.
    #[inline(always)]
    pub(crate) fn write_vector(&mut self, register: u16, value: &Lanes) -> Result<(), Box<Fault>> {
        let exec = self.exec();
        let target = self.vector_mut(register)?;
        blend(target, value, exec);
        Ok(())
    }

    /// Source `i` of `op` as 32-bit lanes without modifiers: a register in place, or a constant spread into `spread`.
    #[inline(always)]
    pub(crate) fn lanes<'a>(
        &'a self,
        op: &Op,
        i: usize,
        spread: &'a mut Lanes,
    ) -> Result<&'a Lanes, Box<Fault>> {
        match op.src[i] {
            Arg::Vector(register) => self.vector(register),
            other => {
                *spread = Lanes::splat(self.scalar_arg(other));
                Ok(spread)
            }
        }
    }

    /// A non-vector argument as 32 bits (inline floats as f32).
    #[inline(always)]
    pub(crate) fn scalar_arg(&self, arg: Arg) -> u32 {
        match arg {
            Arg::Scalar(index) => self.scalar[index as usize],
            Arg::Int(value) => value as u32,
            Arg::Float(index) => INLINE_F32[index as usize],
            Arg::Literal(word) => word,
            Arg::Special(which) => self.special(which),
            Arg::None | Arg::Vector(_) => 0,
        }
    }

    fn special(&self, which: cdna4::Special) -> u32 {
        use cdna4::Special;
        match which {
            Special::Scc => self.scc as u32,
            Special::Vccz => (self.vcc() == 0) as u32,
            Special::Execz => (self.exec() == 0) as u32,
            _ => 0,
        }
    }

    /// A hardware value as a pair. The apertures' bases are in the high dword, which only a 64-bit read
    /// sees (LLVM reads them by `s_mov_b64` for that reason); a limit is the aperture's last byte.
    pub(crate) fn special64(&self, which: cdna4::Special) -> u64 {
        use cdna4::Special;

        use crate::memory::{APERTURE_BYTES, PRIVATE_BASE, SHARED_BASE};
        match which {
            Special::SharedBase => SHARED_BASE,
            Special::SharedLimit => SHARED_BASE + APERTURE_BYTES - 1,
            Special::PrivateBase => PRIVATE_BASE,
            Special::PrivateLimit => PRIVATE_BASE + APERTURE_BYTES - 1,
            other => self.special(other) as u64,
        }
    }

    #[inline(always)]
    fn vector_index(&self, register: u16) -> Result<usize, Box<Fault>> {
        let (index, count, base) = if register < 256 {
            (register, self.arch_limit, 0)
        } else {
            (register - 256, self.acc_count, self.arch_count)
        };
        if index < count {
            Ok((base + index) as usize)
        } else {
            Err(Fault::new(FaultKind::BadRegister { register, allocated: count }))
        }
    }
}

/// The inline float constants as f32 bits: 0.5, −0.5, 1, −1, 2, −2, 4, −4, 1/(2π).
pub(crate) const INLINE_F32: [u32; 9] = [
    0x3f00_0000,
    0xbf00_0000,
    0x3f80_0000,
    0xbf80_0000,
    0x4000_0000,
    0xc000_0000,
    0x4080_0000,
    0xc080_0000,
    0x3e22_f983,
];

/// The same as f64 bits.
pub(crate) const INLINE_F64: [u64; 9] = [
    0x3fe0_0000_0000_0000,
    0xbfe0_0000_0000_0000,
    0x3ff0_0000_0000_0000,
    0xbff0_0000_0000_0000,
    0x4000_0000_0000_0000,
    0xc000_0000_0000_0000,
    0x4010_0000_0000_0000,
    0xc010_0000_0000_0000,
    0x3fc4_5f30_6dc9_c882,
];
