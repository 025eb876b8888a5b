//! A virtual environment with Triton, and the compilation in it.

use std::collections::VecDeque;
use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use crate::{Error, Manifest, Result};

/// The release whose wheel compiles for gfx950 without a GPU and whose launch convention this crate knows.
pub const TRITON_VERSION: &str = "3.9.0";

/// The Python sources, by file name.
const SOURCES: [(&str, &str); 2] = [
    ("kernels.py", include_str!("../python/kernels.py")),
    ("compile.py", include_str!("../python/compile.py")),
];

/// Lines of a program that a failure quotes.
const QUOTED_LINES: usize = 6;

/// A Python interpreter that can import Triton.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    python: PathBuf,
}

impl Installation {
    /// The environment in `venv`, made with `python` when it is not there. Making it downloads some 290 MB and takes
    /// 1.1 GB of disk; `progress` gets a line for each step.
    ///
    /// # Errors
    /// [`Error::ProvisioningOff`] when it is not there and `MI355X_PROVISION=off`; else what stopped the making of it.
    pub fn ensure(venv: &Path, python: &Path, progress: &mut dyn FnMut(&str)) -> Result<Self> {
        let off = env::var_os("MI355X_PROVISION").is_some_and(|value| value == "off");
        Self::ensure_unless(off, venv, python, progress)
    }

    /// Where Cargo builds: `$CARGO_TARGET_DIR`, else the folder above the running program that Cargo marked as its
    /// own, else `target` in the current folder.
    pub fn target_folder() -> PathBuf {
        let named = env::var_os("CARGO_TARGET_DIR").filter(|value| !value.is_empty()).map(PathBuf::from);
        let marked = || {
            let program = env::current_exe().ok()?;
            program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file()).map(Path::to_owned)
        };
        named.or_else(marked).unwrap_or_else(|| PathBuf::from("target"))
    }

    fn ensure_unless(off: bool, venv: &Path, python: &Path, progress: &mut dyn FnMut(&str)) -> Result<Self> {
        let found = Self { python: venv.join("bin/python") };
        if found.version().is_some_and(|version| version == TRITON_VERSION) {
            return Ok(found);
        }
        if off {
            return Err(Error::ProvisioningOff { venv: venv.to_owned() });
        }
        progress(&format!("making {} ({})", venv.display(), python.display()));
        let mut make = Command::new(python);
        make.args(["-m", "venv", "--clear"]).arg(venv);
        match run(&mut make, &mut |_| ()) {
            Ok(Ok(())) => {}
            Ok(Err(reason)) => return Err(Error::Venv { venv: venv.to_owned(), reason }),
            Err(source) => return Err(Error::NoPython { python: python.to_owned(), source }),
        }
        let requirement = format!("triton=={TRITON_VERSION}");
        progress(&format!("installing {requirement}, about 290 MB to download"));
        let mut install = Command::new(&found.python);
        install.args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input"]);
        // Without --only-binary pip would try to build an old release from source where there is no wheel.
        install.args(["--only-binary", ":all:", "--progress-bar", "off", &requirement]);
        let outcome = run(&mut install, &mut |line| progress(line.trim()))
            .map_err(|source| Error::NoPython { python: found.python.clone(), source })?;
        outcome.map_err(|reason| pip_error(requirement.clone(), reason))?;
        match found.version() {
            Some(version) if version == TRITON_VERSION => Ok(found),
            other => {
                let reason = format!("it is installed, but importing it gives {other:?}");
                Err(Error::Pip { requirement, reason })
            }
        }
    }

    /// The version of Triton that the interpreter imports; `None` when it is not there or does not.
    fn version(&self) -> Option<String> {
        let program = "import triton; print(triton.__version__)";
        let output = Command::new(&self.python).args(["-c", program]).stdin(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

/// Compiles the kernels into `folder`.
///
/// # Errors
/// [`Error::Io`] when the folder cannot be written, [`Error::Compile`] with the last lines of Python, and those of
/// [`Manifest::read`].
pub fn compile(
    installation: &Installation,
    folder: &Path,
    progress: &mut dyn FnMut(&str),
) -> Result<Manifest> {
    let failed = |what, path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io { what, path, source }
    };
    let python = folder.join("python");
    fs::create_dir_all(&python).map_err(failed("make the folder", &python))?;
    for (name, text) in SOURCES {
        let path = python.join(name);
        fs::write(&path, text).map_err(failed("write", &path))?;
    }
    let script = python.join("compile.py");
    let mut command = Command::new(&installation.python);
    command.arg(&script).arg(folder).arg(sources_digest());
    // Triton's cache would else lie in the home folder; contraction of a multiplication with an addition is left to
    // the compiler, as it is by default in this release, which warns unless it is told so.
    command.env("TRITON_CACHE_DIR", folder.join("cache")).env("TRITON_DEFAULT_FP_FUSION", "1");
    command.env("PYTHONDONTWRITEBYTECODE", "1").env_remove("PYTHONPATH");
    let outcome = run(&mut command, progress)
        .map_err(|source| Error::NoPython { python: installation.python.clone(), source })?;
    outcome.map_err(|reason| Error::Compile { script, reason })?;
    Manifest::read(folder)
}

/// Identifies the Python sources and the release: objects that carry it need not be compiled again.
pub(crate) fn sources_digest() -> String {
    let mut hash = Sha256::new();
    hash.update(TRITON_VERSION);
    for (name, text) in SOURCES {
        hash.update(name);
        hash.update(text);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Runs a program to its end, its output going line by line to `progress`. The inner `Err` has its last lines; the
/// outer one is that of starting it.
fn run(command: &mut Command, progress: &mut dyn FnMut(&str)) -> io::Result<std::result::Result<(), String>> {
    let (reader, writer) = io::pipe()?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn()?;
    // The command holds the writing ends; with them open here, the output would never end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut last = VecDeque::new();
    for line in BufReader::new(reader).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).trim_end().to_owned();
        if line.is_empty() {
            continue;
        }
        progress(&line);
        last.push_back(line);
        if last.len() > QUOTED_LINES {
            last.pop_front();
        }
    }
    let status = child.wait()?;
    if status.success() {
        return Ok(Ok(()));
    }
    let lines: Vec<String> = last.into();
    Ok(Err(if lines.is_empty() { status.to_string() } else { lines.join("; ") }))
}

/// Whether pip lacks a wheel or could not ask for one: without a network it says both.
fn pip_error(requirement: String, reason: String) -> Error {
    let unreachable =
        ["Retrying", "connection", "Connection", "timed out", "resolve", "ProxyError", "SSLError"];
    let no_wheel = reason.contains("No matching distribution found");
    if no_wheel && !unreachable.iter().any(|word| reason.contains(word)) {
        Error::NoWheel { requirement, reason }
    } else {
        Error::Pip { requirement, reason }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// An interpreter that is a shell script.
    fn script(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn the_off_switch_forbids_making_but_not_using() {
        let folder = tempfile::tempdir().unwrap();
        let ensure = |off| {
            Installation::ensure_unless(off, folder.path(), Path::new("/nonexistent/python3"), &mut |_| ())
        };
        let error = ensure(true).unwrap_err();
        assert!(matches!(error, Error::ProvisioningOff { .. }), "{error}");
        assert!(error.to_string().contains("--objects"));
        let error = ensure(false).unwrap_err();
        assert!(matches!(error, Error::NoPython { .. }), "{error}");
        script(folder.path(), "bin/python", &format!("echo {TRITON_VERSION}"));
        assert_eq!(ensure(true).unwrap().python, folder.path().join("bin/python"));
    }

    #[test]
    fn another_release_is_not_the_one() {
        let folder = tempfile::tempdir().unwrap();
        script(folder.path(), "bin/python", "echo 3.0.0");
        let python = Path::new("/nonexistent/python3");
        let found = Installation::ensure_unless(true, folder.path(), python, &mut |_| ());
        assert!(matches!(found, Err(Error::ProvisioningOff { .. })));
    }

    #[test]
    fn a_failing_venv_module_is_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let python = script(folder.path(), "python3", "echo ensurepip is not available >&2; exit 1");
        let venv = folder.path().join("venv");
        let error = Installation::ensure_unless(false, &venv, &python, &mut |_| ()).unwrap_err();
        assert!(matches!(error, Error::Venv { .. }));
        assert!(error.to_string().contains("ensurepip is not available"), "{error}");
    }

    #[test]
    fn pips_two_reasons_are_told_apart() {
        let last = "ERROR: No matching distribution found for triton==3.9.0";
        assert!(matches!(pip_error(String::new(), last.to_owned()), Error::NoWheel { .. }));
        let offline = format!("WARNING: Retrying (Retry(total=0)) after connection broken; {last}");
        assert!(matches!(pip_error(String::new(), offline), Error::Pip { .. }));
        let full = "ERROR: Could not install packages due to an OSError: No space left on device";
        assert!(matches!(pip_error(String::new(), full.to_owned()), Error::Pip { .. }));
    }

    #[test]
    fn a_failing_compilation_is_quoted_and_leaves_no_manifest() {
        let folder = tempfile::tempdir().unwrap();
        let python = script(folder.path(), "python3", "echo one; echo boom >&2; exit 3");
        let mut seen = Vec::new();
        let objects = folder.path().join("objects");
        let error =
            compile(&Installation { python }, &objects, &mut |line| seen.push(line.to_owned())).unwrap_err();
        assert!(error.to_string().ends_with("failed: one; boom"), "{error}");
        assert_eq!(seen, ["one", "boom"]);
        assert!(objects.join("python/kernels.py").is_file());
        assert!(!objects.join("manifest.json").exists());
    }
}
