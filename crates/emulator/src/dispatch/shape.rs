//! The sizes of a launch, checked.

use super::{
    DYNAMIC_STACK_BYTES, Kernel, LDS_BYTES, Launch, MAX_PRIVATE_BYTES, MAX_WORKGROUP, Refusal,
    registers::DYNAMIC_STACK,
};

/// The sizes of a launch that has been found valid.
pub(crate) struct Shape {
    pub groups: u64,
    /// Work-items of a workgroup.
    pub threads: u32,
    /// Waves of a workgroup.
    pub waves: u32,
    pub lds_bytes: u32,
    pub private_bytes: u32,
    pub arch_vgprs: u16,
    pub acc_vgprs: u16,
}

impl Shape {
    /// Reads the launch against what the kernel and the device allow.
    ///
    /// # Errors
    /// [`Refusal`] for what cannot run.
    pub(crate) fn check(kernel: &Kernel<'_>, launch: &Launch<'_>) -> Result<Shape, Refusal> {
        let (grid, block, info) = (launch.grid, launch.block, kernel.info);
        if grid.contains(&0) || block.contains(&0) {
            return Err(Refusal::Empty { grid, block });
        }
        let limit =
            if info.max_workgroup == 0 { MAX_WORKGROUP } else { info.max_workgroup.min(MAX_WORKGROUP) };
        let threads = block.iter().fold(1u64, |product, n| product.saturating_mul(*n as u64));
        if threads > limit as u64 {
            return Err(Refusal::BlockTooLarge { kernel: info.name.clone(), threads, limit });
        }
        if let Some(required) = info.required_workgroup.filter(|required| *required != block) {
            return Err(Refusal::BlockSize { kernel: info.name.clone(), required, block });
        }
        let groups = grid.iter().try_fold(1u64, |product, n| product.checked_mul(*n as u64));
        let items = (0..3).all(|i| grid[i].checked_mul(block[i]).is_some());
        let Some(groups) = groups.filter(|_| items) else {
            return Err(Refusal::GridTooLarge { grid, block });
        };
        let lds = kernel.descriptor.lds_bytes.max(info.lds_bytes) as u64 + launch.dynamic_lds as u64;
        if lds > LDS_BYTES as u64 {
            return Err(Refusal::LdsTooLarge { bytes: lds });
        }
        let mut private = kernel.descriptor.private_bytes.max(info.private_bytes);
        if info.dynamic_stack || kernel.descriptor.properties & DYNAMIC_STACK != 0 {
            private = private.saturating_add(DYNAMIC_STACK_BYTES);
        }
        if private > MAX_PRIVATE_BYTES {
            return Err(Refusal::ScratchTooLarge { bytes: private });
        }
        let needed = info.explicit_bytes();
        if launch.kernarg.len() < needed as usize {
            let given = launch.kernarg.len();
            return Err(Refusal::KernargTooShort { kernel: info.name.clone(), needed, given });
        }
        // rsrc1 counts all vector registers in granules of 8, rsrc3 where the accumulation registers begin in
        // granules of 4 (LLVM, AMDGPUUsage, gfx90a).
        let total = 8 * ((kernel.descriptor.rsrc1 & 63) as u16 + 1);
        let arch = (4 * ((kernel.descriptor.rsrc3 & 63) as u16 + 1)).min(total).min(256);
        Ok(Shape {
            groups,
            threads: threads as u32,
            waves: (threads as u32).div_ceil(64),
            lds_bytes: lds as u32,
            private_bytes: private.next_multiple_of(4),
            arch_vgprs: arch,
            acc_vgprs: (total - arch).min(256),
        })
    }
}
