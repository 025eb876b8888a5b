use cdna4::{Encoding, rows};

use super::handler;

#[test]
fn every_vector_instruction_has_a_handler() {
    let mut missing: Vec<&str> = Vec::new();
    for row in rows() {
        use Encoding::{Dpp, Sdwa, Vop1, Vop2, Vop3, Vop3p, Vopc};
        if !matches!(row.encoding, Vop1 | Vop2 | Vopc | Vop3 | Vop3p | Dpp | Sdwa) {
            continue;
        }
        let base = ["_sdwa", "_dpp", "_e64", "_e32"].iter().fold(row.asm_mnemonic, |m, s| m.strip_suffix(s).unwrap_or(m));
        if handler(base).is_none() && !missing.contains(&base) {
            missing.push(base);
        }
    }
    assert_eq!(missing, Vec::<&str>::new());
}
