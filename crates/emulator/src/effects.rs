//! What an instruction reads and writes, from its bits alone.
//!
//! Registers have one numbering: 0..=511 vector registers as in [`Arg::Vector`](crate::op::Arg), then the
//! scalar file by hardware index from [`SCALAR`], then [`SCC`] and [`MODE`]. Memory is not in here.
//!
//! In GPR-index mode, and for `s_movrel`, the registers that are really used differ by M0.

use cdna4::{Encoding, Field, Flags, Inst, Operand, Special};

use crate::op::{Arg, EXEC, M0, VCC, arg};

/// Number of the scalar register with hardware index 0.
pub(crate) const SCALAR: u16 = 512;
/// The scalar condition code.
pub(crate) const SCC: u16 = SCALAR + 128;
/// The MODE register.
pub(crate) const MODE: u16 = SCC + 1;
/// One more than the greatest number.
pub(crate) const REGISTERS: usize = MODE as usize + 1;

/// What a register is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It enters the result, or is stored.
    Data,
    /// It enters a memory address: vector and scalar addresses, buffer resources and their offsets, M0 of LDS
    /// accesses; also an index that selects a register or a lane.
    Address,
    /// It decides where the program goes on: SCC, VCC or EXEC of a branch, the target of a jump.
    Branch,
    /// EXEC as the mask of lanes.
    Mask,
}

/// Consecutive dword registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// Number of the first.
    pub first: u16,
    /// How many.
    pub count: u8,
    /// What a read is for; of writes always [`Role::Data`].
    pub role: Role,
}

impl Span {
    /// The registers' numbers.
    pub(crate) fn registers(self) -> impl Iterator<Item = usize> {
        (self.first as usize..self.first as usize + self.count as usize).take_while(|n| *n < REGISTERS)
    }
}

/// The registers of one instruction.
#[derive(Clone, Debug)]
pub(crate) struct Effects {
    /// The instruction: mnemonic, encoding, flags, modifiers.
    pub inst: Inst,
    /// Registers that it reads. A destination that it also accumulates onto is among them.
    pub reads: Box<[Span]>,
    /// Registers that it writes.
    pub writes: Box<[Span]>,
    /// Whether it keeps bits of its vector destination even in active lanes: halves, bytes, DPP's disabled
    /// rows, SDWA's unused parts.
    pub partial: bool,
}

/// Fields that only sources have.
const SOURCES: [(Field, Role); 12] = [
    (Field::Ssrc0, Role::Data),
    (Field::Ssrc1, Role::Data),
    (Field::Src0, Role::Data),
    (Field::Src1, Role::Data),
    (Field::Src2, Role::Data),
    (Field::ScaleSrc0, Role::Data),
    (Field::ScaleSrc1, Role::Data),
    (Field::Sbase, Role::Address),
    (Field::Soffset, Role::Address),
    (Field::Vaddr, Role::Address),
    (Field::Saddr, Role::Address),
    (Field::Srsrc, Role::Address),
];

/// Mnemonics that add onto their destination, whose third source has no bits.
const ACCUMULATING: [&str; 7] =
    ["v_fmac_", "v_mac_", "v_pk_fmac_", "v_dot2c_", "v_dot4c_", "v_dot8c_", "v_smfmac_"];

/// Mnemonics that write one half or byte of a dword.
const NARROW: [&str; 5] = ["v_mad_mixlo_", "v_mad_mixhi_", "v_fma_mixlo_", "v_fma_mixhi_", "v_writelane_"];

impl Effects {
    /// Reads them off an instruction.
    pub(crate) fn of(inst: &Inst) -> Effects {
        let mut effects = Collector { inst, reads: Vec::new(), writes: Vec::new() };
        effects.fields();
        effects.implied();
        let Collector { reads, writes, .. } = effects;
        Effects { inst: inst.clone(), reads: reads.into(), writes: writes.into(), partial: partial(inst) }
    }
}

struct Collector<'a> {
    inst: &'a Inst,
    reads: Vec<Span>,
    writes: Vec<Span>,
}

impl Collector<'_> {
    /// What the operand fields name.
    fn fields(&mut self) {
        let (inst, name) = (self.inst, self.inst.mnemonic());
        let accumulates = ACCUMULATING.iter().any(|prefix| name.starts_with(prefix));
        let jump = matches!(inst.encoding(), Encoding::Sop1 | Encoding::Sop2) && inst.is_branch();
        for (field, role) in SOURCES {
            // The tied source of an accumulating instruction has no bits and reads as register 0.
            if field == Field::Src2 && accumulates && !name.starts_with("v_smfmac_") {
                continue;
            }
            let role = match role {
                Role::Data if jump => Role::Branch,
                // Its first operand is what it moves.
                Role::Address if name == "ds_swizzle_b32" => Role::Data,
                role => role,
            };
            self.read(field, role);
        }
        // Memory instructions name stored and, some of them, loaded data in one field.
        let (load, store) = (inst.may_load(), inst.may_store());
        let returns = inst.flags().has(Flags::ATOMIC_RET);
        for field in [Field::Vdata, Field::Sdata, Field::Data0] {
            let shared = inst.operand(Field::Vdst).is_none() && inst.operand(Field::Sdst).is_none();
            if !load || store || !shared || inst.encoding() == Encoding::Ds {
                self.read(field, Role::Data);
            }
            if shared && ((load && !store) || returns) && inst.encoding() != Encoding::Ds {
                self.write(field);
            }
        }
        self.read(Field::Data1, Role::Data);
        if inst.encoding() == Encoding::Sopk {
            return self.register_and_immediate();
        }
        for field in [Field::Vdst, Field::VSdst, Field::Sdst] {
            self.write(field);
        }
        let keeps = ["s_cmov_", "s_bitset"].iter().any(|prefix| name.starts_with(prefix));
        if accumulates || name == "v_writelane_b32" {
            self.read(Field::Vdst, Role::Data);
        }
        if keeps {
            self.read(Field::Sdst, Role::Data);
        }
        if name == "v_swap_b32" || name.ends_with("_swap_b32") {
            self.read(Field::Vdst, Role::Data);
            self.write(Field::Src0);
        }
    }

    /// SOPK: one register is source, destination or both.
    fn register_and_immediate(&mut self) {
        let name = self.inst.mnemonic();
        let reads = ["s_cmpk_", "s_addk_", "s_mulk_", "s_cmovk_", "s_setreg_b32", "s_cbranch_i_fork"];
        if reads.iter().any(|prefix| name.starts_with(prefix)) {
            self.read(Field::Sdst, Role::Data);
        }
        let only_reads = ["s_cmpk_", "s_setreg_", "s_cbranch_i_fork"];
        if !only_reads.iter().any(|prefix| name.starts_with(prefix)) {
            self.write(Field::Sdst);
        }
    }

    /// What no field names.
    fn implied(&mut self) {
        let (flags, name) = (self.inst.flags(), self.inst.mnemonic());
        let decision = if self.inst.is_branch() { Role::Branch } else { Role::Data };
        if flags.has(Flags::USE_SCC) {
            push(&mut self.reads, SCC, 1, decision);
        }
        if flags.has(Flags::USE_VCC) {
            push(&mut self.reads, scalar(VCC), 2, decision);
        }
        if flags.has(Flags::USE_EXEC) {
            let role = match () {
                () if self.inst.is_branch() => Role::Branch,
                () if self.inst.is_salu() => Role::Data,
                () => Role::Mask,
            };
            push(&mut self.reads, scalar(EXEC), 2, role);
        }
        if let Some(role) = self.m0() {
            push(&mut self.reads, scalar(M0), 1, role);
        }
        if flags.has(Flags::USE_MODE) {
            push(&mut self.reads, MODE, 1, Role::Data);
        }
        if flags.has(Flags::DEF_SCC) {
            push(&mut self.writes, SCC, 1, Role::Data);
        }
        if flags.has(Flags::DEF_EXEC) {
            push(&mut self.writes, scalar(EXEC), 2, Role::Data);
        }
        if flags.has(Flags::DEF_M0) {
            push(&mut self.writes, scalar(M0), 1, Role::Data);
        }
        if flags.has(Flags::DEF_MODE) {
            push(&mut self.writes, MODE, 1, Role::Data);
        }
        // The table gives these two a destination of two dwords; they decide by the lanes that are left.
        if name.starts_with("s_andn") && name.ends_with("_wrexec_b64") && !flags.has(Flags::DEF_EXEC) {
            push(&mut self.writes, scalar(EXEC), 2, Role::Data);
        }
    }

    /// What M0 is read for. LLVM lists M0 for every LDS instruction; gfx9 has no LDS limit in it.
    fn m0(&self) -> Option<Role> {
        let (inst, name) = (self.inst, self.inst.mnemonic());
        if !inst.flags().has(Flags::USE_M0) {
            return None;
        }
        match inst.encoding() {
            Encoding::Ds => {
                let used = ["addtid", "gws", "append", "consume"].iter().any(|part| name.contains(part));
                used.then_some(Role::Address)
            }
            Encoding::Flat | Encoding::Global | Encoding::Scratch | Encoding::Mubuf => Some(Role::Address),
            Encoding::Sop1 => Some(Role::Address),
            _ => Some(Role::Data),
        }
    }

    fn read(&mut self, field: Field, role: Role) {
        if let Some((first, count)) = self.registers(field) {
            push(&mut self.reads, first, count, role);
        }
    }

    fn write(&mut self, field: Field) {
        if let Some((first, count)) = self.registers(field) {
            push(&mut self.writes, first, count, Role::Data);
        }
    }

    /// The registers that a field names; values of the hardware are those that they are made from.
    fn registers(&self, field: Field) -> Option<(u16, u8)> {
        let operand = self.inst.operand(field)?;
        let count = operand.dwords()?;
        if let Operand::Special { which, .. } = operand {
            match which {
                Special::Scc => return Some((SCC, 1)),
                Special::Vccz => return Some((scalar(VCC), 2)),
                Special::Execz => return Some((scalar(EXEC), 2)),
                _ => {}
            }
        }
        match arg(self.inst, field) {
            // The AGPR moves imply the file of one operand.
            Arg::Vector(first) if first < 256 && self.accumulation(field) => Some((first + 256, count)),
            Arg::Vector(first) => Some((first, count)),
            Arg::Scalar(first) => Some((scalar(first), count)),
            _ => None,
        }
    }

    fn accumulation(&self, field: Field) -> bool {
        match self.inst.mnemonic() {
            "v_accvgpr_read_b32" => field == Field::Src0,
            "v_accvgpr_write_b32" => field == Field::Vdst,
            "v_accvgpr_mov_b32" => true,
            _ => false,
        }
    }
}

/// Number of the scalar register with this hardware index.
pub(crate) fn scalar(index: u8) -> u16 {
    SCALAR + index as u16
}

fn push(spans: &mut Vec<Span>, first: u16, count: u8, role: Role) {
    let span = Span { first, count, role };
    if !spans.contains(&span) {
        spans.push(span);
    }
}

/// See [`Effects::partial`].
fn partial(inst: &Inst) -> bool {
    let name = inst.mnemonic();
    let flags = inst.flags();
    // Only the 16-bit loads keep a half; the stores have no destination.
    if flags.has(Flags::D16) || name.contains("_d16") {
        return inst.may_load();
    }
    match inst.encoding() {
        Encoding::Dpp => {
            let all = |field| inst.value(field) == Some(15);
            !all(Field::RowMask) || !all(Field::BankMask) || inst.value(Field::BoundCtrl) != Some(1)
        }
        Encoding::Sdwa => inst.value(Field::DstSel).is_some_and(|select| select != 6),
        _ => flags.has(Flags::OPSEL4) || NARROW.iter().any(|prefix| name.starts_with(prefix)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The effects of an instruction by its words.
    fn effects(words: &[u32]) -> Effects {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        Effects::of(&cdna4::decode(&bytes).expect("a gfx950 instruction"))
    }

    fn reads(words: &[u32], role: Role) -> Vec<(u16, u8)> {
        let effects = effects(words);
        effects.reads.iter().filter(|span| span.role == role).map(|span| (span.first, span.count)).collect()
    }

    fn writes(words: &[u32]) -> Vec<(u16, u8)> {
        effects(words).writes.iter().map(|span| (span.first, span.count)).collect()
    }

    const EXEC_PAIR: (u16, u8) = (SCALAR + EXEC as u16, 2);

    #[test]
    fn accumulating_instructions_read_their_destination() {
        // v_fmac_f32_e32 v2, v3, v4
        let fmac = [0x7604_0903];
        assert_eq!(reads(&fmac, Role::Data), [(3, 1), (4, 1), (2, 1), (MODE, 1)]);
        assert_eq!(writes(&fmac), [(2, 1)]);
        assert_eq!(reads(&fmac, Role::Mask), [EXEC_PAIR]);
    }

    #[test]
    fn memory_instructions_tell_addresses_from_data() {
        // global_load_dwordx4 v[8:11], v4, s[4:5] offset:16
        let load = [0xdc5c_8010, 0x0804_0004];
        assert_eq!(reads(&load, Role::Address), [(4, 1), (SCALAR + 4, 2)]);
        assert_eq!(reads(&load, Role::Data), []);
        assert_eq!(writes(&load), [(8, 4)]);
        // buffer_store_dwordx4 v[8:11], v4, s[8:11], s6 offen
        let store = [0xe07c_1000, 0x0602_0804];
        assert_eq!(reads(&store, Role::Address), [(SCALAR + 6, 1), (4, 1), (SCALAR + 8, 4)]);
        assert_eq!(reads(&store, Role::Data), [(8, 4)]);
        assert_eq!(writes(&store), []);
        // buffer_load_dword v8, v4, s[8:11], s6 offen offset:16
        assert_eq!(writes(&[0xe050_1010, 0x0602_0804]), [(8, 1)]);
        assert_eq!(reads(&[0xe050_1010, 0x0602_0804], Role::Data), []);
        // buffer_atomic_add v8, v4, s[8:11], 0 offen sc0
        let atomic = [0xe108_5000, 0x8002_0804];
        assert_eq!((reads(&atomic, Role::Data), writes(&atomic)), (vec![(8, 1)], vec![(8, 1)]));
        // s_load_dwordx8 s[16:23], s[4:5], s6 offset:0x20
        let scalar = [0xc00e_4402, 0x0c00_0020];
        assert_eq!(reads(&scalar, Role::Address), [(SCALAR + 4, 2), (SCALAR + 6, 1)]);
        assert_eq!(writes(&scalar), [(SCALAR + 16, 8)]);
        // s_atomic_add s16, s[4:5], 0x0
        assert_eq!(writes(&[0xc20a_0402, 0]), []);
    }

    #[test]
    fn decisions_are_branches_and_their_conditions_are_data() {
        // s_cbranch_scc1, s_cbranch_vccz, s_cbranch_execz
        assert_eq!(reads(&[0xbf85_0001], Role::Branch), [(SCC, 1)]);
        assert_eq!(reads(&[0xbf86_0001], Role::Branch), [(SCALAR + VCC as u16, 2)]);
        assert_eq!(reads(&[0xbf88_0001], Role::Branch), [EXEC_PAIR]);
        // s_setpc_b64 s[30:31]
        assert_eq!(reads(&[0xbe80_1d1e], Role::Branch), [(SCALAR + 30, 2)]);
        // s_and_saveexec_b64 s[4:5], vcc
        let save = [0xbe84_206a];
        assert_eq!(reads(&save, Role::Data), [(SCALAR + VCC as u16, 2), EXEC_PAIR]);
        assert_eq!(writes(&save), [(SCALAR + 4, 2), (SCC, 1), EXEC_PAIR]);
        // s_addk_i32 s4, 1; s_cmpk_eq_i32 s4, 1; s_movk_i32 s4, 1
        assert_eq!(writes(&[0xb704_0001]), [(SCALAR + 4, 1), (SCC, 1)]);
        assert_eq!(writes(&[0xb104_0001]), [(SCC, 1)]);
        assert_eq!(reads(&[0xb004_0001], Role::Data), []);
    }

    #[test]
    fn partial_writes_are_those_that_keep_something() {
        // v_mov_b32_dpp v9, v3 row_shr:1 with and without bound_ctrl, with a row mask
        assert!(effects(&[0x7e12_02fa, 0xff01_1103]).partial);
        assert!(!effects(&[0x7e12_02fa, 0xff09_1103]).partial);
        assert!(effects(&[0x7e12_02fa, 0x7f09_1103]).partial);
        // v_mov_b32; global_load_short_d16 v8, v[2:3], off; ds_swizzle_b32 v1, v2
        assert!(!effects(&[0x7e04_0303]).partial);
        assert!(effects(&[0xdc90_8000, 0x087f_0002]).partial);
        assert_eq!(reads(&[0xd87a_0000, 0x0100_0002], Role::Data), [(2, 1)]);
    }

    /// Whatever the handlers take as operands must be in here: the two come from the same bits by two ways.
    #[test]
    fn every_operand_of_a_vector_or_scalar_handler_is_covered() {
        let mut random = crate::group::Random(7);
        let mut missing = std::collections::BTreeSet::new();
        for row in cdna4::rows() {
            for _ in 0..200 {
                let bits = (random.next() as u128) << 64 | random.next() as u128;
                let mut bytes = (bits & !row.mask | row.value).to_le_bytes().to_vec();
                bytes.truncate(row.bytes);
                bytes.extend_from_slice(&random.next().to_le_bytes());
                let Ok(inst) = cdna4::decode(&bytes) else { continue };
                let (op, effects) = (crate::exec::resolve(&inst), Effects::of(&inst));
                if op.exec as usize == crate::exec::UNSUPPORTED as usize {
                    continue;
                }
                let covers = |spans: &[Span], arg: Arg| {
                    let number = match arg {
                        Arg::Vector(register) => register,
                        Arg::Scalar(index) => scalar(index),
                        _ => return true,
                    };
                    spans.iter().any(|span| (span.first..span.first + span.count as u16).contains(&number))
                };
                use Encoding::*;
                // Memory handlers name their data field as source and as destination; SOPK has one register.
                let shared =
                    matches!(inst.encoding(), Ds | Flat | Global | Scratch | Mubuf | Mtbuf | Smem | Sopk);
                let reads =
                    op.src.iter().all(|arg| covers(&effects.reads, *arg) || (shared && *arg == op.dst));
                let writes = covers(&effects.writes, op.dst) || (shared && covers(&effects.reads, op.dst));
                if !reads || !writes || !covers(&effects.writes, op.sdst) && !inst.is_mfma() {
                    missing.insert((inst.asm_mnemonic(), inst.text(0)));
                    break;
                }
            }
        }
        assert_eq!(missing.into_iter().collect::<Vec<_>>(), []);
    }
}
