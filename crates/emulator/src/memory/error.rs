//! What the host can do wrong with device memory.

use thiserror::Error;

use super::{Allocation, AllocationKind};

/// A refused memory operation of the host.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// The device is full.
    #[error(
        "allocating {bytes} bytes: {free} of {total} bytes are free; free something or shrink the request"
    )]
    OutOfMemory {
        /// Requested bytes.
        bytes: u64,
        /// Free bytes.
        free: u64,
        /// Capacity.
        total: u64,
    },
    /// A range must have at least one byte and must not wrap around.
    #[error("an allocation or registration needs a range of at least one byte that does not wrap")]
    ZeroBytes,
    /// The host has no mapping for it.
    #[error(
        "reserving {bytes} bytes of host address space: {reason}; raise the limits of address space or mappings"
    )]
    HostRefused {
        /// Requested bytes.
        bytes: u64,
        /// The host's reason.
        reason: String,
    },
    /// A range starts in an allocation and leaves it.
    #[error("{operation} of {bytes} bytes at {address:#x} leaves {}", describe(inside))]
    OutOfBounds {
        /// What was tried.
        operation: &'static str,
        /// First byte.
        address: u64,
        /// Length.
        bytes: u64,
        /// Where it starts.
        inside: Allocation,
    },
    /// Nothing is there.
    #[error("{operation} of {bytes} bytes at {address:#x}, which is in no allocation")]
    Unallocated {
        /// What was tried.
        operation: &'static str,
        /// First byte.
        address: u64,
        /// Length.
        bytes: u64,
    },
    /// Something was there and has been freed.
    #[error("{operation} at {address:#x} after the free of {}", describe(was))]
    Freed {
        /// What was tried.
        operation: &'static str,
        /// First byte.
        address: u64,
        /// The freed allocation.
        was: Allocation,
    },
    /// Only the start of an allocation can be freed, and a registered range not at all.
    #[error("free of {address:#x}: give the start of an allocation; this is in {}", describe(inside))]
    NotABase {
        /// The address.
        address: u64,
        /// Where it lies.
        inside: Allocation,
    },
    /// A registration overlaps something known.
    #[error("registering {bytes} bytes at {address:#x} overlaps {}", describe(with))]
    Overlap {
        /// First byte.
        address: u64,
        /// Length.
        bytes: u64,
        /// What it overlaps.
        with: Allocation,
    },
    /// No registered range starts here.
    #[error("unregistering {address:#x}, where no registered range starts")]
    NotRegistered {
        /// The address.
        address: u64,
    },
}

fn describe(allocation: &Allocation) -> String {
    let kind = match allocation.kind {
        AllocationKind::Device => "device",
        AllocationKind::Host => "pinned host",
        AllocationKind::Managed => "managed",
        AllocationKind::Code => "code",
        AllocationKind::Registered => "registered host",
    };
    format!("the {kind} allocation of {} bytes at {:#x}", allocation.bytes, allocation.base)
}
