//! Transposing reads: each group of 16 lanes reads a tile row by row and receives it column by column.
//!
//! | instruction | lanes per row | rows × columns of a group's tile |
//! |---|---|---|
//! | `ds_read_b64_tr_b16` | 4 | 4 × 16 |
//! | `ds_read_b64_tr_b8` | 2 | 8 × 16 |
//! | `ds_read_b64_tr_b4` | 1 | 16 × 16 |
//! | `ds_read_b96_tr_b6` | 1 | 16 × 16 |
//!
//! Lane l of a group receives column l: its element n is row n's, which the lane
//! `n · lanes_per_row + l / elements_per_lane` has read, at `l mod elements_per_lane`.
//!
//! Sources. tr_b16 is measured on hardware (ROCm rocm-systems pull request 10175). For the others this is
//! the same rule with another element width, which agrees with every public user: AMD's documentation of
//! the intrinsics (each call gives a lane one run of K: 4, 8, 16, 16 elements), HipKittens' FP8 column
//! loads (lane l addresses row (l mod 16) / 2, columns 8·(l mod 2)), and Triton's layout for tr_b4 (16
//! lanes, 16 K rows of 8 bytes). Nobody has published a hardware dump of tr_b8, tr_b4, tr_b6: assumed.
//!
//! The manual demands EXEC of all ones. With other masks a disabled lane here provides 0 and keeps its
//! destination.

use super::{destination, gather};
use crate::{
    lanes::Lanes,
    op::Op,
    pending::Counter,
    simd::{Exec, Step},
    wave::{Cx, Wave},
};

pub(super) fn handler(name: &str) -> Option<Exec> {
    Some(match name {
        "ds_read_b64_tr_b16" => read::<2, 16>,
        "ds_read_b64_tr_b8" => read::<2, 8>,
        "ds_read_b64_tr_b4" => read::<2, 4>,
        "ds_read_b96_tr_b6" => read::<3, 6>,
        _ => return None,
    })
}

fn read<const DWORDS: usize, const BITS: usize>(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    let at = super::addresses(wave, op, op.imm as u32)?;
    let exec = wave.exec();
    let mut rows = [Lanes::ZERO; DWORDS];
    gather(cx, &at, exec, &mut rows)?;
    wave.deliver(cx, Counter::Lgkm, destination(op), &transpose::<DWORDS, BITS>(&rows), exec)
}

fn transpose<const DWORDS: usize, const BITS: usize>(rows: &[Lanes; DWORDS]) -> [Lanes; DWORDS] {
    let per_lane = 32 * DWORDS / BITS;
    let lanes_per_row = 16 / per_lane;
    let mut columns = [Lanes::ZERO; DWORDS];
    for lane in 0..64 {
        let (group, column) = (lane & 48, lane & 15);
        let mut packed = 0u128;
        for n in 0..per_lane {
            let from = group + n * lanes_per_row + column / per_lane;
            let word = (0..DWORDS).rev().fold(0u128, |word, i| word << 32 | rows[i][from] as u128);
            let element = word >> (BITS * (column % per_lane)) & ((1 << BITS) - 1);
            packed |= element << (BITS * n);
        }
        for (i, dword) in columns.iter_mut().enumerate() {
            dword[lane] = (packed >> (32 * i)) as u32;
        }
    }
    columns
}
