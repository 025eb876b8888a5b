//! Byte layouts that let one wave load a matrix-core operand without a transposition: where each byte of a
//! row-major tensor goes. Same permutations as AITER's `e8m0_shuffle`, `shuffle_weight((16, 16))` and its
//! interleaved gate-up variant.

use core::fmt;

/// A shape that a layout cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayoutError {
    layout: &'static str,
    rows: usize,
    columns: usize,
    needs: &'static str,
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { layout, rows, columns, needs } = self;
        write!(f, "{layout} cannot hold {rows} rows of {columns} bytes: it needs {needs}")
    }
}

impl core::error::Error for LayoutError {}

/// The scale layout `e8m0_shuffle`: `[rows, groups]` E8M0 bytes, one group per 32 elements of K.
///
/// One dword per lane holds the scales of rows r and r+16 for groups g and g+4, so that it serves four
/// 16x16x128 scaled MFMAs through op_sel (row half) and op_sel_hi (K half).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ScaleShuffle {
    rows: usize,
    groups: usize,
    padded_rows: usize,
    padded_groups: usize,
}

impl ScaleShuffle {
    /// Padded as the dense GEMMs expect: rows to 256, groups to 8.
    #[must_use]
    pub const fn dense(rows: usize, groups: usize) -> Self {
        Self {
            rows,
            groups,
            padded_rows: rows.next_multiple_of(256),
            padded_groups: groups.next_multiple_of(8),
        }
    }

    /// Padded as the sorted rows of a mixture of experts: rows to 32, groups to 8.
    #[must_use]
    pub const fn sorted(rows: usize, groups: usize) -> Self {
        Self {
            rows,
            groups,
            padded_rows: rows.next_multiple_of(32),
            padded_groups: groups.next_multiple_of(8),
        }
    }

    /// Rows without padding.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// Groups without padding.
    #[must_use]
    pub const fn groups(&self) -> usize {
        self.groups
    }

    /// Rows with padding.
    #[must_use]
    pub const fn padded_rows(&self) -> usize {
        self.padded_rows
    }

    /// Groups with padding; also the row stride that GEMM kernels take, in bytes.
    #[must_use]
    pub const fn padded_groups(&self) -> usize {
        self.padded_groups
    }

    /// Bytes of the buffer, padding included.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.padded_rows * self.padded_groups
    }

    /// True if the buffer has no byte.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where the scale of (row, group) is stored; both may lie in the padding.
    #[inline]
    #[must_use]
    pub const fn index(&self, row: usize, group: usize) -> usize {
        debug_assert!(row < self.padded_rows && group < self.padded_groups);
        row / 32 * 32 * self.padded_groups
            + group / 8 * 256
            + group % 4 * 64
            + row % 16 * 4
            + group % 8 / 4 * 2
            + row % 32 / 16
    }

    /// Inverse of [`Self::index`]: the (row, group) whose scale byte `index` is.
    #[inline]
    #[must_use]
    pub const fn coordinates(&self, index: usize) -> (usize, usize) {
        debug_assert!(index < self.len());
        let panel = 32 * self.padded_groups;
        let (row_panel, rest) = (index / panel, index % panel);
        let (group_panel, rest) = (rest / 256, rest % 256);
        let row = row_panel * 32 + rest % 2 * 16 + rest % 64 / 4;
        let group = group_panel * 8 + rest / 2 % 2 * 4 + rest / 64;
        (row, group)
    }
}

/// The weight layout `shuffle_weight((16, 16))`: `[rows, row_bytes]` packed codes, row_bytes = K/2 for FP4.
///
/// 1024 consecutive bytes are 16 rows × 64 bytes: lane l of a 16-byte load receives row l%16, bytes
/// 16·(l/16) to 16·(l/16)+15, the A operand of a 16x16x128 FP4 MFMA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WeightShuffle {
    rows: usize,
    row_bytes: usize,
}

impl WeightShuffle {
    /// The layout of a `[rows, row_bytes]` matrix: rows a multiple of 16, row_bytes a multiple of 32.
    pub const fn new(rows: usize, row_bytes: usize) -> Result<Self, LayoutError> {
        if !rows.is_multiple_of(16) || !row_bytes.is_multiple_of(32) {
            let needs = "a multiple of 16 rows and of 32 bytes";
            return Err(LayoutError { layout: "shuffle_weight(16, 16)", rows, columns: row_bytes, needs });
        }
        Ok(Self { rows, row_bytes })
    }

    /// Bytes of the matrix, the same in both orders.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rows * self.row_bytes
    }

    /// True if the matrix has no byte.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where byte `byte` of row `row` is stored.
    #[inline]
    #[must_use]
    pub const fn index(&self, row: usize, byte: usize) -> usize {
        debug_assert!(row < self.rows && byte < self.row_bytes);
        row / 16 * 16 * self.row_bytes + byte / 32 * 512 + byte % 32 / 16 * 256 + row % 16 * 16 + byte % 16
    }

    /// Inverse of [`Self::index`]: the (row, byte) stored at `index`.
    #[inline]
    #[must_use]
    pub const fn coordinates(&self, index: usize) -> (usize, usize) {
        debug_assert!(index < self.len());
        let panel = 16 * self.row_bytes;
        let (row_panel, rest) = (index / panel, index % panel);
        let byte = rest / 512 * 32 + rest % 512 / 256 * 16 + rest % 16;
        (row_panel * 16 + rest % 256 / 16, byte)
    }
}

/// The interleaved gate-up weight layout: `[rows, row_bytes]` with the gate in the first half of the rows and
/// up in the second; panels of 16 gate rows and 16 up rows alternate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GateUpInterleave {
    rows: usize,
    row_bytes: usize,
}

impl GateUpInterleave {
    /// The layout of a `[rows, row_bytes]` matrix: rows a multiple of 32, row_bytes a multiple of 64.
    pub const fn new(rows: usize, row_bytes: usize) -> Result<Self, LayoutError> {
        if !rows.is_multiple_of(32) || !row_bytes.is_multiple_of(64) {
            let needs = "a multiple of 32 rows and of 64 bytes";
            return Err(LayoutError { layout: "gate-up interleave", rows, columns: row_bytes, needs });
        }
        Ok(Self { rows, row_bytes })
    }

    /// Bytes of the matrix, the same in both orders.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rows * self.row_bytes
    }

    /// True if the matrix has no byte.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where byte `byte` of row `row` is stored.
    #[inline]
    #[must_use]
    pub const fn index(&self, row: usize, byte: usize) -> usize {
        debug_assert!(row < self.rows && byte < self.row_bytes);
        let half = self.rows / 2;
        let (part, row) = (row / half, row % half);
        let panel = 16 * self.row_bytes;
        row / 16 * 2 * panel
            + part * panel
            + byte / 64 * 1024
            + byte % 64 / 16 * 256
            + row % 16 * 16
            + byte % 16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_of_a_shuffled_scale_panel() {
        let layout = ScaleShuffle::dense(32, 8);
        let first: Vec<_> = (0..8).map(|i| layout.coordinates(i)).collect();
        assert_eq!(first, [(0, 0), (16, 0), (0, 4), (16, 4), (1, 0), (17, 0), (1, 4), (17, 4)]);
        let second: Vec<_> = (64..68).map(|i| layout.coordinates(i)).collect();
        assert_eq!(second, [(0, 1), (16, 1), (0, 5), (16, 5)]);
    }

    #[test]
    fn padded_sizes() {
        let layout = ScaleShuffle::dense(300, 13);
        assert_eq!((layout.padded_rows(), layout.padded_groups(), layout.len()), (512, 16, 8192));
        let layout = ScaleShuffle::sorted(33, 7168 / 32);
        assert_eq!((layout.padded_rows(), layout.padded_groups()), (64, 224));
        assert!(ScaleShuffle::dense(0, 8).is_empty());
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        assert!(WeightShuffle::new(17, 64).is_err());
        assert!(WeightShuffle::new(16, 48).is_err());
        let error = GateUpInterleave::new(16, 64).unwrap_err().to_string();
        assert!(error.contains("16 rows of 64 bytes") && error.contains("multiple of 32 rows"), "{error}");
    }

    #[test]
    fn gate_up_panels_are_weight_shuffle_panels_in_alternation() {
        // The 16-row panels of both layouts are the same permutation; only the order of panels differs.
        let (rows, row_bytes) = (96, 128);
        let interleaved = GateUpInterleave::new(rows, row_bytes).unwrap();
        let plain = WeightShuffle::new(rows, row_bytes).unwrap();
        for row in 0..rows {
            let (part, row_of_part) = (row / 48, row % 48);
            let moved = row_of_part / 16 * 32 + part * 16 + row % 16;
            for byte in 0..row_bytes {
                assert_eq!(interleaved.index(row, byte), plain.index(moved, byte));
            }
        }
    }
}
