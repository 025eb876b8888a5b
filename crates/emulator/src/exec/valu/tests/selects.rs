//! DPP and SDWA: which lane or byte is read, and which lanes and bits are written.

use super::Bench;
use crate::{group::Random, op::EXEC};

/// `v_mov_b32_dpp v0, v32` and `v_add_f32_dpp v0, v32, v64`.
const MOV_DPP: u32 = 0x7e00_02fa;
const ADD_DPP: u32 = 0x0200_80fa;

/// The DPP word for source v32.
fn dpp(ctrl: u32, row_mask: u32, bank_mask: u32, bound_ctrl: bool) -> u32 {
    32 | ctrl << 8 | (bound_ctrl as u32) << 19 | bank_mask << 24 | row_mask << 28
}

/// The lane that a lane reads, written from the manual's names: rows are 16 lanes, banks 4.
fn source(ctrl: u32, lane: i32) -> Option<i32> {
    let (row, column, n) = (lane / 16 * 16, lane % 16, (ctrl & 15) as i32);
    let in_row = |column: i32| (0..16).contains(&column).then_some(row + column);
    let in_wave = |lane: i32| (0..64).contains(&lane).then_some(lane);
    match ctrl {
        0..=0xff => Some(lane / 4 * 4 + (ctrl >> (2 * (lane % 4)) & 3) as i32),
        0x101..=0x10f => in_row(column + n),                  // row_shl
        0x111..=0x11f => in_row(column - n),                  // row_shr
        0x121..=0x12f => in_row((column - n).rem_euclid(16)), // row_ror
        0x130 => in_wave(lane + 1),                           // wave_shl
        0x134 => Some((lane + 1) % 64),                       // wave_rol
        0x138 => in_wave(lane - 1),                           // wave_shr
        0x13c => Some((lane + 63) % 64),                      // wave_ror
        0x140 => in_row(15 - column),                         // row_mirror
        0x141 => in_row(column / 8 * 8 + 7 - column % 8),     // row_half_mirror
        0x142 => in_wave(row - 1),                            // row_bcast15
        0x143 => (lane >= 32).then_some(31),                  // row_bcast31
        0x150..=0x15f => in_row(n),                           // row_newbcast
        _ => unreachable!("{ctrl:x}"),
    }
}

fn controls() -> impl Iterator<Item = u32> {
    let quads = [0xe4, 0x1b, 0x00, 0xff, 0x55, 0x4e, 0xb1, 0x93];
    let waves = [0x130, 0x134, 0x138, 0x13c, 0x140, 0x141, 0x142, 0x143];
    quads
        .into_iter()
        .chain(0x101..=0x10f)
        .chain(0x111..=0x11f)
        .chain(0x121..=0x12f)
        .chain(waves)
        .chain(0x150..=0x15f)
}

#[test]
fn dpp_controls_masks_bounds_and_exec() {
    let mut random = Random(31);
    let mut bench = Bench::new();
    for ctrl in controls() {
        for case in 0..24 {
            let (row_mask, bank_mask, exec) = match case {
                0..4 => (15, 15, !0),
                4..8 => (15, 15, random.next()),
                _ => (random.below(16) as u32, random.below(16) as u32, random.next()),
            };
            let bound_ctrl = case & 1 == 1;
            bench.set(32, |lane| 1000 + lane as u32);
            bench.set(0, |lane| 5000 + lane as u32);
            bench.wave.set_scalar64(EXEC, exec);
            bench.run(&[MOV_DPP, dpp(ctrl, row_mask, bank_mask, bound_ctrl)]);
            let got = bench.get(0);
            for lane in 0..64 {
                let old = 5000 + lane as u32;
                let enabled = exec >> lane & 1 == 1
                    && row_mask >> (lane / 16) & 1 == 1
                    && bank_mask >> (lane / 4 % 4) & 1 == 1;
                let want = match source(ctrl, lane).filter(|from| exec >> from & 1 == 1) {
                    _ if !enabled => old,
                    Some(from) => 1000 + from as u32,
                    None if bound_ctrl => 0,
                    None => old,
                };
                assert_eq!(
                    got[lane as usize], want,
                    "ctrl {ctrl:x} rows {row_mask:x} banks {bank_mask:x} bound {bound_ctrl} exec {exec:x} lane {lane}"
                );
            }
        }
    }
}

#[test]
fn dpp_applies_magnitude_then_negation_to_either_source() {
    let mut bench = Bench::new();
    let value = |lane: usize| if lane.is_multiple_of(2) { lane as f32 + 1.0 } else { -(lane as f32) - 1.0 };
    bench.set(32, |lane| value(lane).to_bits());
    bench.set(64, |lane| (-100.0 * value(lane)).to_bits());
    for bits in 0..16u32 {
        // row_ror:3; bits 20–23: negate 0, magnitude 0, negate 1, magnitude 1.
        bench.run(&[ADD_DPP, dpp(0x123, 15, 15, false) | bits << 20]);
        let modify = |x: f32, bits: u32| {
            let x = if bits & 2 != 0 { x.abs() } else { x };
            if bits & 1 != 0 { -x } else { x }
        };
        let got = bench.get(0);
        for lane in 0..64 {
            let from = lane / 16 * 16 + (lane + 13) % 16;
            let want = modify(value(from), bits) + modify(-100.0 * value(lane), bits >> 2);
            assert_eq!(f32::from_bits(got[lane]), want, "modifiers {bits:x} lane {lane}");
        }
    }
}

/// Bits of a byte, word or dword select, extended.
fn selected(value: u32, select: u32, signed: bool) -> u32 {
    match (select, signed) {
        (0..=3, false) => value >> (8 * select) & 0xff,
        (0..=3, true) => (value >> (8 * select)) as u8 as i8 as u32,
        (4..=5, false) => value >> (16 * (select - 4)) & 0xffff,
        (4..=5, true) => (value >> (16 * (select - 4))) as u16 as i16 as u32,
        _ => value,
    }
}

/// The result in its place.
fn placed(result: u32, old: u32, select: u32, unused: u32) -> u32 {
    let (at, bits) = match select {
        0..=3 => (8 * select, 8),
        4..=5 => (16 * (select - 4), 16),
        _ => return result,
    };
    let field = (1u32 << bits) - 1;
    let value = result & field;
    let above = if value >> (bits - 1) & 1 == 1 && at + bits < 32 { !0 << (at + bits) } else { 0 };
    match unused {
        0 => value << at,
        1 => value << at | above,
        _ => old & !(field << at) | value << at,
    }
}

#[test]
fn sdwa_selects_extends_and_places() {
    let mut random = Random(32);
    let mut bench = Bench::new();
    // v_add_u32_sdwa v0, v32, v64
    for src0 in 0..7u32 {
        for src1 in 0..7u32 {
            for (dst, unused) in (0..7u32).flat_map(|dst| (0..3u32).map(move |unused| (dst, unused))) {
                let signs = random.below(4) as u32;
                let exec = if random.below(2) == 0 { !0 } else { random.next() };
                let values: [[u32; 64]; 3] =
                    std::array::from_fn(|_| std::array::from_fn(|_| random.next() as u32));
                for (register, values) in [(32, values[0]), (64, values[1]), (0, values[2])] {
                    bench.set(register, |lane| values[lane]);
                }
                bench.wave.set_scalar64(EXEC, exec);
                let word = 32
                    | dst << 8
                    | unused << 11
                    | src0 << 16
                    | (signs & 1) << 19
                    | src1 << 24
                    | (signs >> 1) << 27;
                bench.run(&[0x6800_80f9, word]);
                let got = bench.get(0);
                for lane in 0..64 {
                    let a = selected(values[0][lane], src0, signs & 1 == 1);
                    let b = selected(values[1][lane], src1, signs & 2 == 2);
                    let active = exec >> lane & 1 == 1;
                    let old = values[2][lane];
                    let want = if active { placed(a.wrapping_add(b), old, dst, unused) } else { old };
                    assert_eq!(
                        got[lane], want,
                        "src0 {src0} src1 {src1} signs {signs} dst {dst} unused {unused}"
                    );
                }
            }
        }
    }
}

#[test]
fn sdwa_modifies_floats_after_the_select() {
    let mut bench = Bench::new();
    bench.set(32, |_| 0x4000_c000); // 2.0 and −2.0 as f16 halves
    bench.set(64, |_| 0xc200_3c00); // −3.0 and 1.0
    bench.set(0, |_| 0x1111_1111);
    // v_add_f16_sdwa v0, |v32|, -v64 dst_sel:WORD_1 dst_unused:UNUSED_PRESERVE src0_sel:WORD_0 src1_sel:WORD_1
    bench.run(&[0x3e00_80f9, 32 | 5 << 8 | 2 << 11 | 4 << 16 | 1 << 21 | 5 << 24 | 1 << 28]);
    assert_eq!(bench.get(0)[9], 0x4500_1111); // 2 + 3
}

#[test]
fn lane_swaps_honour_exec() {
    for (words, width) in [(0x7e00_b320, 16), (0x7e00_b520, 32)] {
        for exec in [!0u64, 0x00ff_ffff_ffff_0ff0] {
            let mut bench = Bench::new();
            bench.set(0, |lane| lane as u32);
            bench.set(32, |lane| 100 + lane as u32);
            bench.wave.set_scalar64(EXEC, exec);
            bench.run(&[words]);
            let (d, s) = (bench.get(0), bench.get(32));
            let active = |lane: usize| exec >> lane & 1 == 1;
            for lane in 0..64 {
                let upper = lane & width != 0;
                let partner = lane ^ width;
                let swapped = active(lane) && active(partner);
                let want_d = if upper && swapped { 100 + partner } else { lane };
                let want_s = if !upper && swapped { partner } else { 100 + lane };
                assert_eq!((d[lane], s[lane]), (want_d as u32, want_s as u32), "width {width} lane {lane}");
            }
        }
    }
}

#[test]
fn reads_of_a_lane_ignore_exec_and_the_first_active_one_does_not() {
    let mut bench = Bench::new();
    bench.set(32, |lane| 7 * lane as u32);
    for (exec, first) in [(!0u64, 0), (0xf0, 4), (1 << 63, 63), (0, 0)] {
        bench.wave.set_scalar64(EXEC, exec);
        bench.run(&[0x7e08_0520]); // v_readfirstlane_b32 s4, v32
        assert_eq!(bench.wave.scalar[4], 7 * first);
        bench.wave.scalar[5] = 64 + 13; // modulo 64
        bench.run(&[0xd289_0004, 0x0000_0b20]); // v_readlane_b32 s4, v32, s5
        assert_eq!(bench.wave.scalar[4], 7 * 13);
    }
}
