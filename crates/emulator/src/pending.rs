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
    #[inline(always)]
    pub(crate) fn deliver_lds(&mut self, cx: &mut Cx<'_>, counter: Counter, write: LdsWrite<'_>) {
        self.count(cx, counter);
        if self.pending.late {
            self.fly_lds(cx, counter, write);
        } else {
            write.write(cx.lds);
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
        self.fly(
            counter,
            counter != Counter::Flat,
            Arrival::Vector { register, lanes: lanes.into(), mask, bits },
        );
        Ok(())
    }

    #[cold]
    fn fly_lds(&mut self, cx: &mut Cx<'_>, counter: Counter, write: LdsWrite<'_>) {
        let poison = [Lanes::splat(POISON); 4];
        LdsWrite { data: &poison[..write.data.len()], ..write }.write(cx.lds);
        let LdsWrite { base, stride, data, mask } = write;
        self.fly(counter, counter != Counter::Flat, Arrival::Lds { base, stride, data: data.into(), mask });
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
mod tests {
    use super::*;
    use crate::exec::rig::Rig;

    /// A rig in late mode: memory holds its own word indices, v[2:3] points at word 4·lane.
    fn late() -> Rig {
        let mut rig = Rig::new();
        rig.wave.pending.late = true;
        let bytes: Vec<u8> = (0..1024u32).flat_map(u32::to_le_bytes).collect();
        let base = rig.place(&bytes);
        rig.set_pair(2, |lane| base + 16 * lane as u64);
        rig.wave.set_scalar64(4, base);
        rig.set(4, |lane| 16 * lane as u32);
        rig
    }

    const LOAD_X4: &str = "global_load_dwordx4 v[8:11], v[2:3], off";
    const LOAD_X1: &str = "global_load_dword v8, v[2:3], off offset:4095";
    const OTHER: &str = "global_load_dwordx2 a[8:9], v4, s[4:5]";
    const STORE: &str = "global_store_dword v[2:3], v8, off";

    #[test]
    fn a_missing_wait_leaves_poison_and_the_right_wait_the_value() {
        let mut rig = late();
        rig.exec(!1);
        rig.set(8, |_| 55);
        rig.run(LOAD_X4).expect("in bounds");
        assert_eq!(rig.get(8)[1], POISON);
        assert_eq!(rig.get(8)[0], 55, "an inactive lane keeps its value");
        rig.wait(1, 15);
        assert_eq!(rig.get(11)[63], POISON, "vmcnt(1) proves nothing about the only load");
        rig.wait(63, 0);
        assert_eq!(rig.get(11)[63], POISON, "lgkmcnt proves nothing about it");
        rig.wait(0, 15);
        assert_eq!(rig.get(8)[..2], [55, 4]);
        assert_eq!(rig.get(11)[63], 63 * 4 + 3);
    }

    #[test]
    fn vector_memory_arrives_in_issue_order_stores_included() {
        let mut rig = late();
        rig.run(LOAD_X4).expect("in bounds");
        rig.run(STORE).expect("in bounds");
        rig.run(OTHER).expect("in bounds");
        assert_eq!(rig.wave.pending.counts(), (3, 0));
        rig.wait(2, 15);
        assert_eq!(rig.get(9)[1], 5);
        assert_eq!(rig.get(256 + 8)[1], POISON);
        assert_eq!(rig.wave.pending.counts(), (2, 0));
        rig.wait(1, 15);
        assert_eq!(rig.get(256 + 8)[1], POISON, "only the store has completed");
        rig.wait(0, 15);
        // The store wrote the poison that v8 held when it was issued: that is what it read.
        assert_eq!(rig.get(256 + 8)[1], POISON);
        assert_eq!(rig.get(256 + 9)[1], 5);
    }

    #[test]
    fn an_overwritten_destination_receives_the_late_value() {
        let mut rig = late();
        rig.run(LOAD_X4).expect("in bounds");
        rig.set(9, |_| 1234);
        rig.wait(0, 15);
        assert_eq!(rig.get(9)[2], 9, "write after write without a wait: the load wins");
    }

    #[test]
    fn a_full_counter_waits_for_its_oldest() {
        let mut rig = late();
        rig.run(LOAD_X4).expect("in bounds");
        for _ in 0..62 {
            rig.run(OTHER).expect("in bounds");
        }
        assert_eq!((rig.get(8)[1], rig.wave.pending.counts()), (POISON, (63, 0)));
        rig.run(OTHER).expect("in bounds");
        assert_eq!((rig.get(8)[1], rig.wave.pending.counts()), (4, (63, 0)));
        assert_eq!(rig.get(256 + 8)[1], POISON);
    }

    #[test]
    fn flat_needs_both_counters_at_zero() {
        let mut rig = late();
        rig.run("flat_load_dword v8, v[2:3] offset:4").expect("in bounds");
        assert_eq!(rig.wave.pending.counts(), (1, 1));
        rig.run(OTHER).expect("in bounds");
        rig.wait(0, 15);
        assert_eq!((rig.get(8)[1], rig.get(256 + 8)[1]), (POISON, 4));
        rig.wait(63, 0);
        assert_eq!(rig.get(8)[1], 5);
    }

    #[test]
    fn halves_in_flight_together_do_not_disturb_each_other() {
        let mut rig = late();
        rig.set(8, |_| 0x1111_2222);
        rig.run("global_load_short_d16_hi v8, v[2:3], off").expect("in bounds");
        rig.run("global_load_ubyte_d16 v8, v[2:3], off").expect("in bounds");
        assert_eq!(rig.get(8)[3], POISON);
        rig.wait(1, 15);
        assert_eq!(rig.get(8)[3], 12 << 16 | POISON & 0xffff);
        rig.wait(0, 15);
        assert_eq!(rig.get(8)[3], 12 << 16 | 12);
    }

    #[test]
    fn loads_to_lds_poison_it_until_vmcnt() {
        let mut rig = late();
        rig.wave.scalar[crate::op::M0 as usize] = 0;
        rig.run("global_load_lds_dwordx3 v[2:3], off").expect("in bounds");
        assert_eq!(rig.wave.pending.counts(), (1, 0));
        assert_eq!(rig.lds[16..28], POISON.to_le_bytes().repeat(3));
        assert_eq!(rig.lds[28..32], [0xee; 4]);
        rig.wait(0, 15);
        assert_eq!(rig.lds[16..28], [4, 0, 0, 0, 5, 0, 0, 0, 6, 0, 0, 0]);
    }

    #[test]
    fn lds_is_ordered_though_scalar_memory_is_not() {
        let mut rig = late();
        let view = rig.memory.view();
        let mut cx = Cx::new(&mut rig.lds, &view);
        let wave = &mut rig.wave;
        wave.deliver(&mut cx, Counter::Lgkm, 8, &[Lanes::splat(1)], !0).expect("allocated");
        wave.deliver_scalar(&mut cx, 16, &[2]);
        wave.deliver(&mut cx, Counter::Lgkm, 9, &[Lanes::splat(3)], !0).expect("allocated");
        // At most two of three are outstanding: perhaps both LDS loads have not returned.
        wave.wait(&mut cx, 63, 2);
        assert_eq!(wave.vector(8).expect("allocated")[0], POISON);
        // At most one: were it the first LDS load, the second would be outstanding too.
        wave.wait(&mut cx, 63, 1);
        assert_eq!(wave.vector(8).expect("allocated")[0], 1);
        assert_eq!((wave.scalar[16], wave.vector(9).expect("allocated")[0]), (POISON, POISON));
        wave.drain(&mut cx);
        assert_eq!((wave.scalar[16], wave.vector(9).expect("allocated")[0]), (2, 3));
    }

    #[test]
    fn the_normal_mode_delivers_at_once_and_counts_alike() {
        let mut rig = late();
        rig.wave.pending.late = false;
        rig.run(LOAD_X4).expect("in bounds");
        assert_eq!((rig.get(8)[1], rig.wave.pending.counts()), (4, (1, 0)));
        (0..100).for_each(|_| rig.run("global_load_dwordx2 a[8:9], v4, s[4:5]").expect("in bounds"));
        assert_eq!(rig.wave.pending.counts(), (63, 0));
        rig.wait(5, 15);
        assert_eq!(rig.wave.pending.counts(), (5, 0));
        rig.run(LOAD_X1).expect_err("lane 63 leaves the allocation");
    }
}
