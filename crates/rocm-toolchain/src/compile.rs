//! Running the compiler: in parallel, and only for what changed.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use sha2::{Digest, Sha256};

use crate::space::check_space;
use crate::{ARCH, CompileFailure, Error, Result, Toolchain};

/// Version of the record beside each code object; a record of another version counts as absent.
const RECORD_VERSION: &str = "rocm-toolchain 1";

/// Free space demanded before each compiler run, far above what one kernel needs.
const NEEDED_BYTES: u64 = 16_000_000;

/// One compiler run to do.
#[derive(Clone, Debug)]
pub struct Compilation {
    /// `op/instance`, for messages.
    pub label: String,
    /// The `.hip` file.
    pub source: PathBuf,
    /// Flags beyond those of every kernel: include folders, definitions.
    pub flags: Vec<String>,
    /// Where the code object goes. Beside it go the dependency list and the record of what it was made from.
    pub output: PathBuf,
}

/// One code object, made now or found unchanged.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The code object's bytes.
    pub code_object: Vec<u8>,
    /// SHA-256 of the code object, lower-case hexadecimal.
    pub sha256: String,
    /// SHA-256 of everything it was made from: compiler, flags, source, included files.
    pub fingerprint: String,
    /// Every flag given to `hipcc`, without input and output.
    pub flags: Vec<String>,
    /// Whether the compiler ran.
    pub compiled: bool,
}

/// A compiler and the number of processes it may run at once.
#[derive(Clone, Copy, Debug)]
pub struct Compiler<'a> {
    /// Which compiler.
    pub toolchain: &'a Toolchain,
    /// At least 1; Cargo's `NUM_JOBS` in a build script.
    pub jobs: usize,
}

impl Compiler<'_> {
    /// Brings every output up to date. Results are in the order of `work`.
    ///
    /// # Errors
    /// [`Error::Compile`] with every failure, not only the first; or the first failed read or write.
    pub fn run(&self, work: &[Compilation]) -> Result<Vec<Compiled>> {
        let next = AtomicUsize::new(0);
        let results: Mutex<Vec<Option<Result<Compiled>>>> = Mutex::new(work.iter().map(|_| None).collect());
        thread::scope(|scope| {
            for _ in 0..self.jobs.clamp(1, work.len().max(1)) {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(job) = work.get(index) else { break };
                        let result = self.run_one(job);
                        results.lock().unwrap_or_else(PoisonError::into_inner)[index] = Some(result);
                    }
                });
            }
        });
        let mut compiled = Vec::with_capacity(work.len());
        let mut failures = Vec::new();
        for result in results.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().flatten() {
            match result {
                Ok(done) => compiled.push(done),
                Err(Error::Compile(failed)) => failures.extend(failed),
                Err(other) => return Err(other),
            }
        }
        if failures.is_empty() { Ok(compiled) } else { Err(Error::Compile(failures)) }
    }

    fn run_one(&self, job: &Compilation) -> Result<Compiled> {
        let flags = self.flags(job);
        if let Some(found) = self.unchanged(job, &flags) {
            return Ok(found);
        }
        if let Some(folder) = job.output.parent() {
            fs::create_dir_all(folder).map_err(|e| Error::write(folder, e))?;
            check_space(folder, NEEDED_BYTES)?;
        }
        // The compiler's own intermediate files.
        check_space(&env::temp_dir(), NEEDED_BYTES)?;
        let record = beside(&job.output, "record");
        let depfile = beside(&job.output, "d");
        let partial = beside(&job.output, "partial");
        for stale in [&record, &depfile] {
            if stale.exists() {
                fs::remove_file(stale).map_err(|e| Error::write(stale, e))?;
            }
        }
        let mut command = Command::new(&self.toolchain.hipcc);
        command.args(&flags);
        // `--genco` links, and the driver's own -MD is silent when linking: so the dependency list is asked
        // of the compiler proper. It names the project's files; the system's are covered by the version.
        for option in ["-dependency-file", &depfile.to_string_lossy(), "-MT", "out"] {
            command.args(["-Xclang", option]);
        }
        command.arg(&job.source).arg("-o").arg(&partial);
        command.env("ROCM_PATH", &self.toolchain.root).env("HIP_PATH", &self.toolchain.root);
        let out = command.output().map_err(|source| Error::Io {
            what: "start",
            path: self.toolchain.hipcc.clone(),
            source,
        })?;
        if !out.status.success() {
            return Err(Error::Compile(vec![CompileFailure {
                kernel: job.label.clone(),
                source: job.source.clone(),
                command: format!(
                    "{} {} {}",
                    self.toolchain.hipcc.display(),
                    flags.join(" "),
                    job.source.display()
                ),
                stderr: String::from_utf8_lossy(&out.stderr).into_owned(),
            }]));
        }
        let read = |path: &Path| fs::read(path).map_err(|e| Error::read(path, e));
        let dependencies = parse_depfile(&String::from_utf8_lossy(&read(&depfile)?));
        let fingerprint =
            self.fingerprint(&flags, &dependencies).map_err(|(path, e)| Error::read(&path, e))?;
        let code_object = read(&partial)?;
        let sha256 = hex(&Sha256::digest(&code_object));
        fs::rename(&partial, &job.output).map_err(|e| Error::write(&job.output, e))?;
        let mut text = format!("{RECORD_VERSION}\n{fingerprint}\n{sha256}\n");
        for dependency in &dependencies {
            text += &format!("{}\n", dependency.display());
        }
        fs::write(&record, text).map_err(|e| Error::write(&record, e))?;
        Ok(Compiled { code_object, sha256, fingerprint, flags, compiled: true })
    }

    /// The existing output, if it was made of exactly what is there now.
    fn unchanged(&self, job: &Compilation, flags: &[String]) -> Option<Compiled> {
        let record = fs::read_to_string(beside(&job.output, "record")).ok()?;
        let mut lines = record.lines();
        if lines.next()? != RECORD_VERSION {
            return None;
        }
        let (fingerprint, sha256) = (lines.next()?.to_owned(), lines.next()?.to_owned());
        let dependencies: Vec<PathBuf> = lines.map(PathBuf::from).collect();
        if self.fingerprint(flags, &dependencies).ok()? != fingerprint {
            return None;
        }
        let code_object = fs::read(&job.output).ok()?;
        (hex(&Sha256::digest(&code_object)) == sha256).then(|| Compiled {
            code_object,
            sha256,
            fingerprint,
            flags: flags.to_vec(),
            compiled: false,
        })
    }

    fn flags(&self, job: &Compilation) -> Vec<String> {
        // -fuse-cuid=none: otherwise a symbol in the output depends on the path, and equal sources give
        // unequal code objects. The architecture is named because hipcc falls back to another without a GPU.
        let every =
            ["--genco", "--no-gpu-bundle-output", &format!("--offload-arch={ARCH}"), "-std=c++20", "-O3"];
        let mut flags: Vec<String> = every.map(str::to_owned).into();
        flags.push("-fuse-cuid=none".into());
        // Lines of the sources for `explain`: the instructions are the same, and no path of this machine gets in. The
        // fifth version would have digests of the sources, by which a comment would change the code object.
        flags.extend(["-gline-tables-only", "-gdwarf-4", "-fdebug-compilation-dir=."].map(str::to_owned));
        let sources = job.source.ancestors().nth(2).map(|folder| (folder, "."));
        for (from, to) in sources.into_iter().chain([(self.toolchain.root.as_path(), "rocm")]) {
            flags.push(format!("-fdebug-prefix-map={}={to}", from.display()));
        }
        flags.extend_from_slice(&job.flags);
        flags
    }

    /// Each part goes in with its length, so no two different inputs run together into one.
    fn fingerprint(
        &self,
        flags: &[String],
        dependencies: &[PathBuf],
    ) -> Result<String, (PathBuf, std::io::Error)> {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        part(self.toolchain.banner.as_bytes());
        for flag in flags {
            part(flag.as_bytes());
        }
        for path in dependencies {
            part(path.as_os_str().as_encoded_bytes());
            part(&fs::read(path).map_err(|e| (path.clone(), e))?);
        }
        Ok(hex(&hash.finalize()))
    }
}

fn beside(output: &Path, extension: &str) -> PathBuf {
    let mut name = output.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

/// The prerequisites of a make rule: `out: a.hip \⏎ b.h`, where a space within a name is `\ `.
fn parse_depfile(text: &str) -> Vec<PathBuf> {
    let rule = text.split_once(": ").map_or("", |(_, r)| r).replace("\\\n", " ");
    let mut names = vec![String::new()];
    let mut chars = rule.chars().peekable();
    while let Some(c) = chars.next() {
        let last = names.last_mut().expect("never empty");
        match c {
            '\\' if chars.peek().is_some_and(|c| " #\\".contains(*c)) => last.extend(chars.next()),
            '$' if chars.peek() == Some(&'$') => last.extend(chars.next()),
            c if c.is_whitespace() => names.push(String::new()),
            c => last.push(c),
        }
    }
    names.into_iter().filter(|n| !n.is_empty()).map(PathBuf::from).collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depfile_names_may_hold_spaces_and_lines_may_continue() {
        let names = parse_depfile("out: /a/k.hip \\\n  /a/my\\ file.h /b$$c.h\n");
        assert_eq!(names, ["/a/k.hip", "/a/my file.h", "/b$c.h"].map(PathBuf::from));
    }
}
