//! The ledger of this repository's kernels: what they rest on beyond the ISA.

use std::path::Path;

use mi355x::exit;
use serde_json::Value;

use crate::command::Mi355x;

/// One kernel of each kind.
const KERNELS: [&str; 11] = [
    "quant/mxfp4_bf16_even_raw",
    "quant/dequantise_raw",
    "quant/silu_mul_bf16_even_raw",
    "quant/rms_norm_bf16_even_raw",
    "quant/fp8_bf16_token",
    "quant/fp8_bf16_block128",
    "quant/fp8_bf16_tensor",
    "quant/tensor_amax_bf16",
    "quant/weights_shuffle",
    "quant/scales_shuffle",
    "quant/scales_unshuffle",
];

/// The kernel and a line for each mnemonic that is not exact, with its reach. Counts are left out: they differ
/// between compilers.
fn lines(kernel: &Value) -> String {
    let mut text = format!("{}\n", kernel["kernel"].as_str().unwrap());
    for entry in kernel["ledger"].as_array().unwrap() {
        if entry["class"] == "exact" {
            continue;
        }
        let reached = ["address", "branch"].into_iter().filter(|key| !entry[key].is_null());
        let reached = reached.chain((entry["output"] == true).then_some("output"));
        let words = ["mnemonic", "class"].map(|key| entry[key].as_str().unwrap());
        text += &format!("  {}: {}\n", words.join(" "), reached.collect::<Vec<_>>().join(", "));
    }
    text
}

/// `tests/data/ledger.txt` has the answer; `MI355X_BLESS=1` writes it anew.
#[test]
fn the_ledger_of_our_kernels() {
    let mut arguments = vec!["check", "--no-store", "--json", "--schedules", "3", "--ledger"];
    arguments.extend(KERNELS);
    let document = Mi355x::new(&arguments).run().expect(exit::SUCCESS).json();
    let kernels = document["content"]["kernels"].as_array().unwrap();
    let of = |name: &&str| kernels.iter().find(|kernel| kernel["kernel"] == **name);
    let found: String =
        KERNELS.iter().map(|name| lines(of(name).unwrap_or_else(|| panic!("{name} is missing")))).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/ledger.txt");
    if std::env::var_os("MI355X_BLESS").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    assert_eq!(found, std::fs::read_to_string(path).unwrap());
}
