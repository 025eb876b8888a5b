//! Fetching a compiler into the workspace, on the one system where that needs no root.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::space::check_space;
use crate::{Error, Origin, Result, Toolchain};

/// Free space demanded before the download starts: 405 MB of toolchain, and packages are unpacked one by one.
const NEEDED_BYTES: u64 = 600_000_000;

/// What [`provision`] needs to know, as values.
#[derive(Debug)]
pub struct Provisioner {
    /// `tools/setup-rocm.sh`.
    pub script: PathBuf,
    /// The folder to make.
    pub prefix: PathBuf,
    /// Receives the script's whole output.
    pub log: PathBuf,
    /// `MI355X_PROVISION=off`.
    pub off: bool,
    /// `/etc/os-release`.
    pub os_release: PathBuf,
    /// Free space demanded beforehand.
    pub needed_bytes: u64,
    /// Receives the script's progress lines as they come.
    pub progress: Progress,
}

impl Provisioner {
    /// The usual places under `workspace`, with the off switch of the environment.
    #[must_use]
    pub fn new(workspace: &Path, progress: Progress) -> Self {
        Self {
            script: workspace.join("tools/setup-rocm.sh"),
            prefix: workspace.join(".rocm"),
            log: workspace.join(".rocm.log"),
            off: env::var("MI355X_PROVISION").is_ok_and(|v| is_off(&v)),
            os_release: "/etc/os-release".into(),
            needed_bytes: NEEDED_BYTES,
            progress,
        }
    }
}

/// Where progress lines go.
#[derive(Debug)]
pub enum Progress {
    /// To the user's terminal, past whoever captures this process's output. Cargo captures a build
    /// script's; without this a first build would be silent for as long as the download takes.
    Terminal(File),
    /// To stderr.
    Stderr,
    /// Nowhere.
    Silent,
}

impl Progress {
    /// The controlling terminal where there is one, else nowhere.
    #[must_use]
    pub fn terminal() -> Self {
        OpenOptions::new().write(true).open("/dev/tty").map_or(Self::Silent, Self::Terminal)
    }

    fn line(&mut self, line: &str) {
        // Progress is a courtesy: a terminal that went away must not end the build.
        let _ = match self {
            Self::Terminal(tty) => writeln!(tty, "{line}\r"),
            Self::Stderr => writeln!(io::stderr(), "{line}"),
            Self::Silent => Ok(()),
        };
    }
}

/// Runs the setup script and probes what it made. Returns the toolchain and a one-line summary of the cost.
///
/// # Errors
/// In the order in which they are checked: switched off, another system than Debian 12 on x86-64,
/// script missing, folder's name unusable, folder not writable, disk too full, script failed.
pub fn provision(mut p: Provisioner) -> Result<(Toolchain, String)> {
    if p.off {
        return Err(Error::ProvisioningOff);
    }
    let system = system_name(&p.os_release);
    if system != "debian 12 x86_64" {
        return Err(Error::UnsupportedSystem { system });
    }
    if !p.script.is_file() {
        return Err(Error::ScriptMissing { script: p.script });
    }
    check_prefix(&p.prefix)?;
    let mut log = File::create(&p.log).map_err(|e| Error::write(&p.log, e))?;
    check_space(p.log.parent().unwrap_or(Path::new("/")), p.needed_bytes)?;

    let started = Instant::now();
    let mut child = Command::new("sh")
        .arg(&p.script)
        .arg(&p.prefix)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| Error::Io { what: "start", path: p.script.clone(), source })?;
    let stderr = child.stderr.take().expect("stderr was asked to be a pipe");
    let mut last_line = "no output".to_owned();
    for line in BufReader::new(stderr).split(b'\n') {
        let line = line.map_err(|e| Error::read(&p.script, e))?;
        let line = String::from_utf8_lossy(&line);
        writeln!(log, "{line}").map_err(|e| Error::write(&p.log, e))?;
        if line.starts_with("setup-rocm:") {
            p.progress.line(&line);
            last_line = line.into_owned();
        }
    }
    let status = child.wait().map_err(|e| Error::read(&p.script, e))?;
    let seconds = started.elapsed().as_secs_f64();
    if !status.success() {
        let script = format!("sh {} {}", p.script.display(), p.prefix.display());
        return Err(Error::ProvisioningFailed { script, seconds, last_line, log: p.log });
    }
    let toolchain = Toolchain::probe(&p.prefix, &p.prefix.join("bin/hipcc"), Origin::Workspace)?;
    let size = last_line.rsplit_once('(').map_or("", |(_, s)| s.trim_end_matches(')'));
    let summary =
        format!("fetched {} into {} ({size}, {seconds:.0} s)", toolchain.versions(), p.prefix.display());
    Ok((toolchain, summary))
}

/// Whether a switch says no, in any of the usual spellings.
fn is_off(value: &str) -> bool {
    ["off", "0", "no", "false", "never"].contains(&value.trim().to_ascii_lowercase().as_str())
}

/// hipcc hands its own paths to a shell without quoting them.
fn check_prefix(prefix: &Path) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._+-@,".contains(c);
    match prefix.to_string_lossy().chars().find(|c| !plain(*c)) {
        Some(character) => Err(Error::UnquotablePrefix { prefix: prefix.into(), character }),
        None => Ok(()),
    }
}

/// `debian 12 x86_64`, or what this system is instead.
fn system_name(os_release: &Path) -> String {
    let text = fs::read_to_string(os_release).unwrap_or_default();
    let value = |key: &str| {
        let line = text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix('='));
        line.map_or("unknown", |v| v.trim().trim_matches('"')).to_owned()
    };
    format!("{} {} {}", value("ID"), value("VERSION_ID"), env::consts::ARCH)
}
