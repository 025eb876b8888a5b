use super::*;
use crate::exec::rig::Rig;

/// A rig in late mode: memory holds its own word indices, v[2:3] points at word 4·lane.
fn late() -> Rig {
    let mut rig = Rig::new();
    rig.wave.pending.delivery = Delivery::Poisoned;
    let bytes: Vec<u8> = (0..1024u32).flat_map(u32::to_le_bytes).collect();
    let base = rig.place(&bytes);
    rig.set_pair(2, |lane| base + 16 * lane as u64);
    rig.wave.set_scalar64(4, base);
    rig.set(4, |lane| 16 * lane as u32);
    rig
}

/// The same in another mode.
fn mode(delivery: Delivery) -> Rig {
    let mut rig = late();
    rig.wave.pending.delivery = delivery;
    rig
}

fn land(rig: &mut Rig) {
    let view = rig.memory.view();
    rig.wave.land(&mut Cx::new(&mut rig.lds, &view));
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
    rig.wave.pending.delivery = Delivery::Immediate;
    rig.run(LOAD_X4).expect("in bounds");
    assert_eq!((rig.get(8)[1], rig.wave.pending.counts()), (4, (1, 0)));
    (0..100).for_each(|_| rig.run("global_load_dwordx2 a[8:9], v4, s[4:5]").expect("in bounds"));
    assert_eq!(rig.wave.pending.counts(), (63, 0));
    rig.wait(5, 15);
    assert_eq!(rig.wave.pending.counts(), (5, 0));
    rig.run(LOAD_X1).expect_err("lane 63 leaves the allocation");
}

#[test]
fn a_stale_destination_keeps_its_content_until_the_wait() {
    let mut rig = mode(Delivery::Stale);
    rig.set(8, |lane| 500 + lane as u32);
    rig.wave.scalar[16] = 77;
    rig.run(LOAD_X4).expect("in bounds");
    rig.run("s_load_dword s16, s[4:5], 0x7").expect("in bounds");
    assert_eq!((rig.get(8)[1], rig.wave.scalar[16]), (501, 77));
    rig.wait(0, 15);
    assert_eq!((rig.get(8)[1], rig.wave.scalar[16]), (4, 77));
    rig.wait(63, 0);
    assert_eq!(rig.wave.scalar[16], 1);
}

#[test]
fn lds_keeps_its_content_until_the_wait_too() {
    let mut rig = mode(Delivery::Stale);
    rig.wave.scalar[crate::op::M0 as usize] = 0;
    rig.run("global_load_lds_dwordx3 v[2:3], off").expect("in bounds");
    assert_eq!(rig.lds[16..28], [0xee; 12]);
    rig.wait(0, 15);
    assert_eq!(rig.lds[16..28], [4, 0, 0, 0, 5, 0, 0, 0, 6, 0, 0, 0]);
}

#[test]
fn a_result_comes_after_its_instructions_or_at_the_wait() {
    let mut rig = mode(Delivery::After(2));
    rig.set(8, |_| 9);
    rig.wave.issued = 5;
    rig.run(LOAD_X4).expect("in bounds");
    rig.wave.issued = 6;
    let before = rig.get(256 + 8)[1];
    rig.run(OTHER).expect("in bounds");
    land(&mut rig);
    assert_eq!(rig.get(8)[1], 9, "one instruction later");
    rig.wave.issued = 7;
    land(&mut rig);
    assert_eq!((rig.get(8)[1], rig.get(256 + 8)[1], rig.wave.pending.counts()), (4, before, (2, 0)));
    rig.set(8, |_| 10);
    rig.wait(0, 15);
    assert_eq!((rig.get(8)[1], rig.get(256 + 8)[1]), (10, 4), "it arrives once");
}
