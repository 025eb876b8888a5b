//! Loads, stores, loads to LDS and atomics, over any [`Space`].

use super::{
    RETURNS, Space,
    atomic::{index32, index64, update32, update64},
};
use crate::{
    fault::Access,
    lanes::Lanes,
    op::{Arg, Op},
    pending::{Counter, LdsWrite},
    simd::{Exec, Step},
    wave::{Cx, Wave},
};

/// Where an atomic's index is in `bits`.
pub(in crate::exec) const ATOMIC_SHIFT: u32 = 8;

/// Loads `D` dwords.
#[inline(always)]
pub(in crate::exec) fn load<S: Space, const D: usize>(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    let aim = S::aim(wave, op, 4 * D as u32)?;
    let mut out = [Lanes::ZERO; D];
    S::read(wave, cx, &aim, &mut out)?;
    wave.deliver(cx, S::COUNTER, vector(op.dst), &out, aim.exec)
}

/// Loads one or two bytes, extended to a dword.
#[inline(always)]
pub(in crate::exec) fn load_small<S: Space, const BYTES: u32, const SIGNED: bool>(
    wave: &mut Wave,
    op: &Op,
    cx: &mut Cx<'_>,
) -> Step {
    let aim = S::aim(wave, op, BYTES)?;
    let mut out = Lanes::ZERO;
    S::read_small::<BYTES>(wave, cx, &aim, &mut out)?;
    let out = extend::<BYTES, SIGNED>(&out);
    wave.deliver(cx, S::COUNTER, vector(op.dst), &[out], aim.exec)
}

/// Loads one or two bytes, extended to 16 bits, into one half of the register; the other half stays.
/// (LLVM does not rely on that with SRAM ECC, which gfx950 always has; the ISA's pseudocode says so.)
#[inline(always)]
pub(in crate::exec) fn load_half<S: Space, const BYTES: u32, const SIGNED: bool, const HIGH: bool>(
    wave: &mut Wave,
    op: &Op,
    cx: &mut Cx<'_>,
) -> Step {
    let aim = S::aim(wave, op, BYTES)?;
    let mut out = Lanes::ZERO;
    S::read_small::<BYTES>(wave, cx, &aim, &mut out)?;
    let out = extend::<BYTES, SIGNED>(&out);
    wave.deliver_half(cx, S::COUNTER, vector(op.dst), &out, HIGH, aim.exec)
}

/// Stores `D` dwords.
#[inline(always)]
pub(in crate::exec) fn store<S: Space, const D: usize>(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    let aim = S::aim(wave, op, 4 * D as u32)?;
    let mut data = [&Lanes::ZERO; D];
    for (i, data) in data.iter_mut().enumerate() {
        *data = wave.vector(vector(op.src[1]) + i as u16)?;
    }
    S::write(wave, cx, &aim, data)?;
    wave.count_store(cx, S::COUNTER);
    Ok(())
}

/// Stores the low one or two bytes of a register, or of its high half.
#[inline(always)]
pub(in crate::exec) fn store_small<S: Space, const BYTES: u32, const HIGH: bool>(
    wave: &mut Wave,
    op: &Op,
    cx: &mut Cx<'_>,
) -> Step {
    let aim = S::aim(wave, op, BYTES)?;
    let data = wave.vector(vector(op.src[1]))?;
    if HIGH {
        let high = Lanes(data.map(|value| value >> 16));
        S::write_small::<BYTES>(wave, cx, &aim, &high)?;
    } else {
        S::write_small::<BYTES>(wave, cx, &aim, data)?;
    }
    wave.count_store(cx, S::COUNTER);
    Ok(())
}

/// Loads `D` dwords to LDS. Lane l's go to `M0[17:0]` + instruction offset + l·4, or l·16 for 3 and 4
/// dwords (CDNA4 ISA 9.1.9). A buffer's
/// out-of-range lanes write zeros.
#[inline(always)]
pub(in crate::exec) fn load_lds<S: Space, const D: usize>(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    let aim = S::aim(wave, op, 4 * D as u32)?;
    let mut out = [Lanes::ZERO; D];
    S::read(wave, cx, &aim, &mut out)?;
    to_lds(wave, op, cx, &out, aim.exec)
}

/// Loads one or two bytes to LDS, extended to a dword.
#[inline(always)]
pub(in crate::exec) fn load_lds_small<S: Space, const BYTES: u32, const SIGNED: bool>(
    wave: &mut Wave,
    op: &Op,
    cx: &mut Cx<'_>,
) -> Step {
    let aim = S::aim(wave, op, BYTES)?;
    let mut out = Lanes::ZERO;
    S::read_small::<BYTES>(wave, cx, &aim, &mut out)?;
    to_lds(wave, op, cx, &[extend::<BYTES, SIGNED>(&out)], aim.exec)
}

#[inline(always)]
fn to_lds(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>, data: &[Lanes], mask: u64) -> Step {
    let base = (wave.m0() & 0x3_fffc).wrapping_add(op.imm as u32);
    let stride = if data.len() > 2 { 16 } else { 4 };
    // The highest active lane reaches farthest.
    if let Some(lane) = mask.checked_ilog2() {
        let (address, bytes) = (base + lane * stride, 4 * data.len());
        if address as usize + bytes > cx.lds.len() {
            cx.outside_lds(Access::Write, lane as usize, address, bytes)?;
        }
    }
    // Counts in vm only: no FLAT instruction loads to LDS.
    wave.deliver_lds(cx, Counter::Vm, LdsWrite { base, stride, data, mask });
    Ok(())
}

/// 32-bit atomic of the index in `bits`.
pub(in crate::exec) fn modify32<S: Space>(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    let aim = S::aim(wave, op, 4)?;
    let update = update32((op.bits >> ATOMIC_SHIFT) as usize);
    let data = wave.vector(vector(op.src[1]))?;
    let mut old = Lanes::ZERO;
    S::atomic32(wave, cx, &aim, &mut old, |lane, value| update(value, data[lane]))?;
    modified::<S>(wave, op, cx, &[old], aim.exec)
}

/// 64-bit atomic of the index in `bits`.
pub(in crate::exec) fn modify64<S: Space>(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    let aim = S::aim(wave, op, 8)?;
    let update = update64((op.bits >> ATOMIC_SHIFT) as usize);
    let data = pair(wave, vector(op.src[1]))?;
    let mut old = [Lanes::ZERO; 2];
    S::atomic64(wave, cx, &aim, &mut old, |lane, value| update(value, data[lane]))?;
    modified::<S>(wave, op, cx, &old, aim.exec)
}

/// Compare and swap of dwords: data is (new, expected).
pub(in crate::exec) fn compare_swap32<S: Space>(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    let aim = S::aim(wave, op, 4)?;
    let new = wave.vector(vector(op.src[1]))?;
    let expected = wave.vector(vector(op.src[1]) + 1)?;
    let mut old = Lanes::ZERO;
    S::atomic32(
        wave,
        cx,
        &aim,
        &mut old,
        |lane, value| if value == expected[lane] { new[lane] } else { value },
    )?;
    modified::<S>(wave, op, cx, &[old], aim.exec)
}

/// Compare and swap of quadwords: data is (new, expected).
pub(in crate::exec) fn compare_swap64<S: Space>(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    let aim = S::aim(wave, op, 8)?;
    let new = pair(wave, vector(op.src[1]))?;
    let expected = pair(wave, vector(op.src[1]) + 2)?;
    let mut old = [Lanes::ZERO; 2];
    S::atomic64(
        wave,
        cx,
        &aim,
        &mut old,
        |lane, value| if value == expected[lane] { new[lane] } else { value },
    )?;
    modified::<S>(wave, op, cx, &old, aim.exec)
}

/// An atomic's end: the old value, if the instruction returns it.
fn modified<S: Space>(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>, old: &[Lanes], exec: u64) -> Step {
    if op.bits & RETURNS != 0 {
        return wave.deliver(cx, S::COUNTER, vector(op.dst), old, exec);
    }
    wave.count_store(cx, S::COUNTER);
    Ok(())
}

fn pair(wave: &Wave, register: u16) -> Result<[u64; 64], Box<crate::fault::Fault>> {
    let (low, high) = (wave.vector(register)?, wave.vector(register + 1)?);
    Ok(std::array::from_fn(|lane| low[lane] as u64 | (high[lane] as u64) << 32))
}

#[inline(always)]
fn extend<const BYTES: u32, const SIGNED: bool>(value: &Lanes) -> Lanes {
    if !SIGNED {
        return *value;
    }
    let shift = 32 - 8 * BYTES;
    Lanes(std::array::from_fn(|lane| ((value[lane] << shift) as i32 >> shift) as u32))
}

/// The register of a vector operand; one that the decoder does not name is beyond every allocation.
#[inline(always)]
fn vector(arg: Arg) -> u16 {
    match arg {
        Arg::Vector(register) => register,
        _ => u16::MAX - 4,
    }
}

/// The handler of an atomic of space `S` by the mnemonic's end, and its index for `bits`.
pub(in crate::exec) fn atomic<S: Space>(name: &str) -> Option<(Exec, u32)> {
    let name = name.strip_prefix("atomic_")?;
    match name {
        "cmpswap" => return Some((compare_swap32::<S>, 0)),
        "cmpswap_x2" => return Some((compare_swap64::<S>, 0)),
        _ => {}
    }
    if let Some(index) = index32(name) {
        return Some((modify32::<S>, (index as u32) << ATOMIC_SHIFT));
    }
    index64(name).map(|index| (modify64::<S> as Exec, (index as u32) << ATOMIC_SHIFT))
}

/// Dwords of the data operand, by the mnemonic.
pub(in crate::exec) fn dwords(name: &str) -> u8 {
    match name {
        _ if name.ends_with("x16") => 16,
        _ if name.ends_with("x8") => 8,
        _ if name.ends_with("x4") => 4,
        _ if name.ends_with("x3") => 3,
        _ if name.ends_with("x2") || name.ends_with("f64") => 2,
        _ => 1,
    }
}

/// The [`Exec`] of a load or store of `$space` by `$name`, the mnemonic without its encoding's prefix.
macro_rules! transfers {
    ($space:ty, $name:expr) => {{
        use $crate::{exec::flat::transfer, simd::simd};
        let exec: Option<$crate::simd::Exec> = match $name {
            "load_ubyte" => Some(simd!(|w, op, cx| transfer::load_small::<$space, 1, false>(w, op, cx))),
            "load_sbyte" => Some(simd!(|w, op, cx| transfer::load_small::<$space, 1, true>(w, op, cx))),
            "load_ushort" => Some(simd!(|w, op, cx| transfer::load_small::<$space, 2, false>(w, op, cx))),
            "load_sshort" => Some(simd!(|w, op, cx| transfer::load_small::<$space, 2, true>(w, op, cx))),
            "load_dword" => Some(simd!(|w, op, cx| transfer::load::<$space, 1>(w, op, cx))),
            "load_dwordx2" => Some(simd!(|w, op, cx| transfer::load::<$space, 2>(w, op, cx))),
            "load_dwordx3" => Some(simd!(|w, op, cx| transfer::load::<$space, 3>(w, op, cx))),
            "load_dwordx4" => Some(simd!(|w, op, cx| transfer::load::<$space, 4>(w, op, cx))),
            "load_ubyte_d16" => Some(|w, op, cx| transfer::load_half::<$space, 1, false, false>(w, op, cx)),
            "load_ubyte_d16_hi" => Some(|w, op, cx| transfer::load_half::<$space, 1, false, true>(w, op, cx)),
            "load_sbyte_d16" => Some(|w, op, cx| transfer::load_half::<$space, 1, true, false>(w, op, cx)),
            "load_sbyte_d16_hi" => Some(|w, op, cx| transfer::load_half::<$space, 1, true, true>(w, op, cx)),
            "load_short_d16" => Some(|w, op, cx| transfer::load_half::<$space, 2, false, false>(w, op, cx)),
            "load_short_d16_hi" => Some(|w, op, cx| transfer::load_half::<$space, 2, false, true>(w, op, cx)),
            "store_byte" => Some(simd!(|w, op, cx| transfer::store_small::<$space, 1, false>(w, op, cx))),
            "store_byte_d16_hi" => Some(|w, op, cx| transfer::store_small::<$space, 1, true>(w, op, cx)),
            "store_short" => Some(simd!(|w, op, cx| transfer::store_small::<$space, 2, false>(w, op, cx))),
            "store_short_d16_hi" => Some(|w, op, cx| transfer::store_small::<$space, 2, true>(w, op, cx)),
            "store_dword" => Some(simd!(|w, op, cx| transfer::store::<$space, 1>(w, op, cx))),
            "store_dwordx2" => Some(simd!(|w, op, cx| transfer::store::<$space, 2>(w, op, cx))),
            "store_dwordx3" => Some(simd!(|w, op, cx| transfer::store::<$space, 3>(w, op, cx))),
            "store_dwordx4" => Some(simd!(|w, op, cx| transfer::store::<$space, 4>(w, op, cx))),
            "load_lds_ubyte" => Some(|w, op, cx| transfer::load_lds_small::<$space, 1, false>(w, op, cx)),
            "load_lds_sbyte" => Some(|w, op, cx| transfer::load_lds_small::<$space, 1, true>(w, op, cx)),
            "load_lds_ushort" => Some(|w, op, cx| transfer::load_lds_small::<$space, 2, false>(w, op, cx)),
            "load_lds_sshort" => Some(|w, op, cx| transfer::load_lds_small::<$space, 2, true>(w, op, cx)),
            "load_lds_dword" => Some(simd!(|w, op, cx| transfer::load_lds::<$space, 1>(w, op, cx))),
            "load_lds_dwordx3" => Some(simd!(|w, op, cx| transfer::load_lds::<$space, 3>(w, op, cx))),
            "load_lds_dwordx4" => Some(simd!(|w, op, cx| transfer::load_lds::<$space, 4>(w, op, cx))),
            _ => None,
        };
        exec
    }};
}
pub(in crate::exec) use transfers;
