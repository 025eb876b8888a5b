//! A checkout of hip-tests: which of its files are programs, and what else they need.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The folders below `catch/unit` whose cases are in the list.
const FOLDERS: &[&str] = &[
    "memory",
    "stream",
    "event",
    "module",
    "kernel",
    "executionControl",
    "errorHandling",
    "warp",
    "atomics",
    "math",
    "occupancy",
];

/// Files of those folders that are not in the list: what they give has not been looked at, since their kernels, or
/// their checks on the host, take minutes for each case.
const LEFT_OUT: &[&str] = &[];

/// Sources that every program of a folder is linked with.
const SHARED: &[(&str, &[&str])] = &[
    ("memory", &["DriverContext.cc", "memoryCommon.cc"]),
    ("stream", &["streamCommon.cc"]),
    ("module", &["hip_module_common.cc"]),
    ("executionControl", &["execution_control_common.cc"]),
    ("errorHandling", &["error_handling_common.cc"]),
];

/// Programs that test programs start: folder, source, name.
const HELPERS: &[(&str, &str, &str)] = &[
    ("memory", "hipHostRegister_exe.cc", "hipHostRegisterPerf"),
    ("memory", "hipMemAdvise_AlignedAllocMem_Exe.cc", "hipMemAdviseTstAlignedAllocMem"),
    ("module", "hipGetFuncBySymbol_exe.cc", "hipGetFuncBySymbol_exe"),
    ("module", "testhipModuleLoadUnloadFunc_exe.cc", "testhipModuleLoadUnloadFunc_exe"),
];

/// Code objects that test programs load: folder, source, name, further flags.
const CODE: &[(&str, &str, &str, &[&str])] = &[
    ("module", "empty_module.cc", "empty_module.code", &[]),
    ("module", "get_function_module.cc", "get_function_module.code", &[]),
    ("module", "launch_kernel_module.cc", "launch_kernel_module.code", &[]),
    ("module", "get_global_test_module.cc", "get_global_test_module.code", &[]),
    ("module", "get_tex_ref_module.cc", "get_tex_ref_module.code", &[]),
    ("module", "copyKernel.cc", "copyKernel.code", &["-mcode-object-version=5"]),
    ("module", "addKernel.cc", "addKernel.code", &["-mcode-object-version=5"]),
    ("module", "copiousArgKernel.cc", "copiousArgKernel.code", &[]),
    (
        "module",
        "copiousArgKernel.cc",
        "copiousArgKernel0.code",
        &["-mllvm", "-amdgpu-kernarg-preload-count=0"],
    ),
    (
        "module",
        "copiousArgKernel.cc",
        "copiousArgKernel1.code",
        &["-mllvm", "-amdgpu-kernarg-preload-count=1"],
    ),
    (
        "module",
        "copiousArgKernel.cc",
        "copiousArgKernel2.code",
        &["-mllvm", "-amdgpu-kernarg-preload-count=2"],
    ),
    (
        "module",
        "copiousArgKernel.cc",
        "copiousArgKernel3.code",
        &["-mllvm", "-amdgpu-kernarg-preload-count=3"],
    ),
    (
        "module",
        "copiousArgKernel.cc",
        "copiousArgKernel16.code",
        &["-mllvm", "-amdgpu-kernarg-preload-count=16"],
    ),
    (
        "module",
        "copiousArgKernel.cc",
        "copiousArgKernel17.code",
        &["-mllvm", "-amdgpu-kernarg-preload-count=17"],
    ),
    ("module", "managed_kernel.cpp", "managed_kernel.code", &[]),
    ("module", "vcpy_kernel.cpp", "vcpy_kernel.code", &[]),
    ("module", "matmul.cpp", "matmul.code", &[]),
    ("module", "kernel_composite_test.cpp", "kernel_composite_test.code", &[]),
    ("occupancy", "simple_kernel.cc", "simple_kernel.code", &[]),
];

/// Files that test programs read, beside what is built.
const DATA: &[(&str, &str)] = &[("module", "not_a_module.txt")];

/// A checkout.
pub(crate) struct Checkout {
    /// Its folder `catch`.
    pub catch: PathBuf,
    /// Every file with test cases but those left out, as `folder/file.cc`, sorted.
    pub files: Vec<String>,
}

/// What is built beside the programs of a folder.
pub(crate) struct Companion {
    pub source: PathBuf,
    pub name: &'static str,
    pub kind: CompanionKind,
}

/// What a companion is.
pub(crate) enum CompanionKind {
    /// A program that a test starts.
    Program,
    /// A code object, compiled with these flags.
    Code(&'static [&'static str]),
    /// A file to copy.
    Data,
}

impl Checkout {
    /// The checkout in folder `root`.
    pub(crate) fn open(root: &Path) -> Result<Checkout, String> {
        let catch = root.join("catch");
        let mut files = Vec::new();
        for folder in FOLDERS {
            let path = catch.join("unit").join(folder);
            let entries = fs::read_dir(&path).map_err(|error| {
                format!("{} is no checkout of hip-tests: {}: {error}", root.display(), path.display())
            })?;
            for entry in entries.flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let is_source = name.ends_with(".cc");
                let holds_cases = |text: String| text.contains("TEST_CASE");
                if is_source && fs::read_to_string(entry.path()).is_ok_and(holds_cases) {
                    files.push(format!("{folder}/{name}"));
                }
            }
        }
        files.retain(|file| !LEFT_OUT.contains(&file.as_str()));
        files.sort();
        Ok(Checkout { catch, files })
    }

    /// Its path of `folder/file`.
    pub(crate) fn source(&self, file: &str) -> PathBuf {
        self.catch.join("unit").join(file)
    }

    /// The sources that the programs of `folder` are linked with.
    pub(crate) fn shared(&self, folder: &str) -> Vec<PathBuf> {
        let names = SHARED.iter().find(|(name, _)| *name == folder).map_or(&[][..], |(_, names)| names);
        names.iter().map(|name| self.source(&format!("{folder}/{name}"))).collect()
    }

    /// What the programs of `folder` find beside them.
    pub(crate) fn companions(&self, folder: &str) -> Vec<Companion> {
        let at = |name: &str| self.source(&format!("{folder}/{name}"));
        let helpers = HELPERS.iter().filter(|(own, ..)| *own == folder).map(|(_, source, name)| Companion {
            source: at(source),
            name,
            kind: CompanionKind::Program,
        });
        let code = CODE.iter().filter(|(own, ..)| *own == folder).map(|(_, source, name, flags)| Companion {
            source: at(source),
            name,
            kind: CompanionKind::Code(flags),
        });
        let data = DATA.iter().filter(|(own, _)| *own == folder).map(|(_, name)| Companion {
            source: at(name),
            name,
            kind: CompanionKind::Data,
        });
        helpers.chain(code).chain(data).collect()
    }
}
