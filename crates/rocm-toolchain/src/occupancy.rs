//! How many waves of a kernel fit on a gfx950 SIMD.

use crate::KernelNote;

/// Registers per lane and SIMD, architectural and accumulation registers together, and their allocation
/// granule (CDNA3/CDNA4 ISA, "VGPR allocation"; LLVM `AMDGPUBaseInfo`, gfx90a and later).
const VGPRS_PER_SIMD: u32 = 512;
const VGPR_GRANULE: u32 = 8;
/// Scalar registers per SIMD and granule: LLVM's rule for GFX9, 800 in steps of 16.
const SGPRS_PER_SIMD: u32 = 800;
const SGPR_GRANULE: u32 = 16;
/// LDS per compute unit and granule: 160 KiB (MI355X device properties), 1280 bytes (LLVM, gfx950).
const LDS_BYTES_PER_CU: u32 = 160 * 1024;
const LDS_GRANULE: u32 = 1280;
/// Hardware wave slots per SIMD (MI355X: 32 waves per CU on 4 SIMDs).
const MAX_WAVES_PER_SIMD: u32 = 8;
const SIMDS_PER_CU: u32 = 4;
const LANES: u32 = 64;

/// Waves per SIMD, 0 to 8, of a kernel launched with its largest workgroup and `dynamic_lds` further LDS bytes.
///
/// Zero says that one workgroup alone exceeds the LDS. LDS is shared by the four SIMDs of a compute unit:
/// its limit in waves per SIMD is rounded up, since waves of one workgroup spread over all four.
#[must_use]
pub fn waves_per_simd(note: &KernelNote, dynamic_lds: u32) -> u32 {
    let vgprs = note.vgpr_count.max(1).next_multiple_of(VGPR_GRANULE);
    let sgprs = note.sgpr_count.max(1).next_multiple_of(SGPR_GRANULE);
    let registers = (VGPRS_PER_SIMD / vgprs).min(SGPRS_PER_SIMD / sgprs).min(MAX_WAVES_PER_SIMD);
    let lds = note.group_segment_fixed_size.saturating_add(dynamic_lds);
    if lds == 0 {
        return registers;
    }
    if lds > LDS_BYTES_PER_CU {
        return 0;
    }
    let groups = LDS_BYTES_PER_CU / lds.next_multiple_of(LDS_GRANULE);
    let waves_per_group = note.max_flat_workgroup_size.max(1).div_ceil(LANES);
    registers.min((groups * waves_per_group).div_ceil(SIMDS_PER_CU))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waves(vgpr: u32, sgpr: u32, lds: u32, workgroup: u32) -> u32 {
        let note = KernelNote {
            vgpr_count: vgpr,
            sgpr_count: sgpr,
            group_segment_fixed_size: lds,
            max_flat_workgroup_size: workgroup,
            ..KernelNote::default()
        };
        waves_per_simd(&note, 0)
    }

    #[test]
    fn registers_limit_in_steps_of_the_granule() {
        assert_eq!(
            [64, 65, 72, 73, 128, 129, 256, 257, 512].map(|v| waves(v, 16, 0, 256)),
            [8, 7, 7, 6, 4, 3, 2, 1, 1]
        );
        assert_eq!([96, 97, 112].map(|s| waves(8, s, 0, 256)), [8, 7, 7]);
    }

    #[test]
    fn lds_limits_by_workgroup() {
        assert_eq!(waves(8, 16, 163_840, 256), 1);
        assert_eq!(waves(8, 16, 163_841, 256), 0);
        assert_eq!(waves(8, 16, 65_536, 1024), 8);
        assert_eq!(waves(8, 16, 65_536, 256), 2);
        assert_eq!(waves(8, 16, 1, 64), 8);
    }
}
