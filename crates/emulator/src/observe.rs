//! Watching a launch: what an observer sees, and how several watch together.
//!
//! The run loop is compiled for each observer, so one that does nothing costs nothing: `()` is that one.
//! Every host thread has an observer of its own, made before its first workgroup and merged with the others
//! after its last. A pair of observers is one, and so is an `Option`: an engine with all optional observers
//! is compiled once.
//!
//! What an instruction reads and writes is in [`Effects`](crate::effects::Effects), by `Program::effects` at
//! `wave.pc`.

use crate::{op::Op, simd::Step, wave::Wave};

/// Watches workgroups of a launch.
pub(crate) trait Observer: Send {
    /// A workgroup starts: its waves have their first registers, none has issued.
    fn begin(&mut self, _group: &Group, _waves: &[Wave]) {}

    /// `op` is about to be executed by `wave`, which stands at `wave.pc` and still has the registers that the
    /// instruction reads. In GPR-index mode `op` names the registers after indexing. Skipped instructions
    /// (`s_setvskip`) are not issued.
    ///
    /// # Errors
    /// A fault ends the launch, with this instruction as its place.
    fn issue(&mut self, wave: &Wave, op: &Op) -> Step;

    /// All waves of the workgroup that have not ended wait at a barrier, and now go on.
    fn release(&mut self, _waves: &[Wave]) {}

    /// The workgroup is over, by a fault if `faulted`.
    fn end(&mut self, _group: &Group, _waves: &[Wave], _faulted: bool) {}

    /// Takes over what the observer of another host thread has seen. Which thread runs which workgroup
    /// differs from run to run: what must not differ is kept by workgroup, or is a sum.
    fn merge(&mut self, other: Self)
    where
        Self: Sized;
}

/// One workgroup of a launch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    /// Its row-major index in the grid.
    pub index: u64,
    /// Its coordinates.
    pub at: [u32; 3],
    /// The compute unit that it is placed on; workgroups go round in the order of their indices.
    pub unit: usize,
}

/// Sees nothing.
impl Observer for () {
    #[inline(always)]
    fn issue(&mut self, _wave: &Wave, _op: &Op) -> Step {
        Ok(())
    }

    fn merge(&mut self, (): ()) {}
}

/// Both watch, the first one first.
impl<A: Observer, B: Observer> Observer for (A, B) {
    #[inline(always)]
    fn begin(&mut self, group: &Group, waves: &[Wave]) {
        self.0.begin(group, waves);
        self.1.begin(group, waves);
    }

    #[inline(always)]
    fn issue(&mut self, wave: &Wave, op: &Op) -> Step {
        self.0.issue(wave, op)?;
        self.1.issue(wave, op)
    }

    #[inline(always)]
    fn release(&mut self, waves: &[Wave]) {
        self.0.release(waves);
        self.1.release(waves);
    }

    #[inline(always)]
    fn end(&mut self, group: &Group, waves: &[Wave], faulted: bool) {
        self.0.end(group, waves, faulted);
        self.1.end(group, waves, faulted);
    }

    fn merge(&mut self, other: (A, B)) {
        self.0.merge(other.0);
        self.1.merge(other.1);
    }
}

/// Watches if it is there.
impl<O: Observer> Observer for Option<O> {
    #[inline(always)]
    fn begin(&mut self, group: &Group, waves: &[Wave]) {
        if let Some(observer) = self {
            observer.begin(group, waves);
        }
    }

    #[inline(always)]
    fn issue(&mut self, wave: &Wave, op: &Op) -> Step {
        match self {
            Some(observer) => observer.issue(wave, op),
            None => Ok(()),
        }
    }

    #[inline(always)]
    fn release(&mut self, waves: &[Wave]) {
        if let Some(observer) = self {
            observer.release(waves);
        }
    }

    #[inline(always)]
    fn end(&mut self, group: &Group, waves: &[Wave], faulted: bool) {
        if let Some(observer) = self {
            observer.end(group, waves, faulted);
        }
    }

    fn merge(&mut self, other: Option<O>) {
        match (self, other) {
            (Some(observer), Some(other)) => observer.merge(other),
            (slot @ None, other) => *slot = other,
            (Some(_), None) => {}
        }
    }
}
