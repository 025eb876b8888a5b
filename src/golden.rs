//! Results of other implementations, which the reference has no part in. Their provenance is in
//! `tests/data/PROVENANCE.md`.

use std::sync::LazyLock;

use numerics::mx::ScaleRounding;

/// One block and what AITER makes of it under one rounding mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantised {
    /// E8M0 scale.
    pub scale: u8,
    /// 16 bytes, two E2M1 each, low nibble first.
    pub data: Vec<u8>,
}

/// A golden block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What it tries.
    pub name: String,
    /// 32 bf16.
    pub bits: Vec<u16>,
    /// Its quantised forms, by mode.
    pub results: Vec<(ScaleRounding, Quantised)>,
}

/// A golden permutation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shuffle {
    /// `e8m0_shuffle` of 64 × 16 bytes.
    Scales,
    /// `shuffle_weight((16, 16))` of 32 × 64 bytes.
    Weights,
}

/// The blocks of `golden_mxfp4_quant.csv`, in file order.
#[must_use]
pub fn blocks() -> &'static [Block] {
    static BLOCKS: LazyLock<Vec<Block>> =
        LazyLock::new(|| parse_blocks(include_str!("../tests/data/golden_mxfp4_quant.csv")));
    &BLOCKS
}

/// Row, column and destination byte of every source byte, of `golden_layouts.csv`.
#[must_use]
pub fn moves(shuffle: Shuffle) -> Vec<(usize, usize, usize)> {
    let prefix = match shuffle {
        Shuffle::Scales => "e8m0_shuffle,64x16,",
        Shuffle::Weights => "shuffle_weight_16_16,32x64 bytes,",
    };
    let lines = include_str!("../tests/data/golden_layouts.csv").lines();
    lines
        .filter_map(|line| line.strip_prefix(prefix))
        .map(|line| {
            let mut numbers = line.split(',').map(|n| n.parse().expect("a number in the golden file"));
            let mut next = || numbers.next().expect("three numbers in the golden file");
            (next(), next(), next())
        })
        .collect()
}

fn parse_blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for line in text.lines().skip(1) {
        let fields: Vec<_> = line.split(',').collect();
        let &[name, mode, bits, _, scale, data] = fields.as_slice() else {
            panic!("a line of the golden file has {} fields", fields.len());
        };
        let digits = |text: &str, size: usize| -> Vec<u16> {
            let chunks = text.as_bytes().chunks(size);
            chunks
                .map(|c| {
                    u16::from_str_radix(std::str::from_utf8(c).expect("ASCII"), 16).expect("hexadecimal")
                })
                .collect()
        };
        let result = Quantised {
            scale: scale.parse().expect("a scale byte"),
            data: digits(data, 2).into_iter().map(|b| b as u8).collect(),
        };
        let bits = digits(bits, 4);
        if blocks.last().is_none_or(|b| b.name != name || b.bits != bits) {
            blocks.push(Block { name: name.into(), bits, results: Vec::new() });
        }
        blocks.last_mut().expect("just pushed").results.push((mode_of(mode), result));
    }
    blocks
}

/// The file's names are AITER's.
fn mode_of(name: &str) -> ScaleRounding {
    match name {
        "roundup" => ScaleRounding::RoundUp,
        "even" => ScaleRounding::Even,
        "floor" => ScaleRounding::RoundDown,
        "ceil" => ScaleRounding::Ceil,
        "legacy15" => ScaleRounding::Legacy,
        other => panic!("the golden file names an unknown mode {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_whole() {
        assert_eq!(blocks().len(), 64);
        for block in blocks() {
            assert_eq!((block.bits.len(), block.results.len()), (32, 5), "{}", block.name);
            assert!(block.results.iter().all(|(_, r)| r.data.len() == 16));
        }
        assert_eq!((moves(Shuffle::Scales).len(), moves(Shuffle::Weights).len()), (64 * 16, 32 * 64));
    }
}
