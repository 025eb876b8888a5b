//! Conversions without block scales.

use crate::{
    exec::valu::{
        double::{self, Wide, wide_source},
        each,
        fetch::{Kind, Rest, old, source, write, write_half, write_part},
        float::{self, flush, flush_mask, mode},
        half::{self, from_f32, from_f32_rounded, to_f32},
        integer::{int1, int2, int3},
        minifloat::{BF8, FP8, Minifloat, Rounding, bf16_from_f32},
        soft::{self, Round},
        transcendental as t,
    },
    lanes::Lanes,
    op::Op,
    simd::{Exec, Step, simd},
    wave::Wave,
};

pub(super) fn handler(mnemonic: &str) -> Option<Exec> {
    Some(match mnemonic {
        "v_cvt_i32_f32" => each!(from_single: |a| a as i32 as u32),
        "v_cvt_u32_f32" => each!(from_single: |a| a as u32),
        "v_cvt_rpi_i32_f32" => each!(from_single: |a| (a as f64 + 0.5).floor() as i32 as u32),
        "v_cvt_flr_i32_f32" => each!(from_single: |a| t::floor(a) as i32 as u32),
        "v_cvt_f32_i32" => each!(to_single: |a| a as i32 as f64),
        "v_cvt_f32_u32" => each!(to_single: |a| a as f64),
        "v_cvt_f32_ubyte0" => each!(to_single: |a| (a & 0xff) as f64),
        "v_cvt_f32_ubyte1" => each!(to_single: |a| (a >> 8 & 0xff) as f64),
        "v_cvt_f32_ubyte2" => each!(to_single: |a| (a >> 16 & 0xff) as f64),
        "v_cvt_f32_ubyte3" => each!(to_single: |a| (a >> 24) as f64),
        "v_cvt_off_f32_i4" => each!(to_single: |a| ((a << 28) as i32 >> 28) as f64 / 16.0),

        "v_cvt_f16_f32" => simd!(|wave, op, _cx| half_from_single(wave, op)),
        "v_cvt_f32_f16" => simd!(|wave, op, _cx| single_from_half(wave, op)),
        "v_cvt_f32_bf16" => each!(from_bf16: |a| f32::from_bits(a << 16)),
        "v_cvt_f16_u16" => each!(half_from_word: |a| a as f32),
        "v_cvt_f16_i16" => each!(half_from_word: |a| a as i16 as f32),
        "v_cvt_u16_f16" => each!(word_from_half: |a| a as u16),
        "v_cvt_i16_f16" => each!(word_from_half: |a| a as i16 as u16),
        "v_cvt_norm_i16_f16" => each!(word_from_half: |a| snorm(a) as u16),
        "v_cvt_norm_u16_f16" => each!(word_from_half: |a| unorm(a) as u16),

        "v_cvt_f64_f32" => simd!(|wave, op, _cx| double_from_single(wave, op)),
        "v_cvt_f32_f64" => simd!(|wave, op, _cx| single_from_double(wave, op)),
        "v_cvt_f64_i32" => each!(to_double: |a| a as i32 as f64),
        "v_cvt_f64_u32" => each!(to_double: |a| a as f64),
        "v_cvt_i32_f64" => each!(from_double: |a| a as i32 as u32),
        "v_cvt_u32_f64" => each!(from_double: |a| a as u32),

        "v_cvt_pkrtz_f16_f32" => each!(pack_singles: |a, b| {
            from_f32_rounded(a, Round::Zero) | from_f32_rounded(b, Round::Zero) << 16
        }),
        "v_cvt_pk_f16_f32" => each!(pack_singles: |a, b| from_f32(a) | from_f32(b) << 16),
        "v_cvt_pk_bf16_f32" => each!(pack_singles: |a, b| bf16_from_f32(a) | bf16_from_f32(b) << 16),
        "v_cvt_pknorm_i16_f32" => each!(pack_singles: |a, b| snorm(a) | snorm(b) << 16),
        "v_cvt_pknorm_u16_f32" => each!(pack_singles: |a, b| unorm(a) | unorm(b) << 16),
        "v_cvt_pknorm_i16_f16" => each!(pack_halves: |a, b| snorm(to_f32(a)) | snorm(to_f32(b)) << 16),
        "v_cvt_pknorm_u16_f16" => each!(pack_halves: |a, b| unorm(to_f32(a)) | unorm(to_f32(b)) << 16),
        "v_cvt_pk_u16_u32" => each!(int2: |a, b| a.min(0xffff) | b.min(0xffff) << 16),
        "v_cvt_pk_i16_i32" => each!(int2: |a, b| {
            let word = |x: u32| (x as i32).clamp(-32768, 32767) as u32 & 0xffff;
            word(a) | word(b) << 16
        }),
        "v_cvt_pk_u8_f32" => simd!(|wave, op, _cx| pack_byte(wave, op)),
        "v_cvt_pkaccum_u8_f32" => simd!(|wave, op, _cx| accumulate_byte(wave, op)),

        "v_cvt_f32_fp8" => each!(int1: |a| settled(FP8.decode(a))),
        "v_cvt_f32_bf8" => each!(int1: |a| settled(BF8.decode(a))),
        "v_cvt_pk_f32_fp8" => simd!(|wave, op, _cx| widen_pair(wave, op, FP8)),
        "v_cvt_pk_f32_bf8" => simd!(|wave, op, _cx| widen_pair(wave, op, BF8)),
        "v_cvt_pk_fp8_f32" => simd!(|wave, op, _cx| narrow_pair(wave, op, FP8)),
        "v_cvt_pk_bf8_f32" => simd!(|wave, op, _cx| narrow_pair(wave, op, BF8)),
        "v_cvt_sr_fp8_f32" => simd!(|wave, op, _cx| narrow_stochastic(wave, op, FP8)),
        "v_cvt_sr_bf8_f32" => simd!(|wave, op, _cx| narrow_stochastic(wave, op, BF8)),
        "v_cvt_sr_f16_f32" => each!(half_stochastic: f16_stochastic),
        "v_cvt_sr_bf16_f32" => each!(half_stochastic: bf16_stochastic),
        "v_perm_b32" => each!(int3: |a, b, selects| permute((a as u64) << 32 | b as u64, selects)),
        _ => return None,
    })
}

/// Bytes of `data` by the selector bytes: 0–7 a byte, 8–11 the sign of byte 1, 3, 5 or 7, 12 zero, else 0xff.
#[inline(always)]
fn permute(data: u64, selects: u32) -> u32 {
    let mut result = 0;
    for i in 0..4 {
        let select = selects >> (8 * i) & 0xff;
        let plain = (data >> (8 * (select & 7))) as u32 & 0xff;
        let sign = ((data >> (16 * (select & 3) + 15)) as u32 & 1).wrapping_neg() & 0xff;
        let byte = match select {
            0..=7 => plain,
            8..=11 => sign,
            12 => 0,
            _ => 0xff,
        };
        result |= byte << (8 * i);
    }
    result
}

/// Bits of an f32 whose NaN is the default one.
#[inline(always)]
fn settled(value: f32) -> u32 {
    if value.is_nan() { float::DEFAULT_NAN } else { value.to_bits() }
}

/// Signed 16-bit normalised: ±1 maps to ±32767, ties to even, NaN to 0.
#[inline(always)]
fn snorm(value: f32) -> u32 {
    t::rndne(value.clamp(-1.0, 1.0) * 32767.0) as i32 as u32 & 0xffff
}

/// Unsigned 16-bit normalised: 1 maps to 65535.
#[inline(always)]
fn unorm(value: f32) -> u32 {
    t::rndne(value.clamp(0.0, 1.0) * 65535.0) as u32
}

/// An f32 to a 32-bit integer.
#[inline(always)]
fn from_single(wave: &mut Wave, op: &Op, rule: impl Fn(f32) -> u32) -> Step {
    source!(a, wave, op, 0, Kind::F32);
    let result = Lanes(std::array::from_fn(|lane| rule(f32::from_bits(a[lane]))));
    write(wave, op, &result)
}

/// An integer, exact in f64, to f32 in MODE's rounding.
#[inline(always)]
fn to_single(wave: &mut Wave, op: &Op, rule: impl Fn(u32) -> f64) -> Step {
    source!(a, wave, op, 0, Kind::B32);
    let round = Round::single(wave.mode);
    let result = if round == Round::NearestEven {
        Lanes(std::array::from_fn(|lane| (rule(a[lane]) as f32).to_bits()))
    } else {
        Lanes(std::array::from_fn(|lane| (soft::convert(rule(a[lane]), soft::F32, round) as f32).to_bits()))
    };
    float::finish_write(wave, op, result)
}

#[inline(always)]
fn from_bf16(wave: &mut Wave, op: &Op, rule: impl Fn(u32) -> f32) -> Step {
    source!(a, wave, op, 0, Kind::F16);
    let result = Lanes(std::array::from_fn(|lane| rule(a[lane]).to_bits()));
    float::finish_write(wave, op, result)
}

#[inline(always)]
fn half_from_single(wave: &mut Wave, op: &Op) -> Step {
    source!(a, wave, op, 0, Kind::F32);
    let mode = wave.mode;
    let round = Round::half_double(mode);
    let flushed = flush_mask(mode, mode::SINGLE_IN);
    let mut result = if round == Round::NearestEven {
        Lanes(std::array::from_fn(|lane| from_f32(f32::from_bits(a[lane]))))
    } else {
        Lanes(std::array::from_fn(|lane| from_f32_rounded(f32::from_bits(flush(a[lane], flushed)), round)))
    };
    if mode & mode::FP16_OVFL != 0 {
        for lane in 0..64 {
            let finite = a[lane] & 0x7f80_0000 != 0x7f80_0000;
            result[lane] -= (finite && result[lane] & 0x7fff == 0x7c00) as u32;
        }
    }
    half::flush(mode, &mut result);
    half::finish_write(wave, op, result, Rest::Zero)
}

#[inline(always)]
fn single_from_half(wave: &mut Wave, op: &Op) -> Step {
    source!(a, wave, op, 0, Kind::F16);
    let flushes = wave.mode & mode::HALF_DOUBLE_IN == 0;
    let result = Lanes(std::array::from_fn(|lane| {
        let bits = if flushes && a[lane] & 0x7c00 == 0 { a[lane] & 0x8000 } else { a[lane] };
        let value = to_f32(bits);
        value.to_bits() | if value.is_nan() { float::QUIET } else { 0 }
    }));
    float::finish_write(wave, op, result)
}

#[inline(always)]
fn half_from_word(wave: &mut Wave, op: &Op, rule: impl Fn(u16) -> f32) -> Step {
    source!(a, wave, op, 0, Kind::B16);
    let round = Round::half_double(wave.mode);
    let overflow_clamps = wave.mode & mode::FP16_OVFL != 0;
    let result = Lanes(std::array::from_fn(|lane| {
        let bits = from_f32_rounded(rule(a[lane] as u16), round);
        bits - (overflow_clamps && bits & 0x7fff == 0x7c00) as u32
    }));
    half::finish_write(wave, op, result, Rest::Zero)
}

#[inline(always)]
fn word_from_half(wave: &mut Wave, op: &Op, rule: impl Fn(f32) -> u16) -> Step {
    source!(a, wave, op, 0, Kind::F16);
    let result = Lanes(std::array::from_fn(|lane| rule(to_f32(a[lane])) as u32));
    write_half(wave, op, &result, Rest::Zero)
}

#[inline(always)]
fn double_from_single(wave: &mut Wave, op: &Op) -> Step {
    source!(a, wave, op, 0, Kind::F32);
    let flushed = flush_mask(wave.mode, mode::SINGLE_IN);
    let wide: Wide = std::array::from_fn(|lane| {
        let bits = flush(a[lane], flushed);
        if float::is_nan(bits) { nan_to_double(bits) } else { (f32::from_bits(bits) as f64).to_bits() }
    });
    double::finish_write(wave, op, wide)
}

/// The quieted NaN with the f32's payload at the top of the f64's.
fn nan_to_double(bits: u32) -> u64 {
    ((bits >> 31) as u64) << 63 | 0x7ff8 << 48 | ((bits & 0x3f_ffff) as u64) << 29
}

#[inline(always)]
fn single_from_double(wave: &mut Wave, op: &Op) -> Step {
    wide_source!(a, wave, op, 0, Kind::F64);
    let round = Round::single(wave.mode);
    let flushed = flush_mask(wave.mode, mode::SINGLE_OUT);
    let result = Lanes(std::array::from_fn(|lane| {
        let value = f64::from_bits(a[lane]);
        if value.is_nan() {
            return (a[lane] >> 63 << 31) as u32 | float::DEFAULT_NAN | (a[lane] >> 29) as u32 & 0x3f_ffff;
        }
        let single = if round == Round::NearestEven {
            value as f32
        } else {
            soft::convert(value, soft::F32, round) as f32
        };
        flush(single.to_bits(), flushed)
    }));
    float::finish_write(wave, op, result)
}

#[inline(always)]
fn to_double(wave: &mut Wave, op: &Op, rule: impl Fn(u32) -> f64) -> Step {
    source!(a, wave, op, 0, Kind::B32);
    let wide: Wide = std::array::from_fn(|lane| rule(a[lane]).to_bits());
    double::finish_write(wave, op, wide)
}

#[inline(always)]
fn from_double(wave: &mut Wave, op: &Op, rule: impl Fn(f64) -> u32) -> Step {
    wide_source!(a, wave, op, 0, Kind::F64);
    let result = Lanes(std::array::from_fn(|lane| rule(f64::from_bits(a[lane]))));
    write(wave, op, &result)
}

/// Two f32 into one dword.
#[inline(always)]
fn pack_singles(wave: &mut Wave, op: &Op, rule: impl Fn(f32, f32) -> u32) -> Step {
    source!(a, wave, op, 0, Kind::F32);
    source!(b, wave, op, 1, Kind::F32);
    let flushed = flush_mask(wave.mode, mode::SINGLE_IN);
    let read = |bits: u32| f32::from_bits(flush(bits, flushed));
    let result = Lanes(std::array::from_fn(|lane| rule(read(a[lane]), read(b[lane]))));
    write(wave, op, &result)
}

#[inline(always)]
fn pack_halves(wave: &mut Wave, op: &Op, rule: impl Fn(u32, u32) -> u32) -> Step {
    source!(a, wave, op, 0, Kind::F16);
    source!(b, wave, op, 1, Kind::F16);
    let result = Lanes(std::array::from_fn(|lane| rule(a[lane], b[lane])));
    write(wave, op, &result)
}

/// Byte `source 1 [1:0]` of source 2 replaced by source 0, an f32 truncated and clamped to 0–255.
#[inline(always)]
fn pack_byte(wave: &mut Wave, op: &Op) -> Step {
    source!(a, wave, op, 0, Kind::F32);
    source!(b, wave, op, 1, Kind::B32);
    source!(c, wave, op, 2, Kind::B32);
    let result = Lanes(std::array::from_fn(|lane| {
        let shift = 8 * (b[lane] & 3);
        c[lane] & !(0xff << shift) | (f32::from_bits(a[lane]) as u8 as u32) << shift
    }));
    write(wave, op, &result)
}

/// [`pack_byte`] into the destination itself.
#[inline(always)]
fn accumulate_byte(wave: &mut Wave, op: &Op) -> Step {
    source!(a, wave, op, 0, Kind::F32);
    source!(b, wave, op, 1, Kind::B32);
    let old = old(wave, op)?;
    let result = Lanes(std::array::from_fn(|lane| {
        let shift = 8 * (b[lane] & 3);
        old[lane] & !(0xff << shift) | (f32::from_bits(a[lane]) as u8 as u32) << shift
    }));
    write(wave, op, &result)
}

/// Two 8-bit floats to two f32 in two registers. SDWA may select the source word; nothing else of it acts.
#[inline(always)]
fn widen_pair(wave: &mut Wave, op: &Op, format: Minifloat) -> Step {
    source!(a, wave, op, 0, Kind::B32);
    let low = Lanes(std::array::from_fn(|lane| settled(format.decode(a[lane]))));
    let high = Lanes(std::array::from_fn(|lane| settled(format.decode(a[lane] >> 8))));
    write_part(wave, op, 0, &low)?;
    write_part(wave, op, 1, &high)
}

/// Two f32 to two 8-bit floats in the half that `op_sel[3]` names; the other half is kept. Nearest-even;
/// MODE.FP16_OVFL saturates overflow.
#[inline(always)]
fn narrow_pair(wave: &mut Wave, op: &Op, format: Minifloat) -> Step {
    source!(a, wave, op, 0, Kind::F32);
    source!(b, wave, op, 1, Kind::F32);
    let saturate = wave.mode & mode::FP16_OVFL != 0;
    let encode = |bits: u32| format.encode(f32::from_bits(bits), Rounding::NearestEven, saturate);
    let result = Lanes(std::array::from_fn(|lane| encode(a[lane]) | encode(b[lane]) << 8));
    write_half(wave, op, &result, Rest::Keep)
}

/// One f32 to an 8-bit float in byte `op_sel[3:2]`, rounded by source 1's random bits; other bytes are kept.
#[inline(always)]
fn narrow_stochastic(wave: &mut Wave, op: &Op, format: Minifloat) -> Step {
    source!(a, wave, op, 0, Kind::F32);
    source!(b, wave, op, 1, Kind::B32);
    let saturate = wave.mode & mode::FP16_OVFL != 0;
    let shift = 8 * (op.mods.op_sel as u32 >> 2 & 3);
    let old = old(wave, op)?;
    let result = Lanes(std::array::from_fn(|lane| {
        let code = format.encode(
            f32::from_bits(a[lane]),
            Rounding::Stochastic { random: b[lane], source: 23 },
            saturate,
        );
        old[lane] & !(0xff << shift) | code << shift
    }));
    write(wave, op, &result)
}

/// One f32 to a 16-bit float in the half that `op_sel[3]` names.
#[inline(always)]
fn half_stochastic(wave: &mut Wave, op: &Op, rule: impl Fn(f32, u32) -> u32) -> Step {
    source!(a, wave, op, 0, Kind::F32);
    source!(b, wave, op, 1, Kind::B32);
    let result = Lanes(std::array::from_fn(|lane| rule(f32::from_bits(a[lane]), b[lane])));
    write_half(wave, op, &result, Rest::Keep)
}

/// f16 of an f32: the dropped fraction rounds up if it carries when the random fraction is added.
#[inline(always)]
fn f16_stochastic(value: f32, random: u32) -> u32 {
    let down = from_f32_rounded(value, Round::Zero);
    if !value.is_finite() {
        return from_f32(value);
    }
    let gap = value.abs() as f64 - to_f32(down & 0x7fff) as f64;
    let exponent = ((down >> 10 & 31) as i32).max(1) - 25;
    let fraction = gap * f64::from_bits(((1023 - exponent) as u64) << 52);
    down + (fraction * 4_294_967_296.0 + random as f64 >= 4_294_967_296.0) as u32
}

/// bf16 of an f32, likewise: the low half is the dropped fraction.
#[inline(always)]
fn bf16_stochastic(value: f32, random: u32) -> u32 {
    let bits = value.to_bits();
    if !value.is_finite() {
        return bf16_from_f32(value);
    }
    ((bits as u64 + (random >> 16) as u64) >> 16) as u32
}
