//! Words that streams write, and wait for.
//!
//! A command runs when it is enqueued, and its caller would wait with it: a wait for a word that is not there
//! yet is refused, since the thread that would write the word may be the caller. The device says so beforehand
//! (`hipDeviceAttributeCanUseStreamWaitValue` is 0).

use std::ffi::{c_uint, c_void};

use hip_sys::*;

use crate::{
    api::{Status, api},
    command::{Address, Command},
    memory::known,
    stream,
};

const INVALID: hipError_t = hipError_t::hipErrorInvalidValue;
/// Flag of a write that need not order the writes before it; every write is in order.
const NO_MEMORY_BARRIER: u32 = 1;

/// A condition on a word in memory.
#[derive(Clone, Copy)]
pub(crate) struct Condition {
    pub address: Address,
    /// 4 or 8.
    pub bytes: u32,
    pub value: u64,
    pub mask: u64,
    /// hipStreamWaitValueGte, …Eq, …And, …Nor.
    pub relation: u32,
}

impl Condition {
    /// Whether the word is as it should be.
    pub(crate) fn holds(&self) -> bool {
        // SAFETY: `wait` checked that the device reaches the word and that it is aligned; another thread may be
        // writing it, which a volatile read of an aligned word takes in one piece.
        let word = unsafe {
            match self.bytes {
                4 => (self.address as *const u32).read_volatile() as u64,
                _ => (self.address as *const u64).read_volatile(),
            }
        };
        let (word, value) = (word & self.mask, self.value & self.mask);
        match self.relation {
            hipStreamWaitValueGte => match self.bytes {
                // The difference is signed, so that counters may wrap.
                4 => (word as u32).wrapping_sub(value as u32) as i32 >= 0,
                _ => word.wrapping_sub(value) as i64 >= 0,
            },
            hipStreamWaitValueEq => word == value,
            hipStreamWaitValueAnd => word & value != 0,
            _ => !(word | value) & self.mask != 0,
        }
    }
}

fn check(address: *const c_void, bytes: u32) -> Status {
    if address.is_null() || !(address as Address).is_multiple_of(bytes as u64) {
        return Err(INVALID);
    }
    known(address, bytes as usize)
}

fn wait(stream: hipStream_t, condition: Condition) -> Status {
    if condition.relation > hipStreamWaitValueNor {
        return Err(INVALID);
    }
    check(condition.address as *const c_void, condition.bytes)?;
    stream::resolve(stream)?.enqueue(Command::Until(condition))
}

fn write(stream: hipStream_t, address: *mut c_void, bytes: u32, value: u64, flags: u32) -> Status {
    if flags & !NO_MEMORY_BARRIER != 0 {
        return Err(INVALID);
    }
    check(address, bytes)?;
    let queue = stream::resolve(stream)?;
    // Little-endian: a quadword is its two halves.
    for (index, half) in [value as u32, (value >> 32) as u32].into_iter().take(bytes as usize / 4).enumerate()
    {
        let target = address as Address + 4 * index as u64;
        queue.enqueue(Command::Fill { target, pitch: 0, value: half, element: 4, count: 1, rows: 1 })?;
    }
    Ok(())
}

/// One operation of a batch.
fn operate(stream: hipStream_t, operation: &hipStreamBatchMemOpParams) -> Status {
    // SAFETY: every member of the union begins with the operation, which says which member it is; all are integers
    // and pointers.
    let (kind, waits, writes) = unsafe { (operation.operation, operation.waitValue, operation.writeValue) };
    // SAFETY: as above; the narrow value is the low half of the wide one.
    let (wait_value, write_value) =
        unsafe { (waits.__bindgen_anon_1.value64, writes.__bindgen_anon_1.value64) };
    let condition = |bytes: u32, value: u64| Condition {
        address: waits.address as Address,
        bytes,
        value,
        mask: u64::MAX >> (64 - 8 * bytes),
        relation: waits.flags,
    };
    match kind {
        hipStreamBatchMemOpType_hipStreamMemOpWaitValue32 => {
            wait(stream, condition(4, wait_value as u32 as u64))
        }
        hipStreamBatchMemOpType_hipStreamMemOpWaitValue64 => wait(stream, condition(8, wait_value)),
        hipStreamBatchMemOpType_hipStreamMemOpWriteValue32 => {
            write(stream, writes.address, 4, write_value as u32 as u64, writes.flags)
        }
        hipStreamBatchMemOpType_hipStreamMemOpWriteValue64 => {
            write(stream, writes.address, 8, write_value, writes.flags)
        }
        // Everything before is in memory already.
        hipStreamBatchMemOpType_hipStreamMemOpBarrier
        | hipStreamBatchMemOpType_hipStreamMemOpFlushRemoteWrites => Ok(()),
        _ => Err(INVALID),
    }
}

api! {
    /// Waits for a word: refused unless it is there.
    fn hipStreamWaitValue32(stream: hipStream_t, address: *mut c_void, value: u32, relation: c_uint, mask: u32) {
        let (value, mask) = (value as u64, mask as u64);
        wait(stream, Condition { address: address as Address, bytes: 4, value, mask, relation })
    }
    /// Waits for a quadword: refused unless it is there.
    fn hipStreamWaitValue64(stream: hipStream_t, address: *mut c_void, value: u64, relation: c_uint, mask: u64) {
        wait(stream, Condition { address: address as Address, bytes: 8, value, mask, relation })
    }
    /// Writes a word in stream order.
    fn hipStreamWriteValue32(stream: hipStream_t, address: *mut c_void, value: u32, flags: c_uint) {
        write(stream, address, 4, value as u64, flags)
    }
    /// Writes a quadword in stream order.
    fn hipStreamWriteValue64(stream: hipStream_t, address: *mut c_void, value: u64, flags: c_uint) {
        write(stream, address, 8, value, flags)
    }
    /// Several waits and writes in stream order.
    fn hipStreamBatchMemOp(
        stream: hipStream_t, count: c_uint, list: *mut hipStreamBatchMemOpParams, flags: c_uint,
    ) {
        const MOST: c_uint = 256;
        if list.is_null() || count == 0 || count > MOST || flags != 0 {
            return Err(INVALID);
        }
        // SAFETY: the caller's list, not null.
        let operations = unsafe { std::slice::from_raw_parts(list, count as usize) };
        operations.iter().try_for_each(|operation| operate(stream, operation))
    }
}
