//! Results on disk: one folder per run, in it one JSON line per result.
//!
//! ```text
//! runs/20261124T231500Z-check/
//!   run.json        what was asked, on what device, by what program
//!   results.jsonl   one line per result, appended as it is known
//! ```
//!
//! Nothing is ever rewritten: a crash, a full disk or an interrupt leaves every earlier line as it was. A line
//! that could not be written whole is taken back, so that every line of the file is a record.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use crate::{Error, Result};

/// Version of every record. Readers accept the versions they know; a change of meaning raises it.
pub const VERSION: u32 = 2;

/// A run's folder, open for appending.
#[derive(Debug)]
pub struct Run {
    folder: PathBuf,
    results: File,
}

/// What every line and every `--json` document begins with.
#[derive(Clone, Debug, Serialize)]
pub struct Record<'a, T> {
    /// [`VERSION`].
    pub version: u32,
    /// The verb that made it.
    pub verb: &'a str,
    /// The rest.
    pub content: T,
}

impl<'a, T> Record<'a, T> {
    /// A record of this version.
    pub const fn new(verb: &'a str, content: T) -> Self {
        Self { version: VERSION, verb, content }
    }
}

impl Run {
    /// Makes a new folder below `base` and writes down what the run is about.
    ///
    /// # Errors
    /// [`Error::Store`] with the path that cannot be written.
    pub fn create(base: &Path, verb: &str, about: &impl Serialize) -> Result<Self> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Store { path, source }
        };
        fs::create_dir_all(base).map_err(failed(base))?;
        let time = Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
        let mut folder = base.join(format!("{time}-{verb}"));
        let mut attempt = 1;
        // Two runs may start within one second; each has its own folder.
        while let Err(source) = fs::create_dir(&folder) {
            if source.kind() != io::ErrorKind::AlreadyExists || attempt == 1000 {
                return Err(Error::Store { path: folder, source });
            }
            attempt += 1;
            folder = base.join(format!("{time}-{verb}-{attempt}"));
        }
        let about_file = folder.join("run.json");
        let mut text =
            serde_json::to_string_pretty(&Record::new(verb, about)).expect("records are plain data");
        text.push('\n');
        write_new(&about_file, text.as_bytes()).map_err(failed(&about_file))?;
        let path = folder.join("results.jsonl");
        let results = OpenOptions::new().create_new(true).append(true).open(&path).map_err(failed(&path))?;
        Ok(Self { folder, results })
    }

    /// Appends one result.
    ///
    /// # Errors
    /// [`Error::Store`]; the file is then as it was before.
    pub fn append(&mut self, verb: &str, result: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_string(&Record::new(verb, result)).expect("records are plain data");
        line.push('\n');
        append_whole(&mut self.results, line.as_bytes())
            .map_err(|source| Error::Store { path: self.folder.join("results.jsonl"), source })
    }

    /// The run's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().create_new(true).write(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Writes all of `bytes` at the end, or none.
fn append_whole(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    let before = file.metadata()?.len();
    file.write_all(bytes).inspect_err(|_| {
        // The error that matters is the write's. A device file has no length to restore.
        let _ = file.set_len(before);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_of_one_second_have_two_folders() {
        let base = tempfile::tempdir().unwrap();
        let mut runs: Vec<_> = (0..3).map(|i| Run::create(base.path(), "check", &i).unwrap()).collect();
        runs[1].append("check", &"one").unwrap();
        runs[1].append("check", &"two").unwrap();
        let text = fs::read_to_string(runs[1].folder().join("results.jsonl")).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(
            (lines.len(), &lines[1]["content"], &lines[1]["version"]),
            (2, &"two".into(), &VERSION.into())
        );
        assert!(runs[0].folder() != runs[1].folder() && runs[1].folder() != runs[2].folder());
    }

    #[test]
    fn a_full_disk_says_so() {
        let mut full = OpenOptions::new().append(true).open("/dev/full").unwrap();
        let error = append_whole(&mut full, b"line\n").unwrap_err();
        assert!(crate::error::is_full(&error), "{error}");
    }
}
