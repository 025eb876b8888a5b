//! Memory results on their way to registers and LDS.
//!
//! A load's handler computes its result at issue and hands it over here; [`Delivery`] says when it arrives.
//! The normal mode writes at once and only counts, the others keep a queue.
//!
//! What a wait proves is in [`Queue`]. A full counter (vm 63, lgkm 15) stalls the issue, which proves the oldest
//! ordered operation.
//!
//! Stores read their data at issue and are visible at once: store data hazards are not modelled. A
//! register that is overwritten while a result is under way receives the late result at the wait, as on
//! the device.

mod queue;

pub(crate) use queue::Queue;

use crate::{
    lanes::Lanes,
    simd::Step,
    wave::{Cx, Wave, blend},
};

/// Content of a register or LDS dword whose result has not arrived: NaN as FP64, FP32, FP16, BF16 and
/// in two bytes as FP8; as an address, outside every aperture.
pub(crate) const POISON: u32 = 0xffba_ffba;

pub(crate) const VM_MAX: u32 = 63;
pub(crate) const LGKM_MAX: u32 = 15;

/// When a memory result reaches its registers, or its place in LDS. On hardware it takes its time, and only the
/// covering `s_waitcnt` promises the arrival; code may rely on either end of that time without a right to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// At issue: the shortest time.
    #[default]
    Immediate,
    /// At the covering wait, and a pattern until then, which is NaN in every float format: a missing or too weak
    /// wait gives wrong numbers, not luck.
    Poisoned,
    /// At the covering wait, and the old content until then: the longest time. Code that still reads a register
    /// after a load into it was issued is right in this mode, wrong in the others.
    Stale,
    /// So many instructions of the wave after its own, or at the covering wait if that is earlier; the old content
    /// until then.
    After(u32),
}

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
    /// When results arrive.
    pub delivery: Delivery,
    vm: u32,
    lgkm: u32,
    /// Empty with immediate delivery.
    queue: Queue<Flight>,
}

/// A result under way.
#[derive(Clone, Debug)]
struct Flight {
    /// Place of its instruction among the wave's.
    issued: u64,
    result: Arrival,
}

#[derive(Clone, Debug)]
enum Arrival {
    /// A store, or a load for nobody.
    Nothing,
    Vector {
        register: u16,
        lanes: Box<[Lanes]>,
        mask: u64,
        bits: u32,
    },
    Scalar {
        first: u8,
        dwords: Box<[u32]>,
    },
    Lds {
        base: u32,
        stride: u32,
        data: Box<[Lanes]>,
        mask: u64,
    },
}

/// A load to LDS: lane l writes its dwords of `data`, consecutively, at byte `base + l * stride`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LdsWrite<'a> {
    /// Byte address in the workgroup's LDS of lane 0.
    pub base: u32,
    /// Bytes from lane to lane.
    pub stride: u32,
    /// Dword i of every lane.
    pub data: &'a [Lanes],
    /// Lanes that write.
    pub mask: u64,
}

impl LdsWrite<'_> {
    /// Writes; what lies beyond the LDS is dropped, dword by dword.
    #[inline(always)]
    fn write(&self, lds: &mut [u8]) {
        let (base, stride, dwords) = (self.base as usize, self.stride as usize, self.data.len());
        let length = 63 * stride + 4 * dwords;
        if self.mask == !0
            && let Some(target) = lds.get_mut(base..base + length)
        {
            for (i, data) in self.data.iter().enumerate() {
                for lane in 0..64 {
                    let at = lane * stride + 4 * i;
                    target[at..at + 4].copy_from_slice(&data[lane].to_le_bytes());
                }
            }
            return;
        }
        for lane in (0..64).filter(|lane| self.mask >> lane & 1 == 1) {
            for (i, data) in self.data.iter().enumerate() {
                let at = base + lane * stride + 4 * i;
                if let Some(target) = lds.get_mut(at..at + 4) {
                    target.copy_from_slice(&data[lane].to_le_bytes());
                }
            }
        }
    }
}

impl Pending {
    /// Nothing outstanding.
    pub(crate) fn new(delivery: Delivery) -> Pending {
        Pending { delivery, ..Pending::default() }
    }

    /// Whether results are queued.
    #[inline(always)]
    fn is_late(&self) -> bool {
        self.delivery != Delivery::Immediate
    }

    /// Whether results arrive between waits: then [`Wave::land`] is called before every instruction.
    #[inline(always)]
    pub(crate) fn lands(&self) -> bool {
        matches!(self.delivery, Delivery::After(_))
    }
}

#[cfg(test)]
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
    pub(crate) fn deliver(
        &mut self,
        cx: &mut Cx<'_>,
        counter: Counter,
        register: u16,
        lanes: &[Lanes],
        mask: u64,
    ) -> Step {
        self.count(cx, counter);
        if self.pending.is_late() {
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
        if self.pending.is_late() {
            return self.fly_vector(counter, register, &[placed], mask, bits);
        }
        write_bits(self.vector_mut(register)?, &placed, mask, bits);
        Ok(())
    }

    /// Hands over a scalar load's result; scalar memory counts in lgkm and returns out of order.
    pub(crate) fn deliver_scalar(&mut self, cx: &mut Cx<'_>, first: u8, dwords: &[u32]) {
        self.count(cx, Counter::Lgkm);
        let range = first as usize..(first as usize + dwords.len()).min(self.scalar.len());
        if self.pending.is_late() {
            if self.pending.delivery == Delivery::Poisoned {
                self.scalar[range].fill(POISON);
            }
            self.fly(Counter::Lgkm, false, Arrival::Scalar { first, dwords: dwords.into() });
        } else {
            let n = range.len();
            self.scalar[range].copy_from_slice(&dwords[..n]);
        }
    }

    /// Hands over a result for LDS: loads to LDS.
    #[inline(always)]
    pub(crate) fn deliver_lds(&mut self, cx: &mut Cx<'_>, counter: Counter, write: LdsWrite<'_>) {
        self.count(cx, counter);
        if self.pending.is_late() {
            self.fly_lds(cx, counter, write);
        } else {
            write.write(cx.lds);
        }
    }

    /// Counts a store, or another operation without a result that completes in order.
    #[inline(always)]
    pub(crate) fn count_store(&mut self, cx: &mut Cx<'_>, counter: Counter) {
        self.count(cx, counter);
        if self.pending.is_late() {
            self.fly(counter, counter != Counter::Flat, Arrival::Nothing);
        }
    }

    /// Counts a scalar memory operation without a result.
    pub(crate) fn count_scalar(&mut self, cx: &mut Cx<'_>) {
        self.count(cx, Counter::Lgkm);
        if self.pending.is_late() {
            self.fly(Counter::Lgkm, false, Arrival::Nothing);
        }
    }

    /// `s_waitcnt`: at most `vm` and `lgkm` operations stay outstanding; a value that the field cannot
    /// exceed (63, 15) waits for nothing.
    #[inline(always)]
    pub(crate) fn wait(&mut self, cx: &mut Cx<'_>, vm: u32, lgkm: u32) {
        if self.pending.is_late() {
            self.prove(cx, vm, lgkm);
        }
        self.pending.vm = self.pending.vm.min(vm);
        self.pending.lgkm = self.pending.lgkm.min(lgkm);
    }

    /// Delivers what has been under way for the instructions of [`Delivery::After`]. The counters keep it until a
    /// wait: they are what the program can know.
    #[cold]
    pub(crate) fn land(&mut self, cx: &mut Cx<'_>) {
        let Delivery::After(instructions) = self.pending.delivery else { return };
        let now = self.issued;
        let mut queue = std::mem::take(&mut self.pending.queue);
        for flight in queue.iter_mut().take_while(|flight| flight.issued + instructions as u64 <= now) {
            self.arrive(cx, &std::mem::replace(&mut flight.result, Arrival::Nothing));
        }
        self.pending.queue = queue;
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
        let poisoned = self.pending.delivery == Delivery::Poisoned;
        for i in 0..lanes.len() {
            let target = self.vector_mut(register + i as u16)?;
            if poisoned {
                write_bits(target, &Lanes::splat(POISON), mask, bits);
            }
        }
        self.fly(
            counter,
            counter != Counter::Flat,
            Arrival::Vector { register, lanes: lanes.into(), mask, bits },
        );
        Ok(())
    }

    #[cold]
    fn fly_lds(&mut self, cx: &mut Cx<'_>, counter: Counter, write: LdsWrite<'_>) {
        if self.pending.delivery == Delivery::Poisoned {
            let poison = [Lanes::splat(POISON); 4];
            LdsWrite { data: &poison[..write.data.len()], ..write }.write(cx.lds);
        }
        let LdsWrite { base, stride, data, mask } = write;
        self.fly(counter, counter != Counter::Flat, Arrival::Lds { base, stride, data: data.into(), mask });
    }

    #[cold]
    fn fly(&mut self, counter: Counter, ordered: bool, result: Arrival) {
        let flight = Flight { issued: self.issued, result };
        self.pending.queue.push(counter, ordered, flight);
    }

    #[cold]
    fn prove(&mut self, cx: &mut Cx<'_>, vm: u32, lgkm: u32) {
        for flight in self.pending.queue.prove(vm, lgkm) {
            self.arrive(cx, &flight.result);
        }
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
            Arrival::Lds { base, stride, data, mask } => {
                LdsWrite { base: *base, stride: *stride, data, mask: *mask }.write(cx.lds);
            }
        }
    }
}

/// Replaces `bits` of the lanes in `mask`.
fn write_bits(target: &mut Lanes, value: &Lanes, mask: u64, bits: u32) {
    for lane in (0..64).filter(|lane| mask >> lane & 1 == 1) {
        target[lane] = target[lane] & !bits | value[lane] & bits;
    }
}

#[cfg(test)]
mod tests;
