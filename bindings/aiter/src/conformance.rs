//! Every object of a family against f64, over shapes with edges.

mod bf16gemm;
mod case;
mod counts;
mod evidence;
mod f4gemm;
mod family;
mod fmoe;
mod fp8gemm;
mod lab;
mod mla;
mod mla_chain;
mod mla_prefill;
mod mla_problem;
mod report;
mod schedule;
mod topk_softmax;

pub use case::{Line, Outcome, Verdict};
pub use counts::{Counts, Known};
pub use evidence::Evidence;
pub use family::Family;
pub use lab::Lab;
pub use peers::Tally;
pub use report::{FamilyReport, introduction, markdown, text, totals};
