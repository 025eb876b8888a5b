//! What an `s_waitcnt` proves.
//!
//! CDNA3/4 ISA, "data dependency resolution"; LLVM's SIInsertWaitcnts agrees:
//! - vm: loads and stores complete in issue order; `vmcnt(n)` proves all but the youngest n.
//! - lgkm: LDS operations complete in order among themselves, scalar memory in any order; an LDS operation is proven
//!   by n only if at least n younger LDS operations exist, a scalar one by 0 only.
//! - FLAT counts in both, and may take either path: proven by `vmcnt(0)` and `lgkmcnt(0)` together.

use std::collections::VecDeque;

use super::Counter;

/// Memory operations of one wave in issue order that no wait has proven complete, each with a note.
#[derive(Clone, Debug)]
pub(crate) struct Queue<T> {
    entries: VecDeque<Entry<T>>,
}

#[derive(Clone, Debug)]
struct Entry<T> {
    in_vm: bool,
    in_lgkm: bool,
    /// Completes in issue order among the ordered operations of its counter.
    ordered: bool,
    note: T,
}

impl<T> Default for Queue<T> {
    fn default() -> Queue<T> {
        Queue { entries: VecDeque::new() }
    }
}

impl<T> Queue<T> {
    /// Adds the youngest operation.
    pub(crate) fn push(&mut self, counter: Counter, ordered: bool, note: T) {
        self.entries.push_back(Entry {
            in_vm: counter != Counter::Lgkm,
            in_lgkm: counter != Counter::Vm,
            ordered,
            note,
        });
    }

    /// Takes out, in issue order, what counters of at most `vm` and `lgkm` prove. An ordered operation is proven by
    /// n when n or more ordered ones of its counter are younger: were it outstanding, so were they.
    pub(crate) fn prove(&mut self, vm: u32, lgkm: u32) -> Vec<T> {
        let (mut younger_vm, mut younger_lgkm) = (0, 0);
        for entry in self.entries.iter_mut().rev() {
            if entry.in_vm {
                entry.in_vm = vm != 0 && !(entry.ordered && younger_vm >= vm);
                younger_vm += entry.ordered as u32;
            }
            if entry.in_lgkm {
                entry.in_lgkm = lgkm != 0 && !(entry.ordered && younger_lgkm >= lgkm);
                younger_lgkm += entry.ordered as u32;
            }
        }
        if self.entries.iter().all(|entry| entry.in_vm || entry.in_lgkm) {
            return Vec::new();
        }
        let (mut proven, mut left) = (Vec::new(), VecDeque::with_capacity(self.entries.len()));
        for entry in self.entries.drain(..) {
            if entry.in_vm || entry.in_lgkm { left.push_back(entry) } else { proven.push(entry.note) }
        }
        self.entries = left;
        proven
    }

    /// Whether nothing is outstanding.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The notes, oldest first.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.iter_mut().map(|entry| &mut entry.note)
    }
}
