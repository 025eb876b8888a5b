// Rows to E4M3 with one f32 scale each, one workgroup per row.
//
// A tile of 8192 elements stays in registers as loaded, so a row of up to 8192 is read once; the tiles before the
// last are read again, from L2.
#include "e4m3.h"
#include "params.h"
#include "workgroup.h"

/// Strips of a tile per thread.
constexpr int STRIPS = 2;
constexpr int CHUNKS = Strip<TYPE>::CHUNKS;
constexpr uint32_t TILE_CHUNKS = STRIPS * CHUNKS * THREADS;

struct Tile {
  Strip<TYPE> strips[STRIPS];

  /// Which chunk of the row is chunk `i` of this thread's strip `s`.
  MEMBER static uint32_t index(uint32_t tile, int s, uint32_t i) {
    return tile * TILE_CHUNKS + (s * CHUNKS + i) * THREADS + thread();
  }

  /// Beyond the row the last chunk again, which changes no maximum and is not stored.
  MEMBER void read(const uint8_t* row, uint32_t tile, uint32_t chunks) {
    for (int s = 0; s < STRIPS; ++s) {
      for (int i = 0; i < CHUNKS; ++i) {
        strips[s].chunks[i] = Chunk<TYPE>::load(row + uint64_t(min_of(index(tile, s, i), chunks - 1)) * 16);
      }
    }
  }

  MEMBER uint32_t magnitude() const {
    uint32_t key = 0;
    for (const auto& strip : strips) {
      for (const auto& chunk : strip.chunks) key = max_of(key, chunk.magnitude());
    }
    return key;
  }
};

static_assert(ROWS_PER_WORKGROUP == 1, "the workgroup's reduction is the row's");

KERNEL(THREADS) quantise_fp8(QuantiseFp8 p) {
  const uint32_t row = workgroup(), chunks = p.k / Chunk<TYPE>::ELEMENTS;
  const uint32_t last = (chunks - 1) / TILE_CHUNKS;
  const auto* source = at(p.x, row * p.x_stride * sizeof(TYPE));
  auto* target = at(p.data, row * p.data_stride);

  Tile x;
  uint32_t key = 0;
  for (uint32_t tile = 0; tile <= last; ++tile) {
    x.read(source, tile, chunks);
    key = max_of(key, x.magnitude());
  }
  key = workgroup_reduce(key, max_of<uint32_t>);
  const auto scale = Fp8Scale::of(Chunk<TYPE>::amax(key), p.amax_floor);
  if (thread() == 0) store(p.scales + row, scale.value);

  const bool special = any(!scale.is_plain());
  Fp8Scale scales[CHUNKS];
  for (auto& same : scales) same = scale;
  for (uint32_t tile = last;; --tile) {
    for (int s = 0; s < STRIPS; ++s) {
      const u32x4 codes = x.strips[s].encode(scales, special);
      const uint32_t own = Strip<TYPE>::own(), first = Tile::index(tile, s, own) - own;
      if (first < chunks) store(target + uint64_t(first) * Chunk<TYPE>::ELEMENTS, codes);
    }
    if (tile == 0) break;
    x.read(source, tile - 1, chunks);
  }
}
