use super::super::flat::rig::Rig;
use crate::{fault::FaultKind, op::VCC, pending::POISON};

fn words(n: u32) -> Vec<u8> {
    (0..n).flat_map(|i| (0x2000_0000 + i).to_le_bytes()).collect()
}

fn rig() -> (Rig, u64) {
    let mut rig = Rig::new();
    let base = rig.place(&words(64));
    rig.wave.set_scalar64(4, base + 32);
    (rig, base)
}

#[test]
fn loads_add_both_offsets_and_ignore_the_low_bits() {
    let (mut rig, _) = rig();
    let loaded = |rig: &Rig, n: usize| -> Vec<u32> {
        rig.wave.scalar[16..16 + n].iter().map(|word| word & 0xff).collect()
    };
    rig.run("s_load_dword s16, s[4:5], 0x7").expect("in bounds");
    assert_eq!(loaded(&rig, 1), [9]);
    rig.run("s_load_dwordx2 s[16:17], s[4:5], -0x8").expect("in bounds");
    assert_eq!(loaded(&rig, 2), [6, 7]);
    rig.wave.scalar[6] = 0x13;
    rig.run("s_load_dwordx4 s[16:19], s[4:5], s6").expect("in bounds");
    assert_eq!(loaded(&rig, 4), [12, 13, 14, 15]);
    rig.run("s_load_dwordx8 s[16:23], s[4:5], s6 offset:0x20").expect("in bounds");
    assert_eq!(loaded(&rig, 8), [20, 21, 22, 23, 24, 25, 26, 27]);
    rig.run("s_load_dwordx16 s[16:31], s[4:5], 0x0").expect("in bounds");
    assert_eq!(loaded(&rig, 16), (8..24).collect::<Vec<u32>>());
    rig.run("s_load_dwordx2 vcc, s[4:5], 0x0").expect("in bounds");
    assert_eq!(rig.wave.scalar64(VCC), 0x2000_0009_2000_0008);
    rig.wave.scalar[6] = 60 * 4;
    let refused = rig.run("s_load_dwordx8 s[16:23], s[4:5], s6 offset:0x20");
    assert!(matches!(refused, Err(FaultKind::OutOfBounds { bytes: 32, .. })), "{refused:?}");
}

#[test]
fn buffers_cut_off_dwords_beyond_the_records() {
    let (mut rig, base) = rig();
    rig.wave.scalar[8..12].copy_from_slice(&[base as u32, (base >> 32) as u32, 32, 0x0002_0000]);
    rig.run("s_buffer_load_dwordx4 s[16:19], s[8:11], 0x18").expect("clamped");
    assert_eq!(rig.wave.scalar[16..20], [0x2000_0006, 0x2000_0007, 0, 0]);
    rig.run("s_buffer_store_dwordx4 s[16:19], s[8:11], 0x18").expect("clamped");
    assert_eq!(rig.bytes(base, 256), words(64), "two dwords stored as they were, two dropped");
    rig.wave.scalar[16] = u32::MAX;
    rig.run("s_buffer_atomic_umax s16, s[8:11], 0x4 glc").expect("in range");
    assert_eq!(rig.wave.scalar[16], 0x2000_0001);
    assert_eq!(rig.bytes(base + 4, 4), [0xff; 4]);
    // Records of 4 bytes: sixteen of them.
    rig.wave.scalar[9] |= 4 << 16;
    rig.wave.scalar[10] = 16;
    rig.wave.scalar[6] = 60;
    rig.run("s_buffer_load_dword s16, s[8:11], s6").expect("the last");
    assert_eq!(rig.wave.scalar[16], 0x2000_000f);
    rig.wave.scalar[6] = 64;
    rig.run("s_buffer_load_dword s16, s[8:11], s6").expect("clamped");
    assert_eq!(rig.wave.scalar[16], 0);
}

#[test]
fn stores_and_atomics_reach_memory() {
    let (mut rig, base) = rig();
    rig.wave.scalar[16..18].copy_from_slice(&[1, 2]);
    rig.run("s_store_dwordx2 s[16:17], s[4:5], 0x4").expect("in bounds");
    assert_eq!(rig.bytes(base + 36, 8), [1, 0, 0, 0, 2, 0, 0, 0]);
    rig.wave.scalar[16] = 5;
    rig.memory.write(base + 32, &[0, 0, 0, 0]).expect("in bounds");
    rig.run("s_atomic_dec s16, s[4:5], 0x0 glc").expect("in bounds");
    assert_eq!(rig.wave.scalar[16], 0, "the old value");
    assert_eq!(rig.bytes(base + 32, 4), [5, 0, 0, 0], "0 wraps to the data");
    rig.wave.scalar[16] = 9;
    rig.run("s_atomic_add s16, s[4:5], 0x0").expect("in bounds");
    assert_eq!(rig.wave.scalar[16], 9, "not returned");
    assert_eq!(rig.bytes(base + 32, 4), [14, 0, 0, 0]);
    rig.wave.set_scalar64(16, 77);
    rig.wave.set_scalar64(18, 0x2000_000b_0000_0003);
    rig.run("s_atomic_cmpswap_x2 s[16:19], s[4:5], 0x8 glc").expect("in bounds");
    assert_eq!(rig.wave.scalar64(16), 0x2000_000b_0000_0002, "s_store wrote the 2");
    assert_eq!(rig.bytes(base + 40, 8), 0x2000_000b_0000_0002u64.to_le_bytes(), "3 was expected: no swap");
    rig.wave.set_scalar64(16, 77);
    rig.wave.set_scalar64(18, 0x2000_000b_0000_0002);
    rig.run("s_atomic_cmpswap_x2 s[16:19], s[4:5], 0x8 glc").expect("in bounds");
    assert_eq!(rig.bytes(base + 40, 8), 77u64.to_le_bytes(), "as expected: swapped");
}

#[test]
fn the_clock_counts_issued_instructions() {
    let (mut rig, _) = rig();
    rig.wave.issued = 0x1_2345_6789;
    rig.run("s_memtime s[16:17]").expect("no memory");
    assert_eq!(rig.wave.scalar64(16), 0x1_2345_6789);
}

#[test]
fn scalar_results_arrive_with_lgkmcnt_0_only() {
    let (mut rig, _) = rig();
    rig.wave.pending.delivery = crate::pending::Delivery::Poisoned;
    rig.run("s_load_dwordx2 s[16:17], s[4:5], -0x8").expect("in bounds");
    rig.run("s_load_dword s16, s[4:5], 0x7").expect("in bounds");
    rig.wait(0, 1);
    assert_eq!(rig.wave.scalar[16..18], [POISON, POISON], "either may still be under way");
    rig.wait(63, 0);
    assert_eq!(rig.wave.scalar[16..18], [0x2000_0009, 0x2000_0007]);
}
