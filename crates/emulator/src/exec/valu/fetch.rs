//! Reads sources and writes results of vector instructions.

use crate::{
    exec::valu::{bit, select},
    fault::Fault,
    lanes::Lanes,
    op::{Arg, Op, Select},
    simd::{Step, blend},
    wave::{INLINE_F32, Wave},
};

/// The inline float constants as f16 bits.
const INLINE_F16: [u16; 9] = [0x3800, 0xb800, 0x3c00, 0xbc00, 0x4000, 0xc000, 0x4400, 0xc400, 0x3118];

/// The inline float constants as f64 bits.
const INLINE_F64: [u64; 9] = [
    0x3fe0_0000_0000_0000,
    0xbfe0_0000_0000_0000,
    0x3ff0_0000_0000_0000,
    0xbff0_0000_0000_0000,
    0x4000_0000_0000_0000,
    0xc000_0000_0000_0000,
    0x4010_0000_0000_0000,
    0xc010_0000_0000_0000,
    0x3fc4_5f30_6dc9_c882,
];

/// How a source's bits are read: which constant an inline operand means and where modifiers act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// 32 bits without float modifiers.
    B32,
    /// f32: magnitude and negation at bit 31.
    F32,
    /// 16 bits in the low half after the half select; integer.
    B16,
    /// As `B16`, float: magnitude and negation at bit 15.
    F16,
    /// Two 16-bit integers (VOP3P half selects).
    PackedB16,
    /// Two f16 (VOP3P half selects and negations).
    PackedF16,
    /// Two bf16, likewise.
    PackedBf16,
    /// The f32 addend of a VOP3P dot product: negation only.
    AddendF32,
    /// 64 bits, zero-extended literals.
    B64,
    /// 64 bits, sign-extended literals.
    I64,
    /// f64: modifiers at bit 63, a literal is the high half.
    F64,
    /// A pair of f32 as VOP3P reads it: constants are the same in both halves.
    PairF32,
    /// As `PairF32`, without negation.
    PairB32,
}

impl Kind {
    const fn has_modifiers(self) -> bool {
        !matches!(self, Kind::B32 | Kind::B64 | Kind::I64 | Kind::PairB32)
    }
}

/// Binds `$name: &Lanes` to dword `$part` of source `$i`.
///
/// The buffer is only written when the source is not a plain register.
macro_rules! source {
    ($name:ident, $wave:expr, $op:expr, $i:expr, $kind:expr) => {
        $crate::exec::valu::fetch::source!($name, $wave, $op, $i, $kind, 0)
    };
    ($name:ident, $wave:expr, $op:expr, $i:expr, $kind:expr, $part:expr) => {
        let buffer: $crate::lanes::Lanes;
        let $name: &$crate::lanes::Lanes =
            match $crate::exec::valu::fetch::plain($wave, $op, $i, $kind, $part) {
                Some(lanes) => lanes,
                None => {
                    buffer = match $crate::exec::valu::fetch::uniform($wave, $op, $i, $kind, $part) {
                        Some(value) => $crate::lanes::Lanes::splat(value),
                        None => $crate::exec::valu::fetch::build($wave, $op, $i, $kind, $part)?,
                    };
                    &buffer
                }
            };
    };
}
pub(super) use source;

/// The register of source `i` when nothing stands between it and the operation.
#[inline(always)]
pub(super) fn plain<'a>(wave: &'a Wave, op: &Op, i: usize, kind: Kind, part: u16) -> Option<&'a Lanes> {
    let obstacles = if kind.has_modifiers() { (bit::MOVED | bit::MODIFIED) << i } else { bit::MOVED << i };
    if op.bits & obstacles != 0 {
        return None;
    }
    match op.src[i] {
        Arg::Vector(register) => wave.vector(register + part).ok(),
        _ => None,
    }
}

/// The value of source `i` when it is the same in all lanes and unmodified.
#[inline(always)]
pub(super) fn uniform(wave: &Wave, op: &Op, i: usize, kind: Kind, part: u16) -> Option<u32> {
    let modified = kind.has_modifiers() && op.bits & bit::MODIFIED << i != 0;
    if matches!(op.src[i], Arg::Vector(_)) || modified || op.bits & bit::RESULT != 0 {
        return None;
    }
    Some(constant(wave, op.src[i], kind, part))
}

/// Dword `part` of source `i` with lane selects, half selects, magnitude and negation applied.
///
/// # Errors
/// `BadRegister` beyond the kernel's allocation.
#[inline(never)]
pub(super) fn build(wave: &Wave, op: &Op, i: usize, kind: Kind, part: u16) -> Result<Lanes, Box<Fault>> {
    let mut lanes = match op.src[i] {
        Arg::Vector(register) => *wave.vector(register + part)?,
        other => Lanes::splat(constant(wave, other, kind, part)),
    };
    match op.select {
        Select::Dpp { ctrl, bound_ctrl, .. } if i == 0 => {
            lanes = select::dpp(&lanes, ctrl, bound_ctrl, wave.exec())
        }
        Select::Sdwa { src0, src1, .. } if i < 2 => {
            select::sdwa(&mut lanes, if i == 0 { src0 } else { src1 })
        }
        _ => {}
    }
    if op.bits & bit::MODIFIED << i != 0 {
        modify(&mut lanes, op, i, kind, part);
    }
    Ok(lanes)
}

/// Applies half selects, magnitude and negation.
fn modify(lanes: &mut Lanes, op: &Op, i: usize, kind: Kind, part: u16) {
    let on = |mask: u8| mask >> i & 1 != 0;
    let (neg, abs, high) = (on(op.mods.neg), on(op.mods.abs), on(op.mods.op_sel));
    let sign = |at: u32| (if abs { !(1 << at) } else { !0 }, if neg { 1u32 << at } else { 0 });
    match kind {
        Kind::B32 | Kind::B64 | Kind::I64 | Kind::PairB32 => {}
        Kind::F32 | Kind::F64 => {
            let (keep, flip) = if kind == Kind::F64 && part == 0 { (!0, 0) } else { sign(31) };
            lanes.iter_mut().for_each(|x| *x = (*x & keep) ^ flip);
        }
        Kind::B16 | Kind::F16 => {
            let (keep, flip) = if kind == Kind::F16 { sign(15) } else { (!0, 0) };
            let shift = if high { 16 } else { 0 };
            lanes.iter_mut().for_each(|x| *x = (*x >> shift & keep) ^ flip);
        }
        Kind::AddendF32 => {
            let flip = (neg as u32) << 31;
            lanes.iter_mut().for_each(|x| *x ^= flip);
        }
        Kind::PackedB16 | Kind::PackedF16 | Kind::PackedBf16 => {
            let flip = if kind != Kind::PackedB16 { (neg as u32) << 15 | (abs as u32) << 31 } else { 0 };
            let (low, high) = (if high { 16 } else { 0 }, if on(op.mods.op_sel_hi) { 16 } else { 0 });
            lanes.iter_mut().for_each(|x| *x = (*x >> low & 0xffff | (*x >> high) << 16) ^ flip);
        }
        Kind::PairF32 => {
            let flip = if if part == 0 { neg } else { abs } { 1 << 31 } else { 0 };
            lanes.iter_mut().for_each(|x| *x ^= flip);
        }
    }
}

/// Half `part` (0 low, 1 high) of source `i` of a packed f32 instruction: its select picks the register.
///
/// # Errors
/// `BadRegister` beyond the kernel's allocation.
#[inline(always)]
pub(super) fn pair_register<'a>(wave: &'a Wave, op: &Op, i: usize, part: u16) -> Option<&'a Lanes> {
    let negated = if part == 0 { op.mods.neg } else { op.mods.abs };
    if negated >> i & 1 != 0 {
        return None;
    }
    match op.src[i] {
        Arg::Vector(register) => wave.vector(register + pair_select(op, i, part)).ok(),
        _ => None,
    }
}

/// [`pair_register`] when the half is negated or no register.
///
/// # Errors
/// `BadRegister` beyond the kernel's allocation.
#[inline(never)]
pub(super) fn pair_build(wave: &Wave, op: &Op, i: usize, part: u16) -> Result<Lanes, Box<Fault>> {
    let selected = pair_select(op, i, part);
    let mut lanes = match op.src[i] {
        Arg::Vector(register) => *wave.vector(register + selected)?,
        other => Lanes::splat(constant(wave, other, Kind::PairF32, selected)),
    };
    modify(&mut lanes, op, i, Kind::PairF32, part);
    Ok(lanes)
}

fn pair_select(op: &Op, i: usize, part: u16) -> u16 {
    let selects = if part == 0 { op.mods.op_sel } else { op.mods.op_sel_hi };
    (selects >> i & 1) as u16
}

/// Dword `part` of a non-vector argument.
///
/// Inline integers are sign-extended; inline floats take the width of the read: f16 reads get f16 bits in the
/// low half and zero above, 16-bit integer reads get the f32 bits (LLVM's AMDGPUBaseInfo.cpp documents this
/// hardware behaviour for packed instructions). For packed f32 the manuals leave the high half of a constant
/// open; both halves are the constant here.
pub(super) fn constant(wave: &Wave, arg: Arg, kind: Kind, part: u16) -> u32 {
    let wide = |value: u64| (value >> (32 * part)) as u32;
    match (arg, kind) {
        (Arg::Scalar(index), _) => wave.scalar[(index as usize + part as usize) & 127],
        (Arg::Int(value), Kind::B64 | Kind::I64 | Kind::F64) => wide(value as i64 as u64),
        (Arg::Float(index), Kind::B64 | Kind::I64 | Kind::F64) => wide(INLINE_F64[index as usize]),
        (Arg::Float(index), Kind::F16 | Kind::PackedF16) => INLINE_F16[index as usize] as u32,
        (Arg::Float(index), Kind::PackedBf16) => INLINE_F32[index as usize] >> 16,
        (Arg::Float(index), _) => INLINE_F32[index as usize],
        (Arg::Literal(word), Kind::B64) => wide(word as u64),
        (Arg::Literal(word), Kind::I64) => wide(word as i32 as i64 as u64),
        (Arg::Literal(word), Kind::F64) => wide((word as u64) << 32),
        (other, _) => wave.scalar_arg(other),
    }
}

/// Writes a 32-bit result.
///
/// # Errors
/// `BadRegister` beyond the kernel's allocation.
#[inline(always)]
pub(super) fn write(wave: &mut Wave, op: &Op, result: &Lanes) -> Step {
    write_part(wave, op, 0, result)
}

/// Writes dword `part` of a result.
///
/// # Errors
/// `BadRegister` beyond the kernel's allocation.
#[inline(always)]
pub(super) fn write_part(wave: &mut Wave, op: &Op, part: u16, result: &Lanes) -> Step {
    if let Arg::Vector(register) = op.dst
        && op.bits & bit::RESULT == 0
        && wave.exec() == !0
    {
        *wave.vector_mut(register + part)? = *result;
        return Ok(());
    }
    write_masked(wave, op, part, result)
}

#[inline(never)]
fn write_masked(wave: &mut Wave, op: &Op, part: u16, result: &Lanes) -> Step {
    let Arg::Vector(register) = op.dst else { return Ok(()) };
    let mut mask = wave.exec();
    let target = register + part;
    match op.select {
        Select::Straight => {}
        Select::Dpp { ctrl, row_mask, bank_mask, bound_ctrl } => {
            mask &= select::dpp_mask(ctrl, row_mask, bank_mask, bound_ctrl, mask)
        }
        Select::Sdwa { dst, unused, .. } if dst != 6 => {
            let placed = select::sdwa_place(result, wave.vector(target)?, dst, unused);
            blend(wave.vector_mut(target)?, &placed, mask);
            return Ok(());
        }
        Select::Sdwa { .. } => {}
    }
    blend(wave.vector_mut(target)?, result, mask);
    Ok(())
}

/// What a 16-bit result does to the other half of its register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// Cleared: GFX9's rule for most 16-bit instructions (LLVM, `zeroesHigh16BitsOfDest`).
    Zero,
    /// Kept: `v_fma_mixlo`, `v_mac_f16`, and everything that names a destination half.
    Keep,
}

/// Writes a 16-bit result: the low half, or the high half if the destination's select bit is set.
///
/// # Errors
/// `BadRegister` beyond the kernel's allocation.
#[inline(always)]
pub(super) fn write_half(wave: &mut Wave, op: &Op, result: &Lanes, rest: Rest) -> Step {
    if rest == Rest::Zero && op.mods.op_sel & 8 == 0 {
        return write(wave, op, result);
    }
    write_half_merged(wave, op, result)
}

#[inline(never)]
fn write_half_merged(wave: &mut Wave, op: &Op, result: &Lanes) -> Step {
    let Arg::Vector(register) = op.dst else { return Ok(()) };
    if matches!(op.select, Select::Sdwa { .. }) {
        return write(wave, op, result);
    }
    let old = wave.vector(register)?;
    let high = op.mods.op_sel & 8 != 0;
    let merged = Lanes(std::array::from_fn(|lane| {
        let value = result[lane] & 0xffff;
        if high { old[lane] & 0xffff | value << 16 } else { old[lane] & 0xffff_0000 | value }
    }));
    write(wave, op, &merged)
}

/// The destination's present value (byte and half writes that keep the rest).
///
/// # Errors
/// `BadRegister` beyond the kernel's allocation.
pub(super) fn old(wave: &Wave, op: &Op) -> Result<Lanes, Box<Fault>> {
    match op.dst {
        Arg::Vector(register) => Ok(*wave.vector(register)?),
        _ => Ok(Lanes::ZERO),
    }
}

/// Writes a lane mask to a scalar pair.
pub(super) fn write_mask(wave: &mut Wave, arg: Arg, mask: u64) {
    if let Arg::Scalar(index) = arg {
        wave.set_scalar64(index, mask);
    }
}

/// A lane mask from a scalar pair or constant.
pub(super) fn read_mask(wave: &Wave, arg: Arg) -> u64 {
    constant(wave, arg, Kind::B64, 0) as u64 | (constant(wave, arg, Kind::B64, 1) as u64) << 32
}
