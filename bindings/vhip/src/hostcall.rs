//! Host calls: how device code asks the host for something in the middle of a kernel, `printf` above all.
//!
//! ```text
//! wave: pop a packet off the free stack ─▶ fill header and payload ─▶ push it on the ready stack
//!       ─▶ s_sendmsg ─▶ [host: take all ready packets, answer, clear their ready bits] ─▶ read the answer
//! ```
//!
//! The layout is what the device libraries' `__ockl_hostcall_internal` reads and writes. The host answers
//! within the interrupt, on the thread that runs the wave: output has the order of the schedule.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use emulator::{AllocationKind, ArgKind, KernelInfo, MemoryError};

use crate::{
    buffered::PrintfBuffer,
    device::VirtualDevice,
    printf::{self, Target},
    runtime::lock,
};

/// Waves of a workgroup: each has at most one packet in use.
const WAVES: usize = 16;
/// Bytes of a packet's header: next (u64), active lanes (u64), service (u32), control (u32).
const HEADER_BYTES: u64 = 24;
/// Bytes of a packet's payload: 8 words for each of 64 lanes.
const PAYLOAD_BYTES: u64 = 64 * LANE_BYTES;
const LANE_BYTES: u64 = 64;

/// Offsets in the buffer that `hidden_hostcall_buffer` names.
mod field {
    pub(super) const HEADERS: u64 = 0;
    pub(super) const PAYLOADS: u64 = 8;
    pub(super) const DOORBELL: u64 = 16;
    pub(super) const FREE_STACK: u64 = 24;
    pub(super) const READY_STACK: u64 = 32;
    pub(super) const INDEX_MASK: u64 = 40;
}

/// The doorbell, an `amd_signal_t` with a mailbox: only with one does device code send an interrupt.
const SIGNAL: u64 = 64;
const SIGNAL_MAILBOX: u64 = SIGNAL + 16;
const MAILBOX: u64 = 128;
const HEADERS: u64 = 192;

/// Services that device code asks for.
mod service {
    pub(super) const PRINTF: u32 = 2;
}

/// A message's descriptor, the first word of a lane.
mod descriptor {
    pub(super) const BEGIN: u64 = 1;
    pub(super) const END: u64 = 2;
    pub(super) const LENGTH_SHIFT: u32 = 5;
    pub(super) const ID_SHIFT: u32 = 8;
}

/// What one launch needs of the host.
pub(crate) struct HostCalls<'a> {
    device: &'a VirtualDevice,
    calls: Option<Packets>,
    printf: Option<PrintfBuffer<'a>>,
    messages: Mutex<Messages>,
}

/// The packets' addresses.
struct Packets {
    base: u64,
    payloads: u64,
    mask: u64,
}

/// Messages whose end has not come yet.
#[derive(Default)]
struct Messages {
    open: BTreeMap<u64, Vec<u8>>,
    last: u64,
    printed: bool,
    /// Services that were refused, each named once.
    refused: Vec<u32>,
}

impl<'a> HostCalls<'a> {
    /// The buffers that the kernel's hidden arguments name, for a launch on at most `threads` host threads;
    /// `None` for a kernel that needs nothing.
    pub(crate) fn new(
        device: &'a VirtualDevice,
        info: &KernelInfo,
        threads: usize,
    ) -> Result<Option<HostCalls<'a>>, MemoryError> {
        let has = |kind| info.args.iter().any(|arg| arg.kind == kind);
        let (calls, printf) = (has(ArgKind::HiddenHostcallBuffer), has(ArgKind::HiddenPrintfBuffer));
        if !calls && !printf {
            return Ok(None);
        }
        let mut host = HostCalls { device, calls: None, printf: None, messages: Mutex::default() };
        if calls {
            host.calls = Some(Packets::new(device, threads)?);
        }
        if printf {
            host.printf = Some(PrintfBuffer::new(device)?);
        }
        Ok(Some(host))
    }

    /// Prints what is left once the kernel has ended, with the formats of its code object.
    pub(crate) fn finish(&self, formats: &[String]) {
        let buffered = self.printf.as_ref().is_some_and(|buffer| buffer.print(formats));
        if buffered || lock(&self.messages).printed {
            printf::flush();
        }
    }
}

impl Drop for HostCalls<'_> {
    fn drop(&mut self) {
        if let Some(packets) = &self.calls {
            // Its own allocation: nobody else frees it.
            let _freed = self.device.emulator.memory().free(packets.base);
        }
    }
}

impl emulator::Host for HostCalls<'_> {
    fn hostcall_buffer(&self) -> u64 {
        self.calls.as_ref().map_or(0, |packets| packets.base)
    }

    fn printf_buffer(&self) -> u64 {
        self.printf.as_ref().map_or(0, PrintfBuffer::address)
    }

    fn interrupt(&self) {
        if let Some(packets) = &self.calls {
            let mut messages = lock(&self.messages);
            for packet in packets.ready() {
                packets.answer(packet, &mut messages);
            }
        }
    }
}

impl Packets {
    /// As many packets as waves can run at once: device code takes one without looking whether there is any.
    fn new(device: &VirtualDevice, threads: usize) -> Result<Packets, MemoryError> {
        let count = (threads.max(1) * WAVES).next_power_of_two() as u64;
        let payloads = (HEADERS + count * HEADER_BYTES).next_multiple_of(LANE_BYTES);
        let memory = device.emulator.memory();
        // Not the program's: a device reset must not free it.
        let base = memory.alloc_kind(payloads + count * PAYLOAD_BYTES, AllocationKind::Code)?;
        let put = |offset: u64, value: u64| memory.write(base + offset, &value.to_le_bytes());
        put(field::HEADERS, base + HEADERS)?;
        put(field::PAYLOADS, base + payloads)?;
        put(field::DOORBELL, base + SIGNAL)?;
        put(field::INDEX_MASK, count - 1)?;
        put(SIGNAL_MAILBOX, base + MAILBOX)?;
        // A pointer is an index with a tag above it that changes at each use; only the stacks' ends are 0.
        let tagged = |index: u64| count | index;
        for index in 1..count {
            put(HEADERS + index * HEADER_BYTES, tagged(index - 1))?;
        }
        put(field::FREE_STACK, tagged(count - 1))?;
        Ok(Packets { base, payloads: base + payloads, mask: count - 1 })
    }

    /// Takes the packets that wait, in the order in which they came.
    fn ready(&self) -> Vec<u64> {
        let mut packets = Vec::new();
        // SAFETY: the word lies in the buffer, which lives as long as `self` and is aligned to pages.
        let stack = unsafe { AtomicU64::from_ptr((self.base + field::READY_STACK) as *mut u64) };
        let mut at = stack.swap(0, Ordering::Acquire);
        while at != 0 && packets.len() as u64 <= self.mask {
            let packet = at & self.mask;
            packets.push(packet);
            at = self.word(self.header(packet));
        }
        packets.reverse();
        packets
    }

    /// Serves the active lanes of a packet and gives it back to its wave.
    fn answer(&self, packet: u64, messages: &mut Messages) {
        let header = self.header(packet);
        let (active, service) = (self.word(header + 8), self.word(header + 16) as u32);
        for lane in (0..64).filter(|lane| active >> lane & 1 == 1) {
            let slot = self.payloads + packet * PAYLOAD_BYTES + lane * LANE_BYTES;
            let words: [u64; 8] = std::array::from_fn(|i| self.word(slot + 8 * i as u64));
            let answer = match service {
                service::PRINTF => messages.append(&words),
                other => messages.refuse(other),
            };
            for (i, value) in answer.into_iter().enumerate() {
                // SAFETY: as in `word`; the wave reads it only after the ready bit is cleared.
                unsafe { ((slot + 8 * i as u64) as *mut u64).write(value) };
            }
        }
        // SAFETY: the control word lies in the buffer and is aligned to 4 bytes.
        unsafe { AtomicU32::from_ptr((header + 20) as *mut u32) }.fetch_and(!1, Ordering::Release);
    }

    fn header(&self, packet: u64) -> u64 {
        self.base + HEADERS + packet * HEADER_BYTES
    }

    fn word(&self, address: u64) -> u64 {
        // SAFETY: the addresses are computed from masked indices and lie in the buffer, aligned to 8 bytes;
        // the wave that filled the packet does not touch it before the ready bit is cleared.
        unsafe { (address as *const u64).read() }
    }
}

impl Messages {
    /// Adds a lane's words to its message, and prints the message at its end. Yields the descriptor for the
    /// next part, or after the end `printf`'s result.
    fn append(&mut self, words: &[u64; 8]) -> [u64; 2] {
        let head = words[0];
        let id = if head & descriptor::BEGIN != 0 {
            self.last += 1;
            self.open.insert(self.last, Vec::new());
            self.last
        } else {
            head >> descriptor::ID_SHIFT
        };
        let Some(message) = self.open.get_mut(&id) else {
            eprintln!("vhip: device code continues message {id} of printf, which it never began");
            return [u64::MAX, 0];
        };
        let length = (head >> descriptor::LENGTH_SHIFT & 7) as usize;
        message.extend(words[1..=length].iter().flat_map(|word| word.to_le_bytes()));
        if head & descriptor::END == 0 {
            return [id << descriptor::ID_SHIFT, 0];
        }
        let message = self.open.remove(&id).unwrap_or_default();
        self.printed = true;
        [print(&message) as u64, 0]
    }

    /// Device memory on request (`malloc` in kernels), calls of host functions and sanitizers have no
    /// counterpart here: the answer is 0, for `malloc` "no memory".
    fn refuse(&mut self, service: u32) -> [u64; 2] {
        if !self.refused.contains(&service) {
            eprintln!("vhip: device code asks for service {service} of the host, which there is not");
            self.refused.push(service);
        }
        [0, 0]
    }
}

/// Prints a message: a word that names the stream, the format, the arguments.
fn print(message: &[u8]) -> i64 {
    let Some((control, rest)) = message.split_first_chunk::<8>() else { return -1 };
    let target = if u64::from_le_bytes(*control) & 1 == 1 { Target::Error } else { Target::Out };
    let Some(end) = rest.iter().position(|byte| *byte == 0) else { return -1 };
    let arguments = rest.get((end + 1).next_multiple_of(8)..).unwrap_or(&[]);
    printf::print(target, &rest[..end], arguments)
}
