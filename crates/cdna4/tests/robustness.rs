//! No bytes make the decoder or its accessors panic, and what they say is consistent. `MI355X_FUZZ` multiplies the
//! number of random inputs.

use cdna4::{DecodeError, Encoding, Field, decode};

/// SplitMix64, so that a failure reproduces.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[rustfmt::skip]
const FIELDS: [Field; 62] = [
    Field::Sdst, Field::Ssrc0, Field::Ssrc1, Field::Simm16, Field::Sbase, Field::Sdata, Field::Soffset,
    Field::SmemOffset, Field::Glc, Field::Literal, Field::Vdst, Field::VSdst, Field::Src0, Field::Src1, Field::Src2,
    Field::Src0Mods, Field::Src1Mods, Field::Src2Mods, Field::Clamp, Field::Omod, Field::OpSel, Field::OpSelHi,
    Field::NegLo, Field::NegHi, Field::Bitop3, Field::DppCtrl, Field::RowMask, Field::BankMask, Field::BoundCtrl,
    Field::Fi, Field::DstSel, Field::DstUnused, Field::Src0Sel, Field::Src1Sel, Field::Cbsz, Field::Abid,
    Field::Blgp, Field::ScaleSrc0, Field::ScaleSrc1, Field::Vaddr, Field::Vdata, Field::Data0, Field::Data1,
    Field::Saddr, Field::Srsrc, Field::Offset, Field::Offset0, Field::Offset1, Field::Offen, Field::Idxen,
    Field::Slc, Field::Sc0, Field::Sc1, Field::Nt, Field::Lds, Field::Gds, Field::Format, Field::Tfe, Field::Cpol,
    Field::Vdst, Field::Src0, Field::Src1,
];

fn check(bytes: &[u8]) -> usize {
    match decode(bytes) {
        Ok(inst) => {
            assert!(
                inst.size() <= bytes.len() && inst.size() % 4 == 0,
                "{bytes:02x?}: {} bytes",
                inst.size()
            );
            assert!(inst.asm_mnemonic().starts_with(inst.mnemonic()));
            assert_eq!(decode(&bytes[..inst.size()]).unwrap().text(0), inst.text(0), "{bytes:02x?}");
            for field in FIELDS {
                let _ = (inst.operand(field), inst.value(field));
            }
            let _ = (inst.branch_target(u64::MAX), inst.literal(), inst.form_index(), inst.flags());
            inst.size()
        }
        Err(DecodeError::Truncated { needed, have }) => {
            assert!(needed > have && have == bytes.len(), "{bytes:02x?}: {needed} {have}");
            0
        }
        Err(DecodeError::Unknown { .. }) => 0,
    }
}

#[test]
fn random_bytes_of_any_length() {
    let factor: u64 =
        std::env::var("MI355X_FUZZ").map_or(1, |text| text.parse().expect("MI355X_FUZZ is a number"));
    let (mut state, mut decoded) = (7, 0);
    for _ in 0..factor * 2_000_000 {
        let bytes: Vec<u8> = [next(&mut state), next(&mut state), next(&mut state)]
            .iter()
            .flat_map(|x| x.to_le_bytes())
            .collect();
        let len = (next(&mut state) % 25) as usize;
        decoded += usize::from(check(&bytes[..len]) != 0);
    }
    assert!(decoded > 200_000, "only {decoded} of the random words are instructions");
}

#[test]
fn every_row_with_random_operands() {
    let mut state = 11;
    let mut silent = Vec::new();
    for (index, row) in cdna4::rows().enumerate() {
        let mut reached = false;
        // Some rows are what remains of a more specific one: those need luck.
        for attempt in 0..40_000 {
            if reached && attempt > 300 {
                break;
            }
            let mut bits = u128::from(next(&mut state)) << 64 | u128::from(next(&mut state));
            if attempt % 4 == 1 {
                bits |= 0xffff_ffff << 32; // the last registers
            }
            let mut bytes = (bits & !row.mask | row.value).to_le_bytes().to_vec();
            bytes.truncate(row.bytes);
            bytes.extend_from_slice(&next(&mut state).to_le_bytes());
            check(&bytes);
            reached |= decode(&bytes).is_ok_and(|inst| inst.form_index() == index);
        }
        if !reached {
            silent.push(row.asm_mnemonic);
        }
    }
    assert!(silent.is_empty(), "rows that no word selects: {silent:?}");
}

#[test]
fn every_first_word_is_safe() {
    // All encodings of the high half with a few low halves: no opcode is left out.
    for high in 0..=u32::from(u16::MAX) {
        for low in [0u32, 0xf9, 0xfa, 0xff, 0x8000, 0xffff] {
            let mut bytes = (high << 16 | low).to_le_bytes().to_vec();
            bytes.extend_from_slice(&[0; 12]);
            check(&bytes);
        }
    }
}

#[test]
fn encodings_cover_the_table() {
    let seen: std::collections::BTreeSet<Encoding> = cdna4::rows().map(|row| row.encoding).collect();
    assert_eq!(seen.len(), 20, "{seen:?}");
}
