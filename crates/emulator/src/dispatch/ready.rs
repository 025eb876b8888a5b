//! A launch that can start.

use super::{Kernel, Launch, LaunchError, Shape, block::Block, job::Job, packet, registers::Registers};
use crate::{host::Host, memory::Memory};

/// Checked, with its arguments and its packet in device memory until this is dropped.
pub(super) struct Ready<'a> {
    pub shape: Shape,
    memory: &'a Memory,
    arguments: Block<'a>,
    packet: Block<'a>,
}

impl<'a> Ready<'a> {
    /// Checks the launch and places what its waves read.
    ///
    /// # Errors
    /// [`Refusal`](super::Refusal) for what cannot run.
    pub(super) fn new(
        memory: &'a Memory,
        kernel: &Kernel<'_>,
        launch: &Launch<'_>,
        host: Option<&dyn Host>,
    ) -> Result<Ready<'a>, LaunchError> {
        let shape = Shape::check(kernel, launch)?;
        let arguments = Block::new(memory, packet::kernarg(kernel.info, launch, host))?;
        let packet = Block::new(memory, packet::packet(kernel, &shape, launch, arguments.base))?;
        Ok(Ready { shape, memory, arguments, packet })
    }

    /// Scratch for one workgroup at a time, if the kernel needs any.
    ///
    /// # Errors
    /// Device memory is full.
    pub(super) fn scratch(&self) -> Result<Option<Block<'a>>, LaunchError> {
        let bytes = self.shape.private_bytes as u64 * 64 * self.shape.waves as u64;
        Ok((bytes > 0).then(|| Block::empty(self.memory, bytes)).transpose()?)
    }

    /// Its workgroups.
    pub(super) fn job<'j>(
        &'j self,
        kernel: &'j Kernel<'j>,
        launch: &'j Launch<'j>,
        host: Option<&'j dyn Host>,
    ) -> Job<'j> {
        let registers = Registers::new(kernel, &self.shape, &self.arguments, self.packet.base);
        Job::new(kernel, launch, host, &self.shape, registers, self.memory)
    }
}
