//! Ranges of this process's address space, reserved and backed by hand.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

use crate::command::Address;

/// Bytes of a host page.
pub(crate) const PAGE_BYTES: u64 = 4096;

/// A reserved range. Nothing can be read or written before [`Reservation::back`].
pub(crate) struct Reservation {
    base: Address,
    bytes: u64,
}

impl Reservation {
    /// Reserves `bytes`, a multiple of pages, at a multiple of `align`, a power of two; at `wanted` if that is
    /// free and not 0.
    pub(crate) fn new(bytes: u64, align: u64, wanted: Address) -> io::Result<Reservation> {
        let align = align.max(PAGE_BYTES);
        let length = bytes.checked_add(align).ok_or(io::ErrorKind::OutOfMemory)?;
        // SAFETY: an anonymous mapping, at `wanted` only if nothing is there, touches no existing memory.
        let start = unsafe {
            libc::mmap(wanted as *mut libc::c_void, length as usize, libc::PROT_NONE, ANONYMOUS, -1, 0)
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = start as Address;
        let base = start.next_multiple_of(align);
        for (from, to) in [(start, base), (base + bytes, start + length)] {
            if to > from {
                // SAFETY: a part of the mapping made above, which nothing refers to.
                unsafe { libc::munmap(from as *mut libc::c_void, (to - from) as usize) };
            }
        }
        Ok(Reservation { base, bytes })
    }

    /// Its first byte.
    pub(crate) fn base(&self) -> Address {
        self.base
    }

    /// Its length.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether `[address, address + bytes)` lies in it.
    pub(crate) fn holds(&self, address: Address, bytes: u64) -> bool {
        address >= self.base && bytes <= self.bytes && address - self.base <= self.bytes - bytes
    }

    /// Backs a part with the first bytes of `memory`, or with fresh zeros without one.
    ///
    /// # Safety
    /// The part lies in the reservation, and nothing refers to what it shows now.
    pub(crate) unsafe fn back(
        &self,
        address: Address,
        bytes: u64,
        memory: Option<BorrowedFd<'_>>,
    ) -> io::Result<()> {
        let (flags, file) = match memory {
            Some(memory) => (libc::MAP_SHARED | libc::MAP_NORESERVE | libc::MAP_FIXED, memory.as_raw_fd()),
            None => (ANONYMOUS | libc::MAP_FIXED, -1),
        };
        // SAFETY: the caller's promise.
        unsafe { map(address, bytes, libc::PROT_READ | libc::PROT_WRITE, flags, file) }
    }

    /// Takes the backing of a part away; the addresses stay reserved.
    ///
    /// # Safety
    /// As [`Reservation::back`].
    pub(crate) unsafe fn clear(&self, address: Address, bytes: u64) -> io::Result<()> {
        // SAFETY: the caller's promise.
        unsafe { map(address, bytes, libc::PROT_NONE, ANONYMOUS | libc::MAP_FIXED, -1) }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // SAFETY: the range is this reservation's own, and whoever backed parts of it has cleared them or goes too.
        unsafe { libc::munmap(self.base as *mut libc::c_void, self.bytes as usize) };
    }
}

const ANONYMOUS: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;

/// # Safety
/// The range is the caller's own, and nothing refers to what it shows now.
unsafe fn map(address: Address, bytes: u64, rights: i32, flags: i32, file: i32) -> io::Result<()> {
    // SAFETY: the caller's promise.
    let place = unsafe { libc::mmap(address as *mut libc::c_void, bytes as usize, rights, flags, file, 0) };
    if place == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Memory without an address, which can be mapped at several.
pub(crate) fn anonymous_file(bytes: u64) -> io::Result<OwnedFd> {
    // SAFETY: a name and a flag; the descriptor that comes back is new.
    let file = unsafe {
        let raw = libc::memfd_create(c"vhip".as_ptr(), libc::MFD_CLOEXEC);
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        OwnedFd::from_raw_fd(raw)
    };
    let file = std::fs::File::from(file);
    file.set_len(bytes)?;
    Ok(file.into())
}
