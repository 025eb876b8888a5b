//! The fidelity ledger: which instructions a launch executed, what their results are worth, and how far results
//! that rest on an assumption got.
//!
//! ```text
//! Program ─▶ Plan (an entry and an origin per instruction) ─▶ Watch, one per host thread ─▶ Ledger
//!                                                               │ Shadow: which registers, LDS and memory
//!                                                               ▼ dwords derive from an assumed result
//! ```
//! "Derived" is followed through data, not through control: what a branch on an assumed value skips or executes
//! is not marked, the branch itself is reported. It is followed per lane and dword of vector registers, per dword
//! of scalar registers, LDS and memory, and across the workgroups of one launch; each launch begins unmarked. It
//! errs towards too much: a dword of which one byte is derived is, an instruction that exchanges lanes marks all
//! of them, and a quotient counts as derived from the reciprocal that it was refined from.

mod plan;
mod shadow;
mod watch;

use std::sync::Arc;

use crate::{
    fidelity::{Fidelity, Judgement},
    program::Program,
};

use plan::Plan;
use shadow::DeviceShadow;
pub(crate) use watch::Watch;

/// What the watches of one launch share.
#[derive(Debug)]
pub(crate) struct Book<'a> {
    plan: Plan<'a>,
    device: Arc<DeviceShadow>,
}

impl<'a> Book<'a> {
    /// A launch of this program, of which nothing was seen.
    pub(crate) fn new(program: &'a Program) -> Book<'a> {
        Book { plan: Plan::new(program), device: Arc::default() }
    }

    /// The observer of one host thread.
    pub(crate) fn watch(&self) -> Watch<'_> {
        Watch::new(&self.plan, Arc::clone(&self.device))
    }
}

/// What a launch executed, by mnemonic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// One entry for each executed mnemonic and class, sorted by mnemonic.
    pub entries: Vec<Entry>,
}

/// One mnemonic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// As the ISA names it, without an encoding's suffix.
    pub mnemonic: &'static str,
    /// What its results are worth.
    pub judgement: Judgement,
    /// Wave instructions that were executed.
    pub count: u64,
    /// How far its results got; of [`Fidelity::Assumed`] instructions only.
    pub reach: Reach,
}

/// How far results that rest on an assumption got. Beyond 15 assumed mnemonics of one code object, those that
/// follow share one mark, and each has the reach of all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// The instruction with the lowest address that took one for an address: of memory or LDS, a buffer
    /// resource, a register's index.
    pub address: Option<Site>,
    /// The instruction with the lowest address that decided by one: a branch, a jump, or a new EXEC.
    pub branch: Option<Site>,
    /// Whether one was stored to device memory.
    pub output: bool,
}

/// An instruction in a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Bytes from the kernel's entry.
    pub offset: i64,
    /// Its disassembly.
    pub text: String,
}

impl Ledger {
    /// Whether everything that was executed is exact.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.entries.iter().all(|entry| entry.judgement.fidelity == Fidelity::Exact)
    }

    /// The entry of a mnemonic; an assumed one before an exact one.
    #[must_use]
    pub fn entry(&self, mnemonic: &str) -> Option<&Entry> {
        let entries = self.entries.iter().filter(|entry| entry.mnemonic == mnemonic);
        entries.max_by_key(|entry| entry.judgement.fidelity)
    }

    /// Adds another launch of the same kernel.
    pub fn merge(&mut self, other: Ledger) {
        for entry in other.entries {
            let same = |own: &&mut Entry| {
                own.mnemonic == entry.mnemonic && own.judgement.fidelity == entry.judgement.fidelity
            };
            match self.entries.iter_mut().find(same) {
                Some(own) => {
                    own.count += entry.count;
                    own.reach.merge(entry.reach);
                }
                None => self.entries.push(entry),
            }
        }
        self.entries.sort_by_key(|entry| (entry.mnemonic, entry.judgement.fidelity));
    }
}

impl Reach {
    /// Whether an address or a branch depended on one.
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.address.is_some() || self.branch.is_some()
    }

    fn merge(&mut self, other: Reach) {
        let lower = |own: &mut Option<Site>, other: Option<Site>| {
            if let Some(other) = other
                && own.as_ref().is_none_or(|own| other.offset < own.offset)
            {
                *own = Some(other);
            }
        };
        lower(&mut self.address, other.address);
        lower(&mut self.branch, other.branch);
        self.output |= other.output;
    }
}
