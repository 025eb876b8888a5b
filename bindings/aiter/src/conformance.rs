//! Every object of a family against f64, over shapes with edges.

mod bf16gemm;
mod case;
mod f4gemm;
mod family;
mod fmoe;
mod fp8gemm;
mod lab;
mod mla;
mod report;
mod topk_softmax;

pub use case::{Line, Outcome, Tally};
pub use family::Family;
pub use lab::Lab;
pub use report::{FamilyReport, introduction, markdown, text};
