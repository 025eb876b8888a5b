//! Where the compiler is.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Error, Result};

/// A HIP compiler that runs, with the versions it reports.
///
/// Nothing is assumed about the layout but `hipcc` itself: the compiler's own folder is the one that
/// `hipcc --version` names, so ROCm 6.4, 7.x and later layouts need no case of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// The folder laid out like `/opt/rocm`.
    pub root: PathBuf,
    /// The driver.
    pub hipcc: PathBuf,
    /// `major.minor.patch` of HIP.
    pub hip_version: String,
    /// `major.minor.patch` of clang.
    pub clang_version: String,
    /// The folder of clang and of LLVM's tools, where it exists.
    pub llvm_bin: Option<PathBuf>,
    /// The whole of `hipcc --version`: part of every kernel's fingerprint, since one HIP version can come with several compilers.
    pub banner: String,
    /// How it was found.
    pub origin: Origin,
}

impl Toolchain {
    /// One line for logs and code-object records: `HIP 7.2.53211, clang 22.1.8`.
    #[must_use]
    pub fn versions(&self) -> String {
        format!("HIP {}, clang {}", self.hip_version, self.clang_version)
    }

    /// Runs `hipcc --version` and reads the answer.
    ///
    /// # Errors
    /// [`Error::Probe`] when it does not run or its answer holds no version.
    pub fn probe(root: &Path, hipcc: &Path, origin: Origin) -> Result<Self> {
        let broken = |what: String| Error::Probe { hipcc: hipcc.into(), what };
        let out = Command::new(hipcc)
            .arg("--version")
            .env("ROCM_PATH", root)
            .env("HIP_PATH", root)
            .output()
            .map_err(|e| broken(format!("does not start: {e}")))?;
        let banner = String::from_utf8_lossy(&out.stdout).trim().to_owned();
        if !out.status.success() {
            let stderr = String::from_utf8_lossy(&out.stderr);
            return Err(broken(format!("ended with {}: {} {}", out.status, banner, stderr.trim())));
        }
        let version = |marker| {
            version_after(&banner, marker)
                .ok_or_else(|| broken(format!("reports no \"{marker}\": {banner:?}")))
        };
        let hip_version = version("HIP version:")?;
        let clang_version = version("clang version")?;
        let installed =
            banner.lines().find_map(|l| l.strip_prefix("InstalledDir:")).map(|d| PathBuf::from(d.trim()));
        let llvm_bin = [installed, Some(root.join("lib/llvm/bin")), Some(root.join("llvm/bin"))]
            .into_iter()
            .flatten()
            .find(|d| d.is_dir());
        Ok(Self {
            root: root.into(),
            hipcc: hipcc.into(),
            hip_version,
            clang_version,
            llvm_bin,
            banner,
            origin,
        })
    }

    /// An LLVM tool of this toolchain, such as `llvm-objdump`.
    #[must_use]
    pub fn llvm_tool(&self, name: &str) -> Option<PathBuf> {
        self.llvm_bin.as_ref().map(|d| d.join(name)).filter(|p| p.is_file())
    }
}

/// How a compiler was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The caller named it.
    Argument,
    /// `ROCM_PATH`.
    RocmPath,
    /// `HIP_PATH`.
    HipPath,
    /// `<workspace>/.rocm`.
    Workspace,
    /// `/opt/rocm`.
    System,
    /// The parent of the `hipcc` on `PATH`.
    Path,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Argument => "the argument",
            Self::RocmPath => "ROCM_PATH",
            Self::HipPath => "HIP_PATH",
            Self::Workspace => "the workspace's .rocm",
            Self::System => "the system's ROCm",
            Self::Path => "PATH",
        })
    }
}

/// The places to look at, as values: so the search is the same function of its input everywhere.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Named by the caller; wins over everything.
    pub explicit: Option<PathBuf>,
    /// `ROCM_PATH`.
    pub rocm_path: Option<PathBuf>,
    /// `HIP_PATH`.
    pub hip_path: Option<PathBuf>,
    /// The folder whose `.rocm` is looked at.
    pub workspace: Option<PathBuf>,
    /// `/opt/rocm`.
    pub system: Option<PathBuf>,
    /// `PATH`.
    pub path: Option<OsString>,
}

impl Search {
    /// The places that this process's environment names. An empty variable counts as unset.
    #[must_use]
    pub fn from_env(workspace: &Path) -> Self {
        let folder = |name| env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        Self {
            explicit: None,
            rocm_path: folder("ROCM_PATH"),
            hip_path: folder("HIP_PATH"),
            workspace: Some(workspace.into()),
            system: Some("/opt/rocm".into()),
            path: env::var_os("PATH"),
        }
    }
}

/// The first compiler of: the argument, `ROCM_PATH`, `HIP_PATH`, `<workspace>/.rocm`, `/opt/rocm`, `PATH`.
///
/// # Errors
/// [`Error::BrokenChoice`] when the argument or a variable names a folder without `hipcc`: a choice that
/// is wrong is reported, never passed over. [`Error::Probe`] when the first `hipcc` found does not
/// run. [`Error::NotFound`] when there is none.
pub fn find(search: &Search) -> Result<Toolchain> {
    let chosen = [
        (&search.explicit, Origin::Argument),
        (&search.rocm_path, Origin::RocmPath),
        (&search.hip_path, Origin::HipPath),
    ];
    if let Some((root, origin)) =
        chosen.into_iter().find_map(|(root, origin)| root.as_ref().map(|r| (r, origin)))
    {
        let hipcc = root.join("bin/hipcc");
        if !is_executable(&hipcc) {
            return Err(Error::BrokenChoice { origin: origin.to_string(), root: root.clone() });
        }
        return Toolchain::probe(root, &hipcc, origin);
    }
    let mut looked_at = vec!["ROCM_PATH (unset)".to_owned(), "HIP_PATH (unset)".to_owned()];
    let usual = [
        (search.workspace.as_ref().map(|w| w.join(".rocm")), Origin::Workspace),
        (search.system.clone(), Origin::System),
    ];
    for (root, origin) in usual.into_iter().filter_map(|(root, origin)| Some((root?, origin))) {
        let hipcc = root.join("bin/hipcc");
        if is_executable(&hipcc) {
            return Toolchain::probe(&root, &hipcc, origin);
        }
        looked_at.push(root.display().to_string());
    }
    for folder in search.path.iter().flat_map(env::split_paths) {
        let hipcc = folder.join("hipcc");
        if is_executable(&hipcc) {
            // Distributions put a link there: the ROCm folder is where it leads.
            let real = hipcc.canonicalize().map_err(|e| Error::read(&hipcc, e))?;
            let root = real.parent().and_then(Path::parent).unwrap_or(Path::new("/"));
            return Toolchain::probe(root, &real, Origin::Path);
        }
    }
    looked_at.push("PATH".to_owned());
    Err(Error::NotFound { looked_at })
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// The dotted number that follows `marker`: "7.2.53211" of "HIP version: 7.2.53211-9999".
fn version_after(text: &str, marker: &str) -> Option<String> {
    let rest = text.split_once(marker)?.1.trim_start();
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let version = rest[..end].trim_end_matches('.');
    (!version.is_empty()).then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_any_vendor_line() {
        assert_eq!(
            version_after("HIP version: 7.2.53211-9999", "HIP version:").as_deref(),
            Some("7.2.53211")
        );
        assert_eq!(
            version_after("AMD clang version 20.0.0git (x)", "clang version").as_deref(),
            Some("20.0.0")
        );
        assert_eq!(version_after("clang version 24.", "clang version").as_deref(), Some("24"));
        assert_eq!(version_after("HIP version: none", "HIP version:"), None);
    }
}
