//! NumPy's legacy random numbers: what `numpy.random.seed(0)` and `numpy.random.randint` draw.

use rand_mt::Mt;

/// NumPy's `RandomState`: MT19937, seeded with one word.
///
/// Not `Debug`: its state is 624 words that say nothing.
#[allow(missing_debug_implementations)]
pub struct RandomState(Mt);

impl RandomState {
    /// The generator after `numpy.random.seed(seed)`.
    #[must_use]
    pub fn new(seed: u32) -> Self {
        Self(Mt::new(seed))
    }

    /// A number from `low` (inclusive) to `high` (inclusive), as `randint(low, high + 1)` draws it: 32-bit words
    /// are masked to the width of the range and rejected until they lie in it.
    ///
    /// A range of one number draws nothing, which every later number depends on.
    ///
    /// # Panics
    /// If `high < low`, or the range does not fit in 32 bits.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        let range = high.checked_sub(low).expect("low <= high");
        let range = u32::try_from(range).expect("ranges of tokens and lengths fit in 32 bits");
        if range == 0 {
            return low;
        }
        let mask = u32::MAX >> range.leading_zeros();
        loop {
            let word = self.0.next_u32() & mask;
            if word <= range {
                return low + word as usize;
            }
        }
    }

    /// `count` numbers of [`Self::between`].
    pub fn several(&mut self, count: usize, low: usize, high: usize) -> Vec<usize> {
        (0..count).map(|_| self.between(low, high)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `numpy.random.seed(0); [numpy.random.randint(0, 2**32 - 1) …]` and small ranges, from NumPy 2.4.
    #[test]
    fn draws_what_numpy_draws() {
        let mut random = RandomState::new(0);
        assert_eq!(random.several(4, 0, 9), [5, 0, 3, 3]);
        assert_eq!(random.several(3, 7, 7), [7, 7, 7], "nothing is drawn");
        assert_eq!(random.several(6, 0, 9), [7, 9, 3, 5, 2, 4]);
    }

    #[test]
    #[should_panic(expected = "low <= high")]
    fn an_empty_range_is_a_bug() {
        RandomState::new(0).between(2, 1);
    }
}
