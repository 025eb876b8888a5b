//! Random inputs.

use numerics::bf16;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A seeded generator.
#[derive(Debug, Clone)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// The generator of a seed and the name of a kernel or a case: its inputs do not depend on which others run.
    pub fn new(seed: u64, name: &str) -> Self {
        let seed = name.bytes().fold(seed, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(17)
        });
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// 32 random bits.
    pub fn word(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// A number from 0 to `end`, exclusive.
    pub fn below(&mut self, end: u32) -> u32 {
        ((u64::from(self.0.next_u32()) * u64::from(end)) >> 32) as u32
    }

    /// A number with a bell-shaped distribution of variance 1: the sum of twelve uniform ones, less 6.
    pub fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.0.next_u32() as f32 / 4_294_967_296.0).sum::<f32>() - 6.0
    }

    /// `len` of [`normal`](Self::normal).
    pub fn normals(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.normal()).collect()
    }

    /// The nearest bf16 of `len` of [`normal`](Self::normal).
    pub fn bf16s(&mut self, len: usize) -> Vec<u16> {
        (0..len).map(|_| bf16::from_f32_rne(self.normal())).collect()
    }

    /// `len` random bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.0.fill_bytes(&mut bytes);
        bytes
    }
}
