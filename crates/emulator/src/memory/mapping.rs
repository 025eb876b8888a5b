//! One anonymous mapping with inaccessible pages around it.

use std::{io, ptr};

use super::MemoryError;

/// Page size that mappings are rounded to, bytes (the host's on x86-64).
pub(super) const PAGE_BYTES: u64 = 4096;

/// Bytes in front of and behind the usable pages that nothing may touch. The emulator checks bounds
/// itself; these catch host code that walks off an allocation.
const GUARD_BYTES: u64 = 16 * PAGE_BYTES;

/// Owns `[start, start + length)` of the address space, of which the middle is usable.
#[derive(Debug)]
pub(super) struct Mapping {
    start: u64,
    length: u64,
}

impl Mapping {
    /// Reserves `bytes`, rounded up to pages; nothing is backed until it is touched.
    pub(super) fn new(bytes: u64) -> Result<Mapping, MemoryError> {
        let refused = |error: io::Error| MemoryError::HostRefused { bytes, reason: error.to_string() };
        let usable = bytes
            .checked_next_multiple_of(PAGE_BYTES)
            .filter(|usable| *usable <= isize::MAX as u64 - 2 * GUARD_BYTES)
            .ok_or_else(|| refused(io::Error::from(io::ErrorKind::OutOfMemory)))?;
        let length = usable + 2 * GUARD_BYTES;
        // SAFETY: an anonymous mapping at an address of the kernel's choice touches no existing memory.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                length as usize,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(refused(io::Error::last_os_error()));
        }
        let mapping = Mapping { start: start as u64, length };
        // SAFETY: the middle of the mapping made above, which nothing refers to yet.
        let opened = unsafe {
            libc::mprotect(
                mapping.base() as *mut libc::c_void,
                usable as usize,
                libc::PROT_READ | libc::PROT_WRITE,
            )
        };
        if opened != 0 {
            return Err(refused(io::Error::last_os_error()));
        }
        Ok(mapping)
    }

    /// First usable byte.
    pub(super) fn base(&self) -> u64 {
        self.start + GUARD_BYTES
    }

    /// Gives the pages back and makes the whole range inaccessible; the addresses stay reserved.
    /// A host that refuses keeps the pages until the drop.
    pub(super) fn close(&mut self) {
        // SAFETY: replaces this mapping's own range, to which no view refers: views own a share of the
        // mapping, and `&mut self` says that there is no other share.
        let _refused_or_same_address = unsafe {
            libc::mmap(
                self.start as *mut libc::c_void,
                self.length as usize,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED,
                -1,
                0,
            )
        };
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range is this mapping's own, and its last owner goes.
        let _nothing_to_do_about_it =
            unsafe { libc::munmap(self.start as *mut libc::c_void, self.length as usize) };
    }
}
