//! Orders of the waves and times of the loads in which the virtual device runs a case.

use hip::Runtime;

use crate::Result;

/// How the virtual device runs a kernel. Only barriers and waits promise anything about it, so a kernel that gives
/// right results in one schedule and wrong ones in another lacks one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Schedule {
    /// As the end of "right when …".
    pub name: &'static str,
    /// Instructions of a wave's turn; 0 for as many as it can.
    turn: &'static str,
    seed: &'static str,
    delivery: &'static str,
}

const fn schedule(
    name: &'static str,
    turn: &'static str,
    seed: &'static str,
    delivery: &'static str,
) -> Schedule {
    Schedule { name, turn, seed, delivery }
}

/// Every case runs under these; random turns come with a random order of the workgroups.
pub(super) const ALL: [Schedule; 4] = [
    schedule("in lockstep", "1", "none", "0"),
    schedule("in lockstep, results arriving at their waits only", "1", "none", "1"),
    schedule("each wave runs ahead to its next barrier", "0", "none", "0"),
    schedule("the waves take random turns of up to 48 instructions", "48", "1", "0"),
];

/// All that keep the order of the workgroups.
pub(super) const ORDERED: [Schedule; 3] = [ALL[0], ALL[1], ALL[2]];

/// Nearer to hardware, whose waves start together and whose loads take their time: for what is right in none of the
/// others, in this order.
pub(super) const TIMED: [Schedule; 5] = [
    schedule("in lockstep, results arriving after 8 instructions", "1", "none", "after:8"),
    schedule("in lockstep, results arriving after 16 instructions", "1", "none", "after:16"),
    schedule("in lockstep, results arriving after 32 instructions", "1", "none", "after:32"),
    schedule("in lockstep, results arriving after 64 instructions", "1", "none", "after:64"),
    schedule("in lockstep, destinations keeping their content until the waits", "1", "none", "stale"),
];

impl Schedule {
    /// Sets the virtual device's options.
    ///
    /// # Errors
    /// HIP's, for a virtual runtime without one of them.
    pub(super) fn set(self, runtime: &Runtime) -> Result<()> {
        runtime.set_option("turn", self.turn)?;
        runtime.set_option("seed", self.seed)?;
        runtime.set_option("late_delivery", self.delivery)?;
        Ok(())
    }
}
