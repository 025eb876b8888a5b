//! Memory results on their way to registers and LDS.
//!
//! A load's handler computes its result at issue and hands it over here. The normal mode writes at once
//! and only counts. The *late* mode is adversarial: the destination holds [`POISON`] until an
//! `s_waitcnt` proves the arrival, so a missing or too weak wait gives wrong numbers, not luck.
//!
//! What a wait proves (CDNA3/4 ISA, "data dependency resolution"; LLVM's SIInsertWaitcnts agrees):
//! - vm: loads and stores complete in issue order; `vmcnt(n)` proves all but the youngest n.
//! - lgkm: LDS operations complete in order among themselves, scalar memory in any order; an LDS
//!   operation is proven by n only if at most… n younger LDS operations exist, a scalar one by 0 only.
//! - FLAT counts in both, and may take either path: proven by `vmcnt(0)` and `lgkmcnt(0)` together.
//! - A full counter (vm 63, lgkm 15) stalls the issue, which proves the oldest ordered operation.
//!
//! Stores read their data at issue and are visible at once: store data hazards are not modelled. A
//! register that is overwritten while a result is under way receives the late result at the wait, as on
//! the device.

use std::collections::VecDeque;

use crate::{
    lanes::Lanes,
    simd::Step,
    wave::{Cx, Wave, blend},
};

/// Content of a register or LDS dword whose result has not arrived: NaN as FP64, FP32, FP16, BF16 and
/// in two bytes as FP8; as an address, outside every aperture.
pub(crate) const POISON: u32 = 0xffba_ffba;

const VM_MAX: u32 = 63;
const LGKM_MAX: u32 = 15;

/// Which counter an operation holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counter {
    /// Global, buffer and scratch memory.
    Vm,
    /// LDS.
    Lgkm,
    /// Both: FLAT addresses, which may be either.
    Flat,
}

/// Outstanding vm and lgkm operations of one wave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pending {
    /// Adversarial delivery.
    pub late: bool,
    vm: u32,
    lgkm: u32,
    /// Issue order; empty unless `late`.
    queue: VecDeque<Flight>,
}

/// One operation that has not been proven complete.
#[derive(Clone, Debug)]
struct Flight {
    in_vm: bool,
    in_lgkm: bool,
    /// Completes in issue order among the ordered operations of its counter.
    ordered: bool,
    result: Arrival,
}

#[derive(Clone, Debug)]
enum Arrival {
    /// A store, or a load for nobody.
    Nothing,
    Vector { register: u16, lanes: Box<[Lanes]>, mask: u64, bits: u32 },
    Scalar { first: u8, dwords: Box<[u32]> },
    Lds(Box<LdsWrite>),
}

/// Lane l writes `dwords` consecutive dwords (or the low `bytes` of the only one) at `addresses[l]`.
#[derive(Clone, Debug)]
pub(crate) struct LdsWrite {
    /// Byte address in the workgroup's LDS per lane.
    pub addresses: [u32; 64],
    /// Bytes per lane: 1, 2, 4, 12 or 16.
    pub bytes: u32,
    /// Dword i of every lane.
    pub data: [Lanes; 4],
    /// Lanes that write.
    pub mask: u64,
}

impl LdsWrite {
    /// Writes `value(lane, dword)`; what lies beyond the LDS is dropped, dword by dword.
    fn write(&self, lds: &mut [u8], value: impl Fn(usize, usize) -> u32) {
        for lane in (0..64).filter(|lane| self.mask >> lane & 1 == 1) {
            let mut at = self.addresses[lane] as usize;
            let mut left = self.bytes as usize;
            let mut dword = 0;
            while left > 0 {
                let n = left.min(4);
                if let Some(target) = lds.get_mut(at..at + n) {
                    target.copy_from_slice(&value(lane, dword).to_le_bytes()[..n]);
                }
                (at, left, dword) = (at + n, left - n, dword + 1);
            }
        }
    }
}

impl Pending {
    /// Outstanding operations as the hardware counters show them: (vm, lgkm).
    pub(crate) fn counts(&self) -> (u32, u32) {
        (self.vm, self.lgkm)
    }
}

impl Wave {
    /// Hands over a load's result: `lanes[i]` goes to `register + i`, for the lanes in `mask`.
    ///
    /// # Errors
    /// [`BadRegister`](crate::fault::FaultKind::BadRegister) for a destination beyond the allocation.
    #[inline(always)]
    pub(crate) fn deliver(&mut self, cx: &mut Cx<'_>, counter: Counter, register: u16, lanes: &[Lanes], mask: u64) -> Step {
        self.count(cx, counter);
        if self.pending.late {
            return self.fly_vector(counter, register, lanes, mask, !0);
        }
        for (i, value) in lanes.iter().enumerate() {
            blend(self.vector_mut(register + i as u16)?, value, mask);
        }
        Ok(())
    }

    /// [`Wave::deliver`] of a 16-bit result into one half of `register`; `value` holds it in the low
    /// half. The other half is preserved.
    ///
    /// # Errors
    /// As [`Wave::deliver`].
    pub(crate) fn deliver_half(
        &mut self,
        cx: &mut Cx<'_>,
        counter: Counter,
        register: u16,
        value: &Lanes,
        high: bool,
        mask: u64,
    ) -> Step {
        self.count(cx, counter);
        let (shift, bits) = if high { (16, 0xffff_0000) } else { (0, 0xffff) };
        let placed = Lanes(std::array::from_fn(|lane| value[lane] << shift));
        if self.pending.late {
            return self.fly_vector(counter, register, &[placed], mask, bits);
        }
        write_bits(self.vector_mut(register)?, &placed, mask, bits);
        Ok(())
    }

    /// Hands over a scalar load's result; scalar memory counts in lgkm and returns out of order.
    pub(crate) fn deliver_scalar(&mut self, cx: &mut Cx<'_>, first: u8, dwords: &[u32]) {
        self.count(cx, Counter::Lgkm);
        let range = first as usize..(first as usize + dwords.len()).min(self.scalar.len());
        if self.pending.late {
            self.scalar[range].fill(POISON);
            self.fly(Counter::Lgkm, false, Arrival::Scalar { first, dwords: dwords.into() });
        } else {
            let n = range.len();
            self.scalar[range].copy_from_slice(&dwords[..n]);
        }
    }

    /// Hands over a result for LDS: loads to LDS.
    pub(crate) fn deliver_lds(&mut self, cx: &mut Cx<'_>, counter: Counter, write: &LdsWrite) {
        self.count(cx, counter);
        if self.pending.late {
            write.write(cx.lds, |_, _| POISON);
            self.fly(counter, counter != Counter::Flat, Arrival::Lds(Box::new(write.clone())));
        } else {
            write.write(cx.lds, |lane, dword| write.data[dword][lane]);
        }
    }

    /// Counts a store, or another operation without a result that completes in order.
    #[inline(always)]
    pub(crate) fn count_store(&mut self, cx: &mut Cx<'_>, counter: Counter) {
        self.count(cx, counter);
        if self.pending.late {
            self.fly(counter, counter != Counter::Flat, Arrival::Nothing);
        }
    }

    /// Counts a scalar memory operation without a result.
    pub(crate) fn count_scalar(&mut self, cx: &mut Cx<'_>) {
        self.count(cx, Counter::Lgkm);
        if self.pending.late {
            self.fly(Counter::Lgkm, false, Arrival::Nothing);
        }
    }

    /// `s_waitcnt`: at most `vm` and `lgkm` operations stay outstanding; a value that the field cannot
    /// exceed (63, 15) waits for nothing.
    #[inline(always)]
    pub(crate) fn wait(&mut self, cx: &mut Cx<'_>, vm: u32, lgkm: u32) {
        if self.pending.late {
            self.prove(cx, vm, lgkm);
        }
        self.pending.vm = self.pending.vm.min(vm);
        self.pending.lgkm = self.pending.lgkm.min(lgkm);
    }

    /// Everything arrives: the end of the wave.
    pub(crate) fn drain(&mut self, cx: &mut Cx<'_>) {
        self.wait(cx, 0, 0);
    }

    #[inline(always)]
    fn count(&mut self, cx: &mut Cx<'_>, counter: Counter) {
        if counter != Counter::Lgkm {
            if self.pending.vm == VM_MAX {
                self.wait(cx, VM_MAX - 1, u32::MAX);
            }
            self.pending.vm += 1;
        }
        if counter != Counter::Vm {
            if self.pending.lgkm == LGKM_MAX {
                self.wait(cx, u32::MAX, LGKM_MAX - 1);
            }
            self.pending.lgkm += 1;
        }
    }

    #[cold]
    fn fly_vector(&mut self, counter: Counter, register: u16, lanes: &[Lanes], mask: u64, bits: u32) -> Step {
        for i in 0..lanes.len() {
            write_bits(self.vector_mut(register + i as u16)?, &Lanes::splat(POISON), mask, bits);
        }
        self.fly(counter, counter != Counter::Flat, Arrival::Vector { register, lanes: lanes.into(), mask, bits });
        Ok(())
    }

    #[cold]
    fn fly(&mut self, counter: Counter, ordered: bool, result: Arrival) {
        self.pending.queue.push_back(Flight {
            in_vm: counter != Counter::Lgkm,
            in_lgkm: counter != Counter::Vm,
            ordered,
            result,
        });
    }

    /// Delivers, in issue order, what counters of at most `vm` and `lgkm` prove. An ordered operation is
    /// proven by n when n or more ordered ones of its counter are younger: were it outstanding, so were they.
    #[cold]
    fn prove(&mut self, cx: &mut Cx<'_>, vm: u32, lgkm: u32) {
        let (mut younger_vm, mut younger_lgkm) = (0, 0);
        for flight in self.pending.queue.iter_mut().rev() {
            if flight.in_vm {
                flight.in_vm = vm != 0 && !(flight.ordered && younger_vm >= vm);
                younger_vm += flight.ordered as u32;
            }
            if flight.in_lgkm {
                flight.in_lgkm = lgkm != 0 && !(flight.ordered && younger_lgkm >= lgkm);
                younger_lgkm += flight.ordered as u32;
            }
        }
        let mut queue = std::mem::take(&mut self.pending.queue);
        queue.retain(|flight| {
            let outstanding = flight.in_vm || flight.in_lgkm;
            if !outstanding {
                self.arrive(cx, &flight.result);
            }
            outstanding
        });
        self.pending.queue = queue;
    }

    fn arrive(&mut self, cx: &mut Cx<'_>, result: &Arrival) {
        match result {
            Arrival::Nothing => {}
            Arrival::Vector { register, lanes, mask, bits } => {
                for (i, value) in lanes.iter().enumerate() {
                    if let Ok(target) = self.vector_mut(register + i as u16) {
                        write_bits(target, value, *mask, *bits);
                    }
                }
            }
            Arrival::Scalar { first, dwords } => {
                for (target, value) in self.scalar[*first as usize..].iter_mut().zip(dwords) {
                    *target = *value;
                }
            }
            Arrival::Lds(write) => write.write(cx.lds, |lane, dword| write.data[dword][lane]),
        }
    }
}

/// Replaces `bits` of the lanes in `mask`.
fn write_bits(target: &mut Lanes, value: &Lanes, mask: u64, bits: u32) {
    for lane in (0..64).filter(|lane| mask >> lane & 1 == 1) {
        target[lane] = target[lane] & !bits | value[lane] & bits;
    }
}
