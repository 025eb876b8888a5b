//! AITER as a peer: its gfx950 code objects, launched through HIP as AITER itself launches them.
//!
//! ```text
//! $AITER_DIR ─▶ Checkout ─▶ manifest rows ─┐
//!                  │                        ├─▶ family: choose ─▶ arguments ─▶ launch ─▶ hip::Function
//!                  └─▶ Kernels (loaded) ────┘
//! ```
//! One module per family of kernels. Each has the rows of its manifest, AITER's choice among them for a shape,
//! the argument struct of its machine code and a `launch` that takes device memory with documented shapes.
//! Nothing of AITER is part of this crate: without a checkout there is [`Error::NoCheckout`].
//!
//! The choice of the device is hip's: the same calls run on a GPU and on the virtual MI355X.
//! [`conformance`] runs every object of a family against f64 references with derived bounds.
#![forbid(unsafe_code)]

mod argument;
mod bf16gemm;
mod checkout;
pub mod conformance;
mod error;
mod f4gemm;
mod fmoe;
mod fp8gemm;
mod gemm;
mod hip_source;
mod kernels;
mod manifest;
mod mla;
mod mla_choice;
mod mla_metadata;
mod mla_prefill;
mod mla_reduce;
mod mla_work;
mod moe_sort;
mod operand;
mod order;
pub mod reference;
mod topk_softmax;

pub use bf16gemm::{Bf16Choice, Bf16Gemm, Bf16Operands, Bf16Output, Bf16Tile, SEMAPHORES};
pub use checkout::{ADVICE, Checkout, VARIABLE};
pub use error::{Error, Result};
pub use f4gemm::{F4Choice, F4Gemm, F4Operands, F4Tile};
pub use fmoe::{Fmoe, MOE_BLOCK, MOE_FLAGS, MoeActivation, MoeOperands, MoeRow, MoeShape};
pub use fp8gemm::{Fp8Choice, Fp8Gemm, Fp8Operands, Fp8Tile};
pub use gemm::GemmShape;
pub use hip_source::{HipSource, SOURCE_VARIABLE};
pub use kernels::Kernels;
pub use mla::{MLA_KEY, MLA_VALUE, Mla, MlaOperands, MlaShape, MlaWork, WorkItem};
pub use mla_choice::{MlaChoice, MlaFormat, MlaRow, MlaTask};
pub use mla_metadata::{MetadataOperands, MetadataShape, MlaMetadata};
pub use mla_prefill::{
    PREFILL_KEY, PREFILL_TILE, PREFILL_VALUE, PrefillOperands, PrefillPlan, PrefillShape, PrefillTile,
};
pub use mla_reduce::{MlaReduce, ReduceOperands, ReduceShape};
pub use mla_work::WorkPlan;
pub use moe_sort::SortedTokens;
pub use topk_softmax::{TopkGating, TopkOperands, TopkRow, TopkShape, TopkSoftmax};
