//! HIP libraries made of a few lines of C.

use std::{fs, process::Command};

use hip::{LibraryChoice, Runtime};

/// Memory is the host's, everything succeeds at once.
pub(crate) const HOST: &str = r#"
#include <stdlib.h>
#include <string.h>
int hipGetDeviceCount(int* count) { *count = 1; return 0; }
int hipSetDevice(int device) { return device == 0 ? 0 : 101; }
int hipMalloc(void** out, size_t bytes) {
  *out = aligned_alloc(256, (bytes + 255) / 256 * 256);
  return *out ? 0 : 2;
}
int hipFree(void* pointer) { free(pointer); return 0; }
int hipMemcpy(void* to, const void* from, size_t bytes, int kind) { memcpy(to, from, bytes); return 0; }
int hipMemset(void* to, int value, size_t bytes) { memset(to, value, bytes); return 0; }
"#;

/// A runtime from these C sources.
pub(crate) fn runtime(sources: &[&str]) -> Runtime {
    let folder = tempfile::tempdir().unwrap();
    let (c, so) = (folder.path().join("stub.c"), folder.path().join("libamdhip64.so"));
    fs::write(&c, sources.concat()).unwrap();
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let output = Command::new(&compiler).args(["-shared", "-fPIC", "-o"]).arg(&so).arg(&c).output();
    let output = output.unwrap_or_else(|error| panic!("{compiler} does not start ({error}); set CC"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // The library stays mapped when the folder is removed.
    Runtime::open(&LibraryChoice::Path(so)).unwrap()
}
