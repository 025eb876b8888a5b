//! Device memory of a launch.

use crate::memory::{AllocationKind, Memory, MemoryError};

/// A piece of device memory that lives as long as the launch.
pub(super) struct Block<'a> {
    memory: &'a Memory,
    pub base: u64,
    pub bytes: u64,
    pub content: Vec<u8>,
}

impl<'a> Block<'a> {
    /// An allocation that holds `content`.
    pub(super) fn new(memory: &'a Memory, content: Vec<u8>) -> Result<Block<'a>, MemoryError> {
        let base = memory.alloc_kind(content.len().max(1) as u64, AllocationKind::Code)?;
        let block = Block { memory, base, bytes: content.len() as u64, content };
        memory.write(base, &block.content)?;
        Ok(block)
    }

    /// An allocation whose content does not matter.
    pub(super) fn empty(memory: &'a Memory, bytes: u64) -> Result<Block<'a>, MemoryError> {
        Ok(Block {
            memory,
            base: memory.alloc_kind(bytes, AllocationKind::Code)?,
            bytes,
            content: Vec::new(),
        })
    }
}

impl Drop for Block<'_> {
    fn drop(&mut self) {
        // Its own allocation: nobody else frees it.
        let _freed = self.memory.free(self.base);
    }
}
