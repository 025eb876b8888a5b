//! What the ledger knows of a program before it runs.

use crate::{
    effects::Effects,
    exec::footprint::Shape,
    fidelity::{Fidelity, Judgement, judge_inst},
    ledger::{Entry, Ledger, Reach, Site, shadow::MOST_ORIGINS, watch::Seen},
    program::Program,
};

/// Marks of assumed results: bit i of a mask is origin i.
pub(super) type Origins = u64;

/// How an instruction's result depends on its sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// Lane by lane, or scalar.
    Lanes,
    /// As [`Flow::Lanes`], but a result of two dwords has in each what the sources have there.
    Dwords,
    /// As [`Flow::Dwords`], and the upper dword what the sources have in the lower: carries, shifts to the left.
    Upward,
    /// As [`Flow::Dwords`], and the lower dword what the sources have in the upper: shifts to the right.
    Downward,
    /// Any active source lane may reach any active lane.
    Across,
    /// Any source lane may reach any active lane.
    Anywhere,
    /// Any source lane may reach any lane, active or not.
    Matrix,
    /// The two registers change places.
    Swap,
    /// The first active lane's value.
    FirstLane,
    /// The old EXEC to the destination, its combination with the source to EXEC.
    SaveExec,
    /// EXEC or'ed into a scalar pair, usually the one that it was saved in.
    RestoreExec,
    /// The scalar source M0 registers on.
    RelativeSource,
    /// The scalar destination M0 registers on.
    RelativeDestination,
}

/// One instruction.
#[derive(Debug)]
pub(super) struct Step<'a> {
    pub effects: &'a Effects,
    pub flow: Flow,
    /// The mark of its results; 0 for exact ones.
    pub origin: Origins,
    /// The mark of what it leaves in memory.
    pub memory_origin: Origins,
    /// How it accesses memory.
    pub shape: Option<Shape>,
}

/// All instructions of a program.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    program: &'a Program,
    /// By [`Program::index`].
    steps: Vec<Option<Step<'a>>>,
    /// Mnemonic and judgement of each entry.
    entries: Vec<(&'static str, Judgement)>,
    /// Entry of each instruction.
    entry_of: Vec<u16>,
    /// Entry of each origin; the last origin may belong to further ones.
    origins: Vec<u16>,
}

impl<'a> Plan<'a> {
    /// Reads a program.
    pub(crate) fn new(program: &'a Program) -> Plan<'a> {
        let mut plan = Plan {
            program,
            steps: Vec::new(),
            entries: Vec::new(),
            entry_of: vec![u16::MAX; program.len()],
            origins: Vec::new(),
        };
        for (index, effects) in program.effects().iter().enumerate() {
            let step = effects.as_ref().map(|effects| plan.step(index, effects));
            plan.steps.push(step);
        }
        plan
    }

    fn step(&mut self, index: usize, effects: &'a Effects) -> Step<'a> {
        let (name, judgement) = (effects.inst.mnemonic(), judge_inst(&effects.inst));
        let known = self.entries.iter().position(|(other, known)| *other == name && *known == judgement);
        let entry = known.unwrap_or_else(|| {
            self.entries.push((name, judgement));
            self.entries.len() - 1
        });
        self.entry_of[index] = entry as u16;
        let origin = match judgement.fidelity {
            Fidelity::Assumed => 1 << self.origin(entry as u16),
            _ => 0,
        };
        let memory_origin = if judgement.is_of_memory() { origin } else { 0 };
        Step { effects, flow: flow(effects), origin, memory_origin, shape: Shape::of(&effects.inst) }
    }

    fn origin(&mut self, entry: u16) -> usize {
        if let Some(found) = self.origins.iter().position(|other| *other == entry) {
            return found.min(MOST_ORIGINS - 1);
        }
        self.origins.push(entry);
        (self.origins.len() - 1).min(MOST_ORIGINS - 1)
    }

    /// The instruction at an address, with its index.
    #[inline(always)]
    pub(super) fn at(&self, pc: u64) -> Option<(usize, &Step<'a>)> {
        let index = self.program.index(pc)?;
        Some((index, self.steps.get(index)?.as_ref()?))
    }

    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    /// The ledger of what was seen; `entry` is the kernel's first instruction.
    pub(super) fn ledger(&self, seen: &Seen, entry: u64) -> Ledger {
        let mut counts = vec![0; self.entries.len()];
        for (index, count) in seen.counts.iter().enumerate() {
            if let Some(total) = counts.get_mut(self.entry_of[index] as usize) {
                *total += count;
            }
        }
        let site = |pc: Option<u64>| {
            let pc = pc?;
            Some(Site { offset: pc.wrapping_sub(entry) as i64, text: self.program.describe(pc).1 })
        };
        let reach = |entry: usize| {
            let Some(origin) = self.origins.iter().position(|other| *other as usize == entry) else {
                return Reach::default();
            };
            let origin = origin.min(MOST_ORIGINS - 1);
            Reach {
                address: site(seen.addresses[origin]),
                branch: site(seen.branches[origin]),
                output: seen.outputs >> origin & 1 == 1,
            }
        };
        let mut entries: Vec<Entry> = (0..self.entries.len())
            .filter(|entry| counts[*entry] > 0)
            .map(|entry| {
                let (mnemonic, judgement) = self.entries[entry];
                Entry { mnemonic, judgement, count: counts[entry], reach: reach(entry) }
            })
            .collect();
        entries.sort_by_key(|entry| (entry.mnemonic, entry.judgement.fidelity));
        Ledger { entries }
    }
}

fn flow(effects: &Effects) -> Flow {
    use cdna4::Encoding;
    let (inst, name) = (&effects.inst, effects.inst.mnemonic());
    match name {
        "v_swap_b32" => return Flow::Swap,
        "v_readfirstlane_b32" => return Flow::FirstLane,
        // These reach inactive lanes, too.
        "v_readlane_b32" | "v_permlane16_swap_b32" | "v_permlane32_swap_b32" => return Flow::Anywhere,
        // Whether the lane is active or not.
        "v_writelane_b32" => return Flow::Matrix,
        "s_or_b64" => return Flow::RestoreExec,
        "s_movrels_b32" | "s_movrels_b64" => return Flow::RelativeSource,
        "s_movreld_b32" | "s_movreld_b64" => return Flow::RelativeDestination,
        // Moves that DPP makes are below.
        "v_mov_b64" if inst.encoding() != Encoding::Dpp => return Flow::Dwords,
        "s_mov_b64" | "s_cmov_b64" | "s_cselect_b64" | "s_not_b64" | "s_and_b64" | "s_xor_b64"
        | "s_andn2_b64" | "s_orn2_b64" | "s_nand_b64" | "s_nor_b64" | "s_xnor_b64" => return Flow::Dwords,
        "v_lshl_add_u64" | "v_mad_u64_u32" | "v_mad_i64_i32" | "v_lshlrev_b64" | "s_lshl_b64" => {
            return Flow::Upward;
        }
        "v_lshrrev_b64" | "v_ashrrev_i64" | "s_lshr_b64" | "s_ashr_i64" => return Flow::Downward,
        _ => {}
    }
    match () {
        () if inst.is_mfma() => Flow::Matrix,
        () if name.ends_with("_saveexec_b64") => Flow::SaveExec,
        () if inst.encoding() == Encoding::Dpp => Flow::Across,
        // Exchanges through LDS, and reads that transpose.
        () if ["ds_permute", "ds_bpermute", "ds_swizzle"].iter().any(|p| name.starts_with(p)) => Flow::Across,
        () if name.contains("_tr_b") => Flow::Across,
        () => Flow::Lanes,
    }
}
