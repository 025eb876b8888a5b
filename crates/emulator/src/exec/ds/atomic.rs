//! Read-modify-write on LDS. The lanes act one after the other, in ascending order.

use super::{active, addresses, destination, pair_offsets, sources};
use crate::{
    fault::{Access, Fault, FaultKind},
    lanes::Lanes,
    op::{Arg, Op},
    pending::Counter,
    simd::{Exec, Step},
    wave::{Cx, Wave},
};

/// MODE bits that keep denormals: FP32 in, out; FP16 and FP64 in, out.
const KEEP_SINGLE: [u32; 2] = [1 << 4, 1 << 5];
const KEEP_HALF: [u32; 2] = [1 << 6, 1 << 7];

/// One handler for a mnemonic and its `_rtn` form: the latter has a destination.
macro_rules! atomic {
    ($word:ty, |$mode:pat_param, $memory:ident, $data:ident, $second:pat_param| $new:expr) => {{
        fn handler(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
            update::<$word>(wave, op, cx, |$mode: u32, $memory: $word, $data: $word, $second: $word| $new)
        }
        handler
    }};
}

pub(super) fn handler(name: &str) -> Option<Exec> {
    // `ds_add_rtn_u32` and `ds_add_u32` do the same but for the destination.
    let operation: String = name.replacen("_rtn", "", 1);
    Some(match operation.as_str() {
        "ds_add_u32" => atomic!(u32, |_, m, d, _| m.wrapping_add(d)),
        "ds_sub_u32" => atomic!(u32, |_, m, d, _| m.wrapping_sub(d)),
        "ds_rsub_u32" => atomic!(u32, |_, m, d, _| d.wrapping_sub(m)),
        "ds_inc_u32" => atomic!(u32, |_, m, d, _| if m >= d { 0 } else { m + 1 }),
        "ds_dec_u32" => atomic!(u32, |_, m, d, _| if m == 0 || m > d { d } else { m - 1 }),
        "ds_min_i32" => atomic!(u32, |_, m, d, _| (m as i32).min(d as i32) as u32),
        "ds_max_i32" => atomic!(u32, |_, m, d, _| (m as i32).max(d as i32) as u32),
        "ds_min_u32" => atomic!(u32, |_, m, d, _| m.min(d)),
        "ds_max_u32" => atomic!(u32, |_, m, d, _| m.max(d)),
        "ds_and_b32" => atomic!(u32, |_, m, d, _| m & d),
        "ds_or_b32" => atomic!(u32, |_, m, d, _| m | d),
        "ds_xor_b32" => atomic!(u32, |_, m, d, _| m ^ d),
        "ds_mskor_b32" => atomic!(u32, |_, m, d, s| m & !d | s),
        "ds_wrxchg_b32" => atomic!(u32, |_, _m, d, _| d),
        "ds_cmpst_b32" => atomic!(u32, |_, m, d, s| if m == d { s } else { m }),
        "ds_cmpst_f32" => {
            atomic!(u32, |_, m, d, s| if f32::from_bits(m) == f32::from_bits(d) { s } else { m })
        }
        "ds_min_f32" => atomic!(u32, |_, m, d, _| if f32::from_bits(d) < f32::from_bits(m) { d } else { m }),
        "ds_max_f32" => atomic!(u32, |_, m, d, _| if f32::from_bits(d) > f32::from_bits(m) { d } else { m }),
        "ds_add_f32" => atomic!(u32, |mode, m, d, _| add_f32(mode, m, d)),
        "ds_wrap_b32" => atomic!(u32, |_, m, d, s| if m >= d { m - d } else { m.wrapping_add(s) }),
        "ds_pk_add_f16" => atomic!(u32, |mode, m, d, _| halves(m, d, |a, b| add_f16(mode, a, b))),
        "ds_pk_add_bf16" => atomic!(u32, |_, m, d, _| halves(m, d, add_bf16)),
        "ds_add_u64" => atomic!(u64, |_, m, d, _| m.wrapping_add(d)),
        "ds_sub_u64" => atomic!(u64, |_, m, d, _| m.wrapping_sub(d)),
        "ds_rsub_u64" => atomic!(u64, |_, m, d, _| d.wrapping_sub(m)),
        "ds_inc_u64" => atomic!(u64, |_, m, d, _| if m >= d { 0 } else { m + 1 }),
        "ds_dec_u64" => atomic!(u64, |_, m, d, _| if m == 0 || m > d { d } else { m - 1 }),
        "ds_min_i64" => atomic!(u64, |_, m, d, _| (m as i64).min(d as i64) as u64),
        "ds_max_i64" => atomic!(u64, |_, m, d, _| (m as i64).max(d as i64) as u64),
        "ds_min_u64" => atomic!(u64, |_, m, d, _| m.min(d)),
        "ds_max_u64" => atomic!(u64, |_, m, d, _| m.max(d)),
        "ds_and_b64" => atomic!(u64, |_, m, d, _| m & d),
        "ds_or_b64" => atomic!(u64, |_, m, d, _| m | d),
        "ds_xor_b64" => atomic!(u64, |_, m, d, _| m ^ d),
        "ds_mskor_b64" => atomic!(u64, |_, m, d, s| m & !d | s),
        "ds_wrxchg_b64" => atomic!(u64, |_, _m, d, _| d),
        "ds_cmpst_b64" => atomic!(u64, |_, m, d, s| if m == d { s } else { m }),
        "ds_cmpst_f64" => {
            atomic!(u64, |_, m, d, s| if f64::from_bits(m) == f64::from_bits(d) { s } else { m })
        }
        "ds_min_f64" => atomic!(u64, |_, m, d, _| if f64::from_bits(d) < f64::from_bits(m) { d } else { m }),
        "ds_max_f64" => atomic!(u64, |_, m, d, _| if f64::from_bits(d) > f64::from_bits(m) { d } else { m }),
        "ds_add_f64" => atomic!(u64, |mode, m, d, _| add_f64(mode, m, d)),
        "ds_condxchg32_b64" => atomic!(u64, |_, m, d, _| conditional_exchange(m, d)),
        "ds_wrxchg2_b32" | "ds_wrxchg2st64_b32" => exchange_pair::<u32>,
        "ds_wrxchg2_b64" | "ds_wrxchg2st64_b64" => exchange_pair::<u64>,
        "ds_append" => append,
        "ds_consume" => consume,
        _ => return None,
    })
}

/// A dword or a pair of dwords, in registers and in LDS.
trait Word: Copy + Default {
    const BYTES: usize;
    fn load(bytes: &[u8]) -> Self;
    fn store(self, bytes: &mut [u8]);
    fn from_dwords(low: u32, high: u32) -> Self;
    fn dword(self, i: usize) -> u32;
}

impl Word for u32 {
    const BYTES: usize = 4;
    fn load(bytes: &[u8]) -> u32 {
        u32::from_le_bytes(bytes.try_into().expect("length is BYTES"))
    }
    fn store(self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.to_le_bytes());
    }
    fn from_dwords(low: u32, _high: u32) -> u32 {
        low
    }
    fn dword(self, _i: usize) -> u32 {
        self
    }
}

impl Word for u64 {
    const BYTES: usize = 8;
    fn load(bytes: &[u8]) -> u64 {
        u64::from_le_bytes(bytes.try_into().expect("length is BYTES"))
    }
    fn store(self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.to_le_bytes());
    }
    fn from_dwords(low: u32, high: u32) -> u64 {
        low as u64 | (high as u64) << 32
    }
    fn dword(self, i: usize) -> u32 {
        (self >> (32 * i)) as u32
    }
}

/// Replaces each active lane's word by `new(mode, memory, data0, data1)` and returns the old one.
#[inline(always)]
fn update<W: Word>(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>, new: impl Fn(u32, W, W, W) -> W) -> Step {
    let at = addresses(wave, op, op.imm as u32)?;
    let mode = wave.mode;
    let exec = wave.exec();
    let mut old = [Lanes::ZERO; 2];
    {
        let data = operand::<W>(wave, op, 1)?;
        let second = operand::<W>(wave, op, 2)?;
        for lane in active(exec) {
            let word =
                replace::<W>(cx, at[lane], lane, |memory| new(mode, memory, data(lane), second(lane)))?;
            old[0][lane] = word.dword(0);
            old[1][lane] = word.dword(1);
        }
    }
    finish(wave, op, cx, &old[..W::BYTES / 4], exec)
}

/// `ds_wrxchg2…`: two exchanges at two offsets, the first before the second in every lane.
fn exchange_pair<W: Word>(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    let [first, second] = pair_offsets(op);
    let at = [addresses(wave, op, first)?, addresses(wave, op, second)?];
    let exec = wave.exec();
    let mut old = [Lanes::ZERO; 4];
    let dwords = W::BYTES / 4;
    for half in 0..2 {
        let data = operand::<W>(wave, op, 1 + half)?;
        for lane in active(exec) {
            let word = replace::<W>(cx, at[half][lane], lane, |_| data(lane))?;
            for i in 0..dwords {
                old[half * dwords + i][lane] = word.dword(i);
            }
        }
    }
    finish(wave, op, cx, &old[..2 * dwords], exec)
}

/// `ds_append`: adds the number of active lanes to LDS[M0 + offset]; every lane receives the old value.
fn append(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    count_lanes(wave, op, cx, u32::wrapping_add)
}

/// `ds_consume`: subtracts it.
fn consume(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    count_lanes(wave, op, cx, u32::wrapping_sub)
}

/// LLVM passes the LDS address of the counter in M0 (`SelectDSAppendConsume`).
fn count_lanes(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>, new: fn(u32, u32) -> u32) -> Step {
    let exec = wave.exec();
    let at = wave.m0().wrapping_add(op.imm as u32);
    let old = replace::<u32>(cx, at, 0, |memory| new(memory, exec.count_ones()))?;
    finish(wave, op, cx, &[Lanes::splat(old)], exec)
}

fn finish(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>, old: &[Lanes], exec: u64) -> Step {
    if op.dst == Arg::None {
        wave.count_store(cx, Counter::Lgkm);
        return Ok(());
    }
    wave.deliver(cx, Counter::Lgkm, destination(op), old, exec)
}

/// Swaps in `new(old)` and returns the old word; if LDS clamps, beyond the allocation the old word is 0 and nothing
/// changes.
///
/// # Errors
/// `Unaligned`, `LdsOutOfBounds`.
fn replace<W: Word>(
    cx: &mut Cx<'_>,
    at: u32,
    lane: usize,
    new: impl FnOnce(W) -> W,
) -> Result<W, Box<Fault>> {
    if !(at as usize).is_multiple_of(W::BYTES) {
        return Err(unaligned(at, lane, W::BYTES));
    }
    let Some(bytes) = cx.lds.get_mut(at as usize..at as usize + W::BYTES) else {
        cx.outside_lds(Access::Atomic, lane, at, W::BYTES)?;
        return Ok(W::default());
    };
    let old = W::load(bytes);
    new(old).store(bytes);
    Ok(old)
}

#[cold]
fn unaligned(at: u32, lane: usize, bytes: usize) -> Box<Fault> {
    Fault::new(FaultKind::Unaligned {
        access: Access::Atomic,
        lane: lane as u8,
        address: at as u64,
        align: bytes as u32,
    })
}

/// A data operand by lane; zero if the instruction has none.
fn operand<'a, W: Word>(
    wave: &'a Wave,
    op: &Op,
    source: usize,
) -> Result<impl Fn(usize) -> W + use<'a, W>, Box<Fault>> {
    let (low, high) = if W::BYTES == 8 {
        let [low, high] = sources::<2>(wave, op, source)?;
        (low, high)
    } else {
        let [low] = sources::<1>(wave, op, source)?;
        (low, low)
    };
    Ok(move |lane: usize| W::from_dwords(low[lane], high[lane]))
}

fn conditional_exchange(memory: u64, data: u64) -> u64 {
    let half = |m: u32, d: u32| if d >> 31 == 1 { d & 0x7fff_ffff } else { m };
    half(memory as u32, data as u32) as u64 | (half((memory >> 32) as u32, (data >> 32) as u32) as u64) << 32
}

fn halves(a: u32, b: u32, add: impl Fn(u16, u16) -> u16) -> u32 {
    add(a as u16, b as u16) as u32 | (add((a >> 16) as u16, (b >> 16) as u16) as u32) << 16
}

/// Nearest-even; denormals as MODE says.
fn add_f32(mode: u32, a: u32, b: u32) -> u32 {
    let flush = |bits: u32, keep: u32| {
        if mode & keep == 0 && bits & 0x7f80_0000 == 0 { bits & 0x8000_0000 } else { bits }
    };
    let [input, output] = KEEP_SINGLE;
    let sum = f32::from_bits(flush(a, input)) + f32::from_bits(flush(b, input));
    flush(quiet_f32(sum), output)
}

fn quiet_f32(value: f32) -> u32 {
    if value.is_nan() { 0x7fc0_0000 } else { value.to_bits() }
}

fn add_f64(mode: u32, a: u64, b: u64) -> u64 {
    let flush =
        |bits: u64, keep: u32| if mode & keep == 0 && bits << 1 >> 53 == 0 { bits & 1 << 63 } else { bits };
    let [input, output] = KEEP_HALF;
    let sum = f64::from_bits(flush(a, input)) + f64::from_bits(flush(b, input));
    flush(if sum.is_nan() { 0x7ff8_0000_0000_0000 } else { sum.to_bits() }, output)
}

fn add_f16(mode: u32, a: u16, b: u16) -> u16 {
    let flush =
        |bits: u16, keep: u32| if mode & keep == 0 && bits & 0x7c00 == 0 { bits & 0x8000 } else { bits };
    let [input, output] = KEEP_HALF;
    let sum = widen_f16(flush(a, input)) + widen_f16(flush(b, input));
    flush(round_to(sum, 10, -14, 15), output)
}

fn add_bf16(a: u16, b: u16) -> u16 {
    let widen = |bits: u16| f32::from_bits((bits as u32) << 16) as f64;
    round_to(widen(a) + widen(b), 7, -126, 127)
}

fn widen_f16(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, mantissa) = ((bits >> 10 & 31) as i32, (bits & 0x3ff) as f64);
    sign * match exponent {
        31 if mantissa == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        0 => mantissa * 2f64.powi(-24),
        _ => (1024.0 + mantissa) * 2f64.powi(exponent - 25),
    }
}

/// Nearest-even to a 16-bit float with `mantissa` fraction bits and normal exponents `min..=max`. The f64
/// sum of two such values is exact, or so far from a tie that its own rounding does no harm.
fn round_to(value: f64, mantissa: i32, min: i32, max: i32) -> u16 {
    let sign = if value.is_sign_negative() { 0x8000 } else { 0 };
    let infinity = ((max - min + 2) as u16) << mantissa;
    if value.is_nan() {
        return infinity | 1 << (mantissa - 1);
    }
    let magnitude = value.abs();
    let exponent = ((magnitude.to_bits() >> 52) as i32 - 1023).max(min);
    if exponent > max {
        return sign | infinity;
    }
    // Units of the last place; a carry into the next binade is right as it stands.
    let units = (magnitude * 2f64.powi(mantissa - exponent)).round_ties_even() as u32;
    let biased = (exponent - min) as u32;
    sign | ((biased << mantissa) + units).min(infinity as u32) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_round_to_nearest_even() {
        // 1 + 2^-11 is a tie between 1 and 1 + 2^-10; 1 + 3·2^-11 goes up to the even 1 + 2^-9.
        assert_eq!(add_f16(0xf0, 0x3c00, 0x1000), 0x3c00);
        assert_eq!(add_f16(0xf0, 0x3c01, 0x1000), 0x3c02);
        assert_eq!(add_f16(0xf0, 0x7bff, 0x7bff), 0x7c00);
        assert_eq!(add_f16(0xf0, 0x0001, 0x0001), 0x0002);
        assert_eq!(add_f16(0x00, 0x0001, 0x3c00), 0x3c00);
        assert_eq!(add_f16(0xf0, 0x03ff, 0x0001), 0x0400);
        assert_eq!(add_f16(0xf0, 0x7c00, 0xfc00), 0x7e00);
        assert_eq!(add_bf16(0x3f80, 0x3b80), 0x3f80);
        assert_eq!(add_bf16(0x3f81, 0x3b80), 0x3f82);
        assert_eq!(add_bf16(0x7f7f, 0x7f7f), 0x7f80);
        assert_eq!(add_bf16(0x0001, 0x0001), 0x0002);
    }
}
