//! Which instructions of real gfx950 code have a handler.

use std::collections::{BTreeMap, BTreeSet};

use super::{UNSUPPORTED, resolve};
use crate::group::Random;

/// `origins mnemonic`, one a line; the head of the file says what the origins are.
const USED: &str = include_str!("../../tests/data/used_mnemonics.txt");

/// Words of each row of the table that decode as that row, with random operands.
const SAMPLES: usize = 40;

/// Instruction words by mnemonic: as the assembler spells it, with its encoding suffix.
fn samples() -> BTreeMap<&'static str, Vec<cdna4::Inst>> {
    let mut random = Random(61);
    let mut words: BTreeMap<&str, Vec<cdna4::Inst>> = BTreeMap::new();
    for (index, row) in cdna4::rows().enumerate() {
        let found = words.entry(row.asm_mnemonic).or_default();
        let enough = found.len() + SAMPLES;
        for _ in 0..40_000 {
            let bits = (random.next() as u128) << 64 | random.next() as u128;
            let mut bytes = (bits & !row.mask | row.value).to_le_bytes().to_vec();
            bytes.truncate(row.bytes);
            bytes.extend_from_slice(&random.next().to_le_bytes());
            if let Ok(inst) = cdna4::decode(&bytes)
                && inst.form_index() == index
            {
                found.push(inst);
                if found.len() == enough {
                    break;
                }
            }
        }
    }
    words
}

/// Whether the operands have no meaning, so that a fault is right.
fn reserved(inst: &cdna4::Inst) -> bool {
    let value = |field| inst.value(field).unwrap_or(0);
    inst.mnemonic().ends_with("_f8f6f4") && (value(cdna4::Field::Cbsz) > 4 || value(cdna4::Field::Blgp) > 4)
}

#[test]
fn every_instruction_of_real_code_has_a_handler() {
    let words = samples();
    let (mut unknown, mut unsupported) = (Vec::new(), Vec::new());
    let mut origins = BTreeSet::new();
    for line in USED.lines().filter(|line| !line.starts_with('#')) {
        let (origin, mnemonic) = line.split_once(' ').expect("two fields");
        origins.extend(origin.chars());
        let Some(found) = words.get(mnemonic) else {
            unknown.push(line);
            continue;
        };
        let bad =
            found.iter().find(|inst| !reserved(inst) && resolve(inst).exec as usize == UNSUPPORTED as usize);
        if let Some(inst) = bad {
            unsupported.push(format!("{line}: {}", inst.text(0)));
        } else if found.iter().all(reserved) {
            unknown.push(line);
        }
    }
    assert_eq!(unknown, Vec::<&str>::new(), "not in the instruction table");
    assert_eq!(unsupported, Vec::<String>::new());
    assert_eq!(origins.into_iter().collect::<String>(), "ahklt");
}

/// What has no handler: typed and format-converting buffer accesses of graphics, trap handlers' returns, the
/// divergence stack of older compilers, scalar scratch; no compiled or hand-written kernel above has them.
/// `v_mfma_ld_scale_b32` is the first half of a scaled matrix instruction and means nothing alone.
const WITHOUT: &[&str] = &[
    "buffer_load_format_d16_hi_x",
    "buffer_load_format_d16_x",
    "buffer_load_format_d16_xy",
    "buffer_load_format_d16_xyz",
    "buffer_load_format_d16_xyzw",
    "buffer_store_format_d16_hi_x",
    "buffer_store_format_d16_x",
    "buffer_store_format_d16_xy",
    "buffer_store_format_d16_xyz",
    "buffer_store_format_d16_xyzw",
    "s_cbranch_g_fork",
    "s_cbranch_i_fork",
    "s_cbranch_join",
    "s_endpgm_ordered_ps_done",
    "s_rfe_b64",
    "s_rfe_restore_b64",
    "s_scratch_load_dword",
    "s_scratch_load_dwordx2",
    "s_scratch_load_dwordx4",
    "s_scratch_store_dword",
    "s_scratch_store_dwordx2",
    "s_scratch_store_dwordx4",
    "tbuffer_load_format_d16_x",
    "tbuffer_load_format_d16_xy",
    "tbuffer_load_format_d16_xyz",
    "tbuffer_load_format_d16_xyzw",
    "tbuffer_load_format_x",
    "tbuffer_load_format_xy",
    "tbuffer_load_format_xyz",
    "tbuffer_load_format_xyzw",
    "tbuffer_store_format_d16_x",
    "tbuffer_store_format_d16_xy",
    "tbuffer_store_format_d16_xyz",
    "tbuffer_store_format_d16_xyzw",
    "tbuffer_store_format_x",
    "tbuffer_store_format_xy",
    "tbuffer_store_format_xyz",
    "tbuffer_store_format_xyzw",
    "v_mfma_ld_scale_b32",
    "v_screen_partition_4se_b32",
];

#[test]
fn what_has_no_handler_is_listed() {
    let mut without = BTreeSet::new();
    for found in samples().values() {
        let missing =
            |inst: &&cdna4::Inst| !reserved(inst) && resolve(inst).exec as usize == UNSUPPORTED as usize;
        if let Some(inst) = found.iter().find(missing) {
            without.insert(inst.mnemonic());
        }
    }
    assert_eq!(without.into_iter().collect::<Vec<_>>(), WITHOUT);
}
