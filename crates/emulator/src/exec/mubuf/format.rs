//! Format loads and stores: as many 32-bit channels as the V#'s data format has.
//!
//! Only the formats whose channels are 32 bits wide and need no conversion (`32`, `32_32`, `32_32_32`,
//! `32_32_32_32` as UINT, SINT or FLOAT) are executed; narrower ones fault.

use super::{super::flat::transfer, Buffer, Resource, Space};
use crate::{
    fault::{Fault, FaultKind},
    lanes::Lanes,
    op::{Arg, Op},
    simd::{Exec, Step},
    wave::{Cx, Wave},
};

/// The handler of `load_format_*` and `store_format_*`.
pub(super) fn pick(name: &str) -> Option<Exec> {
    Some(match name {
        "load_format_x" => load::<1>,
        "load_format_xy" => load::<2>,
        "load_format_xyz" => load::<3>,
        "load_format_xyzw" => load::<4>,
        "store_format_x" => store::<1>,
        "store_format_xy" => store::<2>,
        "store_format_xyz" => store::<3>,
        "store_format_xyzw" => store::<4>,
        _ => return None,
    })
}

/// `buffer_load_format_x ... lds`: the first channel, without selects, as a dword load to LDS.
pub(super) fn load_lds(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    channels(&Resource::of(wave, op.src[2]))?;
    transfer::load_lds::<Buffer, 1>(wave, op, cx)
}

/// Channels of the V#'s format.
fn channels(resource: &Resource) -> Result<usize, Box<Fault>> {
    let raw = matches!(resource.number, 4 | 5 | 7);
    match resource.data {
        4 if raw => Ok(1),
        11 if raw => Ok(2),
        13 if raw => Ok(3),
        14 if raw => Ok(4),
        _ => Err(Fault::new(FaultKind::Unsupported {
            mnemonic: "",
            detail: "buffer format access with channels other than 32-bit UINT, SINT or FLOAT",
        })),
    }
}

/// Loads `N` registers: the V#'s selects pick channels, absent ones are (0, 0, 0, 1).
fn load<const N: usize>(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    let resource = Resource::of(wave, op.src[2]);
    let present = channels(&resource)?;
    let aim = Buffer::aim(wave, op, 4 * present as u32)?;
    let one = if resource.number == 7 { 1f32.to_bits() } else { 1 };
    let mut channel = [Lanes::ZERO, Lanes::ZERO, Lanes::ZERO, Lanes::splat(one)];
    for (i, channel) in channel.iter_mut().enumerate().take(present) {
        *channel = Lanes::ZERO;
        let addresses = aim.addresses.map(|address| address.wrapping_add(4 * i as u64));
        cx.memory.gather::<1>(&addresses, aim.live[i], std::array::from_mut(channel))?;
    }
    let out: [Lanes; N] = std::array::from_fn(|i| match resource.select[i] {
        1 => Lanes::splat(one),
        select @ 4..=7 => channel[select as usize - 4],
        _ => Lanes::ZERO,
    });
    let Arg::Vector(register) = op.dst else { return Ok(()) };
    wave.deliver(cx, Buffer::COUNTER, register, &out, aim.exec)
}

/// Stores the first of `N` registers, as many as the format has channels.
fn store<const N: usize>(wave: &mut Wave, op: &Op, cx: &mut Cx<'_>) -> Step {
    let resource = Resource::of(wave, op.src[2]);
    let present = channels(&resource)?.min(N);
    let aim = Buffer::aim(wave, op, 4 * present as u32)?;
    let Arg::Vector(register) = op.src[1] else { return Ok(()) };
    for i in 0..present {
        let addresses = aim.addresses.map(|address| address.wrapping_add(4 * i as u64));
        cx.memory.scatter::<1>(&addresses, aim.live[i], [wave.vector(register + i as u16)?])?;
    }
    wave.count_store(cx, Buffer::COUNTER);
    Ok(())
}
