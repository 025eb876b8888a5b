// Sums on their way out: of the waves that share a tile in LDS, of the workgroups that share it in memory, always in
// the order of K, so that the result does not depend on who is first.
#pragma once
#include "buffer.h"
#include "memory.h"
#include "operand.h"
#include "params.h"
#include "workgroup.h"

constexpr int WAVE_TILES = BM / WAVES_M / TILE * (BN / WAVES_N / TILE);
/// 16 × 16 tiles of a workgroup.
constexpr int ALL_TILES = BM / TILE * (BN / TILE);
/// Of a wave's tiles, those that it finishes when WAVES_K waves share them.
constexpr int OWN_TILES = (WAVE_TILES + WAVES_K - 1) / WAVES_K;

/// Where a wave's part of out is: tile t of the wave is t / TILES across M, t % TILES across N.
struct Result {
  static constexpr int TILES = BN / WAVES_N / TILE;
  static constexpr uint32_t BYTES = sizeof(OUT);

  Buffer buffer;
  const f32* bias;
  uint32_t offset, stride;
  uint32_t columns;

  MEMBER Result(const GemmMxfp4& p, uint32_t batch, const Rows& m, const Rows& n)
      : buffer(at(p.out, (batch * p.out_batch + m.first * p.out_stride + n.first) * BYTES),
               m.count == 0 || n.count == 0 ? 0 : ((m.count - 1) * uint32_t(p.out_stride) + n.count) * BYTES),
        bias(p.bias == nullptr ? nullptr : p.bias + n.first), stride(uint32_t(p.out_stride) * BYTES),
        columns(m.count == 0 ? 0 : n.count) {
    offset = lane() % 16 * stride + lane() / 16 * 4 * BYTES;
  }

  /// Rows past the end of out are past the buffer's; columns come in whole tiles.
  MEMBER void store(uint32_t tile, f32x4 sum) const {
    const uint32_t column = tile % TILES * TILE;
    if (column >= columns) return;
    if (bias != nullptr) sum += load<f32x4>(at(bias, (column + lane() / 16 * 4) * 4));
    const uint32_t to = offset + tile / TILES * TILE * stride + column * BYTES;
    if constexpr (BYTES == 4) {
      buffer.store16(to, bits_as<u32x4>(sum));
    } else {
      buffer.store8(to, bits_as<u32x2>(__builtin_convertvector(sum, vec<bf16, 4>)));
    }
  }
};

/// The workgroup's tile among those of the launch, and its part among those of the tile.
struct Tile {
  f32* partials;
  uint32_t* counter;
  uint32_t split, splits;

  MEMBER Tile(const GemmMxfp4& p, uint32_t tile_m, uint32_t tile_n, uint32_t split) : split(split), splits(p.splits) {
    const uint32_t tiles_n = (p.n + BN - 1) / BN, index = tile_m * tiles_n + tile_n;
    partials = p.partials + uint64_t(index) * splits * (BM * BN);
    counter = p.counters + index;
  }

  /// Of workgroup `part`, the lane's four values of a 16 × 16 tile.
  MEMBER f32* partial(uint32_t part, uint32_t tile) const {
    return partials + uint64_t(part) * (BM * BN) + tile * (TILE * TILE) + lane() * 4;
  }

  /// Whether all other workgroups of the tile have written their sums; they can be read then.
  ///
  /// Release: every wave's stores are on their way to the device's memory before its barrier. Who counts last sees
  /// them after its acquire, and leaves the counter as it found it.
  MEMBER bool is_last() const {
    SHARED uint32_t before;
    __builtin_amdgcn_fence(__ATOMIC_RELEASE, "agent");
    __builtin_amdgcn_s_barrier();
    if (thread() == 0) {
      before = __hip_atomic_fetch_add(counter, 1u, __ATOMIC_RELAXED, __HIP_MEMORY_SCOPE_AGENT);
      if (before == splits - 1) __hip_atomic_store(counter, 0u, __ATOMIC_RELAXED, __HIP_MEMORY_SCOPE_AGENT);
    }
    workgroup_barrier();
    const bool last = uniform(before) == splits - 1;
    if (last) __builtin_amdgcn_fence(__ATOMIC_ACQUIRE, "agent");
    return last;
  }
};

/// Adds up what the workgroup's and other workgroups' waves have of each tile, and stores it. `k` is the wave among
/// those that share its tiles, `column` which WAVES_K waves these are.
template <int M, int N>
DEVICE void finish(const f32x4 (&sums)[M][N], uint32_t k, uint32_t column, const Tile& tile, const Result& out) {
  f32x4 own[OWN_TILES];
  if constexpr (WAVES_K == 1) {
    unroll<WAVE_TILES>([&](auto t) { own[t] = sums[t / N][t % N]; });
  } else {
    SHARED f32x4 shared[WAVES_M * WAVES_N][WAVES_K][WAVE_TILES][WAVE];
    unroll<WAVE_TILES>([&](auto t) { shared[column][k][t][lane()] = sums[t / N][t % N]; });
    workgroup_barrier();
    unroll<OWN_TILES>([&](auto i) {
      const uint32_t t = min_of(k + i * WAVES_K, uint32_t(WAVE_TILES - 1));
      own[i] = shared[column][0][t][lane()];
      for (int other = 1; other < WAVES_K; ++other) own[i] += shared[column][other][t][lane()];
    });
  }
  const auto each = [&](auto&& body) {
    unroll<OWN_TILES>([&](auto i) {
      const uint32_t t = k + i * WAVES_K;
      if (WAVE_TILES % WAVES_K == 0 || t < WAVE_TILES) body(i, t);
    });
  };
  if (tile.splits == 1) return each([&](auto i, uint32_t t) { out.store(t, own[i]); });

  each([&](auto i, uint32_t t) { store(tile.partial(tile.split, column * WAVE_TILES + t), own[i]); });
  if (!tile.is_last()) return;
  each([&](auto, uint32_t t) {
    f32x4 sum = load<f32x4>(tile.partial(0, column * WAVE_TILES + t));
    for (uint32_t part = 1; part < tile.splits; ++part) sum += load<f32x4>(tile.partial(part, column * WAVE_TILES + t));
    out.store(t, sum);
  });
}
