//! Times of the quantisation kernels, under criterion: `cargo bench -p mi355x --bench quant`.
//!
//! Criterion's value is the device's own time, from events. The device is the virtual MI355X, or what
//! `MI355X_DEVICE=rocm` names; every unit says whether it is modelled or measured.

use std::env;
use std::hint;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use criterion::measurement::{Measurement, ValueFormatter};
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use mi355x::bench::{Mode, Nanos, Subject};
use mi355x::device::{DeviceChoice, OpenDevice};
use mi355x::kernels::Kernels;
use mi355x::ops;

/// The kernels that stand for their families: one of each, the form that models use.
const KERNELS: [&str; 11] = [
    "quant/mxfp4_bf16_even_shuffled",
    "quant/mxfp4_bf16_round_up_raw",
    "quant/dequantise_raw",
    "quant/silu_mul_bf16_even_shuffled",
    "quant/rms_norm_bf16_even_shuffled",
    "quant/fp8_bf16_token",
    "quant/fp8_bf16_block128",
    "quant/fp8_bf16_tensor",
    "quant/tensor_amax_bf16",
    "quant/weights_shuffle",
    "quant/scales_shuffle",
];

/// Nanoseconds of device time.
struct DeviceTime {
    modelled: bool,
}

impl Measurement for DeviceTime {
    type Intermediate = ();
    type Value = f64;

    fn start(&self) {}

    fn end(&self, (): ()) -> f64 {
        unreachable!("every benchmark reports the device's time by iter_custom")
    }

    fn add(&self, a: &f64, b: &f64) -> f64 {
        a + b
    }

    fn zero(&self) -> f64 {
        0.0
    }

    fn to_f64(&self, value: &f64) -> f64 {
        *value
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        self
    }
}

impl ValueFormatter for DeviceTime {
    fn scale_values(&self, _typical: f64, values: &mut [f64]) -> &'static str {
        values.iter_mut().for_each(|ns| *ns /= 1e3);
        if self.modelled { "µs modelled" } else { "µs measured" }
    }

    fn scale_throughputs(&self, _typical: f64, throughput: &Throughput, values: &mut [f64]) -> &'static str {
        // Nanoseconds: an amount per nanosecond is 10^9 per second.
        let (amount, units) = match *throughput {
            Throughput::Bytes(n) | Throughput::BytesDecimal(n) => (n, ["GB/s measured", "GB/s modelled"]),
            Throughput::ElementsAndBytes { elements, .. } | Throughput::Elements(elements) => {
                (elements, ["GFLOP/s measured", "GFLOP/s modelled"])
            }
            Throughput::Bits(n) => (n, ["Gbit/s measured", "Gbit/s modelled"]),
        };
        values.iter_mut().for_each(|ns| *ns = amount as f64 / *ns);
        units[usize::from(self.modelled)]
    }

    fn scale_for_machines(&self, _values: &mut [f64]) -> &'static str {
        "ns"
    }
}

fn main() {
    let choice = env::var("MI355X_DEVICE").unwrap_or_else(|_| "virtual".into());
    let choice =
        DeviceChoice::from_str(&choice, true).unwrap_or_else(|e| panic!("MI355X_DEVICE={choice}: {e}"));
    let open = OpenDevice::open(choice).unwrap_or_else(|e| panic!("{e}"));
    // Criterion plans by wall time, of which an emulated launch takes much: few samples, no long warm-up. Its
    // comparison plots divide by a deviation that is zero for a model that always says the same.
    let mut criterion = Criterion::default()
        .with_measurement(DeviceTime { modelled: open.is_virtual() })
        .without_plots()
        .configure_from_args();
    if open.is_virtual() {
        criterion = criterion
            .sample_size(10)
            .warm_up_time(Duration::from_millis(1))
            .measurement_time(Duration::from_millis(50));
        eprintln!("virtual MI355X: times are modelled; each is preceded by its error and what it rests on");
    }
    for mode in [Mode::Cold, Mode::Hot] {
        time_all(&mut criterion, &open, mode);
    }
    criterion.final_summary();
}

fn time_all(criterion: &mut Criterion<DeviceTime>, open: &OpenDevice, mode: Mode) {
    let kernels = Kernels::built_in();
    for name in KERNELS {
        let chosen = kernels.select(&[name.to_owned()]).unwrap_or_else(|e| panic!("{e}"));
        let instance = chosen[0];
        let name_of_group = format!("{}/{}", format!("{mode:?}").to_lowercase(), instance.path());
        let mut group = criterion.benchmark_group(&name_of_group);
        group.sampling_mode(SamplingMode::Flat);
        for case in ops::bench_cases(instance).unwrap_or_else(|e| panic!("{e}")) {
            let problem = ops::problem(instance, case).unwrap_or_else(|e| panic!("{e}"));
            let ops::Traffic { bytes, flop } = problem.traffic;
            group.throughput(match flop {
                0 => Throughput::BytesDecimal(bytes),
                elements => Throughput::ElementsAndBytes { elements, bytes },
            });
            let id = BenchmarkId::from_parameter(format!("{}x{}", case.m, case.k));
            // Prepared only if criterion's filter selects it, and once for all its samples.
            let mut subject = None;
            // A kernel that the model does not cover has no time that criterion could show.
            if open.is_virtual() && is_selected(&format!("{name_of_group}/{}x{}", case.m, case.k)) {
                let new =
                    subject.insert(Subject::new(open, instance, case, 355).unwrap_or_else(|e| panic!("{e}")));
                let modelled = new.model(mode).unwrap_or_else(|e| panic!("{e}"));
                eprintln!("{} {case}: {} {}", instance.path(), modelled.label, modelled.error());
                if modelled.nanos().is_none() {
                    modelled.reasons.iter().for_each(|reason| eprintln!("  {reason}"));
                    continue;
                }
            }
            group.bench_function(id, |bencher| {
                let subject = subject.get_or_insert_with(|| {
                    let mut subject =
                        Subject::new(open, instance, case, 355).unwrap_or_else(|e| panic!("{e}"));
                    // A first launch also loads the code.
                    subject.time(mode, 1).unwrap_or_else(|e| panic!("{e}"));
                    subject
                });
                bencher.iter_custom(|launches| {
                    let time = subject.time(mode, launches).unwrap_or_else(|e| panic!("{e}"));
                    let Some(Nanos(each)) = time else {
                        unreachable!("kernels without a time were passed over")
                    };
                    if subject.is_deterministic() {
                        // The known time costs no wall time, by which criterion would plan 2^64 launches.
                        let end = Instant::now() + Duration::from_micros(launches);
                        while Instant::now() < end {
                            hint::spin_loop();
                        }
                    }
                    each * launches as f64
                });
            });
        }
        group.finish();
    }
}

/// Whether the command line's filter, if there is one, is part of a benchmark's name. One that is another regular
/// expression says no, and the benchmark is looked at when it runs.
fn is_selected(name: &str) -> bool {
    let mut filters = env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    filters.next().is_none_or(|filter| name.contains(&filter))
}
