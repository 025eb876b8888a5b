//! Disassembly in basic blocks.

use std::collections::BTreeSet;

use cdna4::{Flags, Inst};
use serde::Serialize;

/// A routine's instructions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listing {
    /// In the order of addresses; the first is the entry.
    pub blocks: Vec<Block>,
}

/// Instructions that run one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Block {
    /// `L0`, `L1`, …; branches name it.
    pub label: String,
    /// Labels of the blocks that may run next.
    pub next: Vec<String>,
    /// Whether a register says where to go on: `s_setpc_b64`.
    pub indirect: bool,
    /// At least one.
    pub lines: Vec<Line>,
}

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Bytes from the entry.
    pub offset: u64,
    /// Bytes of the encoding.
    pub size: usize,
    /// The encoding, in hexadecimal words of four bytes.
    pub words: String,
    /// As the assembler spells it, branch targets as labels; `.long` for bits that are no instruction.
    pub text: String,
    #[serde(skip)]
    flow: Flow,
}

/// What an instruction does to the order of instructions, and what the harness asks about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Flow {
    /// Bytes from the entry.
    target: Option<u64>,
    /// The instruction behind it may run next.
    falls_through: bool,
    ends_block: bool,
    indirect: bool,
    call: bool,
    matrix: bool,
}

impl Listing {
    /// Decodes `code`, whose first byte lies at `address`.
    #[must_use]
    pub fn new(code: &[u8], address: u64) -> Self {
        let mut lines = decode(code, address);
        let starts = starts(&lines);
        let label =
            |offset: u64| starts.contains(&offset).then(|| format!("L{}", starts.range(..offset).count()));
        for line in &mut lines {
            if let Some(label) = line.flow.target.and_then(label)
                && let Some((before, _words)) = line.text.rsplit_once(' ')
            {
                line.text = format!("{before} {label}");
            }
        }
        let mut blocks: Vec<Block> = Vec::new();
        for line in lines {
            if let Some(label) = label(line.offset) {
                blocks.push(Block { label, next: Vec::new(), indirect: false, lines: Vec::new() });
            }
            blocks.last_mut().expect("the entry starts a block").lines.push(line);
        }
        let ends: Vec<_> = blocks.iter().map(|block| (block.last().flow, block.end())).collect();
        for (block, (flow, end)) in blocks.iter_mut().zip(ends) {
            block.indirect = flow.indirect;
            let target = if flow.call { None } else { flow.target };
            let behind = flow.falls_through.then_some(end);
            block.next = target.into_iter().chain(behind).filter_map(label).collect();
            block.next.dedup();
        }
        Self { blocks }
    }

    /// Every instruction, in order.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.blocks.iter().flat_map(|b| &b.lines)
    }

    /// How many of them multiply matrices.
    #[must_use]
    pub fn matrix_instructions(&self) -> usize {
        self.lines().filter(|l| l.flow.matrix).count()
    }

    /// Whether control may leave for another routine and come back.
    #[must_use]
    pub fn calls(&self) -> bool {
        self.lines().any(|l| l.flow.call || l.flow.indirect)
    }
}

impl Block {
    fn last(&self) -> &Line {
        self.lines.last().expect("a block has an instruction")
    }

    /// Bytes from the entry to the first byte behind the block.
    fn end(&self) -> u64 {
        self.last().offset + self.last().size as u64
    }
}

fn decode(code: &[u8], address: u64) -> Vec<Line> {
    let (mut lines, mut at) = (Vec::new(), 0);
    while at < code.len() {
        let rest = &code[at..];
        let pc = address.wrapping_add(at as u64);
        let (size, text, flow) = match cdna4::decode(rest) {
            Ok(inst) => (inst.size(), inst.text(pc), Flow::of(&inst, pc, address)),
            // Data between instructions, or padding: shown as it is.
            Err(_) => {
                let mut word = [0; 4];
                let size = rest.len().min(4);
                word[..size].copy_from_slice(&rest[..size]);
                let flow = Flow { falls_through: true, ..Flow::default() };
                (size, format!(".long {:#010x}", u32::from_le_bytes(word)), flow)
            }
        };
        let words = rest[..size].chunks(4).map(|w| w.iter().rev().map(|b| format!("{b:02x}")).collect());
        let words = words.collect::<Vec<String>>().join(" ");
        lines.push(Line { offset: at as u64, size, words, text: text.trim_end().to_owned(), flow });
        at += size;
    }
    lines
}

/// Offsets at which a block starts: the entry, branch targets, what follows the end of a block.
fn starts(lines: &[Line]) -> BTreeSet<u64> {
    let offsets: BTreeSet<u64> = lines.iter().map(|l| l.offset).collect();
    let mut starts: BTreeSet<u64> = lines.first().map(|l| l.offset).into_iter().collect();
    for pair in lines.windows(2) {
        if pair[0].flow.ends_block {
            starts.insert(pair[1].offset);
        }
    }
    // A target inside an instruction, or in another routine, has no block here.
    starts.extend(lines.iter().filter_map(|l| l.flow.target).filter(|t| offsets.contains(t)));
    starts
}

impl Flow {
    fn of(inst: &Inst, pc: u64, entry: u64) -> Self {
        let name = inst.mnemonic();
        let call = matches!(name, "s_swappc_b64" | "s_call_b64");
        let indirect = matches!(name, "s_setpc_b64" | "s_rfe_b64" | "s_cbranch_join" | "s_cbranch_g_fork");
        let stops = name.starts_with("s_endpgm");
        let flags = inst.flags();
        let ends_block = stops || indirect || !call && flags.any(Flags::BRANCH | Flags::TERMINATOR);
        Self {
            target: inst.branch_target(pc).map(|target| target.wrapping_sub(entry)),
            falls_through: !(stops || indirect || name == "s_branch"),
            ends_block,
            indirect,
            call,
            matrix: inst.is_mfma(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// s_nop 0; s_cbranch_scc1 +1; s_branch −3; s_endpgm; data. Words from the ISA's SOPP format.
    const LOOP: [u32; 5] = [0xbf80_0000, 0xbf85_0001, 0xbf82_fffd, 0xbf81_0000, 0xffff_ffff];

    fn listing(words: &[u32]) -> Listing {
        let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        Listing::new(&bytes, 0x1000)
    }

    #[test]
    fn branches_name_the_blocks_they_reach() {
        let listing = listing(&LOOP);
        let shape: Vec<_> = listing
            .blocks
            .iter()
            .map(|b| (b.label.as_str(), b.lines[0].offset, b.next.join(" "), b.last().text.clone()))
            .collect();
        let row = |label, offset, next: &str, last: &str| (label, offset, next.to_owned(), last.to_owned());
        assert_eq!(
            shape,
            [
                row("L0", 0, "L2 L1", "s_cbranch_scc1 L2"),
                row("L1", 8, "L0", "s_branch L0"),
                row("L2", 12, "", "s_endpgm"),
                row("L3", 16, "", ".long 0xffffffff"),
            ]
        );
        assert_eq!(listing.matrix_instructions(), 0);
    }

    #[test]
    fn a_target_in_another_routine_stays_a_number() {
        // Over the end.
        let listing = listing(&[0xbf82_0010, 0xbf81_0000]);
        assert_eq!(listing.blocks[0].lines[0].text, "s_branch 16");
        assert_eq!(listing.blocks[0].next, Vec::<String>::new());
    }

    #[test]
    fn bytes_that_end_within_an_instruction_are_data() {
        let listing = Listing::new(&[0x00, 0x00, 0x81, 0xbf, 0x01, 0x02], 0);
        let texts: Vec<_> = listing.lines().map(|l| l.text.as_str()).collect();
        assert_eq!(texts, ["s_endpgm", ".long 0x00000201"]);
        assert_eq!(Listing::new(&[], 0).blocks, []);
    }
}
