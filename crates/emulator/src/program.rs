//! The code of one code object, decoded once.

use std::sync::OnceLock;

use crate::{effects::Effects, exec, op::Op};

/// All instructions of a code object and where they are.
#[derive(Debug)]
pub(crate) struct Program {
    /// Address of the first byte.
    base: u64,
    ops: Vec<Op>,
    /// Index into `ops` by dword; [`Program::INSIDE`] within an instruction.
    slots: Vec<u32>,
    /// The code, for the text of faults.
    text: Vec<u8>,
    /// What the instructions read and write, by index into `ops`; made when somebody asks.
    effects: OnceLock<Vec<Option<Effects>>>,
}

impl Program {
    const INSIDE: u32 = u32::MAX;

    /// Decodes `text`, which stands at `base`. `entries` are byte offsets where an instruction is known to
    /// begin: data between functions cannot swallow the start of the next one.
    pub(crate) fn new(base: u64, text: Vec<u8>, entries: &[u64]) -> Program {
        let dwords = text.len() / 4;
        let mut begins = vec![false; dwords];
        for entry in entries {
            if let Some(begin) = begins.get_mut((entry / 4) as usize) {
                *begin = true;
            }
        }
        let (mut ops, mut slots) = (Vec::new(), vec![Program::INSIDE; dwords]);
        let mut at = 0;
        while at < dwords {
            let mut op = match cdna4::decode(&text[4 * at..]) {
                Ok(inst) => exec::resolve(&inst),
                Err(_) => exec::illegal(),
            };
            let length = op.length as usize;
            if begins[at + 1..(at + length).min(dwords)].contains(&true) {
                op = exec::illegal();
            }
            slots[at] = ops.len() as u32;
            at += op.length as usize;
            ops.push(op);
        }
        Program { base, ops, slots, text, effects: OnceLock::new() }
    }

    /// The instruction at an address.
    #[inline(always)]
    pub(crate) fn at(&self, pc: u64) -> Option<&Op> {
        self.ops.get(self.index(pc)?)
    }

    /// The index of the instruction at an address, from 0 in the order of the code; beyond [`Program::len`]
    /// within an instruction.
    #[inline(always)]
    pub(crate) fn index(&self, pc: u64) -> Option<usize> {
        let offset = pc.wrapping_sub(self.base);
        if !offset.is_multiple_of(4) {
            return None;
        }
        let slot = *self.slots.get((offset / 4) as usize)?;
        Some(slot as usize)
    }

    /// Number of instructions, words that are none included.
    pub(crate) fn len(&self) -> usize {
        self.ops.len()
    }

    /// What the instructions read and write, by [`Program::index`]; `None` for words that are no instruction.
    /// The first call decodes the code once more.
    pub(crate) fn effects(&self) -> &[Option<Effects>] {
        self.effects.get_or_init(|| {
            let mut effects = vec![None; self.len()];
            for (dword, slot) in self.slots.iter().enumerate() {
                if let Some(effects) = effects.get_mut(*slot as usize) {
                    *effects = cdna4::decode(&self.text[4 * dword..]).ok().map(|inst| Effects::of(&inst));
                }
            }
            effects
        })
    }

    /// Up to eight bytes of code at an address, and the disassembly.
    pub(crate) fn describe(&self, pc: u64) -> (u64, String, &'static str) {
        let bytes = self.text.get(pc.wrapping_sub(self.base) as usize..).unwrap_or(&[]);
        let mut word = [0; 8];
        let n = bytes.len().min(8);
        word[..n].copy_from_slice(&bytes[..n]);
        let word = u64::from_le_bytes(word);
        match cdna4::decode(bytes) {
            Ok(inst) => (word, inst.text(pc), inst.mnemonic()),
            Err(_) if bytes.is_empty() => (0, "no code".into(), ""),
            Err(_) => (word, format!(".long {:#010x}", word as u32), ""),
        }
    }
}
