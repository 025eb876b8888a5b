//! Launches of AITER's MXFP4 GEMM kernels, for recording them: what a measured row ran.
//!
//! Arguments and grid as `bindings/aiter` has them, from AITER's `asm_gemm_a4w4.cu` and the loads of the machine
//! code. Operands stay unwritten: neither control flow nor addresses depend on them.

use std::path::{Path, PathBuf};

use emulator::{
    Device, DeviceConfig, Extent, Launch, LaunchError, LoadError, MemoryError, Module, Recording, RunOptions,
};
use numerics::layout::ScaleShuffle;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    sample::{Caches, Sample},
    units::Topology,
};

/// One launch: `out[M, N] = A[M, K] · B[N, K]ᵀ`, without a split of K.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Gemm {
    /// Rows of the result.
    pub m: u64,
    /// Columns of the result.
    pub n: u64,
    /// Elements of a row of A and B.
    pub k: u64,
    /// Rows of a workgroup's tile.
    pub tile_m: u32,
    /// Columns of a workgroup's tile.
    pub tile_n: u32,
}

/// Why a launch could not be sampled.
#[derive(Debug, Error)]
pub enum GemmError {
    /// The code object.
    #[error("reading {path}: {source}; AITER_DIR must name a checkout of AITER with hsa/gfx950")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The list of kernels.
    #[error("{path} line {line}: expected tile_M,tile_N,splitK,bpreshuffle,…, found {text:?}")]
    Manifest {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// What it says.
        text: String,
    },
    /// It does not load.
    #[error("loading {path}: {source}")]
    Load {
        /// The file.
        path: PathBuf,
        /// Why.
        source: LoadError,
    },
    /// The operands find no room.
    #[error("placing the operands of {gemm:?}: {source}")]
    Memory {
        /// The launch.
        gemm: Gemm,
        /// Why.
        source: MemoryError,
    },
    /// It does not run.
    #[error("recording {gemm:?}: {source}")]
    Launch {
        /// The launch.
        gemm: Gemm,
        /// Why.
        source: LaunchError,
    },
}

/// Tiles (rows, columns) of the kernels for a shuffled B, from the manifest in a checkout of AITER.
///
/// # Errors
/// [`GemmError::Read`], [`GemmError::Manifest`].
pub fn tiles(aiter: &Path) -> Result<Vec<(u32, u32)>, GemmError> {
    let path = aiter.join("hsa/gfx950/f4gemm/f4gemm_bf16_per1x32Fp4.csv");
    let text =
        std::fs::read_to_string(&path).map_err(|source| GemmError::Read { path: path.clone(), source })?;
    let mut tiles = Vec::new();
    for (index, text) in text.lines().enumerate().skip(1) {
        let fields: Vec<Option<u32>> = text.split(',').map(|field| field.parse().ok()).collect();
        match fields[..] {
            [Some(m), Some(n), _, Some(1), ..] => tiles.push((m, n)),
            [Some(_), Some(_), _, Some(0), ..] => {}
            _ => {
                let text = text.to_owned();
                return Err(GemmError::Manifest { path, line: index + 1, text });
            }
        }
    }
    Ok(tiles)
}

/// Copies of the operands that AITER's tuner rotates through (aiter/test_common.py: as many as iterations).
const ROTATION: u64 = 101;

impl Gemm {
    /// Bytes of A, B, their scales and the result.
    pub fn bytes(&self) -> u64 {
        (self.m + self.n) * self.k / 2 + (self.m + self.n) * self.k / 32 + 2 * self.m * self.n
    }

    /// Floating-point operations.
    pub fn flops(&self) -> f64 {
        2.0 * self.m as f64 * self.n as f64 * self.k as f64
    }

    /// Workgroups.
    pub fn groups(&self) -> u64 {
        self.m.div_ceil(self.tile_m as u64) * self.n.div_ceil(self.tile_n as u64)
    }

    /// Whether the kernel can compute it: some store whole tiles of columns, 256×256 takes two steps of K at least
    /// (`bindings/aiter`, from the machine code).
    pub fn runs(&self) -> bool {
        let tile = (self.tile_m, self.tile_n);
        let whole = matches!(tile, (192 | 224 | 256, 256) | (128, 512));
        let columns = if whole { self.tile_n as u64 } else { 32 };
        let least = if tile == (256, 256) { 512 } else { 256 };
        self.n.is_multiple_of(columns) && self.k >= least
    }

    /// The state of the caches as AITER's tuner left it: inputs rotate, so a copy is still in the Infinity Cache only
    /// if all copies fit. What of the cache serves them, the rows show: N 1024, K 4096 is fast up to M 16 and slow
    /// from M 64 on.
    pub fn caches(&self) -> Caches {
        let inputs = self.bytes() - 2 * self.m * self.n;
        if ROTATION * inputs <= Topology::MI355X.infinity_cache_bytes / 8 * 7 {
            Caches::WarmInfinityCache
        } else {
            Caches::Cold
        }
    }

    /// Samples it with the code object in a checkout of AITER.
    ///
    /// # Errors
    /// [`GemmError`].
    pub fn sample(&self, aiter: &Path) -> Result<Sample, GemmError> {
        self.prepare(aiter, |device, module, kernel, launch| {
            Sample::take(device, module, kernel, launch, Topology::MI355X)
        })
    }

    /// Records some of its workgroups.
    ///
    /// # Errors
    /// [`GemmError`].
    pub fn record(
        &self,
        aiter: &Path,
        workgroups: &[[u32; 3]],
        extent: Extent,
    ) -> Result<Recording, GemmError> {
        self.prepare(aiter, |device, module, kernel, launch| {
            device.record(module, kernel, launch, workgroups, extent)
        })
    }

    /// Loads the kernel, places the operands and calls `run`.
    fn prepare<T>(
        &self,
        aiter: &Path,
        run: impl FnOnce(&Device, &Module, &str, &Launch<'_>) -> Result<T, LaunchError>,
    ) -> Result<T, GemmError> {
        let gemm = *self;
        let path = aiter.join(format!(
            "hsa/gfx950/f4gemm/f4gemm_bf16_per1x32Fp4_BpreShuffle_{}x{}.co",
            self.tile_m, self.tile_n
        ));
        let image = std::fs::read(&path).map_err(|source| GemmError::Read { path: path.clone(), source })?;
        let device = Device::new(DeviceConfig::default());
        let module = device.load(&image).map_err(|source| GemmError::Load { path, source })?;
        let kernarg = self.kernarg(&device).map_err(|source| GemmError::Memory { gemm, source })?;
        let launch = Launch {
            grid: [self.n.div_ceil(self.tile_n as u64) as u32, self.m.div_ceil(self.tile_m as u64) as u32, 1],
            block: [256, 1, 1],
            dynamic_lds: 0,
            kernarg: &kernarg,
            // Waves of one workgroup wait at the same barriers from different places.
            options: RunOptions { divergent_barriers: true, ..RunOptions::default() },
        };
        let kernel = module.kernels()[0].name.clone();
        run(&device, &module, &kernel, &launch).map_err(|source| GemmError::Launch { gemm, source })
    }

    /// Places the operands and packs the arguments.
    fn kernarg(&self, device: &Device) -> Result<Vec<u8>, MemoryError> {
        let scales = |rows: u64| ScaleShuffle::dense(rows as usize, (self.k / 32) as usize);
        let place = |bytes: u64| device.memory().alloc(bytes);
        // Kernels without a row limit store whole tiles.
        let rows = self.m.next_multiple_of(self.tile_m as u64);
        let out = place(2 * rows * self.n)?;
        let (a, b) = (place(self.m * self.k / 2)?, place(self.n * self.k / 2)?);
        let (a_scales, b_scales) = (place(scales(self.m).len() as u64)?, place(scales(self.n).len() as u64)?);
        let stride = scales(self.m).padded_groups() as u64;
        let mut kernarg = vec![0u8; 384];
        let mut put = |at: usize, value: u64, bytes: usize| {
            kernarg[at..at + bytes].copy_from_slice(&value.to_le_bytes()[..bytes]);
        };
        for (at, address) in [(0x00, out), (0x20, a), (0x30, b), (0x110, a_scales), (0x120, b_scales)] {
            put(at, address, 8);
        }
        put(0x40, 1f32.to_bits() as u64, 4);
        for (at, number) in [
            (0x80, self.n),
            (0xa0, self.k),
            (0xc0, self.k),
            (0xe0, self.m),
            (0xf0, self.n),
            (0x100, self.k),
            (0x130, stride),
            (0x150, stride),
        ] {
            put(at, number, 4);
        }
        Ok(kernarg)
    }
}
