//! Where lanes aim, and what is there.

use crate::{
    fault::{Access, Fault, FaultKind},
    lanes::Lanes,
    memory::{APERTURE_BYTES, PRIVATE_BASE, SHARED_BASE},
    op::{Arg, Op},
    pending::Counter,
    simd::Step,
    wave::{Cx, Wave},
};

/// The targets of one instruction, before anything is accessed.
pub(crate) struct Aim {
    /// Address of each lane's first byte, in the space's own terms.
    pub addresses: [u64; 64],
    /// EXEC: lanes that receive a result.
    pub exec: u64,
    /// Lanes whose dword i is accessed: EXEC, less what a buffer's range check removed.
    pub live: [u64; 4],
}

impl Aim {
    /// Every active lane reaches memory.
    #[inline(always)]
    pub(in crate::exec) fn all(addresses: [u64; 64], exec: u64) -> Aim {
        Aim { addresses, exec, live: [exec; 4] }
    }
}

/// A way to reach memory. Results of lanes that are not live stay as they are in `out`.
pub(in crate::exec) trait Space {
    /// What its instructions count in.
    const COUNTER: Counter;

    /// Computes the targets of an access of `bytes` bytes per lane.
    fn aim(wave: &Wave, op: &Op, bytes: u32) -> Result<Aim, Box<Fault>>;

    /// Reads `D` dwords per lane.
    fn read<const D: usize>(wave: &Wave, cx: &mut Cx<'_>, aim: &Aim, out: &mut [Lanes; D]) -> Step;

    /// Reads one or two bytes per lane, zero-extended.
    fn read_small<const BYTES: u32>(wave: &Wave, cx: &mut Cx<'_>, aim: &Aim, out: &mut Lanes) -> Step;

    /// Writes `D` dwords per lane.
    fn write<const D: usize>(wave: &Wave, cx: &mut Cx<'_>, aim: &Aim, data: [&Lanes; D]) -> Step;

    /// Writes one or two bytes per lane.
    fn write_small<const BYTES: u32>(wave: &Wave, cx: &mut Cx<'_>, aim: &Aim, data: &Lanes) -> Step;

    /// Replaces a dword per lane by `update(lane, old)`.
    fn atomic32(
        wave: &Wave,
        cx: &mut Cx<'_>,
        aim: &Aim,
        old: &mut Lanes,
        update: impl Fn(usize, u32) -> u32,
    ) -> Step;

    /// Replaces a quadword per lane by `update(lane, old)`.
    fn atomic64(
        wave: &Wave,
        cx: &mut Cx<'_>,
        aim: &Aim,
        old: &mut [Lanes; 2],
        update: impl Fn(usize, u64) -> u64,
    ) -> Step;
}

/// Device memory by 64-bit address.
pub(in crate::exec) struct Global;

/// The lane's own scratch.
pub(in crate::exec) struct Scratch;

/// Device memory, or LDS and scratch through their apertures.
pub(in crate::exec) struct Flat;

/// Device memory without more ado: shared by [`Global`] and by buffers, which differ in aiming only.
macro_rules! device_memory {
    () => {
        #[inline(always)]
        fn read<const D: usize>(_wave: &Wave, cx: &mut Cx<'_>, aim: &Aim, out: &mut [Lanes; D]) -> Step {
            if aim.live[1..D].iter().all(|live| *live == aim.live[0]) {
                return cx.memory.gather(&aim.addresses, aim.live[0], out);
            }
            for (i, out) in out.iter_mut().enumerate() {
                let addresses = aim.addresses.map(|address| address.wrapping_add(4 * i as u64));
                cx.memory.gather::<1>(&addresses, aim.live[i], std::array::from_mut(out))?;
            }
            Ok(())
        }

        #[inline(always)]
        fn read_small<const BYTES: u32>(_wave: &Wave, cx: &mut Cx<'_>, aim: &Aim, out: &mut Lanes) -> Step {
            cx.memory.gather_small::<BYTES>(&aim.addresses, aim.live[0], out)
        }

        #[inline(always)]
        fn write<const D: usize>(_wave: &Wave, cx: &mut Cx<'_>, aim: &Aim, data: [&Lanes; D]) -> Step {
            if aim.live[1..D].iter().all(|live| *live == aim.live[0]) {
                return cx.memory.scatter(&aim.addresses, aim.live[0], data);
            }
            for (i, data) in data.iter().enumerate() {
                let addresses = aim.addresses.map(|address| address.wrapping_add(4 * i as u64));
                cx.memory.scatter::<1>(&addresses, aim.live[i], [data])?;
            }
            Ok(())
        }

        #[inline(always)]
        fn write_small<const BYTES: u32>(_wave: &Wave, cx: &mut Cx<'_>, aim: &Aim, data: &Lanes) -> Step {
            cx.memory.scatter_small::<BYTES>(&aim.addresses, aim.live[0], data)
        }

        fn atomic32(
            _wave: &Wave,
            cx: &mut Cx<'_>,
            aim: &Aim,
            old: &mut Lanes,
            update: impl Fn(usize, u32) -> u32,
        ) -> Step {
            cx.memory.atomic32(&aim.addresses, aim.live[0], old, update)
        }

        fn atomic64(
            _wave: &Wave,
            cx: &mut Cx<'_>,
            aim: &Aim,
            old: &mut [Lanes; 2],
            update: impl Fn(usize, u64) -> u64,
        ) -> Step {
            cx.memory.atomic64(&aim.addresses, aim.live[0] & aim.live[1], old, update)
        }
    };
}
pub(in crate::exec) use device_memory;

impl Space for Global {
    const COUNTER: Counter = Counter::Vm;

    /// SGPR base + 32-bit VGPR + offset, or 64-bit VGPR + offset.
    #[inline(always)]
    fn aim(wave: &Wave, op: &Op, _bytes: u32) -> Result<Aim, Box<Fault>> {
        let offset = op.imm as i64 as u64;
        let Arg::Scalar(base) = op.src[2] else {
            return Ok(Aim::all(wide_addresses(wave, op)?, wave.exec()));
        };
        let base = wave.scalar64(base).wrapping_add(offset);
        let Arg::Vector(register) = op.src[0] else { return Ok(Aim::all([base; 64], wave.exec())) };
        let lane_offset = wave.vector(register)?;
        Ok(Aim::all(std::array::from_fn(|lane| base.wrapping_add(lane_offset[lane] as u64)), wave.exec()))
    }

    device_memory!();
}

/// 64-bit VGPR pair + offset.
#[inline(always)]
fn wide_addresses(wave: &Wave, op: &Op) -> Result<[u64; 64], Box<Fault>> {
    let offset = op.imm as i64 as u64;
    let Arg::Vector(register) = op.src[0] else { return Ok([offset; 64]) };
    let (low, high) = (wave.vector(register)?, wave.vector(register + 1)?);
    Ok(std::array::from_fn(|lane| (low[lane] as u64 | (high[lane] as u64) << 32).wrapping_add(offset)))
}

impl Space for Scratch {
    const COUNTER: Counter = Counter::Vm;

    /// Byte offsets in the lane's scratch: VGPR + SGPR + offset, 32-bit.
    fn aim(wave: &Wave, op: &Op, _bytes: u32) -> Result<Aim, Box<Fault>> {
        let mut base = op.imm as u32;
        if let Arg::Scalar(_) = op.src[2] {
            base = base.wrapping_add(wave.scalar_arg(op.src[2]));
        }
        let offsets = match op.src[0] {
            Arg::Vector(register) => {
                let lane_offset = wave.vector(register)?;
                std::array::from_fn(|lane| base.wrapping_add(lane_offset[lane]) as u64)
            }
            _ => [base as u64; 64],
        };
        Ok(Aim::all(offsets, wave.exec()))
    }

    fn read<const D: usize>(wave: &Wave, cx: &mut Cx<'_>, aim: &Aim, out: &mut [Lanes; D]) -> Step {
        let mask = aim.live[0];
        check_scratch(wave, Access::Read, &aim.addresses, 4 * D as u32, mask)?;
        for (i, out) in out.iter_mut().enumerate() {
            if dword_aligned(&aim.addresses, mask) {
                cx.memory.gather::<1>(
                    &swizzle(wave, &aim.addresses, 4 * i as u64),
                    mask,
                    std::array::from_mut(out),
                )?;
                continue;
            }
            let mut assembled = Lanes::ZERO;
            for byte in 0..4 {
                let mut one = Lanes::ZERO;
                let addresses = swizzle(wave, &aim.addresses, 4 * i as u64 + byte);
                cx.memory.gather_small::<1>(&addresses, mask, &mut one)?;
                (0..64).for_each(|lane| assembled[lane] |= one[lane] << (8 * byte));
            }
            crate::wave::blend(out, &assembled, mask);
        }
        Ok(())
    }

    fn read_small<const BYTES: u32>(wave: &Wave, cx: &mut Cx<'_>, aim: &Aim, out: &mut Lanes) -> Step {
        let mask = aim.live[0];
        check_scratch(wave, Access::Read, &aim.addresses, BYTES, mask)?;
        let mut assembled = Lanes::ZERO;
        for byte in 0..BYTES as u64 {
            let mut one = Lanes::ZERO;
            cx.memory.gather_small::<1>(&swizzle(wave, &aim.addresses, byte), mask, &mut one)?;
            (0..64).for_each(|lane| assembled[lane] |= one[lane] << (8 * byte));
        }
        crate::wave::blend(out, &assembled, mask);
        Ok(())
    }

    fn write<const D: usize>(wave: &Wave, cx: &mut Cx<'_>, aim: &Aim, data: [&Lanes; D]) -> Step {
        let mask = aim.live[0];
        check_scratch(wave, Access::Write, &aim.addresses, 4 * D as u32, mask)?;
        for (i, data) in data.into_iter().enumerate() {
            if dword_aligned(&aim.addresses, mask) {
                cx.memory.scatter::<1>(&swizzle(wave, &aim.addresses, 4 * i as u64), mask, [data])?;
                continue;
            }
            write_scratch_bytes(wave, cx, aim, 4 * i as u64, 4, data)?;
        }
        Ok(())
    }

    fn write_small<const BYTES: u32>(wave: &Wave, cx: &mut Cx<'_>, aim: &Aim, data: &Lanes) -> Step {
        check_scratch(wave, Access::Write, &aim.addresses, BYTES, aim.live[0])?;
        write_scratch_bytes(wave, cx, aim, 0, BYTES, data)
    }

    fn atomic32(
        wave: &Wave,
        cx: &mut Cx<'_>,
        aim: &Aim,
        old: &mut Lanes,
        update: impl Fn(usize, u32) -> u32,
    ) -> Step {
        check_aligned(Access::Atomic, &aim.addresses, 4, aim.live[0])?;
        Self::read(wave, cx, aim, std::array::from_mut(old))?;
        let new = Lanes(std::array::from_fn(|lane| update(lane, old[lane])));
        Self::write(wave, cx, aim, [&new])
    }

    /// Scratch is the lane's own: read and write need not be one step.
    fn atomic64(
        wave: &Wave,
        cx: &mut Cx<'_>,
        aim: &Aim,
        old: &mut [Lanes; 2],
        update: impl Fn(usize, u64) -> u64,
    ) -> Step {
        check_aligned(Access::Atomic, &aim.addresses, 8, aim.live[0])?;
        Self::read(wave, cx, aim, old)?;
        let new: [u64; 64] =
            std::array::from_fn(|lane| update(lane, old[0][lane] as u64 | (old[1][lane] as u64) << 32));
        let halves = [Lanes(new.map(|value| value as u32)), Lanes(new.map(|value| (value >> 32) as u32))];
        Self::write(wave, cx, aim, [&halves[0], &halves[1]])
    }
}

/// Addresses of byte `plus` of each lane's scratch offset: dword d of all 64 lanes is contiguous.
pub(in crate::exec) fn swizzle(wave: &Wave, offsets: &[u64; 64], plus: u64) -> [u64; 64] {
    std::array::from_fn(|lane| {
        let offset = offsets[lane] + plus;
        wave.scratch_base + (offset / 4) * 256 + 4 * lane as u64 + offset % 4
    })
}

fn write_scratch_bytes(wave: &Wave, cx: &mut Cx<'_>, aim: &Aim, plus: u64, bytes: u32, data: &Lanes) -> Step {
    for byte in 0..bytes as u64 {
        let one = Lanes(data.map(|value| value >> (8 * byte)));
        cx.memory.scatter_small::<1>(&swizzle(wave, &aim.addresses, plus + byte), aim.live[0], &one)?;
    }
    Ok(())
}

fn check_scratch(wave: &Wave, access: Access, offsets: &[u64; 64], bytes: u32, mask: u64) -> Step {
    let limit = wave.scratch_bytes_per_lane as u64;
    match active(mask).find(|lane| offsets[*lane] + bytes as u64 > limit) {
        None => Ok(()),
        Some(lane) => Err(Fault::new(FaultKind::OutOfBounds {
            access,
            lane: lane as u8,
            address: PRIVATE_BASE + offsets[lane],
            bytes,
            nearest: Some((PRIVATE_BASE, limit)),
        })),
    }
}

fn check_aligned(access: Access, addresses: &[u64; 64], align: u32, mask: u64) -> Step {
    match active(mask).find(|lane| !addresses[*lane].is_multiple_of(align as u64)) {
        None => Ok(()),
        Some(lane) => Err(Fault::new(FaultKind::Unaligned {
            access,
            lane: lane as u8,
            address: addresses[lane],
            align,
        })),
    }
}

fn dword_aligned(offsets: &[u64; 64], mask: u64) -> bool {
    active(mask).all(|lane| offsets[lane].is_multiple_of(4))
}

fn active(mask: u64) -> impl Iterator<Item = usize> {
    (0..64).filter(move |lane| mask >> lane & 1 == 1)
}

/// A FLAT access split by aperture.
pub(in crate::exec) struct Split {
    pub global: Aim,
    pub scratch: Aim,
    pub lds: Aim,
}

/// Splits by the address's high dword; `None` if all lanes are global, the fast and usual case.
#[inline(always)]
pub(in crate::exec) fn split(aim: &Aim) -> Option<Split> {
    let (mut lds, mut scratch) = (0, 0);
    for lane in 0..64 {
        let aperture = aim.addresses[lane] & !(APERTURE_BYTES - 1);
        lds |= ((aperture == SHARED_BASE) as u64) << lane;
        scratch |= ((aperture == PRIVATE_BASE) as u64) << lane;
    }
    (lds, scratch) = (lds & aim.live[0], scratch & aim.live[0]);
    if lds | scratch == 0 {
        return None;
    }
    let offsets = aim.addresses.map(|address| address & (APERTURE_BYTES - 1));
    Some(Split {
        global: Aim::all(aim.addresses, aim.live[0] & !lds & !scratch),
        scratch: Aim::all(offsets, scratch),
        lds: Aim::all(offsets, lds),
    })
}

impl Space for Flat {
    const COUNTER: Counter = Counter::Flat;

    #[inline(always)]
    fn aim(wave: &Wave, op: &Op, _bytes: u32) -> Result<Aim, Box<Fault>> {
        Ok(Aim::all(wide_addresses(wave, op)?, wave.exec()))
    }

    #[inline(always)]
    fn read<const D: usize>(wave: &Wave, cx: &mut Cx<'_>, aim: &Aim, out: &mut [Lanes; D]) -> Step {
        let Some(split) = split(aim) else { return Global::read(wave, cx, aim, out) };
        Global::read(wave, cx, &split.global, out)?;
        Scratch::read(wave, cx, &split.scratch, out)?;
        for lane in active(split.lds.exec) {
            for (i, out) in out.iter_mut().enumerate() {
                out[lane] = lds_read(cx, Access::Read, lane, split.lds.addresses[lane] + 4 * i as u64, 4)?;
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn read_small<const BYTES: u32>(wave: &Wave, cx: &mut Cx<'_>, aim: &Aim, out: &mut Lanes) -> Step {
        let Some(split) = split(aim) else { return Global::read_small::<BYTES>(wave, cx, aim, out) };
        Global::read_small::<BYTES>(wave, cx, &split.global, out)?;
        Scratch::read_small::<BYTES>(wave, cx, &split.scratch, out)?;
        for lane in active(split.lds.exec) {
            out[lane] = lds_read(cx, Access::Read, lane, split.lds.addresses[lane], BYTES)?;
        }
        Ok(())
    }

    #[inline(always)]
    fn write<const D: usize>(wave: &Wave, cx: &mut Cx<'_>, aim: &Aim, data: [&Lanes; D]) -> Step {
        let Some(split) = split(aim) else { return Global::write(wave, cx, aim, data) };
        Global::write(wave, cx, &split.global, data)?;
        Scratch::write(wave, cx, &split.scratch, data)?;
        for lane in active(split.lds.exec) {
            for (i, data) in data.iter().enumerate() {
                lds_write(cx, lane, split.lds.addresses[lane] + 4 * i as u64, 4, data[lane])?;
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn write_small<const BYTES: u32>(wave: &Wave, cx: &mut Cx<'_>, aim: &Aim, data: &Lanes) -> Step {
        let Some(split) = split(aim) else { return Global::write_small::<BYTES>(wave, cx, aim, data) };
        Global::write_small::<BYTES>(wave, cx, &split.global, data)?;
        Scratch::write_small::<BYTES>(wave, cx, &split.scratch, data)?;
        for lane in active(split.lds.exec) {
            lds_write(cx, lane, split.lds.addresses[lane], BYTES, data[lane])?;
        }
        Ok(())
    }

    fn atomic32(
        wave: &Wave,
        cx: &mut Cx<'_>,
        aim: &Aim,
        old: &mut Lanes,
        update: impl Fn(usize, u32) -> u32,
    ) -> Step {
        let Some(split) = split(aim) else { return Global::atomic32(wave, cx, aim, old, update) };
        Global::atomic32(wave, cx, &split.global, old, &update)?;
        Scratch::atomic32(wave, cx, &split.scratch, old, &update)?;
        check_aligned(Access::Atomic, &aim.addresses, 4, split.lds.exec)?;
        for lane in active(split.lds.exec) {
            let address = split.lds.addresses[lane];
            old[lane] = lds_read(cx, Access::Atomic, lane, address, 4)?;
            lds_write(cx, lane, address, 4, update(lane, old[lane]))?;
        }
        Ok(())
    }

    fn atomic64(
        wave: &Wave,
        cx: &mut Cx<'_>,
        aim: &Aim,
        old: &mut [Lanes; 2],
        update: impl Fn(usize, u64) -> u64,
    ) -> Step {
        let Some(split) = split(aim) else { return Global::atomic64(wave, cx, aim, old, update) };
        Global::atomic64(wave, cx, &split.global, old, &update)?;
        Scratch::atomic64(wave, cx, &split.scratch, old, &update)?;
        check_aligned(Access::Atomic, &aim.addresses, 8, split.lds.exec)?;
        for lane in active(split.lds.exec) {
            let address = split.lds.addresses[lane];
            old[0][lane] = lds_read(cx, Access::Atomic, lane, address, 4)?;
            old[1][lane] = lds_read(cx, Access::Atomic, lane, address + 4, 4)?;
            let new = update(lane, old[0][lane] as u64 | (old[1][lane] as u64) << 32);
            lds_write(cx, lane, address, 4, new as u32)?;
            lds_write(cx, lane, address + 4, 4, (new >> 32) as u32)?;
        }
        Ok(())
    }
}

/// Up to four bytes of LDS.
///
/// # Errors
/// `LdsOutOfBounds`; if LDS clamps, it reads zero there.
fn lds_read(cx: &Cx<'_>, access: Access, lane: usize, address: u64, bytes: u32) -> Result<u32, Box<Fault>> {
    let at = address as usize;
    let mut word = [0; 4];
    if let Some(source) = cx.lds.get(at..at + bytes as usize) {
        word[..bytes as usize].copy_from_slice(source);
    } else {
        cx.outside_lds(access, lane, address as u32, bytes as usize)?;
    }
    Ok(u32::from_le_bytes(word))
}

/// Up to four bytes of LDS.
///
/// # Errors
/// `LdsOutOfBounds`; if LDS clamps, nothing is written there.
fn lds_write(cx: &mut Cx<'_>, lane: usize, address: u64, bytes: u32, value: u32) -> Step {
    let at = address as usize;
    if let Some(target) = cx.lds.get_mut(at..at + bytes as usize) {
        target.copy_from_slice(&value.to_le_bytes()[..bytes as usize]);
    } else {
        cx.outside_lds(Access::Write, lane, address as u32, bytes as usize)?;
    }
    Ok(())
}
