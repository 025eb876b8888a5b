//! The CDNA4 (gfx950) instruction set as one table: decode, disassemble, operand access.
//!
//! ```text
//! words ──decode──▶ Inst ──operand(Field)──▶ Operand      (what the emulator reads)
//!                    └────text(pc)──────────▶ llvm-objdump's text
//! ```
#![forbid(unsafe_code)]

mod decode;
mod form;
mod inst;
mod kind;
mod names;
mod operand;
#[rustfmt::skip]
mod table;
mod text;

pub use decode::decode;
pub use form::Flags;
pub use inst::{DecodeError, Encoding, Field, Inst, Row, mods, rows};
pub use operand::{Operand, Special};
