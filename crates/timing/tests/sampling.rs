//! One workgroup of a class stands for all of it: the sum over classes is what all workgroups, recorded and replayed
//! one by one, take.

use std::{io::Write, path::PathBuf};

use emulator::{Extent, Recording};
use timing::{
    f4gemm::Gemm,
    lower::{Code, Load, Traffic},
    machine::{MI355X, Machine, Rates},
    replay::replay,
    sample::{Levels, ONE, Share},
};

fn cycles(recording: &Recording, rates: &Rates) -> f64 {
    let whole = Levels { compute_unit: ONE, xcd: ONE, device: ONE, memory: ONE };
    let share = Share(vec![whole; 5]);
    let traffic = Traffic { share: &share, load: Load { units: 256, units_of_xcd: 32 }, spill: 0.0 };
    replay(recording, &Code::new(recording, traffic, rates), 1, rates).as_cycles()
}

/// Ten grids with and without edges of M and N.
const GRIDS: [[u64; 5]; 10] = [
    [1, 512, 1024, 32, 128],
    [40, 2112, 512, 32, 128],
    [33, 352, 1536, 32, 128],
    [100, 800, 768, 64, 128],
    [200, 416, 512, 96, 128],
    [300, 640, 512, 128, 128],
    [130, 544, 1024, 160, 256],
    [700, 512, 512, 256, 256],
    [257, 1024, 512, 128, 512],
    [65, 2080, 512, 64, 1024],
];

#[test]
fn classes_take_as_long_as_their_workgroups() {
    let Some(aiter) = std::env::var_os("AITER_DIR").map(PathBuf::from) else {
        let name = "classes_take_as_long_as_their_workgroups";
        writeln!(std::io::stderr(), "skipped: {name}: needs AITER_DIR, a checkout of AITER").expect("stderr");
        return;
    };
    let rates = Rates::of(&Machine::parse(MI355X).expect("parses")).expect("complete");
    for [m, n, k, tile_m, tile_n] in GRIDS {
        let gemm = Gemm { m, n, k, tile_m: tile_m as u32, tile_n: tile_n as u32 };
        let sample = gemm.sample(&aiter).unwrap_or_else(|error| panic!("{error}"));
        let classes: f64 =
            sample.classes.iter().map(|class| class.count as f64 * cycles(&class.recording, &rates)).sum();
        let all: Vec<[u32; 3]> = (0..gemm.groups())
            .map(|i| [(i % n.div_ceil(tile_n)) as u32, (i / n.div_ceil(tile_n)) as u32, 0])
            .collect();
        let mut each = 0.0;
        for workgroup in &all {
            let recording =
                gemm.record(&aiter, &[*workgroup], Extent::Whole).unwrap_or_else(|error| panic!("{error}"));
            each += cycles(&recording, &rates);
        }
        let error = classes / each - 1.0;
        eprintln!(
            "{gemm:?}: {} workgroups, {} classes, {:+.3} %",
            all.len(),
            sample.classes.len(),
            100.0 * error
        );
        assert!(sample.classes.len() < all.len(), "{gemm:?}");
        assert!(error.abs() < 0.02, "{gemm:?}: {classes} cycles by classes, {each} one by one");
    }
}
