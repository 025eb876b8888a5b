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

/// A wave's 16 groups: group i of each row of lanes is the (4 i + row)-th.
struct Groups {
  uint32_t first, count, columns;
  Wrap wrap;

  MEMBER static uint32_t index(uint32_t i) { return 4 * i + lane() / 16; }
  MEMBER bool holds(uint32_t i) const { return index(i) < count; }

  MEMBER uint32_t rows_on(uint32_t i) const { return wrap.rows_on(index(i)); }
  MEMBER uint32_t row(uint32_t i) const { return wrap.row + rows_on(i); }
  MEMBER uint32_t column(uint32_t i) const { return wrap.column + index(i) - rows_on(i) * columns; }

  /// The element of its row with which `part` of group i begins for this lane.
  MEMBER uint32_t element(uint32_t i, uint32_t part, uint32_t lane_of_row) const {
    return column(i) * GROUP + (part * 16 + lane_of_row) * Chunk<TYPE>::ELEMENTS;
  }
};

KERNEL(THREADS) quantise_fp8(QuantiseFp8 p) {
  const uint32_t columns = (p.k + GROUP - 1) / GROUP, total = p.m * columns;
  const uint32_t first = (workgroup() * WAVES + wave()) * 16;
  if (first >= total) return;
  const Groups groups = {first, total - first, columns, Wrap(first, columns)};

  Strip<TYPE> strips[4 * PARTS / Strip<TYPE>::CHUNKS] = {};
  uint32_t keys[4] = {};
  for (int i = 0; i < 4; ++i) {
    for (int part = 0; part < PARTS; ++part) {
      const int c = i * PARTS + part;
      auto& chunk = strips[c / Strip<TYPE>::CHUNKS].chunks[c % Strip<TYPE>::CHUNKS];
      const uint32_t element = groups.element(i, part, lane() % 16);
      if (groups.holds(i) && element < p.k) {
        chunk = Chunk<TYPE>::load(at(p.x, (groups.row(i) * p.x_stride + element) * sizeof(TYPE)));
      }
    }
  }
  for (int i = 0; i < 4; ++i) {
    for (int part = 0; part < PARTS; ++part) {
      const int c = i * PARTS + part;
      keys[i] = max_of(keys[i], strips[c / Strip<TYPE>::CHUNKS].chunks[c % Strip<TYPE>::CHUNKS].magnitude());
    }
  }
  const uint32_t key = reduce_quads_of_row(quad_reduce(keys, max_of<uint32_t>), max_of<uint32_t>);
  const auto scale = Fp8Scale::of(Chunk<TYPE>::amax(key), p.amax_floor);
  if (lane() % 16 < 4 && groups.holds(own())) {
    const uint64_t index = SHARING == Granularity::block128 ? uint64_t(first) + groups.index(own())
                                                            : uint64_t(groups.column(own())) * p.m + groups.row(own());
    store(p.scales + index, scale.value);
  }

  const Fp8Scale scales[4] = {scale.broadcast<0>(), scale.broadcast<1>(), scale.broadcast<2>(), scale.broadcast<3>()};
  for (int s = 0; s < 4 * PARTS / Strip<TYPE>::CHUNKS; ++s) {
    Fp8Scale of_chunk[Strip<TYPE>::CHUNKS];
    for (int c = 0; c < Strip<TYPE>::CHUNKS; ++c) of_chunk[c] = scales[(s * Strip<TYPE>::CHUNKS + c) / PARTS];
    const u32x4 codes = strips[s].encode(of_chunk);
    const uint32_t mine = Strip<TYPE>::own(), c = s * Strip<TYPE>::CHUNKS + mine, i = c / PARTS;
    const uint32_t element = groups.element(i, c % PARTS, lane() % 16 - mine);
    if (groups.holds(i) && element < p.k) store(at(p.data, groups.row(i) * p.data_stride + element), codes);
  }
}
