//! Damaged code objects: loading and running them ends in a value or an error, never in a panic or a hang.
//!
//! `MI355X_FUZZ` multiplies the number of inputs; a panic's message has the seed of its input. Ten million inputs:
//! `MI355X_FUZZ=500 cargo test --release -p emulator --test robustness`.

use std::{
    cell::Cell,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
        mpsc::{RecvTimeoutError, channel},
    },
    time::Duration,
};

use emulator::{Delivery, Device, DeviceConfig, Launch, RunOptions};
use object::{Object, ObjectSection};

#[path = "kernels/compile.rs"]
mod compile;

/// Code objects of hipcc, the smallest first: offload bundles.
fn images() -> &'static [Vec<u8>] {
    static IMAGES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    IMAGES.get_or_init(|| {
        let compiled = |name| {
            compile::compile(name, Path::new(env!("CARGO_TARGET_TMPDIR")))
                .expect("no hipcc: `cargo build` in the workspace fetches one, or set ROCM_PATH")
        };
        ["tiny", "basic", "throughput"].map(compiled).into()
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

/// No input takes this long, not even unoptimised on a busy machine.
const HANG: Duration = Duration::from_secs(60);

/// Runs `body` for every seed; a panic fails the test with the seed, a hang ends the process with it.
fn for_each_seed(count: u64, body: impl Fn(&mut Random)) {
    let current = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let (finished, watched) = channel::<()>();
        let current = &current;
        scope.spawn(move || {
            let mut last = u64::MAX;
            while watched.recv_timeout(HANG) == Err(RecvTimeoutError::Timeout) {
                let seed = current.load(Ordering::Relaxed);
                if seed == last {
                    eprintln!("seed {seed} hangs");
                    std::process::abort();
                }
                last = seed;
            }
        });
        for seed in 0..count {
            current.store(seed, Ordering::Relaxed);
            let outcome = catch_unwind(AssertUnwindSafe(|| body(&mut Random(seed))));
            assert!(outcome.is_ok(), "panic at seed {seed}");
        }
        drop(finished);
    });
}

fn device() -> Device {
    Device::new(DeviceConfig { memory_bytes: 1 << 30 })
}

/// Where a section's bytes are.
fn section(elf: &[u8], name: &str) -> Range<usize> {
    let file = object::File::parse(elf).expect("hipcc's file is whole");
    let (at, bytes) =
        file.section_by_name(name).and_then(|section| section.file_range()).expect("hipcc's files have it");
    at as usize..(at + bytes) as usize
}

/// Moves, repeats or drops a run of bytes within `range`: what comes after it shifts, which upsets offsets, lengths
/// and nesting more than changed bytes do.
fn splice(random: &mut Random, bytes: &mut Vec<u8>, range: Range<usize>) {
    let at = range.start + random.below(range.len());
    let run = at..(at + 1 + random.below(16)).min(range.end);
    match random.below(3) {
        0 => drop(bytes.drain(run)),
        1 => {
            let copy = bytes[run].to_vec();
            bytes.splice(at..at, copy);
        }
        _ => {
            let noise: Vec<u8> = (0..1 + random.below(9)).map(|_| random.next() as u8).collect();
            bytes.splice(at..at, noise);
        }
    }
}

/// Loads `count` inputs that `damage` makes; some load and some do not, and none leaves memory allocated.
fn load_all(count: u64, damage: impl Fn(&mut Random) -> Vec<u8>) {
    let device = device();
    let loaded = Cell::new(0u64);
    for_each_seed(count, |random| {
        let bytes = damage(random);
        match device.load(&bytes) {
            Ok(_) => loaded.set(loaded.get() + 1),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    });
    // Neither all nor none: the damage reaches the loader, and is not only at the magic number.
    assert!((1..count).contains(&loaded.get()), "{} of {count} load", loaded.get());
    assert_eq!(device.memory().allocations().len(), 0, "what was refused or dropped is freed");
}

#[test]
fn damaged_files_load_or_are_refused() {
    load_all(inputs(3000), |random| {
        // The large ones now and then: most of what can break is in the small one too.
        let image = &images()[if random.below(64) == 0 { 1 + random.below(2) } else { 0 }];
        let mut bytes = elf(image).to_vec();
        // Headers are in the first kilobytes, section headers in the last; code damage is another test's.
        let (head, whole) = (bytes.len().min(2048), bytes.len());
        let tail = whole.saturating_sub(2048);
        match random.below(5) {
            0 => bytes.truncate(random.below(whole)),
            1 => random.damage(&mut bytes, tail..whole),
            2 => random.damage(&mut bytes, 0..whole),
            3 => splice(random, &mut bytes, 0..whole),
            _ => random.damage(&mut bytes, 0..head),
        }
        bytes
    });
}

#[test]
fn damaged_tables_load_or_are_refused() {
    let elf = elf(&images()[0]);
    let tables = [".dynsym", ".dynstr", ".rela.dyn", ".rodata", ".dynamic"].map(|name| section(elf, name));
    load_all(inputs(8000), |random| {
        let mut bytes = elf.to_vec();
        let table = tables[random.below(tables.len())].clone();
        random.damage(&mut bytes, table);
        bytes
    });
}

#[test]
fn damaged_metadata_loads_or_is_refused() {
    let elf = elf(&images()[0]);
    let note = section(elf, ".note");
    // Behind the note's header and name: MessagePack alone, without a length that is checked first.
    let content = note.start + 20..note.end;
    load_all(inputs(8000), |random| {
        let mut bytes = elf.to_vec();
        random.damage(&mut bytes, content.clone());
        if random.below(2) == 0 {
            let before = bytes.len();
            splice(random, &mut bytes, content.clone());
            // The file keeps its length: the rest stays where the headers say.
            let grown = bytes.len() as isize - before as isize;
            if grown > 0 {
                bytes.drain(content.end..content.end + grown as usize);
            } else {
                bytes.splice(content.end - grown.unsigned_abs()..content.end - grown.unsigned_abs(), {
                    vec![0xc0; grown.unsigned_abs()]
                });
            }
        }
        bytes
    });
}

#[test]
fn damaged_bundles_load_or_are_refused() {
    let bundle = &images()[0];
    let table = 0..bundle.len() - elf(bundle).len();
    load_all(inputs(1000), |random| {
        let mut bytes = bundle.clone();
        match random.below(4) {
            0 => bytes.truncate(random.below(bundle.len())),
            1 => splice(random, &mut bytes, 0..256),
            2 => random.damage(&mut bytes, table.clone()),
            _ => random.damage(&mut bytes, 0..256),
        }
        bytes
    });
}

#[test]
fn damaged_compressed_bundles_load_or_are_refused() {
    let bundle =
        compile::compile_with("tiny", &["--offload-compress"], Path::new(env!("CARGO_TARGET_TMPDIR")))
            .expect("no hipcc: `cargo build` in the workspace fetches one, or set ROCM_PATH");
    assert!(bundle.starts_with(b"CCOB"));
    load_all(inputs(1000), |random| {
        let mut bytes = bundle.clone();
        match random.below(8) {
            0 => bytes.truncate(random.below(bundle.len())),
            1 => splice(random, &mut bytes, 0..bundle.len()),
            2..4 => random.damage(&mut bytes, 0..bundle.len()),
            4..6 => random.damage(&mut bytes, 4..32),
            // One changed bit of the content: what a checksum must find, unless it is one that nothing reads.
            _ => bytes[32 + random.below(bundle.len() - 32)] ^= 1 << random.below(8),
        }
        bytes
    });
}

#[test]
fn damaged_code_runs_or_faults() {
    let device = device();
    let (ran, faulted) = (Cell::new(0u64), Cell::new(0u64));
    for_each_seed(inputs(3000), |random| {
        let mut bytes = elf(&images()[1 + random.below(2)]).to_vec();
        let text = section(&bytes, ".text");
        random.damage(&mut bytes, text);
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
                delivery: match random.below(4) {
                    0 => Delivery::Immediate,
                    1 => Delivery::Poisoned,
                    2 => Delivery::Stale,
                    _ => Delivery::After(random.below(100) as u32),
                },
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
