//! Opening libraries that are missing, foreign, truncated or incomplete.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hip_sys::{HipLibrary, OpenError, hip_call, hipError_t};

/// Compiles `source` with the machine's C compiler into a shared library.
fn library(folder: &Path, name: &str, source: &str) -> PathBuf {
    let c = folder.join(name).with_extension("c");
    let so = folder.join(name);
    fs::write(&c, source).unwrap();
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let output = Command::new(compiler)
        .arg(format!("-Wl,-soname,{name}"))
        .args(["-shared", "-fPIC", "-o"])
        .arg(&so)
        .arg(&c)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    so
}

/// An error and its causes in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

#[test]
fn a_missing_library_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("libamdhip64.so");
    let error = HipLibrary::open(&path).unwrap_err();
    assert!(matches!(&error, OpenError::Unreadable { path: named, .. } if *named == path));
    assert_eq!(
        chain(&error),
        format!("reading the HIP library {} failed: No such file or directory (os error 2)", path.display())
    );
}

#[test]
fn a_file_that_is_no_library_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("libamdhip64.so");
    fs::write(&path, "this is not an ELF file, but long enough to have had a header of one\n").unwrap();
    let error = HipLibrary::open(&path).unwrap_err();
    assert_eq!(
        chain(&error),
        format!(
            "the HIP library {} is neither a 64-bit little-endian ELF file nor an offload bundle",
            path.display()
        )
    );
}

#[test]
fn a_truncated_library_is_refused_before_the_loader_dies_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let whole = library(folder.path(), "whole.so", "int hipInit(unsigned flags) { return (int)flags; }");
    let bytes = fs::read(&whole).unwrap();
    let cut = folder.path().join("cut.so");
    for length in [48, 1000, 5000, bytes.len() - 1] {
        fs::write(&cut, &bytes[..length]).unwrap();
        let error = HipLibrary::open(&cut).unwrap_err();
        assert!(matches!(error, OpenError::BadFile { .. }), "{error:?}");
        assert!(chain(&error).contains("is cut short"), "{}", chain(&error));
    }
}

#[test]
fn what_the_loader_refuses_is_told_in_its_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = library(folder.path(), "libamdhip64.so", "int hipInit(unsigned flags) { return (int)flags; }");
    let mut bytes = fs::read(&path).unwrap();
    // e_machine: not this machine's.
    bytes[18] = 0xe0;
    fs::write(&path, bytes).unwrap();
    let error = HipLibrary::open(&path).unwrap_err();
    assert!(matches!(error, OpenError::Load { .. }), "{error:?}");
    assert!(chain(&error).contains("cannot open shared object file"), "{}", chain(&error));
}

#[test]
fn a_library_of_something_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = library(folder.path(), "other.so", "int other(void) { return 0; }");
    let error = HipLibrary::open(&path).unwrap_err();
    assert!(matches!(error, OpenError::NotHip { .. }), "{error:?}");
}

#[test]
fn an_absent_function_is_an_error_of_that_function_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = library(
        folder.path(),
        "stub.so",
        "int hipGetDeviceCount(int* count) { *count = 3; return 0; }\n\
         int hipSetDevice(int device) { return device == 0 ? 0 : 4242; }\n",
    );
    let library = HipLibrary::open(&path).unwrap();
    assert_eq!(library.path(), path.canonicalize().unwrap());
    assert!(!library.extension().is_virtual());

    let mut count = 0;
    // SAFETY: the stub writes one int through a valid pointer.
    let status = unsafe { hip_call!(&library, hipGetDeviceCount(&mut count)) };
    assert_eq!((status, count), (Ok(hipError_t::hipSuccess), 3));

    // SAFETY: the stub takes an int.
    let status = unsafe { hip_call!(&library, hipSetDevice(1)) };
    assert_eq!(status, Ok(hipError_t(4242)), "an unknown status stays what the library said");

    // SAFETY: the function is absent, so nothing is called.
    let missing = unsafe { hip_call!(&library, hipDeviceSynchronize()) }.unwrap_err();
    assert_eq!(missing.symbol, "hipDeviceSynchronize");
    assert_eq!(
        missing.to_string(),
        format!(
            "the HIP library {} has no symbol hipDeviceSynchronize; it is older than this call, \
             or not a full HIP runtime",
            library.path().display()
        )
    );
}

#[test]
fn two_libraries_with_the_same_soname_are_two_libraries() {
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str, count: i32| {
        let source = format!("int hipGetDeviceCount(int* count) {{ *count = {count}; return 0; }}");
        fs::create_dir(folder.path().join(name)).unwrap();
        let path = library(&folder.path().join(name), "libamdhip64.so.7", &source);
        HipLibrary::open(&path).unwrap()
    };
    for (library, expected) in [(open("a", 1), 1), (open("b", 2), 2)] {
        let mut count = 0;
        // SAFETY: the stub writes one int through a valid pointer.
        let status = unsafe { hip_call!(&library, hipGetDeviceCount(&mut count)) };
        assert_eq!((status, count), (Ok(hipError_t::hipSuccess), expected));
    }
}

#[test]
fn a_relative_path_is_resolved_and_the_extension_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = library(
        folder.path(),
        "virtual.so",
        "int hipGetDeviceCount(int* count) { *count = 1; return 0; }\n\
         const char* vhipInfo(void) { return \"{}\"; }\n",
    );
    let link = folder.path().join("link.so");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let library = HipLibrary::open(&link).unwrap();
    assert_eq!(library.path(), path.canonicalize().unwrap(), "the file that runs is named, not the link");
    assert!(library.extension().is_virtual());
    assert!(library.extension().last_fault.is_none());
}

#[test]
fn handles_may_cross_threads() {
    fn check<T: Send + Sync>() {}
    check::<HipLibrary>();
}
