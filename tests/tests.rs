//! The harness from outside: the program itself, as a person runs it.

mod broken_kernels;
mod command;
mod disassembly;
mod e2e;
mod environment;
mod explain;
mod kernels;
mod launch;
mod ledger;
mod storage;
mod surroundings;
mod transcripts;
