//! A runtime of its own for every test, and the kernels that they launch.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use hip::{Device, LibraryChoice, Module, Runtime};
use hip_sys::HipLibrary;
use rocm_toolchain::{Search, Toolchain};

/// Calls a C function of the rig's library and yields its status.
macro_rules! raw {
    ($rig:expr, $name:ident($($argument:expr),* $(,)?)) => {{
        // SAFETY: the arguments are what HIP documents: live handles, out-pointers to locals, null.
        let status = unsafe { hip_sys::hip_call!(&$rig.library, $name($($argument),*)) };
        status.unwrap_or_else(|missing| panic!("{missing}"))
    }};
}
pub(crate) use raw;

/// Asserts that a C function of the rig's library succeeds.
macro_rules! ok {
    ($rig:expr, $name:ident($($argument:expr),* $(,)?)) => {
        assert_eq!(crate::rig::raw!($rig, $name($($argument),*)), hip_sys::hipError_t::hipSuccess)
    };
}
pub(crate) use ok;

/// One instance of the library.
pub(crate) struct Rig {
    pub runtime: Runtime,
    /// The same instance, for C functions that `hip` does not use.
    pub library: HipLibrary,
    pub device: Device,
    _folder: tempfile::TempDir,
}

impl Rig {
    /// The library in a file of its own: options, faults and devices are those of this instance alone, so
    /// that tests can run side by side.
    pub(crate) fn new() -> Rig {
        Rig::with_options(&[])
    }

    /// As `new`, with options set before the first HIP call.
    pub(crate) fn with_options(options: &[(&str, &str)]) -> Rig {
        let folder =
            tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the target folder is writable");
        let path = folder.path().join("libvhip.so");
        std::fs::write(&path, stripped()).expect("libvhip.so can be copied");
        let runtime = Runtime::open(&LibraryChoice::Path(path.clone())).expect("the library opens");
        for (key, value) in options {
            runtime.set_option(key, value).expect("the option exists");
        }
        let device = runtime.device(0).expect("there is a device");
        let library = HipLibrary::open(&path).expect("the library opens twice");
        Rig { runtime, library, device, _folder: folder }
    }

    /// The test kernels, loaded.
    pub(crate) fn module(&self) -> Module {
        Module::load(&self.device, bundle()).expect("the kernels load")
    }
}

/// The library that Cargo built for these tests.
pub(crate) fn library() -> PathBuf {
    hip_sys::find_virtual().unwrap_or_else(|error| panic!("{error}"))
}

/// The library without its debugging information, which is nine tenths of it.
fn stripped() -> &'static [u8] {
    static STRIPPED: OnceLock<Vec<u8>> = OnceLock::new();
    STRIPPED.get_or_init(|| {
        let tool = toolchain().llvm_tool("llvm-objcopy").expect("ROCm has llvm-objcopy");
        let folder =
            tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the target folder is writable");
        let target = folder.path().join("stripped.so");
        let status = Command::new(tool).arg("--strip-debug").arg(library()).arg(&target).status();
        assert!(status.expect("llvm-objcopy starts").success());
        std::fs::read(target).expect("llvm-objcopy wrote it")
    })
}

/// The compiler; without one these tests cannot say anything, and fail.
pub(crate) fn toolchain() -> &'static Toolchain {
    static TOOLCHAIN: OnceLock<Toolchain> = OnceLock::new();
    TOOLCHAIN.get_or_init(|| {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        rocm_toolchain::find(&Search::from_env(&workspace))
            .unwrap_or_else(|error| panic!("these tests compile kernels: {error}"))
    })
}

/// Runs hipcc on a file below `tests`.
pub(crate) fn hipcc(source: &str, arguments: &[&str], target: &Path) {
    let toolchain = toolchain();
    let output = Command::new(&toolchain.hipcc)
        .env("ROCM_PATH", &toolchain.root)
        .args(["--offload-arch=gfx950", "-O2", "-std=c++17"])
        .args(arguments)
        .arg("-o")
        .arg(target)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(source))
        .output()
        .expect("hipcc starts");
    assert!(output.status.success(), "hipcc: {}", String::from_utf8_lossy(&output.stderr));
}

fn compiled(name: &str, arguments: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the target folder is writable");
    let target = folder.path().join(name);
    hipcc("kernels/basic.hip", arguments, &target);
    std::fs::read(target).expect("hipcc wrote it")
}

/// The kernels as the offload bundle that `hipcc --genco` makes.
pub(crate) fn bundle() -> &'static [u8] {
    static BUNDLE: OnceLock<Vec<u8>> = OnceLock::new();
    BUNDLE.get_or_init(|| compiled("basic.bundle", &["--genco"]))
}

/// The kernels as the compressed bundle that `--offload-compress` makes.
pub(crate) fn compressed() -> &'static [u8] {
    static COMPRESSED: OnceLock<Vec<u8>> = OnceLock::new();
    COMPRESSED.get_or_init(|| compiled("basic.ccob", &["--genco", "--offload-compress"]))
}

/// The kernels as a bare ELF file.
pub(crate) fn elf() -> &'static [u8] {
    static ELF: OnceLock<Vec<u8>> = OnceLock::new();
    ELF.get_or_init(|| compiled("basic.co", &["--genco", "--no-gpu-bundle-output"]))
}
