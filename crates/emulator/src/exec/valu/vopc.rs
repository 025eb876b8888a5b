//! Compares: a bit per active lane to VCC or a scalar pair, `v_cmpx` to EXEC as well.
//!
//! Each rule exists once: complements (`nlt`, `ne`, `u` …) and `v_cmpx` are bits of the [`Op`].

use crate::{
    exec::valu::{
        bit,
        double::wide_source,
        each,
        fetch::{Kind, source, write_mask},
        float::{flush, flush_mask, mode},
        half::to_f32,
    },
    op::{EXEC, Op},
    simd::{Exec, Step, simd},
    wave::Wave,
};

/// The handler and variant bits of `v_cmp_<relation>_<type>` and `v_cmpx_…`.
pub(super) fn handler(mnemonic: &str) -> Option<(Exec, u32)> {
    let (rest, cmpx) = match mnemonic.strip_prefix("v_cmpx_") {
        Some(rest) => (rest, bit::CMPX),
        None => (mnemonic.strip_prefix("v_cmp_")?, 0),
    };
    let (relation, format) = rest.rsplit_once('_')?;
    let float = format.starts_with('f');
    let (relation, inverted) = match relation {
        "nge" if float => ("ge", true),
        "nlg" if float => ("lg", true),
        "ngt" if float => ("gt", true),
        "nle" if float => ("le", true),
        "neq" if float => ("eq", true),
        "nlt" if float => ("lt", true),
        "tru" if float => ("f", true),
        "u" if float => ("o", true),
        "ne" if !float => ("eq", true),
        "ge" if !float => ("lt", true),
        "gt" if !float => ("le", true),
        "t" if !float => ("f", true),
        other => (other, false),
    };
    let exec = rule(relation, format)?;
    Some((exec, cmpx | if inverted { bit::INVERT } else { 0 }))
}

fn rule(relation: &str, format: &str) -> Option<Exec> {
    Some(match (relation, format) {
        ("f", "f16" | "f32" | "f64" | "i16" | "u16" | "i32" | "u32" | "i64" | "u64") => {
            simd!(|wave, op, _cx| finish(wave, op, 0))
        }
        ("lt", "f32") => each!(compare32: |a, b| a < b),
        ("eq", "f32") => each!(compare32: |a, b| a == b),
        ("le", "f32") => each!(compare32: |a, b| a <= b),
        ("gt", "f32") => each!(compare32: |a, b| a > b),
        ("lg", "f32") => each!(compare32: |a, b| a < b || b < a),
        ("ge", "f32") => each!(compare32: |a, b| a >= b),
        ("o", "f32") => each!(compare32: |a, b| !(a.is_nan() || b.is_nan())),
        ("class", "f32") => each!(classify[Kind::F32, 23]: |bits| bits),

        ("lt", "f16") => each!(compare16: |a, b| a < b),
        ("eq", "f16") => each!(compare16: |a, b| a == b),
        ("le", "f16") => each!(compare16: |a, b| a <= b),
        ("gt", "f16") => each!(compare16: |a, b| a > b),
        ("lg", "f16") => each!(compare16: |a, b| a < b || b < a),
        ("ge", "f16") => each!(compare16: |a, b| a >= b),
        ("o", "f16") => each!(compare16: |a, b| !(a.is_nan() || b.is_nan())),
        ("class", "f16") => each!(classify[Kind::F16, 26]: |bits| bits << 16),

        ("lt", "f64") => each!(compare64f: |a, b| a < b),
        ("eq", "f64") => each!(compare64f: |a, b| a == b),
        ("le", "f64") => each!(compare64f: |a, b| a <= b),
        ("gt", "f64") => each!(compare64f: |a, b| a > b),
        ("lg", "f64") => each!(compare64f: |a, b| a < b || b < a),
        ("ge", "f64") => each!(compare64f: |a, b| a >= b),
        ("o", "f64") => each!(compare64f: |a, b| !(a.is_nan() || b.is_nan())),
        ("class", "f64") => simd!(|wave, op, _cx| classify64(wave, op)),

        ("lt", "i32") => each!(int32: |a, b| (a as i32) < b as i32),
        ("le", "i32") => each!(int32: |a, b| a as i32 <= b as i32),
        ("lt", "u32") => each!(int32: |a, b| a < b),
        ("le", "u32") => each!(int32: |a, b| a <= b),
        ("eq", "i32" | "u32") => each!(int32: |a, b| a == b),

        ("lt", "i16") => each!(int16: |a, b| (a as i16) < b as i16),
        ("le", "i16") => each!(int16: |a, b| a as i16 <= b as i16),
        ("lt", "u16") => each!(int16: |a, b| a < b),
        ("le", "u16") => each!(int16: |a, b| a <= b),
        ("eq", "i16" | "u16") => each!(int16: |a, b| a == b),

        ("lt", "i64") => each!(int64[Kind::I64]: |a, b| (a as i64) < b as i64),
        ("le", "i64") => each!(int64[Kind::I64]: |a, b| a as i64 <= b as i64),
        ("eq", "i64") => each!(int64[Kind::I64]: |a, b| a == b),
        ("lt", "u64") => each!(int64[Kind::B64]: |a, b| a < b),
        ("le", "u64") => each!(int64[Kind::B64]: |a, b| a <= b),
        ("eq", "u64") => each!(int64[Kind::B64]: |a, b| a == b),
        _ => return None,
    })
}

/// Gathers a predicate over the lanes into a mask.
#[inline(always)]
fn mask(predicate: impl Fn(usize) -> bool) -> u64 {
    let mut flags = [0u8; 64];
    for (lane, flag) in flags.iter_mut().enumerate() {
        *flag = predicate(lane) as u8;
    }
    let mut mask = 0;
    for (group, chunk) in flags.chunks_exact(8).enumerate() {
        let bytes = u64::from_le_bytes(chunk.try_into().expect("chunks of eight"));
        // Eight 0/1 bytes to eight bits, byte 0 lowest.
        mask |= (bytes.wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * group);
    }
    mask
}

/// Writes the mask of the active lanes: others get 0.
#[inline(always)]
fn finish(wave: &mut Wave, op: &Op, mask: u64) -> Step {
    let exec = wave.exec();
    let result = if op.bits & bit::INVERT != 0 { !mask & exec } else { mask & exec };
    write_mask(wave, op.sdst, result);
    if op.bits & bit::CMPX != 0 {
        wave.set_scalar64(EXEC, result);
    }
    Ok(())
}

#[inline(always)]
fn compare32(wave: &mut Wave, op: &Op, rule: impl Fn(f32, f32) -> bool) -> Step {
    source!(a, wave, op, 0, Kind::F32);
    source!(b, wave, op, 1, Kind::F32);
    let flushed = flush_mask(wave.mode, mode::SINGLE_IN);
    let read = |bits: u32| f32::from_bits(flush(bits, flushed));
    let result = if flushed == 0 {
        mask(|lane| rule(f32::from_bits(a[lane]), f32::from_bits(b[lane])))
    } else {
        mask(|lane| rule(read(a[lane]), read(b[lane])))
    };
    finish(wave, op, result)
}

#[inline(always)]
fn compare16(wave: &mut Wave, op: &Op, rule: impl Fn(f32, f32) -> bool) -> Step {
    source!(a, wave, op, 0, Kind::F16);
    source!(b, wave, op, 1, Kind::F16);
    let flushes = wave.mode & mode::HALF_DOUBLE_IN == 0;
    let read = |bits: u32| to_f32(if flushes && bits & 0x7c00 == 0 { bits & 0x8000 } else { bits });
    let result = mask(|lane| rule(read(a[lane]), read(b[lane])));
    finish(wave, op, result)
}

#[inline(always)]
fn compare64f(wave: &mut Wave, op: &Op, rule: impl Fn(f64, f64) -> bool) -> Step {
    wide_source!(a, wave, op, 0, Kind::F64);
    wide_source!(b, wave, op, 1, Kind::F64);
    let flushes = wave.mode & mode::HALF_DOUBLE_IN == 0;
    let read =
        |bits: u64| f64::from_bits(if flushes && bits >> 52 & 0x7ff == 0 { bits & 1 << 63 } else { bits });
    let result = mask(|lane| rule(read(a[lane]), read(b[lane])));
    finish(wave, op, result)
}

#[inline(always)]
fn int32(wave: &mut Wave, op: &Op, rule: impl Fn(u32, u32) -> bool) -> Step {
    source!(a, wave, op, 0, Kind::B32);
    source!(b, wave, op, 1, Kind::B32);
    let result = mask(|lane| rule(a[lane], b[lane]));
    finish(wave, op, result)
}

#[inline(always)]
fn int16(wave: &mut Wave, op: &Op, rule: impl Fn(u16, u16) -> bool) -> Step {
    source!(a, wave, op, 0, Kind::B16);
    source!(b, wave, op, 1, Kind::B16);
    let result = mask(|lane| rule(a[lane] as u16, b[lane] as u16));
    finish(wave, op, result)
}

#[inline(always)]
fn int64(wave: &mut Wave, op: &Op, kind: Kind, rule: impl Fn(u64, u64) -> bool) -> Step {
    wide_source!(a, wave, op, 0, kind);
    wide_source!(b, wave, op, 1, kind);
    let result = mask(|lane| rule(a[lane], b[lane]));
    finish(wave, op, result)
}

/// Class tests of f32, and of f16 raised to the high half; `fraction` bits lie below the exponent.
#[inline(always)]
fn classify(wave: &mut Wave, op: &Op, kind: Kind, fraction: u32, raise: impl Fn(u32) -> u32) -> Step {
    source!(a, wave, op, 0, kind);
    source!(b, wave, op, 1, Kind::B32);
    let infinity = (0x7fff_ffff >> fraction) << fraction;
    let result = mask(|lane| {
        let bits = raise(a[lane]);
        let class = class(bits >> 31 != 0, (bits & 0x7fff_ffff) as u64, infinity as u64, 1 << fraction);
        b[lane] >> class & 1 != 0
    });
    finish(wave, op, result)
}

#[inline(always)]
fn classify64(wave: &mut Wave, op: &Op) -> Step {
    wide_source!(a, wave, op, 0, Kind::F64);
    source!(b, wave, op, 1, Kind::B32);
    let result = mask(|lane| {
        let class = class(a[lane] >> 63 != 0, a[lane] & (!0 >> 1), 0x7ff << 52, 1 << 52);
        b[lane] >> class & 1 != 0
    });
    finish(wave, op, result)
}

/// The class bit: 0 sNaN, 1 qNaN, then −inf −normal −denormal −0 +0 +denormal +normal +inf.
#[inline(always)]
fn class(negative: bool, magnitude: u64, infinity: u64, smallest_normal: u64) -> u32 {
    let quiet = smallest_normal >> 1;
    let positive = if magnitude > infinity {
        return (magnitude & quiet != 0) as u32;
    } else if magnitude == infinity {
        9
    } else if magnitude >= smallest_normal {
        8
    } else if magnitude != 0 {
        7
    } else {
        6
    };
    if negative { 11 - positive } else { positive }
}
