//! Wave instructions per second of one host thread, by kind: loops of one instruction, compiled by hipcc from
//! `tests/kernels/throughput.hip`. `elem/s` reads as wave instructions per second; the loops' own scalar
//! instructions, about two in eighteen, are counted too. Then, with `AITER_DIR` at a checkout of AITER, its MXFP4 GEMM
//! at a decode shape, on one host thread and on two.
//!
//! `MI355X_SIMD=avx2` or `portable` limits what handlers may use.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use emulator::{Device, DeviceConfig, Launch, MfmaPolicy, Module, RunOptions};

#[path = "../tests/kernels/compile.rs"]
mod compile;
#[path = "../tests/kernels/f4gemm.rs"]
mod f4gemm;

/// Kernel and loop iterations, for some milliseconds each.
const KERNELS: [(&str, u32); 10] = [
    ("valu_f32", 5000),
    ("valu_i32", 5000),
    ("valu_half_exec", 5000),
    ("valu_dpp", 2000),
    ("valu_exp", 1000),
    ("valu_fp4", 500),
    ("salu", 5000),
    ("lds_read", 2000),
    ("lds_write", 2000),
    ("global_load", 2000),
];

/// The same under every policy.
const MATRIX: [(&str, u32); 4] =
    [("mfma_fp4", 500), ("mfma_fp8_scaled", 50), ("mfma_fp8", 200), ("mfma_bf16", 200)];

const POLICIES: [MfmaPolicy; 3] = [MfmaPolicy::ExactBlock, MfmaPolicy::Cdna3Truncating, MfmaPolicy::FmaChain];

struct Rig {
    device: Device,
    module: Module,
    out: u64,
}

impl Rig {
    /// Runs one wave; its instructions.
    fn run(&self, kernel: &str, iterations: u32, mfma: MfmaPolicy) -> u64 {
        let mut kernarg = [0; 16];
        kernarg[..4].copy_from_slice(&iterations.to_le_bytes());
        kernarg[8..].copy_from_slice(&self.out.to_le_bytes());
        let options = RunOptions { threads: 1, mfma, ..RunOptions::default() };
        let launch = Launch { grid: [1; 3], block: [64, 1, 1], dynamic_lds: 0, kernarg: &kernarg, options };
        self.device.launch(&self.module, kernel, &launch).expect("the kernel is right").instructions
    }
}

fn throughput(c: &mut Criterion) {
    let Some(image) = compile::compile("throughput", std::path::Path::new(env!("CARGO_TARGET_TMPDIR")))
    else {
        println!("emulator/throughput: no ROCm compiler found (set ROCM_PATH); nothing measured");
        return;
    };
    let device = Device::new(DeviceConfig::default());
    let module = device.load(&image).expect("hipcc's output loads");
    let out = device.memory().alloc(64 * 1024).expect("memory is free");
    let rig = Rig { device, module, out };
    println!("host vector level: {:?}", emulator::level());
    let mut group = c.benchmark_group("wave_instructions");
    group.sample_size(10);
    for (kernel, iterations) in KERNELS {
        group.throughput(Throughput::Elements(rig.run(kernel, iterations, MfmaPolicy::Mixed)));
        group.bench_function(kernel, |b| b.iter(|| rig.run(kernel, iterations, MfmaPolicy::Mixed)));
    }
    for (kernel, iterations) in MATRIX {
        for policy in POLICIES {
            group.throughput(Throughput::Elements(rig.run(kernel, iterations, policy)));
            group.bench_function(BenchmarkId::new(kernel, format!("{policy:?}")), |b| {
                b.iter(|| rig.run(kernel, iterations, policy));
            });
        }
    }
    group.finish();
}

/// AITER's 32x128 tile at M 16, N 2112, K 7168: 17 workgroups.
fn whole_gemm(c: &mut Criterion) {
    let Some(aiter) = std::env::var_os("AITER_DIR").map(std::path::PathBuf::from) else {
        println!("emulator/f4gemm_32x128_m16_n2112_k7168: skipped, needs AITER_DIR, a checkout of AITER");
        return;
    };
    let gemm = f4gemm::Gemm::new(&aiter, [32, 128], [16, 2112, 7168]);
    let mut group = c.benchmark_group("f4gemm_32x128_m16_n2112_k7168");
    group.sample_size(20);
    for threads in [1, 2] {
        let options = RunOptions { threads, ..RunOptions::default() };
        group.throughput(Throughput::Elements(gemm.launch(options).instructions));
        let id = BenchmarkId::new("host_threads", threads);
        group.bench_function(id, |b| b.iter(|| gemm.launch(options)));
    }
    gemm.check();
    group.finish();
}

criterion_group!(benches, throughput, whole_gemm);
criterion_main!(benches);
