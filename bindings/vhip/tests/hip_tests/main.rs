//! ROCm's hip-tests on the virtual MI355X, against the checked-in list `cases.txt`.
//!
//! ```text
//! HIP_TESTS_DIR=… cargo test --release -p vhip --test hip-tests [-- [WORD…] [--all] [--write] [--limit SECONDS]]
//! ```
//!
//! Every file of the chosen folders below `catch/unit` becomes a program, linked by hipcc as a user's would be, and
//! every test case runs in a process of its own, with our library in the place of ROCm's. Programs are kept
//! below the target folder until their source, the shared headers or the compiler change.
//!
//! The run fails when a case ends otherwise than the list says: a listed pass that fails, and a listed failure
//! that passes, which is then to be listed as a pass. A case that a signal ends is a crash; the list has no word for
//! it, so that it always fails the run.
//!
//! - `WORD`: only files or cases whose name has one of the words.
//! - `--all`: the cases that are listed as slow too.
//! - `--write`: writes what came out into the list; reasons that are there stay.
//! - `--limit`: seconds that one case may take; 120 without it.
//!
//! The math cases need Boost's headers, which hip-tests does not bring along: `CPLUS_INCLUDE_PATH` may name
//! their folder. Without them those files are skipped by name, and the list is not compared with them.

mod builder;
mod checkout;
mod list;
mod runner;
mod table;

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Mutex,
    thread,
    time::Duration,
};

use builder::Builder;
use checkout::Checkout;
use list::{Case, List, Status};
use rocm_toolchain::Search;
use runner::Runner;

/// The variable that names the checkout of hip-tests.
const VARIABLE: &str = "HIP_TESTS_DIR";
/// What a compiler's error has when Boost's headers are not there.
const BOOST: &str = "'boost/";
/// Compilers, and test programs, at a time.
const JOBS: usize = 2;

/// What the command line asks for.
struct Arguments {
    words: Vec<String>,
    all: bool,
    write: bool,
    limit: Duration,
}

impl Arguments {
    fn read() -> Result<Arguments, String> {
        let mut read =
            Arguments { words: Vec::new(), all: false, write: false, limit: Duration::from_secs(120) };
        let mut rest = env::args().skip(1);
        while let Some(argument) = rest.next() {
            match argument.as_str() {
                "--all" => read.all = true,
                "--write" => read.write = true,
                "--limit" => {
                    let seconds = rest.next().and_then(|text| text.parse().ok());
                    read.limit = Duration::from_secs(seconds.ok_or("--limit takes seconds")?);
                }
                // What `cargo test` hands to every test program.
                flag if flag.starts_with('-') => {}
                word => read.words.push(word.to_owned()),
            }
        }
        Ok(read)
    }

    fn wants(&self, case: &Case) -> bool {
        self.words.is_empty()
            || self.words.iter().any(|word| case.file.contains(word) || case.name.contains(word))
    }

    fn wants_file(&self, file: &str, list: &List) -> bool {
        self.words.is_empty()
            || self.words.iter().any(|word| file.contains(word))
            || list.entries.keys().any(|case| case.file == file && self.wants(case))
    }
}

fn main() -> ExitCode {
    let Some(root) = env::var_os(VARIABLE).filter(|value| !value.is_empty()) else {
        eprintln!("hip-tests: skipped, {VARIABLE} does not name a checkout of ROCm's hip-tests");
        return ExitCode::SUCCESS;
    };
    match run(Path::new(&root)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("hip-tests: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything came out as listed.
fn run(root: &Path) -> Result<bool, String> {
    let arguments = Arguments::read()?;
    let listed = list_file();
    let list = List::read(&listed)?;
    let checkout = Checkout::open(root)?;
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let toolchain = rocm_toolchain::find(&Search::from_env(&workspace)).map_err(|error| error.to_string())?;
    let builder = Builder::new(&checkout, &toolchain)?;
    let runner = Runner::new(&builder, arguments.limit)?;

    let files: Vec<&str> =
        checkout.files.iter().map(String::as_str).filter(|file| arguments.wants_file(file, &list)).collect();
    eprintln!("hip-tests: {} files, programs in {}", files.len(), builder.folder.display());
    let mut outcomes: BTreeMap<Case, Status> = BTreeMap::new();
    let mut cases: Vec<Case> = Vec::new();
    let mut without_boost: BTreeSet<String> = BTreeSet::new();
    for (file, built) in files.iter().zip(in_parallel(&files, |file| builder.program(file))) {
        match built.and_then(|program| runner.names(&program)) {
            Ok(names) => cases.extend(names.into_iter().map(|name| Case::new(file, &name))),
            Err(why) if why.contains(BOOST) => {
                eprintln!(
                    "hip-tests: skipped, {file} needs Boost's headers: CPLUS_INCLUDE_PATH may name their folder"
                );
                without_boost.insert((*file).to_owned());
            }
            Err(why) => {
                outcomes.insert(Case::new(file, "*"), Status::Unbuilt(why));
            }
        }
    }
    let wanted = |case: &Case| arguments.wants(case) && !without_boost.contains(&case.file);
    cases.retain(&wanted);
    let is_slow = |case: &Case| matches!(list.entries.get(case), Some(Status::Slow(_)));
    let (left_out, cases): (Vec<Case>, Vec<Case>) =
        cases.into_iter().partition(|case| !arguments.all && is_slow(case));
    let ran = in_parallel(&cases, |case| runner.run(&builder.program_path(&case.file), case));
    outcomes.extend(cases.into_iter().zip(ran));
    outcomes.extend(left_out.into_iter().map(|case| (case.clone(), list.entries[&case].clone())));

    print!("{}", table::by_folder(&outcomes));
    if arguments.write {
        let updated = list.updated(&outcomes, wanted);
        std::fs::write(&listed, updated.text()).map_err(|error| format!("{}: {error}", listed.display()))?;
        eprintln!("hip-tests: wrote {}; see that every reason is one", listed.display());
        let crashes = outcomes.iter().filter(|(_, outcome)| matches!(outcome, Status::Crash(_)));
        let crashes: Vec<&Case> = crashes.map(|(case, _)| case).collect();
        crashes.iter().for_each(|case| println!("crash, which cannot be listed: {case}"));
        return Ok(crashes.is_empty());
    }
    let differences = list.differences(&outcomes, wanted);
    for difference in &differences {
        println!("{difference}");
    }
    println!("{} as listed", if differences.is_empty() { "everything is" } else { "not everything is" });
    Ok(differences.is_empty())
}

fn list_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hip_tests/cases.txt")
}

/// The results of `work` on each of `items`, in their order.
fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = Mutex::new(0..items.len());
    let done: Mutex<Vec<(usize, R)>> = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..JOBS {
            scope.spawn(|| {
                loop {
                    let Some(index) = next.lock().expect("no worker panics").next() else { break };
                    let result = work(&items[index]);
                    done.lock().expect("no worker panics").push((index, result));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no worker panics");
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}
