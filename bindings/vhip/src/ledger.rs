//! The fidelity ledger of the process: which instructions its kernels executed, what their results are worth,
//! and how far assumed ones got.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Mutex, OnceLock},
};

use emulator::{Ledger, Site};
use serde_json::{Value, json};

use crate::runtime::lock;

/// All launches since the option was set.
#[derive(Default)]
struct Ledgers {
    /// Launches and their sum, by kernel.
    kernels: BTreeMap<String, (u64, Ledger)>,
    /// Where the sum is written after each launch.
    file: Option<PathBuf>,
}

fn ledgers() -> &'static Mutex<Ledgers> {
    static LEDGERS: OnceLock<Mutex<Ledgers>> = OnceLock::new();
    LEDGERS.get_or_init(Mutex::default)
}

/// Begins anew; what follows is also written to `file`.
pub(crate) fn begin(file: Option<PathBuf>) {
    *lock(ledgers()) = Ledgers { kernels: BTreeMap::new(), file };
}

/// Adds a launch. That the file cannot be written is said once: the launch itself went well.
pub(crate) fn note(kernel: &str, ledger: &Ledger) {
    let mut all = lock(ledgers());
    let (launches, sum) = all.kernels.entry(kernel.to_owned()).or_default();
    *launches += 1;
    sum.merge(ledger.clone());
    let Some(file) = &all.file else { return };
    if let Err(error) = std::fs::write(file, format!("{:#}\n", document(&all))) {
        eprintln!("vhip: the ledger cannot be written to {}: {error}", file.display());
        all.file = None;
    }
}

/// All launches since the option was set; `None` without any.
pub(crate) fn all() -> Option<Value> {
    let all = lock(ledgers());
    (!all.kernels.is_empty()).then(|| document(&all))
}

fn document(all: &Ledgers) -> Value {
    let kernels = all.kernels.iter().map(|(kernel, (launches, ledger))| {
        json!({ "kernel": kernel, "launches": launches, "instructions": described(ledger) })
    });
    json!({ "version": 1, "kernels": kernels.collect::<Vec<_>>() })
}

/// A ledger as the report shows it: one object for each mnemonic.
pub(crate) fn described(ledger: &Ledger) -> Value {
    let site = |site: &Option<Site>| {
        site.as_ref().map(|site| json!({ "offset": site.offset, "instruction": site.text }))
    };
    let entries = ledger.entries.iter().map(|entry| {
        json!({
            "mnemonic": entry.mnemonic,
            "class": entry.judgement.fidelity.name(),
            "count": entry.count,
            "reason": entry.judgement.reason,
            "by_policy": entry.judgement.by_policy,
            "address": site(&entry.reach.address),
            "branch": site(&entry.reach.branch),
            "output": entry.reach.output,
        })
    });
    Value::Array(entries.collect())
}
