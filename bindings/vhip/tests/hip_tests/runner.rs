//! One test case in one process.

use std::{
    fs::{self, File},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    builder::Builder,
    list::{Case, Status},
};

/// What a test program says when a case does not apply.
const SKIPPED: &str = "HIP_SKIP_THIS_TEST";
/// Host memory that one test program may take, bytes.
const MEMORY_LIMIT: u64 = 2 << 30;
/// Options of hip-tests' own main program: one round of what is repeated, few random inputs for the math cases, and their buffers in a few of the
/// device's 288 GB.
const OPTIONS: &[&str] = &[
    "--accuracy-iterations",
    "65536",
    "--accuracy-max-memory",
    "1",
    "--iterations",
    "1",
    "--cg-iterations",
    "1",
];

/// Starts test programs with our library in the place of ROCm's.
pub(crate) struct Runner {
    libraries: PathBuf,
    limit: Duration,
    output: PathBuf,
}

/// How a process ended.
enum End {
    Exit(ExitStatus),
    TooLong,
    TooMuchMemory,
}

impl Runner {
    /// A runner that gives every case this much time.
    pub(crate) fn new(builder: &Builder<'_>, limit: Duration) -> Result<Runner, String> {
        let output = builder.folder.join("output");
        fs::create_dir_all(&output).map_err(|error| format!("{}: {error}", output.display()))?;
        Ok(Runner { libraries: builder.library_folder(), limit, output })
    }

    /// The names of a program's cases.
    pub(crate) fn names(&self, program: &Path) -> Result<Vec<String>, String> {
        let output = self
            .command(program)
            .arg("--list-test-names-only")
            .output()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let names: Vec<String> =
            text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
        if names.is_empty() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("lists no cases: {}", said.lines().next().unwrap_or("")));
        }
        Ok(names)
    }

    /// Runs one case.
    pub(crate) fn run(&self, program: &Path, case: &Case) -> Status {
        let log = self.output.join(format!("{}.{}.log", case.file.replace('/', "."), plain(&case.name)));
        let end = File::create(&log).and_then(|file| {
            let mut command = self.command(program);
            // Commas and brackets mean something in Catch's specifications.
            command.arg(escaped(&case.name)).args(OPTIONS);
            command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
            // A group of its own, since test programs start others.
            command.process_group(0);
            wait(command.spawn()?, self.limit)
        });
        let text =
            fs::read(&log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        match end {
            Err(error) => Status::Fail(format!("did not start: {error}")),
            Ok(End::TooLong) => Status::Slow(format!("longer than {} s", self.limit.as_secs())),
            Ok(End::TooMuchMemory) => {
                Status::Slow(format!("more than {} GiB of host memory", MEMORY_LIMIT >> 30))
            }
            Ok(End::Exit(status)) if status.success() => match text.contains(SKIPPED) {
                true => Status::Skip(skip_reason(&text)),
                false if text.contains("assertion") || text.contains("passed") => Status::Pass,
                false => Status::Fail("nothing was tested".to_owned()),
            },
            Ok(End::Exit(status)) if status.signal().is_some() => Status::Crash(failure(&text, status)),
            Ok(End::Exit(status)) => Status::Fail(failure(&text, status)),
        }
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("LD_LIBRARY_PATH", &self.libraries);
        // Test programs look for their files in the current folder.
        command.current_dir(program.parent().unwrap_or(Path::new(".")));
        command
    }
}

/// Waits for a process, and ends its group when it takes too much.
fn wait(mut child: Child, limit: Duration) -> std::io::Result<End> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(status) = child.try_wait()? {
            // What the program started and left.
            end_group(&child);
            return Ok(End::Exit(status));
        }
        let over = start.elapsed() > limit;
        if over || resident(child.id()) > MEMORY_LIMIT {
            end_group(&child);
            child.wait()?;
            return Ok(if over { End::TooLong } else { End::TooMuchMemory });
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

fn end_group(child: &Child) {
    // SAFETY: a number and a signal; the group is the child's own, and a group without members is no error.
    unsafe { libc::kill(-(child.id() as i32), libc::SIGKILL) };
}

/// Bytes of host memory that a process has.
fn resident(process: u32) -> u64 {
    const PAGE: u64 = 4096;
    let text = fs::read_to_string(format!("/proc/{process}/statm")).unwrap_or_default();
    text.split_ascii_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * PAGE
}

fn escaped(name: &str) -> String {
    name.chars().fold(String::new(), |mut text, letter| {
        if matches!(letter, ',' | '[' | ']' | '"' | '\\' | '~') {
            text.push('\\');
        }
        text.push(letter);
        text
    })
}

/// A name that can be part of a file's.
fn plain(name: &str) -> String {
    name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect()
}

fn skip_reason(text: &str) -> String {
    let reason = text.lines().find_map(|line| line.split_once("Reason:"));
    reason.map_or("says that it does not apply", |(_, reason)| reason.trim()).to_owned()
}

/// The first failure that Catch reports, in one line.
fn failure(text: &str, status: ExitStatus) -> String {
    let mut lines = text.lines().map(str::trim);
    let Some(head) = lines.find(|line| line.ends_with("FAILED:")) else {
        let said = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("");
        // The loader names the program by its path.
        return format!("{status}: {}", said.rsplit('/').next().unwrap_or(""));
    };
    let place = head.trim_end_matches(": FAILED:").rsplit('/').next().unwrap_or("");
    let rule = |line: &&str| !(line.starts_with("====") || line.starts_with("----") || line.starts_with("/"));
    let report: Vec<&str> = lines.take_while(rule).take(16).filter(|line| !line.is_empty()).collect();
    let value_of = |key: &str| report.iter().find_map(|line| line.strip_prefix(key)).map(str::trim);
    let reason = match (value_of("Str:"), value_of("Error:")) {
        // HIP_CHECK: the call and the error's text.
        (Some(call), Some(error)) => format!("{place}: {call}: {error}"),
        _ => {
            let useful =
                report.iter().filter(|line| !line.starts_with("with ") && !line.starts_with("due to"));
            format!("{place}: {}", useful.take(2).copied().collect::<Vec<_>>().join(" is "))
        }
    };
    // One line of the list, not a page of it.
    reason.chars().take(200).collect()
}
