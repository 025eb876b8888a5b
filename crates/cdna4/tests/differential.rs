//! The decoder and disassembler against LLVM's: random encodings, AITER's code objects, LLVM's own test files.

mod tools;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tools::{Random, env_number, llvm_mc, llvm_tool, ours};

const WORKERS: usize = 2;

/// Literals with a meaning of their own for some operand type, and some without.
const LITERALS: [u32; 16] = [
    0, 1, 64, 65, 0xffff_fff0, 0xffff_ffef, 0x3f80_0000, 0xbf00_0000, 0x3e22_f983, 0x3c00, 0xbc00, 0x3f80, 0x3118,
    0x1234_3c00, 0x4010_0000, 0xdead_beef,
];

/// One word to try: usually from a row of the table with random operands, sometimes nothing but random bits.
fn random_chunk(rows: &[cdna4::Row], random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..4 {
        let bits = u128::from(random.next()) << 64 | u128::from(random.next());
        let row = &rows[random.below(rows.len())];
        let (bits, len) = match random.below(16) {
            0 => (bits, 8),
            _ => (bits & !row.mask | row.value, row.bytes),
        };
        bytes = bits.to_le_bytes()[..len].to_vec();
        let literal = match random.below(4) {
            0 => random.next() as u32,
            _ => LITERALS[random.below(LITERALS.len())],
        };
        bytes.extend_from_slice(&literal.to_le_bytes());
        // Most words should be instructions: a word that is none is drawn anew, three times at most.
        if cdna4::decode(&bytes).is_ok_and(|inst| inst.size() >= len) {
            break;
        }
    }
    bytes
}

#[test]
fn random_words_read_as_llvm_mc_reads_them() {
    let Some(tool) = llvm_tool("llvm-mc") else {
        println!("skipped: random_words_read_as_llvm_mc_reads_them: needs llvm-mc (set ROCM_PATH)");
        return;
    };
    let words = env_number("MI355X_DECODER_WORDS", 1_000_000) as usize;
    let seed = env_number("MI355X_DECODER_SEED", 950);
    let rows: Vec<_> = cdna4::rows().collect();
    let batch = 25_000;
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Failures::default());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let start = next.fetch_add(batch, Ordering::Relaxed);
                    if start >= words {
                        break;
                    }
                    let mut random = Random(seed ^ (start as u64) << 20);
                    let chunks: Vec<_> =
                        (0..batch.min(words - start)).map(|_| random_chunk(&rows, &mut random)).collect();
                    for (chunk, theirs) in chunks.iter().zip(llvm_mc(&tool, &chunks)) {
                        let ours = ours(chunk);
                        match theirs {
                            Some(theirs) => failures.lock().unwrap().count(&ours, &theirs, chunk),
                            None => println!("killer {chunk:02x?} {ours:?}"),
                        }
                    }
                }
            });
        }
    });
    failures.into_inner().unwrap().report("random words", words);
}

#[derive(Default)]
struct Failures {
    instructions: usize,
    total: usize,
    /// First example per mnemonic.
    examples: BTreeMap<String, String>,
}

impl Failures {
    fn count(&mut self, ours: &[String], theirs: &[String], bytes: &[u8]) {
        self.instructions += theirs.len();
        if ours != theirs {
            self.total += 1;
            let key = theirs.first().or(ours.first()).and_then(|t| t.split(' ').next()).unwrap_or("").to_owned();
            self.examples
                .entry(key)
                .or_insert_with(|| format!("{bytes:02x?}\n      llvm {theirs:?}\n      ours {ours:?}"));
        }
    }

    fn report(&self, what: &str, of: usize) {
        println!("{what}: {of} tried, {} instructions, {} differ", self.instructions, self.total);
        for (mnemonic, example) in self.examples.iter().take(60) {
            println!("  {mnemonic}: {example}");
        }
        assert_eq!(self.total, 0, "{what} differ from LLVM");
    }
}

/// All files below `folder` that end in `.extension`, sorted.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// What objdump says of one object: symbols by address, and (address, bytes, text) of every instruction.
struct Listing {
    symbols: BTreeMap<u64, String>,
    instructions: Vec<(u64, Vec<u8>, String)>,
}

/// Lines look like `\ts_load_dword s4, s[0:1], 0x40   // 000000002C20: C0020A40 00000040 <symbol+0x10>`.
fn objdump(tool: &Path, object: &Path) -> Listing {
    let mut child = Command::new(tool)
        .args(["-d", "--mcpu=gfx950"])
        .arg(object)
        .stdout(Stdio::piped())
        .spawn()
        .expect("llvm-objdump starts");
    let mut listing = Listing { symbols: BTreeMap::new(), instructions: Vec::new() };
    for line in BufReader::new(child.stdout.take().expect("stdout is piped")).lines() {
        let line = line.expect("llvm-objdump prints UTF-8");
        if let Some((text, tail)) = line.strip_prefix('\t').and_then(|l| l.split_once("// ")) {
            let (address, words) = tail.split_once(':').expect("an address before the colon");
            let words = words.split('<').next().unwrap_or("");
            let bytes = words
                .split_whitespace()
                .flat_map(|w| u32::from_str_radix(w, 16).expect("a word in hexadecimal").to_le_bytes())
                .collect();
            let address = u64::from_str_radix(address, 16).expect("an address in hexadecimal");
            listing.instructions.push((address, bytes, text.trim().to_owned()));
        } else if let Some((address, name)) = line.split_once(" <").filter(|_| line.ends_with(">:")) {
            if let Ok(address) = u64::from_str_radix(address, 16) {
                listing.symbols.insert(address, name.trim_end_matches(">:").to_owned());
            }
        }
    }
    assert!(child.wait().expect("llvm-objdump ends").success(), "llvm-objdump fails on {}", object.display());
    listing
}

#[test]
fn aiter_code_objects_read_as_objdump_reads_them() {
    let Some(tool) = llvm_tool("llvm-objdump") else {
        println!("skipped: aiter_code_objects_read_as_objdump_reads_them: needs llvm-objdump (set ROCM_PATH)");
        return;
    };
    let Some(aiter) = std::env::var_os("AITER_DIR").map(PathBuf::from) else {
        println!("skipped: aiter_code_objects_read_as_objdump_reads_them: needs AITER_DIR, a checkout of AITER");
        return;
    };
    let objects = files(&aiter.join("hsa/gfx950"), "co");
    assert!(!objects.is_empty(), "no code objects below {}/hsa/gfx950", aiter.display());
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Failures::default());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(object) = objects.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let listing = objdump(&tool, object);
                    let mut failures = failures.lock().unwrap();
                    for (address, bytes, theirs) in &listing.instructions {
                        let ours = match cdna4::decode(bytes) {
                            Ok(inst) if inst.size() != bytes.len() => format!("{} bytes", inst.size()),
                            Ok(inst) => match inst.branch_target(*address).and_then(|t| listing.symbols.get(&t)) {
                                // objdump names the target when a symbol stands there.
                                Some(symbol) => inst.text(*address).replace(
                                    &format!(" {}", inst.value(cdna4::Field::Simm16).unwrap() as u16),
                                    &format!(" {symbol}"),
                                ),
                                None => inst.text(*address),
                            },
                            Err(error) => error.to_string(),
                        };
                        failures.count(&[ours], std::slice::from_ref(theirs), bytes);
                    }
                }
            });
        }
    });
    failures.into_inner().unwrap().report("AITER code objects", objects.len());
}
