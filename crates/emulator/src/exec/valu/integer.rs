//! 32- and 16-bit integer lane shapes.

use crate::{
    exec::valu::fetch::{Kind, Rest, read_mask, source, write, write_half, write_mask},
    lanes::Lanes,
    op::Op,
    simd::Step,
    wave::Wave,
};

/// One-source 32-bit instruction.
#[inline(always)]
pub(super) fn int1(wave: &mut Wave, op: &Op, rule: impl Fn(u32) -> u32) -> Step {
    source!(a, wave, op, 0, Kind::B32);
    let result = Lanes(std::array::from_fn(|lane| rule(a[lane])));
    write(wave, op, &result)
}

/// Two-source 32-bit instruction.
#[inline(always)]
pub(super) fn int2(wave: &mut Wave, op: &Op, rule: impl Fn(u32, u32) -> u32) -> Step {
    source!(a, wave, op, 0, Kind::B32);
    source!(b, wave, op, 1, Kind::B32);
    let result = Lanes(std::array::from_fn(|lane| rule(a[lane], b[lane])));
    write(wave, op, &result)
}

/// Three-source 32-bit instruction.
#[inline(always)]
pub(super) fn int3(wave: &mut Wave, op: &Op, rule: impl Fn(u32, u32, u32) -> u32) -> Step {
    source!(a, wave, op, 0, Kind::B32);
    source!(b, wave, op, 1, Kind::B32);
    source!(c, wave, op, 2, Kind::B32);
    let result = Lanes(std::array::from_fn(|lane| rule(a[lane], b[lane], c[lane])));
    write(wave, op, &result)
}

/// Two-source instruction with a saturating form under clamp.
#[inline(always)]
pub(super) fn int2_clamp(
    wave: &mut Wave,
    op: &Op,
    saturating: fn(u32, u32) -> u32,
    rule: impl Fn(u32, u32) -> u32,
) -> Step {
    if op.mods.clamp { int2(wave, op, saturating) } else { int2(wave, op, rule) }
}

/// Three-source instruction with a saturating form under clamp.
#[inline(always)]
pub(super) fn int3_clamp(
    wave: &mut Wave,
    op: &Op,
    saturating: fn(u32, u32, u32) -> u32,
    rule: impl Fn(u32, u32, u32) -> u32,
) -> Step {
    if op.mods.clamp { int3(wave, op, saturating) } else { int3(wave, op, rule) }
}

/// Two-source 16-bit instruction; operands come zero-extended.
#[inline(always)]
pub(super) fn word2(wave: &mut Wave, op: &Op, rest: Rest, rule: impl Fn(u16, u16) -> u16) -> Step {
    source!(a, wave, op, 0, Kind::B16);
    source!(b, wave, op, 1, Kind::B16);
    let result = Lanes(std::array::from_fn(|lane| rule(a[lane] as u16, b[lane] as u16) as u32));
    write_half(wave, op, &result, rest)
}

/// Three-source 16-bit instruction.
#[inline(always)]
pub(super) fn word3(wave: &mut Wave, op: &Op, rest: Rest, rule: impl Fn(u16, u16, u16) -> u16) -> Step {
    source!(a, wave, op, 0, Kind::B16);
    source!(b, wave, op, 1, Kind::B16);
    source!(c, wave, op, 2, Kind::B16);
    let result =
        Lanes(std::array::from_fn(|lane| rule(a[lane] as u16, b[lane] as u16, c[lane] as u16) as u32));
    write_half(wave, op, &result, rest)
}

/// Two-source 16-bit instruction with a saturating form under clamp.
#[inline(always)]
pub(super) fn word2_clamp(
    wave: &mut Wave,
    op: &Op,
    rest: Rest,
    saturating: fn(u16, u16) -> u16,
    rule: impl Fn(u16, u16) -> u16,
) -> Step {
    if op.mods.clamp { word2(wave, op, rest, saturating) } else { word2(wave, op, rest, rule) }
}

/// Addition or subtraction with carry-out and, if `carry_in`, carry-in from source 2's lane mask.
///
/// `rule` gets both operands and the carry and returns a 33-bit result whose bit 32 is the carry or borrow.
/// Inactive lanes' carry-out bits are zero, as for compares.
#[inline(always)]
pub(super) fn carry(wave: &mut Wave, op: &Op, carry_in: bool, rule: impl Fn(u64, u64, u64) -> u64) -> Step {
    source!(a, wave, op, 0, Kind::B32);
    source!(b, wave, op, 1, Kind::B32);
    let incoming = if carry_in { read_mask(wave, op.src[2]) } else { 0 };
    let mut result = Lanes::ZERO;
    let mut outgoing = 0u64;
    for lane in 0..64 {
        let sum = rule(a[lane] as u64, b[lane] as u64, incoming >> lane & 1);
        result[lane] = sum as u32;
        outgoing |= (sum >> 32 & 1) << lane;
        if op.mods.clamp && sum >> 32 & 1 != 0 {
            result[lane] = if rule(1, 0, 0) == rule(0, 1, 0) { !0 } else { 0 };
        }
    }
    let exec = wave.exec();
    write(wave, op, &result)?;
    write_mask(wave, op.sdst, outgoing & exec);
    Ok(())
}

/// Sign-extends the low `bits` bits.
#[inline(always)]
pub(super) fn sext(value: u32, bits: u32) -> i32 {
    ((value << (32 - bits)) as i32) >> (32 - bits)
}

/// Clamps a wide intermediate to i32.
#[inline(always)]
pub(super) fn saturate_i32(value: i64) -> u32 {
    value.clamp(i32::MIN as i64, i32::MAX as i64) as i32 as u32
}

/// Clamps a wide intermediate to u32.
#[inline(always)]
pub(super) fn saturate_u32(value: u64) -> u32 {
    value.min(u32::MAX as u64) as u32
}

/// Clamps to i16.
#[inline(always)]
pub(super) fn saturate_i16(value: i32) -> u16 {
    value.clamp(i16::MIN as i32, i16::MAX as i32) as u16
}

/// Clamps to u16.
#[inline(always)]
pub(super) fn saturate_u16(value: i32) -> u16 {
    value.clamp(0, u16::MAX as i32) as u16
}
