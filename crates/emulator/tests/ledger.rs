//! The fidelity ledger of compiled kernels: each sends an assumed result to another place.

use std::{path::Path, sync::OnceLock};

use emulator::{Device, DeviceConfig, Fidelity, Launch, Ledger, MfmaPolicy, Module, Reach, RunOptions};

#[path = "kernels/compile.rs"]
mod compile;

fn image() -> &'static [u8] {
    static IMAGE: OnceLock<Vec<u8>> = OnceLock::new();
    IMAGE.get_or_init(|| {
        compile::compile("ledger", Path::new(env!("CARGO_TARGET_TMPDIR")))
            .expect("no hipcc: `cargo build` in the workspace fetches one, or set ROCM_PATH")
    })
}

struct Rig {
    device: Device,
    module: Module,
    first: u64,
    second: u64,
    out: u64,
}

impl Rig {
    /// Two inputs and an output of 4 KiB each; the inputs hold dwords by index.
    fn new(first: impl Fn(u32) -> u32, second: impl Fn(u32) -> u32) -> Rig {
        let device = Device::new(DeviceConfig { memory_bytes: 1 << 32 });
        let module = device.load(image()).expect("loads");
        let place = |content: &dyn Fn(u32) -> u32| {
            let bytes: Vec<u8> = (0..1024).flat_map(|i| content(i).to_le_bytes()).collect();
            let address = device.memory().alloc(4096).expect("fits");
            device.memory().write(address, &bytes).expect("its own");
            address
        };
        let (first, second, out) = (place(&first), place(&second), place(&|_| 0));
        Rig { device, module, first, second, out }
    }

    /// Float exponents and a table of integers.
    fn floats() -> Rig {
        Rig::new(|i| (i as f32 / 16.0).to_bits(), |i| 3 * i)
    }

    fn run(&self, kernel: &str, options: RunOptions) -> (Option<Ledger>, Vec<u32>) {
        let kernarg: Vec<u8> =
            [self.first, self.second, self.out].iter().flat_map(|a| a.to_le_bytes()).collect();
        let launch =
            Launch { grid: [2, 1, 1], block: [64, 1, 1], dynamic_lds: 0, kernarg: &kernarg, options };
        let report = self.device.launch(&self.module, kernel, &launch).expect("runs");
        let mut bytes = vec![0; 4096];
        self.device.memory().read(self.out, &mut bytes).expect("allocated");
        let words = bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect();
        (report.ledger, words)
    }

    fn ledger(&self, kernel: &str) -> Ledger {
        self.run(kernel, RunOptions { ledger: true, ..RunOptions::default() }).0.expect("asked for")
    }
}

/// Reach of `v_exp_f32` in a kernel.
fn reach(kernel: &str) -> Reach {
    let ledger = Rig::floats().ledger(kernel);
    assert!(!ledger.is_exact(), "{ledger:#?}");
    let entry = ledger.entry("v_exp_f32").expect("executed");
    assert_eq!((entry.judgement.fidelity, entry.count), (Fidelity::Assumed, 2), "one wave of two workgroups");
    for other in ledger.entries.iter().filter(|other| other.mnemonic != entry.mnemonic) {
        assert_eq!(other.judgement.fidelity, Fidelity::Exact, "{other:?}");
        assert_eq!(other.reach, Reach::default(), "{other:?}");
    }
    entry.reach.clone()
}

#[test]
fn an_exponential_that_selects_an_address() {
    let reach = reach("to_address");
    let site = reach.address.as_ref().expect("the table's address");
    assert!(site.text.starts_with("global_load_dword ") && site.offset > 0, "{site:?}");
    assert_eq!(reach.branch, None);
    assert!(reach.output, "what was loaded from there is stored");
}

#[test]
fn an_exponential_that_decides_a_branch() {
    let reach = reach("to_branch");
    let site = reach.branch.as_ref().expect("EXEC or a branch");
    assert!(site.text.contains("exec") || site.text.starts_with("s_cbranch"), "{site:?}");
    assert_eq!((reach.address.as_ref(), reach.output), (None, false), "no address, no data");
}

#[test]
fn an_exponential_that_is_only_stored() {
    assert_eq!(reach("to_output"), Reach { output: true, ..Reach::default() });
}

#[test]
fn results_are_followed_through_lds_and_memory_to_an_address() {
    for (kernel, load) in [("through_lds", "global_load_dword "), ("through_memory", "global_load_dword ")] {
        let reach = reach(kernel);
        let site = reach.address.as_ref().unwrap_or_else(|| panic!("{kernel}: {reach:?}"));
        assert!(site.text.starts_with(load), "{kernel}: {site:?}");
        assert_eq!(reach.branch, None, "{kernel}");
    }
}

#[test]
fn what_is_overwritten_is_forgotten() {
    assert_eq!(reach("overwritten_in_lds"), Reach::default());
}

#[test]
fn integer_kernels_are_exact() {
    let rig = Rig::new(|i| i.wrapping_mul(2_654_435_761) >> 3, |i| 0x0102_0304 * (i % 7));
    for kernel in ["integers", "integer_matrix"] {
        let ledger = rig.ledger(kernel);
        assert!(ledger.is_exact() && ledger.entries.len() > 5, "{kernel}: {ledger:#?}");
    }
}

#[test]
fn the_order_of_a_float_sum_is_assumed_and_stored() {
    let ledger = Rig::floats().ledger("unordered_sum");
    let entry = ledger.entry("global_atomic_add_f32").expect("executed");
    assert_eq!(entry.judgement.fidelity, Fidelity::Assumed);
    assert!(entry.reach.output && !entry.reach.is_control(), "{entry:?}");
}

#[test]
fn a_matrix_kernel_depends_on_the_policy_and_says_so() {
    // Halves that cancel down to the smallest bits of a product.
    let halves = |i: u32| 0x3c01_0000 | (0x1001 + 37 * i % 0x3000) | (i & 1) << 31;
    let rig = Rig::new(halves, |i| halves(i.wrapping_mul(5) + 3));
    let run = |mfma| rig.run("matrix", RunOptions { ledger: true, mfma, ..RunOptions::default() });
    let (ledger, exact) = run(MfmaPolicy::ExactBlock);
    let (_, chained) = run(MfmaPolicy::FmaChain);
    assert_ne!(exact[..256], chained[..256], "the policies round differently");
    let ledger = ledger.expect("asked for");
    let entry = ledger.entry("v_mfma_f32_16x16x32_f16").expect("executed");
    assert!(entry.judgement.by_policy && entry.reach.output && !entry.reach.is_control(), "{entry:?}");
}

#[test]
fn the_ledger_changes_no_result_and_counts_every_instruction() {
    let rig = Rig::floats();
    for kernel in ["to_address", "to_branch", "through_lds", "integers"] {
        let (none, plain) = rig.run(kernel, RunOptions::default());
        let (ledger, observed) = rig.run(kernel, RunOptions { ledger: true, ..RunOptions::default() });
        assert_eq!((none, plain), (None, observed), "{kernel}");
        let ledger = ledger.expect("asked for");
        let launch = |ledger| RunOptions {
            ledger,
            delivery: emulator::Delivery::Poisoned,
            seed: Some(3),
            ..RunOptions::default()
        };
        let (again, late) = rig.run(kernel, launch(true));
        assert_eq!((again.as_ref(), late), (Some(&ledger), rig.run(kernel, launch(false)).1), "{kernel}");
    }
}

#[test]
fn launches_of_one_kernel_add_up() {
    let rig = Rig::floats();
    let (mut sum, one) = (rig.ledger("to_address"), rig.ledger("to_address"));
    sum.merge(one.clone());
    assert_eq!(sum.entries.len(), one.entries.len());
    for (sum, one) in sum.entries.iter().zip(&one.entries) {
        assert_eq!((sum.mnemonic, sum.count, &sum.reach), (one.mnemonic, 2 * one.count, &one.reach));
    }
    sum.merge(rig.ledger("to_branch"));
    let reach = &sum.entry("v_exp_f32").expect("executed").reach;
    assert!(reach.address.is_some() && reach.branch.is_some());
}

/// Of a dword of a 64-bit result those dwords of the sources are marked that it follows from, and no others.
#[test]
fn carries_and_shifts_move_marks_one_way() {
    for kernel in ["high_stays_out_of_low", "low_stays_out_of_shifted_high"] {
        assert_eq!(reach(kernel), Reach::default(), "{kernel}");
    }
    for kernel in [
        "low_carries_in_a_sum",
        "low_carries_in_a_product",
        "low_moves_left",
        "high_moves_right",
        "low_stays_low",
        "high_stays_high",
        "a_factor_is_in_both_low",
        "a_factor_is_in_both_high",
        "an_amount_is_in_both_low",
        "an_amount_is_in_both_high",
        "carry_in_vcc",
    ] {
        assert!(reach(kernel).address.is_some(), "{kernel}");
    }
}

/// Who came when is assumed; how many came is not, and who came last is.
#[test]
fn an_old_value_is_assumed_and_a_sum_of_integers_is_not() {
    let entry = |kernel: &str, mnemonic: &str| {
        let ledger = Rig::floats().ledger(kernel);
        let entry = ledger.entry(mnemonic).unwrap_or_else(|| panic!("{kernel}: {ledger:#?}")).clone();
        assert_eq!(entry.judgement.fidelity, Fidelity::Assumed, "{kernel}");
        entry.reach
    };
    assert!(entry("tickets", "global_atomic_add").address.is_some());
    let stored = Reach { output: true, ..Reach::default() };
    assert_eq!(entry("number_of_tickets", "ds_add_rtn_u32"), stored, "the ticket itself is stored");
    assert!(entry("exchanged", "ds_wrxchg_rtn_b32").address.is_some());
}
