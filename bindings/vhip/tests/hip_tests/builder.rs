//! Programs and code objects of hip-tests, compiled once.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, OnceLock},
};

use rocm_toolchain::Toolchain;
use sha2::{Digest, Sha256};

use crate::checkout::{Checkout, CompanionKind};

/// Compiles into a folder of its own.
pub(crate) struct Builder<'a> {
    checkout: &'a Checkout,
    toolchain: &'a Toolchain,
    /// Where everything lies: a folder for each folder of the checkout, `lib` and `common`.
    pub folder: PathBuf,
    /// What every object depends on: shared headers, compiler, flags.
    base: Sha256,
    flags: Vec<String>,
    /// What all programs are linked with.
    common: OnceLock<Result<Vec<PathBuf>, String>>,
    /// Companions and shared objects of a folder, made at the first program of it.
    folders: Mutex<BTreeMap<String, Result<Vec<PathBuf>, String>>>,
}

impl<'a> Builder<'a> {
    /// A builder whose products stay below the target folder.
    pub(crate) fn new(checkout: &'a Checkout, toolchain: &'a Toolchain) -> Result<Builder<'a>, String> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hip-tests");
        let catch = &checkout.catch;
        let include = |path: &str| format!("-I{}", catch.join(path).display());
        let flags = [
            "--offload-arch=gfx950".to_owned(),
            "-std=c++17".to_owned(),
            "-O1".to_owned(),
            "-w".to_owned(),
            format!("-DKERNELS_PATH=\"{}/\"", catch.join("kernels").display()),
            include("include"),
            include("external/Catch2"),
            include("external/picojson"),
            include("kernels"),
        ]
        .to_vec();
        let mut base = Sha256::new();
        base.update(toolchain.versions());
        flags.iter().for_each(|flag| base.update(flag));
        base.update(std::env::var_os("CPLUS_INCLUDE_PATH").unwrap_or_default().as_encoded_bytes());
        for part in ["include", "external", "kernels", "hipTestMain"] {
            hash_folder(&mut base, &catch.join(part))?;
        }
        let builder = Builder {
            checkout,
            toolchain,
            folder,
            base,
            flags,
            common: OnceLock::new(),
            folders: Mutex::default(),
        };
        builder.libraries()?;
        Ok(builder)
    }

    /// The folder that programs find their shared libraries in.
    pub(crate) fn library_folder(&self) -> PathBuf {
        self.folder.join("lib")
    }

    /// Where the program of `folder/file.cc` lies.
    pub(crate) fn program_path(&self, file: &str) -> PathBuf {
        self.folder.join(file.trim_end_matches(".cc"))
    }

    /// Builds the program of `folder/file.cc`, unless it is there; the error is the compiler's first one.
    pub(crate) fn program(&self, file: &str) -> Result<PathBuf, String> {
        let folder = file.split_once('/').map_or("", |(folder, _)| folder);
        let common = self.common.get_or_init(|| self.common()).clone()?;
        let shared = {
            let mut folders = self.folders.lock().expect("no worker panics");
            folders.entry(folder.to_owned()).or_insert_with(|| self.prepare(folder)).clone()?
        };
        let source = self.checkout.source(file);
        let target = self.program_path(file);
        let objects: Vec<PathBuf> = common.into_iter().chain(shared).collect();
        self.link(&source, &target, &objects)?;
        Ok(target)
    }

    /// Our library under ROCm's name. Programs that use the run-time compiler start without it and end where
    /// they call it: in its place is a library without functions.
    fn libraries(&self) -> Result<(), String> {
        let folder = self.library_folder();
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let library = hip_sys::find_virtual().map_err(|error| error.to_string())?;
        // A copy: the library may be built anew while its tests run.
        let copy = folder.join(env!("VHIP_SONAME"));
        let fresh = folder.join("new");
        fs::copy(&library, &fresh).map_err(|error| format!("{}: {error}", fresh.display()))?;
        // In one step: programs of another run may have the old one mapped.
        fs::rename(&fresh, &copy).map_err(|error| format!("{}: {error}", copy.display()))?;
        let empty = folder.join("libhiprtc.so.7");
        if !empty.is_file() {
            let source = folder.join("empty.c");
            fs::write(&source, "").map_err(|error| format!("{}: {error}", source.display()))?;
            let mut compiler = Command::new(self.toolchain.root.join("bin/clang"));
            compiler.args(["-shared", "-Wl,-soname,libhiprtc.so.7", "-o"]).arg(&empty).arg(&source);
            finish(compiler)?;
        }
        Ok(())
    }

    /// Catch's main program and the test context.
    fn common(&self) -> Result<Vec<PathBuf>, String> {
        let main = self.checkout.catch.join("hipTestMain");
        let sources = ["main.cc", "hip_test_context.cc", "hip_test_features.cc"];
        sources.iter().map(|name| self.object(&main.join(name), &self.folder.join("common"))).collect()
    }

    /// Builds what the programs of `folder` need beside them, and yields the objects that they share.
    fn prepare(&self, folder: &str) -> Result<Vec<PathBuf>, String> {
        let target = self.folder.join(folder);
        fs::create_dir_all(&target).map_err(|error| format!("{}: {error}", target.display()))?;
        for companion in self.checkout.companions(folder) {
            let place = target.join(companion.name);
            match companion.kind {
                CompanionKind::Program => self.link(&companion.source, &place, &[])?,
                CompanionKind::Code(flags) => {
                    let flags: Vec<&str> = ["--genco"].iter().chain(flags).copied().collect();
                    self.compile(&companion.source, &place, &flags)?;
                }
                CompanionKind::Data => {
                    fs::copy(&companion.source, &place)
                        .map_err(|error| format!("{}: {error}", companion.source.display()))?;
                }
            }
        }
        let shared = self.checkout.shared(folder);
        shared.iter().map(|source| self.object(source, &target)).collect()
    }

    fn object(&self, source: &Path, folder: &Path) -> Result<PathBuf, String> {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let name = source.file_name().unwrap_or_default();
        let target = folder.join(name).with_extension("o");
        self.compile(source, &target, &["-c"])?;
        Ok(target)
    }

    /// Compiles `source` and links it with `objects`.
    fn link(&self, source: &Path, target: &Path, objects: &[PathBuf]) -> Result<(), String> {
        let object = with_suffix(target, "o");
        self.compile(source, &object, &["-c"])?;
        let objects: Vec<&Path> = [&object].into_iter().chain(objects).map(PathBuf::as_path).collect();
        let mut hash = Sha256::new();
        for object in &objects {
            hash.update(fs::read(with_suffix(object, "key")).unwrap_or_default());
        }
        once(hash, target, || {
            let mut linker = Command::new(&self.toolchain.hipcc);
            linker.env("ROCM_PATH", &self.toolchain.root).args(["--offload-arch=gfx950", "--hip-link"]);
            linker.args(objects).arg("-o").arg(target).args([
                "-Wl,--as-needed,--allow-shlib-undefined,-z,lazy",
                "-lhiprtc",
                "-ldl",
            ]);
            linker
        })
    }

    /// Compiles `source`.
    fn compile(&self, source: &Path, target: &Path, flags: &[&str]) -> Result<(), String> {
        let mut hash = self.base.clone();
        hash.update(fs::read(source).map_err(|error| format!("{}: {error}", source.display()))?);
        if let Some(folder) = source.parent() {
            hash_headers(&mut hash, folder)?;
        }
        flags.iter().for_each(|flag| hash.update(flag));
        once(hash, target, || {
            let mut compiler = Command::new(&self.toolchain.hipcc);
            compiler.env("ROCM_PATH", &self.toolchain.root).args(&self.flags).args(flags);
            compiler.arg("-o").arg(target).arg(source);
            compiler
        })
    }
}

/// Runs a compiler unless it has run with this hash before; a failure is remembered too.
fn once(hash: Sha256, target: &Path, command: impl FnOnce() -> Command) -> Result<(), String> {
    let key: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let note = with_suffix(target, "key");
    if let Ok(known) = fs::read_to_string(&note)
        && let Some(outcome) = known.strip_prefix(&key)
    {
        return if outcome.is_empty() { Ok(()) } else { Err(outcome.trim().to_owned()) };
    }
    let outcome = finish(command());
    let said = outcome.as_ref().err().map_or(String::new(), |why| format!("\n{why}\n"));
    fs::write(&note, format!("{key}{said}")).map_err(|error| format!("{}: {error}", note.display()))?;
    outcome
}

/// Runs a compiler; the error is the first that it reports.
fn finish(mut command: Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let mut errors = text.lines().filter(|line| line.contains("error:"));
    Err(errors.next().map_or_else(|| text.trim().to_owned(), short).trim().to_owned())
}

/// An error without the folder of the file that it is in.
fn short(line: &str) -> String {
    match line.split_once(": ") {
        Some((place, rest)) => {
            let file = place.rsplit('/').next().unwrap_or(place);
            format!("{file}: {rest}")
        }
        None => line.to_owned(),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(suffix);
    path.with_file_name(name)
}

fn hash_folder(hash: &mut Sha256, folder: &Path) -> Result<(), String> {
    for path in sorted(folder)? {
        if path.is_dir() {
            hash_folder(hash, &path)?;
        } else {
            hash.update(fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?);
        }
    }
    Ok(())
}

/// The headers beside a source.
fn hash_headers(hash: &mut Sha256, folder: &Path) -> Result<(), String> {
    for path in sorted(folder)? {
        let is_header = path.extension().is_some_and(|end| end == "h" || end == "hh" || end == "inl");
        if is_header {
            hash.update(fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?);
        }
    }
    Ok(())
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}
