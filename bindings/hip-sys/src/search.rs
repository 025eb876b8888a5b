//! Where a HIP runtime library lies: always an absolute path, never a bare name.

use std::env;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Environment variable that names ROCm's library outright.
pub const ROCM_LIBRARY_VARIABLE: &str = "MI355X_HIP_LIBRARY";
/// Environment variable that names the virtual runtime's library outright.
pub const VIRTUAL_LIBRARY_VARIABLE: &str = "MI355X_VHIP_LIBRARY";
/// File name under which Cargo builds the virtual runtime.
pub const VIRTUAL_LIBRARY_NAME: &str = "libvhip.so";

/// Finds ROCm's `libamdhip64.so`.
///
/// The variable [`ROCM_LIBRARY_VARIABLE`] wins, even when it names a file that does not exist, so
/// that a mistyped setting is reported and not passed over. Then `$ROCM_PATH/lib`, then
/// `/opt/rocm/lib`; in a folder the unversioned name is taken before the highest version.
///
/// # Errors
/// [`LibraryNotFound`] with every place that was looked at.
pub fn find_rocm() -> Result<PathBuf, LibraryNotFound> {
    find_rocm_in(&|name| env::var_os(name), Path::new("/opt/rocm"))
}

/// Finds the virtual runtime's `libvhip.so`.
///
/// The variable [`VIRTUAL_LIBRARY_VARIABLE`] wins; else the folder of the running executable, its
/// `deps` folder and its parent are looked at, which covers `target/<profile>/` for programs,
/// `target/<profile>/deps/` for tests and benches and `target/<profile>/examples/` for examples. Cargo leaves
/// a library in the profile's folder when it is asked for by name, and in `deps` each time: the newest one is
/// taken, the first of them at equal age.
///
/// # Errors
/// [`LibraryNotFound`] with every place that was looked at.
pub fn find_virtual() -> Result<PathBuf, LibraryNotFound> {
    find_virtual_in(&|name| env::var_os(name), env::current_exe().ok().as_deref())
}

/// No library at any of the places where it may lie.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no {what} found; looked at {}; set {variable} to its path", list(looked_at))]
pub struct LibraryNotFound {
    /// What was looked for.
    pub what: &'static str,
    /// The environment variable that would name it.
    pub variable: &'static str,
    /// The places, in order.
    pub looked_at: Vec<PathBuf>,
}

/// The environment, as a function so that tests need not change the process's own.
type Variables<'a> = &'a dyn Fn(&str) -> Option<OsString>;

fn find_rocm_in(variables: Variables<'_>, default_root: &Path) -> Result<PathBuf, LibraryNotFound> {
    if let Some(path) = named_by(variables, ROCM_LIBRARY_VARIABLE) {
        return Ok(path);
    }
    let mut looked_at = Vec::new();
    let roots = named_by(variables, "ROCM_PATH").into_iter().chain([default_root.to_owned()]);
    for folder in roots.map(|root| root.join("lib")) {
        if let Some(path) = newest_runtime(&folder) {
            return Ok(path);
        }
        looked_at.push(folder.join("libamdhip64.so*"));
    }
    Err(LibraryNotFound { what: "ROCm libamdhip64.so", variable: ROCM_LIBRARY_VARIABLE, looked_at })
}

fn find_virtual_in(variables: Variables<'_>, executable: Option<&Path>) -> Result<PathBuf, LibraryNotFound> {
    if let Some(path) = named_by(variables, VIRTUAL_LIBRARY_VARIABLE) {
        return Ok(path);
    }
    let mut looked_at = Vec::new();
    if let Some(folder) = executable.and_then(Path::parent) {
        let parent = folder.parent();
        let folders = [
            Some(folder.to_owned()),
            Some(folder.join("deps")),
            parent.map(Path::to_owned),
            parent.map(|p| p.join("deps")),
        ];
        looked_at.extend(folders.into_iter().flatten().map(|folder| folder.join(VIRTUAL_LIBRARY_NAME)));
        if let Some(found) = newest(&looked_at) {
            return Ok(found);
        }
    }
    Err(LibraryNotFound { what: "virtual MI355X runtime", variable: VIRTUAL_LIBRARY_VARIABLE, looked_at })
}

/// The file that was written last; of several written at the same time the first.
fn newest(paths: &[PathBuf]) -> Option<PathBuf> {
    let written = |path: &&PathBuf| -> Option<SystemTime> {
        path.metadata().ok().filter(Metadata::is_file)?.modified().ok()
    };
    let mut found: Option<(SystemTime, &PathBuf)> = None;
    for path in paths {
        let Some(time) = written(&path) else { continue };
        if found.is_none_or(|(newest, _)| time > newest) {
            found = Some((time, path));
        }
    }
    found.map(|(_, path)| path.clone())
}

fn named_by(variables: Variables<'_>, name: &str) -> Option<PathBuf> {
    variables(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// `libamdhip64.so` if the folder has it, else the `libamdhip64.so.N…` of the highest version.
fn newest_runtime(folder: &Path) -> Option<PathBuf> {
    let plain = folder.join("libamdhip64.so");
    if plain.is_file() {
        return Some(plain);
    }
    let version = |path: &PathBuf| -> Option<Vec<u64>> {
        let suffix = path.file_name()?.to_str()?.strip_prefix("libamdhip64.so.")?;
        suffix.split('.').map(|part| part.parse().ok()).collect()
    };
    fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter_map(|path| Some((version(&path)?, path)))
        .max()
        .map(|(_, path)| path)
}

fn list(paths: &[PathBuf]) -> String {
    if paths.is_empty() {
        return "no place (the running executable's folder is unknown)".to_owned();
    }
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_variables(_: &str) -> Option<OsString> {
        None
    }

    fn touch(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"").unwrap();
    }

    #[test]
    fn the_variable_wins_even_when_its_file_is_absent() {
        let variables =
            |name: &str| (name == ROCM_LIBRARY_VARIABLE).then(|| OsString::from("/nowhere/libamdhip64.so"));
        let root = tempfile::tempdir().unwrap();
        touch(&root.path().join("lib/libamdhip64.so"));
        assert_eq!(find_rocm_in(&variables, root.path()).unwrap(), Path::new("/nowhere/libamdhip64.so"));
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        let variables = |_: &str| Some(OsString::new());
        let root = tempfile::tempdir().unwrap();
        touch(&root.path().join("lib/libamdhip64.so"));
        assert_eq!(find_rocm_in(&variables, root.path()).unwrap(), root.path().join("lib/libamdhip64.so"));
    }

    #[test]
    fn without_a_development_link_the_highest_version_is_taken_numerically() {
        let root = tempfile::tempdir().unwrap();
        for name in ["libamdhip64.so.7", "libamdhip64.so.10.2", "libamdhip64.so.9.99", "libamdhip64.so.x"] {
            touch(&root.path().join("lib").join(name));
        }
        let found = find_rocm_in(&no_variables, root.path()).unwrap();
        assert_eq!(found, root.path().join("lib/libamdhip64.so.10.2"));
    }

    #[test]
    fn the_error_lists_every_place_and_the_variable() {
        let variables = |name: &str| (name == "ROCM_PATH").then(|| OsString::from("/first"));
        let error = find_rocm_in(&variables, Path::new("/second")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no ROCm libamdhip64.so found; looked at /first/lib/libamdhip64.so*, \
             /second/lib/libamdhip64.so*; set MI355X_HIP_LIBRARY to its path"
        );
    }

    #[test]
    fn the_virtual_library_is_found_from_programs_tests_and_examples() {
        let target = tempfile::tempdir().unwrap();
        let profile = target.path().join("release");
        touch(&profile.join("deps/libvhip.so"));
        for executable in ["mi355x", "deps/it-0123", "examples/01_devices"] {
            let found = find_virtual_in(&no_variables, Some(&profile.join(executable))).unwrap();
            assert_eq!(found, profile.join("deps/libvhip.so"), "from {executable}");
        }
    }

    #[test]
    fn of_two_virtual_libraries_the_newer_one_is_taken() {
        let target = tempfile::tempdir().unwrap();
        let profile = target.path().join("release");
        let libraries = [profile.join("libvhip.so"), profile.join("deps/libvhip.so")];
        libraries.iter().for_each(|path| touch(path));
        let age = |path: &Path, seconds| {
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
        };
        for (first, second, expected) in [(10, 20, 1), (20, 10, 0), (10, 10, 0)] {
            age(&libraries[0], first);
            age(&libraries[1], second);
            let found = find_virtual_in(&no_variables, Some(&profile.join("mi355x"))).unwrap();
            assert_eq!(found, libraries[expected], "{first} and {second}");
        }
    }

    #[test]
    fn a_missing_virtual_library_names_its_variable() {
        let folder = tempfile::tempdir().unwrap();
        let error = find_virtual_in(&no_variables, Some(&folder.path().join("a/b/c"))).unwrap_err();
        assert!(error.to_string().ends_with("set MI355X_VHIP_LIBRARY to its path"), "{error}");
        assert_eq!(error.looked_at.len(), 4);
        assert!(find_virtual_in(&no_variables, None).unwrap_err().to_string().contains("no place"));
    }
}
