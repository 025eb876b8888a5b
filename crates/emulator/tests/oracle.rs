//! Every instruction of real gfx950 code against an independent source of its semantics.
//!
//! The vector files are `tools/oracles/generate.py`'s: AMD's pseudocode evaluated by an interpreter of its own, a
//! bit-exact model of the matrix instructions, layouts derived by hand. Each group becomes a kernel that the
//! toolchain assembles, so decoding, operands and execution are tested together, and what an instruction must
//! not touch is compared too.

use std::path::Path;

use emulator::{Device, DeviceConfig, Launch, LaunchError, MfmaPolicy, Module, RunOptions};

#[path = "oracle/assembly.rs"]
mod assembly;
#[path = "kernels/compile.rs"]
mod compile;
#[path = "oracle/coverage.rs"]
mod coverage;
#[path = "oracle/host.rs"]
mod host;
#[path = "oracle/state.rs"]
mod state;
#[path = "oracle/vectors.rs"]
mod vectors;

use state::{AREA, State};
use vectors::{Group, Place};

/// The vector files. They are read when the test runs, so that new ones need no build.
const FILES: &[&str] = &["valu", "scalar", "lanes", "memory", "matrix", "cdna3", "beyond"];

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/oracle_{name}.txt"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Runs all groups of a file; the differences by group.
fn run(name: &str, file: &str, options: RunOptions) -> (usize, Vec<String>) {
    let groups = vectors::parse(file);
    let text = assembly::module(&groups);
    let image = assembly::assemble(name, &text, Path::new(env!("CARGO_TARGET_TMPDIR")))
        .expect("no clang: `cargo build` in the workspace fetches one, or set ROCM_PATH");
    for (group, found) in groups.iter().zip(coverage::assembled(&image, groups.len())) {
        assert!(found.contains(group.mnemonic.as_str()), "{:?} has no {}", group.code, group.mnemonic);
    }
    let device = Device::new(DeviceConfig { memory_bytes: 1 << 32 });
    let module = device.load(&image).expect("loads");
    let mut failures = Vec::new();
    for (i, group) in groups.iter().enumerate() {
        let what = match differences(&device, &module, &format!("g{i}"), group, options) {
            Err(error) => error.to_string(),
            Ok(wrong) => match wrong.first() {
                Some(first) => format!("{} differences, the first: {first}", wrong.len()),
                None => continue,
            },
        };
        failures.push(format!("{} [{}]: {what}", group.code.join("; "), group.source));
    }
    (groups.iter().map(Group::len).sum(), failures)
}

/// Runs a group's kernel, a workgroup for each wave.
fn differences(
    device: &Device,
    module: &Module,
    kernel: &str,
    group: &Group,
    options: RunOptions,
) -> Result<Vec<String>, LaunchError> {
    let waves = group.waves();
    let inputs: Vec<u32> = waves.iter().flat_map(|(before, _)| block(before, group)).collect();
    let memory: Vec<u32> = waves.iter().flat_map(|(before, _)| before.memory.clone()).collect();
    let addresses = [&inputs, &inputs, &memory].map(|dwords| {
        let bytes: Vec<u8> = dwords.iter().flat_map(|x| x.to_le_bytes()).collect();
        let address = device.memory().alloc(bytes.len() as u64).expect("fits");
        device.memory().write(address, &bytes).expect("its own");
        address
    });
    let kernarg: Vec<u8> = addresses.iter().flat_map(|x| x.to_le_bytes()).collect();
    let grid = [waves.len() as u32, 1, 1];
    let launch = Launch { grid, block: [64, 1, 1], dynamic_lds: 0, kernarg: &kernarg, options };
    let report = device.launch(module, kernel, &launch);
    let read = |address: u64, dwords: usize| {
        let mut bytes = vec![0; 4 * dwords];
        device.memory().read(address, &mut bytes).expect("allocated");
        let words = bytes.chunks(4).map(|x| u32::from_le_bytes(x.try_into().expect("four")));
        words.collect::<Vec<u32>>()
    };
    let (outputs, memory) = (read(addresses[1], inputs.len()), read(addresses[2], memory.len()));
    for address in addresses {
        device.memory().free(address).expect("its own");
    }
    report?;
    let each = inputs.len() / waves.len();
    let found = waves.iter().zip(outputs.chunks(each)).zip(memory.chunks(AREA));
    Ok(found
        .flat_map(|(((before, want), outputs), memory)| {
            after(outputs, memory, before, group).differences(want, before, group)
        })
        .collect())
}

/// A wave's inputs as the kernel reads them.
fn block(before: &State, group: &Group) -> Vec<u32> {
    let mut dwords = before.to_dwords();
    if group.uses(&Place::Lds) {
        dwords.extend(&before.lds);
    }
    assert_eq!(4 * dwords.len(), assembly::block_bytes(group));
    dwords
}

/// A wave's state as the kernel left it.
fn after(outputs: &[u32], memory: &[u32], before: &State, group: &Group) -> State {
    let lds = if group.uses(&Place::Lds) { AREA } else { 0 };
    let (registers, rest) = outputs.split_at(outputs.len() - lds);
    let mut state = before.with_dwords(registers);
    state.memory = memory.to_vec();
    if lds != 0 {
        state.lds = rest.to_vec();
    }
    state
}

/// How the groups of a file run: CDNA3's sums under the policy that follows CDNA3, memory results late too.
fn options(name: &str) -> Vec<RunOptions> {
    let plain = RunOptions::default();
    match name {
        "cdna3" => vec![RunOptions { mfma: MfmaPolicy::Cdna3Truncating, ..plain }],
        "memory" => {
            vec![plain, RunOptions { delivery: emulator::Delivery::Poisoned, seed: Some(3), ..plain }]
        }
        "matrix" => {
            [MfmaPolicy::Mixed, MfmaPolicy::ExactBlock, MfmaPolicy::Cdna3Truncating, MfmaPolicy::FmaChain]
                .map(|mfma| RunOptions { mfma, ..plain })
                .to_vec()
        }
        _ => vec![plain],
    }
}

#[test]
fn vectors_agree() {
    let mut all = Vec::new();
    for name in FILES {
        for options in options(name) {
            let (cases, failures) = run(name, &read(name), options);
            println!("{name}: {cases} cases, {} groups differ", failures.len());
            all.extend(failures);
        }
    }
    assert!(all.is_empty(), "{} groups differ:\n{}", all.len(), all.join("\n"));
}

#[test]
fn every_used_mnemonic_has_a_semantic_test() {
    let groups: Vec<Group> = FILES.iter().flat_map(|name| vectors::parse(&read(name))).collect();
    coverage::report(&groups);
}

#[test]
fn hipcc_and_the_host_agree() {
    let (operations, wrong) = host::differences();
    assert!(wrong.is_empty(), "{} of {operations} operations differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(operations > 160, "{operations} operations");
}
