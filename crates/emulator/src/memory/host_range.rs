//! Host memory outside every allocation that a device reaches all the same (HMM).

/// A range of the host program's own memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostRange {
    /// First byte.
    pub base: u64,
    /// Length.
    pub bytes: u64,
    /// Whether kernels may write there; otherwise a write faults.
    pub writable: bool,
}

impl HostRange {
    /// What is left of `ranges` without the `taken` ones, each a first byte and a length. Both are ascending,
    /// and those of one list do not overlap.
    pub fn without(ranges: &[HostRange], taken: &[(u64, u64)]) -> Vec<HostRange> {
        let mut left = Vec::with_capacity(ranges.len());
        for range in ranges {
            let (mut base, end) = (range.base, range.base.saturating_add(range.bytes));
            let first = taken.partition_point(|(from, bytes)| from.saturating_add(*bytes) <= base);
            for (from, bytes) in taken[first..].iter().take_while(|(from, _)| *from < end) {
                if *from > base {
                    left.push(HostRange { base, bytes: from - base, ..*range });
                }
                base = base.max(from.saturating_add(*bytes));
            }
            if base < end {
                left.push(HostRange { base, bytes: end - base, ..*range });
            }
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taken_ranges_leave_gaps() {
        let range = |base, bytes| HostRange { base, bytes, writable: true };
        let without = |taken: &[(u64, u64)]| HostRange::without(&[range(100, 100), range(300, 50)], taken);
        assert_eq!(without(&[]), [range(100, 100), range(300, 50)]);
        assert_eq!(without(&[(0, 100), (200, 100), (350, 9)]), [range(100, 100), range(300, 50)]);
        assert_eq!(
            without(&[(90, 20), (150, 10), (190, 115)]),
            [range(110, 40), range(160, 30), range(305, 45)]
        );
        assert_eq!(without(&[(100, 100)]), [range(300, 50)]);
        assert_eq!(without(&[(0, 1000)]), []);
        assert_eq!(without(&[(110, 1), (111, 1)]), [range(100, 10), range(112, 88), range(300, 50)]);
    }
}
