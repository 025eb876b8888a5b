//! Instructions are assembled words (llvm-mc 22, gfx950), decoded and resolved like a kernel's.

use crate::{
    exec::{UNSUPPORTED, resolve},
    fault::{Access, FaultKind},
    lanes::Lanes,
    memory::Memory,
    simd,
    simd::Step,
    wave::{Cx, Wave},
};

/// A wave of 32 registers with its LDS.
struct Bench {
    wave: Wave,
    lds: Vec<u8>,
    clamp_lds: bool,
}

impl Bench {
    /// LDS bytes hold a hash of their address, registers zero, denormals are kept.
    fn new(lds_bytes: usize) -> Bench {
        let mut wave = Wave::new(0, 32, 8);
        wave.mode = 0xf0;
        Bench { wave, lds: (0..lds_bytes).map(|at| byte(at as u32)).collect(), clamp_lds: false }
    }

    fn set(&mut self, register: u16, value: impl Fn(u32) -> u32) {
        *self.wave.vector_mut(register).expect("allocated") =
            Lanes(std::array::from_fn(|lane| value(lane as u32)));
    }

    fn get(&self, register: u16) -> Lanes {
        *self.wave.vector(register).expect("allocated")
    }

    fn try_run(&mut self, words: [u32; 2]) -> Step {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let op = resolve(&cdna4::decode(&bytes).expect("assembled words decode"));
        let memory = Memory::new(1 << 20).view();
        simd::execute(
            &mut self.wave,
            &op,
            &mut Cx { clamp_lds: self.clamp_lds, ..Cx::new(&mut self.lds, &memory) },
        )
    }

    fn run(&mut self, words: [u32; 2]) {
        self.try_run(words).expect("no fault");
    }
}

fn byte(at: u32) -> u8 {
    (at.wrapping_mul(0x9e37_79b1) >> 13) as u8
}

/// The dword that [`Bench::new`] puts at `at`.
fn dword(at: u32) -> u32 {
    u32::from_le_bytes([byte(at), byte(at + 1), byte(at + 2), byte(at + 3)])
}

#[test]
fn reads_of_every_width() {
    let mut b = Bench::new(4096);
    b.set(1, |lane| 20 * lane + 4);
    b.run([0xd86c0010, 0x02000001]); // ds_read_b32 v2, v1 offset:16
    b.run([0xd8ec0010, 0x04000001]); // ds_read_b64 v[4:5], v1 offset:16
    b.run([0xd9fc0010, 0x08000001]); // ds_read_b96 v[8:10], v1 offset:16
    b.run([0xd9fe0010, 0x0c000001]); // ds_read_b128 v[12:15], v1 offset:16
    b.run([0xd8740003, 0x10000001]); // ds_read_u8 v16, v1 offset:3
    b.run([0xd8720003, 0x11000001]); // ds_read_i8 v17, v1 offset:3
    b.run([0xd8780001, 0x12000001]); // ds_read_u16 v18, v1 offset:1
    b.run([0xd8760001, 0x13000001]); // ds_read_i16 v19, v1 offset:1
    for lane in 0..64 {
        let at = 20 * lane + 20;
        for (first, dwords) in [(2, 1), (4, 2), (8, 3), (12, 4)] {
            for i in 0..dwords {
                assert_eq!(
                    b.get(first + i)[lane as usize],
                    dword(at + 4 * i as u32),
                    "register {first}+{i} lane {lane}"
                );
            }
        }
        let l = lane as usize;
        let (b8, b16) = (byte(20 * lane + 7), dword(20 * lane + 5) as u16);
        assert_eq!((b.get(16)[l], b.get(17)[l] as i32), (b8 as u32, b8 as i8 as i32));
        assert_eq!((b.get(18)[l], b.get(19)[l] as i32), (b16 as u32, b16 as i16 as i32));
    }
}

#[test]
fn half_register_reads_keep_the_other_half() {
    type Expected = fn(u32) -> u32;
    let cases: [([u32; 2], Expected); 6] = [
        ([0xd8ac0000, 0x02000001], |at| 0xaaaa_0000 | byte(at) as u32), // ds_read_u8_d16 v2, v1
        ([0xd8ae0000, 0x02000001], |at| (byte(at) as u32) << 16 | 0xbbbb), // ds_read_u8_d16_hi v2, v1
        ([0xd8b00000, 0x02000001], |at| 0xaaaa_0000 | byte(at) as i8 as u16 as u32), // ds_read_i8_d16 v2, v1
        ([0xd8b20000, 0x02000001], |at| (byte(at) as i8 as u32) << 16 | 0xbbbb), // ds_read_i8_d16_hi v2, v1
        ([0xd8b40000, 0x02000001], |at| 0xaaaa_0000 | dword(at) & 0xffff), // ds_read_u16_d16 v2, v1
        ([0xd8b60000, 0x02000001], |at| dword(at) << 16 | 0xbbbb),      // ds_read_u16_d16_hi v2, v1
    ];
    for (words, expected) in cases {
        let mut b = Bench::new(4096);
        b.set(1, |lane| 6 * lane + 2);
        b.set(2, |_| 0xaaaa_bbbb);
        b.run(words);
        for lane in 0..64 {
            assert_eq!(b.get(2)[lane as usize], expected(6 * lane + 2), "{words:x?} lane {lane}");
        }
    }
}

#[test]
fn writes_of_every_width_touch_only_their_bytes() {
    let cases: [([u32; 2], u32, &[u8]); 8] = [
        ([0xd81a0008, 0x00000201], 8, &[0, 1, 2, 3]), // ds_write_b32 v1, v2 offset:8
        ([0xd89a0000, 0x00000201], 0, &[0, 1, 2, 3, 4, 5, 6, 7]), // ds_write_b64 v1, v[2:3]
        ([0xd9bc0000, 0x00000201], 0, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]), // ds_write_b96 v1, v[2:4]
        ([0xd9be0000, 0x00000201], 0, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]), // ds_write_b128 v1, v[2:5]
        ([0xd83c0001, 0x00000201], 1, &[0]), // ds_write_b8 v1, v2 offset:1
        ([0xd8a80002, 0x00000201], 2, &[2]), // ds_write_b8_d16_hi v1, v2 offset:2
        ([0xd83e0000, 0x00000201], 0, &[0, 1]), // ds_write_b16 v1, v2
        ([0xd8aa0002, 0x00000201], 2, &[2, 3]), // ds_write_b16_d16_hi v1, v2 offset:2
    ];
    for (words, offset, bytes) in cases {
        let mut b = Bench::new(4096);
        b.wave.set_scalar64(crate::op::EXEC, 0xffff_0000_ffff_00ff);
        b.set(1, |lane| 24 * lane);
        // Byte n of a lane's data is 16·n + lane's low nibble.
        for i in 0..4 {
            b.set(2 + i, |lane| (0..4).map(|n| (16 * (4 * i as u32 + n) + lane % 16) << (8 * n)).sum());
        }
        let mut expected = b.lds.clone();
        for lane in (0..64u32).filter(|lane| 0xffff_0000_ffff_00ffu64 >> lane & 1 == 1) {
            for (n, byte) in bytes.iter().enumerate() {
                expected[(24 * lane + offset) as usize + n] = 16 * byte + (lane % 16) as u8;
            }
        }
        b.run(words);
        assert_eq!(b.lds, expected, "{words:x?}");
    }
}

#[test]
fn pairs_step_in_elements_or_64_elements() {
    let cases: [([u32; 2], [u32; 2], usize); 4] = [
        ([0xd86e0301, 0x08000001], [4, 12], 1), // ds_read2_b32 v[8:9], v1 offset0:1 offset1:3
        ([0xd8700201, 0x08000001], [256, 512], 1), // ds_read2st64_b32 v[8:9], v1 offset0:1 offset1:2
        ([0xd8ee0301, 0x08000001], [8, 24], 2), // ds_read2_b64 v[8:11], v1 offset0:1 offset1:3
        ([0xd8f00100, 0x08000001], [0, 512], 2), // ds_read2st64_b64 v[8:11], v1 offset1:1
    ];
    for (words, offsets, dwords) in cases {
        let mut b = Bench::new(4096);
        b.set(1, |lane| 8 * lane);
        b.run(words);
        for lane in 0..64u32 {
            for (half, offset) in offsets.iter().enumerate() {
                for i in 0..dwords {
                    let register = 8 + half * dwords + i;
                    assert_eq!(
                        b.get(register as u16)[lane as usize],
                        dword(8 * lane + offset + 4 * i as u32),
                        "{words:x?}"
                    );
                }
            }
        }
    }
    let cases: [([u32; 2], [u32; 2], usize); 4] = [
        ([0xd81c0301, 0x00030201], [4, 12], 1), // ds_write2_b32 v1, v2, v3 offset0:1 offset1:3
        ([0xd81e0100, 0x00030201], [0, 256], 1), // ds_write2st64_b32 v1, v2, v3 offset1:1
        ([0xd89c0301, 0x00040201], [8, 24], 2), // ds_write2_b64 v1, v[2:3], v[4:5] offset0:1 offset1:3
        ([0xd89e0100, 0x00040201], [0, 512], 2), // ds_write2st64_b64 v1, v[2:3], v[4:5] offset1:1
    ];
    for (words, offsets, dwords) in cases {
        let mut b = Bench::new(8192);
        b.set(1, |lane| 40 * lane);
        (2..6).for_each(|register| b.set(register, |lane| (register as u32) << 16 | lane));
        let mut expected = b.lds.clone();
        for (half, offset) in offsets.iter().enumerate() {
            for lane in 0..64u32 {
                for i in 0..dwords {
                    let value = ((2 + half * dwords + i) as u32) << 16 | lane;
                    let at = (40 * lane + offset) as usize + 4 * i;
                    expected[at..at + 4].copy_from_slice(&value.to_le_bytes());
                }
            }
        }
        b.run(words);
        assert_eq!(b.lds, expected, "{words:x?}");
    }
}

#[test]
fn beyond_the_allocation_clamping_reads_are_zero_and_writes_dropped_by_dword() {
    let mut b = Bench::new(64);
    b.clamp_lds = true;
    b.set(1, |lane| if lane == 0 { 40 } else { 0x1000_0000 + 4 * lane });
    b.run([0xd9fe0010, 0x0c000001]); // ds_read_b128 v[12:15], v1 offset:16
    assert_eq!(b.get(12)[0], dword(56));
    assert_eq!(b.get(13)[0], dword(60));
    assert_eq!((b.get(14)[0], b.get(15)[0], b.get(12)[1]), (0, 0, 0));
    (2..6).for_each(|register| b.set(register, |_| 0x0101_0101 * register as u32));
    b.set(1, |_| 56);
    b.run([0xd9be0000, 0x00000201]); // ds_write_b128 v1, v[2:5]
    assert_eq!(b.lds[56..], [2, 2, 2, 2, 3, 3, 3, 3]);
    // A negative base with an offset wraps to a valid address.
    b.set(1, |_| -8i32 as u32);
    b.run([0xd86c0010, 0x02000001]); // ds_read_b32 v2, v1 offset:16
    assert_eq!(b.get(2)[0], dword(8));
}

#[test]
fn beyond_the_allocation_every_access_faults() {
    let mut b = Bench::new(64);
    b.wave.set_scalar64(crate::op::EXEC, 1 << 5);
    let words = [
        ([0xd9fe0010, 0x0c000001], Access::Read, 16), // ds_read_b128 v[12:15], v1 offset:16
        ([0xd86c0010, 0x02000001], Access::Read, 4),  // ds_read_b32 v2, v1 offset:16
        ([0xd9be0010, 0x00000201], Access::Write, 16), // ds_write_b128 v1, v[2:5] offset:16
        ([0xd8000010, 0x00000201], Access::Atomic, 4), // ds_add_u32 v1, v2 offset:16
    ];
    for (words, access, bytes) in words {
        // The last place that fits, and the next: aligned, since atomics demand it.
        b.set(1, |_| 64 - bytes - 16);
        b.run(words);
        b.set(1, |_| 64 - bytes - 12);
        let fault = b.try_run(words).expect_err("reaches over the end");
        let address = 64 - bytes + 4;
        assert_eq!(fault.kind, FaultKind::LdsOutOfBounds { access, lane: 5, address, bytes, allocated: 64 });
    }
}

#[test]
fn disabled_lanes_keep_their_destination() {
    let mut b = Bench::new(1024);
    b.wave.set_scalar64(crate::op::EXEC, 0x8000_0000_0000_0001);
    b.set(1, |lane| 4 * lane);
    b.set(2, |_| 7);
    b.run([0xd86c0010, 0x02000001]); // ds_read_b32 v2, v1 offset:16
    assert_eq!(b.get(2)[0], dword(16));
    assert_eq!(b.get(2)[63], dword(63 * 4 + 16));
    assert!(b.get(2)[1..63].iter().all(|&x| x == 7));
}

#[test]
fn accesses_by_lane_number_start_at_m0() {
    let mut b = Bench::new(1024);
    b.wave.scalar[crate::op::M0 as usize] = 0x0001_0020;
    b.set(2, |lane| 100 + lane);
    b.run([0xd96c0004, 0x08000000]); // ds_read_addtid_b32 v8 offset:4
    assert_eq!(b.get(8)[5], dword(0x20 + 4 + 20));
    b.run([0xd83a0004, 0x00000200]); // ds_write_addtid_b32 v2 offset:4
    assert_eq!(b.lds[0x24..0x28], 100u32.to_le_bytes());
    assert_eq!(b.lds[0x24 + 252..0x28 + 252], 163u32.to_le_bytes());
}

#[test]
fn lanes_exchange_registers() {
    let mut b = Bench::new(0);
    b.set(1, |lane| 4 * (lane ^ 3) + 0x100);
    b.set(2, |lane| 1000 + lane);
    b.run([0xd87e0004, 0x08000201]); // ds_bpermute_b32 v8, v1, v2 offset:4
    assert!((0..64).all(|l| b.get(8)[l] == 1000 + (((l as u32) ^ 3) + 1) % 64));
    // All send to lanes 0 and 1: the highest sender wins, the rest receive 0.
    b.set(1, |lane| 4 * (lane & 1));
    b.run([0xd87c0000, 0x08000201]); // ds_permute_b32 v8, v1, v2
    assert_eq!(b.get(8)[..3], [1062, 1063, 0]);
    // A disabled lane provides 0 and receives nothing.
    b.set(8, |_| 5);
    b.set(1, |lane| 4 * (lane ^ 1));
    b.wave.set_scalar64(crate::op::EXEC, !0b11);
    b.run([0xd87e0000, 0x08000201]); // ds_bpermute_b32 v8, v1, v2
    assert_eq!(b.get(8)[..4], [5, 5, 1003, 1002]);
    b.set(1, |lane| if lane == 2 { 0 } else { 4 * lane });
    b.run([0xd87e0000, 0x08000201]);
    assert_eq!(b.get(8)[2], 0);
}

#[test]
fn swizzle_patterns() {
    let swizzled = |words: [u32; 2]| {
        let mut b = Bench::new(0);
        b.set(1, |lane| lane);
        b.run(words);
        b.get(8)
    };
    let quad = swizzled([0xd87a801b, 0x08000001]); // swizzle(QUAD_PERM,3,2,1,0)
    assert_eq!(quad[..8], [3, 2, 1, 0, 7, 6, 5, 4]);
    let masked = swizzled([0xd87a0907, 0x08000001]); // swizzle(BITMASK_PERM,"01pip"): bits 0, 1, kept, inverted, kept
    assert!((0..64).all(|l| masked[l as usize] == (l & 32 | 8 | l & 5 | !l & 2)));
    let broadcast = swizzled([0xd87a0078, 0x08000001]); // swizzle(BROADCAST,8,3)
    assert!((0..64).all(|l| broadcast[l as usize] == (l & !7 | 3)));
    let left = swizzled([0xd87ac080, 0x08000001]); // swizzle(ROTATE,0,4)
    let right = swizzled([0xd87ac480, 0x08000001]); // swizzle(ROTATE,1,4)
    assert_eq!((left[0], left[30], left[63]), (4, 2, 35));
    assert_eq!((right[4], right[0], right[32]), (0, 28, 60));
    // The manual lists the source lanes of each pattern.
    let fft0 = swizzled([0xd87ae000, 0x08000001]);
    assert_eq!(fft0[..8], [0x00, 0x10, 0x08, 0x18, 0x04, 0x14, 0x0c, 0x1c]);
    assert_eq!(fft0[28..34], [0x07, 0x17, 0x0f, 0x1f, 0x20, 0x30]);
    let fft16 = swizzled([0xd87ae010, 0x08000001]); // swizzle(FFT,16)
    assert_eq!(fft16[..8], [0x0, 0x8, 0x4, 0xc, 0x2, 0xa, 0x6, 0xe]);
    assert_eq!(fft16[14..20], [0x7, 0xf, 0x10, 0x18, 0x14, 0x1c]);
    assert!((0..64).all(|l| swizzled([0xd87ae01f, 0x08000001])[l as usize] == l));
}

/// Atomics with a return value: words, memory before, data 0, data 1, memory after.
#[test]
fn atomics_return_the_old_value() {
    let f = |x: f32| x.to_bits();
    #[rustfmt::skip]
    let cases: &[([u32; 2], u32, u32, u32, u32)] = &[
        ([0xd8400000, 0x08000201], 5, 7, 0, 12),                   // add
        ([0xd8420000, 0x08000201], 5, 7, 0, -2i32 as u32),         // sub
        ([0xd8440000, 0x08000201], 5, 7, 0, 2),                    // rsub
        ([0xd8460000, 0x08000201], 7, 7, 0, 0),                    // inc wraps at the bound
        ([0xd8460000, 0x08000201], 6, 7, 0, 7),
        ([0xd8480000, 0x08000201], 0, 7, 0, 7),                    // dec
        ([0xd8480000, 0x08000201], 9, 7, 0, 7),
        ([0xd8480000, 0x08000201], 7, 7, 0, 6),
        ([0xd84a0000, 0x08000201], -1i32 as u32, 1, 0, -1i32 as u32), // min_i32
        ([0xd84c0000, 0x08000201], -1i32 as u32, 1, 0, 1),         // max_i32
        ([0xd84e0000, 0x08000201], -1i32 as u32, 1, 0, 1),         // min_u32
        ([0xd8500000, 0x08000201], -1i32 as u32, 1, 0, -1i32 as u32), // max_u32
        ([0xd8520000, 0x08000201], 12, 10, 0, 8),                  // and
        ([0xd8540000, 0x08000201], 12, 10, 0, 14),                 // or
        ([0xd8560000, 0x08000201], 12, 10, 0, 6),                  // xor
        ([0xd8580000, 0x08030201], 0xff, 0x0f, 0x100, 0x1f0),      // mskor
        ([0xd85a0000, 0x08000201], 1, 2, 0, 2),                    // wrxchg
        ([0xd8600000, 0x08030201], 5, 5, 9, 9),                    // cmpst
        ([0xd8600000, 0x08030201], 5, 6, 9, 5),
        ([0xd8680000, 0x08030201], 9, 4, 100, 5),                  // wrap
        ([0xd8680000, 0x08030201], 3, 4, 100, 103),
        ([0xd86a0000, 0x08000201], f(1.5), f(2.25), 0, f(3.75)),   // add_f32
        ([0xd9700000, 0x08000201], 0x3f80_4000, 0x3f80_4000, 0, 0x4000_4080), // pk_add_bf16: 1 + 1, 2 + 2
        ([0xd96e0000, 0x08000201], 0x3c00_4000, 0x3c00_4000, 0, 0x4000_4400), // pk_add_f16
    ];
    for &(words, before, data, second, after) in cases {
        let mut b = Bench::new(64);
        b.lds[8..12].copy_from_slice(&before.to_le_bytes());
        b.wave.set_scalar64(crate::op::EXEC, 1 << 20);
        b.set(1, |_| 8);
        b.set(2, |_| data);
        b.set(3, |_| second);
        b.run(words);
        assert_eq!(b.get(8)[20], before, "{words:x?} returns");
        assert_eq!(b.lds[8..12], after.to_le_bytes(), "{words:x?} stores");
    }
}

#[test]
fn lanes_of_one_atomic_see_each_other_in_order() {
    let mut b = Bench::new(64);
    b.lds.fill(0);
    b.set(1, |_| 4);
    b.set(2, |lane| lane + 1);
    b.run([0xd8400000, 0x08000201]); // ds_add_rtn_u32 v8, v1, v2
    assert!((0..64).all(|l: u32| b.get(8)[l as usize] == l * (l + 1) / 2));
    b.run([0xd8000000, 0x00000201]); // ds_add_u32 v1, v2
    assert_eq!(b.lds[4..8], (2 * 2080u32).to_le_bytes());
    b.set(1, |_| 8);
    b.set(3, |_| 1);
    b.run([0xd8c00000, 0x08000201]); // ds_add_rtn_u64 v[8:9], v1, v[2:3]
    assert_eq!(b.lds[8..16], ((64u64 << 32) + 2080).to_le_bytes());
    assert_eq!((b.get(8)[63], b.get(9)[63]), (2016, 63));
    b.set(2, |_| 0);
    b.set(3, |_| 0x3ff0_0000);
    b.lds.fill(0);
    b.run([0xd8b80000, 0x00000201]); // ds_add_f64 v1, v[2:3]
    assert_eq!(b.lds[8..16], 64f64.to_le_bytes());
    b.set(1, |_| 6);
    let fault = b.try_run([0xd8400000, 0x08000201]).expect_err("unaligned atomic");
    assert!(matches!(fault.kind, FaultKind::Unaligned { address: 6, align: 4, .. }));
}

#[test]
fn append_and_consume_count_active_lanes() {
    let mut b = Bench::new(64);
    b.lds.fill(0);
    b.wave.scalar[crate::op::M0 as usize] = 16;
    b.wave.set_scalar64(crate::op::EXEC, 0xff);
    b.run([0xd97c0008, 0x08000000]); // ds_append v8 offset:8
    b.run([0xd97c0008, 0x08000000]);
    assert_eq!((b.get(8)[0], b.get(8)[7], b.get(8)[8]), (8, 8, 0));
    b.run([0xd97a0008, 0x08000000]); // ds_consume v8 offset:8
    assert_eq!((b.get(8)[0], b.lds[24]), (16, 8));
}

/// A 16-column tile of K rows, row-major, per group of 16 lanes: the lane receives its column.
#[test]
fn transposing_reads_turn_rows_into_columns() {
    let cases: [([u32; 2], u32, u32); 4] = [
        ([0xd9c60000, 0x08000001], 16, 4), // ds_read_b64_tr_b16 v[8:9], v1
        ([0xd9c40000, 0x08000001], 8, 8),  // ds_read_b64_tr_b8 v[8:9], v1
        ([0xd9c00000, 0x08000001], 4, 16), // ds_read_b64_tr_b4 v[8:9], v1
        ([0xd9c20000, 0x08000001], 6, 16), // ds_read_b96_tr_b6 v[8:10], v1
    ];
    for (words, bits, rows) in cases {
        let mut b = Bench::new(4096);
        let row_bytes = 16 * bits / 8;
        let lane_bytes = rows * bits / 8;
        b.set(1, |lane| lane * lane_bytes);
        let tile_bytes = rows * row_bytes;
        let bit = |at_bit: u32| b.lds[(at_bit / 8) as usize] as u128 >> (at_bit % 8) & 1;
        let element = |group: u32, row: u32, column: u32| -> u128 {
            let first = 8 * (group * tile_bytes + row * row_bytes) + column * bits;
            (0..bits).map(|n| bit(first + n) << n).sum()
        };
        let expected: Vec<u128> = (0..64)
            .map(|lane| (0..rows).map(|row| element(lane / 16, row, lane % 16) << (bits * row)).sum())
            .collect();
        b.run(words);
        for (lane, &expected) in expected.iter().enumerate() {
            let got =
                (0..lane_bytes / 4).map(|i| (b.get(8 + i as u16)[lane] as u128) << (32 * i)).sum::<u128>();
            assert_eq!(got, expected, "{bits} bits, lane {lane}");
        }
    }
    // The hardware measurement of tr_b16: half n of lane l is half l mod 4 of lane (l / 4 mod 4) + 4·n.
    let mut b = Bench::new(1024);
    b.set(1, |lane| 8 * lane);
    b.run([0xd9c60000, 0x08000001]);
    for lane in 0..64u32 {
        for n in 0..4u32 {
            let from = (lane & 48) + ((lane >> 2) & 3) + 4 * n;
            let expected = dword(8 * from + 2 * (lane & 3)) & 0xffff;
            assert_eq!(b.get(8 + n as u16 / 2)[lane as usize] >> (16 * (n & 1)) & 0xffff, expected);
        }
    }
}

/// Every opcode that decodes, with the registers that its operands need: unused fields must be zero.
#[test]
fn every_ds_row_of_the_table_has_a_handler() {
    let mut seen = std::collections::BTreeSet::new();
    for opcode in 0..256u32 {
        for registers in
            [0x0004_0201, 0x0000_0201, 0x0000_0200, 0x0800_0001, 0x0800_0000, 0x0800_0201, 0x0804_0201, 0, 1]
        {
            let bytes: Vec<u8> =
                [0xd800_0000 | opcode << 17, registers].iter().flat_map(|w| w.to_le_bytes()).collect();
            if let Ok(inst) = cdna4::decode(&bytes) {
                assert_ne!(resolve(&inst).exec as usize, UNSUPPORTED as usize, "{}", inst.mnemonic());
                seen.insert(inst.mnemonic());
            }
        }
    }
    // The table's DS mnemonics but the six ds_gws_*, which carry the GDS bit.
    assert_eq!(seen.len(), 126, "{seen:?}");
}
