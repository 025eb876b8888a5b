//! Where an operator puts the E8M0 bytes of `[M, K/32]` groups.

use numerics::layout::ScaleShuffle;

/// What operators write into the padding of a shuffled scale buffer. AITER leaves it uninitialised (most
/// quantisers) or writes 127; byte 0 is the scale 2^-127, finite, so that a stray read stays near zero.
pub const SCALE_PADDING: u8 = 0;

/// Order and padding of the scale bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScaleLayout {
    /// `[M, K/32]`, row-major, no padding.
    Raw,
    /// `[K/32, M]`, row-major, no padding: the transposed view that AITER's Triton quantisers return.
    Transposed,
    /// `e8m0_shuffle` for dense GEMMs: rows padded to 256, groups to 8, padding [`SCALE_PADDING`].
    Shuffled,
    /// `e8m0_shuffle` for sorted expert rows: rows padded to 32, groups to 8, padding [`SCALE_PADDING`].
    ShuffledSorted,
}

impl ScaleLayout {
    /// Every layout.
    pub const ALL: [Self; 4] = [Self::Raw, Self::Transposed, Self::Shuffled, Self::ShuffledSorted];

    /// Bytes of the buffer for `m` rows of `groups` scales, padding included.
    #[must_use]
    pub const fn len(self, m: usize, groups: usize) -> usize {
        match self.shuffle(m, groups) {
            Some(shuffle) => shuffle.len(),
            None => m * groups,
        }
    }

    /// Where the scale of (row, group) is.
    #[inline]
    #[must_use]
    pub const fn index(self, m: usize, groups: usize, row: usize, group: usize) -> usize {
        match self {
            Self::Raw => row * groups + group,
            Self::Transposed => group * m + row,
            Self::Shuffled => ScaleShuffle::dense(m, groups).index(row, group),
            Self::ShuffledSorted => ScaleShuffle::sorted(m, groups).index(row, group),
        }
    }

    /// The permutation, for the layouts that have one.
    #[must_use]
    pub const fn shuffle(self, m: usize, groups: usize) -> Option<ScaleShuffle> {
        match self {
            Self::Raw | Self::Transposed => None,
            Self::Shuffled => Some(ScaleShuffle::dense(m, groups)),
            Self::ShuffledSorted => Some(ScaleShuffle::sorted(m, groups)),
        }
    }

    /// Positions of the buffer that hold no scale.
    pub(crate) fn padding(self, m: usize, groups: usize) -> impl Iterator<Item = usize> {
        self.shuffle(m, groups).into_iter().flat_map(move |shuffle| {
            (0..shuffle.padded_rows()).flat_map(move |row| {
                let first = if row < m { groups } else { 0 };
                (first..shuffle.padded_groups()).map(move |group| shuffle.index(row, group))
            })
        })
    }
}
