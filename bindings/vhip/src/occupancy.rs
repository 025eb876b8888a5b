//! How many workgroups a compute unit holds.
//!
//! | resource | of a SIMD or unit | granule | source |
//! | --- | --- | --- | --- |
//! | vector registers | 512 of a lane and SIMD | 8 | CDNA3 and CDNA4 ISA, "VGPR allocation" |
//! | scalar registers | 800 of a SIMD | 16 | LLVM, AMDGPUBaseInfo, GFX9 |
//! | wave slots | 8 of a SIMD | 1 | agent properties of an MI355X: 32 waves of a unit with 4 SIMDs |
//! | LDS | 160 KiB of a unit | 1280 bytes | LLVM, gfx950 |

use std::ffi::{c_int, c_uint, c_void};

use hip_sys::*;

use crate::{
    api::{Status, api, put},
    device::{COMPUTE_UNITS, LDS_BYTES, MAX_THREADS, SIMDS, WAVES_PER_SIMD},
    function::{self, Function},
};

const VGPRS: u32 = 512;
const VGPR_GRANULE: u32 = 8;
const SGPRS: u32 = 800;
const SGPR_GRANULE: u32 = 16;
const LDS_GRANULE: usize = 1280;

/// Waves of `function` that one SIMD holds, from its registers alone.
fn waves_per_simd(function: &Function) -> u32 {
    let vgprs = function.registers().max(1).next_multiple_of(VGPR_GRANULE);
    let sgprs = function.info().sgprs.max(1).next_multiple_of(SGPR_GRANULE);
    (VGPRS / vgprs).min(SGPRS / sgprs).min(WAVES_PER_SIMD)
}

/// Workgroups of `threads` work-items with `dynamic_lds` further bytes that a compute unit holds; 0 when
/// even one does not fit.
pub(crate) fn groups_per_unit(function: &Function, threads: u32, dynamic_lds: usize) -> u32 {
    if threads == 0 || threads > function.max_threads() as u32 {
        return 0;
    }
    // The waves of a workgroup go round over the SIMDs, the next workgroup's begin where they ended.
    let by_waves = waves_per_simd(function) * SIMDS / threads.div_ceil(64);
    let lds = function.info().lds_bytes as usize + dynamic_lds;
    let by_lds = match lds {
        0 => u32::MAX,
        bytes if bytes > LDS_BYTES => 0,
        bytes => (LDS_BYTES / bytes.next_multiple_of(LDS_GRANULE)) as u32,
    };
    by_waves.min(by_lds)
}

/// The block size, a multiple of a wave, that keeps most work-items resident; the largest of equals.
fn best_block(function: &Function, dynamic_lds: usize, limit: c_int) -> (u32, u32) {
    let most = match limit {
        1.. => limit.min(function.max_threads()),
        _ => function.max_threads(),
    } as u32;
    let sizes = (1..=most / 64).rev().map(|waves| 64 * waves).chain([most]);
    let groups = |threads| groups_per_unit(function, threads, dynamic_lds);
    let mut best = (0, 0);
    for threads in sizes {
        if groups(threads) * threads > best.0 * best.1 {
            best = (threads, groups(threads));
        }
    }
    best
}

fn active(
    target: *mut c_int,
    function: &Function,
    threads: c_int,
    dynamic_lds: usize,
    flags: c_uint,
) -> Status {
    if threads <= 0 || threads > MAX_THREADS || flags > 1 {
        return Err(hipError_t::hipErrorInvalidValue);
    }
    // SAFETY: the caller's out-parameter.
    unsafe { put(target, groups_per_unit(function, threads as u32, dynamic_lds) as c_int) }
}

fn potential(
    grid: *mut c_int,
    block: *mut c_int,
    function: &Function,
    dynamic_lds: usize,
    limit: c_int,
    flags: c_uint,
) -> Status {
    if flags > 1 || grid.is_null() || block.is_null() {
        return Err(hipError_t::hipErrorInvalidValue);
    }
    let (threads, groups) = best_block(function, dynamic_lds, limit);
    // SAFETY: the caller's out-parameters, not null.
    unsafe {
        put(grid, groups as c_int * COMPUTE_UNITS)?;
        put(block, threads as c_int)
    }
}

api! {
    /// Workgroups that a compute unit holds.
    fn hipModuleOccupancyMaxActiveBlocksPerMultiprocessor(
        count: *mut c_int, handle: hipFunction_t, threads: c_int, dynamic_lds: usize,
    ) { active(count, &*function::resolve(handle)?, threads, dynamic_lds, 0) }
    /// As without flags; the only flag is about caches.
    fn hipModuleOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
        count: *mut c_int, handle: hipFunction_t, threads: c_int, dynamic_lds: usize, flags: c_uint,
    ) { active(count, &*function::resolve(handle)?, threads, dynamic_lds, flags) }
    /// Workgroups that a compute unit holds, for the kernel of a host symbol.
    fn hipOccupancyMaxActiveBlocksPerMultiprocessor(
        count: *mut c_int, symbol: *const c_void, threads: c_int, dynamic_lds: usize,
    ) { active(count, &*function::of_symbol(symbol)?, threads, dynamic_lds, 0) }
    /// As without flags; the only flag is about caches.
    fn hipOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
        count: *mut c_int, symbol: *const c_void, threads: c_int, dynamic_lds: usize, flags: c_uint,
    ) { active(count, &*function::of_symbol(symbol)?, threads, dynamic_lds, flags) }
    /// The block size that keeps most work-items resident, and the grid that fills the device with it.
    fn hipModuleOccupancyMaxPotentialBlockSize(
        grid: *mut c_int, block: *mut c_int, handle: hipFunction_t, dynamic_lds: usize, limit: c_int,
    ) { potential(grid, block, &*function::resolve(handle)?, dynamic_lds, limit, 0) }
    /// As without flags; the only flag is about caches.
    fn hipModuleOccupancyMaxPotentialBlockSizeWithFlags(
        grid: *mut c_int, block: *mut c_int, handle: hipFunction_t, dynamic_lds: usize, limit: c_int,
        flags: c_uint,
    ) { potential(grid, block, &*function::resolve(handle)?, dynamic_lds, limit, flags) }
    /// As `hipModuleOccupancyMaxPotentialBlockSize`, for the kernel of a host symbol.
    fn hipOccupancyMaxPotentialBlockSize(
        grid: *mut c_int, block: *mut c_int, symbol: *const c_void, dynamic_lds: usize, limit: c_int,
    ) { potential(grid, block, &*function::of_symbol(symbol)?, dynamic_lds, limit, 0) }
    /// Dynamic LDS that each of `groups` workgroups can have when a compute unit holds them all.
    fn hipOccupancyAvailableDynamicSMemPerBlock(
        bytes: *mut usize, symbol: *const c_void, groups: c_int, threads: c_int,
    ) {
        let function = function::of_symbol(symbol)?;
        let most = groups_per_unit(&function, threads.max(0) as u32, 0) as c_int;
        if groups <= 0 || groups > most {
            return Err(hipError_t::hipErrorInvalidValue);
        }
        let share = LDS_BYTES / groups as usize / LDS_GRANULE * LDS_GRANULE;
        // SAFETY: the caller's out-parameter.
        unsafe { put(bytes, share.saturating_sub(function.info().lds_bytes as usize)) }
    }
}
