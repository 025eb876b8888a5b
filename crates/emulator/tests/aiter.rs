//! AITER's hand-written MXFP4 GEMM, run as it is, against f64: `AITER_DIR` names a checkout of AITER.

use std::{io::Write, path::PathBuf};

use emulator::{Device, DeviceConfig, Launch, RunOptions};
use numerics::{bf16, e2m1, e8m0, layout};

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

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// `[rows, k]` FP4, two to a byte and low first, with `[rows, k / 32]` E8M0 scales.
struct Matrix {
    k: usize,
    codes: Vec<u8>,
    scales: Vec<u8>,
}

impl Matrix {
    fn random(rows: usize, k: usize, random: &mut Random) -> Matrix {
        Matrix {
            k,
            codes: (0..rows * k / 2).map(|_| random.next() as u8).collect(),
            scales: (0..rows * k / 32).map(|_| 120 + (random.next() % 12) as u8).collect(),
        }
    }

    fn row(&self, row: usize) -> Vec<f64> {
        (0..self.k)
            .map(|k| {
                let byte = self.codes[row * self.k / 2 + k / 2];
                let code = if k % 2 == 0 { byte & 15 } else { byte >> 4 };
                let scale = e8m0::to_f32(self.scales[row * self.k / 32 + k / 32]);
                e2m1::to_f32(code) as f64 * scale as f64
            })
            .collect()
    }

    fn rows(&self) -> usize {
        2 * self.codes.len() / self.k
    }

    /// The scales in the layout that the kernels take.
    fn shuffled_scales(&self) -> Vec<u8> {
        let layout = layout::ScaleShuffle::dense(self.rows(), self.k / 32);
        let mut bytes = vec![0; layout.len()];
        for (i, &scale) in self.scales.iter().enumerate() {
            bytes[layout.index(i / (self.k / 32), i % (self.k / 32))] = scale;
        }
        bytes
    }

    fn shuffled_codes(&self) -> Vec<u8> {
        let layout = layout::WeightShuffle::new(self.rows(), self.k / 2).expect("rows are whole tiles");
        let mut bytes = vec![0; layout.len()];
        for (i, &code) in self.codes.iter().enumerate() {
            bytes[layout.index(i / (self.k / 2), i % (self.k / 2))] = code;
        }
        bytes
    }
}

/// Launches one f4gemm tile kernel and checks every output.
///
/// Each output must be the bf16 of some value within f32's rounding error of the f64 sum: every matrix
/// instruction (128 k) and the final scaling by alpha rounds once. Returns how many differ from the bf16 of
/// the f64 sum itself.
fn gemm(aiter: &std::path::Path, tile: [usize; 2], [m, n, k]: [usize; 3], options: RunOptions) -> usize {
    let name = format!("f4gemm_bf16_per1x32Fp4_BpreShuffle_{}x{}", tile[0], tile[1]);
    let path = aiter.join("hsa/gfx950/f4gemm").join(format!("{name}.co"));
    let image = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let device = Device::new(DeviceConfig::default());
    let module = device.load(&image).expect("AITER's object loads");
    let mut random = Random(m as u64 * 1_000_003 + n as u64);
    let (a, b) = (Matrix::random(m, k, &mut random), Matrix::random(n, k, &mut random));

    let memory = device.memory();
    let place = |bytes: &[u8]| {
        let at = memory.alloc(bytes.len() as u64).expect("memory is free");
        memory.write(at, bytes).expect("its own bytes");
        at
    };
    let rows = m.next_multiple_of(32);
    let poison = [0xc5; 2].repeat(rows * n);
    let out = place(&poison);
    let scale_stride = (k / 32).next_multiple_of(8) as u64;
    let mut kernarg = vec![0u8; 384];
    let mut put = |at: usize, value: u64, bytes: usize| {
        kernarg[at..at + bytes].copy_from_slice(&value.to_le_bytes()[..bytes]);
    };
    put(0x00, out, 8);
    put(0x20, place(&a.codes), 8);
    put(0x30, place(&b.shuffled_codes()), 8);
    put(0x40, 1f32.to_bits() as u64, 4);
    put(0x50, 0, 4);
    put(0x80, n as u64, 4);
    put(0xa0, k as u64, 4);
    put(0xc0, k as u64, 4);
    put(0xe0, m as u64, 4);
    put(0xf0, n as u64, 4);
    put(0x100, k as u64, 4);
    put(0x110, place(&a.shuffled_scales()), 8);
    put(0x120, place(&b.shuffled_scales()), 8);
    put(0x130, scale_stride, 4);
    put(0x150, scale_stride, 4);
    let launch = Launch {
        grid: [n.div_ceil(tile[1]) as u32, m.div_ceil(tile[0]) as u32, 1],
        block: [256, 1, 1],
        dynamic_lds: 0,
        kernarg: &kernarg,
        // Waves of one workgroup wait at the same barriers from different places.
        options: RunOptions { divergent_barriers: true, ..options },
    };
    let kernel = module.kernels()[0].name.clone();
    let started = std::time::Instant::now();
    let report = device.launch(&module, &kernel, &launch).unwrap_or_else(|error| panic!("{name}: {error}"));
    eprintln!(
        "{name} M{m} N{n} K{k}: {} wave instructions in {:.0} ms",
        report.instructions,
        1e3 * started.elapsed().as_secs_f64()
    );

    let mut bytes = vec![0; 2 * rows * n];
    memory.read(out, &mut bytes).expect("allocated");
    let got: Vec<u16> = bytes.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    let columns: Vec<Vec<f64>> = (0..n).map(|j| b.row(j)).collect();
    let mut inexact = 0;
    for i in 0..m {
        let row = a.row(i);
        for (j, column) in columns.iter().enumerate() {
            let (mut sum, mut size) = (0.0, 0.0);
            for (x, y) in row.iter().zip(column) {
                sum += x * y;
                size += (x * y).abs();
            }
            let roundings = k.div_ceil(128) + 1;
            let error = roundings as f64 * 2f64.powi(-24) * size;
            let round = |x: f64| bf16::to_f32(bf16::from_f32_rne(x as f32));
            let value = bf16::to_f32(got[i * n + j]);
            assert!(
                round(sum - error) <= value && value <= round(sum + error),
                "{name} row {i} column {j}: {value}, not {sum} ± {error}"
            );
            inexact += (value != round(sum)) as usize;
        }
    }
    assert!(got[m * n..].iter().all(|&bits| bits == 0xc5c5), "{name} wrote rows beyond M");
    inexact
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
        let options = RunOptions { late_delivery: true, seed: Some(seed), ..RunOptions::default() };
        for tile in [[32, 128], [96, 256], [256, 128]] {
            gemm(&aiter, tile, [tile[0], 2 * tile[1], 1024], options);
        }
    }
}
