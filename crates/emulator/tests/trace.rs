//! What is recorded of workgroups is what runs.

use std::{collections::BTreeMap, io::Write, path::Path, sync::OnceLock};

use emulator::{
    AccessKind, Device, DeviceConfig, Extent, Launch, LaunchError, MemoryAccess, Moved, Recording, Refusal,
    RunOptions, SCRATCH, Unit,
};

#[path = "kernels/compile.rs"]
mod compile;

/// Executed instructions by unit.
fn count(recording: &Recording) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for event in recording.groups.iter().flat_map(|group| &group.waves).flat_map(|folds| folds.iter()) {
        let unit = recording.ops[recording.events[event as usize].op as usize].unit;
        *counts.entry(format!("{unit:?}")).or_default() += 1;
    }
    counts
}

/// `vector_add` of 1000 floats by workgroups of 256.
struct Addition {
    device: Device,
    module: emulator::Module,
    kernarg: Vec<u8>,
}

impl Addition {
    fn new() -> Addition {
        static IMAGE: OnceLock<Vec<u8>> = OnceLock::new();
        let image = IMAGE.get_or_init(|| {
            compile::compile("basic", Path::new(env!("CARGO_TARGET_TMPDIR")))
                .expect("no hipcc: `cargo build` in the workspace fetches one, or set ROCM_PATH")
        });
        let device = Device::new(DeviceConfig { memory_bytes: 1 << 32 });
        let module = device.load(image).expect("loads");
        let place = || device.memory().alloc(4000).expect("fits");
        let mut kernarg: Vec<u8> =
            [place(), place(), place()].iter().flat_map(|at| at.to_le_bytes()).collect();
        kernarg.extend(1000i32.to_le_bytes());
        Addition { device, module, kernarg }
    }

    fn launch(&self) -> Launch<'_> {
        Launch {
            grid: [4, 1, 1],
            block: [256, 1, 1],
            dynamic_lds: 0,
            kernarg: &self.kernarg,
            options: RunOptions::default(),
        }
    }

    fn record(&self, workgroups: &[[u32; 3]], extent: Extent) -> Result<Recording, LaunchError> {
        self.device.record(&self.module, "vector_add", &self.launch(), workgroups, extent)
    }
}

#[test]
fn accesses_count_live_lanes_and_the_lines_of_their_allocation() {
    let addition = Addition::new();
    let recording = addition.record(&[[0; 3], [3, 0, 0]], Extent::Whole).expect("runs");
    assert_eq!(recording.needs.waves, 4);
    let accesses = |group: usize, wave: usize| -> Vec<_> {
        let events = recording.groups[group].waves[wave].iter().map(|event| recording.events[event as usize]);
        let vector = events.filter(|event| recording.ops[event.op as usize].unit == Unit::Memory);
        vector
            .map(|event| match event.moved {
                Moved::Memory(access) => (access.kind, access.bytes, access.lines, access.to_lds),
                other => panic!("{other:?}"),
            })
            .collect()
    };
    use AccessKind::{Load, Store};
    assert_eq!(accesses(0, 0), [(Load, 256, 2, false), (Load, 256, 2, false), (Store, 256, 2, false)]);
    // Elements 960 to 999 are the last wave's: 160 bytes in two lines, for they begin a line.
    assert_eq!(accesses(1, 3), [(Load, 160, 2, false), (Load, 160, 2, false), (Store, 160, 2, false)]);
    for (group, bytes, lines) in [(0, 1024, 8), (1, 928, 8)] {
        let touched = &recording.groups[group].touched;
        assert_eq!(touched.iter().filter(|t| t.written).count(), 1);
        assert!(touched.iter().all(|t| (t.bytes, t.lines, t.line_moves) == (bytes, lines, 8)), "{touched:?}");
    }
    assert_ne!(recording.groups[0].touched[0].key, recording.groups[1].touched[0].key);
    let again = addition.record(&[[0; 3]], Extent::Whole).expect("runs");
    assert_eq!(again.groups[0], recording.groups[0]);
}

/// 33 dwords of every lane are written to scratch and two read: 256 bytes of a wave each, in two lines.
#[test]
fn scratch_is_moved_but_not_touched() {
    let addition = Addition::new();
    let device = &addition.device;
    let place = || device.memory().alloc(4 * 256).expect("fits");
    let (order, out) = (place(), place());
    let mut kernarg: Vec<u8> = [order, out].iter().flat_map(|at| at.to_le_bytes()).collect();
    kernarg.extend(256i32.to_le_bytes());
    let launch = Launch { grid: [1, 1, 1], kernarg: &kernarg, ..addition.launch() };
    let recording =
        device.record(&addition.module, "scratch_array", &launch, &[[0; 3]], Extent::Whole).expect("runs");
    let wave = recording.groups[0].waves[2].iter().map(|event| recording.events[event as usize].moved);
    let scratch: Vec<MemoryAccess> = wave
        .filter_map(|moved| match moved {
            Moved::Memory(access) if access.allocation == SCRATCH => Some(access),
            _ => None,
        })
        .collect();
    let bytes = |kind| scratch.iter().filter(|one| one.kind == kind).map(|one| one.bytes).sum::<u32>();
    assert_eq!((bytes(AccessKind::Store), bytes(AccessKind::Load)), (33 * 256, 2 * 256));
    let stores = scratch.iter().filter(|one| one.kind == AccessKind::Store);
    assert!(stores.clone().all(|one| one.lines as u32 * 128 == one.bytes), "{scratch:?}");
    let touched: Vec<(u64, u32)> =
        recording.groups[0].touched.iter().map(|touched| (touched.bytes, touched.lines)).collect();
    assert_eq!(touched, [(1024, 8), (1024, 8)], "the two arguments");
}

#[test]
fn a_prefix_stops_early_and_other_workgroups_go_on() {
    let addition = Addition::new();
    let recording = addition.record(&[[1, 0, 0], [2, 0, 0]], Extent::Prefix { accesses: 1 }).expect("runs");
    assert_eq!(recording.groups.len(), 2);
    for group in &recording.groups {
        assert!(group.waves.is_empty());
        assert_eq!(group.touched.len(), 1, "the first operand only: {:?}", group.touched);
        assert_eq!(group.touched[0].bytes, 1024);
    }
}

#[test]
fn a_workgroup_outside_the_grid_is_refused() {
    let refused = Addition::new().record(&[[4, 0, 0]], Extent::Whole);
    let expected = Refusal::NoWorkgroup { workgroup: [4, 0, 0], grid: [4, 1, 1] };
    assert_eq!(refused, Err(LaunchError::Invalid(expected)));
}

/// Every workgroup of a kernel with loops, recorded one by one, executes what a launch of all executes.
#[test]
fn recordings_add_up_to_the_launch() {
    let name = "recordings_add_up_to_the_launch";
    let Some(aiter) = std::env::var_os("AITER_DIR") else {
        writeln!(std::io::stderr(), "skipped: {name}: needs AITER_DIR, a checkout of AITER").expect("stderr");
        return;
    };
    let path = Path::new(&aiter).join("hsa/gfx950/f4gemm/f4gemm_bf16_per1x32Fp4_BpreShuffle_32x128.co");
    let image = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let device = Device::new(DeviceConfig::default());
    let module = device.load(&image).expect("loads");
    let [m, n, k] = [33u64, 352, 7168];
    let mut kernarg = vec![0u8; 384];
    let mut put = |at: usize, value: u64, bytes: usize| {
        kernarg[at..at + bytes].copy_from_slice(&value.to_le_bytes()[..bytes]);
    };
    for (at, bytes) in
        [(0x00, 2 * m * n), (0x20, m * k / 2), (0x30, n * k / 2), (0x110, 64 * k / 32), (0x120, n * k / 32)]
    {
        put(at, device.memory().alloc(bytes).expect("fits"), 8);
    }
    let groups = k / 32;
    for (at, value) in
        [(0x80, n), (0xa0, k), (0xc0, k), (0xe0, m), (0xf0, n), (0x100, k), (0x130, groups), (0x150, groups)]
    {
        put(at, value, 4);
    }
    let launch = Launch {
        grid: [3, 2, 1],
        block: [256, 1, 1],
        dynamic_lds: 0,
        kernarg: &kernarg,
        options: RunOptions { divergent_barriers: true, ..RunOptions::default() },
    };
    let kernel = module.kernels()[0].name.clone();
    let report = device.launch(&module, &kernel, &launch).expect("runs");
    let all: Vec<[u32; 3]> = (0..6).map(|i| [i % 3, i / 3, 0]).collect();
    let recording = device.record(&module, &kernel, &launch, &all, Extent::Whole).expect("runs");
    let counts = count(&recording);
    assert_eq!(counts.values().sum::<u64>(), report.instructions);
    let classes: BTreeMap<&str, u64> = report.classes().collect();
    for (unit, class) in [("Matrix", "mfma"), ("Memory", "vmem"), ("Lds", "lds"), ("Valu", "valu")] {
        assert_eq!(counts[unit], classes[class], "{unit}");
    }
    // Loops are folded: the stream is much longer than what is kept of it.
    let wave = &recording.groups[0].waves[0];
    let kept: usize = wave.0.iter().map(|fold| fold.body.len()).sum();
    assert!(wave.len() > kept as u64 + 500, "{} of {}", kept, wave.len());
    // Two workgroups of one row of tiles read the same A, two of one column the same B.
    let touched = |group: usize, allocation: usize| recording.groups[group].touched[allocation].key;
    let shared = |a: usize, b: usize| (0..4).filter(|i| touched(a, *i) == touched(b, *i)).count();
    assert!(shared(0, 1) >= 1 && shared(0, 3) >= 1, "{} {}", shared(0, 1), shared(0, 3));
}

/// What workgroups store while they are recorded is taken back, whole lines and parts of lines, also after a prefix.
#[test]
fn memory_is_as_it_was_after_a_recording() {
    let addition = Addition::new();
    let [a, b, sum] = [0, 8, 16]
        .map(|at| u64::from_le_bytes(addition.kernarg[at..at + 8].try_into().expect("eight bytes")));
    let memory = addition.device.memory();
    let pattern: Vec<u8> = (0..4000u32).map(|i| (i * 7) as u8).collect();
    for at in [a, b, sum] {
        memory.write(at, &pattern).expect("allocated");
    }
    let held = || {
        let mut bytes = vec![0; 4000];
        memory.read(sum, &mut bytes).expect("allocated");
        bytes
    };
    for extent in [Extent::Whole, Extent::Prefix { accesses: 3 }] {
        let recording = addition.record(&[[0; 3], [3, 0, 0]], extent).expect("runs");
        assert!(recording.groups[0].touched.iter().any(|touched| touched.written));
        assert!(held() == pattern, "{extent:?}");
    }
    addition.device.launch(&addition.module, "vector_add", &addition.launch()).expect("runs");
    assert!(held() != pattern, "the launch itself stores");
}
