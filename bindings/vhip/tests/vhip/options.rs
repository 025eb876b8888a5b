//! Options: how one kernel runs under several schedules, and what is refused.

use hip::{DeviceBuffer, Error, LaunchConfig, Stream};

use crate::rig::Rig;

/// The tickets that 32 waves took, in wave order.
fn tickets(rig: &Rig) -> Vec<u32> {
    let function = rig.module().function("tickets").unwrap();
    let counter = DeviceBuffer::<u32>::from_slice(&rig.device, &[0]).unwrap();
    let out = DeviceBuffer::<u32>::from_slice(&rig.device, &[u32::MAX; 32]).unwrap();
    let arguments = [counter.address(), out.address()];
    // SAFETY: two addresses are the kernel's parameters; 8 workgroups of 4 waves take 32 tickets.
    unsafe { function.launch(LaunchConfig::new(8, 256), &Stream::null(&rig.device), &arguments) }.unwrap();
    let taken = out.as_slice().to_vec().unwrap();
    let mut sorted = taken.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..32).collect::<Vec<u32>>(), "every ticket once");
    taken
}

#[test]
fn the_seed_is_the_schedule() {
    let rig = Rig::with_options(&[("threads", "1")]);
    let in_order = tickets(&rig);
    assert_eq!(in_order, (0..32).collect::<Vec<u32>>());
    rig.runtime.set_option("seed", "1").unwrap();
    let one = tickets(&rig);
    assert_eq!(tickets(&rig), one, "the same seed is the same order");
    rig.runtime.set_option("seed", "18446744073709551615").unwrap();
    let other = tickets(&rig);
    assert!(one != in_order && other != in_order && one != other, "{one:?}, {other:?}");
    assert_eq!(rig.runtime.last_report().unwrap().unwrap()["options"]["seed"], u64::MAX);
    rig.runtime.set_option("seed", "none").unwrap();
    assert_eq!(tickets(&rig), in_order);
}

#[test]
fn late_delivery_shows_a_missing_wait() {
    let rig = Rig::new();
    let module = rig.module();
    let input: Vec<i32> = (100..164).collect();
    let right: Vec<i32> = (101..165).collect();
    let source = DeviceBuffer::from_slice(&rig.device, &input).unwrap();
    let run = |kernel: &str| {
        let out = DeviceBuffer::<i32>::from_slice(&rig.device, &[0; 64]).unwrap();
        let arguments = [source.address(), out.address()];
        let function = module.function(kernel).unwrap();
        // SAFETY: two addresses are the kernel's parameters.
        unsafe { function.launch(LaunchConfig::new(1, 64), &Stream::null(&rig.device), &arguments) }.unwrap();
        out.as_slice().to_vec().unwrap()
    };
    assert_eq!(run("missing_wait"), right, "on a fast memory the bug does not show");
    rig.runtime.set_option("late_delivery", "1").unwrap();
    assert_ne!(run("missing_wait"), right);
    assert_eq!(run("waited"), right);
    rig.runtime.set_option("late_delivery", "0").unwrap();
    assert_eq!(run("missing_wait"), right);
}

#[test]
fn the_policy_decides_how_matrix_products_accumulate() {
    let rig = Rig::new();
    let module = rig.module();
    let sum = |policy: &str| {
        rig.runtime.set_option("mfma", policy).unwrap();
        let mfma_sum = module.function("mfma_sum").unwrap();
        let out = DeviceBuffer::<f32>::from_slice(&rig.device, &[0.0; 64]).unwrap();
        let stream = Stream::null(&rig.device);
        // SAFETY: one address is the kernel's parameter.
        unsafe { mfma_sum.launch(LaunchConfig::new(1, 64), &stream, &out.address()) }.unwrap();
        let sums = out.as_slice().to_vec().unwrap();
        assert!(sums.iter().all(|sum| *sum == sums[0]), "{sums:?}");
        sums[0]
    };
    // 31 * 2^-25 is 7.75 units in the last place of 1.
    assert_eq!(sum("exact-block"), 1.0 + 8.0 * f32::EPSILON);
    assert_eq!(sum("fma-chain"), 1.0);
}

#[test]
fn the_ledger_is_in_the_report_the_extension_and_the_file() {
    let rig = Rig::new();
    let mfma_sum = rig.module().function("mfma_sum").unwrap();
    let out = DeviceBuffer::<f32>::from_slice(&rig.device, &[0.0; 64]).unwrap();
    let launch = || {
        let stream = Stream::null(&rig.device);
        // SAFETY: one address is the kernel's parameter.
        unsafe { mfma_sum.launch(LaunchConfig::new(1, 64), &stream, &out.address()) }.unwrap();
        rig.runtime.last_report().unwrap().unwrap()["ledger"].clone()
    };
    type Ledger = unsafe extern "C" fn(*mut std::ffi::c_char, usize) -> std::ffi::c_int;
    let ledger: Ledger = crate::symbols::function(&rig, c"vhipLedger");
    let all = || {
        // SAFETY: without a buffer only the length is asked for.
        let length = unsafe { ledger(std::ptr::null_mut(), 0) };
        let mut text = vec![0u8; length as usize + 1];
        // SAFETY: the buffer has its length.
        unsafe { ledger(text.as_mut_ptr().cast(), text.len()) };
        text.pop();
        text
    };
    assert_eq!(launch(), serde_json::Value::Null, "off by default");
    assert!(all().is_empty(), "no launch had one");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.json");
    rig.runtime.set_option("ledger", file.to_str().unwrap()).unwrap();
    let report = launch();
    let entry =
        report.as_array().unwrap().iter().find(|e| e["mnemonic"] == "v_mfma_f32_16x16x32_bf16").unwrap();
    assert_eq!((&entry["class"], &entry["by_policy"]), (&"assumed".into(), &true.into()), "{entry:#}");
    assert_eq!(
        (&entry["count"], &entry["output"], &entry["branch"]),
        (&1.into(), &true.into(), &serde_json::Value::Null)
    );
    launch();
    let document: serde_json::Value = serde_json::from_slice(&all()).unwrap();
    let kernel = &document["kernels"][0];
    assert_eq!((&kernel["kernel"], &kernel["launches"]), (&"mfma_sum".into(), &2.into()), "{document:#}");
    let sum = kernel["instructions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|e| e["mnemonic"] == entry["mnemonic"])
        .unwrap();
    assert_eq!(sum["count"], 2);
    let written: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(written, document);
    rig.runtime.set_option("ledger", "0").unwrap();
    assert_eq!((launch(), all().is_empty()), (serde_json::Value::Null, true));
}

#[test]
fn poisoned_memory_is_not_zero() {
    let rig = Rig::new();
    let fresh = |n| DeviceBuffer::<f32>::new(&rig.device, n).unwrap().to_vec().unwrap();
    assert_eq!(fresh(5), [0.0; 5]);
    rig.runtime.set_option("poison", "1").unwrap();
    assert!(fresh(5).iter().all(|value| value.is_nan()));
    assert!(DeviceBuffer::<u8>::new(&rig.device, 7).unwrap().to_vec().unwrap().iter().all(|byte| *byte != 0));
}

#[test]
fn divergent_barriers_can_be_accepted() {
    let rig = Rig::with_options(&[("divergent_barriers", "1")]);
    let diverge = rig.module().function("diverge").unwrap();
    let out = DeviceBuffer::<i32>::from_slice(&rig.device, &[0; 64]).unwrap();
    // SAFETY: one address is the kernel's parameter.
    unsafe { diverge.launch(LaunchConfig::new(1, 128), &Stream::null(&rig.device), &out.address()) }.unwrap();
    assert_eq!(out.as_slice().to_vec().unwrap(), [1; 64]);
}

#[test]
fn every_value_of_the_table_is_accepted_and_others_are_not() {
    let rig = Rig::new();
    let good = [
        ("seed", ["0", "none"]),
        ("late_delivery", ["stale", "after:3"]),
        ("late_delivery", ["1", "0"]),
        ("instruction_budget", ["1", "default"]),
        ("threads", ["1024", "all"]),
        ("mfma", ["exact-block", "cdna3-truncating"]),
        ("mfma", ["fma-chain", "mixed"]),
        ("divergent_barriers", ["0", "1"]),
        ("races", ["1", "0"]),
        ("poison", ["1", "0"]),
        ("ledger", ["1", "0"]),
    ];
    for (key, values) in good {
        for value in values {
            rig.runtime.set_option(key, value).unwrap();
        }
    }
    let bad = [
        ("seed", "-1"),
        ("late_delivery", "yes"),
        ("late_delivery", "after:-1"),
        ("instruction_budget", "0"),
        ("threads", "0"),
        ("mfma", "exact"),
        ("divergent_barriers", ""),
        ("ledger", ""),
        ("devices", "65"),
        ("sed", "1"),
    ];
    for (key, value) in bad {
        let error = rig.runtime.set_option(key, value).unwrap_err();
        assert!(matches!(error, Error::Setting { .. }), "{key} = {value}: {error}");
    }
    let error = rig.runtime.set_option("devices", "2").unwrap_err();
    assert!(matches!(error, Error::Setting { .. }), "the runtime has started: {error}");
}
