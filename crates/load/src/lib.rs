//! Loads a completions server as the leaderboard's reference client does, and measures it.
//!
//! ```text
//! Shape ─▶ Workload (prompts from a seed) ─▶ run: closed loop over Client::send ─▶ Run
//!              ▲ Tokenizer                                   Run ─▶ Summary ─▶ ReferenceRecord
//!                                                            Run ─▶ findings: can it be true?
//! ```
//! Unlike the other crates below the harness this one does network I/O: one thread with one event loop
//! ([`run`]), one connection per request. Prompts, lengths, order of requests, definitions of latencies and
//! statistics are those of `benchmark_serving.py`; [`Repair`] and [`WarmUp`] say where its versions differ. Not as in
//! the reference: a failed request ends the run unless [`Plan::failures_allowed`] says otherwise, silence is a failure
//! long before the six hours are over, and [`findings`] names what the figures cannot be.
#![forbid(unsafe_code)]

mod client;
mod closed_loop;
mod endpoint;
mod event;
mod integrity;
mod random;
mod statistics;
mod summary;
mod tokenizer;
mod workload;

pub use client::{Answer, Client, Failure, Request};
pub use closed_loop::{End, Measured, Observer, Plan, Run, Stop, WarmUp, run};
pub use endpoint::{Endpoint, EndpointError};
pub use integrity::{Finding, findings};
pub use random::RandomState;
pub use statistics::Samples;
pub use summary::{Latency, ReferenceRecord, Summary};
pub use tokenizer::{HuggingFace, Tokenizer, TokenizerError};
pub use workload::{Lengths, Prompt, Repair, Shape, Workload, WorkloadError};
