//! Which memory an instruction is about to access, for observers.
//!
//! [`Shape`] is what the instruction's bits say, [`footprints`] what the wave's registers make of it. The
//! handlers' own address rules are used; what they would refuse with a fault is not reported here.

use cdna4::{Encoding, Field, Inst};

use super::{ds, flat, flat::Space as _, mubuf, smem};
use crate::{
    fault::{Access, Fault},
    op::Op,
    wave::Wave,
};

/// Where an access goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    /// Device memory by address.
    Device,
    /// The lane's scratch; addresses are those in device memory that hold it.
    Scratch,
    /// The workgroup's LDS; addresses are byte offsets in it.
    Lds,
}

/// One access of every lane.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Footprint {
    /// Where.
    pub memory: Memory,
    /// What.
    pub access: Access,
    /// First register of the access within the instruction's data: 0 but for the second half of a pair.
    pub first: usize,
    /// Dwords of a lane.
    pub dwords: usize,
    /// Bytes of a lane: 1 and 2, or four times the dwords.
    pub bytes: u32,
    /// Lanes that access dword i, the last entry for all further ones.
    pub live: [u64; 4],
    addresses: [u64; 64],
    /// Bytes from a lane's dword to its next.
    stride: u64,
}

impl Footprint {
    /// Address of a lane's dword.
    #[inline(always)]
    pub(crate) fn address(&self, lane: usize, dword: usize) -> u64 {
        self.addresses[lane].wrapping_add(self.stride * dword as u64)
    }

    /// The lanes that access a dword.
    #[inline(always)]
    pub(crate) fn lanes(&self, dword: usize) -> impl Iterator<Item = usize> + use<> {
        let mask = self.live[dword.min(3)];
        (0..64).filter(move |lane| mask >> lane & 1 == 1)
    }
}

/// How an instruction forms addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Flat,
    Global,
    Scratch,
    Buffer,
    Scalar,
    Lds,
    LdsPair,
    /// M0 plus four bytes for each lane.
    LdsByLane,
    /// M0: one counter for all lanes.
    LdsCounter,
}

/// What an instruction's bits say about its accesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    way: Way,
    access: Access,
    bytes: u32,
    /// A load whose result goes to LDS.
    to_lds: bool,
}

impl Shape {
    /// The shape of an instruction that accesses memory; `None` for others, cache controls among them.
    pub(crate) fn of(inst: &Inst) -> Option<Shape> {
        let name = inst.mnemonic();
        let (load, store) = (inst.may_load(), inst.may_store());
        let to_lds = name.contains("_load_lds_") || inst.value(Field::Lds) == Some(1);
        let way = match inst.encoding() {
            Encoding::Flat => Way::Flat,
            Encoding::Global => Way::Global,
            Encoding::Scratch => Way::Scratch,
            Encoding::Mubuf if inst.operand(Field::Srsrc).is_some() => Way::Buffer,
            Encoding::Smem if inst.operand(Field::Sbase).is_some() => Way::Scalar,
            Encoding::Ds if name.contains("addtid") => Way::LdsByLane,
            Encoding::Ds if name == "ds_append" || name == "ds_consume" => Way::LdsCounter,
            Encoding::Ds if inst.operand(Field::Vaddr).is_none() || name.starts_with("ds_gws") => {
                return None;
            }
            Encoding::Ds if inst.value(Field::Offset0).is_some() => Way::LdsPair,
            Encoding::Ds => Way::Lds,
            _ => return None,
        };
        let idle = ["s_atc_probe", "s_dcache_", "ds_permute", "ds_bpermute", "ds_swizzle", "ds_nop"];
        if idle.iter().any(|prefix| name.starts_with(prefix)) || !(load || store) {
            return None;
        }
        let access = match () {
            () if to_lds => Access::Read,
            // LLVM lets LDS writes load too.
            () if name.starts_with("ds_write") => Access::Write,
            () if inst.is_atomic() || load && store => Access::Atomic,
            () if store => Access::Write,
            () => Access::Read,
        };
        Some(Shape { way, access, bytes: bytes(name, inst.encoding() == Encoding::Ds), to_lds })
    }
}

impl Shape {
    /// Load, store or both; of a load to LDS its first access.
    pub(crate) fn access(self) -> Access {
        self.access
    }

    /// Whether it is a load whose result goes to LDS: its second access writes what the first reads.
    pub(crate) fn is_to_lds(self) -> bool {
        self.to_lds
    }
}

/// Bytes of a lane's access, of one half of a pair's.
fn bytes(name: &str, lds: bool) -> u32 {
    if lds {
        return match () {
            () if name.contains("b128") => 16,
            () if name.contains("b96") => 12,
            // A pair's stride of 64 elements is no width.
            () if name.replacen("st64", "", 1).contains("64") => 8,
            () if name.ends_with('8') || name.contains("8_d16") => 1,
            () if name.contains("16") && !name.contains("pk_add") => 2,
            () => 4,
        };
    }
    match () {
        () if name.contains("byte") => 1,
        () if name.contains("short") => 2,
        () if name.ends_with("_xyzw") => 16,
        () if name.ends_with("_xyz") => 12,
        () if name.ends_with("_xy") => 8,
        () => 4 * flat::dwords(name) as u32,
    }
}

/// Calls `visit` for each access that `op` is about to make: two for pairs and for loads to LDS, whose second is
/// the write. Flat accesses come by aperture.
///
/// # Errors
/// A register beyond the allocation, as the handler would report it.
pub(crate) fn footprints(
    shape: Shape,
    wave: &Wave,
    op: &Op,
    mut visit: impl FnMut(&Footprint),
) -> Result<(), Box<Fault>> {
    let (exec, bytes) = (wave.exec(), shape.bytes);
    let dwords = bytes.div_ceil(4) as usize;
    let of = |memory, addresses, live| Footprint {
        memory,
        access: shape.access,
        first: 0,
        dwords,
        bytes,
        live,
        addresses,
        stride: 4,
    };
    let wide = |addresses: ds::Addresses| addresses.map(u64::from);
    let scratch = |aim: &flat::Aim| Footprint {
        stride: 256,
        ..of(Memory::Scratch, flat::swizzle(wave, &aim.addresses, 0), aim.live)
    };
    match shape.way {
        Way::Global => {
            let aim = flat::Global::aim(wave, op, bytes)?;
            visit(&of(Memory::Device, aim.addresses, aim.live));
        }
        Way::Buffer => {
            let aim = mubuf::Buffer::aim(wave, op, bytes)?;
            visit(&of(Memory::Device, aim.addresses, aim.live));
        }
        Way::Scratch => visit(&scratch(&flat::Scratch::aim(wave, op, bytes)?)),
        Way::Flat => {
            let aim = flat::Flat::aim(wave, op, bytes)?;
            match flat::split(&aim) {
                None => visit(&of(Memory::Device, aim.addresses, aim.live)),
                Some(split) => {
                    visit(&of(Memory::Device, split.global.addresses, split.global.live));
                    visit(&scratch(&split.scratch));
                    visit(&of(Memory::Lds, split.lds.addresses, split.lds.live));
                }
            }
        }
        Way::Scalar => {
            let target = smem::target(wave, op);
            visit(&Footprint { dwords: target.dwords, ..of(Memory::Device, [target.address; 64], [1; 4]) });
        }
        Way::Lds => {
            let addresses = ds::addresses(wave, op, op.imm as u32)?;
            visit(&of(Memory::Lds, wide(addresses), [exec; 4]));
        }
        Way::LdsPair => {
            for (half, offset) in ds::pair_offsets(op).into_iter().enumerate() {
                let addresses = wide(ds::addresses(wave, op, offset)?);
                visit(&Footprint { first: half * dwords, ..of(Memory::Lds, addresses, [exec; 4]) });
            }
        }
        Way::LdsByLane => visit(&of(Memory::Lds, wide(ds::lane_addresses(wave, op)), [exec; 4])),
        Way::LdsCounter => {
            let address = wave.m0().wrapping_add(op.imm as u32) as u64;
            visit(&of(Memory::Lds, [address; 64], [1; 4]));
        }
    }
    if shape.to_lds {
        let base = (wave.m0() & 0x3_fffc).wrapping_add(op.imm as u32) as u64;
        let step = if dwords > 2 { 16 } else { 4 };
        let addresses = std::array::from_fn(|lane| base + step * lane as u64);
        // Narrow loads are extended to a dword.
        let write = of(Memory::Lds, addresses, [exec; 4]);
        visit(&Footprint { access: Access::Write, bytes: 4 * dwords as u32, ..write });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{exec::flat::rig::Rig, op::M0};

    /// The footprints of an instruction that the rig knows.
    fn of(rig: &Rig, text: &str) -> Vec<Footprint> {
        let inst = Rig::decode(text);
        let mut all = Vec::new();
        let shape = Shape::of(&inst).expect("accesses memory");
        footprints(shape, &rig.wave, &crate::exec::resolve(&inst), |one| all.push(*one)).expect("registers");
        all
    }

    #[test]
    fn a_store_reports_what_it_overwrites() {
        let mut rig = Rig::new();
        let base = rig.place(&[0; 4096]);
        rig.set_pair(2, |lane| base + 32 * lane as u64);
        rig.exec(!1);
        let [write] = of(&rig, "global_store_dwordx4 v[2:3], v[8:11], off")[..] else { panic!("one access") };
        assert_eq!((write.memory, write.access, write.dwords), (Memory::Device, Access::Write, 4));
        assert_eq!((write.address(5, 3), write.lanes(3).next()), (base + 5 * 32 + 12, Some(1)));
        let [atomic] = of(&rig, "global_atomic_add_f64 v[12:13], v[2:3], v[8:9], off sc0")[..] else {
            panic!("one access")
        };
        assert_eq!((atomic.access, atomic.bytes), (Access::Atomic, 8));
    }

    #[test]
    fn a_load_to_lds_reads_and_writes() {
        let mut rig = Rig::new();
        let base = rig.place(&[0; 4096]);
        rig.set_pair(2, |_| base);
        rig.wave.scalar[M0 as usize] = 64;
        let [read, write] = of(&rig, "global_load_lds_dwordx3 v[2:3], off")[..] else { panic!("two") };
        assert_eq!((read.memory, read.access, read.address(9, 2)), (Memory::Device, Access::Read, base + 8));
        assert_eq!((write.memory, write.access, write.address(2, 1)), (Memory::Lds, Access::Write, 64 + 36));
    }

    #[test]
    fn scratch_is_reported_where_device_memory_holds_it() {
        let mut rig = Rig::new();
        (rig.wave.scratch_base, rig.wave.scratch_bytes_per_lane) = (1 << 20, 64);
        rig.set(4, |_| 8);
        let [write] = of(&rig, "scratch_store_dword v4, v8, off")[..] else { panic!("one access") };
        assert_eq!((write.memory, write.address(3, 0)), (Memory::Scratch, (1 << 20) + 2 * 256 + 12));
    }

    #[test]
    fn a_buffer_s_range_check_and_a_scalar_load_s_length_count() {
        let mut rig = Rig::new();
        let base = rig.place(&[0; 4096]);
        rig.set(4, |lane| 4 * lane as u32);
        rig.wave.set_scalar64(8, base);
        rig.wave.set_scalar64(10, 40);
        rig.wave.scalar[6] = 0;
        let [read] = of(&rig, "buffer_load_dwordx4 v[8:11], v4, s[8:11], 0 offen")[..] else { panic!("one") };
        assert_eq!(read.live[0], (1 << 10) - 1, "ten dwords are in range");
        assert_eq!(read.live[3], (1 << 7) - 1);
        let [read] = of(&rig, "s_load_dwordx8 s[16:23], s[4:5], s6 offset:0x20")[..] else { panic!("one") };
        assert_eq!((read.dwords, read.lanes(7).count()), (8, 1));
    }

    #[test]
    fn lds_writes_do_not_read() {
        let access = |word: u64| {
            let inst = cdna4::decode(&word.to_le_bytes()).expect("a gfx950 instruction");
            Shape::of(&inst).expect("accesses memory").access()
        };
        assert_eq!(access(0x0000_0804_d81a_0000), Access::Write, "ds_write_b32 v4, v8");
        assert_eq!(access(0x0800_0004_d86c_0000), Access::Read, "ds_read_b32 v8, v4");
        assert_eq!(access(0x0000_0804_d800_0000), Access::Atomic, "ds_add_u32 v4, v8");
    }

    #[test]
    fn lds_widths_are_those_of_the_mnemonics() {
        let widths = [
            ("ds_read_b32", 4),
            ("ds_read_u16_d16_hi", 2),
            ("ds_read_i8_d16", 1),
            ("ds_write_b8", 1),
            ("ds_write_b8_d16_hi", 1),
            ("ds_write_b16", 2),
            ("ds_read2st64_b32", 4),
            ("ds_read2st64_b64", 8),
            ("ds_read_b64_tr_b16", 8),
            ("ds_read_b96_tr_b6", 12),
            ("ds_pk_add_f16", 4),
            ("ds_pk_add_rtn_bf16", 4),
            ("ds_add_rtn_f64", 8),
            ("ds_max_i32", 4),
            ("ds_condxchg32_rtn_b64", 8),
            ("ds_wrxchg2st64_rtn_b32", 4),
            ("ds_wrap_rtn_b32", 4),
            ("ds_read_b128", 16),
            ("ds_read_b64_tr_b8", 8),
            ("ds_write2st64_b64", 8),
            ("ds_add_u32", 4),
            ("ds_pk_add_bf16", 4),
            ("ds_read_i8", 1),
            ("ds_pk_add_rtn_f16", 4),
            ("ds_min_rtn_f64", 8),
        ];
        for (name, expected) in widths {
            assert_eq!(bytes(name, true), expected, "{name}");
        }
    }
}
