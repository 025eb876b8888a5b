//! The disassembler's text.

use crate::inst::Inst;

pub(crate) fn text(inst: &Inst) -> String {
    inst.asm_mnemonic().to_string()
}
