//! Kernels with one mistake each: `check` must fail, and point at it.

use std::sync::LazyLock;

use mi355x::exit;
use serde_json::Value;

use crate::command::{Mi355x, broken};

/// Compiled once for all tests of this file.
static CACHE: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());

/// The first case's finding of that kind, and the whole text that a person sees.
fn finding(kernel: &str, kind: &str) -> (Value, String) {
    let name = format!("quant/{kernel}");
    let check = |json: &[&str]| {
        let mut arguments = vec!["check", &name, "--no-store", "--instruction-budget", "1000000"];
        arguments.extend(json);
        Mi355x::new(&arguments)
            .arg("--kernels")
            .arg(broken())
            .arg("--cache")
            .arg(CACHE.path())
            // One host thread: "in order" is then also the order of the workgroups' atomics.
            .env("MI355X_VIRTUAL_THREADS", "1")
            .run()
            .expect(exit::CHECK_FAILED)
    };
    let text = check(&[]).stdout;
    let document = check(&["--json"]).json();
    let findings: Vec<_> = document["content"]["kernels"][0]["verdicts"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|v| v["findings"].as_array().unwrap())
        .collect();
    let found = findings.iter().find(|f| f["kind"] == kind);
    let found = found.unwrap_or_else(|| panic!("no {kind} in {findings:#?}\n{text}"));
    ((*found).clone(), text)
}

/// A fault names kernel, place, instruction and wave, in the document and in the text.
fn fault(kernel: &str, kind: &str, instruction: &str) -> (Value, String) {
    let (finding, text) = finding(kernel, "fault");
    let fault = finding["fault"].clone();
    assert_eq!(fault["kind"], kind, "{fault:#}");
    assert_eq!(fault["kernel"], "quantise_mxfp4", "{fault:#}");
    assert!(fault["pc"].as_u64().unwrap() > fault["offset"].as_u64().unwrap(), "{fault:#}");
    assert!(fault["instruction"].as_str().unwrap().starts_with(instruction), "{fault:#}");
    assert!(fault["wave"].is_u64() && fault["workgroup"][0] == 0, "{fault:#}");
    let place =
        format!("in kernel quantise_mxfp4 at +{:#x} `{instruction}", fault["offset"].as_u64().unwrap());
    assert!(text.contains(&place), "{place} is not in\n{text}");
    (fault, text)
}

#[test]
fn the_kernel_without_mistake_passes() {
    // Otherwise the tests below would prove nothing about their mistakes.
    Mi355x::new(&["check", "quant/right", "--no-store"])
        .arg("--kernels")
        .arg(broken())
        .arg("--cache")
        .arg(CACHE.path())
        .run()
        .expect(exit::SUCCESS);
}

#[test]
fn a_wrong_rounding_mode_shows_as_a_wrong_scale() {
    let (finding, text) = finding("wrong_rounding", "wrong");
    let worst = &finding["worst"];
    assert_eq!((&worst["what"], &finding["oracle"]), (&"scale".into(), &"reference".into()), "{finding:#}");
    // Rounded down where it must step up: one less.
    let number = |key: &str| worst[key].as_str().unwrap().parse::<u8>().unwrap();
    assert_eq!(number("actual"), number("expected") - 1, "{finding:#}");
    let place = format!(
        "worst: scale of row {}, group {} is {}, not {}",
        worst["row"],
        worst["column"],
        number("actual"),
        number("expected")
    );
    assert!(text.contains(&place), "{place} is not in\n{text}");
}

#[test]
fn a_wrong_nibble_order_shows_as_wrong_elements() {
    let (finding, text) = finding("nibble_order", "wrong");
    let worst = &finding["worst"];
    assert_eq!(worst["what"], "element", "{finding:#}");
    let place = format!("worst: element (row {}, column {}) is ", worst["row"], worst["column"]);
    assert!(text.contains(&place), "{place} is not in\n{text}");
}

#[test]
fn a_row_past_the_end_is_a_fault_at_its_store() {
    let (fault, _) = fault("row_past_end", "out-of-bounds", "global_store_byte");
    assert!(fault["message"].as_str().unwrap().contains("past the end of"), "{fault:#}");
    assert!(
        fault["address"].as_u64().is_some() && fault["lanes"].as_array().unwrap().len() == 1,
        "{fault:#}"
    );
}

#[test]
fn a_barrier_that_a_wave_skips_is_a_fault_at_the_barrier() {
    let (fault, _) = fault("skipped_barrier", "barrier-divergence", "s_barrier");
    assert!(fault["message"].as_str().unwrap().contains("wave 0 ended"), "{fault:#}");
}

#[test]
fn a_store_behind_the_lds_is_a_fault() {
    let (fault, _) = fault("lds_past_end", "lds-out-of-bounds", "ds_write_b32");
    assert!(fault["message"].as_str().unwrap().contains("beyond the workgroup's 1024 bytes"), "{fault:#}");
}

#[test]
fn an_endless_loop_is_a_fault_within_it() {
    let (fault, _) = fault("endless_loop", "budget", "");
    assert!(fault["message"].as_str().unwrap().contains("endless loop"), "{fault:#}");
}

/// A difference between two schedules, which the message names; the one that differs.
fn schedule(kernel: &str) -> (Value, String) {
    let (finding, text) = finding(kernel, "schedule");
    let name = |key: &str| finding[key].as_str().unwrap().to_owned();
    let (base, schedule) = (name("base"), name("schedule"));
    assert_eq!(base, "in order", "{finding:#}");
    assert!(schedule.starts_with("random order 0x"), "{finding:#}");
    let place = format!(
        "{} differs between schedules: byte {} of row {} is {:#04x} under \"{base}\" and {:#04x} under \"{schedule}\"",
        name("output"),
        finding["byte"],
        finding["row"],
        finding["first"].as_u64().unwrap(),
        finding["other"].as_u64().unwrap()
    );
    assert!(text.contains(&place), "{place} is not in\n{text}");
    (finding, text)
}

#[test]
fn a_removed_barrier_shows_in_another_order_of_waves() {
    schedule("missing_barrier");
}

#[test]
fn a_float_sum_in_no_order_shows_in_another_order_of_workgroups() {
    let (finding, _) = schedule("float_sum");
    assert_eq!(
        (&finding["output"], &finding["row"], &finding["byte"]),
        (&"scales".into(), &0.into(), &0.into())
    );
}

#[test]
fn a_missing_wait_shows_when_results_come_late() {
    let (finding, text) = schedule("missing_wait");
    assert!(finding["schedule"].as_str().unwrap().ends_with("late results"), "{finding:#}");
    // In order, with results at once, this kernel is right: only the late run tells.
    assert!(!text.contains("differ from the reference"), "{text}");
}

#[test]
fn a_kernel_that_relies_on_one_way_of_rounding_shows_in_the_envelope() {
    let check = |arguments: &[&str]| {
        let mut all = vec!["check", "quant/matrix_sum", "quant/right", "--no-store"];
        all.extend(arguments);
        Mi355x::new(&all)
            .arg("--kernels")
            .arg(broken())
            .arg("--cache")
            .arg(CACHE.path())
            .run()
            .expect(exit::SUCCESS)
    };
    let document = check(&["--numerics", "envelope", "--json"]).json();
    let [right, matrix_sum] = ["quant/right", "quant/matrix_sum"].map(|name| {
        let kernels = document["content"]["kernels"].as_array().unwrap();
        kernels.iter().find(|kernel| kernel["kernel"] == name).unwrap()
    });
    let spreads = |kernel: &Value| -> Vec<Value> {
        let verdicts = kernel["verdicts"].as_array().unwrap();
        verdicts.iter().flat_map(|v| v["spreads"].as_array().unwrap().clone()).collect()
    };
    assert_eq!((&right["matrix_instructions"], spreads(right)), (&false.into(), vec![]));
    assert_eq!(matrix_sum["matrix_instructions"], true);
    let spreads = spreads(matrix_sum);
    let of = |policy: &str, output: &str| {
        let all = spreads.iter().filter(|s| s["policy"] == policy && s["output"] == output);
        let sum = |key: &str| all.clone().map(|s| s[key].as_u64().unwrap()).sum::<u64>();
        let steps = all.clone().map(|s| s["max_steps"].as_u64().unwrap()).max().unwrap();
        (sum("elements"), sum("differing"), steps)
    };
    for policy in ["cdna3-truncating", "fma-chain"] {
        assert_eq!((of(policy, "scales").1, of(policy, "data").1), (0, 0), "{policy}");
    }
    let (scales, differing, steps) = of("exact-block", "scales");
    // All but the largest and NaN.
    assert!(differing > scales / 2 && differing < scales && steps == 1, "{differing} of {scales}, {steps}");
    assert_eq!(of("exact-block", "data").1, 0);

    let text = check(&["--numerics", "envelope"]).stdout;
    for part in [
        "against the device's own policy for sums of matrix instructions:",
        "1 kernel(s) without matrix instructions: the same under every policy, none was tried",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(!check(&[]).stdout.contains("polic"));
}

#[test]
fn the_first_failure_ends_a_check_unless_it_keeps_going() {
    let check = |keep_going: &[&str]| {
        let mut arguments = vec!["check", "nibble_order", "wrong_rounding", "--no-store", "--json"];
        arguments.extend(keep_going);
        let outcome =
            Mi355x::new(&arguments).arg("--kernels").arg(broken()).arg("--cache").arg(CACHE.path()).run();
        outcome.expect(exit::CHECK_FAILED).json()["content"]["summary"].clone()
    };
    let (first, all) = (check(&[]), check(&["--keep-going"]));
    assert_eq!(
        (&first["kernels"], &first["kernels_skipped"], &first["cases_wrong"]),
        (&1.into(), &1.into(), &1.into())
    );
    assert_eq!(
        (&all["kernels"], &all["kernels_wrong"], &all["kernels_skipped"]),
        (&2.into(), &2.into(), &0.into())
    );
    assert!(all["cases"].as_u64() > first["cases"].as_u64());
}
