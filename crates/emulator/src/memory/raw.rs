//! Accesses to guest memory, unchecked.
//!
//! Workgroups run on several threads, and guest code may race: that is the guest's bug, and must not be
//! the host's undefined behaviour. So no reference to guest memory is ever made; aligned accesses are
//! relaxed atomics of 4 or 8 bytes (plain moves on x86-64), unaligned ones are relaxed bytes. What Rust
//! still leaves undefined is two atomics of different size that race on the same bytes; on the hosts we
//! run on they tear, as they do on the device. Bulk copies for the host program (`copy_*`, `fill`) are
//! plain: they race with a kernel only if that program forgot to synchronise.

use std::{
    ptr, slice,
    sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst},
};

/// # Safety
/// `[address, address + target.len())` is readable and not written meanwhile.
pub(super) unsafe fn copy_out(address: u64, target: &mut [u8]) {
    // SAFETY: readable by the caller's promise; `target` is ours, hence elsewhere or the same bytes.
    unsafe { ptr::copy(address as *const u8, target.as_mut_ptr(), target.len()) }
}

/// # Safety
/// `[address, address + source.len())` is writable and not accessed meanwhile.
pub(super) unsafe fn copy_in(address: u64, source: &[u8]) {
    // SAFETY: writable by the caller's promise.
    unsafe { ptr::copy(source.as_ptr(), address as *mut u8, source.len()) }
}

/// # Safety
/// Both ranges of `bytes` bytes are accessible and not accessed by others meanwhile.
pub(super) unsafe fn copy(target: u64, source: u64, bytes: usize) {
    // SAFETY: the caller's promise; `copy` allows overlap.
    unsafe { ptr::copy(source as *const u8, target as *mut u8, bytes) }
}

/// # Safety
/// `[address, address + pattern.len() * count)` is writable and not accessed meanwhile.
pub(super) unsafe fn fill(address: u64, pattern: &[u8], count: usize) {
    // SAFETY: the caller's promise; the slice lives only in this function, during which nobody else
    // accesses the range.
    let target = unsafe { slice::from_raw_parts_mut(address as *mut u8, pattern.len() * count) };
    match pattern {
        [] => {}
        [byte] => target.fill(*byte),
        _ => target.chunks_exact_mut(pattern.len()).for_each(|chunk| chunk.copy_from_slice(pattern)),
    }
}

/// # Safety
/// The byte is readable.
#[inline(always)]
pub(super) unsafe fn load8(address: u64) -> u8 {
    // SAFETY: the caller's promise; a byte is always aligned.
    unsafe { AtomicU8::from_ptr(address as *mut u8) }.load(Relaxed)
}

/// # Safety
/// The byte is writable.
#[inline(always)]
pub(super) unsafe fn store8(address: u64, value: u8) {
    // SAFETY: as in `load8`.
    unsafe { AtomicU8::from_ptr(address as *mut u8) }.store(value, Relaxed);
}

/// # Safety
/// Two bytes are readable; any alignment.
#[inline(always)]
pub(super) unsafe fn load16(address: u64) -> u16 {
    if address.is_multiple_of(2) {
        // SAFETY: the caller's promise, and aligned.
        unsafe { AtomicU16::from_ptr(address as *mut u16) }.load(Relaxed)
    } else {
        // SAFETY: the caller's promise, byte by byte.
        u16::from_le_bytes(unsafe { [load8(address), load8(address + 1)] })
    }
}

/// # Safety
/// Two bytes are writable; any alignment.
#[inline(always)]
pub(super) unsafe fn store16(address: u64, value: u16) {
    if address.is_multiple_of(2) {
        // SAFETY: the caller's promise, and aligned.
        unsafe { AtomicU16::from_ptr(address as *mut u16) }.store(value, Relaxed);
    } else {
        for (i, byte) in value.to_le_bytes().into_iter().enumerate() {
            // SAFETY: the caller's promise, byte by byte.
            unsafe { store8(address + i as u64, byte) };
        }
    }
}

/// # Safety
/// Four bytes are readable, and `address` is a multiple of 4.
#[inline(always)]
pub(super) unsafe fn load32(address: u64) -> u32 {
    // SAFETY: the caller's promise.
    unsafe { AtomicU32::from_ptr(address as *mut u32) }.load(Relaxed)
}

/// # Safety
/// Four bytes are writable, and `address` is a multiple of 4.
#[inline(always)]
pub(super) unsafe fn store32(address: u64, value: u32) {
    // SAFETY: the caller's promise.
    unsafe { AtomicU32::from_ptr(address as *mut u32) }.store(value, Relaxed);
}

/// # Safety
/// Eight bytes are readable, and `address` is a multiple of 8.
#[inline(always)]
pub(super) unsafe fn load64(address: u64) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { AtomicU64::from_ptr(address as *mut u64) }.load(Relaxed)
}

/// # Safety
/// Eight bytes are writable, and `address` is a multiple of 8.
#[inline(always)]
pub(super) unsafe fn store64(address: u64, value: u64) {
    // SAFETY: the caller's promise.
    unsafe { AtomicU64::from_ptr(address as *mut u64) }.store(value, Relaxed);
}

/// Four bytes at any alignment.
///
/// # Safety
/// They are readable.
#[inline(always)]
pub(super) unsafe fn load32_bytes(address: u64) -> u32 {
    // SAFETY: the caller's promise, byte by byte.
    u32::from_le_bytes(unsafe {
        [load8(address), load8(address + 1), load8(address + 2), load8(address + 3)]
    })
}

/// Four bytes at any alignment.
///
/// # Safety
/// They are writable.
#[inline(always)]
pub(super) unsafe fn store32_bytes(address: u64, value: u32) {
    for (i, byte) in value.to_le_bytes().into_iter().enumerate() {
        // SAFETY: the caller's promise, byte by byte.
        unsafe { store8(address + i as u64, byte) };
    }
}

/// Replaces a dword by `update` of it, atomically; yields the old one.
///
/// # Safety
/// Four bytes are writable, and `address` is a multiple of 4.
#[inline(always)]
pub(super) unsafe fn update32(address: u64, update: impl Fn(u32) -> u32) -> u32 {
    // SAFETY: the caller's promise.
    let cell = unsafe { AtomicU32::from_ptr(address as *mut u32) };
    let mut old = cell.load(Relaxed);
    while let Err(seen) = cell.compare_exchange_weak(old, update(old), SeqCst, Relaxed) {
        old = seen;
    }
    old
}

/// Replaces a quadword by `update` of it, atomically; yields the old one.
///
/// # Safety
/// Eight bytes are writable, and `address` is a multiple of 8.
#[inline(always)]
pub(super) unsafe fn update64(address: u64, update: impl Fn(u64) -> u64) -> u64 {
    // SAFETY: the caller's promise.
    let cell = unsafe { AtomicU64::from_ptr(address as *mut u64) };
    let mut old = cell.load(Relaxed);
    while let Err(seen) = cell.compare_exchange_weak(old, update(old), SeqCst, Relaxed) {
        old = seen;
    }
    old
}
