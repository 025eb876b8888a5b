//! Which instructions the vectors cover, and that each group assembles to the instruction that it names.

use std::collections::{BTreeMap, BTreeSet};

use object::{Object, ObjectSection, ObjectSymbol};

use super::vectors::Group;

/// Instructions of real gfx950 code: `origins mnemonic`.
const USED: &str = include_str!("../data/used_mnemonics.txt");

/// Instructions without a result that a vector could hold: `mnemonic: the test that depends on it`.
const ELSEWHERE: &[(&str, &str)] =
    &[("s_endpgm", "every kernel of every test ends by it; robustness.rs runs past the end")];

/// Mnemonics of each kernel's code, as the assembler spells them.
pub(crate) fn assembled(image: &[u8], kernels: usize) -> Vec<BTreeSet<&'static str>> {
    let names: Vec<&'static str> = cdna4::rows().map(|row| row.asm_mnemonic).collect();
    let file = object::File::parse(image).expect("an ELF file");
    let text = file.section_by_name(".text").expect("has code");
    let (base, bytes) = (text.address(), text.data().expect("is there"));
    let symbols: BTreeMap<&str, (u64, u64)> = file
        .symbols()
        .filter_map(|symbol| Some((symbol.name().ok()?, (symbol.address(), symbol.size()))))
        .collect();
    (0..kernels)
        .map(|i| {
            let (address, size) = symbols[format!("g{i}").as_str()];
            let mut code = &bytes[(address - base) as usize..][..size as usize];
            let mut found = BTreeSet::new();
            while !code.is_empty() {
                let inst = cdna4::decode(code).expect("assembled code decodes");
                found.insert(names[inst.form_index()]);
                code = &code[inst.size()..];
            }
            found
        })
        .collect()
}

/// Sources by mnemonic.
pub(crate) fn sources(groups: &[Group]) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut sources: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for group in groups {
        sources.entry(&group.mnemonic).or_default().insert(&group.source);
    }
    sources
}

/// Prints the count by source; fails when a used mnemonic has neither vectors nor a line above.
pub(crate) fn report(groups: &[Group]) {
    let sources = sources(groups);
    let used: BTreeSet<&str> = USED
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| &line[line.find(' ').expect("two fields") + 1..])
        .collect();
    let elsewhere: BTreeSet<&str> = ELSEWHERE.iter().map(|(mnemonic, _)| *mnemonic).collect();
    let mut by_source: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, set) in sources.iter().filter(|(mnemonic, _)| used.contains(*mnemonic)) {
        for source in set {
            *by_source.entry(source).or_default() += 1;
        }
    }
    let covered = used.iter().filter(|mnemonic| sources.contains_key(*mnemonic)).count();
    println!(
        "{covered} of {} used mnemonics have vectors, {} are tested elsewhere",
        used.len(),
        elsewhere.len()
    );
    for (source, count) in by_source {
        println!("  {source}: {count}");
    }
    let missing: Vec<&&str> = used
        .iter()
        .filter(|mnemonic| !sources.contains_key(*mnemonic) && !elsewhere.contains(*mnemonic))
        .collect();
    assert!(missing.is_empty(), "without a semantic test: {missing:?}");
    let stale: Vec<&&str> = elsewhere
        .iter()
        .filter(|mnemonic| sources.contains_key(*mnemonic) || !used.contains(*mnemonic))
        .collect();
    assert!(stale.is_empty(), "listed as tested elsewhere, but covered or unused: {stale:?}");
}
