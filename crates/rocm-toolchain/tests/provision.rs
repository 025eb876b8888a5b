//! Fetching, with scripts that stand in for the real one: what is checked before, what is said after.

use std::fs;

use rocm_toolchain::{Error, Progress, Provisioner, provision};
use tempfile::TempDir;

use crate::{script, workspace};

/// A provisioner on a fake Debian 12 whose setup script does `body`; `$1` is the prefix.
fn provisioner(dir: &TempDir, body: &str) -> Provisioner {
    let os_release = dir.path().join("os-release");
    fs::write(&os_release, "ID=debian\nVERSION_ID=\"12\"\n").unwrap();
    Provisioner {
        script: script(dir.path().join("tools/setup-rocm.sh"), body),
        prefix: dir.path().join(".rocm"),
        log: dir.path().join(".rocm.log"),
        off: false,
        os_release,
        needed_bytes: 0,
        progress: Progress::Silent,
    }
}

const GOOD: &str = r#"echo "setup-rocm: downloading" >&2
mkdir -p "$1/bin"
printf '#!/bin/sh\necho "HIP version: 7.2.1"; echo "clang version 22.1.8"\n' >"$1/bin/hipcc"
chmod +x "$1/bin/hipcc"
echo "some detail" >&2
echo "setup-rocm: ready: $1 (405 MB)" >&2"#;

#[test]
fn a_good_run_says_what_it_cost_and_keeps_its_log() {
    let dir = TempDir::new().unwrap();
    let (toolchain, summary) = provision(provisioner(&dir, GOOD)).unwrap();
    assert_eq!(toolchain.versions(), "HIP 7.2.1, clang 22.1.8");
    assert!(summary.contains("(405 MB, "), "{summary}");
    let log = fs::read_to_string(dir.path().join(".rocm.log")).unwrap();
    assert!(log.contains("some detail") && log.contains("setup-rocm: downloading"), "{log}");
}

#[test]
fn off_means_off() {
    let dir = TempDir::new().unwrap();
    let error = provision(Provisioner { off: true, ..provisioner(&dir, GOOD) }).unwrap_err();
    assert!(matches!(error, Error::ProvisioningOff), "{error:?}");
    assert!(!dir.path().join(".rocm").exists());
}

#[test]
fn a_folder_that_hipcc_would_not_quote_is_refused_before_the_download() {
    let dir = TempDir::new().unwrap();
    let prefix = dir.path().join("my work/.rocm");
    let error = provision(Provisioner { prefix, ..provisioner(&dir, "touch ran") }).unwrap_err();
    assert!(matches!(error, Error::UnquotablePrefix { character: ' ', .. }), "{error:?}");
    assert!(error.to_string().contains("set ROCM_PATH"), "{error}");
}

#[test]
fn another_system_is_named() {
    let dir = TempDir::new().unwrap();
    let p = provisioner(&dir, GOOD);
    fs::write(&p.os_release, "ID=ubuntu\nVERSION_ID=\"24.04\"\n").unwrap();
    let text = provision(p).unwrap_err().to_string();
    assert!(text.contains("this is ubuntu 24.04"), "{text}");
}

#[test]
fn a_failed_script_shows_its_last_line_and_the_log() {
    let dir = TempDir::new().unwrap();
    let body = "echo 'setup-rocm: error: a download failed or did not match its checksum' >&2; exit 1";
    let text = provision(provisioner(&dir, body)).unwrap_err().to_string();
    assert!(text.contains("a download failed or did not match its checksum"), "{text}");
    assert!(text.contains(".rocm.log"), "{text}");
}

#[test]
fn space_and_permission_are_checked_before_anything_is_fetched() {
    let dir = TempDir::new().unwrap();
    let marker = dir.path().join("ran");
    let body = format!("touch {}", marker.display());
    let error = provision(Provisioner { needed_bytes: u64::MAX, ..provisioner(&dir, &body) }).unwrap_err();
    assert!(matches!(error, Error::NotEnoughSpace { .. }), "{error:?}");
    let log = dir.path().join("no/such/folder/log");
    let error = provision(Provisioner { log, ..provisioner(&dir, &body) }).unwrap_err();
    assert!(matches!(error, Error::NotWritable { .. }), "{error:?}");
    let gone = dir.path().join("gone.sh");
    let error = provision(Provisioner { script: gone, ..provisioner(&dir, &body) }).unwrap_err();
    assert!(matches!(error, Error::ScriptMissing { .. }), "{error:?}");
    assert!(!marker.exists());
}

/// The real script, without the network: it must stop before it makes anything.
#[test]
fn the_script_names_what_it_lacks() {
    let dir = TempDir::new().unwrap();
    let out = std::process::Command::new("/bin/sh")
        .arg(workspace().join("tools/setup-rocm.sh"))
        .arg(dir.path().join(".rocm"))
        .env("PATH", dir.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!out.status.success());
    assert!(stderr.contains("setup-rocm: error: apt-get not found"), "{stderr}");
    assert!(!dir.path().join(".rocm").exists());
}
