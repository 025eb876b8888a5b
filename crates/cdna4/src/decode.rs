//! Bytes to [`Inst`]: an index over the generated table, built once.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::inst::{DecodeError, Field, Inst};
use crate::kind::Kind;
use crate::operand::Operand;
use crate::table::{FORMS, KINDS};

/// Decodes the instruction at the start of `bytes` (little-endian, any length ≥ 4).
///
/// Accepts what LLVM's disassembler accepts for gfx950, with the same reading of odd encodings (an odd first
/// register of a scalar pair is rounded down, for example).
pub fn decode(bytes: &[u8]) -> Result<Inst, DecodeError> {
    let have = bytes.len();
    let mut window = [0; 16];
    let len = have.min(16);
    window[..len].copy_from_slice(&bytes[..len]);
    let bits = u128::from_le_bytes(window);
    if have < 4 {
        return Err(DecodeError::Truncated { needed: 4, have });
    }
    let mut needed = None;
    let mut failed_table = u8::MAX;
    for &i in index().candidates(bits as u32) {
        let form = &FORMS[usize::from(i)];
        let size = form.bytes();
        if size > have {
            if (bits as u32 ^ form.value as u32) & form.mask as u32 == 0 {
                needed.get_or_insert(size);
            }
            continue;
        }
        if (bits ^ form.value) & form.mask != 0 || form.table == failed_table {
            continue;
        }
        match operands(i, bits) {
            // LLVM gives up on a whole table when the operands of its best match do not decode.
            None => failed_table = form.table,
            Some(false) => return Ok(Inst::new(i, low_bytes(bits, size), None)),
            Some(true) => {
                let literal =
                    bytes.get(size..size + 4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
                let literal = literal.ok_or(DecodeError::Truncated { needed: size + 4, have })?;
                return Ok(Inst::new(i, low_bytes(bits, size), Some(literal)));
            }
        }
    }
    Err(match needed {
        Some(needed) => DecodeError::Truncated { needed, have },
        None => DecodeError::Unknown { word: bits as u64 },
    })
}

/// Whether all operands decode, and whether one of them is the literal that follows.
fn operands(form: u16, bits: u128) -> Option<bool> {
    let probe = Inst::new(form, bits, None);
    if probe.formats().is_some_and(|(a, b)| a > 4 || b > 4) {
        return None; // reserved matrix formats
    }
    let mut literal = false;
    for op in probe.layout().ops {
        let raw = op.raw(bits);
        match KINDS[usize::from(op.kind)] {
            Kind::DstSel | Kind::Src0Sel | Kind::Src1Sel if raw > 6 => return None,
            Kind::DstUnused if raw > 2 => return None,
            kind => match probe.sized(op, kind).decode(raw)? {
                Operand::Vgpr { .. } | Operand::Agpr { .. } => {}
                _ if matches!(op.field, Field::Src0 | Field::Src1) && probe.has_narrow_source() => {
                    return None;
                }
                Operand::Literal(_) if probe.is_scaled_mfma() => return None, // no room for one
                Operand::Literal(_) => literal = true,
                _ => {}
            },
        }
    }
    Some(literal && probe.literal().is_none())
}

fn low_bytes(bits: u128, size: usize) -> u128 {
    bits & (u128::MAX >> (128 - 8 * size))
}

/// Two levels: the nine high bits of the first word select a slot, some further bits a candidate list.
struct Index {
    slots: Vec<Slot>,
    starts: Vec<u32>,
    lists: Vec<u16>,
}

#[derive(Clone, Copy)]
struct Slot {
    shift: u8,
    mask: u32,
    /// Index into `starts` of the slot's first list.
    base: u32,
}

fn index() -> &'static Index {
    static INDEX: OnceLock<Index> = OnceLock::new();
    INDEX.get_or_init(Index::build)
}

impl Index {
    fn build() -> Index {
        let (mut slots, mut starts, mut lists) = (Vec::new(), Vec::new(), Vec::new());
        let mut known: HashMap<Vec<u16>, u32> = HashMap::new();
        for prefix in 0..512u32 {
            let here: Vec<u16> = (0..FORMS.len() as u16)
                .filter(|&i| {
                    let f = &FORMS[usize::from(i)];
                    ((f.value as u32 >> 23) ^ prefix) & (f.mask as u32 >> 23) == 0
                })
                .collect();
            // Bits that all candidates fix: the opcode, where the format does not hold it in the high bits.
            let common =
                here.iter().fold(0x7f_ffff, |m, &i| m & FORMS[usize::from(i)].mask as u32) & 0x7f_ffff;
            let shift = if common == 0 { 0 } else { common.trailing_zeros() };
            let width = (32 - common.leading_zeros()).saturating_sub(shift).min(10);
            let mask = (1u32 << width) - 1;
            slots.push(Slot { shift: shift as u8, mask, base: starts.len() as u32 });
            for key in 0..=mask {
                let list: Vec<u16> = here
                    .iter()
                    .copied()
                    .filter(|&i| {
                        let f = &FORMS[usize::from(i)];
                        ((f.value as u32 >> shift) ^ key) & (f.mask as u32 >> shift) & mask == 0
                    })
                    .collect();
                let start = *known.entry(list).or_insert_with_key(|list| {
                    let start = lists.len() as u32;
                    lists.push(list.len() as u16);
                    lists.extend_from_slice(list);
                    start
                });
                starts.push(start);
            }
        }
        Index { slots, starts, lists }
    }

    /// The forms that the first word may select, in the order in which they are tried.
    fn candidates(&self, word: u32) -> &[u16] {
        let slot = self.slots[(word >> 23) as usize];
        let start = self.starts[(slot.base + ((word >> slot.shift) & slot.mask)) as usize] as usize;
        let len = usize::from(self.lists[start]);
        &self.lists[start + 1..start + 1 + len]
    }
}
