//! The registers that a wave starts with.

use super::{Kernel, Shape, block::Block, packet::PACKET_BYTES};
use crate::wave::Wave;

/// `kernel_code_properties`.
const PRIVATE_SEGMENT_BUFFER: u16 = 1 << 0;
const DISPATCH_PTR: u16 = 1 << 1;
const QUEUE_PTR: u16 = 1 << 2;
const KERNARG_PTR: u16 = 1 << 3;
const DISPATCH_ID: u16 = 1 << 4;
const FLAT_SCRATCH_INIT: u16 = 1 << 5;
const PRIVATE_SEGMENT_SIZE: u16 = 1 << 6;
pub(super) const DYNAMIC_STACK: u16 = 1 << 11;

/// What the command processor puts into a wave's registers.
pub(super) struct Registers {
    entry: u64,
    mode: u32,
    user: Vec<u32>,
    rsrc2: u32,
}

impl Registers {
    /// The registers that all waves of a launch share.
    pub(super) fn new(kernel: &Kernel<'_>, shape: &Shape, arguments: &Block<'_>, packet: u64) -> Registers {
        let descriptor = kernel.descriptor;
        let has = |property| descriptor.properties & property != 0;
        let mut user: Vec<u32> = Vec::with_capacity(16);
        let pair = |user: &mut Vec<u32>, value: u64| user.extend([value as u32, (value >> 32) as u32]);
        if has(PRIVATE_SEGMENT_BUFFER) {
            // With architected flat scratch nobody reads it (LLVM keeps the slot for the ABI's sake).
            user.extend([0; 4]);
        }
        if has(DISPATCH_PTR) {
            pair(&mut user, packet);
        }
        if has(QUEUE_PTR) {
            pair(&mut user, packet + PACKET_BYTES as u64);
        }
        if has(KERNARG_PTR) {
            pair(&mut user, arguments.base);
        }
        if has(DISPATCH_ID) {
            pair(&mut user, 0);
        }
        if has(FLAT_SCRATCH_INIT) {
            pair(&mut user, 0);
        }
        if has(PRIVATE_SEGMENT_SIZE) {
            user.push(shape.private_bytes);
        }
        let (count, first) = ((descriptor.preload & 0x7f) as usize, (descriptor.preload >> 7) as usize);
        let dword = |i: usize| {
            let bytes = arguments.content.get(4 * i..4 * i + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.map_or(0, u32::from_le_bytes)
        };
        user.extend((first..first + count).map(dword));
        // The hardware has 16 user registers; the descriptor's count is authoritative.
        user.resize((descriptor.rsrc2 >> 1 & 31) as usize, 0);
        // With preload the entry's first 256 bytes load the registers for firmware that cannot.
        let skip = if count > 0 { 256 } else { 0 };
        let rsrc1 = descriptor.rsrc1;
        Registers {
            entry: kernel.entry().wrapping_add(skip),
            // FLOAT_MODE, DX10_CLAMP, IEEE and FP16_OVFL in their places in MODE.
            mode: rsrc1 >> 12 & 0xff
                | (rsrc1 >> 21 & 1) << 8
                | (rsrc1 >> 23 & 1) << 9
                | (rsrc1 >> 26 & 1) << 23,
            user,
            rsrc2: descriptor.rsrc2,
        }
    }

    /// The scalar registers: user data, then the workgroup's coordinates that the kernel asked for.
    pub(super) fn scalars(&self, wave: &mut Wave, workgroup: [u32; 3], garbage: u32) {
        let mut next = self.user.len();
        wave.scalar[..next].copy_from_slice(&self.user);
        for (i, coordinate) in workgroup.into_iter().enumerate() {
            if self.rsrc2 >> (7 + i) & 1 == 1 {
                wave.scalar[next] = coordinate;
                next += 1;
            }
        }
        if self.rsrc2 >> 10 & 1 == 1 {
            wave.scalar[next] = 0; // workgroup info: only ordered append reads it
        }
        wave.scalar[crate::op::M0 as usize] = garbage;
        (wave.pc, wave.mode) = (self.entry, self.mode);
    }
}
