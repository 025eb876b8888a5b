//! Damaged code objects: loading and running them ends in a value or an error, never in a panic or a hang.
//!
//! `MI355X_FUZZ` multiplies the number of inputs; a panic's message has the seed of its input.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::OnceLock;

use emulator::{Device, DeviceConfig, Launch, RunOptions};
use object::{Object, ObjectSection};

#[path = "kernels/compile.rs"]
mod compile;

/// Code objects of hipcc: offload bundles.
fn images() -> &'static [Vec<u8>] {
    static IMAGES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    IMAGES.get_or_init(|| {
        let compiled = |name| {
            compile::compile(name, Path::new(env!("CARGO_TARGET_TMPDIR")))
                .expect("no hipcc: `cargo build` in the workspace fetches one, or set ROCM_PATH")
        };
        ["basic", "throughput"].map(compiled).into()
    })
}

/// The gfx950 ELF file within a bundle: the last ELF header that begins in it.
fn elf(bundle: &[u8]) -> &[u8] {
    let at = bundle.windows(4).rposition(|w| w == b"\x7fELF").expect("a bundle of hipcc holds an ELF file");
    &bundle[at..]
}

/// SplitMix64: the seed reproduces an input.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// A number that tends to upset parsers: extremes, powers of two and their neighbours.
    fn awkward(&mut self) -> u64 {
        match self.below(4) {
            0 => self.next(),
            1 => [0, 1, u64::MAX, i64::MAX as u64, u32::MAX as u64, i32::MAX as u64][self.below(6)],
            2 => (1u64 << self.below(64)).wrapping_add(self.below(3) as u64).wrapping_sub(1),
            _ => self.below(256) as u64,
        }
    }

    /// Damages `bytes` within `range` at one to eight places.
    fn damage(&mut self, bytes: &mut [u8], range: std::ops::Range<usize>) {
        for _ in 0..=self.below(8) {
            let at = range.start + self.below(range.len());
            match self.below(4) {
                0 => bytes[at] ^= 1 << self.below(8),
                1 => bytes[at] = self.next() as u8,
                _ => {
                    let size = [2, 4, 8][self.below(3)];
                    let word = self.awkward().to_le_bytes();
                    for (to, from) in bytes[at..].iter_mut().zip(&word[..size]) {
                        *to = *from;
                    }
                }
            }
        }
    }
}

fn inputs(default: u64) -> u64 {
    let factor =
        std::env::var("MI355X_FUZZ").map_or(1, |text| text.parse().expect("MI355X_FUZZ is a number"));
    default * factor
}

/// Runs `body` for every seed; a panic fails the test with the seed.
fn for_each_seed(count: u64, body: impl Fn(&mut Random)) {
    for seed in 0..count {
        let outcome = catch_unwind(AssertUnwindSafe(|| body(&mut Random(seed))));
        assert!(outcome.is_ok(), "panic at seed {seed}");
    }
}

fn device() -> Device {
    Device::new(DeviceConfig { memory_bytes: 1 << 30 })
}

#[test]
fn damaged_files_load_or_are_refused() {
    let device = device();
    let loaded = std::cell::Cell::new(0u64);
    let count = inputs(3000);
    for_each_seed(count, |random| {
        let image = &images()[random.below(2)];
        let mut bytes = if random.below(2) == 0 { image.clone() } else { elf(image).to_vec() };
        // Headers, notes and symbols are in the first and last kilobytes; code damage is the other test's.
        let (head, tail) = (bytes.len().min(4096), bytes.len().saturating_sub(4096));
        let whole = bytes.len();
        match random.below(4) {
            0 => bytes.truncate(random.below(whole)),
            1 => random.damage(&mut bytes, tail..whole),
            2 => random.damage(&mut bytes, 0..whole),
            _ => random.damage(&mut bytes, 0..head),
        }
        if device.load(&bytes).is_ok() {
            loaded.set(loaded.get() + 1);
        }
    });
    // Neither all nor none: the damage reaches the loader, and is not only at the magic number.
    assert!((1..count).contains(&loaded.get()), "{} of {count} load", loaded.get());
    // Nothing that was refused stays allocated.
    let module = device.load(&images()[0]).expect("an undamaged file still loads");
    drop(module);
}

#[test]
fn damaged_code_runs_or_faults() {
    let device = device();
    let (ran, faulted) = (std::cell::Cell::new(0u64), std::cell::Cell::new(0u64));
    for_each_seed(inputs(3000), |random| {
        let mut bytes = elf(&images()[random.below(2)]).to_vec();
        let text = {
            let file = object::File::parse(&*bytes).expect("hipcc's file is whole");
            file.section_by_name(".text").and_then(|s| s.file_range()).expect("it has code")
        };
        random.damage(&mut bytes, text.0 as usize..(text.0 + text.1) as usize);
        let module = device.load(&bytes).expect("only the code is damaged");
        let kernel = &module.kernels()[random.below(module.kernels().len())];
        // A page that every pointer argument leads to, so that more than the first access runs.
        let page = device.memory().alloc(1 << 16).expect("fits");
        let kernarg: Vec<u8> = (0..64).flat_map(|_| page.to_le_bytes()).collect();
        let launch = Launch {
            grid: [2, 1, 1],
            block: [128, 1, 1],
            dynamic_lds: 0,
            kernarg: &kernarg,
            options: RunOptions {
                seed: (random.below(2) == 0).then(|| random.next()),
                late_delivery: random.below(2) == 0,
                instruction_budget: 3000,
                threads: 1,
                ..RunOptions::default()
            },
        };
        match device.launch(&module, &kernel.name, &launch) {
            Ok(_) => ran.set(ran.get() + 1),
            Err(error) => {
                assert!(!error.to_string().is_empty());
                faulted.set(faulted.get() + 1);
            }
        }
        device.memory().free(page).expect("its own");
    });
    assert!(ran.get() > 0 && faulted.get() > 0, "{} ran, {} faulted", ran.get(), faulted.get());
}
