//! LDS cycles by bank conflicts, as measured on an MI355X.
//!
//! HipKittens (`analysis/paper_experiments/phases`) counted SQ_LDS_BANK_CONFLICT for every pair of lanes that aim at
//! one bank: lanes of a pair conflict exactly if one phase serves both. Its tables are what [`PHASES`] holds and
//! the test checks. A phase accesses its banks once, and once more for every further dword of the bank that is asked
//! most. How long an access takes was not measured: the port is 128 bytes wide on CDNA 4 (Chips and Cheese, from AMD's
//! figures), so 64 banks take two cycles and 32 take one.
//!
//! | access | phases | banks |
//! |---|---|---|
//! | read b128 | 4 of 16 lanes | 64 |
//! | read b64 | 2 of 32 | 64 |
//! | read b96 | 8 of 8 | 32 |
//! | write b64 | 4 of 16 | 32 |
//! | others | see [`lds_cycles`] | assumed |

use serde::{Deserialize, Serialize};

/// Kind of an LDS access, for its phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LdsAccess {
    /// Dwords of a lane: 1 to 4.
    pub dwords: u8,
    /// Whether it writes.
    pub write: bool,
}

/// How the lanes of an access are served.
struct Phases {
    banks: u32,
    /// Lanes of each phase, as masks.
    lanes: &'static [u64],
}

/// Both halves of a wave are served alike: masks of lanes 0–31 and the same for 32–63.
macro_rules! halves {
    ($($mask:expr),+) => { &[$($mask),+, $($mask << 32),+] };
}

/// Lanes `first..=last`.
const fn span(first: u32, last: u32) -> u64 {
    (!0 >> (63 - last)) & (!0 << first)
}

const READ_B128: Phases = Phases {
    banks: 64,
    lanes: halves![span(0, 3) | span(12, 15) | span(20, 27), span(4, 11) | span(16, 19) | span(28, 31)],
};
const READ_B64: Phases = Phases { banks: 64, lanes: halves![span(0, 31)] };
const READ_B96: Phases = Phases {
    banks: 32,
    lanes: halves![
        span(0, 3) | span(20, 23),
        span(4, 7) | span(16, 19),
        span(8, 11) | span(28, 31),
        span(12, 15) | span(24, 27)
    ],
};
const WRITE_B64: Phases = Phases { banks: 32, lanes: halves![span(0, 15), span(16, 31)] };
/// Assumed: one dword of every lane in one turn of 64 banks.
const READ_B32: Phases = Phases { banks: 64, lanes: &[!0] };
/// Assumed: writes are served at half the width of reads, as b64 is.
const WRITE_B32: Phases = Phases { banks: 32, lanes: halves![span(0, 31)] };
/// Assumed: eight consecutive lanes, as many dwords as a phase of write b64.
const WRITE_WIDE: Phases =
    Phases { banks: 32, lanes: halves![span(0, 7), span(8, 15), span(16, 23), span(24, 31)] };

/// Cycles of the LDS port for an access of the lanes in `exec` at byte addresses, and how many of them conflicts
/// cost.
///
/// Lanes that read the same dword share it. b32, write b96 and write b128 have not been measured by anybody in
/// public: their phases are assumptions.
pub fn lds_cycles(access: LdsAccess, addresses: &[u32; 64], exec: u64) -> (u32, u32) {
    let phases = match (access.write, access.dwords) {
        (false, 0 | 1) => &READ_B32,
        (false, 2) => &READ_B64,
        (false, 3) => &READ_B96,
        (false, _) => &READ_B128,
        (true, 0 | 1) => &WRITE_B32,
        (true, 2) => &WRITE_B64,
        (true, _) => &WRITE_WIDE,
    };
    let dwords = access.dwords.max(1) as u32;
    let extra: u32 = phases
        .lanes
        .iter()
        .map(|lanes| depth(phases.banks, dwords, addresses, lanes & exec).saturating_sub(1))
        .sum();
    let access = phases.banks * 4 / PORT_BYTES;
    ((phases.lanes.len() as u32 + extra) * access, extra * access)
}

/// Bytes that LDS gives in a cycle.
const PORT_BYTES: u32 = 128;

/// Most distinct dwords that one bank must give.
fn depth(banks: u32, dwords: u32, addresses: &[u32; 64], lanes: u64) -> u32 {
    let mut wanted = [0u32; 4 * 64];
    let mut n = 0;
    let mut rest = lanes;
    while rest != 0 {
        let lane = rest.trailing_zeros() as usize;
        rest &= rest - 1;
        for dword in 0..dwords {
            wanted[n] = addresses[lane] / 4 + dword;
            n += 1;
        }
    }
    let wanted = &mut wanted[..n];
    wanted.sort_unstable();
    let mut load = [0u32; 64];
    let mut last = None;
    for &mut dword in wanted {
        if last != Some(dword) {
            load[(dword % banks) as usize] += 1;
            last = Some(dword);
        }
    }
    load.into_iter().max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// HipKittens' phase tables: `phase_results.txt` of ds_read_b128, ds_read_b64, ds_read_b96, ds_write_b64.
    fn measured() -> [(LdsAccess, u32, Vec<Vec<usize>>); 4] {
        let both = |half: &[&[usize]]| {
            let upper = half.iter().map(|phase| phase.iter().map(|lane| lane + 32).collect());
            half.iter().map(|phase| phase.to_vec()).chain(upper).collect::<Vec<_>>()
        };
        let run = |from: usize, to: usize| (from..=to).collect::<Vec<_>>();
        [
            (
                LdsAccess { dwords: 4, write: false },
                64,
                both(&[
                    &[0, 1, 2, 3, 12, 13, 14, 15, 20, 21, 22, 23, 24, 25, 26, 27],
                    &[4, 5, 6, 7, 8, 9, 10, 11, 16, 17, 18, 19, 28, 29, 30, 31],
                ]),
            ),
            (LdsAccess { dwords: 2, write: false }, 64, vec![run(0, 31), run(32, 63)]),
            (
                LdsAccess { dwords: 3, write: false },
                32,
                both(&[
                    &[0, 1, 2, 3, 20, 21, 22, 23],
                    &[4, 5, 6, 7, 16, 17, 18, 19],
                    &[8, 9, 10, 11, 28, 29, 30, 31],
                    &[12, 13, 14, 15, 24, 25, 26, 27],
                ]),
            ),
            (
                LdsAccess { dwords: 2, write: true },
                32,
                vec![run(0, 15), run(16, 31), run(32, 47), run(48, 63)],
            ),
        ]
    }

    /// The experiment itself: two lanes, 64 dwords times the lane apart, all others off. The counter is above 0
    /// exactly for lanes of one phase.
    #[test]
    fn pairs_of_lanes_conflict_as_on_the_mi355x() {
        for (access, _, phases) in measured() {
            let addresses: [u32; 64] = std::array::from_fn(|lane| lane as u32 * 64 * 4);
            for (a, b) in (0..64).flat_map(|a| (0..64).map(move |b| (a, b))).filter(|(a, b)| a != b) {
                let together = phases.iter().any(|phase| phase.contains(&a) && phase.contains(&b));
                let (_, conflicts) = lds_cycles(access, &addresses, 1 << a | 1 << b);
                assert_eq!(conflicts > 0, together, "{access:?}: lanes {a} and {b}");
            }
        }
    }

    /// The second experiment: lane 0 at bank 0, lane 1 (of its phase) at a higher one; the first conflict gives the
    /// number of banks.
    #[test]
    fn banks_repeat_as_on_the_mi355x() {
        for (access, banks, phases) in measured() {
            let other = phases[0][1];
            let conflict = |bank: u32| {
                let mut addresses = [0; 64];
                addresses[other] = 4 * bank;
                lds_cycles(access, &addresses, 1 | 1 << other).1
            };
            let first = (access.dwords as u32..=128).find(|bank| conflict(*bank) > 0);
            // With b dwords each, the ranges meet as soon as they overlap modulo the banks.
            assert_eq!(first, Some(banks - access.dwords as u32 + 1), "{access:?}");
            assert!(conflict(banks) > 0 && conflict(0) == 0, "{access:?}");
        }
    }

    #[test]
    fn every_lane_is_in_one_phase() {
        for phases in [READ_B128, READ_B64, READ_B96, WRITE_B64, READ_B32, WRITE_B32, WRITE_WIDE] {
            assert_eq!(phases.lanes.iter().fold(0, |all, lanes| all | lanes), !0);
            assert_eq!(phases.lanes.iter().map(|lanes| lanes.count_ones()).sum::<u32>(), 64);
        }
    }

    #[test]
    fn contiguous_accesses_have_no_conflicts_and_a_column_has_all() {
        let wide = LdsAccess { dwords: 4, write: false };
        let rows: [u32; 64] = std::array::from_fn(|lane| 16 * lane as u32);
        assert_eq!(lds_cycles(wide, &rows, !0), (8, 0));
        let column: [u32; 64] = std::array::from_fn(|lane| 256 * lane as u32);
        assert_eq!(lds_cycles(wide, &column, !0), (128, 120));
        assert_eq!(lds_cycles(wide, &[0; 64], !0), (8, 0), "one address is a broadcast");
    }
}
