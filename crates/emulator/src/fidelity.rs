//! What each instruction's result is worth: defined by the ISA, assumed, or not executed at all.
//!
//! *Exact* means that the instruction set, or a format that it names, defines the result's bits for every input
//! that is a number: integers, IEEE arithmetic and comparisons under MODE, conversions with a stated rounding,
//! moves and memory. Which NaN a float instruction yields from NaN inputs, and what FP4 and FP6 make of a NaN,
//! is not documented for any of them and not counted here.
//!
//! *Assumed* means that the bits rest on something that no public source states for gfx950, or that depends on
//! the order in which lanes and waves happen to run. The reason says what.
//!
//! [`RULES`] is the one table. Its first matching row counts, and a test holds it against the instruction set.

use cdna4::{Encoding, Field, Inst};

/// The three classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fidelity {
    /// The ISA defines the result's bits.
    Exact,
    /// The bits rest on an assumption.
    Assumed,
    /// Executing it is a fault.
    Unsupported,
}

impl Fidelity {
    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Fidelity::Exact => "exact",
            Fidelity::Assumed => "assumed",
            Fidelity::Unsupported => "unsupported",
        }
    }
}

/// What the table says about an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The class.
    pub fidelity: Fidelity,
    /// Why it is in that class, in a few words.
    pub reason: &'static str,
    /// Whether the result follows from [`MfmaPolicy`](crate::MfmaPolicy).
    pub by_policy: bool,
}

/// The judgement of a base mnemonic, as [`cdna4::Inst::mnemonic`] spells it; `None` for one that gfx950 does not
/// have.
#[must_use]
pub fn judge(mnemonic: &str) -> Option<Judgement> {
    let (_, fidelity, reason) = RULES.iter().find(|(pattern, ..)| matches(pattern, mnemonic))?;
    Some(Judgement { fidelity: *fidelity, reason, by_policy: *reason == POLICY })
}

/// [`judge`] of one instruction, whose operands may make it better or worse.
pub(crate) fn judge_inst(inst: &Inst) -> Judgement {
    let unknown = Judgement { fidelity: Fidelity::Assumed, reason: "not in the table", by_policy: false };
    let judgement = judge(inst.mnemonic()).unwrap_or(unknown);
    if judgement.fidelity == Fidelity::Exact && returns_old_value(inst) {
        return Judgement { fidelity: Fidelity::Assumed, reason: TICKET, ..judgement };
    }
    if inst.mnemonic() == "s_getreg_b32" && REGISTERS_OF_THE_WAVE.contains(&register(inst)) {
        return Judgement { fidelity: Fidelity::Exact, reason: "a register of the wave", ..judgement };
    }
    judgement
}

/// Whether an atomic gives what was there before: LDS atomics say it in their names, which the table has.
fn returns_old_value(inst: &Inst) -> bool {
    let set = |field| inst.value(field).unwrap_or(0) != 0;
    inst.encoding() != Encoding::Ds && inst.is_atomic() && (set(Field::Sc0) || set(Field::Glc))
}

impl Judgement {
    /// Whether what the instruction leaves in memory is assumed, too: not if only who came when is.
    pub(crate) fn is_of_memory(self) -> bool {
        self.fidelity == Fidelity::Assumed && self.reason != TICKET
    }
}

/// MODE, STATUS and the apertures, by number (LLVM, `SIDefines.h`): what `s_getreg_b32` really reads.
const REGISTERS_OF_THE_WAVE: [i64; 3] = [1, 2, 15];

fn register(inst: &Inst) -> i64 {
    inst.value(Field::Simm16).unwrap_or(0) & 63
}

/// What every matrix instruction that adds floats in a policy's order has as its reason.
const POLICY: &str = "order and width of the accumulation are not documented; the mfma policy decides";
const MATRIX_CHAIN: &str =
    "order and rounding of the accumulation are not documented; a chain of FMAs in ascending k";
const ONE_ULP: &str = "1 ULP is documented, the bits are not; rounded from within 2^-38";
const DIVISION: &str = "1 ULP is documented, the bits are not; compilers seed integer divisions with it and correct them to the last bit";
const HALF_ULP: &str = "the bits are not documented; rounded from a value within 2^-38";
const DOUBLE_SEED: &str = "a seed for refinement, whose bits are not documented; rounded correctly here";
const TRIGONOMETRIC: &str = "accuracy and range reduction are not documented; rounded from within 2^-38";
const DOT: &str =
    "order and rounding of the inner sums are not documented; products added in pairs, each step rounded";
const ORDER: &str = "each addition is defined, the order of lanes and waves is not";
const TICKET: &str =
    "what lanes and waves leave together is defined, which of them finds which value follows their order";
const LAST: &str = "what stays follows the order of lanes and waves";
const TRANSPOSE: &str = "the layout follows the 16-bit form's, which was measured; this width was not";
const RANDOM: &str =
    "how random bits join the fraction, and advance between elements, is not documented in full";
const DIV_SCALE: &str =
    "the published rule overflows where the quotient is denormal; the corrected one is executed";
const DIV_FMAS: &str = "the published correction, always up, does not undo the scaling; that by the addend's exponent is executed";
const DIV_FIXUP: &str =
    "the published rule gives NaN for a quotient that overflowed on the way; infinity is given";
const CLOCK: &str = "there is no clock; the wave's instructions so far are given";
const PLACEMENT: &str = "placement on the chip (HW_ID, XCC_ID, allocations) reads 0";
const DEBUGGER: &str = "no debugger is attached; never taken";

const GRAPHICS: &str = "a format conversion of graphics buffers";
const TRAP: &str = "returns from a trap handler";
const FORK: &str = "the divergence stack of older compilers";
const SCRATCH: &str = "scalar scratch, which compilers for gfx950 do not emit";
const GWS: &str = "there is no global wave sync between workgroups";
const FRAGMENT: &str = "half of a scaled matrix instruction, without meaning alone";
const SCREEN: &str = "a graphics instruction";

const INTEGER: &str = "integers and bits";
const IEEE: &str = "IEEE 754 under MODE";
const CONVERT: &str = "a conversion whose rounding is stated";
const MOVE: &str = "moves bits";
const MEMORY: &str = "memory";
const CONTROL: &str = "program control";

use Fidelity::{Assumed, Exact, Unsupported};

/// Pattern (`*` stands for any text), class, reason.
#[rustfmt::skip]
const RULES: &[(&str, Fidelity, &str)] = &[
    // Matrix cores.
    ("v_mfma_ld_scale_b32", Unsupported, FRAGMENT),
    ("v_mfma_i32_*", Exact, INTEGER),
    ("v_smfmac_i32_*", Exact, INTEGER),
    ("v_mfma_f64_*", Assumed, MATRIX_CHAIN),
    ("v_mfma_f32_*x*x*_f32", Assumed, MATRIX_CHAIN),
    ("v_mfma_*", Assumed, POLICY),
    ("v_smfmac_*", Assumed, POLICY),
    ("v_accvgpr_*", Exact, MOVE),
    // Transcendental and other approximations.
    ("v_exp_f32", Assumed, ONE_ULP),
    ("v_log_f32", Assumed, ONE_ULP),
    ("v_rcp_f32", Assumed, ONE_ULP),
    ("v_rcp_iflag_f32", Assumed, DIVISION),
    ("v_rsq_f32", Assumed, ONE_ULP),
    ("v_sqrt_f32", Assumed, ONE_ULP),
    ("v_exp_*", Assumed, HALF_ULP),
    ("v_log_*", Assumed, HALF_ULP),
    ("v_rcp_f64", Assumed, DOUBLE_SEED),
    ("v_rsq_f64", Assumed, DOUBLE_SEED),
    ("v_rcp_f16", Assumed, HALF_ULP),
    ("v_rsq_f16", Assumed, HALF_ULP),
    ("v_sqrt_f16", Assumed, HALF_ULP),
    ("v_sqrt_f64", Assumed, DOUBLE_SEED),
    ("v_sin_*", Assumed, TRIGONOMETRIC),
    ("v_cos_*", Assumed, TRIGONOMETRIC),
    ("v_div_scale_*", Assumed, DIV_SCALE),
    ("v_div_fmas_*", Assumed, DIV_FMAS),
    ("v_div_fixup_f32", Assumed, DIV_FIXUP),
    ("v_div_fixup_f64", Assumed, DIV_FIXUP),
    ("v_div_*", Exact, IEEE),
    ("v_trig_preop_f64", Exact, IEEE),
    // Dot products.
    ("v_dot2*_f32_*", Assumed, DOT),
    ("v_dot*", Exact, INTEGER),
    // Stochastic rounding; its generator is defined.
    ("v_cvt_*sr_*", Assumed, RANDOM),
    ("v_prng_b32", Exact, INTEGER),
    // Conversions.
    ("v_cvt_*", Exact, CONVERT),
    ("v_sat_pk_u8_i16", Exact, CONVERT),
    ("v_ashr_pk_*", Exact, CONVERT),
    ("v_pack_b32_f16", Exact, MOVE),
    // Vector integers.
    ("v_cmp*_f16", Exact, IEEE),
    ("v_cmp*_f32", Exact, IEEE),
    ("v_cmp*_f64", Exact, IEEE),
    ("v_cmp*", Exact, INTEGER),
    ("v_mov_*", Exact, MOVE),
    ("v_pk_mov_b32", Exact, MOVE),
    ("v_cndmask_b32", Exact, MOVE),
    ("v_swap_b32", Exact, MOVE),
    ("v_permlane*", Exact, MOVE),
    ("v_read*lane_b32", Exact, MOVE),
    ("v_writelane_b32", Exact, MOVE),
    ("v_perm_b32", Exact, MOVE),
    ("v_*_i16", Exact, INTEGER),
    ("v_*_i32", Exact, INTEGER),
    ("v_*_i64", Exact, INTEGER),
    ("v_*_u8", Exact, INTEGER),
    ("v_*_u16", Exact, INTEGER),
    ("v_*_u32", Exact, INTEGER),
    ("v_*_u64", Exact, INTEGER),
    ("v_*_i24", Exact, INTEGER),
    ("v_*_u24", Exact, INTEGER),
    ("v_screen_partition_4se_b32", Unsupported, SCREEN),
    ("v_mbcnt_*", Exact, INTEGER),
    ("v_bcnt_u32_b32", Exact, INTEGER),
    ("v_*_b16", Exact, INTEGER),
    ("v_*_b32", Exact, INTEGER),
    ("v_*_b64", Exact, INTEGER),
    ("v_frexp_exp_*", Exact, IEEE),
    // Vector floats: everything else that ends in a float type.
    ("v_*_f16", Exact, IEEE),
    ("v_*_f32", Exact, IEEE),
    ("v_*_f64", Exact, IEEE),
    ("v_nop", Exact, CONTROL),
    ("v_clrexcp", Exact, CONTROL),
    // LDS.
    ("ds_gws_*", Unsupported, GWS),
    ("ds_add_*f32", Assumed, ORDER),
    ("ds_add_*f64", Assumed, ORDER),
    ("ds_pk_add_*", Assumed, ORDER),
    ("ds_wrxchg*", Assumed, LAST),
    ("ds_condxchg*", Assumed, LAST),
    ("ds_cmpst_*", Assumed, LAST),
    ("ds_mskor_*", Assumed, LAST),
    ("ds_rsub_*", Assumed, LAST),
    ("ds_inc_*", Assumed, LAST),
    ("ds_dec_*", Assumed, LAST),
    ("ds_wrap_*", Assumed, LAST),
    ("ds_*_rtn_*", Assumed, TICKET),
    ("ds_append", Assumed, TICKET),
    ("ds_consume", Assumed, TICKET),
    ("ds_read_*_tr_b16", Exact, MEMORY),
    ("ds_read_*_tr_*", Assumed, TRANSPOSE),
    ("ds_*", Exact, MEMORY),
    // Device memory.
    ("buffer_*_format_d16_*", Unsupported, GRAPHICS),
    ("tbuffer_*", Unsupported, GRAPHICS),
    ("*_atomic_add_f32", Assumed, ORDER),
    ("*_atomic_add_f64", Assumed, ORDER),
    ("*_atomic_pk_add_*", Assumed, ORDER),
    ("*_atomic_swap*", Assumed, LAST),
    ("*_atomic_cmpswap*", Assumed, LAST),
    ("*_atomic_inc*", Assumed, LAST),
    ("*_atomic_dec*", Assumed, LAST),
    ("flat_*", Exact, MEMORY),
    ("global_*", Exact, MEMORY),
    ("scratch_load_lds_*", Exact, MEMORY),
    ("scratch_*", Exact, MEMORY),
    ("buffer_*", Exact, MEMORY),
    // Scalar.
    ("s_scratch_*", Unsupported, SCRATCH),
    ("s_rfe_*", Unsupported, TRAP),
    ("s_cbranch_g_fork", Unsupported, FORK),
    ("s_cbranch_i_fork", Unsupported, FORK),
    ("s_cbranch_join", Unsupported, FORK),
    ("s_endpgm_ordered_ps_done", Unsupported, SCREEN),
    ("s_cbranch_cdbg*", Assumed, DEBUGGER),
    ("s_mem*time", Assumed, CLOCK),
    ("s_getreg_b32", Assumed, PLACEMENT),
    ("s_load_*", Exact, MEMORY),
    ("s_store_*", Exact, MEMORY),
    ("s_buffer_*", Exact, MEMORY),
    ("s_atomic_*", Exact, MEMORY),
    ("s_dcache_*", Exact, MEMORY),
    ("s_atc_probe*", Exact, MEMORY),
    ("s_*branch*", Exact, CONTROL),
    ("s_*pc_b64", Exact, CONTROL),
    ("s_call_b64", Exact, CONTROL),
    ("s_*_i32", Exact, INTEGER),
    ("s_*_i64", Exact, INTEGER),
    ("s_*_u32", Exact, INTEGER),
    ("s_*_u64", Exact, INTEGER),
    ("s_*_b16", Exact, INTEGER),
    ("s_*_b32", Exact, INTEGER),
    ("s_*_b64", Exact, INTEGER),
    ("s_sext_*", Exact, INTEGER),
    ("s_*", Exact, CONTROL),
];

/// Whether `name` is `pattern` with some text for each `*`.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let mut rest = rest;
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// Base mnemonics of the instruction set with an instruction of each of their rows.
    fn instructions() -> BTreeMap<&'static str, Vec<Inst>> {
        let mut all: BTreeMap<&'static str, Vec<Inst>> = BTreeMap::new();
        let mut random = crate::group::Random(3);
        for (index, row) in cdna4::rows().enumerate() {
            for _ in 0..10_000 {
                let bits = (random.next() as u128) << 64 | random.next() as u128;
                let mut bytes = (bits & !row.mask | row.value).to_le_bytes().to_vec();
                bytes.truncate(row.bytes);
                bytes.extend_from_slice(&[0; 8]);
                if let Ok(inst) = cdna4::decode(&bytes)
                    && inst.form_index() == index
                {
                    all.entry(inst.mnemonic()).or_default().push(inst);
                    break;
                }
            }
        }
        assert!(all.len() > 1200, "{} mnemonics were reached", all.len());
        all
    }

    #[test]
    fn every_instruction_has_a_class_and_every_rule_an_instruction() {
        let instructions = instructions();
        let unjudged: Vec<_> = instructions.keys().filter(|name| judge(name).is_none()).collect();
        assert_eq!(unjudged, Vec::<&&str>::new());
        let first =
            |name: &str| RULES.iter().position(|(pattern, ..)| matches(pattern, name)).expect("judged");
        let used: BTreeSet<usize> = instructions.keys().map(|name| first(name)).collect();
        let idle: Vec<_> = (0..RULES.len()).filter(|i| !used.contains(i)).map(|i| RULES[i].0).collect();
        assert_eq!(idle, Vec::<&str>::new(), "rules that no instruction reaches");
    }

    #[test]
    fn unsupported_is_what_has_no_handler() {
        // These decode to a handler that faults with its own reason.
        let faulting = |name: &str| name.starts_with("ds_gws_");
        for (name, instructions) in instructions() {
            let missing = instructions
                .iter()
                .all(|inst| crate::exec::resolve(inst).exec as usize == crate::exec::UNSUPPORTED as usize);
            let judged = judge(name).is_some_and(|judgement| judgement.fidelity == Unsupported);
            // Formats of f8f6f4 beyond 4 have no meaning; the sample above may hit them.
            let reserved = name.ends_with("_f8f6f4");
            assert!(judged == (missing || faulting(name)) || reserved, "{name}: missing is {missing}");
        }
    }

    /// The file is the list that readers see; `MI355X_BLESS=1` writes it anew.
    #[test]
    fn what_is_not_exact_is_listed() {
        let mut text = String::from("# mnemonic, class, reason: what is not exact. See src/fidelity.rs.\n");
        for (name, forms) in instructions() {
            let judgement = judge(name).expect("judged");
            let form = forms.iter().map(judge_inst).find(|form| form.reason == TICKET);
            let (judgement, which) = match form {
                Some(form) if judgement.fidelity == Exact => (form, " with return"),
                _ => (judgement, ""),
            };
            if judgement.fidelity != Exact {
                text += &format!("{name}{which}\t{}\t{}\n", judgement.fidelity.name(), judgement.reason);
            }
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/not_exact.tsv");
        if std::env::var_os("MI355X_BLESS").is_some() {
            std::fs::write(path, &text).expect("the file is ours");
        }
        let listed = std::fs::read_to_string(path).expect("the file is there");
        assert_eq!(text, listed);
    }

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, expected) in [
            ("v_nop", "v_nop", true),
            ("v_nop", "v_nop_x", false),
            ("v_*_f32", "v_add_f32", true),
            ("v_*_f32", "v_add_f32x", false),
            ("v_cvt_*sr_*", "v_cvt_scalef32_sr_pk32_bf6_f32", true),
            ("v_cvt_*sr_*", "v_cvt_pk_f32_fp8", false),
            ("v_mfma_f32_*x*x*_f32", "v_mfma_f32_16x16x1_4b_f32", true),
            ("v_mfma_f32_*x*x*_f32", "v_mfma_f32_16x16x16_f16", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn an_atomic_that_returns_gives_a_place_in_the_order() {
        let of = |words: [u32; 2]| {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            let inst = cdna4::decode(&bytes).expect("an atomic");
            let judgement = judge_inst(&inst);
            (inst.mnemonic().to_owned(), judgement.fidelity, judgement.is_of_memory())
        };
        for (words, name, fidelity, memory) in [
            // v[2:3], v8, off, without and with sc0.
            ([0xdd08_8000, 0x007f_0802], "global_atomic_add", Exact, false),
            ([0xdd09_8000, 0x0c7f_0802], "global_atomic_add", Assumed, false),
            ([0xdd01_8000, 0x0c7f_0802], "global_atomic_swap", Assumed, true),
            // s16, s[4:5], 0x0, without and with glc.
            ([0xc20a_0402, 0], "s_atomic_add", Exact, false),
            ([0xc20b_0402, 0], "s_atomic_add", Assumed, false),
            // v4, v8 without, then with return.
            ([0xd800_0000, 0x0000_0804], "ds_add_u32", Exact, false),
            ([0xd840_0000, 0x0c00_0804], "ds_add_rtn_u32", Assumed, false),
            ([0xd85a_0000, 0x0c00_0804], "ds_wrxchg_rtn_b32", Assumed, true),
        ] {
            assert_eq!(of(words), (name.to_owned(), fidelity, memory));
        }
    }

    #[test]
    fn hardware_registers_differ() {
        // s_getreg_b32 s4, hwreg(HW_REG_MODE) and hwreg(HW_REG_XCC_ID)
        let of = |id: u32| {
            let word: u32 = 0xb884_f800 | id;
            judge_inst(&cdna4::decode(&word.to_le_bytes()).expect("s_getreg_b32")).fidelity
        };
        assert_eq!((of(1), of(20)), (Exact, Assumed));
    }
}
