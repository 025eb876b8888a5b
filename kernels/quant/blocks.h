// Which blocks of `[M, K/32]` a quad of lanes works on: always four, so that four loads are in flight and one
// transposition later every lane stores a whole block. Lane i of the quad looks after the i-th.
//
// Offsets within a wave's share are 32-bit per lane where they can be; what is the same for the wave is scalar.
#pragma once
#include "memory.h"
#include "mx.h"
#include "workgroup.h"

/// Order of the scale bytes: `[M, K/32]`, or `e8m0_shuffle` with rows padded to 256 and groups to 8.
enum class Scales { raw, shuffled };

/// Lane `lane() % 4` stands for block `own()` of its quad.
DEVICE uint32_t own() { return lane() % 4; }

/// Where the items after a wave-uniform first one are, in rows of `columns` items.
struct Wrap {
  uint32_t row, column, columns;
  /// Of short rows, 1 / columns in 16 bits, rounded up.
  uint32_t reciprocal;

  /// Scalar divisions, once for the wave.
  MEMBER Wrap(uint32_t first, uint32_t columns) : columns(columns) {
    row = first / columns;
    column = first - row * columns;
    reciprocal = columns < WAVE ? 0xffff / columns + 1 : 0;
  }

  /// Rows that the `n`-th item is below `row`, n < 64. A long row ends at most once; in short rows the item is
  /// below column 128, where the reciprocal is exact.
  MEMBER uint32_t rows_on(uint32_t n) const {
    const uint32_t end = column + n;
    return max_of(end % (2 * WAVE) * reciprocal >> 16, uint32_t(end >= columns));
  }
};

/// Byte offsets of N blocks.
template <int N>
struct Offsets {
  uint64_t of[N];
};

/// Blocks in the order of their rows, 64 to a wave: block i of quad q is the (16 i + q)-th, so a wave's load is
/// contiguous.
struct RowMajor {
  uint32_t first, count, groups;
  Wrap wrap;

  /// `gaps`: whether some tensor has any between its rows. Rows without are one long row: no division is needed.
  MEMBER RowMajor(uint32_t m, uint32_t k, bool gaps) : RowMajor(m * (k / BLOCK), k / BLOCK, gaps, first_of_wave()) {}

  MEMBER static uint32_t index(uint32_t i) { return 16 * i + lane() / 4; }

  MEMBER bool empty() const { return count == 0; }
  MEMBER bool holds(uint32_t i) const { return index(i) < count; }

  /// Byte offsets of blocks in a tensor with `bytes` per block and `stride` bytes from row to row. Blocks past the
  /// end give the last one's: a load need not be masked.
  template <int N>
  MEMBER Offsets<N> offsets(const uint32_t (&i)[N], uint32_t bytes, uint64_t stride) const {
    const uint64_t gap = stride - uint64_t(groups) * bytes;
    Offsets<N> offsets;
    for (int j = 0; j < N; ++j) offsets.of[j] = uint64_t(first) * bytes + held(i[j]) * bytes;
    if (gap != 0) {
      for (int j = 0; j < N; ++j) offsets.of[j] += (wrap.row + wrap.rows_on(held(i[j]))) * gap;
    }
    return offsets;
  }

  MEMBER uint64_t scale_offset(uint32_t i) const { return uint64_t(first) + held(i); }

 private:
  MEMBER uint32_t held(uint32_t i) const { return min_of(index(i), count - 1); }

  MEMBER static uint32_t first_of_wave() { return (workgroup() * WAVES + wave()) * WAVE; }

  MEMBER RowMajor(uint32_t total, uint32_t groups, bool gaps, uint32_t first)
      : first(first), count(first < total ? min_of(total - first, WAVE) : 0), groups(groups),
        wrap(gaps ? Wrap(first, groups) : Wrap(0, WAVE)) {}
};

/// A workgroup per panel of 32 rows × 8 groups, whose 256 scale bytes are contiguous; a wave takes rows r and r + 16
/// of four r. A quad's blocks are rows r, r + 16 × groups g, g + 4: the four bytes of one dword of scales. Loads
/// are contiguous over four blocks.
struct Panel {
  uint32_t row, group;
  uint32_t m, groups;
  uint64_t scales;

  MEMBER Panel(uint32_t m, uint32_t k, bool) : m(m), groups(k / BLOCK) {
    static_assert(THREADS == 256);
    const uint32_t panel = workgroup(), panels_of_row = (groups + 7) / 8;
    row = panel / panels_of_row * 32 + wave() * 4;
    group = panel % panels_of_row * 8;
    scales = uint64_t(panel) * 256;
  }

  MEMBER static uint32_t row_of(uint32_t i) { return lane() / 16 + i % 2 * 16; }
  MEMBER static uint32_t group_of(uint32_t i) { return lane() / 4 % 4 + i / 2 * 4; }

  /// True if the wave has padding only.
  MEMBER bool empty() const { return row >= m; }
  MEMBER bool holds(uint32_t i) const { return row + row_of(i) < m && group + group_of(i) < groups; }

  template <int N>
  MEMBER Offsets<N> offsets(const uint32_t (&i)[N], uint32_t bytes, uint64_t stride) const {
    Offsets<N> offsets;
    for (int j = 0; j < N; ++j) {
      const uint32_t rows_on = min_of(row_of(i[j]), m - 1 - row);
      const uint32_t groups_on = min_of(group_of(i[j]), groups - 1 - group);
      offsets.of[j] = row * stride + uint64_t(group) * bytes + rows_on * stride + groups_on * bytes;
    }
    return offsets;
  }

  /// `row % 16 * 4` and `group % 4 * 64`, and which of the dword's bytes.
  MEMBER uint64_t scale_offset(uint32_t i) const {
    return scales + group_of(0) * 64 + (wave() * 4 + lane() / 16) * 4 + i;
  }
};

template <Scales ORDER>
struct BlocksOf {
  using Type = RowMajor;
};
template <>
struct BlocksOf<Scales::shuffled> {
  using Type = Panel;
};
/// The blocks of this workgroup, by the order of their scales.
template <Scales ORDER>
using Blocks = BlocksOf<ORDER>::Type;

/// Where the quad's four blocks begin.
template <class B>
DEVICE Offsets<4> offsets_of_quad(const B& blocks, uint32_t bytes, uint64_t stride) {
  return blocks.offsets({0, 1, 2, 3}, bytes, stride);
}

/// Where the block begins that this lane looks after.
template <class B>
DEVICE uint64_t offset_of_own(const B& blocks, uint32_t bytes, uint64_t stride) {
  return blocks.offsets({own()}, bytes, stride).of[0];
}

/// Writes the block and the scale byte that this lane looks after; padding gets scale byte 0 and no codes.
template <class B>
DEVICE void store_quad(const B& blocks, const Quad& quad, uint8_t* data, uint64_t data_stride, uint8_t* scales) {
  const bool holds = blocks.holds(own());
  if (holds) store(at(data, offset_of_own(blocks, BLOCK_BYTES, data_stride)), quad.codes);
  if (__is_same(B, Panel) || holds) {
    store<uint8_t>(at(scales, blocks.scale_offset(own())), holds ? quad.scale : 0);
  }
}

/// Where the scale bytes of one row go, for kernels that work row by row.
template <Scales ORDER>
struct RowScales {
  uint8_t* scales;
  uint32_t row, groups;

  MEMBER RowScales(uint8_t* scales, uint32_t row, uint32_t groups) : scales(scales), row(row), groups(groups) {}

  MEMBER uint32_t padded_groups() const { return ORDER == Scales::raw ? groups : (groups + 7) / 8 * 8; }

  MEMBER void store(uint32_t group, uint32_t byte) const {
    uint64_t index;
    if constexpr (ORDER == Scales::raw) {
      index = uint64_t(row) * groups + group;
    } else {
      index = uint64_t(row / 32 * 32) * padded_groups() + row % 16 * 4 + row % 32 / 16;
      index += uint64_t(group / 8) * 256 + group % 4 * 64 + group % 8 / 4 * 2;
    }
    ::store<uint8_t>(at(scales, index), byte);
  }
};
