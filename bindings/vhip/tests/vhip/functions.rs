//! `FUNCTIONS.md`: every function of ROCm's library by subject, and whether it is implemented.
//!
//! `VHIP_UPDATE_FUNCTIONS=1 cargo test -p vhip --test vhip functions` writes the file anew.

use std::{collections::BTreeSet, fmt::Write, path::Path};

use crate::rig::Rig;

/// A subject and the parts of names that belong to it; a name is of the first subject that has one of its parts.
const SUBJECTS: &[(&str, &[&str])] = &[
    ("Graphics and memory of other interfaces", &["GL", "Graphics", "External"]),
    (
        "Arrays, textures and surfaces",
        &[
            "Array",
            "Tex",
            "Surface",
            "Mipmapped",
            "ChannelDesc",
            "AtoA",
            "AtoD",
            "AtoH",
            "DtoA",
            "HtoA",
            "UnbindTexture",
        ],
    ),
    ("Linking at run time", &["hipLink"]),
    ("Graphs", &["hipGraph", "hipDrvGraph", "hipUserObject", "GraphMem"]),
    (
        "Launches and occupancy",
        &["Launch", "Occupancy", "CallConfiguration", "hipConfigureCall", "hipSetupArgument"],
    ),
    ("Streams and captures", &["hipStream", "Capture", "hipExtStream", "hipGetStream"]),
    ("Events", &["hipEvent"]),
    (
        "Sharing with other processes",
        &["hipIpc", "Shareable", "PoolExport", "PoolImport", "HandleForAddressRange"],
    ),
    (
        "Virtual memory",
        &[
            "hipMemAddress",
            "hipMemCreate",
            "hipMemMap",
            "hipMemUnmap",
            "MemSetAccess",
            "MemGetAccess",
            "hipMemRelease",
            "hipMemRetain",
            "GetAllocation",
        ],
    ),
    ("Memory in stream order", &["MemPool", "hipMallocAsync", "hipMallocFromPool", "hipFreeAsync"]),
    ("Copies", &["hipMemcpy", "hipDrvMemcpy"]),
    ("Fills", &["hipMemset"]),
    (
        "Modules, libraries and kernels",
        &["hipModule", "hipLibrary", "hipKernel", "hipFunc", "__hip", "hipGetFuncBySymbol", "hipGetSymbol"],
    ),
    ("Memory", &["hipMalloc", "hipFree", "hipHost", "hipMem", "hipPointer", "hipDrvPointer", "hipExtMalloc"]),
    ("Devices and contexts", &["hipDevice", "hipCtx", "Device", "hipInit", "Version", "LinkType"]),
    ("Errors", &["Error"]),
    ("Finding functions, profiling, tools", &[""]),
];

const HEAD: &str = "\
# Functions

Every function of libamdhip64 (HIP 7.2) by subject. A function that is not implemented answers `hipErrorNotSupported`,
says so once on stderr, and is counted in the report of `vhipReport`. This file is written by a test
(`tests/vhip/functions.rs`), which fails when it is not true.

- **Arrays, textures and surfaces** stay so: the architecture has no texture unit, and ROCm answers the same on
  MI200 and later (the attribute of image support is 0).
- **Graphics, external memory and semaphores**: there is no other interface on the virtual device.
- **Linking at run time** needs a compiler in the process.
- **Sharing with other processes**: virtual memory can be given away as a file descriptor. The IPC functions check
  their arguments and refuse.
- The profiler's start and stop: ROCm answers `hipErrorNotSupported` too.
- A tracer's callback is kept out: it is never called, and the library says so. There is no precompiled header. Neither
  function has an error code to answer.
";

fn subject(name: &str) -> usize {
    let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    SUBJECTS.iter().position(|(_, parts)| has(parts)).expect("the last subject takes every name")
}

/// A paragraph of names.
fn names(text: &mut String, what: &str, names: &[&str]) {
    if names.is_empty() {
        return;
    }
    // Writing to a string cannot fail.
    let _written = writeln!(text, "\n{what}:");
    let mut line = String::new();
    for name in names {
        if line.len() + name.len() + 3 > 116 {
            let _written = writeln!(text, "{}", line.trim_end());
            line.clear();
        }
        let _written = write!(line, "`{name}` ");
    }
    let _written = writeln!(text, "{}", line.trim_end());
}

fn document(all: &[&str], unsupported: &BTreeSet<String>) -> String {
    let is_stub = |name: &&str| unsupported.contains(*name);
    let stubs = all.iter().filter(|name| is_stub(name)).count();
    let mut text = HEAD.to_owned();
    let _written = writeln!(
        text,
        "\nImplemented: {} of {} exported functions; {stubs} answer `hipErrorNotSupported`.",
        all.len() - stubs,
        all.len()
    );
    for (index, (title, _)) in SUBJECTS.iter().enumerate() {
        let own: Vec<&str> = all.iter().copied().filter(|name| subject(name) == index).collect();
        let (refused, answered): (Vec<&str>, Vec<&str>) = own.iter().partition(|name| is_stub(name));
        let _written = writeln!(text, "\n## {title}: {} of {}", answered.len(), own.len());
        names(&mut text, "Implemented", &answered);
        names(&mut text, "`hipErrorNotSupported`", &refused);
    }
    text
}

#[test]
fn the_list_of_functions_is_true() {
    let info = Rig::new().runtime.virtual_info().unwrap().unwrap();
    let listed = |key: &str| -> BTreeSet<String> {
        info[key].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    let symbols = include_str!("../../symbols.csv");
    let all: Vec<&str> = symbols.lines().filter_map(|line| Some(line.split_once(',')?.0)).collect();
    let wanted = document(&all, &listed("functions_not_supported"));
    for name in &all {
        assert_eq!(
            wanted.matches(&format!("`{name}` ")).count() + wanted.matches(&format!("`{name}`\n")).count(),
            1,
            "{name}"
        );
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("FUNCTIONS.md");
    if std::env::var_os("VHIP_UPDATE_FUNCTIONS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(written == wanted, "{} is out of date; see the head of this test", path.display());
}
