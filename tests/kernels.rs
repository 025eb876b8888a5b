//! The kernels of this repository, on the virtual device.

use mi355x::exit;
use mi355x::kernels::Kernels;
use serde_json::Value;

use crate::command::Mi355x;

#[test]
fn every_kernel_is_right() {
    let document =
        Mi355x::new(&["check", "--no-store", "--json", "--keep-going"]).run().expect(exit::SUCCESS).json();
    assert_eq!(document["version"], 2);
    let content = &document["content"];
    assert_eq!(content["device"]["kind"], "virtual");
    assert_eq!(content["device"]["times"], "modelled");
    let checked = content["kernels"].as_array().unwrap();
    assert_eq!(checked.len(), Kernels::built_in().instances.len());
    for kernel in checked {
        let verdicts = kernel["verdicts"].as_array().unwrap();
        assert!(verdicts.len() >= 6, "{} has {} cases", kernel["kernel"], verdicts.len());
        for verdict in verdicts {
            assert_eq!(
                (&verdict["schedules"], verdict["findings"].as_array().map(Vec::len)),
                (&4.into(), Some(0))
            );
            // An empty tensor has nothing to compare; every other case must have compared something.
            let values: u64 = verdict["comparisons"]
                .as_array()
                .unwrap()
                .iter()
                .map(|c| c["checked"].as_u64().unwrap())
                .sum();
            assert!(values > 0 || verdict["case"]["m"] == 0, "{verdict:#}");
        }
    }
}

#[test]
fn golden_results_are_a_second_oracle_where_they_apply() {
    let filters = ["mxfp4_bf16", "mxfp4_f32", "weights_", "scales_"];
    let mut arguments = vec!["check", "--no-store", "--json", "--schedules", "3"];
    arguments.extend(filters);
    let document = Mi355x::new(&arguments).run().expect(exit::SUCCESS).json();
    for kernel in document["content"]["kernels"].as_array().unwrap() {
        let golden = kernel["verdicts"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|v| v["comparisons"].as_array().unwrap())
            .filter(|c| c["oracle"] == "golden")
            .count();
        assert_eq!(golden, 1, "{}", kernel["kernel"]);
    }
}

#[test]
fn a_seed_decides_the_values_and_a_run_repeats() {
    let check = |seed: &str| -> Value {
        let arguments = ["check", "silu_mul_bf16_even_raw", "--no-store", "--json", "--seed", seed];
        let document = Mi355x::new(&arguments).run().expect(exit::SUCCESS).json();
        let verdicts = document["content"]["kernels"][0]["verdicts"].as_array().unwrap().clone();
        verdicts.into_iter().map(|mut v| v["comparisons"].take()).collect()
    };
    let (first, again, other) = (check("1"), check("1"), check("2"));
    assert_eq!(first, again);
    assert_ne!(first, other, "other values have other ambiguities");
}

#[test]
fn times_of_the_virtual_device_are_labelled_as_modelled() {
    let arguments = ["bench", "quant/mxfp4_bf16_even_raw", "--shape", "64", "512", "--no-store"];
    let text = Mi355x::new(&arguments).run().expect(exit::SUCCESS).stdout;
    let header = text.lines().find(|l| l.starts_with("kernel")).unwrap();
    for column in ["median", "GB/s", "GFLOP/s"] {
        assert!(header.contains(&format!("{column}, modelled")), "{header}");
    }
    assert!(!header.contains("measured"), "{header}");
    let document = Mi355x::new(&arguments).arg("--json").run().expect(exit::SUCCESS).json();
    let results = document["content"]["results"].as_array().unwrap();
    let modes: Vec<_> = results.iter().map(|r| r["mode"].as_str().unwrap()).collect();
    assert_eq!(modes, ["cold", "hot"]);
    for result in results {
        assert_eq!(result["times"], "modelled");
        assert!(result["median_ns"].as_f64().unwrap() > 0.0);
        let model = &result["model"];
        assert_eq!((&model["caches"], &model["ns"]), (&result["mode"], &result["median_ns"]));
        // No row of the calibration is a quantisation: the time must not look as good as theirs.
        assert_eq!(model["label"], "extrapolated");
        assert!(model["band"]["p90"].as_f64().unwrap() > 0.0 && model["model"].is_string());
        assert!(!model["reasons"].as_array().unwrap().is_empty());
        // [64, 512] bf16 in; half a byte each and one scale for 32 out.
        assert_eq!(result["bytes"], 64 * 512 * 2 + 64 * 512 / 2 + 64 * 512 / 32);
    }
}
