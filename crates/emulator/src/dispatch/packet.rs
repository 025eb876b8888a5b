//! What a kernel finds in memory: its arguments and the dispatch packet.

use super::{Kernel, Launch, Shape};
use crate::{
    host::Host,
    memory::{PRIVATE_BASE, SHARED_BASE},
    metadata::{ArgKind, KernelInfo},
};

/// The kernarg segment: the launch's bytes, then the hidden arguments in their places.
pub(super) fn kernarg(info: &KernelInfo, launch: &Launch<'_>, host: Option<&dyn Host>) -> Vec<u8> {
    let mut segment = vec![0; (info.kernarg_size as usize).max(info.explicit_bytes() as usize)];
    let given = launch.kernarg.len().min(segment.len());
    segment[..given].copy_from_slice(&launch.kernarg[..given]);
    let (grid, block) = (launch.grid, launch.block);
    let dimensions = (0..3).rev().find(|i| grid[*i] > 1 || block[*i] > 1).map_or(1, |i| i + 1);
    for arg in info.args.iter().filter(|arg| arg.kind.is_hidden()) {
        let value = match arg.kind {
            ArgKind::HiddenBlockCountX => grid[0] as u64,
            ArgKind::HiddenBlockCountY => grid[1] as u64,
            ArgKind::HiddenBlockCountZ => grid[2] as u64,
            ArgKind::HiddenGroupSizeX => block[0] as u64,
            ArgKind::HiddenGroupSizeY => block[1] as u64,
            ArgKind::HiddenGroupSizeZ => block[2] as u64,
            ArgKind::HiddenGridDims => dimensions as u64,
            ArgKind::HiddenDynamicLdsSize => launch.dynamic_lds as u64,
            ArgKind::HiddenPrivateBase => PRIVATE_BASE >> 32,
            ArgKind::HiddenSharedBase => SHARED_BASE >> 32,
            ArgKind::HiddenHostcallBuffer => host.map_or(0, Host::hostcall_buffer),
            ArgKind::HiddenPrintfBuffer => host.map_or(0, Host::printf_buffer),
            // The caller's, among the launch's bytes if they reach so far.
            ArgKind::HiddenMultigridSyncArg => continue,
            // Grids are whole workgroups and start at 0; the rest has no counterpart here.
            _ => 0,
        };
        let at = arg.offset as usize;
        let n = (arg.size as usize).min(8);
        if let Some(target) = segment.get_mut(at..at.saturating_add(n)) {
            target.copy_from_slice(&value.to_le_bytes()[..n]);
        }
    }
    segment
}

/// Bytes of `hsa_kernel_dispatch_packet_t`, and of the zeroed queue behind it.
pub(super) const PACKET_BYTES: usize = 64;
const QUEUE_BYTES: usize = 256;

/// The dispatch packet (HSA runtime specification 1.2, 2.9.6), then an empty queue structure.
pub(super) fn packet(kernel: &Kernel<'_>, shape: &Shape, launch: &Launch<'_>, kernarg: u64) -> Vec<u8> {
    let mut bytes = vec![0; PACKET_BYTES + QUEUE_BYTES];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, &2u16.to_le_bytes()); // a kernel dispatch
    put(2, &3u16.to_le_bytes()); // three dimensions
    for i in 0..3 {
        put(4 + 2 * i, &(launch.block[i] as u16).to_le_bytes());
        put(12 + 4 * i, &(launch.grid[i] * launch.block[i]).to_le_bytes());
    }
    put(24, &shape.private_bytes.to_le_bytes());
    put(28, &shape.lds_bytes.to_le_bytes());
    put(32, &(kernel.base + kernel.descriptor.address).to_le_bytes());
    put(40, &kernarg.to_le_bytes());
    bytes
}
