use std::thread;

use cdna4::{Encoding, rows};
use half::{bf16, f16};

use super::rig::Rig;
use crate::{
    exec::{UNSUPPORTED, resolve},
    fault::{Access, FaultKind},
    memory::{PRIVATE_BASE, SHARED_BASE},
    op::M0,
};

/// Bytes that differ from their neighbours, with the top bit in about half.
fn pattern(n: usize) -> Vec<u8> {
    (0..n).map(|i| (i as u32).wrapping_mul(2_654_435_761).rotate_left(7) as u8).collect()
}

/// A scattered offset per lane below `limit`, of any alignment.
fn scattered(lane: usize, limit: usize) -> usize {
    (lane * 7919 + 13) % limit
}

/// Little-endian bytes at `at`, sign-extended from `n` bytes if asked.
fn model_read(bytes: &[u8], at: usize, n: usize, signed: bool) -> u32 {
    let mut word = [0; 4];
    word[..n].copy_from_slice(&bytes[at..at + n]);
    let fill = if signed && bytes[at + n - 1] & 0x80 != 0 { 0xff } else { 0 };
    word[n..].fill(fill);
    u32::from_le_bytes(word)
}

#[test]
fn every_row_of_the_instruction_table_has_a_handler() {
    let (mut seen, mut missing) = (0, Vec::new());
    for row in rows() {
        let memory_encoding = matches!(
            row.encoding,
            Encoding::Flat | Encoding::Global | Encoding::Scratch | Encoding::Mubuf | Encoding::Smem
        );
        // Not executed: scalar scratch, 16-bit format channels (no list of compiler or AITER mnemonics has them).
        let left_out = row.asm_mnemonic.starts_with("s_scratch_") || row.asm_mnemonic.contains("format_d16");
        if !memory_encoding || left_out {
            continue;
        }
        let Ok(inst) = cdna4::decode(&row.value.to_le_bytes()) else { continue };
        seen += 1;
        if resolve(&inst).exec as usize == UNSUPPORTED as usize {
            missing.push(row.asm_mnemonic);
        }
    }
    assert_eq!(missing, [""; 0]);
    assert!(seen > 200, "{seen} rows");
}

#[test]
fn loads_read_the_bytes_of_each_lane() {
    // (text, bytes per lane, offset, signed)
    let cases = [
        ("global_load_ubyte v8, v[2:3], off", 1, 0, false),
        ("global_load_sbyte v8, v[2:3], off offset:-3", 1, -3, true),
        ("global_load_ushort v8, v[2:3], off offset:1", 2, 1, false),
        ("global_load_sshort v8, v[2:3], off", 2, 0, true),
        ("global_load_dword v8, v[2:3], off offset:4095", 4, 4095, false),
        ("global_load_dwordx2 v[8:9], v[2:3], off offset:-4096", 8, -4096, false),
        ("global_load_dwordx3 v[8:10], v[2:3], off", 12, 0, false),
        ("global_load_dwordx4 v[8:11], v[2:3], off", 16, 0, false),
    ];
    let bytes = pattern(20_000);
    for align in [1, 4, 8] {
        for mask in [!0, 0x8000_0000_0000_0001, 0xaaaa_5555_0f0f_0000, 0] {
            for (text, width, offset, signed) in cases {
                let mut rig = Rig::new();
                let base = rig.place(&bytes);
                let at = |lane: usize| 5000 + scattered(lane, 900) * align;
                rig.set_pair(2, |lane| base + at(lane) as u64);
                (8..12).for_each(|register| rig.set(register, |lane| 0x0101_0101 * lane as u32));
                rig.exec(mask);
                rig.run(text).expect("in bounds");
                for lane in 0..64 {
                    for dword in 0..4 {
                        let from = (at(lane) as i64 + offset) as usize + 4 * dword;
                        let loaded = mask >> lane & 1 == 1 && 4 * dword < width;
                        let expected = if loaded {
                            model_read(&bytes, from, width.min(4), signed)
                        } else {
                            0x0101_0101 * lane as u32
                        };
                        assert_eq!(
                            rig.get(8 + dword as u16)[lane],
                            expected,
                            "{text} lane {lane} dword {dword}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn half_loads_keep_the_other_half() {
    let bytes = pattern(256);
    for (text, width, signed, high) in [
        ("global_load_ubyte_d16 v8, v[2:3], off", 1, false, false),
        ("global_load_ubyte_d16_hi v8, v[2:3], off", 1, false, true),
        ("global_load_sbyte_d16 v8, v[2:3], off", 1, true, false),
        ("global_load_sbyte_d16_hi v8, v[2:3], off", 1, true, true),
        ("global_load_short_d16 v8, v[2:3], off", 2, false, false),
        ("global_load_short_d16_hi v8, v[2:3], off", 2, false, true),
    ] {
        let mut rig = Rig::new();
        let base = rig.place(&bytes);
        rig.set_pair(2, |lane| base + 2 * lane as u64);
        rig.set(8, |_| 0x1234_5678);
        rig.run(text).expect("in bounds");
        for lane in 0..64 {
            let half = model_read(&bytes, 2 * lane, width, signed) & 0xffff;
            let expected = if high { half << 16 | 0x5678 } else { 0x1234_0000 | half };
            assert_eq!(rig.get(8)[lane], expected, "{text} lane {lane}");
        }
    }
}

#[test]
fn stores_write_the_bytes_of_each_lane() {
    // (text, bytes per lane, shift of the data)
    let cases = [
        ("global_store_byte v[2:3], v8, off", 1, 0),
        ("global_store_byte_d16_hi v[2:3], v8, off", 1, 16),
        ("global_store_short v[2:3], v8, off", 2, 0),
        ("global_store_short_d16_hi v[2:3], v8, off", 2, 16),
        ("global_store_dword v[2:3], v8, off", 4, 0),
        ("global_store_dwordx2 v[2:3], v[8:9], off", 8, 0),
        ("global_store_dwordx3 v[2:3], v[8:10], off", 12, 0),
        ("global_store_dwordx4 v[2:3], v[8:11], off", 16, 0),
    ];
    let value = |lane: usize, dword: usize| (lane as u32 * 4 + dword as u32).wrapping_mul(0x9e37_79b1);
    for step in [16, 17, 20] {
        for mask in [!0, 0x00ff_0f0f_3333_aaaa] {
            for (text, width, shift) in cases {
                let mut rig = Rig::new();
                let mut model = pattern(2000);
                let base = rig.place(&model);
                rig.set_pair(2, |lane| base + (100 + step * lane) as u64);
                (0..4).for_each(|dword| rig.set(8 + dword as u16, |lane| value(lane, dword)));
                rig.exec(mask);
                rig.run(text).expect("in bounds");
                for lane in (0..64).filter(|lane| mask >> lane & 1 == 1) {
                    for byte in 0..width {
                        model[100 + step * lane + byte] =
                            (value(lane, byte / 4) >> shift >> (8 * (byte % 4))) as u8;
                    }
                }
                assert_eq!(rig.bytes(base, 2000), model, "{text} step {step}");
            }
        }
    }
}

#[test]
fn scalar_base_takes_a_32_bit_lane_offset() {
    let mut rig = Rig::new();
    let bytes = pattern(4096);
    let base = rig.place(&bytes);
    rig.wave.set_scalar64(4, base);
    rig.set(4, |lane| 32 * lane as u32);
    rig.run("global_load_dwordx4 v[8:11], v4, s[4:5] offset:16").expect("in bounds");
    rig.run("global_load_dwordx2 a[8:9], v4, s[4:5]").expect("in bounds");
    for lane in 0..64 {
        assert_eq!(rig.get(9)[lane], model_read(&bytes, 32 * lane + 20, 4, false));
        assert_eq!(rig.get(256 + 9)[lane], model_read(&bytes, 32 * lane + 4, 4, false));
    }
}

#[test]
fn offsets_beyond_4_gib_reach_a_lazily_backed_allocation() {
    const BYTES: u64 = 6 << 30;
    let mut rig = Rig::new();
    let base = rig.memory.alloc(BYTES).expect("reserved, not touched");
    rig.set_pair(2, |lane| base + (lane as u64 % 2) * (BYTES - 4));
    rig.set(8, |lane| 0xa000_0000 + (lane as u32 % 2));
    rig.run("global_store_dword v[2:3], v8, off").expect("both ends");
    assert_eq!(rig.bytes(base, 4), 0xa000_0000u32.to_le_bytes());
    assert_eq!(rig.bytes(base + BYTES - 4, 4), 0xa000_0001u32.to_le_bytes());
    rig.wave.set_scalar64(4, base + (3 << 30));
    rig.set(4, |_| 0xbfff_fff0);
    rig.run("global_store_dwordx4 v4, v[8:11], s[4:5]")
        .expect("the last 16 bytes: the lane offset is unsigned");
    rig.set(4, |_| 0xbfff_fff1);
    let refused = rig.run("global_store_dwordx4 v4, v[8:11], s[4:5]");
    assert!(matches!(refused, Err(FaultKind::OutOfBounds { lane: 0, .. })), "{refused:?}");
}

#[test]
fn every_edge_faults_and_names_lane_and_allocation() {
    for (text, width, access) in [
        ("global_load_ubyte v8, v[2:3], off", 1, Access::Read),
        ("global_load_dwordx3 v[8:10], v[2:3], off", 12, Access::Read),
        ("global_load_dwordx4 v[8:11], v[2:3], off", 16, Access::Read),
        ("global_store_short v[2:3], v8, off", 2, Access::Write),
        ("global_store_dwordx4 v[2:3], v[8:11], off", 16, Access::Write),
        ("global_atomic_add v[2:3], v8, off", 4, Access::Atomic),
    ] {
        let mut rig = Rig::new();
        let base = rig.place(&[0; 1000]);
        let last = base + 1000 - width;
        let mut try_lane_37 = |address: u64| {
            rig.set_pair(2, |lane| if lane == 37 { address } else { base + 64 });
            rig.run(text)
        };
        let align = if access == Access::Atomic { 4 } else { 1 };
        assert_eq!(try_lane_37(base), Ok(()), "{text} at the first byte");
        assert_eq!(try_lane_37(last), Ok(()), "{text} at the last byte");
        for address in [base - align, last + align, last + 4096, 0, u64::MAX - 15] {
            let align_fault = matches!(access, Access::Atomic) && !address.is_multiple_of(4);
            match try_lane_37(address) {
                Err(FaultKind::OutOfBounds { access: seen, lane, address: at, bytes, nearest }) => {
                    assert_eq!((seen, lane, at, bytes as u64), (access, 37, address, width), "{text}");
                    assert_eq!(nearest, Some((base, 1000)), "{text}");
                }
                Err(FaultKind::Unaligned { lane: 37, .. }) if align_fault => {}
                other => panic!("{text} at {address:#x}: {other:?}"),
            }
        }
        rig.exec(!(1 << 37));
        rig.set_pair(2, |lane| if lane == 37 { 0xdead } else { base + 64 });
        assert_eq!(rig.run(text), Ok(()), "{text}: an inactive lane's address does not matter");
    }
}

#[test]
fn freed_memory_faults() {
    let mut rig = Rig::new();
    let base = rig.place(&[7; 64]);
    rig.set_pair(2, |_| base);
    rig.run("global_load_dword v8, v[2:3], off offset:4095").expect_err("beyond");
    rig.run("global_load_ubyte v8, v[2:3], off").expect("live");
    rig.memory.free(base).expect("live");
    let stale = rig.run("global_load_ubyte v8, v[2:3], off");
    assert!(matches!(stale, Err(FaultKind::OutOfBounds { .. })), "{stale:?}");
}

#[test]
fn integer_atomics_return_the_old_and_store_the_new() {
    // (text, old, data, new), from the operations' definitions
    let (neg, pos) = (-5i32 as u32, 3u32);
    for (text, old, data, new) in [
        ("global_atomic_swap v12, v[2:3], v8, off sc0", 1, 2, 2),
        ("global_atomic_add v12, v[2:3], v8, off sc0", u32::MAX, 2, 1),
        ("global_atomic_sub v12, v[2:3], v8, off sc0", 1, 2, u32::MAX),
        ("global_atomic_smin v12, v[2:3], v8, off sc0", pos, neg, neg),
        ("global_atomic_umin v12, v[2:3], v8, off sc0", pos, neg, pos),
        ("global_atomic_smax v12, v[2:3], v8, off sc0", pos, neg, pos),
        ("global_atomic_umax v12, v[2:3], v8, off sc0", pos, neg, neg),
        ("global_atomic_and v12, v[2:3], v8, off sc0", 0b1100, 0b1010, 0b1000),
        ("global_atomic_or v12, v[2:3], v8, off sc0", 0b1100, 0b1010, 0b1110),
        ("global_atomic_xor v12, v[2:3], v8, off sc0", 0b1100, 0b1010, 0b0110),
        ("global_atomic_inc v12, v[2:3], v8, off sc0", 4, 5, 5),
        ("global_atomic_inc v12, v[2:3], v8, off sc0", 5, 5, 0),
        ("global_atomic_dec v12, v[2:3], v8, off sc0", 0, 5, 5),
        ("global_atomic_dec v12, v[2:3], v8, off sc0", 6, 5, 5),
        ("global_atomic_dec v12, v[2:3], v8, off sc0", 5, 5, 4),
    ] {
        let mut rig = Rig::new();
        let base = rig.place(&old.to_le_bytes().repeat(64));
        rig.set_pair(2, |lane| base + 4 * lane as u64);
        rig.set(8, |_| data);
        rig.run(text).expect("in bounds");
        assert_eq!(rig.get(12), [old; 64], "{text}");
        assert_eq!(rig.bytes(base, 256), new.to_le_bytes().repeat(64), "{text}");
    }
    let (neg, big) = (-5i64 as u64, 1u64 << 40);
    for (text, old, data, new) in [
        ("global_atomic_add_x2 v[12:13], v[2:3], v[8:9], off sc0", u32::MAX as u64, 1, 1 << 32),
        ("global_atomic_smin_x2 v[12:13], v[2:3], v[8:9], off sc0", big, neg, neg),
        ("global_atomic_inc_x2 v[12:13], v[2:3], v[8:9], off sc0", big, big, 0),
        ("global_atomic_dec_x2 v[12:13], v[2:3], v[8:9], off sc0", big, big, big - 1),
    ] {
        let mut rig = Rig::new();
        let base = rig.place(&old.to_le_bytes().repeat(64));
        rig.set_pair(2, |lane| base + 8 * lane as u64);
        rig.set_pair(8, |_| data);
        rig.run(text).expect("in bounds");
        assert_eq!(rig.get_pair(12), [old; 64], "{text}");
        assert_eq!(rig.bytes(base, 512), new.to_le_bytes().repeat(64), "{text}");
    }
}

#[test]
fn compare_and_swap_takes_the_new_value_first() {
    let mut rig = Rig::new();
    let base = rig.place(&[0; 1024]);
    rig.set_pair(2, |lane| base + 4 * lane as u64);
    rig.set(8, |lane| 100 + lane as u32);
    rig.set(9, |lane| lane as u32 % 2);
    rig.run("global_atomic_cmpswap v12, v[2:3], v[8:9], off sc0").expect("in bounds");
    let words: Vec<u32> = (0..64).map(|lane| if lane % 2 == 0 { 100 + lane } else { 0 }).collect();
    let expected: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    assert_eq!(rig.bytes(base, 256), expected);
    assert_eq!(rig.get(12), [0; 64]);

    rig.set_pair(2, |lane| base + 512 + 8 * (lane as u64 % 8));
    rig.set_pair(8, |lane| 1 << (32 + lane % 8));
    rig.set_pair(10, |_| 0);
    rig.run("global_atomic_cmpswap_x2 v[12:13], v[2:3], v[8:11], off sc0").expect("in bounds");
    // The first lane of each address swaps, the later ones see its value.
    let seen = rig.get_pair(12);
    for (lane, seen) in seen.into_iter().enumerate() {
        assert_eq!(seen, if lane < 8 { 0 } else { 1 << (32 + lane % 8) }, "lane {lane}");
    }
}

#[test]
fn float_atomics_round_to_nearest_even_and_keep_denormals() {
    let f32_cases =
        [(1.0f32, 2f32.powi(-24)), (1.0, 1.5 * 2f32.powi(-23)), (f32::from_bits(1), f32::from_bits(2))];
    for (old, data) in f32_cases {
        let mut rig = Rig::new();
        let base = rig.place(&old.to_le_bytes());
        rig.exec(1);
        rig.set_pair(2, |_| base);
        rig.set(8, |_| data.to_bits());
        rig.run("global_atomic_add_f32 v12, v[2:3], v8, off sc0").expect("in bounds");
        // The sum is exact in f64, and rounded once.
        assert_eq!(rig.bytes(base, 4), ((old as f64 + data as f64) as f32).to_le_bytes(), "{old} + {data}");
        assert_eq!(rig.get(12)[0], old.to_bits());
    }
    for (text, narrow) in [
        ("global_atomic_pk_add_f16 v12, v[2:3], v8, off sc0", false),
        ("global_atomic_pk_add_bf16 v12, v[2:3], v8, off sc0", true),
    ] {
        let wide =
            |bits: u16| if narrow { bf16::from_bits(bits).to_f64() } else { f16::from_bits(bits).to_f64() };
        let round = |value: f64| {
            if narrow { bf16::from_f64(value).to_bits() } else { f16::from_f64(value).to_bits() }
        };
        let mut rig = Rig::new();
        let sample = |i: u32| (i.wrapping_mul(0x9e37_79b1) >> 13) as u16 & 0xbbff;
        let (old, data) = (
            |lane: u32| [sample(lane), sample(lane + 99)],
            |lane: u32| [sample(lane + 777), sample(lane + 5000)],
        );
        let pack = |[low, high]: [u16; 2]| low as u32 | (high as u32) << 16;
        let start: Vec<u8> = (0..64).flat_map(|lane| pack(old(lane)).to_le_bytes()).collect();
        let base = rig.place(&start);
        rig.set_pair(2, |lane| base + 4 * lane as u64);
        rig.set(8, |lane| pack(data(lane as u32)));
        rig.run(text).expect("in bounds");
        for lane in 0..64u32 {
            let sum = |half: usize| round(wide(old(lane)[half]) + wide(data(lane)[half]));
            let stored = rig.bytes(base + 4 * lane as u64, 4);
            assert_eq!(stored, pack([sum(0), sum(1)]).to_le_bytes(), "{text} lane {lane}");
        }
    }
    for (text, expected) in [
        ("global_atomic_add_f64 v[12:13], v[2:3], v[8:9], off sc0", 1.5f64 + -0.1),
        ("global_atomic_min_f64 v[12:13], v[2:3], v[8:9], off sc0", -0.1),
        ("global_atomic_max_f64 v[12:13], v[2:3], v[8:9], off sc0", 1.5),
    ] {
        let mut rig = Rig::new();
        let base = rig.place(&1.5f64.to_le_bytes());
        rig.exec(1);
        rig.set_pair(2, |_| base);
        rig.set_pair(8, |_| (-0.1f64).to_bits());
        rig.run(text).expect("in bounds");
        assert_eq!(rig.bytes(base, 8), expected.to_le_bytes(), "{text}");
        assert_eq!(rig.get_pair(12)[0], 1.5f64.to_bits());
    }
}

#[test]
fn atomics_of_several_threads_lose_nothing() {
    const THREADS: usize = 4;
    const ROUNDS: usize = 200;
    let rig = Rig::new();
    let base = rig.place(&[0; 64]);
    let memory = &rig.memory;
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(move || {
                let mut rig = Rig::new();
                // The same memory, another wave: lanes hit one counter.
                let view = memory.view();
                let run = |rig: &mut Rig, text| rig.run_in(&view, text).expect("in bounds");
                rig.set(8, |_| 1);
                rig.set_pair(2, |_| base);
                (0..ROUNDS).for_each(|_| run(&mut rig, "global_atomic_add v[2:3], v8, off"));
                rig.set(8, |_| 1f32.to_bits());
                rig.set_pair(2, |_| base + 8);
                (0..ROUNDS).for_each(|_| run(&mut rig, "global_atomic_add_f32 v[2:3], v8, off"));
                rig.set_pair(8, |_| u64::MAX);
                rig.set_pair(2, |_| base + 16);
                (0..ROUNDS)
                    .for_each(|_| run(&mut rig, "global_atomic_inc_x2 v[12:13], v[2:3], v[8:9], off sc0"));
            });
        }
    });
    let total = THREADS * ROUNDS * 64;
    assert_eq!(rig.bytes(base, 4), (total as u32).to_le_bytes());
    assert_eq!(rig.bytes(base + 8, 4), (total as f32).to_le_bytes());
    assert_eq!(rig.bytes(base + 16, 8), (total as u64).to_le_bytes());
}

#[test]
fn unaligned_atomics_fault() {
    let mut rig = Rig::new();
    let base = rig.place(&[0; 64]);
    rig.set_pair(2, |lane| base + if lane == 9 { 6 } else { 0 });
    let refused = rig.run("global_atomic_add v[2:3], v8, off");
    assert_eq!(
        refused,
        Err(FaultKind::Unaligned { access: Access::Atomic, lane: 9, address: base + 6, align: 4 })
    );
    assert_eq!(rig.bytes(base, 64), [0; 64], "no lane has written");
}

/// A rig whose wave has 64 bytes of scratch per lane; yields its base.
fn with_scratch(rig: &mut Rig) -> u64 {
    let base = rig.place(&[0; 64 * 64]);
    rig.wave.scratch_base = base;
    rig.wave.scratch_bytes_per_lane = 64;
    base
}

#[test]
fn scratch_is_swizzled_by_dwords_and_private() {
    let mut rig = Rig::new();
    let base = with_scratch(&mut rig);
    rig.wave.scalar[6] = 24;
    rig.set(4, |lane| 8 + 4 * (lane as u32 % 2));
    (0..4).for_each(|dword| rig.set(8 + dword, |lane| lane as u32 * 16 + dword as u32));
    rig.run("scratch_store_dwordx4 v4, v[8:11], s6 offset:-16").expect("16 or 20, to 36");
    for lane in 0..64usize {
        for dword in 0..4usize {
            let offset = 16 + 4 * (lane % 2) + 4 * dword;
            let at = base + (offset / 4 * 256 + lane * 4) as u64;
            assert_eq!(
                rig.bytes(at, 4),
                (lane as u32 * 16 + dword as u32).to_le_bytes(),
                "lane {lane} dword {dword}"
            );
        }
    }
    rig.run("scratch_load_dwordx4 v[12:15], v4, s6 offset:-16").expect("as stored");
    (0..4).for_each(|dword| assert_eq!(rig.get(12 + dword), rig.get(8 + dword)));
    rig.wave.scalar[6] = 9;
    rig.set(8, |lane| 0xab00 + lane as u32);
    rig.run("scratch_store_short off, v8, s6 offset:6").expect("byte 15 and 16, two dwords");
    rig.run("scratch_load_ushort v12, off, s6 offset:6").expect("as stored");
    assert_eq!(rig.get(12), rig.get(8));
    assert_eq!(rig.bytes(base + 3 * 256 + 5 * 4 + 3, 1), [5], "low byte of lane 5: last of dword 3");
    assert_eq!(rig.bytes(base + 4 * 256 + 5 * 4, 1), [0xab], "high byte: first of dword 4");
    rig.set(4, |lane| if lane == 63 { 62 } else { 0 });
    let refused = rig.run("scratch_load_dword v12, v4, off");
    let expected = FaultKind::OutOfBounds {
        access: Access::Read,
        lane: 63,
        address: PRIVATE_BASE + 62,
        bytes: 4,
        nearest: Some((PRIVATE_BASE, 64)),
    };
    assert_eq!(refused, Err(expected));
}

#[test]
fn flat_addresses_reach_memory_lds_and_scratch_at_once() {
    let mut rig = Rig::new();
    with_scratch(&mut rig);
    let memory = rig.place(&pattern(1024));
    let lane_bytes = pattern(1024);
    rig.lds = pattern(4096).iter().map(|byte| !byte).collect();
    rig.set(4, |_| 4 * 5);
    rig.set(8, |lane| 0x5000_0000 + lane as u32);
    rig.run("scratch_store_dword v4, v8, off").expect("in bounds");
    rig.set_pair(2, |lane| match lane % 3 {
        0 => memory + 8 * lane as u64 - 4,
        1 => SHARED_BASE + 8 * lane as u64 - 4,
        _ => PRIVATE_BASE + 4 * 4,
    } + if lane == 0 { 4 } else { 0 });
    rig.run("flat_load_dword v8, v[2:3] offset:4").expect("three apertures");
    for lane in 0..64 {
        let expected = match lane % 3 {
            0 => model_read(&lane_bytes, 8 * lane + if lane == 0 { 4 } else { 0 }, 4, false),
            1 => model_read(&rig.lds, 8 * lane, 4, false),
            _ => 0x5000_0000 + lane as u32,
        };
        assert_eq!(rig.get(8)[lane], expected, "lane {lane}");
    }
    rig.set_pair(
        2,
        |lane| if lane % 2 == 0 { SHARED_BASE + 8 * lane as u64 } else { memory + 8 * lane as u64 },
    );
    rig.set_pair(8, |lane| 0x1_0000_0001 * lane as u64);
    rig.run("flat_store_dwordx2 v[2:3], v[8:9]").expect("two apertures");
    assert_eq!(rig.lds[80..88], 0xa_0000_000au64.to_le_bytes());
    assert_eq!(rig.bytes(memory + 88, 8), 0xb_0000_000bu64.to_le_bytes());
    rig.set_pair(8, |_| 1);
    rig.run("flat_atomic_add_x2 v[12:13], v[2:3], v[8:9] sc0").expect("two apertures");
    assert_eq!(rig.get_pair(12), std::array::from_fn(|lane| 0x1_0000_0001 * lane as u64));
    assert_eq!(rig.lds[80..88], 0xa_0000_000bu64.to_le_bytes());
    assert_eq!(rig.bytes(memory + 88, 8), 0xb_0000_000cu64.to_le_bytes());
    rig.set_pair(2, |_| SHARED_BASE + 4094);
    rig.run("flat_load_dword v8, v[2:3] offset:4").expect_err("beyond LDS");
    rig.clamp_lds = true;
    rig.run("flat_load_dword v8, v[2:3] offset:4").expect("beyond LDS reads zero");
    assert_eq!(rig.get(8), [0; 64]);
    rig.set_pair(2, |_| (3 << 48) + 16);
    rig.run("flat_load_ushort v8, v[2:3]").expect_err("no aperture");
}

#[test]
fn loads_to_lds_follow_m0_offset_and_lane() {
    let bytes = pattern(4096);
    let mut rig = Rig::new();
    let base = rig.place(&bytes);
    rig.set_pair(2, |lane| base + 20 * lane as u64);
    rig.exec(0xffff_ffff_ffff_fff7);
    rig.wave.scalar[M0 as usize] = 0xfffc_0000 | 258;
    let mut model = vec![0xee; 4096];
    rig.run("global_load_lds_dword v[2:3], off offset:8").expect("in bounds");
    for lane in (0..64).filter(|lane| *lane != 3) {
        model[256 + 8 + 4 * lane..][..4].copy_from_slice(&bytes[20 * lane + 8..][..4]);
    }
    assert_eq!(rig.lds, model, "the offset moves both addresses; M0's bits 1:0 and 31:18 do not count");

    rig.lds.fill(0xee);
    model.fill(0xee);
    rig.run("global_load_lds_dwordx3 v[2:3], off").expect("in bounds");
    for lane in (0..64).filter(|lane| *lane != 3) {
        model[256 + 16 * lane..][..12].copy_from_slice(&bytes[20 * lane..][..12]);
    }
    assert_eq!(rig.lds, model, "three dwords, sixteen bytes apart");

    rig.lds = vec![0xee; 800];
    model.truncate(800);
    model.fill(0xee);
    rig.wave.set_scalar64(4, base);
    rig.set(4, |lane| 16 * lane as u32);
    let fault = rig.run("global_load_lds_dwordx4 v4, s[4:5] offset:16").expect_err("leaves the LDS");
    assert!(matches!(fault, FaultKind::LdsOutOfBounds { access: Access::Write, lane: 63, .. }), "{fault:?}");
    rig.clamp_lds = true;
    rig.run("global_load_lds_dwordx4 v4, s[4:5] offset:16").expect("in bounds of memory");
    for at in 272..800 {
        if (at - 272) / 16 != 3 {
            model[at] = bytes[16 + at - 272];
        }
    }
    assert_eq!(rig.lds, model, "what leaves the LDS is dropped");

    (rig.lds, rig.clamp_lds) = (vec![0xee; 4096], false);
    rig.wave.scalar[M0 as usize] = 0;
    rig.run("global_load_lds_sbyte v[2:3], off").expect("in bounds");
    assert_eq!(rig.lds[4 * 5..][..4], model_read(&bytes, 100, 1, true).to_le_bytes());
    rig.run("global_load_lds_ushort v[2:3], off").expect("in bounds");
    assert_eq!(rig.lds[4 * 5..][..4], model_read(&bytes, 100, 2, false).to_le_bytes());
}
