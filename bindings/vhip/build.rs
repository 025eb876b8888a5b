//! Gives the shared object libamdhip64's name and symbol versions, and every symbol a definition.
//!
//! `symbols.csv` lists what ROCm's library exports, with the version node of each symbol. A function that
//! `src/` defines is ours; all others become stubs that answer hipErrorNotSupported.
//!
//! `api_ids.csv` has the numbers by which ROCm's tracers know functions (`hip_api_id_t` of HIP 7.2's headers).

use std::{collections::BTreeSet, env, fmt::Write, fs, path::Path};

fn main() {
    println!("cargo::rerun-if-changed=symbols.csv");
    println!("cargo::rerun-if-changed=api_ids.csv");
    println!("cargo::rerun-if-changed=src");
    let csv = fs::read_to_string("symbols.csv").expect("symbols.csv is part of the source");
    let symbols: Vec<(&str, &str)> = csv.lines().filter_map(|line| line.split_once(',')).collect();
    let ours = defined(Path::new("src"));

    let mut nodes_macro = String::from("macro_rules! node {\n");
    let mut stubs = String::new();
    let mut not_supported = Vec::new();
    for (name, node) in &symbols {
        writeln!(nodes_macro, "    ({name}) => {{ \"{node}\" }};").unwrap();
        if !ours.contains(*name) {
            writeln!(stubs, "stub!({name});").unwrap();
            not_supported.push(*name);
        }
    }
    // Extension symbols (`vhip*`) have no node in ROCm's library.
    nodes_macro.push_str("}\n");
    assert!(
        ours.iter()
            .filter(|name| !name.starts_with("vhip"))
            .all(|name| symbols.iter().any(|(s, _)| s == name)),
        "a function of src/ is not a symbol of libamdhip64"
    );

    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(format!("{out}/nodes.rs"), nodes_macro).expect("OUT_DIR is writable");
    fs::write(format!("{out}/stubs.rs"), stubs).expect("OUT_DIR is writable");
    fs::write(format!("{out}/not_supported.rs"), format!("&{not_supported:?}")).expect("OUT_DIR is writable");
    fs::write(format!("{out}/api_names.rs"), api_names()).expect("OUT_DIR is writable");

    // The script only declares the nodes; `.symver` in each function's object assigns them.
    let declared: BTreeSet<&str> = symbols.iter().map(|(_, node)| *node).collect();
    let script: String = declared.iter().map(|node| format!("{node} {{ }};\n")).collect();
    fs::write(format!("{out}/nodes.map"), script).expect("OUT_DIR is writable");
    println!("cargo::rustc-cdylib-link-arg=-Wl,--version-script={out}/nodes.map");
    // Programs linked by hipcc ask for this name; its number is that of the newest symbols.
    let major =
        declared.iter().filter_map(|node| major(node)).max().expect("nodes are named hip_MAJOR.MINOR");
    let soname = format!("libamdhip64.so.{major}");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,{soname}");
    // For the tests, which put the library there.
    println!("cargo::rustc-env=VHIP_SONAME={soname}");
}

/// A match of a number `id` to a name, as C text.
fn api_names() -> String {
    let csv = fs::read_to_string("api_ids.csv").expect("api_ids.csv is part of the source");
    let mut text = String::from("match id {\n");
    for (id, name) in csv.lines().filter_map(|line| line.split_once(',')) {
        writeln!(text, "    {id} => c\"{name}\",").unwrap();
    }
    text + "    _ => c\"unknown\",\n}\n"
}

/// The major version of a node `hip_MAJOR.MINOR`.
fn major(node: &str) -> Option<u32> {
    node.strip_prefix("hip_")?.split('.').next()?.parse().ok()
}

/// What the names of exported functions start with; helpers of `src/` avoid these prefixes.
const EXPORTED_PREFIXES: &[&str] = &["hip", "__hip", "__gnu", "amd_dbgapi", "_Z24hip", "vhip"];

/// Names of all functions declared in `api! { … fn NAME(` items below `folder`.
fn defined(folder: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).expect("src is readable").flatten() {
        let path = entry.path();
        if path.is_dir() {
            names.extend(defined(&path));
            continue;
        }
        let text = fs::read_to_string(&path).expect("src is UTF-8");
        for line in text.lines() {
            // Either an item of `api!` (`fn hipMalloc(`) or a function exported by hand.
            let line = line.trim_start();
            let rest = line.split_once("extern \"C\" fn ").map(|(_, rest)| rest).or(line.strip_prefix("fn "));
            let Some(name) = rest.and_then(|rest| rest.split(['(', '$']).next()) else { continue };
            if EXPORTED_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
                names.insert(name.to_owned());
            }
        }
    }
    names
}
