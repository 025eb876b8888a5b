//! Host instructions per wave instruction, by kind: the loops of `tests/kernels/throughput.hip` under callgrind, each
//! with two iteration counts, so that loading and launching cancel. Does not depend on the machine's load.
//!
//! Valgrind knows AVX2 and no AVX-512. Without it, says so and measures nothing.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use emulator::{Device, DeviceConfig, Launch, RunOptions};

#[path = "../tests/kernels/compile.rs"]
mod compile;

/// Kernel and the iterations that the longer run has more than the shorter.
const KERNELS: [(&str, u32); 14] = [
    ("valu_f32", 400),
    ("valu_i32", 400),
    ("valu_half_exec", 400),
    ("valu_dpp", 400),
    ("valu_exp", 200),
    ("valu_fp4", 100),
    ("salu", 400),
    ("lds_read", 200),
    ("lds_write", 200),
    ("global_load", 200),
    ("mfma_fp4", 50),
    ("mfma_fp8_scaled", 20),
    ("mfma_fp8", 50),
    ("mfma_bf16", 50),
];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, "run", image, kernel, iterations] => {
            println!("{}", run(image.as_ref(), kernel, iterations.parse().expect("a number")));
        }
        // As libtest and criterion do: nothing to list, and nothing to measure in a test run.
        _ if arguments.iter().any(|argument| argument == "--list" || argument == "--test") => {}
        _ => measure(),
    }
}

/// Runs one wave; its instructions.
fn run(image: &Path, kernel: &str, iterations: u32) -> u64 {
    let device = Device::new(DeviceConfig::default());
    let module = device.load(&std::fs::read(image).expect("the image is there")).expect("it loads");
    let out = device.memory().alloc(64 * 1024).expect("memory is free");
    let mut kernarg = [0; 16];
    kernarg[..4].copy_from_slice(&iterations.to_le_bytes());
    kernarg[8..].copy_from_slice(&out.to_le_bytes());
    let options = RunOptions { threads: 1, ..RunOptions::default() };
    let launch = Launch { grid: [1; 3], block: [64, 1, 1], dynamic_lds: 0, kernarg: &kernarg, options };
    device.launch(&module, kernel, &launch).expect("the kernel is right").instructions
}

fn measure() {
    let scratch = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let Some(image) = compile::compile("throughput", &scratch) else {
        println!("emulator/instructions: skipped, no ROCm compiler found (set ROCM_PATH)");
        return;
    };
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("emulator/instructions: skipped, needs valgrind");
        return;
    }
    let path = scratch.join(format!("instructions-{}.co", std::process::id()));
    std::fs::write(&path, image).expect("the target folder is writable");
    println!("| kernel | host instructions per wave instruction |\n| --- | ---: |");
    for (kernel, more) in KERNELS {
        let (short, long) = (callgrind(&path, kernel, 20), callgrind(&path, kernel, 20 + more));
        let per_wave = (long.0 - short.0) as f64 / (long.1 - short.1) as f64;
        println!("| {kernel} | {per_wave:.0} |");
    }
    std::fs::remove_file(&path).expect("its own file");
}

/// Host instructions of this program with these arguments, and the wave instructions that it ran.
fn callgrind(image: &Path, kernel: &str, iterations: u32) -> (u64, u64) {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().expect("this program has a path"))
        .arg("run")
        .arg(image)
        .args([kernel, &iterations.to_string()])
        .output()
        .expect("valgrind starts");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{kernel} under callgrind: {log}");
    let collected = log.lines().find_map(|line| line.split_once("Collected : "));
    let host = collected.and_then(|(_, count)| count.trim().parse().ok()).expect("callgrind counts");
    let wave = String::from_utf8_lossy(&output.stdout).trim().parse().expect("its own number");
    (host, wave)
}
