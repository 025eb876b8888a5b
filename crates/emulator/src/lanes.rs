//! One dword per lane of a wave64.

use std::ops::{Deref, DerefMut};

/// The 64 lanes of one vector register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub(crate) struct Lanes(pub [u32; 64]);

impl Lanes {
    /// All lanes zero.
    pub(crate) const ZERO: Lanes = Lanes([0; 64]);

    /// The same dword in every lane.
    #[inline(always)]
    pub(crate) fn splat(value: u32) -> Lanes {
        Lanes([value; 64])
    }
}

impl Deref for Lanes {
    type Target = [u32; 64];
    #[inline(always)]
    fn deref(&self) -> &[u32; 64] {
        &self.0
    }
}

impl DerefMut for Lanes {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [u32; 64] {
        &mut self.0
    }
}
