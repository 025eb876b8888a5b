// Sums on their way out: of the waves that share a tile in LDS, of the workgroups that share it in memory, always in
// the order of K, so that the result does not depend on who is first.
#pragma once
#include "buffer.h"
#include "memory.h"
#include "mfma.h"
#include "params.h"
#include "unroll.h"
#include "workgroup.h"

/// 16 × 16 tiles of a wave, across M first.
constexpr int WAVE_TILES = BM / WAVES_M / TILE * (BN / WAVES_N / TILE);
/// Of those, how many a wave finishes when WAVES_K waves share them.
constexpr int OWN_TILES = (WAVE_TILES + WAVES_K - 1) / WAVES_K;

/// A wave's part of out.
struct Result {
  static constexpr int TILES = BN / WAVES_N / TILE;
  static constexpr uint32_t BYTES = sizeof(OUT);

  Sink sink;
  const f32* bias;
  uint32_t offset, stride;
  /// Columns that exist.
  uint32_t columns;

  MEMBER Result(const GemmMxfp4& p, uint32_t batch, uint32_t row, uint32_t column)
      : sink(base(p, batch, row, column), size(p, row, column)),
        bias(p.bias == nullptr ? nullptr : p.bias + column), stride(uint32_t(p.out_stride) * BYTES),
        columns(row < p.m && column < p.n ? p.n - column : 0) {
    offset = lane() % 16 * stride + lane() / 16 * 4 * BYTES;
  }

  /// Makes the compiler have all of it by now.
  MEMBER void pin() {
    keep(sink.base, sink.bytes, stride, columns, bias);
  }

  /// Tile t is t / TILES across M and t % TILES across N. Rows past the end of out are past the buffer's; columns come
  /// in whole tiles.
  MEMBER void store(uint32_t tile, f32x4 sum) const {
    const uint32_t column = tile % TILES * TILE;
    if (column >= columns) return;
    if (bias != nullptr) sum += load<f32x4>(at(bias, (column + lane() / 16 * 4) * 4));
    const uint32_t to = offset + tile / TILES * TILE * stride + column * BYTES;
    if constexpr (BYTES == 4) {
      sink.store16(to, bits_as<u32x4>(sum));
    } else {
      sink.store8(to, bits_as<u32x2>(__builtin_convertvector(sum, vec<bf16, 4>)));
    }
  }

 private:
  MEMBER static const void* base(const GemmMxfp4& p, uint32_t batch, uint32_t row, uint32_t column) {
    const uint64_t batch_offset = BATCHED ? batch * p.out_batch : 0;
    return at(p.out, (batch_offset + row * p.out_stride + column) * BYTES);
  }
  /// To the end of the last row, as far as the wave's rows reach.
  MEMBER static uint32_t size(const GemmMxfp4& p, uint32_t row, uint32_t column) {
    const uint32_t rows = row < p.m ? min_of(p.m - row, uint32_t(BM / WAVES_M)) : 0;
    return rows == 0 || column >= p.n ? 0 : ((rows - 1) * uint32_t(p.out_stride) + p.n - column) * BYTES;
  }
};

/// What the workgroups of a tile share.
struct Shared {
  f32* partials;
  uint32_t* counter;
  uint32_t split, splits;
  uint32_t word;

  MEMBER Shared(const GemmMxfp4& p, uint32_t tile_m, uint32_t tile_n, uint32_t split) : split(split), splits(p.splits) {
    const uint32_t index = tile_m * __builtin_amdgcn_grid_size_x() / THREADS + tile_n;
    partials = (f32*)at(p.workspace, p.partials) + uint64_t(index) * splits * (BM * BN);
    counter = (uint32_t*)p.workspace + index;
  }

  /// The workspace's first use by a compute unit waits for the translation of its address: not after the products, when
  /// everything waits for it, but before, when the operands' do. `seen` ends the load.
  MEMBER void touch(const GemmMxfp4& p) { word = splits > 1 ? load<uint32_t>(at(p.workspace, lane() * 4)) : 0; }
  MEMBER void seen() const { asm volatile("" : : "v"(word)); }

  MEMBER void pin() { keep(splits, partials, counter); }

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

/// Adds up what the workgroup's and other workgroups' waves have of each tile, and stores it. The wave is one of
/// WAVES_K `behind` each other, and those are one of WAVES_M × WAVES_N groups `beside` each other.
template <int M, int N>
DEVICE void finish(const f32x4 (&sums)[M][N], uint32_t behind, uint32_t beside, const Shared& shared,
                   const Result& out) {
  // Tiles are dealt to the waves in turn.
  const auto each = [&](auto&& body) {
    unroll<OWN_TILES>([&](auto i) {
      const uint32_t tile = behind + i * WAVES_K;
      if (WAVE_TILES % WAVES_K == 0 || tile < WAVE_TILES) body(i, tile);
    });
  };
  f32x4 own[OWN_TILES];
  if constexpr (WAVES_K == 1) {
    unroll<WAVE_TILES>([&](auto t) { own[t] = sums[t / N][t % N]; });
  } else {
    SHARED f32x4 of_waves[WAVES_M * WAVES_N][WAVES_K][WAVE_TILES][WAVE];
    unroll<WAVE_TILES>([&](auto t) { of_waves[beside][behind][t][lane()] = sums[t / N][t % N]; });
    workgroup_barrier();
    each([&](auto i, uint32_t tile) {
      f32x4 parts[WAVES_K];
      unroll<WAVES_K>([&](auto k) { parts[k] = of_waves[beside][k][tile][lane()]; });
      own[i] = parts[0];
      for (int k = 1; k < WAVES_K; ++k) own[i] += parts[k];
    });
  }
  if (shared.splits == 1) {
    each([&](auto i, uint32_t tile) { out.store(tile, own[i]); });
    return;
  }
  each([&](auto i, uint32_t tile) { store(shared.partial(shared.split, beside * WAVE_TILES + tile), own[i]); });
  if (!shared.is_last()) return;
  each([&](auto, uint32_t tile) {
    f32x4 sum = load<f32x4>(shared.partial(0, beside * WAVE_TILES + tile));
    for (uint32_t part = 1; part < shared.splits; ++part) {
      sum += load<f32x4>(shared.partial(part, beside * WAVE_TILES + tile));
    }
    out.store(tile, sum);
  });
}
