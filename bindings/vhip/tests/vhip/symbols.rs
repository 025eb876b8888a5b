//! The exported symbols: all of libamdhip64's, each with its version.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::CStr,
};

use object::{
    Endianness, elf,
    read::elf::{FileHeader, Sym},
};

use crate::rig::{Rig, library};

/// The dynamic symbols that the library defines, with the version node of each.
fn exported() -> BTreeMap<String, Option<String>> {
    let data = std::fs::read(library()).unwrap();
    let data = data.as_slice();
    let header = elf::FileHeader64::<Endianness>::parse(data).unwrap();
    let endian = header.endian().unwrap();
    let sections = header.sections(endian, data).unwrap();
    let versions = sections.versions(endian, data).unwrap().expect("the library has versions");
    let symbols = sections.symbols(endian, data, elf::SHT_DYNSYM).unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut found = BTreeMap::new();
    for (index, symbol) in symbols.enumerate() {
        if symbol.is_undefined(endian) || symbol.st_type() == elf::STT_NOTYPE {
            continue;
        }
        let version = versions.version(versions.version_index(endian, index).index()).unwrap();
        let name = text(symbol.name(endian, symbols.strings()).unwrap());
        found.insert(name, version.map(|version| text(version.name())));
    }
    found
}

/// The list that the library was built from: name and node.
fn wanted() -> BTreeMap<String, String> {
    let list = include_str!("../../symbols.csv");
    let entries = list.lines().filter_map(|line| line.split_once(','));
    entries.map(|(name, node)| (name.to_owned(), node.to_owned())).collect()
}

#[test]
fn every_symbol_has_its_version() {
    let (exported, wanted) = (exported(), wanted());
    assert_eq!(wanted.len(), 525);
    for (name, node) in &wanted {
        let version = exported.get(name).unwrap_or_else(|| panic!("{name} is not exported"));
        assert_eq!(version.as_deref(), Some(node.as_str()), "{name}");
    }
    let extra: BTreeSet<&str> =
        exported.keys().map(String::as_str).filter(|name| !wanted.contains_key(*name)).collect();
    let functions = extra.iter().filter(|name| !name.starts_with("hip_")).copied().collect::<Vec<_>>();
    assert_eq!(functions, ["vhipInfo", "vhipLastFault", "vhipLedger", "vhipReport", "vhipSetOption"]);
}

#[test]
fn what_is_not_implemented_says_so_each_time() {
    let rig = Rig::new();
    type NoArguments = unsafe extern "C" fn() -> hip_sys::hipError_t;
    let call: NoArguments = function(&rig, c"hipFreeMipmappedArray");
    for _ in 0..3 {
        // SAFETY: a stub does not look at its arguments.
        assert_eq!(unsafe { call() }, hip_sys::hipError_t::hipErrorNotSupported);
    }
    let nothing = rig.module().function("nothing").unwrap();
    let (config, stream) = (hip::LaunchConfig::new(1, 1), hip::Stream::null(&rig.device));
    // SAFETY: no parameters.
    unsafe { nothing.launch_pointers(config, &stream, &[]) }.unwrap();
    let report = rig.runtime.last_report().unwrap().unwrap();
    assert_eq!(report["unsupported_calls"], serde_json::json!({ "hipFreeMipmappedArray": 3 }));
}

/// A function of the rig's library by its C name.
pub(crate) fn function<F: Copy>(rig: &Rig, name: &CStr) -> F {
    // SAFETY: the library is open already, and stays open for ever; the type is the caller's.
    unsafe {
        let library = libloading::os::unix::Library::new(rig.library.path()).unwrap();
        let symbol = *library.get::<F>(name.to_bytes_with_nul()).unwrap();
        std::mem::forget(library);
        symbol
    }
}
