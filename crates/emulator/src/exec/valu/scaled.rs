//! `v_cvt_scalef32_*`: conversions between f32, f16 or bf16 and 8-, 6- or 4-bit floats times a block scale.
//!
//! The scale is the exponent byte of an f32: narrowing divides by 2^(byte − 127), widening multiplies. Results
//! that fill part of a register keep the rest; `op_sel` names the byte or half. Stochastic forms take random
//! bits from a source and advance them by `v_prng_b32` from element to element.

use crate::{
    exec::valu::{
        fetch::{Kind, old, source, write, write_part},
        float::{self, flush, flush_mask, mode},
        half::{from_f32, to_f32},
        minifloat::{BF6, BF8, FP4, FP6, FP8, Minifloat, Rounding, bf16_from_f32, prng},
    },
    fault::Fault,
    lanes::Lanes,
    op::Op,
    simd::{Exec, Step, simd},
    wave::Wave,
};

/// The wide side of a conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    F32,
    F16,
    Bf16,
}

/// What each handler does with its operands.
#[derive(Clone, Copy)]
enum Form {
    /// Two elements to a byte (FP4) or half.
    NarrowPair,
    /// One element to a byte, stochastic.
    NarrowRandom,
    /// Two elements to a byte, stochastic.
    NarrowPairRandom,
    /// 32 elements to six registers.
    Narrow32,
    /// 32 elements, stochastic.
    Narrow32Random,
    /// 16 + 16 interleaved f32.
    Narrow2x16,
    /// One element.
    Widen,
    /// Two elements.
    WidenPair,
    /// 32 elements.
    Widen32,
}

/// `v_cvt_scalef32_…`'s handler.
pub(super) fn handler(mnemonic: &str) -> Option<Exec> {
    use Form::*;
    use Side::*;
    macro_rules! scaled {
        ($form:expr, $format:expr, $side:expr) => {
            simd!(|wave, op, _cx| run(wave, op, $form, $format, $side))
        };
    }
    Some(match mnemonic.strip_prefix("v_cvt_scalef32_")? {
        "pk_fp4_f32" => scaled!(NarrowPair, FP4, F32),
        "pk_fp4_f16" => scaled!(NarrowPair, FP4, F16),
        "pk_fp4_bf16" => scaled!(NarrowPair, FP4, Bf16),
        "pk_fp8_f32" => scaled!(NarrowPair, FP8, F32),
        "pk_fp8_f16" => scaled!(NarrowPair, FP8, F16),
        "pk_fp8_bf16" => scaled!(NarrowPair, FP8, Bf16),
        "pk_bf8_f32" => scaled!(NarrowPair, BF8, F32),
        "pk_bf8_f16" => scaled!(NarrowPair, BF8, F16),
        "pk_bf8_bf16" => scaled!(NarrowPair, BF8, Bf16),

        "sr_fp8_f32" => scaled!(NarrowRandom, FP8, F32),
        "sr_fp8_f16" => scaled!(NarrowRandom, FP8, F16),
        "sr_fp8_bf16" => scaled!(NarrowRandom, FP8, Bf16),
        "sr_bf8_f32" => scaled!(NarrowRandom, BF8, F32),
        "sr_bf8_f16" => scaled!(NarrowRandom, BF8, F16),
        "sr_bf8_bf16" => scaled!(NarrowRandom, BF8, Bf16),
        "sr_pk_fp4_f32" => scaled!(NarrowPairRandom, FP4, F32),
        "sr_pk_fp4_f16" => scaled!(NarrowPairRandom, FP4, F16),
        "sr_pk_fp4_bf16" => scaled!(NarrowPairRandom, FP4, Bf16),

        "f32_fp8" => scaled!(Widen, FP8, F32),
        "f32_bf8" => scaled!(Widen, BF8, F32),
        "f16_fp8" => scaled!(Widen, FP8, F16),
        "f16_bf8" => scaled!(Widen, BF8, F16),
        "pk_f32_fp8" => scaled!(WidenPair, FP8, F32),
        "pk_f32_bf8" => scaled!(WidenPair, BF8, F32),
        "pk_f32_fp4" => scaled!(WidenPair, FP4, F32),
        "pk_f16_fp8" => scaled!(WidenPair, FP8, F16),
        "pk_f16_bf8" => scaled!(WidenPair, BF8, F16),
        "pk_f16_fp4" => scaled!(WidenPair, FP4, F16),
        "pk_bf16_fp8" => scaled!(WidenPair, FP8, Bf16),
        "pk_bf16_bf8" => scaled!(WidenPair, BF8, Bf16),
        "pk_bf16_fp4" => scaled!(WidenPair, FP4, Bf16),

        "2xpk16_fp6_f32" => scaled!(Narrow2x16, FP6, F32),
        "2xpk16_bf6_f32" => scaled!(Narrow2x16, BF6, F32),
        "pk32_fp6_f16" => scaled!(Narrow32, FP6, F16),
        "pk32_fp6_bf16" => scaled!(Narrow32, FP6, Bf16),
        "pk32_bf6_f16" => scaled!(Narrow32, BF6, F16),
        "pk32_bf6_bf16" => scaled!(Narrow32, BF6, Bf16),
        "sr_pk32_fp6_f32" => scaled!(Narrow32Random, FP6, F32),
        "sr_pk32_fp6_f16" => scaled!(Narrow32Random, FP6, F16),
        "sr_pk32_fp6_bf16" => scaled!(Narrow32Random, FP6, Bf16),
        "sr_pk32_bf6_f32" => scaled!(Narrow32Random, BF6, F32),
        "sr_pk32_bf6_f16" => scaled!(Narrow32Random, BF6, F16),
        "sr_pk32_bf6_bf16" => scaled!(Narrow32Random, BF6, Bf16),
        "pk32_f32_fp6" => scaled!(Widen32, FP6, F32),
        "pk32_f32_bf6" => scaled!(Widen32, BF6, F32),
        "pk32_f16_fp6" => scaled!(Widen32, FP6, F16),
        "pk32_f16_bf6" => scaled!(Widen32, BF6, F16),
        "pk32_bf16_fp6" => scaled!(Widen32, FP6, Bf16),
        "pk32_bf16_bf6" => scaled!(Widen32, BF6, Bf16),
        _ => return None,
    })
}

#[inline(always)]
fn run(wave: &mut Wave, op: &Op, form: Form, format: Minifloat, side: Side) -> Step {
    match form {
        Form::NarrowPair => narrow_pair(wave, op, format, side),
        Form::NarrowRandom => narrow_random(wave, op, format, side, false),
        Form::NarrowPairRandom => narrow_random(wave, op, format, side, true),
        Form::Narrow32 => narrow32(wave, op, format, side, false),
        Form::Narrow32Random => narrow32(wave, op, format, side, true),
        Form::Narrow2x16 => narrow_2x16(wave, op, format),
        Form::Widen => widen(wave, op, format, side),
        Form::WidenPair => widen_pair(wave, op, format, side),
        Form::Widen32 => widen32(wave, op, format, side),
    }
}

/// 2^(byte − 127) of the scale's exponent byte; 255 is NaN.
#[inline(always)]
fn factor(scale: u32) -> f32 {
    let byte = scale >> 23 & 0xff;
    f32::from_bits(if byte == 0 {
        0x0040_0000
    } else if byte == 255 {
        float::DEFAULT_NAN
    } else {
        byte << 23
    })
}

/// 2^(127 − byte).
#[inline(always)]
fn inverse(scale: u32) -> f32 {
    let byte = scale >> 23 & 0xff;
    f32::from_bits(if byte == 254 {
        0x0040_0000
    } else if byte == 255 {
        float::DEFAULT_NAN
    } else {
        (254 - byte) << 23
    })
}

/// The element in the low bits, as f32.
#[inline(always)]
fn read(side: Side, bits: u32, flushed: u32) -> f32 {
    match side {
        Side::F32 => f32::from_bits(flush(bits, flushed)),
        Side::F16 => to_f32(bits),
        Side::Bf16 => f32::from_bits(bits << 16),
    }
}

/// Explicit significand bits.
#[inline(always)]
fn mantissa(side: Side) -> u32 {
    match side {
        Side::F32 => 23,
        Side::F16 => 10,
        Side::Bf16 => 7,
    }
}

/// The element's bits from an f32.
#[inline(always)]
fn settle(side: Side, value: f32, flushed: u32) -> u32 {
    let value = if value.is_nan() { f32::from_bits(float::DEFAULT_NAN) } else { value };
    match side {
        Side::F32 => flush(value.to_bits(), flushed),
        Side::F16 => from_f32(value),
        Side::Bf16 => bf16_from_f32(value),
    }
}

/// Whether 8-bit overflow saturates.
#[inline(always)]
fn saturates(wave: &Wave) -> bool {
    wave.mode & mode::FP16_OVFL != 0
}

#[inline(always)]
fn narrow_pair(wave: &mut Wave, op: &Op, format: Minifloat, side: Side) -> Step {
    let single = side == Side::F32;
    source!(a, wave, op, 0, if single { Kind::F32 } else { Kind::B32 });
    source!(b, wave, op, if single { 1 } else { 0 }, if single { Kind::F32 } else { Kind::B32 });
    source!(scale, wave, op, if single { 2 } else { 1 }, Kind::B32);
    let flushed = flush_mask(wave.mode, mode::SINGLE_IN);
    let saturate = saturates(wave);
    let width = format.width();
    let (shift, mask) = place(op, 2 * width);
    let old = old(wave, op)?;
    let high = if single { 0 } else { 16 };
    let mut result = Lanes::ZERO;
    for lane in 0..64 {
        let divisor = inverse(scale[lane]);
        let first = format.encode(read(side, a[lane], flushed) * divisor, Rounding::NearestEven, saturate);
        let second =
            format.encode(read(side, b[lane] >> high, flushed) * divisor, Rounding::NearestEven, saturate);
        result[lane] = old[lane] & !(mask << shift) | (first | second << width) << shift;
    }
    write(wave, op, &result)
}

/// Bit position and mask of the destination field: a byte by `op_sel[3:2]`, a half by `op_sel[3]`.
#[inline(always)]
fn place(op: &Op, bits: u32) -> (u32, u32) {
    let select = op.mods.op_sel as u32;
    if bits == 8 { (8 * (select >> 2 & 3), 0xff) } else { (16 * (select >> 3 & 1), 0xffff) }
}

#[inline(always)]
fn narrow_random(wave: &mut Wave, op: &Op, format: Minifloat, side: Side, pair: bool) -> Step {
    let kind = if side == Side::F32 { Kind::F32 } else { Kind::B32 };
    source!(a, wave, op, 0, kind);
    source!(b, wave, op, 0, kind, if pair && side == Side::F32 { 1 } else { 0 });
    source!(random, wave, op, 1, Kind::B32);
    source!(scale, wave, op, 2, Kind::B32);
    let flushed = flush_mask(wave.mode, mode::SINGLE_IN);
    let saturate = saturates(wave);
    let width = format.width();
    let shift = 8 * (op.mods.op_sel as u32 >> 2 & 3);
    let old = old(wave, op)?;
    let high = if side == Side::F32 { 0 } else { 16 };
    let mut result = Lanes::ZERO;
    for lane in 0..64 {
        let divisor = inverse(scale[lane]);
        let mut code = format.encode(
            read(side, a[lane], flushed) * divisor,
            Rounding::Stochastic { random: random[lane], source: mantissa(side) },
            saturate,
        );
        if pair {
            let next = Rounding::Stochastic { random: prng(random[lane]), source: mantissa(side) };
            code |= format.encode(read(side, b[lane] >> high, flushed) * divisor, next, saturate) << width;
        }
        result[lane] = old[lane] & !(0xff << shift) | code << shift;
    }
    write(wave, op, &result)
}

#[inline(always)]
fn widen(wave: &mut Wave, op: &Op, format: Minifloat, side: Side) -> Step {
    source!(a, wave, op, 0, Kind::B32);
    source!(scale, wave, op, 1, Kind::B32);
    let flushed = flush_mask(wave.mode, mode::SINGLE_OUT);
    let select = 8 * (op.mods.op_sel as u32 & 3);
    let result = Lanes(std::array::from_fn(|lane| {
        settle(side, format.decode(a[lane] >> select) * factor(scale[lane]), flushed)
    }));
    if side == Side::F32 {
        return write(wave, op, &result);
    }
    // The f16 goes to the half that op_sel[3] names; the other half is kept.
    let shift = 16 * (op.mods.op_sel as u32 >> 3 & 1);
    let old = old(wave, op)?;
    let merged = Lanes(std::array::from_fn(|lane| old[lane] & !(0xffff << shift) | result[lane] << shift));
    write(wave, op, &merged)
}

#[inline(always)]
fn widen_pair(wave: &mut Wave, op: &Op, format: Minifloat, side: Side) -> Step {
    source!(a, wave, op, 0, Kind::B32);
    source!(scale, wave, op, 1, Kind::B32);
    let flushed = flush_mask(wave.mode, mode::SINGLE_OUT);
    let width = format.width();
    let select = if width == 4 { 8 * (op.mods.op_sel as u32 & 3) } else { 16 * (op.mods.op_sel as u32 & 1) };
    let element = |lane: usize, shift: u32| {
        settle(side, format.decode(a[lane] >> (select + shift)) * factor(scale[lane]), flushed)
    };
    if side != Side::F32 {
        let result = Lanes(std::array::from_fn(|lane| element(lane, 0) | element(lane, width) << 16));
        return write(wave, op, &result);
    }
    let low = Lanes(std::array::from_fn(|lane| element(lane, 0)));
    let high = Lanes(std::array::from_fn(|lane| element(lane, width)));
    write_part(wave, op, 0, &low)?;
    write_part(wave, op, 1, &high)
}

/// Source 0's registers, `N` of them.
#[inline(always)]
fn registers<const N: usize>(wave: &Wave, op: &Op, i: usize) -> Result<[Lanes; N], Box<Fault>> {
    let mut block = [Lanes::ZERO; N];
    for (part, lanes) in block.iter_mut().enumerate() {
        source!(register, wave, op, i, Kind::B32, part as u16);
        *lanes = *register;
    }
    Ok(block)
}

/// Puts a six-bit code at element `i` of a lane's 192 bits.
#[inline(always)]
fn put6(block: &mut [Lanes; 6], lane: usize, i: usize, code: u32) {
    let (word, shift) = (6 * i / 32, 6 * i % 32);
    block[word][lane] |= code << shift;
    if shift > 26 {
        block[word + 1][lane] |= code >> (32 - shift);
    }
}

/// The six-bit code at element `i`.
#[inline(always)]
fn get6(block: &[Lanes; 6], lane: usize, i: usize) -> u32 {
    let (word, shift) = (6 * i / 32, 6 * i % 32);
    let low = block[word][lane] as u64;
    let high = if shift > 26 { block[word + 1][lane] as u64 } else { 0 };
    ((low | high << 32) >> shift) as u32 & 0x3f
}

#[inline(always)]
fn write6(wave: &mut Wave, op: &Op, block: &[Lanes; 6]) -> Step {
    for (part, lanes) in block.iter().enumerate() {
        write_part(wave, op, part as u16, lanes)?;
    }
    Ok(())
}

#[inline(always)]
fn narrow32(wave: &mut Wave, op: &Op, format: Minifloat, side: Side, random: bool) -> Step {
    let wide: [Lanes; 32] = if side == Side::F32 {
        registers(wave, op, 0)?
    } else {
        let packed: [Lanes; 16] = registers(wave, op, 0)?;
        std::array::from_fn(|i| Lanes(packed[i / 2].map(|bits| bits >> (16 * (i % 2)))))
    };
    source!(seed, wave, op, 1, Kind::B32);
    source!(scale, wave, op, if random { 2 } else { 1 }, Kind::B32);
    let flushed = flush_mask(wave.mode, mode::SINGLE_IN);
    let mut result = [Lanes::ZERO; 6];
    for lane in 0..64 {
        let divisor = inverse(scale[lane]);
        let mut state = seed[lane];
        for (i, elements) in wide.iter().enumerate() {
            let rounding = if random {
                Rounding::Stochastic { random: state, source: mantissa(side) }
            } else {
                Rounding::NearestEven
            };
            put6(
                &mut result,
                lane,
                i,
                format.encode(read(side, elements[lane], flushed) * divisor, rounding, true),
            );
            state = prng(state);
        }
    }
    write6(wave, op, &result)
}

/// 16 f32 of each source: even elements from source 0, odd ones from source 1.
#[inline(always)]
fn narrow_2x16(wave: &mut Wave, op: &Op, format: Minifloat) -> Step {
    let even: [Lanes; 16] = registers(wave, op, 0)?;
    let odd: [Lanes; 16] = registers(wave, op, 1)?;
    source!(scale, wave, op, 2, Kind::B32);
    let flushed = flush_mask(wave.mode, mode::SINGLE_IN);
    let mut result = [Lanes::ZERO; 6];
    for lane in 0..64 {
        let divisor = inverse(scale[lane]);
        let code =
            |bits: u32| format.encode(read(Side::F32, bits, flushed) * divisor, Rounding::NearestEven, true);
        for i in 0..16 {
            put6(&mut result, lane, 2 * i, code(even[i][lane]));
            put6(&mut result, lane, 2 * i + 1, code(odd[i][lane]));
        }
    }
    write6(wave, op, &result)
}

#[inline(always)]
fn widen32(wave: &mut Wave, op: &Op, format: Minifloat, side: Side) -> Step {
    let codes: [Lanes; 6] = registers(wave, op, 0)?;
    source!(scale, wave, op, 1, Kind::B32);
    let scale = *scale;
    let flushed = flush_mask(wave.mode, mode::SINGLE_OUT);
    let element = |lane: usize, i: usize| {
        settle(side, format.decode(get6(&codes, lane, i)) * factor(scale[lane]), flushed)
    };
    let single = side == Side::F32;
    for part in 0..if single { 32 } else { 16 } {
        let result = Lanes(std::array::from_fn(|lane| {
            if single {
                element(lane, part)
            } else {
                element(lane, 2 * part) | element(lane, 2 * part + 1) << 16
            }
        }));
        write_part(wave, op, part as u16, &result)?;
    }
    Ok(())
}
