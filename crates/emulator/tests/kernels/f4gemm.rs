//! One of AITER's MXFP4 GEMMs with random operands: for the tests and the benchmark.

use std::path::Path;

use emulator::{Device, DeviceConfig, Launch, LaunchReport, Module, RunOptions};
use numerics::{bf16, e2m1, e8m0, layout};

/// A kernel of one tile, its operands and its output in the memory of a device of its own.
pub(crate) struct Gemm {
    name: String,
    device: Device,
    module: Module,
    grid: [u32; 3],
    kernarg: Vec<u8>,
    a: Matrix,
    b: Matrix,
    out: u64,
}

/// What the output holds before, also beyond row M.
const POISON: u16 = 0xc5c5;

impl Gemm {
    /// The kernel for `tile` (rows, columns) out of the checkout, with operands of `[M, N, K]`.
    pub(crate) fn new(aiter: &Path, tile: [usize; 2], [m, n, k]: [usize; 3]) -> Gemm {
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
        let out = place(&POISON.to_le_bytes().repeat(m.next_multiple_of(32) * n));
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
        let grid = [n.div_ceil(tile[1]) as u32, m.div_ceil(tile[0]) as u32, 1];
        Gemm { name, device, module, grid, kernarg, a, b, out }
    }

    /// Runs it.
    pub(crate) fn launch(&self, options: RunOptions) -> LaunchReport {
        // Waves of one workgroup wait at the same barriers from different places.
        let options = RunOptions { divergent_barriers: true, ..options };
        let launch =
            Launch { grid: self.grid, block: [256, 1, 1], dynamic_lds: 0, kernarg: &self.kernarg, options };
        let kernel = &self.module.kernels()[0].name;
        let report = self.device.launch(&self.module, kernel, &launch);
        report.unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// Checks every output; how many differ from the bf16 of the f64 sum itself.
    ///
    /// Each must be the bf16 of some value within f32's rounding error of the f64 sum: every matrix
    /// instruction (128 k) and the final scaling by alpha rounds once.
    pub(crate) fn check(&self) -> usize {
        let (name, m, n, k) = (&self.name, self.a.rows(), self.b.rows(), self.a.k);
        let mut bytes = vec![0; 2 * m.next_multiple_of(32) * n];
        self.device.memory().read(self.out, &mut bytes).expect("allocated");
        let got: Vec<u16> = bytes.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        let columns: Vec<Vec<f64>> = (0..n).map(|j| self.b.row(j)).collect();
        let mut inexact = 0;
        for i in 0..m {
            let row = self.a.row(i);
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
        assert!(got[m * n..].iter().all(|&bits| bits == POISON), "{name} wrote rows beyond M");
        inexact
    }
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
