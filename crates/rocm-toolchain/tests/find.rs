//! The order of the search, with compilers that only report a version.

use std::fs;
use std::path::{Path, PathBuf};

use rocm_toolchain::{Error, Origin, Search, find};
use tempfile::TempDir;

use crate::script;

/// A folder like `/opt/rocm` whose `hipcc` reports `hip` and `clang`.
fn rocm(root: PathBuf, hip: &str, clang: &str) -> PathBuf {
    let llvm = root.join("lib/llvm/bin");
    fs::create_dir_all(&llvm).unwrap();
    let body = format!(
        "echo 'HIP version: {hip}-abc'; echo '{clang} (somewhere)'; echo 'InstalledDir: {}'",
        llvm.display()
    );
    script(root.join("bin/hipcc"), &body);
    root
}

fn everything(dir: &Path) -> Search {
    let path = rocm(dir.join("path"), "5.7.1", "clang version 17.0.0");
    Search {
        explicit: Some(rocm(dir.join("argument"), "7.2.53211", "Debian clang version 22.1.8")),
        rocm_path: Some(rocm(dir.join("rocm_path"), "6.4.43482", "AMD clang version 19.0.0git")),
        hip_path: Some(rocm(dir.join("hip_path"), "7.0.51831", "AMD clang version 20.0.0git")),
        workspace: Some(
            rocm(dir.join("work/.rocm"), "7.2.53211", "clang version 22.1.8").parent().unwrap().into(),
        ),
        system: Some(rocm(dir.join("opt/rocm"), "7.14.60850", "AMD clang version 24.0.0git")),
        path: Some(path.join("bin").into_os_string()),
    }
}

#[test]
fn each_place_is_looked_at_in_its_turn() {
    let dir = TempDir::new().unwrap();
    let mut search = everything(dir.path());
    let mut next = |origin: Origin, hip: &str, clang: &str| {
        let found = find(&search).unwrap();
        assert_eq!(
            (found.origin, found.hip_version.as_str(), found.clang_version.as_str()),
            (origin, hip, clang)
        );
        assert!(found.llvm_bin.unwrap().ends_with("lib/llvm/bin"));
        match origin {
            Origin::Argument => search.explicit = None,
            Origin::RocmPath => search.rocm_path = None,
            Origin::HipPath => search.hip_path = None,
            Origin::Workspace => search.workspace = None,
            Origin::System => search.system = None,
            Origin::Path => search.path = None,
        }
    };
    next(Origin::Argument, "7.2.53211", "22.1.8");
    next(Origin::RocmPath, "6.4.43482", "19.0.0");
    next(Origin::HipPath, "7.0.51831", "20.0.0");
    next(Origin::Workspace, "7.2.53211", "22.1.8");
    next(Origin::System, "7.14.60850", "24.0.0");
    next(Origin::Path, "5.7.1", "17.0.0");
    let Err(Error::NotFound { looked_at }) = find(&search) else { panic!("nothing is left to find") };
    assert_eq!(looked_at, ["ROCM_PATH (unset)", "HIP_PATH (unset)", "PATH"]);
}

#[test]
fn a_wrong_choice_is_reported_not_passed_over() {
    let dir = TempDir::new().unwrap();
    let search = Search { rocm_path: Some(dir.path().join("gone")), ..everything(&dir.path().join("all")) };
    let error = find(&Search { explicit: None, ..search }).unwrap_err();
    assert!(matches!(error, Error::BrokenChoice { .. }), "{error:?}");
    assert!(error.to_string().contains("ROCM_PATH names"), "{error}");
    assert!(error.to_string().contains("correct it or unset it"), "{error}");
}

#[test]
fn a_compiler_that_does_not_run_says_how() {
    let dir = TempDir::new().unwrap();
    script(dir.path().join("bin/hipcc"), "echo 'GLIBC_2.38 not found' >&2; exit 3");
    let error = find(&Search { explicit: Some(dir.path().into()), ..Search::default() }).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("exit status: 3") && text.contains("GLIBC_2.38 not found"), "{text}");

    script(dir.path().join("bin/hipcc"), "echo hello");
    let text =
        find(&Search { explicit: Some(dir.path().into()), ..Search::default() }).unwrap_err().to_string();
    assert!(text.contains("reports no \"HIP version:\""), "{text}");
}

#[test]
fn a_link_on_the_path_leads_to_the_rocm_folder() {
    let dir = TempDir::new().unwrap();
    let root = rocm(dir.path().join("rocm-7.2.0"), "7.2.0", "clang version 22.0.0");
    let bin = dir.path().join("bin");
    fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(root.join("bin/hipcc"), bin.join("hipcc")).unwrap();
    let found = find(&Search { path: Some(bin.into_os_string()), ..Search::default() }).unwrap();
    assert_eq!(found.root, root.canonicalize().unwrap());
}
