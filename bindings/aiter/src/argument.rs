//! The argument slots of AITER's kernels: every argument, of whatever size, has 16 bytes to itself.

use bytemuck::{Pod, Zeroable};

/// A device address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Pointer {
    address: u64,
    padding: [u32; 2],
}

/// An unsigned number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Word {
    value: u32,
    padding: [u32; 3],
}

/// A floating-point number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Float {
    value: f32,
    padding: [u32; 3],
}

impl From<u64> for Pointer {
    fn from(address: u64) -> Self {
        Self { address, ..Self::default() }
    }
}

impl From<u32> for Word {
    fn from(value: u32) -> Self {
        Self { value, ..Self::default() }
    }
}

impl From<f32> for Float {
    fn from(value: f32) -> Self {
        Self { value, ..Self::default() }
    }
}

/// Asserts that fields of a struct lie where the machine code reads them:
/// `offsets!(Arguments { d: 0x00, c: 0x10 })`.
#[cfg(test)]
macro_rules! assert_offsets {
    ($name:ident { $($field:ident: $offset:expr),+ $(,)? }) => {
        $(assert_eq!(core::mem::offset_of!($name, $field), $offset, stringify!($field));)+
    };
}

#[cfg(test)]
pub(crate) use assert_offsets;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_has_sixteen_bytes_and_its_value_first() {
        assert_eq!(bytemuck::bytes_of(&Pointer::from(0x1122_3344_5566_7788)).len(), 16);
        assert_eq!(bytemuck::bytes_of(&Word::from(7))[..4], 7u32.to_le_bytes());
        assert_eq!(bytemuck::bytes_of(&Float::from(1.5))[..4], 1.5f32.to_le_bytes());
        assert_eq!(size_of::<Word>() + size_of::<Float>(), 32);
    }
}
