// out = a · w^T + bias in MXFP4. A workgroup makes a tile of BM × BN: WAVES_M × WAVES_N waves side by side, and
// WAVES_K of them behind each other on parts of K. Operands go from memory into registers, DEPTH steps ahead of the
// matrix cores; LDS only carries sums.
#include "operand.h"
#include "params.h"
#include "sums.h"

enum class Form { mxfp4, bf16 };

constexpr int TILES_M = BM / WAVES_M / TILE, TILES_N = BN / WAVES_N / TILE;
static_assert(TILES_M * WAVES_M * TILE == BM && TILES_N * WAVES_N * TILE == BN);
static_assert(WAVES_M * WAVES_N * WAVES_K * WAVE == THREADS);
// TAIL = 0 is for K in whole steps; BATCHED = 1 for several products, one for each z of the grid.

template <Form FORM>
struct ActivationsOf {
  using Type = Packed<TILES_M, Order::raw, Order::SCALES>;
};
template <>
struct ActivationsOf<Form::bf16> {
  using Type = Plain<TILES_M, Rounding::ROUNDING>;
};
using Activations = ActivationsOf<Form::ACTIVATIONS>::Type;
using Weights = Packed<TILES_N, Order::WEIGHTS, Order::SCALES>;

/// The operands of one K step.
struct Stage {
  Activations::Step a;
  Weights::Step w;
};

KERNEL(THREADS) gemm_mxfp4(GemmMxfp4 p) {
  const uint32_t tile_n = __builtin_amdgcn_workgroup_id_x(), tile_m = __builtin_amdgcn_workgroup_id_y();
  const uint32_t z = __builtin_amdgcn_workgroup_id_z();
  const uint32_t split = BATCHED ? 0 : z, batch = BATCHED ? z : 0;
  // Side by side and behind each other.
  const uint32_t beside = WAVES_K == 1 ? wave() : wave() / WAVES_K, behind = WAVES_K == 1 ? 0 : wave() % WAVES_K;
  const uint32_t row = tile_m * BM + beside / WAVES_N * (TILES_M * TILE);
  const uint32_t column = tile_n * BN + beside % WAVES_N * (TILES_N * TILE);
  const uint32_t first = min_of((split * WAVES_K + behind) * p.steps_per_part, p.steps);
  const uint32_t last = min_of(first + p.steps_per_part, p.steps);

  Source a_source(p.a), w_source(p.w), w_scales(p.w_scales);
  if (BATCHED) {
    a_source.move(batch * p.a_batch);
    w_source.move(batch * p.w_batch);
    w_scales.move(batch * p.w_scales_batch);
  }
  const Activations a(a_source, Source(p.a_scales), p.a_stride, p.scale_pitch, row);
  const Weights w(w_source, w_scales, p.w_stride, p.scale_pitch, column);

  // A step past the part is loaded as well, from outside of the tensors: it costs its issue, moves nothing, and
  // keeps the number of loads between a step's loads and its use the same.
  const auto load = [&](uint32_t number) {
    const Which step(number, last, p.whole_steps, p.rest);
    return Stage{a.load(step), w.load(step)};
  };

  f32x4 sums[TILES_M][TILES_N] = {};
  // Weights are the instruction's X, so that a lane has four neighbours of a row of out.
  const auto multiply = [&](Stage& stage, uint32_t step) {
    if (TAIL && step == p.whole_steps) {
      Activations::clear_padding(stage.a, p.rest);
      Weights::clear_padding(stage.w, p.rest);
    }
    const auto& ready_a = Activations::ready(stage.a);
    const auto& ready_w = Weights::ready(stage.w);
    unroll<HALVES>([&](auto h) {
      unroll<TILES_M>([&](auto i) {
        unroll<TILES_N>([&](auto j) {
          sums[i][j] = mfma<Weights::S::template SELECT<j, h>, Activations::S::template SELECT<i, h>>(
              ready_w.codes[j][h], ready_a.codes[i][h], sums[i][j], w.template scale<j, h>(ready_w, step),
              a.template scale<i, h>(ready_a, step));
        });
      });
    });
  };

  Stage stages[DEPTH];
  unroll<DEPTH>([&](auto d) { stages[d] = load(first + d); });
  // What is needed at the end is computed while the first operands are on their way.
  __builtin_amdgcn_sched_barrier(0);
  Result out(p, batch, row, column);
  Shared shared(p, tile_m, tile_n, split);
  out.pin();
  shared.pin();
  shared.touch(p);

  // Of LOADS loads for each step, those of the DEPTH - 1 steps behind it may be under way when a step is multiplied:
  // s_waitcnt vmcnt((DEPTH - 1) · LOADS), the compiler's count, which nothing between here and the end disturbs.
  uint32_t step = first;
  for (; step + DEPTH < last; step += DEPTH) {
    unroll<DEPTH>([&](auto d) {
      multiply(stages[d], step + d);
      // Loads stay behind what they overwrite: moved up they would need registers of their own.
      __builtin_amdgcn_sched_barrier(0);
      stages[d] = load(step + d + DEPTH);
      __builtin_amdgcn_sched_barrier(0);
    });
  }
  unroll<DEPTH>([&](auto d) {
    if (step + d < last) multiply(stages[d], step + d);
  });
  shared.seen();
  finish(sums, behind, beside, shared, out);
}
