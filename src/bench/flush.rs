//! Emptying the caches before a cold sample.

use hip::{DeviceBuffer, Result, Stream};

use crate::device::OpenDevice;

/// Twice the MI355X's 256 MB Infinity Cache: writing it leaves nothing else in any cache.
const BYTES: usize = 512 << 20;

/// A buffer whose only use is to be written.
#[derive(Debug)]
pub(super) struct Flush {
    /// None on the virtual device, whose model is told the state of the caches.
    buffer: Option<DeviceBuffer<u8>>,
    turn: u8,
}

impl Flush {
    pub(super) fn new(open: &OpenDevice) -> Result<Self> {
        let buffer = if open.is_virtual() { None } else { Some(DeviceBuffer::new(&open.device, BYTES)?) };
        Ok(Self { buffer, turn: 0 })
    }

    /// Queues the write; another value each time, so that it cannot be elided.
    pub(super) fn run(&mut self, stream: &Stream) -> Result<()> {
        self.turn = self.turn.wrapping_add(1);
        match &mut self.buffer {
            Some(buffer) => buffer.as_mut_slice().fill_bytes_async(self.turn, stream),
            None => Ok(()),
        }
    }
}
