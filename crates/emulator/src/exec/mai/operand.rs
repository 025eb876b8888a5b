//! Operands of matrix instructions as arrays: item-major, 64 lanes each, so that a row of A or B is
//! contiguous and every conversion is a loop over lanes.

use super::form::Element;
use crate::lanes::Lanes;

/// Most elements of one lane.
pub(super) const MAX_ITEMS: usize = 32;

/// One number per element: item · 64 + lane.
pub(super) type Items<T> = [T; 64 * MAX_ITEMS];

/// Significands, exponents, and whether the truncating arithmetic may be used.
///
/// An element is `significand · 2^(exponent − fraction bits)`; zero has exponent [`ZERO_EXPONENT`].
pub(super) struct Split {
    pub significand: Items<i32>,
    pub exponent: Items<i32>,
    /// Some element is infinite or NaN.
    pub special: bool,
    /// Largest exponent of all elements.
    pub largest: i32,
}

impl Split {
    /// An operand without elements.
    pub(super) const EMPTY: Split = Split {
        significand: [0; 64 * MAX_ITEMS],
        exponent: [0; 64 * MAX_ITEMS],
        special: false,
        largest: ZERO_EXPONENT,
    };
}

/// Below every exponent that two nonzero elements can have together.
pub(super) const ZERO_EXPONENT: i32 = -4000;

/// Fraction bits of a format's significand.
pub(super) fn fraction_bits(element: Element) -> u32 {
    match element {
        Element::Fp8 | Element::Fp6 => 3,
        Element::Bf8 | Element::Bf6 => 2,
        Element::Fp4 => 1,
        Element::F16 => 10,
        Element::Bf16 => 7,
        Element::F32 | Element::F64 | Element::I8 => 0,
    }
}

/// Calls `put(item, raw bits of the 64 lanes)` for each item.
#[inline(always)]
fn each_item<const BITS: usize>(items: usize, registers: &[&Lanes], mut put: impl FnMut(usize, &[u32; 64])) {
    let mask = u32::MAX >> (32 - BITS);
    let mut raw = [0; 64];
    for item in 0..items {
        let (dword, shift) = (item * BITS / 32, item * BITS % 32);
        let low = registers[dword];
        if shift + BITS <= 32 {
            for lane in 0..64 {
                raw[lane] = low[lane] >> shift & mask;
            }
        } else {
            let high = registers[dword + 1];
            for lane in 0..64 {
                raw[lane] = (low[lane] >> shift | high[lane] << (32 - shift)) & mask;
            }
        }
        put(item, &raw);
    }
}

/// A float with `MAN` fraction bits; the sign is bit `EXP + MAN`. Exact. Codes from `inf` on (without sign)
/// are infinite, above it NaN; formats without either pass a value beyond all codes.
#[inline(always)]
fn small<const EXP: u32, const MAN: u32>(code: u32, inf: u32, nan: u32) -> f32 {
    let bias = (1 << (EXP - 1)) - 1;
    let magnitude = code & ((1 << (EXP + MAN)) - 1);
    let normal = (magnitude << (23 - MAN)) + ((127 - bias) << 23);
    // 2^(1 − bias − MAN) times the integer; a subnormal of the format is a normal f32.
    let unit = f32::from_bits((128 - bias - MAN) << 23);
    let subnormal = (magnitude as i32 as f32 * unit).to_bits();
    let finite = if magnitude >> MAN == 0 { subnormal } else { normal };
    let bits = if magnitude >= nan {
        0x7fc0_0000
    } else if magnitude >= inf {
        0x7f80_0000
    } else {
        finite
    };
    f32::from_bits(bits | (code >> (EXP + MAN)) << 31)
}

/// All elements as f32: exact for every format but F64 and I8, which this does not take.
#[inline(always)]
pub(super) fn to_f32(
    element: Element,
    items: usize,
    registers: &[&Lanes],
    mut put: impl FnMut(usize, &[f32; 64]),
) {
    macro_rules! convert {
        ($bits:literal, $code:ident => $value:expr) => {
            each_item::<$bits>(items, registers, |item, raw| {
                let mut values = [0.0; 64];
                for lane in 0..64 {
                    let $code = raw[lane];
                    values[lane] = $value;
                }
                put(item, &values);
            })
        };
    }
    match element {
        Element::Fp4 => convert!(4, code => small::<2, 1>(code, !0, !0)),
        Element::Fp6 => convert!(6, code => small::<2, 3>(code, !0, !0)),
        Element::Bf6 => convert!(6, code => small::<3, 2>(code, !0, !0)),
        Element::Fp8 => convert!(8, code => small::<4, 3>(code, 0x7f, 0x7f)),
        Element::Bf8 => convert!(8, code => small::<5, 2>(code, 0x7c, 0x7d)),
        Element::F16 => convert!(16, code => small::<5, 10>(code, 0x7c00, 0x7c01)),
        Element::Bf16 => convert!(16, code => f32::from_bits(code << 16)),
        Element::F32 | Element::F64 | Element::I8 => convert!(32, code => f32::from_bits(code)),
    }
}

/// [`Split`] of an operand; `shift` moves the significands left.
#[inline(always)]
pub(super) fn split(element: Element, items: usize, registers: &[&Lanes], shift: u32, out: &mut Split) {
    match element {
        Element::Fp4 => split_as::<4, 2, 1>(items, registers, shift, !0, out),
        Element::Fp6 => split_as::<6, 2, 3>(items, registers, shift, !0, out),
        Element::Bf6 => split_as::<6, 3, 2>(items, registers, shift, !0, out),
        Element::Fp8 => split_as::<8, 4, 3>(items, registers, shift, 0x7f, out),
        Element::Bf8 => split_as::<8, 5, 2>(items, registers, shift, 0x7c, out),
        Element::F16 => split_as::<16, 5, 10>(items, registers, shift, 0x7c00, out),
        _ => split_as::<16, 8, 7>(items, registers, shift, 0x7f80, out),
    }
}

#[inline(always)]
fn split_as<const BITS: usize, const EXP: u32, const MAN: u32>(
    items: usize,
    registers: &[&Lanes],
    shift: u32,
    special_from: u32,
    out: &mut Split,
) {
    let bias = (1 << (EXP - 1)) - 1;
    let (mut special, mut largest) = ([false; 64], [ZERO_EXPONENT; 64]);
    each_item::<BITS>(items, registers, |item, raw| {
        let significand = &mut out.significand[64 * item..][..64];
        let exponent = &mut out.exponent[64 * item..][..64];
        for lane in 0..64 {
            let magnitude = raw[lane] & ((1 << (EXP + MAN)) - 1);
            let field = magnitude >> MAN;
            let hidden = if field == 0 { 0 } else { 1 << MAN };
            let value = ((magnitude & ((1 << MAN) - 1) | hidden) << shift) as i32;
            significand[lane] = if raw[lane] >> (EXP + MAN) == 0 { value } else { -value };
            exponent[lane] = if magnitude == 0 { ZERO_EXPONENT } else { field.max(1) as i32 - bias };
            special[lane] |= magnitude >= special_from;
            largest[lane] = largest[lane].max(exponent[lane]);
        }
    });
    out.special = special.iter().any(|&x| x);
    out.largest = largest.into_iter().max().unwrap_or(ZERO_EXPONENT);
}

/// Signed bytes.
#[inline(always)]
pub(super) fn bytes(items: usize, registers: &[&Lanes], out: &mut Items<i32>) {
    each_item::<8>(items, registers, |item, raw| {
        for (to, &from) in out[64 * item..][..64].iter_mut().zip(raw) {
            *to = from as i8 as i32;
        }
    });
}
