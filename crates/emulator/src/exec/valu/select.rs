//! Lane selects (DPP) and sub-dword selects (SDWA).

use crate::{
    lanes::Lanes,
    simd::{blend, permute},
};

/// No source lane.
const NONE: u8 = 0xff;

/// Highest DPP control + 1.
const CONTROLS: usize = 0x160;

/// Source lane of each lane under each control, [`NONE`] where there is none.
static SOURCES: [[u8; 64]; CONTROLS] = sources();

const fn sources() -> [[u8; 64]; CONTROLS] {
    let mut table = [[NONE; 64]; CONTROLS];
    let mut ctrl = 0;
    while ctrl < CONTROLS {
        let mut lane = 0;
        while lane < 64 {
            table[ctrl][lane] = source_lane(ctrl, lane);
            lane += 1;
        }
        ctrl += 1;
    }
    table
}

/// Lanes with a source under each control.
static EXISTING: [u64; CONTROLS] = existing();

const fn existing() -> [u64; CONTROLS] {
    let mut table = [0; CONTROLS];
    let mut ctrl = 0;
    while ctrl < CONTROLS {
        let mut lane = 0;
        while lane < 64 {
            table[ctrl] |= ((source_lane(ctrl, lane) != NONE) as u64) << lane;
            lane += 1;
        }
        ctrl += 1;
    }
    table
}

/// GFX9's DPP controls: quad permutation, row shifts and rotates, wave shifts by one, mirrors, row
/// broadcasts (15 to the next row, 31 to the upper half), and GFX90A's broadcast within each row.
const fn source_lane(ctrl: usize, lane: usize) -> u8 {
    let (row, in_row, n) = (lane & !15, lane & 15, ctrl & 15);
    let source = match ctrl {
        0x000..=0x0ff => lane & !3 | ctrl >> (2 * (lane & 3)) & 3,
        0x101..=0x10f if in_row + n < 16 => lane + n,
        0x111..=0x11f if in_row >= n => lane - n,
        0x121..=0x12f => row | (in_row + 16 - n) & 15,
        0x130 if lane < 63 => lane + 1,
        0x134 => (lane + 1) & 63,
        0x138 if lane > 0 => lane - 1,
        0x13c => (lane + 63) & 63,
        0x140 => row | (15 - in_row),
        0x141 => lane & !7 | (7 - (lane & 7)),
        0x142 if lane >= 16 => row - 1,
        0x143 if lane >= 32 => 31,
        0x150..=0x15f => row | n,
        _ => return NONE,
    };
    source as u8
}

/// Lanes whose source lane exists and is active: a disabled lane counts as none, as out of range.
fn valid(ctrl: u16, exec: u64) -> u64 {
    let ctrl = ctrl as usize % CONTROLS;
    if exec == !0 {
        return EXISTING[ctrl];
    }
    let mut mask = 0;
    for (lane, &source) in SOURCES[ctrl].iter().enumerate() {
        let active = source != NONE && exec >> (source & 63) & 1 != 0;
        mask |= (active as u64) << lane;
    }
    mask
}

/// The DPP view of a source. Lanes without a source read 0 if `bound_ctrl`; otherwise they are not written.
pub(super) fn dpp(source: &Lanes, ctrl: u16, bound_ctrl: bool, exec: u64) -> Lanes {
    // The wave's shifts and rotations and the broadcasts to other rows cross rows.
    let in_rows = !matches!(ctrl, 0x130..=0x13f | 0x142 | 0x143);
    let mut result = permute(source, &SOURCES[ctrl as usize % CONTROLS], in_rows);
    if bound_ctrl {
        let valid = valid(ctrl, exec);
        if valid != !0 {
            let mut bounded = Lanes::ZERO;
            blend(&mut bounded, &result, valid);
            result = bounded;
        }
    }
    result
}

/// Lanes that a DPP instruction writes: rows and banks of the masks, and without `bound_ctrl` only lanes
/// that have a source.
pub(super) fn dpp_mask(ctrl: u16, row_mask: u8, bank_mask: u8, bound_ctrl: bool, exec: u64) -> u64 {
    let spread = |bits: u8, width: u32| -> u64 {
        (0..4).map(|i| (((bits as u64 >> i) & 1) * ((1 << width) - 1)) << (width * i)).sum()
    };
    // Four lanes to a bank, the same in each row; sixteen to a row.
    let mask = (spread(bank_mask, 4) * 0x0001_0001_0001_0001) & spread(row_mask, 16);
    if bound_ctrl { mask } else { mask & valid(ctrl, exec) }
}

/// Bit offset and mask of a sub-dword select: bytes 0–3, words 4–5, dword 6.
fn field(select: u8) -> (u32, u32) {
    match select & 7 {
        byte @ 0..=3 => (8 * byte as u32, 0xff),
        word @ 4..=5 => (16 * (word as u32 - 4), 0xffff),
        _ => (0, !0),
    }
}

/// Replaces each lane by its selected byte or word; +8 sign-extends.
pub(super) fn sdwa(lanes: &mut Lanes, select: u8) {
    let (shift, mask) = field(select);
    let unused = mask.leading_zeros();
    if select & 8 != 0 {
        lanes.iter_mut().for_each(|x| *x = (((*x >> shift) << unused) as i32 >> unused) as u32);
    } else {
        lanes.iter_mut().for_each(|x| *x = *x >> shift & mask);
    }
}

/// Puts a result into the selected byte or word; the other bits are zero (`unused` 0), the field's sign above
/// it (1), or the register's old bits (2).
pub(super) fn sdwa_place(result: &Lanes, old: &Lanes, select: u8, unused: u8) -> Lanes {
    let (shift, mask) = field(select);
    let spare = mask.leading_zeros();
    Lanes(std::array::from_fn(|lane| {
        let value = result[lane] & mask;
        match unused {
            1 => (((value << spare) as i32 >> spare) as u32) << shift,
            2 => old[lane] & !(mask << shift) | value << shift,
            _ => value << shift,
        }
    }))
}
