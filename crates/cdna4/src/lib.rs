//! The CDNA4 (gfx950) instruction set as one table: decode, disassemble, operand access.
//!
//! ```text
//! words ──decode──▶ Inst ──operand(Field)──▶ Operand      (what the emulator reads)
//!                    └────text(pc)──────────▶ llvm-objdump's text
//! ```
#![forbid(unsafe_code)]

mod inst;
mod operand;

pub use inst::{DecodeError, Encoding, Field, Inst, decode};
pub use operand::{Operand, Special};
