//! The decoder and disassembler against LLVM's: random encodings, AITER's code objects, LLVM's own test files.

mod tools;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use cdna4::{DecodeError, Encoding, Field, Operand};
use tools::{Random, env_number, folder_or_skip, killer, llvm_mc, llvm_tool, ours};

const WORKERS: usize = 2;

/// Literals with a meaning of their own for some operand type, and some without.
const LITERALS: [u32; 16] = [
    0,
    1,
    64,
    65,
    0xffff_fff0,
    0xffff_ffef,
    0x3f80_0000,
    0xbf00_0000,
    0x3e22_f983,
    0x3c00,
    0xbc00,
    0x3f80,
    0x3118,
    0x1234_3c00,
    0x4010_0000,
    0xdead_beef,
];

/// One word to try: usually from a row of the table with random operands, sometimes nothing but random bits.
fn random_chunk(rows: &[cdna4::Row], random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..4 {
        let bits = u128::from(random.next()) << 64 | u128::from(random.next());
        let row = &rows[random.below(rows.len())];
        let (mut bits, len) = match random.below(16) {
            0 => (bits, 8),
            _ => (bits & !row.mask | row.value, row.bytes),
        };
        if row.encoding == Encoding::Sdwa && random.below(2) == 0 {
            // Selectors of 7 are reserved; half of the words have none.
            bits &= !((1 << 48 | 1 << 56)
                | if row.asm_mnemonic.starts_with("v_cmp") { 0 } else { 1 << 40 | 1 << 43 });
        }
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
    // What follows the instruction must not lack a literal: llvm-mc dies on that.
    let mut at = 0;
    while at < bytes.len() {
        match cdna4::decode(&bytes[at..]) {
            Ok(inst) => at += inst.size(),
            Err(DecodeError::Truncated { .. }) => {
                bytes.truncate(at);
                bytes.extend_from_slice(&[0, 0, 0x80, 0xbf]);
            }
            Err(DecodeError::Unknown { .. }) => at += 4,
        }
    }
    bytes
}

/// Words on which LLVM's behaviour is undefined, so that it cannot be asked (some kill it): the rule's name.
fn undefined_in_llvm(chunk: &[u8]) -> Option<&'static str> {
    let words: Vec<u32> = chunk.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap())).collect();
    let literal = |word: u32| [0, 9, 18].iter().any(|at| word >> at & 0x1ff == 255);
    let scaled = |w: &[u32]| w[0] >> 16 == 0xd3ac && matches!(w[2] >> 16, 0xd3ad | 0xd3ae);
    if words.windows(4).any(|w| scaled(w) && (literal(w[1]) || literal(w[3]))) {
        return Some("literal of a 16-byte instruction");
    }
    words.windows(2).find_map(|pair| {
        let (low, high) = (pair[0], pair[1]);
        let field = |at: u32, len: u32| high >> at & ((1 << len) - 1);
        let sdwa = low >> 31 == 0 && low & 0x1ff == 0xf9;
        let compare = low >> 25 == 0x3e;
        if sdwa
            && (field(16, 3) == 7 || field(24, 3) == 7 || !compare && (field(8, 3) == 7 || field(11, 2) == 3))
        {
            return Some("reserved SDWA selector");
        }
        let (a, b) = (low >> 8 & 7, field(29, 3));
        if matches!(low >> 16, 0xd3ad | 0xd3ae) {
            if a > 4 || b > 4 {
                return Some("reserved matrix format");
            }
            if (a > 1 || b > 1) && (field(0, 9) < 256 || field(9, 9) < 256) {
                return Some("FP6 or FP4 matrix source that is no vector register");
            }
        }
        None
    })
}

/// Differences that are meant: the rule's name.
fn known_difference(ours: &[String], theirs: &[String], chunk: &[u8]) -> Option<&'static str> {
    // Tuples of 6 and 32 dwords exist in vector registers only; LLVM names scalar registers all the same.
    let no_tuple = |t: &String| {
        ["192", "1024"].iter().any(|width| {
            ["V", "A"].iter().any(|file| {
                let note =
                    format!("/*Invalid register, operand has '{file}Reg_{width}_Align2' register class*/");
                t.match_indices(&note).any(|(at, _)| {
                    let register = t[..at].rsplit(' ').next().unwrap_or("");
                    register.starts_with("s[") || register.starts_with("ttmp[")
                })
            })
        })
    };
    if ours.is_empty() && theirs.first().is_some_and(no_tuple) {
        return Some("scalar source of 6 or 32 dwords");
    }
    // LLVM decodes every f8f6f4 source as eight registers before it narrows them.
    let inst = cdna4::decode(chunk).ok()?;
    let past_end = |field| matches!(inst.operand(field), Some(Operand::Agpr { first: 249.., .. }));
    if theirs.is_empty()
        && inst.mnemonic().ends_with("f8f6f4")
        && (past_end(Field::Src0) || past_end(Field::Src1))
    {
        return Some("FP6 or FP4 matrix source in the last accumulation registers");
    }
    None
}

#[test]
fn random_words_read_as_llvm_mc_reads_them() {
    let tool = llvm_tool("llvm-mc");
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
                    let (undefined, chunks): (Vec<_>, Vec<_>) =
                        chunks.into_iter().partition(|chunk| undefined_in_llvm(chunk).is_some());
                    for rule in undefined.iter().filter_map(|chunk| undefined_in_llvm(chunk)) {
                        *failures.lock().unwrap().rules.entry(rule).or_default() += 1;
                    }
                    let theirs = llvm_mc(&tool, &chunks);
                    if theirs.len() != chunks.len() {
                        panic!("llvm-mc dies on {:02x?} of seed {seed}", killer(&tool, &chunks));
                    }
                    for (chunk, theirs) in chunks.iter().zip(&theirs) {
                        let ours = ours(chunk);
                        failures.lock().unwrap().count(&ours, theirs, chunk);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.instructions >= words, "{} instructions in {words} tries", failures.instructions);
    failures.report("random words", words);
}

#[derive(Default)]
struct Failures {
    instructions: usize,
    total: usize,
    /// Words that were not compared or differ as they should, by rule.
    rules: BTreeMap<&'static str, usize>,
    /// First example per mnemonic.
    examples: BTreeMap<String, String>,
}

impl Failures {
    fn count(&mut self, ours: &[String], theirs: &[String], bytes: &[u8]) {
        self.instructions += theirs.len();
        if ours != theirs {
            if let Some(rule) = known_difference(ours, theirs, bytes) {
                *self.rules.entry(rule).or_default() += 1;
                return;
            }
            self.total += 1;
            let key =
                theirs.first().or(ours.first()).and_then(|t| t.split(' ').next()).unwrap_or("").to_owned();
            self.examples
                .entry(key)
                .or_insert_with(|| format!("{bytes:02x?}\n      llvm {theirs:?}\n      ours {ours:?}"));
        }
    }

    fn report(&self, what: &str, of: usize) {
        println!("{what}: {of} tried, {} instructions, {} differ", self.instructions, self.total);
        for (rule, count) in &self.rules {
            println!("  by rule: {count} ({rule})");
        }
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

/// What objdump says of one object: (address, bytes, text) of every instruction.
type Listing = Vec<(u64, Vec<u8>, String)>;

/// Names by address; several symbols may stand at one.
fn symbols(object: &Path) -> BTreeMap<u64, Vec<String>> {
    use object::{Object, ObjectSymbol};
    let data = std::fs::read(object).unwrap();
    let file = object::File::parse(&*data).unwrap_or_else(|e| panic!("{}: {e}", object.display()));
    let mut symbols = BTreeMap::<u64, Vec<String>>::new();
    for symbol in file.symbols().chain(file.dynamic_symbols()) {
        symbols.entry(symbol.address()).or_default().push(symbol.name().unwrap_or("").to_owned());
    }
    symbols
}

/// Lines look like `\ts_load_dword s4, s[0:1], 0x40   // 000000002C20: C0020A40 00000040 <symbol+0x10>`.
fn objdump(tool: &Path, object: &Path) -> Listing {
    let mut child = Command::new(tool)
        .args(["-d", "--mcpu=gfx950"])
        .arg(object)
        .stdout(Stdio::piped())
        .spawn()
        .expect("llvm-objdump starts");
    let mut listing = Listing::new();
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
            listing.push((address, bytes, text.trim().to_owned()));
        }
    }
    assert!(child.wait().expect("llvm-objdump ends").success(), "llvm-objdump fails on {}", object.display());
    listing
}

#[test]
fn aiter_code_objects_read_as_objdump_reads_them() {
    let tool = llvm_tool("llvm-objdump");
    let test = "aiter_code_objects_read_as_objdump_reads_them";
    let Some(aiter) = folder_or_skip(test, "AITER_DIR", "a checkout of AITER") else { return };
    let objects = files(&aiter.join("hsa/gfx950"), "co");
    assert!(!objects.is_empty(), "no code objects below {}/hsa/gfx950", aiter.display());
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Failures::default());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(object) = objects.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (listing, symbols) = (objdump(&tool, object), symbols(object));
                    let mut failures = failures.lock().unwrap();
                    for (address, bytes, theirs) in &listing {
                        let ours = match cdna4::decode(bytes) {
                            Ok(inst) if inst.size() != bytes.len() => format!("{} bytes", inst.size()),
                            Ok(inst) => match inst.branch_target(*address).and_then(|t| symbols.get(&t)) {
                                // objdump names the target by one of the symbols that stand there.
                                Some(symbols) => {
                                    let text = inst.text(*address);
                                    let offset = inst.value(Field::Simm16).unwrap() as u16;
                                    let named =
                                        |s: &String| text.replace(&format!(" {offset}"), &format!(" {s}"));
                                    symbols.iter().map(named).find(|t| t == theirs).unwrap_or(text)
                                }
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

/// The byte lists `0x01,0x02,...` of a line of LLVM's tests; the assembler's tests write them as `[0x01,0x02,...]`.
fn byte_list(line: &str) -> Option<Vec<u8>> {
    let start = line.find("0x")?;
    let list = &line[start..];
    let end = list.find(|c: char| !(c.is_ascii_hexdigit() || "x, ".contains(c))).unwrap_or(list.len());
    let bytes: Option<Vec<u8>> = list[..end]
        .split(',')
        .map(|b| {
            b.trim().strip_prefix("0x").filter(|b| b.len() == 2).and_then(|b| u8::from_str_radix(b, 16).ok())
        })
        .collect();
    bytes.filter(|b| b.len() % 4 == 0)
}

#[test]
fn llvms_own_test_words_read_as_llvm_mc_reads_them() {
    let tool = llvm_tool("llvm-mc");
    let test = "llvms_own_test_words_read_as_llvm_mc_reads_them";
    let Some(source) = folder_or_skip(test, "LLVM_SRC", "LLVM's folder `llvm`") else { return };
    let mut chunks = BTreeSet::new();
    for folder in ["test/MC/Disassembler/AMDGPU", "test/MC/AMDGPU"] {
        for path in files(&source.join(folder), "txt").into_iter().chain(files(&source.join(folder), "s")) {
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            chunks.extend(text.lines().filter_map(byte_list));
        }
    }
    let mut failures = Failures::default();
    let (asked, other): (Vec<_>, Vec<_>) = chunks.into_iter().partition(|chunk| {
        undefined_in_llvm(chunk).is_none() && !matches!(decode_all(chunk), Err(DecodeError::Truncated { .. }))
    });
    failures.rules.insert("undefined in LLVM or truncated", other.len());
    for batch in asked.chunks(25_000) {
        let theirs = llvm_mc(&tool, batch);
        if theirs.len() != batch.len() {
            panic!("llvm-mc dies on {:02x?}", killer(&tool, batch));
        }
        for (chunk, theirs) in batch.iter().zip(&theirs) {
            failures.count(&ours(chunk), theirs, chunk);
        }
    }
    failures.report("words of LLVM's tests", asked.len());
}

fn decode_all(chunk: &[u8]) -> Result<(), DecodeError> {
    let mut at = 0;
    while at < chunk.len() {
        at += cdna4::decode(&chunk[at..])?.size();
    }
    Ok(())
}
