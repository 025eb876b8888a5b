//! MXFP4 blocks and byte layouts against AITER's golden vectors: tests/data/PROVENANCE.md says how they were made.

use numerics::bf16;
use numerics::layout::{ScaleShuffle, WeightShuffle};
use numerics::mx::{self, Mxfp4Block, Mxfp4Rule, ScaleRounding};

const QUANT: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/golden_mxfp4_quant.csv"));
const LAYOUTS: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/golden_layouts.csv"));

fn mode(name: &str) -> ScaleRounding {
    match name {
        "floor" => ScaleRounding::RoundDown,
        "roundup" => ScaleRounding::RoundUp,
        "even" => ScaleRounding::Even,
        "ceil" => ScaleRounding::Ceil,
        "legacy15" => ScaleRounding::Legacy,
        _ => panic!("unknown rounding mode {name}"),
    }
}

#[test]
fn all_320_blocks_quantise_as_in_aiter() {
    let mut checked = 0;
    for line in QUANT.lines().skip(1) {
        let columns: Vec<&str> = line.split(',').collect();
        let [name, mode_name, inputs, amax, scale, packed] = columns[..] else { panic!("{line}") };
        let block: [f32; mx::BLOCK] = std::array::from_fn(|i| {
            bf16::to_f32(u16::from_str_radix(&inputs[4 * i..4 * i + 4], 16).unwrap())
        });
        assert_eq!(mx::amax(&block), amax.parse().unwrap(), "{name}");
        let expected = Mxfp4Block {
            scale: scale.parse().unwrap(),
            data: std::array::from_fn(|i| u8::from_str_radix(&packed[2 * i..2 * i + 2], 16).unwrap()),
        };
        let quantised = mx::quantise_mxfp4(&block, &Mxfp4Rule::new(mode(mode_name)));
        assert_eq!(quantised, expected, "{name} under {mode_name}");
        checked += 1;
    }
    assert_eq!(checked, 320);
}

#[test]
fn all_3072_bytes_move_as_in_aiter() {
    let scales = ScaleShuffle::sorted(64, 16);
    let weights = WeightShuffle::new(32, 64).unwrap();
    let mut checked = 0;
    for line in LAYOUTS.lines().skip(1) {
        let columns: Vec<&str> = line.split(',').collect();
        let [row, column, destination] = [2, 3, 4].map(|i| columns[i].parse::<usize>().unwrap());
        let (index, back) = match columns[0] {
            "e8m0_shuffle" => (scales.index(row, column), scales.coordinates(destination)),
            "shuffle_weight_16_16" => (weights.index(row, column), weights.coordinates(destination)),
            other => panic!("unknown layout {other}"),
        };
        assert_eq!(index, destination, "{line}");
        assert_eq!(back, (row, column), "{line}");
        checked += 1;
    }
    assert_eq!(checked, 3072);
}
