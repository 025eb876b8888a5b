//! What a watched launch finds in kernels that keep or break the order of LDS accesses and loads.

use std::{path::Path, sync::OnceLock};

use emulator::{Device, DeviceConfig, Launch, Module, RaceKind, Races, RunOptions};

#[path = "kernels/compile.rs"]
mod compile;

/// The compiled kernels. A test without its compiler fails.
fn image() -> &'static [u8] {
    static IMAGE: OnceLock<Vec<u8>> = OnceLock::new();
    IMAGE.get_or_init(|| {
        compile::compile("races", Path::new(env!("CARGO_TARGET_TMPDIR")))
            .expect("no hipcc: `cargo build` in the workspace fetches one, or set ROCM_PATH")
    })
}

const THREADS: u32 = 128;

/// The kernel's output and races, with this order of the waves.
fn watched(kernel: &str, options: RunOptions) -> (Vec<i32>, Races) {
    let device = Device::new(DeviceConfig { memory_bytes: 1 << 30 });
    let module: Module = device.load(image()).expect("loads");
    let memory = device.memory();
    let (out, input) = (memory.alloc(4 * 128).expect("fits"), memory.alloc(4 * 160).expect("fits"));
    let numbers: Vec<u8> = (1000..1160_i32).flat_map(i32::to_le_bytes).collect();
    memory.write(input, &numbers).expect("its own");
    let kernarg = [out.to_le_bytes(), input.to_le_bytes()].concat();
    let launch =
        Launch { grid: [2, 1, 1], block: [THREADS, 1, 1], dynamic_lds: 0, kernarg: &kernarg, options };
    let (_, races) = device.launch_watching_races(&module, kernel, &launch, None).expect("runs");
    let mut bytes = vec![0; 4 * 128];
    memory.read(out, &mut bytes).expect("allocated");
    let words = bytes.chunks(4).map(|word| i32::from_le_bytes(word.try_into().expect("four")));
    (words.collect(), races)
}

/// The only kind of race in lockstep, and the mnemonics of the two instructions.
fn only(kernel: &str) -> (RaceKind, String, String) {
    let (_, races) = watched(kernel, RunOptions { turn: 1, ..RunOptions::default() });
    let mnemonic = |text: &str| text.split(' ').next().unwrap_or_default().to_owned();
    match &races.found[..] {
        [race] => (race.kind, mnemonic(&race.first.text), mnemonic(&race.second.text)),
        found => panic!("{kernel}: {found:#?}"),
    }
}

#[test]
fn what_keeps_the_order_is_clean_in_every_schedule() {
    for kernel in ["ordered", "bytes_and_atomics", "waited_lds", "counted"] {
        for options in [
            RunOptions::default(),
            RunOptions { turn: 1, ..RunOptions::default() },
            RunOptions { seed: Some(3), threads: 2, ..RunOptions::default() },
        ] {
            let (out, races) = watched(kernel, options);
            assert_eq!(races, Races::default(), "{kernel}");
            assert_ne!(out, [0; 128], "{kernel} ran");
        }
    }
}

#[test]
fn a_missing_barrier_is_named_with_both_instructions() {
    let expected = [
        ("read_after_write", RaceKind::ReadAfterWrite, "ds_write_b32", "ds_read_b32"),
        ("write_after_read", RaceKind::WriteAfterRead, "ds_read_b32", "ds_write_b32"),
        ("write_after_write", RaceKind::WriteAfterWrite, "ds_write_b32", "ds_write_b32"),
        ("through_flat", RaceKind::ReadAfterWrite, "flat_store_dword", "flat_load_dword"),
    ];
    for (kernel, kind, first, second) in expected {
        assert_eq!(only(kernel), (kind, first.to_owned(), second.to_owned()), "{kernel}");
    }
}

/// In lockstep every wave reads after both have written, so the result is right and the race is there all the same.
#[test]
fn a_race_is_found_where_its_result_is_right() {
    let lockstep = RunOptions { turn: 1, ..RunOptions::default() };
    let (out, races) = watched("read_after_write", lockstep);
    assert_eq!(out, (0..128).rev().collect::<Vec<i32>>());
    assert_eq!(races.found[0].kind, RaceKind::ReadAfterWrite);
    // Two workgroups, two waves, each reads the other's 64 words.
    assert_eq!(races.found.iter().map(|race| race.count).sum::<u64>(), 256);
    assert_eq!(races.found[0].workgroup, [0; 3]);
    // One after the other the first wave reads what the second has yet to write: the opposite order of the same two.
    let (out, races) = watched("read_after_write", RunOptions::default());
    assert_ne!(out, (0..128).rev().collect::<Vec<i32>>());
    assert!(races.found.iter().any(|race| race.kind == RaceKind::WriteAfterRead), "{races:?}");
}

#[test]
fn a_missing_wait_is_named_with_both_instructions() {
    let expected = [
        ("unwaited", RaceKind::UnwaitedLds, "ds_write_b32", "ds_read_b32"),
        ("early_lds", RaceKind::EarlyLds, "global_load_lds_dword", "ds_read_b32"),
        ("early_read", RaceKind::EarlyRead, "global_load_dword", "v_mov_b32_e32"),
        ("early_write", RaceKind::EarlyWrite, "global_load_dword", "v_mov_b32_e32"),
    ];
    for (kernel, kind, first, second) in expected {
        assert_eq!(only(kernel), (kind, first.to_owned(), second.to_owned()), "{kernel}");
    }
}

/// Both were asked for, both come, and neither changes the other.
#[test]
fn races_and_a_ledger_come_together() {
    let device = Device::new(DeviceConfig { memory_bytes: 1 << 30 });
    let module = device.load(image()).expect("loads");
    let at = device.memory().alloc(4096).expect("fits");
    let kernarg = [at.to_le_bytes(), (at + 1024).to_le_bytes()].concat();
    let options = RunOptions { turn: 1, ledger: true, ..RunOptions::default() };
    let launch =
        Launch { grid: [2, 1, 1], block: [THREADS, 1, 1], dynamic_lds: 0, kernarg: &kernarg, options };
    let alone = device.launch(&module, "read_after_write", &launch).expect("runs").ledger;
    let (report, races) =
        device.launch_watching_races(&module, "read_after_write", &launch, None).expect("runs");
    assert!(alone.as_ref().is_some_and(|ledger| ledger.entry("ds_read_b32").is_some()), "{alone:?}");
    assert_eq!(report.ledger, alone);
    assert_eq!(races.found[0].kind, RaceKind::ReadAfterWrite);
}
