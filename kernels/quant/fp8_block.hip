// Groups of 128 elements of a row to E4M3 with one f32 scale each; the last group of a row may be shorter.
//
// A group of 16-bit elements is one 16-byte load of a row of 16 lanes, one of f32 is two. Every row of lanes has
// four groups, of which lane i of each quad looks after the i-th.
#include "blocks.h"
#include "e4m3.h"
#include "params.h"

enum class Granularity { block128, block128_transposed };
constexpr auto SHARING = Granularity::GRANULARITY;

constexpr uint32_t GROUP = 128;
/// Chunks of a group that a lane has: 1 or 2.
constexpr int PARTS = sizeof(TYPE) / 2;
constexpr int CHUNKS = Strip<TYPE>::CHUNKS;
/// Strips of four groups.
constexpr int STRIPS = 4 * PARTS / CHUNKS;

/// Elements of a group that lanes before this one have, and where `part` of it begins.
DEVICE uint32_t within(uint32_t part, uint32_t lane_of_row) {
  return (part * 16 + lane_of_row) * Chunk<TYPE>::ELEMENTS;
}

/// A wave's 16 groups: group i of each row of lanes is the (4 i + row)-th.
struct Groups {
  uint32_t first, count, columns, k;
  Wrap wrap;

  MEMBER static uint32_t index(uint32_t i) { return 4 * i + lane() / 16; }

  MEMBER uint32_t row(uint32_t i) const { return wrap.row + wrap.rows_on(index(i)); }
  MEMBER uint32_t column(uint32_t i) const { return wrap.column + index(i) - wrap.rows_on(index(i)) * columns; }

  /// Whether element `within` of group i exists.
  MEMBER bool holds(uint32_t i, uint32_t within) const {
    const bool whole = k % GROUP == 0;
    return index(i) < count && (whole || column(i) * GROUP + within < k);
  }

  /// Byte offset of group i in a tensor of `size` bytes per element and `stride` bytes from row to row. Rows of whole
  /// groups without gaps are one long row; otherwise a row's gap is modulo 2^64, and negative if a group is cut.
  MEMBER uint64_t offset(uint32_t i, uint32_t size, uint64_t stride) const {
    const uint64_t gap = stride - uint64_t(columns) * GROUP * size;
    uint64_t offset = (uint64_t(first) + index(i)) * GROUP * size;
    if (gap != 0) offset += row(i) * gap;
    return offset;
  }
};

static_assert(BLOCKS_PER_WORKGROUP * 4 == THREADS, "a row of 16 lanes takes four groups");

KERNEL(THREADS) quantise_fp8(QuantiseFp8 p) {
  const uint32_t columns = (p.k + GROUP - 1) / GROUP, total = p.m * columns;
  const uint32_t first = (workgroup() * WAVES + wave()) * 16;
  if (first >= total) return;
  const Groups groups = {first, total - first, columns, p.k, Wrap(first, columns)};

  Strip<TYPE> strips[STRIPS] = {};
  for (int c = 0; c < 4 * PARTS; ++c) {
    const uint32_t i = c / PARTS, element = within(c % PARTS, lane() % 16);
    if (groups.holds(i, element)) {
      const uint64_t group = groups.offset(i, sizeof(TYPE), p.x_stride * sizeof(TYPE));
      strips[c / CHUNKS].chunks[c % CHUNKS] = Chunk<TYPE>::load(at(p.x, group + element * sizeof(TYPE)));
    }
  }
  uint32_t keys[4] = {};
  for (int c = 0; c < 4 * PARTS; ++c) {
    keys[c / PARTS] = max_of(keys[c / PARTS], strips[c / CHUNKS].chunks[c % CHUNKS].magnitude());
  }
  const uint32_t key = reduce_quads_of_row(quad_reduce(keys, max_of<uint32_t>), max_of<uint32_t>);
  const auto scale = Fp8Scale::of(Chunk<TYPE>::amax(key), p.amax_floor);
  if (lane() % 16 < 4 && groups.holds(own(), 0)) {
    const uint64_t index = SHARING == Granularity::block128 ? uint64_t(first) + groups.index(own())
                                                            : uint64_t(groups.column(own())) * p.m + groups.row(own());
    store(p.scales + index, scale.value);
  }

  const bool special = any(!scale.is_plain());
  const Fp8Scale scales[4] = {scale.broadcast<0>(), scale.broadcast<1>(), scale.broadcast<2>(), scale.broadcast<3>()};
  for (int s = 0; s < STRIPS; ++s) {
    Fp8Scale of_chunk[CHUNKS];
    for (int c = 0; c < CHUNKS; ++c) of_chunk[c] = scales[(s * CHUNKS + c) / PARTS];
    const u32x4 codes = strips[s].encode(of_chunk, special);
    const uint32_t mine = Strip<TYPE>::own(), c = s * CHUNKS + mine, i = c / PARTS;
    const uint32_t element = within(c % PARTS, lane() % 16 - mine);
    if (groups.holds(i, element)) store(at(p.data, groups.offset(i, 1, p.data_stride) + element), codes);
  }
}
