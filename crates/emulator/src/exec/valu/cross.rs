//! Instructions that move values between lanes or between the scalar and vector files.

use crate::{
    exec::valu::{
        each,
        fetch::{Kind, constant, source, write},
        integer::int2,
    },
    lanes::Lanes,
    op::{Arg, Op},
    simd::{Exec, Step, blend, simd},
    wave::Wave,
};

pub(super) fn handler(mnemonic: &str) -> Option<Exec> {
    Some(match mnemonic {
        "v_readfirstlane_b32" => simd!(|wave, op, _cx| {
            // With no active lane the hardware reads lane 0.
            let lane = wave.exec().trailing_zeros() as usize & 63;
            read_lane(wave, op, lane)
        }),
        "v_readlane_b32" => simd!(|wave, op, _cx| {
            let lane = lane_select(wave, op);
            read_lane(wave, op, lane)
        }),
        "v_writelane_b32" => simd!(|wave, op, _cx| write_lane(wave, op)),
        "v_mbcnt_lo_u32_b32" => simd!(|wave, op, _cx| masked_count(wave, op, 0)),
        "v_mbcnt_hi_u32_b32" => simd!(|wave, op, _cx| masked_count(wave, op, 32)),
        "v_bcnt_u32_b32" => each!(int2: |a, b| a.count_ones().wrapping_add(b)),
        "v_swap_b32" => simd!(|wave, op, _cx| swap(wave, op)),
        "v_permlane16_swap_b32" => simd!(|wave, op, _cx| permlane_swap(wave, op, 16)),
        "v_permlane32_swap_b32" => simd!(|wave, op, _cx| permlane_swap(wave, op, 32)),
        _ => return None,
    })
}

/// Source 1 as a lane number.
fn lane_select(wave: &Wave, op: &Op) -> usize {
    constant(wave, op.src[1], Kind::B32, 0) as usize & 63
}

fn read_lane(wave: &mut Wave, op: &Op, lane: usize) -> Step {
    let value = match op.src[0] {
        Arg::Vector(register) => wave.vector(register)?[lane],
        other => constant(wave, other, Kind::B32, 0),
    };
    let target = if op.dst == Arg::None { op.sdst } else { op.dst };
    if let Arg::Scalar(index) = target {
        wave.scalar[index as usize & 127] = value;
    }
    Ok(())
}

/// Writes one lane whether it is active or not.
fn write_lane(wave: &mut Wave, op: &Op) -> Step {
    let value = constant(wave, op.src[0], Kind::B32, 0);
    let lane = lane_select(wave, op);
    if let Arg::Vector(register) = op.dst {
        wave.vector_mut(register)?[lane] = value;
    }
    Ok(())
}

/// Set bits of source 0 that belong to lower lanes, plus source 1; `first` is the lane of bit 0.
#[inline(always)]
fn masked_count(wave: &mut Wave, op: &Op, first: u32) -> Step {
    source!(a, wave, op, 0, Kind::B32);
    source!(b, wave, op, 1, Kind::B32);
    let result = Lanes(std::array::from_fn(|lane| {
        let below = ((1u64 << lane) - 1) >> first;
        (a[lane] & below as u32).count_ones().wrapping_add(b[lane])
    }));
    write(wave, op, &result)
}

/// Exchanges two registers in the active lanes.
fn swap(wave: &mut Wave, op: &Op) -> Step {
    let (Arg::Vector(d), Arg::Vector(s)) = (op.dst, op.src[0]) else { return Ok(()) };
    let exec = wave.exec();
    let (x, y) = (*wave.vector(d)?, *wave.vector(s)?);
    blend(wave.vector_mut(d)?, &y, exec);
    blend(wave.vector_mut(s)?, &x, exec);
    Ok(())
}

/// Exchanges source 0's lower lanes of each block of `2 · width` with the destination's upper ones.
///
/// EXEC gates each write. A lane whose partner is inactive is written only with fetch-inactive (`op_sel[0]`),
/// or, with zero, when bound control (`op_sel[1]`) is set: the rule of DPP, whose control bits these are.
fn permlane_swap(wave: &mut Wave, op: &Op, width: usize) -> Step {
    let (Arg::Vector(d), Arg::Vector(s)) = (op.dst, op.src[0]) else { return Ok(()) };
    let exec = wave.exec();
    let (fetch_inactive, bound_control) = (op.mods.op_sel & 1 != 0, op.mods.op_sel & 2 != 0);
    let (mut x, mut y) = (*wave.vector(d)?, *wave.vector(s)?);
    let (old_x, old_y) = (x, y);
    let active = |lane: usize| exec >> lane & 1 != 0;
    for lower in (0..64).filter(|lane| lane & width == 0) {
        let upper = lower + width;
        let deliver =
            |target: &mut u32, value: u32, from: usize, to: usize| match active(from) || fetch_inactive {
                true if active(to) => *target = value,
                false if active(to) && bound_control => *target = 0,
                _ => {}
            };
        deliver(&mut y[lower], old_x[upper], upper, lower);
        deliver(&mut x[upper], old_y[lower], lower, upper);
    }
    *wave.vector_mut(d)? = x;
    // The same register in both places: the source's write must not undo the destination's.
    if s == d {
        let target = wave.vector_mut(s)?;
        for lower in (0..64).filter(|lane| lane & width == 0) {
            target[lower] = y[lower];
        }
    } else {
        *wave.vector_mut(s)? = y;
    }
    Ok(())
}
