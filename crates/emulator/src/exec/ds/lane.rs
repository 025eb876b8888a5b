//! Lane exchange through the LDS crossbar; no LDS memory is touched.
//!
//! A lane that EXEC disables provides 0 and receives nothing (CDNA4 ISA, DS_PERMUTE_B32 ff.).

use super::{active, destination, sources};
use crate::{
    lanes::Lanes,
    op::Op,
    pending::Counter,
    simd::{Exec, Step},
    wave::{Cx, Wave},
};

pub(super) fn handler(name: &str) -> Option<Exec> {
    Some(match name {
        "ds_permute_b32" => permute,
        "ds_bpermute_b32" => bpermute,
        "ds_swizzle_b32" => swizzle,
        _ => return None,
    })
}

/// Lane i sends to lane `(addr + offset) / 4 mod 64`; of several senders the highest lane wins.
fn permute(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    let at = super::addresses(wave, op, op.imm as u32)?;
    let [data] = sources::<1>(wave, op, 1)?;
    let exec = wave.exec();
    let mut result = Lanes::ZERO;
    for lane in active(exec) {
        result[(at[lane] / 4 % 64) as usize] = data[lane];
    }
    wave.deliver(cx, Counter::Lgkm, destination(op), &[result], exec)
}

/// Lane i receives from lane `(addr + offset) / 4 mod 64`.
fn bpermute(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    let at = super::addresses(wave, op, op.imm as u32)?;
    let [data] = sources::<1>(wave, op, 1)?;
    let exec = wave.exec();
    let result = Lanes(std::array::from_fn(|lane| pick(data, exec, (at[lane] / 4 % 64) as usize)));
    wave.deliver(cx, Counter::Lgkm, destination(op), &[result], exec)
}

/// Lane i receives from the lane that the offset's pattern names.
fn swizzle(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    let mut spread = Lanes::ZERO;
    let data = wave.lanes(op, 0, &mut spread)?;
    let exec = wave.exec();
    let pattern = op.imm as u32;
    let result =
        Lanes(std::array::from_fn(|lane| pick(data, exec, swizzle_source(pattern, lane as u32) as usize)));
    wave.deliver(cx, Counter::Lgkm, destination(op), &[result], exec)
}

/// Source lane of a swizzle. Modes by offset: 0xe000 and up FFT, 0xc000 and up rotate, bit 15 quad
/// permute, else bit mask (LLVM's `Swizzle` encodings; the FFT and rotate formulas are the GFX9 ISA's).
fn swizzle_source(pattern: u32, lane: u32) -> u32 {
    let (half, within) = (lane & 32, lane & 31);
    half | match pattern {
        0xe000.. => {
            let mask = pattern & 31;
            fft(within, mask)
        }
        0xc000.. => {
            let (mask, amount) = (pattern & 31, pattern >> 5 & 31);
            let moved = if pattern >> 10 & 1 == 0 {
                within.wrapping_add(amount)
            } else {
                within.wrapping_sub(amount)
            };
            within & mask | moved & 31 & !mask
        }
        0x8000.. => within & !3 | pattern >> (2 * (within & 3)) & 3,
        _ => (within & (pattern & 31) | pattern >> 5 & 31) ^ (pattern >> 10 & 31),
    }
}

/// Bit-reversed lane for transforms of 32 (mask 0) down to 2 points (mask 15 reverses one bit).
///
/// GFX9 ISA: reverse the five bits of the lane, shift right by the number of ones of the mask, and keep
/// the lane's bits under the mask. The manual's table agrees: mask 0 sends lanes 0, 1, 2 … to
/// 0, 16, 8 …; mask 0x10 reverses four bits within each half; mask 0x1f is the identity.
fn fft(lane: u32, mask: u32) -> u32 {
    let reversed = (lane.reverse_bits() >> 27) >> mask.count_ones();
    reversed | lane & mask
}

#[inline(always)]
fn pick(data: &Lanes, exec: u64, from: usize) -> u32 {
    if exec >> from & 1 == 1 { data[from] } else { 0 }
}
