//! Packed lane shapes: two 16-bit halves, pairs of f32, dot products.

use crate::{
    exec::valu::{
        bit,
        fetch::{Kind, pair_build, pair_register, source, write, write_part},
        float::{self, NanRule},
        half::{self, from_f32, to_f32},
        integer::{saturate_i32, saturate_u32},
        soft::Arith,
    },
    lanes::Lanes,
    op::Op,
    simd::Step,
    wave::Wave,
};

/// Two-source packed f16 instruction.
#[inline(always)]
pub(super) fn packed_f16x2(wave: &mut Wave, op: &Op, arith: Arith, rule: impl Fn(f32, f32) -> f32) -> Step {
    source!(a, wave, op, 0, Kind::PackedF16);
    source!(b, wave, op, 1, Kind::PackedF16);
    let result = apply(wave.mode, arith, [a, b], |[a, b]| rule(a, b));
    finish_write(wave, op, result)
}

/// Three-source packed f16 instruction.
#[inline(always)]
pub(super) fn packed_f16x3(
    wave: &mut Wave,
    op: &Op,
    arith: Arith,
    rule: impl Fn(f32, f32, f32) -> f32,
) -> Step {
    source!(a, wave, op, 0, Kind::PackedF16);
    source!(b, wave, op, 1, Kind::PackedF16);
    source!(c, wave, op, 2, Kind::PackedF16);
    let result = apply(wave.mode, arith, [a, b, c], |[a, b, c]| rule(a, b, c));
    finish_write(wave, op, result)
}

#[inline(always)]
fn apply<const N: usize>(
    mode: u32,
    arith: Arith,
    sources: [&Lanes; N],
    rule: impl Fn([f32; N]) -> f32,
) -> Lanes {
    if !half::default_mode(mode) {
        return halves(&sources, |half| half::apply_rounded(mode, arith, half));
    }
    let mut result = Lanes::ZERO;
    let mut nan = 0u32;
    for lane in 0..64 {
        let low = from_f32(rule(sources.map(|source| to_f32(source[lane]))));
        let high = from_f32(rule(sources.map(|source| to_f32(source[lane] >> 16))));
        nan |= (half::is_nan(low) | half::is_nan(high)) as u32;
        result[lane] = low | high << 16;
    }
    if nan != 0 {
        return settled(&result, &sources);
    }
    result
}

#[cold]
#[inline(never)]
fn settled(result: &Lanes, sources: &[&Lanes]) -> Lanes {
    let mut parts = [result, result].into_iter().zip([0, 16]).map(|(lanes, shift)| shifted(lanes, shift));
    halves(sources, |half| {
        let mut part = parts.next().expect("two halves");
        half::settle_nans(&mut part, half);
        part
    })
}

/// Runs `compute` on the low halves and on the high halves of the sources.
#[inline(never)]
fn halves(sources: &[&Lanes], mut compute: impl FnMut(&[&Lanes]) -> Lanes) -> Lanes {
    let mut part = |shift: u32| {
        let mut buffers = [Lanes::ZERO; 3];
        for (buffer, source) in buffers.iter_mut().zip(sources) {
            *buffer = shifted(source, shift);
        }
        let all = buffers.each_ref();
        compute(&all[..sources.len()])
    };
    let low = part(0);
    let high = part(16);
    Lanes(std::array::from_fn(|lane| low[lane] & 0xffff | high[lane] << 16))
}

fn shifted(lanes: &Lanes, shift: u32) -> Lanes {
    Lanes(std::array::from_fn(|lane| lanes[lane] >> shift & 0xffff))
}

#[inline(always)]
fn finish_write(wave: &mut Wave, op: &Op, mut result: Lanes) -> Step {
    if op.bits & bit::FINISH != 0 && op.mods.clamp {
        for bits in result.iter_mut() {
            *bits = half::clamp(wave.mode, *bits & 0xffff) | half::clamp(wave.mode, *bits >> 16) << 16;
        }
    }
    write(wave, op, &result)
}

/// Two-source packed f16 selection.
#[inline(always)]
pub(super) fn packed_pick2(
    wave: &mut Wave,
    op: &Op,
    nans: NanRule<2>,
    rule: impl Fn(i32, i32) -> i32,
) -> Step {
    source!(a, wave, op, 0, Kind::PackedF16);
    source!(b, wave, op, 1, Kind::PackedF16);
    let low = half::pick_low(wave.mode, [a, b], |[a, b]| rule(a, b), nans);
    let (a, b) = (shifted(a, 16), shifted(b, 16));
    let high = half::pick_low(wave.mode, [&a, &b], |[a, b]| rule(a, b), nans);
    finish_write(wave, op, Lanes(std::array::from_fn(|lane| low[lane] | high[lane] << 16)))
}

/// Three-source packed f16 selection.
#[inline(always)]
pub(super) fn packed_pick3(
    wave: &mut Wave,
    op: &Op,
    nans: NanRule<3>,
    rule: impl Fn(i32, i32, i32) -> i32,
) -> Step {
    source!(a, wave, op, 0, Kind::PackedF16);
    source!(b, wave, op, 1, Kind::PackedF16);
    source!(c, wave, op, 2, Kind::PackedF16);
    let low = half::pick_low(wave.mode, [a, b, c], |[a, b, c]| rule(a, b, c), nans);
    let (a, b, c) = (shifted(a, 16), shifted(b, 16), shifted(c, 16));
    let high = half::pick_low(wave.mode, [&a, &b, &c], |[a, b, c]| rule(a, b, c), nans);
    finish_write(wave, op, Lanes(std::array::from_fn(|lane| low[lane] | high[lane] << 16)))
}

/// Two-source packed 16-bit integer instruction; `saturating` is its form under clamp.
#[inline(always)]
pub(super) fn packed_int2(
    wave: &mut Wave,
    op: &Op,
    saturating: fn(u16, u16) -> u16,
    rule: impl Fn(u16, u16) -> u16,
) -> Step {
    source!(a, wave, op, 0, Kind::PackedB16);
    source!(b, wave, op, 1, Kind::PackedB16);
    let pair = |rule: &dyn Fn(u16, u16) -> u16, lane: usize| {
        rule(a[lane] as u16, b[lane] as u16) as u32
            | (rule((a[lane] >> 16) as u16, (b[lane] >> 16) as u16) as u32) << 16
    };
    let result = if op.mods.clamp {
        Lanes(std::array::from_fn(|lane| pair(&saturating, lane)))
    } else {
        Lanes(std::array::from_fn(|lane| {
            let low = rule(a[lane] as u16, b[lane] as u16) as u32;
            low | (rule((a[lane] >> 16) as u16, (b[lane] >> 16) as u16) as u32) << 16
        }))
    };
    write(wave, op, &result)
}

/// Three-source packed 16-bit multiply-add.
#[inline(always)]
pub(super) fn packed_mad(wave: &mut Wave, op: &Op, rule: impl Fn(u16, u16, u16, bool) -> u16) -> Step {
    source!(a, wave, op, 0, Kind::PackedB16);
    source!(b, wave, op, 1, Kind::PackedB16);
    source!(c, wave, op, 2, Kind::PackedB16);
    let clamp = op.mods.clamp;
    let result = Lanes(std::array::from_fn(|lane| {
        let half = |shift: u32| {
            rule((a[lane] >> shift) as u16, (b[lane] >> shift) as u16, (c[lane] >> shift) as u16, clamp)
                as u32
        };
        half(0) | half(16) << 16
    }));
    write(wave, op, &result)
}

/// Binds `$name: &Lanes` to half `$part` of a packed f32 source.
macro_rules! pair_source {
    ($name:ident, $wave:expr, $op:expr, $i:expr, $part:expr) => {
        let buffer: Lanes;
        let $name: &Lanes = match pair_register($wave, $op, $i, $part) {
            Some(lanes) => lanes,
            None => {
                buffer = pair_build($wave, $op, $i, $part)?;
                &buffer
            }
        };
    };
}

/// Two-source packed f32 instruction.
#[inline(always)]
pub(super) fn pair_f32x2(wave: &mut Wave, op: &Op, arith: Arith, rule: impl Fn(f32, f32) -> f32) -> Step {
    let mut result = [Lanes::ZERO; 2];
    for (part, half) in result.iter_mut().enumerate() {
        pair_source!(a, wave, op, 0, part as u16);
        pair_source!(b, wave, op, 1, part as u16);
        *half = float::apply(wave, arith, [a, b], |[a, b]| rule(a, b));
    }
    write_pair(wave, op, result)
}

/// Three-source packed f32 instruction.
#[inline(always)]
pub(super) fn pair_f32x3(
    wave: &mut Wave,
    op: &Op,
    arith: Arith,
    rule: impl Fn(f32, f32, f32) -> f32,
) -> Step {
    let mut result = [Lanes::ZERO; 2];
    for (part, half) in result.iter_mut().enumerate() {
        pair_source!(a, wave, op, 0, part as u16);
        pair_source!(b, wave, op, 1, part as u16);
        pair_source!(c, wave, op, 2, part as u16);
        *half = float::apply(wave, arith, [a, b, c], |[a, b, c]| rule(a, b, c));
    }
    write_pair(wave, op, result)
}

#[inline(always)]
fn write_pair(wave: &mut Wave, op: &Op, mut result: [Lanes; 2]) -> Step {
    if op.bits & bit::FINISH != 0 {
        result.iter_mut().for_each(|half| float::finish(wave.mode, op, half));
    }
    write_part(wave, op, 0, &result[0])?;
    write_part(wave, op, 1, &result[1])
}

/// `v_pk_mov_b32`: low from source 0, high from source 1, each from the half that its select names.
#[inline(always)]
pub(super) fn pair_mov(wave: &mut Wave, op: &Op) -> Step {
    let select = |i: usize| (op.mods.op_sel >> i & 1) as u16;
    source!(low, wave, op, 0, Kind::PairB32, select(0));
    source!(high, wave, op, 1, Kind::PairB32, select(1));
    let (low, high) = (*low, *high);
    write_part(wave, op, 0, &low)?;
    write_part(wave, op, 1, &high)
}

/// Dot product of packed 16-bit floats into f32. Denormals are kept and every step rounds to nearest whatever
/// MODE says (gfx950's dot instructions do not flush, unlike gfx90a's).
#[inline(always)]
pub(super) fn dot_f32(wave: &mut Wave, op: &Op, kind: Kind, rule: impl Fn(u32, u32, f32) -> f32) -> Step {
    source!(a, wave, op, 0, kind);
    source!(b, wave, op, 1, kind);
    source!(c, wave, op, 2, Kind::AddendF32);
    let mut result = Lanes::ZERO;
    for lane in 0..64 {
        result[lane] = rule(a[lane], b[lane], f32::from_bits(c[lane])).to_bits();
    }
    float::settle_nans(&mut result, &[c]);
    float::finish_write(wave, op, result)
}

/// Dot product of packed integers of `width` bits into 32 bits; clamp saturates the final sum.
#[inline(always)]
pub(super) fn dot_i32(
    wave: &mut Wave,
    op: &Op,
    width: u32,
    signed: bool,
    element: impl Fn(u32) -> i64,
) -> Step {
    source!(a, wave, op, 0, Kind::PackedB16);
    source!(b, wave, op, 1, Kind::PackedB16);
    source!(c, wave, op, 2, Kind::B32);
    let clamp = op.mods.clamp;
    let result = Lanes(std::array::from_fn(|lane| {
        let mut sum = if signed { c[lane] as i32 as i64 } else { c[lane] as i64 };
        for i in 0..32 / width {
            sum += element(a[lane] >> (i * width)) * element(b[lane] >> (i * width));
        }
        match (clamp, signed) {
            (false, _) => sum as u32,
            (true, true) => saturate_i32(sum),
            (true, false) => saturate_u32(sum as u64),
        }
    }));
    write(wave, op, &result)
}
