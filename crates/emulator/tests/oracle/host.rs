//! C++ compiled by hipcc for gfx950 and by clang for the host: both must give the same bits.

use std::{path::Path, process::Command};

use emulator::{Device, DeviceConfig, Launch, RunOptions};

use super::compile;

/// Lanes of each kernel's launch.
const LANES: usize = 4096;

/// Bits that are edges in one type or another.
const EDGES: &[u64] = &[
    0,
    1,
    2,
    31,
    32,
    63,
    0x7f,
    0x80,
    0xff,
    0x3c00,
    0x7bff,
    0x7c00,
    0x7e00,
    0x8000,
    0xffff,
    0x0040_0000,
    0x3f80_0000,
    0x4b00_0001,
    0x4f00_0000,
    0x7f7f_ffff,
    0x7f80_0000,
    0x7fc0_0000,
    0x7fff_ffff,
    0x8000_0000,
    0x8000_0001,
    0xffff_ffff,
    0x3ff0_0000_0000_0000,
    0x41ef_ffff_ffe0_0000,
    0x7fef_ffff_ffff_ffff,
    0x7ff0_0000_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_fff0,
    0xffff_ffff_ffff_ffff,
];

/// SplitMix64.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// Edges, integers of all sizes, and floats of usual exponents in both widths.
fn value(state: &mut u64) -> u64 {
    let random = next(state);
    match next(state) % 8 {
        0 | 1 => EDGES[random as usize % EDGES.len()],
        2 => random >> (next(state) % 64),
        3 => (random as i64 >> (next(state) % 64)) as u64,
        4 => (((random as i32) as f32) * 2f32.powi(next(state) as i32 % 20 - 20)).to_bits() as u64,
        5 => (((random as i64) as f64) * 2f64.powi(next(state) as i32 % 40 - 50)).to_bits(),
        _ => random,
    }
}

/// Runs every operation on both; what differs.
pub(crate) fn differences() -> (usize, Vec<String>) {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let image = compile::compile("semantics", scratch)
        .expect("no hipcc: `cargo build` in the workspace fetches one, or set ROCM_PATH");
    let mut state = 7;
    let inputs: Vec<u8> = (0..3 * LANES).flat_map(|_| value(&mut state).to_le_bytes()).collect();
    let (names, expected) = host(scratch, &inputs);

    let device = Device::new(DeviceConfig { memory_bytes: 1 << 32 });
    let module = device.load(&image).expect("loads");
    let memory = device.memory();
    let (from, to) = (memory.alloc(inputs.len() as u64), memory.alloc(8 * LANES as u64));
    let (from, to) = (from.expect("fits"), to.expect("fits"));
    memory.write(from, &inputs).expect("its own");
    let kernarg: Vec<u8> = [from, to].iter().flat_map(|x| x.to_le_bytes()).collect();
    let mut wrong = Vec::new();
    for (name, want) in names.iter().zip(expected.chunks(8 * LANES)) {
        memory.write(to, &vec![0; 8 * LANES]).expect("its own");
        let grid = [(LANES / 64) as u32, 1, 1];
        let options = RunOptions::default();
        let launch = Launch { grid, block: [64, 1, 1], dynamic_lds: 0, kernarg: &kernarg, options };
        device.launch(&module, name, &launch).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut got = vec![0; 8 * LANES];
        memory.read(to, &mut got).expect("allocated");
        if let Some(i) = (0..LANES).find(|i| got[8 * i..][..8] != want[8 * i..][..8]) {
            let word = |bytes: &[u8], at: usize| {
                u64::from_le_bytes(bytes[8 * at..][..8].try_into().expect("eight bytes"))
            };
            let arguments: Vec<String> = (0..3).map(|k| format!("{:x}", word(&inputs, 3 * i + k))).collect();
            wrong.push(format!(
                "{name}({}): {:x}, the host has {:x}",
                arguments.join(", "),
                word(&got, i),
                word(want, i)
            ));
        }
    }
    (names.len(), wrong)
}

/// Names of the operations and the host's results, one operation after the other.
fn host(scratch: &Path, inputs: &[u8]) -> (Vec<String>, Vec<u8>) {
    let file = |extension: &str| scratch.join(format!("semantics-{}.{extension}", std::process::id()));
    let (program, from, to) = (file("host"), file("in"), file("out"));
    std::fs::write(&from, inputs).expect("the scratch folder is writable");
    let clang = compile::rocm().expect("found before").join("bin/clang");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kernels/semantics.hip");
    // FMA contraction is off in the source, which also reads cells of one buffer as several types.
    let status = Command::new(clang)
        .args(["-x", "c++", "-O1", "-fno-strict-aliasing", "-o"])
        .arg(&program)
        .arg(&source)
        .arg("-lm")
        .status()
        .expect("clang starts");
    assert!(status.success(), "clang failed on {} for the host", source.display());
    let output = Command::new(&program).arg(&from).arg(&to).output().expect("the host program starts");
    assert!(output.status.success(), "the host program failed");
    let results = std::fs::read(&to).expect("the host program wrote it");
    for path in [program, from, to] {
        std::fs::remove_file(path).expect("its own file");
    }
    let names = String::from_utf8(output.stdout).expect("names");
    (names.lines().map(str::to_owned).collect(), results)
}
