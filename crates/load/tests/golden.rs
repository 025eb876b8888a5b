//! Prompts and statistics against the reference clients' own code.

use std::path::{Path, PathBuf};

use load::{HuggingFace, RandomState, Repair, Samples, Shape, Tokenizer, Workload};
use serde_json::Value;
use sha2::{Digest, Sha256};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn golden() -> Value {
    serde_json::from_slice(&std::fs::read(data("golden.json")).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|n| usize::try_from(n.as_u64().unwrap()).unwrap()).collect()
}

#[test]
fn prompts_are_the_references() {
    let tokenizer = HuggingFace::open(&data("tokenizer")).unwrap();
    assert_eq!(tokenizer.vocabulary(), 700, "added tokens are not of the base vocabulary");
    for case in golden()["cases"].as_array().unwrap() {
        let number = |key: &str| usize::try_from(case[key].as_u64().unwrap()).unwrap();
        let shape = Shape {
            input_len: number("input_len"),
            output_len: number("output_len"),
            range_ratio: case["range_ratio"].as_f64().unwrap(),
            prompts: number("prompts"),
            seed: 0,
            chat_template: case["chat_template"].as_bool().unwrap(),
            repair: match case["repair"].as_str().unwrap() {
                "once" => Repair::Once,
                _ => Repair::UpToTenTimes,
            },
        };
        let prompts = Workload::make(&shape, &tokenizer).unwrap().prompts;
        let input: Vec<_> = prompts.iter().map(|p| p.input_tokens).collect();
        let output: Vec<_> = prompts.iter().map(|p| p.output_tokens).collect();
        assert_eq!(input, numbers(&case["input_tokens"]), "{shape:?}");
        assert_eq!(output, numbers(&case["output_tokens"]), "{shape:?}");
        for (prompt, hash) in prompts.iter().zip(case["sha256"].as_array().unwrap()) {
            let found: String = Sha256::digest(&prompt.text).iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!(found, hash.as_str().unwrap(), "{shape:?}: {:?}", prompt.text);
        }
    }
}

#[test]
fn statistics_are_numpys_to_the_bit() {
    for case in golden()["statistics"].as_array().unwrap() {
        let seed = u32::try_from(case["seed"].as_u64().unwrap()).unwrap();
        let count = usize::try_from(case["count"].as_u64().unwrap()).unwrap();
        let words = RandomState::new(seed).several(count, 0, (1 << 31) - 2);
        #[allow(clippy::cast_precision_loss)]
        let samples = Samples::new(words.into_iter().map(|w| w as f64 / 1e9).collect());
        let same = |name: &str, found: f64, bits: &Value| {
            assert_eq!(found.to_bits(), bits.as_u64().unwrap(), "{name} of {count}: {found}");
        };
        same("mean", samples.mean(), &case["mean"]);
        same("std", samples.deviation(), &case["std"]);
        same("median", samples.median(), &case["median"]);
        for pair in case["percentiles"].as_array().unwrap() {
            same("percentile", samples.percentile(pair[0].as_f64().unwrap()), &pair[1]);
        }
    }
}

#[test]
fn what_is_no_tokeniser_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let error = HuggingFace::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("tokenizer.json; give the folder"), "{error}");
    std::fs::write(folder.path().join("tokenizer.json"), "{}").unwrap();
    let error = HuggingFace::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("is no tokeniser"), "{error}");
    std::fs::copy(data("tokenizer/tokenizer.json"), folder.path().join("tokenizer.json")).unwrap();
    let without_template = HuggingFace::open(folder.path()).unwrap();
    let error = without_template.chat("a").unwrap_err().to_string();
    assert!(error.contains("tokenizer_config.json has none"), "{error}");
    assert!(without_template.decode(&[5000]).is_ok_and(|text| text.is_empty()), "unknown ids have no text");
}
