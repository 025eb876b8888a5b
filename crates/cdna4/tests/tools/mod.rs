//! LLVM's tools as oracles, and the random words that they are asked about.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// `name` of the ROCm or LLVM that `ROCM_PATH`, the workspace's `.rocm` or `/opt/rocm` holds. A test without its
/// oracle fails.
pub(crate) fn llvm_tool(name: &str) -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.rocm");
    let roots =
        std::env::var_os("ROCM_PATH").map(PathBuf::from).into_iter().chain([workspace, "/opt/rocm".into()]);
    roots
        .flat_map(|root| [root.join("llvm/bin").join(name), root.join("bin").join(name)])
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("no {name}: `cargo build` in the workspace fetches one, or set ROCM_PATH"))
}

/// The folder that `variable` names; without it, says that `test` was skipped. libtest keeps back what `println!`
/// writes, so this goes to the stream itself.
pub(crate) fn folder_or_skip(test: &str, variable: &str, what: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable).map(PathBuf::from);
    if found.is_none() {
        writeln!(std::io::stderr(), "skipped: {test}: needs {variable}, {what}").expect("stderr is open");
    }
    found
}

/// What separates the answers: an instruction with a literal that no test word has.
const MARKER: &str = "0xff,0x00,0xcd,0xbe,0x1d,0xa5,0xc3,0x5a";
const MARKER_TEXT: &str = "s_mov_b32 s77, 0x5ac3a51d";

/// The instructions that `llvm-mc` finds in each of `chunks`; fewer answers than chunks when it dies.
pub(crate) fn llvm_mc(tool: &Path, chunks: &[Vec<u8>]) -> Vec<Vec<String>> {
    let mut input = String::new();
    for chunk in chunks {
        let bytes: Vec<String> = chunk.iter().map(|b| format!("0x{b:02x}")).collect();
        // Brackets keep an instruction from running on into the next line.
        input.push_str(&format!("[{}]\n[{MARKER}]\n", bytes.join(",")));
    }
    let mut child = Command::new(tool)
        .args(["--disassemble", "-triple=amdgcn-amd-amdhsa", "-mcpu=gfx950"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("llvm-mc starts");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    // A failure to write means that llvm-mc is dead, which the missing answers show.
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()).is_ok());
    let output = child.wait_with_output().expect("llvm-mc ends");
    writer.join().expect("the writer does not panic");
    let stdout = String::from_utf8(output.stdout).expect("llvm-mc prints UTF-8");
    let (mut all, mut current) = (Vec::new(), Vec::new());
    for line in stdout.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('.')) {
        if line == MARKER_TEXT {
            all.push(std::mem::take(&mut current))
        } else {
            current.push(line.to_owned())
        }
    }
    all
}

/// A chunk on which `llvm-mc` dies, found by halving.
pub(crate) fn killer<'a>(tool: &Path, chunks: &'a [Vec<u8>]) -> &'a [Vec<u8>] {
    let half = &chunks[..chunks.len() / 2];
    match chunks {
        [_] | [] => chunks,
        _ if llvm_mc(tool, half).len() < half.len() => killer(tool, half),
        _ => killer(tool, &chunks[chunks.len() / 2..]),
    }
}

/// The instructions that this crate finds in `chunk`, up to a word that is none; there `llvm-mc` stops too.
pub(crate) fn ours(chunk: &[u8]) -> Vec<String> {
    let (mut at, mut texts) = (0, Vec::new());
    while let Ok(inst) = cdna4::decode(&chunk[at..]) {
        texts.push(inst.text(0));
        at += inst.size();
    }
    texts
}

/// SplitMix64: enough randomness for bit patterns, and the seed reproduces a run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

pub(crate) fn env_number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text}: not a number")),
        Err(_) => default,
    }
}
