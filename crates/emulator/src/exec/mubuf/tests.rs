use super::super::flat::rig::Rig;
use crate::{fault::FaultKind, op::M0};

/// Puts a raw V# of `num_records` bytes at `base` in s[8:11], with AITER's last word (data format 32).
fn raw(rig: &mut Rig, base: u64, num_records: u32) {
    descriptor(rig, [base as u32, (base >> 32) as u32, num_records, 0x0002_0000]);
}

fn descriptor(rig: &mut Rig, words: [u32; 4]) {
    rig.wave.scalar[8..12].copy_from_slice(&words);
}

fn words(n: u32) -> Vec<u8> {
    (0..n).flat_map(|i| (0x1000_0000 + i).to_le_bytes()).collect()
}

#[test]
fn raw_addresses_add_base_scalar_lane_and_instruction_offset() {
    let mut rig = Rig::new();
    let base = rig.place(&words(1024));
    raw(&mut rig, base, 4096);
    rig.wave.scalar[6] = 128;
    rig.set(4, |lane| 8 * lane as u32);
    rig.run("buffer_load_dword v8, v4, s[8:11], s6 offen offset:16").expect("in range");
    assert_eq!(rig.get(8), std::array::from_fn(|lane| 0x1000_0000 + (128 + 16 + 8 * lane as u32) / 4));
    rig.run("buffer_load_ubyte v8, off, s[8:11], 0 offset:5").expect("in range");
    assert_eq!(rig.get(8), [0; 64], "byte 1 of word 1");
}

#[test]
fn the_range_check_drops_dwords_not_lanes() {
    let mut rig = Rig::new();
    // 30 dwords are in range, the allocation has 32: what lies behind must not be read.
    let base = rig.place(&words(32));
    raw(&mut rig, base, 120);
    rig.set(4, |lane| 4 * lane as u32);
    (8..12).for_each(|register| rig.set(register, |_| 0xffff_ffff));
    rig.run("buffer_load_dwordx4 v[8:11], v4, s[8:11], 0 offen").expect("clamped");
    for dword in 0..4u32 {
        let expected = std::array::from_fn(|lane| {
            let word = lane as u32 + dword;
            if word < 30 { 0x1000_0000 + word } else { 0 }
        });
        assert_eq!(rig.get(8 + dword as u16), expected, "dword {dword}");
    }
    rig.run("buffer_load_dwordx3 v[8:10], v4, s[8:11], 0 offen").expect("clamped");
    assert_eq!(rig.get(10)[27..31], [0x1000_001d, 0, 0, 0]);
}

#[test]
fn the_scalar_offset_counts_in_the_range_check() {
    let mut rig = Rig::new();
    let base = rig.place(&words(64));
    raw(&mut rig, base, 128);
    rig.wave.scalar[6] = 64;
    rig.set(4, |lane| 4 * lane as u32);
    rig.run("buffer_load_dword v8, v4, s[8:11], s6 offen offset:16").expect("clamped");
    let expected =
        std::array::from_fn(|lane| if 80 + 4 * lane < 128 { 0x1000_0000 + 20 + lane as u32 } else { 0 });
    assert_eq!(rig.get(8), expected);
    rig.wave.scalar[6] = 129;
    rig.run("buffer_load_dword v8, v4, s[8:11], s6 offen offset:16").expect("all clamped, no wrap");
    assert_eq!(rig.get(8), [0; 64]);
}

#[test]
fn out_of_range_stores_and_atomics_change_nothing() {
    let mut rig = Rig::new();
    let base = rig.place(&words(32));
    raw(&mut rig, base, 120);
    rig.set(4, |lane| if lane == 5 { 112 } else { 0x8000_0000 + 16 * lane as u32 });
    (8..12).for_each(|register| rig.set(register, |_| 0xabcd_ef00 + register as u32));
    rig.run("buffer_store_dwordx4 v[8:11], v4, s[8:11], s6 offen").expect("clamped");
    let mut model = words(32);
    model[112..116].copy_from_slice(&0xabcd_ef08u32.to_le_bytes());
    model[116..120].copy_from_slice(&0xabcd_ef09u32.to_le_bytes());
    assert_eq!(rig.bytes(base, 128), model, "two of lane 5's four dwords are in range");
    rig.set(4, |lane| if lane == 5 { 119 } else { 120 + lane as u32 });
    rig.run("buffer_store_byte v8, v4, s[8:11], 0 offen").expect("clamped");
    model[119] = 8;
    assert_eq!(rig.bytes(base, 128), model);
    rig.set(4, |lane| if lane == 5 { 0 } else { 120 });
    rig.set(8, |_| 1);
    rig.run("buffer_atomic_add v8, v4, s[8:11], 0 offen sc0").expect("clamped");
    model[0] = 1;
    assert_eq!(rig.bytes(base, 128), model);
    assert_eq!(rig.get(8), std::array::from_fn(|lane| if lane == 5 { 0x1000_0000 } else { 0 }));
}

#[test]
fn a_descriptor_larger_than_its_allocation_faults() {
    let mut rig = Rig::new();
    let base = rig.place(&words(32));
    raw(&mut rig, base, u32::MAX);
    rig.set(4, |lane| 4 * lane as u32);
    let refused = rig.run("buffer_load_dword v8, v4, s[8:11], s6 offen offset:16");
    assert!(matches!(refused, Err(FaultKind::OutOfBounds { lane: 28, bytes: 4, .. })), "{refused:?}");
}

#[test]
fn structured_buffers_check_the_index() {
    let mut rig = Rig::new();
    let base = rig.place(&words(256));
    // Ten records of 12 bytes.
    descriptor(&mut rig, [base as u32, (base >> 32) as u32 | 12 << 16, 10, 0x0002_0000]);
    rig.set(4, |lane| lane as u32 % 16);
    rig.set(5, |lane| if lane < 32 { 4 } else { 8 });
    rig.run("buffer_load_dword v8, v[4:5], s[8:11], s6 idxen offen offset:4").expect("checked");
    for lane in 0..64 {
        let index = lane % 16;
        // Offset 12 of the upper lanes passes the stride: without swizzling that is the next record.
        let offset = if lane < 32 { 8 } else { 12 };
        let expected = if index < 10 { 0x1000_0000 + (12 * index as u32 + offset) / 4 } else { 0 };
        assert_eq!(rig.get(8)[lane], expected, "lane {lane}");
    }
    // The same descriptor without an index: bytes.
    rig.set(4, |lane| 4 * lane as u32);
    rig.run("buffer_load_dwordx4 v[8:11], v4, s[8:11], 0 offen").expect("checked");
    assert_eq!(rig.get(8)[..4], [0x1000_0000, 0x1000_0001, 0x1000_0002, 0]);
}

#[test]
fn swizzled_buffers_interleave_elements_of_index_stride_records() {
    let mut rig = Rig::new();
    let base = rig.place(&words(256));
    // Stride 16, swizzle on, index stride 8 (0): element e of records 8b..8b+8 is contiguous.
    descriptor(&mut rig, [base as u32, (base >> 32) as u32 | 16 << 16 | 1 << 31, 64, 0x0002_0000]);
    rig.wave.scalar[6] = 0;
    rig.set(4, |lane| lane as u32);
    rig.set(5, |_| 4);
    rig.run("buffer_load_dword v8, v[4:5], s[8:11], s6 idxen offen offset:4").expect("checked");
    let expected = std::array::from_fn(|lane| {
        let (block, within, element) = (lane as u32 / 8, lane as u32 % 8, 2);
        0x1000_0000 + block * (16 / 4) * 8 + element * 8 + within
    });
    assert_eq!(rig.get(8), expected);
    // ADD_TID without a VGPR index gives the same records.
    descriptor(&mut rig, [base as u32, (base >> 32) as u32 | 16 << 16, 64, 1 << 23]);
    rig.run("buffer_load_ubyte v8, off, s[8:11], 0 offset:5").expect("checked");
    assert_eq!(rig.get(8)[7], 0);
    rig.set(4, |_| 4);
    rig.run("buffer_load_ushort v8, v4, s[8:11], 0 offen").expect("checked");
    assert_eq!(rig.get(8)[7], (7 * 16 + 4) / 4, "record of the lane, offset 4");
}

#[test]
fn loads_to_lds_write_zeros_for_lanes_out_of_range() {
    let mut rig = Rig::new();
    let base = rig.place(&words(1024));
    raw(&mut rig, base, 512);
    rig.wave.scalar[6] = 32;
    rig.wave.scalar[M0 as usize] = 64;
    rig.exec(!(1 << 2));
    rig.set(4, |lane| 16 * lane as u32);
    rig.run("buffer_load_dwordx4 v4, s[8:11], s6 offen offset:16 lds").expect("clamped");
    for lane in 0..64usize {
        for dword in 0..4usize {
            let from = 32 + 16 + 16 * lane + 4 * dword;
            let expected = match lane {
                2 => 0xeeee_eeee,
                _ if from < 512 => 0x1000_0000 + from as u32 / 4,
                _ => 0,
            };
            assert_eq!(
                rig.lds[64 + 16 + 16 * lane + 4 * dword..][..4],
                expected.to_le_bytes(),
                "{lane} {dword}"
            );
        }
    }
    rig.run("buffer_load_dword v4, s[8:11], 0 offen lds").expect("clamped");
    assert_eq!(rig.lds[64 + 4 * 31..][..4], (0x1000_0000u32 + 31 * 4).to_le_bytes());
    assert_eq!(rig.lds[64 + 4 * 32..][..4], [0; 4]);
}

#[test]
fn half_and_float_forms() {
    let mut rig = Rig::new();
    let base = rig.place(&words(64));
    raw(&mut rig, base, 256);
    rig.set(4, |lane| 4 * lane as u32 + 2);
    rig.set(8, |_| 0xaaaa_bbbb);
    rig.run("buffer_load_short_d16 v8, v4, s[8:11], 0 offen").expect("in range");
    assert_eq!(rig.get(8), [0xaaaa_1000; 64]);
    let base = rig.place(&1f32.to_le_bytes().repeat(2));
    raw(&mut rig, base, 8);
    rig.set(4, |_| 0);
    rig.set(8, |_| 2f32.to_bits());
    rig.run("buffer_atomic_add_f32 v8, v4, s[8:11], 0 offen").expect("in range");
    assert_eq!(rig.bytes(base, 4), 129f32.to_le_bytes());
    rig.exec(0b11);
    rig.set(4, |lane| 4 * lane as u32);
    // BF16 pair (2, 1): the first dword's high half is 129's, 0x4301 = 129.
    rig.set(8, |_| 0x4000_3f80);
    rig.run("buffer_atomic_pk_add_bf16 v8, v4, s[8:11], 0 offen").expect("in range");
    assert_eq!(rig.bytes(base, 8), [0x80, 0x3f, 0x03, 0x43, 0x80, 0x3f, 0x40, 0x40], "(131, 1), (3, 1)");
}

#[test]
fn format_access_moves_channels() {
    let mut rig = Rig::new();
    let base = rig.place(&words(256));
    // Four records of 8 bytes, format 32_32 UINT, selects y x 0 1.
    let w3 = 5 | 4 << 3 | 1 << 9 | 4 << 12 | 11 << 15;
    descriptor(&mut rig, [base as u32, (base >> 32) as u32 | 8 << 16, 4, w3]);
    rig.set(4, |lane| lane as u32);
    rig.run("buffer_load_format_xyzw v[8:11], v4, s[8:11], 0 idxen").expect("32-bit channels");
    assert_eq!(
        [rig.get(8)[3], rig.get(9)[3], rig.get(10)[3], rig.get(11)[3]],
        [0x1000_0007, 0x1000_0006, 0, 1]
    );
    assert_eq!([rig.get(8)[4], rig.get(9)[4]], [0, 0], "out of range");
    rig.set(8, |lane| 70 + lane as u32);
    rig.set(9, |lane| 170 + lane as u32);
    rig.run("buffer_store_format_xy v[8:9], v4, s[8:11], 0 idxen").expect("32-bit channels");
    assert_eq!(
        rig.bytes(base + 24, 12),
        [73, 0, 0, 0, 173, 0, 0, 0, 8, 0, 0, 0x10],
        "the fifth record is out of range"
    );
    descriptor(&mut rig, [base as u32, (base >> 32) as u32 | 8 << 16, 4, 10 << 15]);
    let refused = rig.run("buffer_load_format_x v8, v4, s[8:11], 0 idxen");
    assert!(matches!(refused, Err(FaultKind::Unsupported { .. })), "8_8_8_8 UNORM: {refused:?}");
}

#[test]
fn cache_controls_count_and_do_nothing_else() {
    let mut rig = Rig::new();
    rig.run("buffer_wbl2 sc1").expect("no operands");
    rig.run("buffer_inv sc1").expect("no operands");
    assert_eq!(rig.wave.pending.counts(), (2, 0));
    rig.wait(0, 15);
    assert_eq!(rig.wave.pending.counts(), (0, 0));
}
