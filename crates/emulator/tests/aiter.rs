//! AITER's hand-written MXFP4 GEMM, run as it is, against f64: `AITER_DIR` names a checkout of AITER.

use std::{io::Write, path::PathBuf};

use emulator::{Delivery, RunOptions};

#[path = "kernels/f4gemm.rs"]
mod f4gemm;

/// The checkout; without it, says that `test` was skipped. libtest keeps back what `eprintln!` writes, so this goes
/// to the stream itself.
fn checkout(test: &str) -> Option<PathBuf> {
    let found = std::env::var_os("AITER_DIR").map(PathBuf::from);
    if found.is_none() {
        writeln!(std::io::stderr(), "skipped: {test}: needs AITER_DIR, a checkout of AITER")
            .expect("stderr is open");
    }
    found
}

/// Launches one kernel and checks every output; how many differ from the bf16 of the f64 sum itself.
fn gemm(aiter: &std::path::Path, tile: [usize; 2], mnk: [usize; 3], options: RunOptions) -> usize {
    let gemm = f4gemm::Gemm::new(aiter, tile, mnk);
    gemm.launch(options);
    gemm.check()
}

#[test]
fn f4gemm_32x128_at_the_decode_shape() {
    let Some(aiter) = checkout("f4gemm_32x128_at_the_decode_shape") else { return };
    let inexact = gemm(&aiter, [32, 128], [16, 2112, 7168], RunOptions::default());
    eprintln!("{inexact} of {} differ from the bf16 of the f64 sum", 16 * 2112);
    // The sums of a block are exact; only their accumulation rounds, 13 bits below bf16's last place.
    assert!(inexact <= 16 * 2112 / 1000, "{inexact} differ");
}

#[test]
fn every_preshuffled_f4gemm_tile_with_ragged_rows() {
    let Some(aiter) = checkout("every_preshuffled_f4gemm_tile_with_ragged_rows") else { return };
    let folder =
        std::fs::read_dir(aiter.join("hsa/gfx950/f4gemm")).expect("the checkout has its code objects");
    let mut tiles: Vec<[usize; 2]> = folder
        .filter_map(|entry| {
            let name = entry.expect("a readable folder").file_name().into_string().expect("ASCII");
            let tile = name.strip_prefix("f4gemm_bf16_per1x32Fp4_BpreShuffle_")?.strip_suffix(".co")?;
            let (m, n) = tile.split_once('x').expect("two sizes");
            Some([m.parse().expect("rows"), n.parse().expect("columns")])
        })
        .collect();
    tiles.sort();
    assert!(!tiles.is_empty(), "no kernels in the folder");
    for tile in tiles {
        // Whole tiles of columns: some kernels store what lies beyond N into the next row, as AITER's dispatch
        // suspects ("may not support N % tile_N", asm_gemm_a4w4.cu). The decode shape has a partial tile.
        let n = 2 * tile[1];
        let m = tile[0] + 5;
        let inexact = gemm(&aiter, tile, [m, n, 1024], RunOptions::default());
        assert!(inexact <= (m * n).div_ceil(1000), "{tile:?}: {inexact} differ");
    }
}

#[test]
fn f4gemm_waits_for_what_it_reads() {
    let Some(aiter) = checkout("f4gemm_waits_for_what_it_reads") else { return };
    // Memory results arrive at the last moment that the waits allow, waves run in any order.
    for seed in 0..4 {
        let options = RunOptions { delivery: Delivery::Poisoned, seed: Some(seed), ..RunOptions::default() };
        for tile in [[32, 128], [96, 256], [256, 128]] {
            gemm(&aiter, tile, [tile[0], 2 * tile[1], 1024], options);
        }
    }
}
