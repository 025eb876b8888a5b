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

/// This wave's place in its workgroup.
struct Place {
  uint32_t m, n, k;
  MEMBER Place() : m(wave() / WAVES_K / WAVES_N), n(wave() / WAVES_K % WAVES_N), k(wave() % WAVES_K) {}
};

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

/// K steps from `first` on, `last` excluded: a part of all, the same for every tile of a shape.
struct Part {
  uint32_t first, last;
  MEMBER Part(uint32_t k, uint32_t part, uint32_t parts) {
    const uint32_t steps = (k + KSTEP - 1) / KSTEP;
    first = steps * part / parts;
    last = steps * (part + 1) / parts;
  }
};

/// The operands of one K step.
struct Stage {
  Activations::Step a;
  Weights::Step w;
};

/// Multiplies a step in: w is the instruction's X, so that a lane has four neighbours of a row of out.
DEVICE void multiply(const Stage& stage, f32x4 (&sums)[TILES_M][TILES_N]) {
  const auto& a = Activations::ready(stage.a);
  const auto& w = Weights::ready(stage.w);
  unroll<HALVES>([&](auto h) {
    unroll<TILES_M>([&](auto i) {
      unroll<TILES_N>([&](auto j) {
        using AS = Activations::S;
        using WS = Weights::S;
        sums[i][j] = mfma<WS::template SELECT<j, h>, AS::template SELECT<i, h>>(
            w.codes[j][h], a.codes[i][h], sums[i][j], WS::template word<j, h>(w.scales),
            AS::template word<i, h>(a.scales));
      });
    });
  });
}

KERNEL(THREADS) gemm_mxfp4(GemmMxfp4 p) {
  const Place place;
  const uint32_t z = __builtin_amdgcn_workgroup_id_z();
  const uint32_t batch = p.batch > 1 ? z : 0, split = p.batch > 1 ? 0 : z;
  const uint32_t tile_m = __builtin_amdgcn_workgroup_id_y(), tile_n = __builtin_amdgcn_workgroup_id_x();
  const Rows rows_m(tile_m * BM + place.m * TILES_M * TILE, TILES_M * TILE, p.m, p.k);
  const Rows rows_n(tile_n * BN + place.n * TILES_N * TILE, TILES_N * TILE, p.n, p.k);
  const Columns columns(p.k);
  const Part part(p.k, split * WAVES_K + place.k, p.splits * WAVES_K);

  Activations a(at(p.a, batch * p.a_batch), p.a_scales, rows_m, p.a_stride);
  Weights w(at(p.w, batch * p.w_batch), at(p.w_scales, batch * p.w_scales_batch), rows_n, p.w_stride);
  uint32_t next = part.first;
  // Loads past the part are out of range: they cost their issue, move no bytes and keep the wait counts constant.
  const auto load = [&] {
    if (next == columns.partial) {
      a.cut(columns);
      w.cut(columns);
    }
    const bool exists = next < part.last;
    Stage stage = {a.load(next, exists), w.load(next, exists)};
    ++next;
    return stage;
  };

  f32x4 sums[TILES_M][TILES_N] = {};
  Stage stages[DEPTH];
  unroll<DEPTH>([&](auto d) { stages[d] = load(); });
  // A step's data is waited for with the loads of the DEPTH - 1 steps behind it under way.
  for (uint32_t step = part.first; step < part.last; step += DEPTH) {
    unroll<DEPTH>([&](auto d) {
      if (step + d == columns.partial) {
        Activations::clear_padding(stages[d].a, columns);
        Weights::clear_padding(stages[d].w, columns);
      }
      if (step + d < part.last) multiply(stages[d], sums);
      stages[d] = load();
    });
  }

  const Result out(p, batch, rows_m, rows_n);
  const Tile tile(p, tile_m, tile_n, split);
  finish(sums, place.k, place.m * WAVES_N + place.n, tile, out);
}
