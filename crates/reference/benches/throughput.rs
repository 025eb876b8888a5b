//! Bytes read per second of each reference on one core, at 512 rows of 7168 bf16.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use numerics::mx::{Mxfp4Rule, ScaleRounding};
use reference::{
    DivisionRule, Elements, Fp8Granularity, Fp8Rule, Half, RmsNorm, RmsNormInput, Rows, ScaleLayout, SiluMul,
    SiluTolerance, Tolerance, dequantise_mxfp4, quantise_fp8, quantise_mxfp4, shuffle_weights, verify_half,
    verify_mxfp4,
};

const M: usize = 512;
const K: usize = 7168;

/// bf16 bits between 2^-4 and 2^4, both signs, from a multiplicative hash.
fn elements(count: usize) -> Vec<u16> {
    (0..count as u64)
        .map(|i| {
            let word = i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
            (word as u16 & 0x83ff) + 0x3d80
        })
        .collect()
}

fn throughput(c: &mut Criterion) {
    let x = elements(M * K);
    let (bits, rows) = (Elements::Bf16(&x), Rows::packed(M, K));
    let rule = Mxfp4Rule::new(ScaleRounding::Even);
    let mut group = c.benchmark_group("reference");
    group.sample_size(10).throughput(Throughput::Bytes(2 * (M * K) as u64));

    group.bench_function("quantise_mxfp4", |b| {
        b.iter(|| quantise_mxfp4(black_box(bits), rows, &rule, ScaleLayout::Shuffled).unwrap());
    });
    group.bench_function("verify_silu_mul", |b| {
        let half = Rows { m: M, k: K / 2, stride: K };
        let tolerance = SiluTolerance { relative: 1e-6, silu_absolute: 1e-35 };
        let truth = SiluMul::new(bits, half, tolerance).unwrap();
        let out = quantise_mxfp4(bits, half, &rule, ScaleLayout::Raw).unwrap();
        b.iter(|| {
            verify_mxfp4(black_box(&truth), &out.data, K / 4, &out.scales, ScaleLayout::Raw, &rule).unwrap()
        });
    });
    group.bench_function("verify_rms_norm", |b| {
        let weight = elements(K);
        let input =
            RmsNormInput { x: bits, rows, residual: None, weight: Elements::Bf16(&weight), epsilon: 1e-6 };
        let truth = RmsNorm::new(input, Tolerance { relative: 1e-6, absolute: 1e-37 }).unwrap();
        b.iter(|| verify_half(black_box(&truth), &x, K, Half::Bf16).unwrap());
    });
    group.bench_function("quantise_fp8", |b| {
        let rule = Fp8Rule { scale: DivisionRule::Divide, apply: DivisionRule::Divide, amax_floor: 0.0 };
        let granularity = Fp8Granularity::Block128 { transposed: true };
        b.iter(|| quantise_fp8(black_box(bits), rows, granularity, &rule).unwrap());
    });

    let packed = quantise_mxfp4(bits, rows, &rule, ScaleLayout::Raw).unwrap();
    group.throughput(Throughput::Bytes((packed.data.len() + packed.scales.len()) as u64));
    group.bench_function("dequantise_mxfp4", |b| {
        b.iter(|| {
            dequantise_mxfp4(black_box(&packed.data), K / 2, &packed.scales, ScaleLayout::Raw, M, K).unwrap()
        });
    });
    group.throughput(Throughput::Bytes(packed.data.len() as u64));
    group.bench_function("shuffle_weights", |b| {
        b.iter(|| shuffle_weights(black_box(&packed.data), M, K / 2).unwrap());
    });
    group.finish();
}

criterion_group!(benches, throughput);
criterion_main!(benches);
