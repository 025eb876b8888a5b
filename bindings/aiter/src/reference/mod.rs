//! What the kernels compute, in f64, and how far a device may be from it.
//!
//! A product is a [`Dot`]: the exact sum and the sum of the magnitudes of what was added. From these a family
//! derives the largest error its machine code can make, whatever the order in which it adds, and [`Allowed`] adds
//! the rounding of the stored format. No tolerance is typed in anywhere.

mod attention;
mod mixture;
mod product;
mod top_k;

pub use attention::{AttentionHead, AttentionQuery, AttentionRounding, attention};
pub use mixture::{Uncertain, gated, gelu_tanh, requantised, silu};
pub use peers::{Allowed, Stored};
pub use product::{Dot, FP8_BLOCK, Mxfp4Matrix, bf16_product, fp8_block_product, mxfp4_product};
pub use top_k::top_k_weights;
