//! Kernels compiled by hipcc when the tests run, against results computed here.

use std::{path::Path, sync::OnceLock};

use emulator::{
    Delivery, Device, DeviceConfig, FaultKind, Launch, LaunchError, LaunchReport, Module, Refusal, RunOptions,
};

#[path = "kernels/compile.rs"]
mod compile;

/// The compiled kernels. A test without its compiler fails.
fn image() -> &'static [u8] {
    static IMAGE: OnceLock<Vec<u8>> = OnceLock::new();
    IMAGE.get_or_init(|| {
        compile::compile("basic", Path::new(env!("CARGO_TARGET_TMPDIR")))
            .expect("no hipcc: `cargo build` in the workspace fetches one, or set ROCM_PATH")
    })
}

/// A device with the kernels loaded.
struct Rig {
    device: Device,
    module: Module,
    options: RunOptions,
}

impl Rig {
    fn new() -> Rig {
        let device = Device::new(DeviceConfig { memory_bytes: 1 << 32 });
        let module = device.load(image()).expect("loads");
        Rig { device, module, options: RunOptions::default() }
    }

    fn place<T: Copy + Into<i64>>(&self, values: &[T], bytes: usize) -> u64 {
        let content: Vec<u8> =
            values.iter().flat_map(|value| (*value).into().to_le_bytes()[..bytes].to_vec()).collect();
        let address = self.device.memory().alloc(content.len() as u64).expect("fits");
        self.device.memory().write(address, &content).expect("its own");
        address
    }

    fn words(&self, address: u64, n: usize) -> Vec<i32> {
        let mut bytes = vec![0; 4 * n];
        self.device.memory().read(address, &mut bytes).expect("allocated");
        bytes.chunks(4).map(|word| i32::from_le_bytes(word.try_into().expect("four"))).collect()
    }

    fn run(
        &self,
        kernel: &str,
        grid: [u32; 3],
        block: [u32; 3],
        args: &[&[u8]],
    ) -> Result<LaunchReport, LaunchError> {
        self.run_lds(kernel, grid, block, 0, args)
    }

    fn run_lds(
        &self,
        kernel: &str,
        grid: [u32; 3],
        block: [u32; 3],
        dynamic_lds: u32,
        args: &[&[u8]],
    ) -> Result<LaunchReport, LaunchError> {
        let mut kernarg = Vec::new();
        for arg in args {
            kernarg.resize(kernarg.len().next_multiple_of(arg.len()), 0);
            kernarg.extend_from_slice(arg);
        }
        let launch = Launch { grid, block, dynamic_lds, kernarg: &kernarg, options: self.options };
        self.device.launch(&self.module, kernel, &launch)
    }

    fn fault(&self, kernel: &str, block: u32, args: &[&[u8]]) -> (FaultKind, String) {
        match self.run(kernel, [1; 3], [block, 1, 1], args) {
            Err(LaunchError::Fault(fault)) => (fault.kind.clone(), fault.to_string()),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn vector_add_with_a_tail() {
    let rig = Rig::new();
    let n = 1000;
    let a: Vec<i64> = (0..n).map(|i| (i as f32 * 0.37).to_bits() as i64).collect();
    let b: Vec<i64> = (0..n).map(|i| (100.0 - i as f32 * 1.3).to_bits() as i64).collect();
    let (a_at, b_at, c_at) = (rig.place(&a, 4), rig.place(&b, 4), rig.place(&a, 4));
    let args: [&[u8]; 4] =
        [&a_at.to_le_bytes(), &b_at.to_le_bytes(), &c_at.to_le_bytes(), &(n as i32).to_le_bytes()];
    let report = rig.run("vector_add", [4, 1, 1], [256, 1, 1], &args).expect("runs");
    assert_eq!(report.waves, 16);
    assert!(report.instructions >= 16 * 5 && report.issue_cycles > 0);
    for (i, word) in rig.words(c_at, n).into_iter().enumerate() {
        let expected = f32::from_bits(a[i] as u32) + f32::from_bits(b[i] as u32);
        assert_eq!(word as u32, expected.to_bits(), "element {i}");
    }
}

#[test]
fn lds_reduction_in_any_order_and_with_late_results() {
    let mut rig = Rig::new();
    let input: Vec<i32> = (0..2048).map(|i: i32| i.wrapping_mul(2_654_435_761u32 as i32) >> 7).collect();
    let source = rig.place(&input, 4);
    for (seed, late) in [(None, false), (Some(1), false), (Some(2), true), (None, true)] {
        rig.options = RunOptions {
            seed,
            delivery: if late { Delivery::Poisoned } else { Delivery::Immediate },
            ..RunOptions::default()
        };
        let sums = rig.place(&[0; 8], 4);
        rig.run("reduce", [8, 1, 1], [256, 1, 1], &[&source.to_le_bytes(), &sums.to_le_bytes()])
            .expect("runs");
        let expected: Vec<i32> =
            input.chunks(256).map(|chunk| chunk.iter().fold(0, |sum: i32, x| sum.wrapping_add(*x))).collect();
        assert_eq!(rig.words(sums, 8), expected, "seed {seed:?} late {late}");
    }
}

#[test]
fn divergent_loops() {
    let rig = Rig::new();
    let start: Vec<i32> = (1..=500).collect();
    let (from, to) = (rig.place(&start, 4), rig.place(&start, 4));
    rig.run(
        "collatz",
        [8, 1, 1],
        [64, 1, 1],
        &[&from.to_le_bytes(), &to.to_le_bytes(), &500i32.to_le_bytes()],
    )
    .expect("runs");
    let steps = |start: i32| {
        std::iter::successors(Some(start as u32), |x| {
            (*x > 1).then(|| if x % 2 == 1 { 3 * x + 1 } else { x / 2 })
        })
        .count() as i32
            - 1
    };
    assert_eq!(rig.words(to, 500), start.iter().map(|start| steps(*start)).collect::<Vec<_>>());
}

#[test]
fn atomics_over_parallel_workgroups() {
    let rig = Rig::new();
    let data: Vec<i32> = (0..20_000).map(|i| (i * i + 3 * i) % 251).collect();
    let (from, bins) = (rig.place(&data, 1), rig.place(&[0; 256], 4));
    rig.run(
        "histogram",
        [32, 1, 1],
        [128, 1, 1],
        &[&from.to_le_bytes(), &bins.to_le_bytes(), &20_000i32.to_le_bytes()],
    )
    .expect("runs");
    let expected: Vec<i32> =
        (0..256).map(|bin| data.iter().filter(|value| **value == bin).count() as i32).collect();
    assert_eq!(rig.words(bins, 256), expected);
}

#[test]
fn two_dimensional_grid_with_tails() {
    let rig = Rig::new();
    let (rows, columns) = (37usize, 53usize);
    let matrix: Vec<i32> = (0..rows * columns).map(|i| i as i32 * 3 - 7).collect();
    let (from, to) = (rig.place(&matrix, 4), rig.place(&matrix, 4));
    let args: [&[u8]; 4] = [
        &from.to_le_bytes(),
        &to.to_le_bytes(),
        &(rows as i32).to_le_bytes(),
        &(columns as i32).to_le_bytes(),
    ];
    rig.run("transpose", [4, 3, 1], [16, 16, 1], &args).expect("runs");
    let result = rig.words(to, rows * columns);
    for y in 0..rows {
        for x in 0..columns {
            assert_eq!(result[x * rows + y], matrix[y * columns + x]);
        }
    }
}

#[test]
fn scratch_arrays_and_calls() {
    let rig = Rig::new();
    let order: Vec<i32> = (0..200).map(|i| i * 13 % 97).collect();
    let (from, to) = (rig.place(&order, 4), rig.place(&order, 4));
    rig.run(
        "scratch_array",
        [2, 1, 1],
        [128, 1, 1],
        &[&from.to_le_bytes(), &to.to_le_bytes(), &200i32.to_le_bytes()],
    )
    .expect("runs");
    let expected = (0..200).map(|i| i * (order[i as usize] % 33) + i * ((order[i as usize] + 7) % 33));
    assert_eq!(rig.words(to, 200), expected.collect::<Vec<i32>>());
}

#[test]
fn recursion_on_the_stack() {
    let rig = Rig::new();
    fn polynomial(x: i32, depth: i32) -> i32 {
        if depth == 0 { x } else { x.wrapping_mul(polynomial(x + 1, depth - 1)).wrapping_add(depth) }
    }
    let to = rig.place(&[0; 300], 4);
    rig.run("recursion", [5, 1, 1], [64, 1, 1], &[&to.to_le_bytes(), &300i32.to_le_bytes()]).expect("runs");
    assert_eq!(rig.words(to, 300), (0..300).map(|i| polynomial(i, i % 5)).collect::<Vec<_>>());
}

#[test]
fn device_variables() {
    let rig = Rig::new();
    let to = rig.place(&[0; 64], 4);
    rig.run("globals", [3, 1, 1], [64, 1, 1], &[&to.to_le_bytes()]).expect("runs");
    assert_eq!(rig.words(to, 4), [7, 5, 3, 0]);
    let (counter, bytes) = rig.module.global("counter").expect("exported");
    assert_eq!((rig.words(counter, 1)[0], bytes), (3 * 64 * 2, 4));
}

#[test]
fn dynamic_lds() {
    let rig = Rig::new();
    let to = rig.place(&[0; 128], 4);
    rig.run_lds("dynamic_lds", [1; 3], [128, 1, 1], 512, &[&to.to_le_bytes()]).expect("runs");
    assert_eq!(rig.words(to, 128), (0..128).rev().map(|i| 3 * i).collect::<Vec<_>>());
}

#[test]
fn an_access_out_of_bounds_names_kernel_instruction_and_lane() {
    let rig = Rig::new();
    let to = rig.place(&[0; 100], 4);
    let outcome = rig.run_lds("dynamic_lds", [1; 3], [128, 1, 1], 512, &[&to.to_le_bytes()]);
    let Err(LaunchError::Fault(fault)) = outcome else { panic!("{outcome:?}") };
    let (kind, text) = (fault.kind.clone(), fault.to_string());
    assert!(matches!(kind, FaultKind::OutOfBounds { lane: 36, bytes: 4, .. }), "{text}");
    for part in [
        "out-of-bounds write of 4 bytes",
        "lane 36",
        "4 bytes past the end of a 400-byte allocation",
        "kernel dynamic_lds+0x",
        "global_store_dword",
        "workgroup (0,0,0) wave 1",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn lds_that_was_not_asked_for_faults_unless_it_clamps() {
    let mut rig = Rig::new();
    let to = rig.place(&[1; 128], 4);
    let (kind, text) = rig.fault("dynamic_lds", 128, &[&to.to_le_bytes()]);
    assert!(matches!(kind, FaultKind::LdsOutOfBounds { allocated: 0, bytes: 4, .. }), "{text}");
    assert!(text.contains("LDS write of 4 bytes at 0x0 by lane 0, beyond the workgroup's 0 bytes"), "{text}");
    rig.options.clamp_lds = true;
    rig.run("dynamic_lds", [1; 3], [128, 1, 1], &[&to.to_le_bytes()]).expect("as on hardware");
    assert_eq!(rig.words(to, 128), [0; 128]);
}

#[test]
fn an_endless_loop_ends_by_its_budget() {
    let mut rig = Rig::new();
    rig.options.instruction_budget = 10_000;
    let flag = rig.place(&[0], 4);
    let (kind, text) = rig.fault("endless", 64, &[&flag.to_le_bytes()]);
    assert_eq!(kind, FaultKind::Budget { instructions: 10_000 }, "{text}");
}

#[test]
fn waves_that_disagree_about_a_barrier() {
    let mut rig = Rig::new();
    let to = rig.place(&[0; 128], 4);
    let (kind, text) = rig.fault("skipped_barrier", 128, &[&to.to_le_bytes()]);
    assert!(
        matches!(kind, FaultKind::BarrierDivergence { wave: 0, other: 1, other_ended: true, .. }),
        "{text}"
    );
    let (kind, text) = rig.fault("split_barrier", 128, &[&to.to_le_bytes()]);
    assert!(matches!(kind, FaultKind::BarrierDivergence { other_ended: false, .. }), "{text}");
    rig.options.divergent_barriers = true;
    rig.run("split_barrier", [1; 3], [128, 1, 1], &[&to.to_le_bytes()]).expect("the hardware only counts");
    assert_eq!((rig.words(to, 128)[0], rig.words(to, 128)[127]), (1, 4));
}

#[test]
fn illegal_instructions_and_traps() {
    let rig = Rig::new();
    let to = rig.place(&[0; 64], 4);
    let (kind, text) = rig.fault("illegal", 64, &[&to.to_le_bytes()]);
    assert!(matches!(kind, FaultKind::IllegalInstruction { word } if word as u32 == 0xbfff_0000), "{text}");
    let to = rig.place(&[0; 64], 4);
    let (kind, text) = rig.fault("trapped", 64, &[&to.to_le_bytes()]);
    assert!(matches!(kind, FaultKind::Trap { id: 2 }), "{text}");
}

#[test]
fn launches_that_cannot_start() {
    let rig = Rig::new();
    let refusal = |result| match result {
        Err(LaunchError::Invalid(refusal)) => refusal,
        other => panic!("{other:?}"),
    };
    let eight = [0; 8];
    assert!(matches!(refusal(rig.run("nobody", [1; 3], [64, 1, 1], &[])), Refusal::NoKernel { .. }));
    assert!(matches!(refusal(rig.run("globals", [0, 1, 1], [64, 1, 1], &[&eight])), Refusal::Empty { .. }));
    assert!(matches!(
        refusal(rig.run("globals", [1; 3], [1024, 2, 1], &[&eight])),
        Refusal::BlockTooLarge { threads: 2048, .. }
    ));
    assert!(matches!(
        refusal(rig.run("globals", [1; 3], [64, 1, 1], &[])),
        Refusal::KernargTooShort { needed: 8, given: 0, .. }
    ));
    assert!(matches!(
        refusal(rig.run_lds("globals", [1; 3], [64, 1, 1], 163_841, &[&eight])),
        Refusal::LdsTooLarge { bytes: 163_841 }
    ));
    let other = Device::new(DeviceConfig { memory_bytes: 1 << 20 });
    let launch =
        Launch { grid: [1; 3], block: [64, 1, 1], dynamic_lds: 0, kernarg: &eight, options: rig.options };
    assert!(matches!(refusal(other.launch(&rig.module, "globals", &launch)), Refusal::OtherDevice));
}
