// RMSNorm of x + residual to MXFP4, one workgroup per row.
//
// The row goes by in tiles of 256 blocks, which the threads hold as f32: once for the sum of squares, then backwards
// for the result. The last tile is still in registers, so a row of up to 8192 is read once; a longer one is read
// again, from L2. `sum` is written in the second pass only, each element by the lane that reads it, so it may be
// `x` or `residual` itself.
#include "blocks.h"
#include "params.h"
#include "workgroup.h"

constexpr auto ORDER = Scales::SCALES;

/// Blocks of a tile; block i of a quad is in the i-th quarter, so that short rows spread over all waves.
constexpr uint32_t TILE = THREADS;

struct Row {
  const RmsNormMxfp4& p;
  uint32_t row, groups;

  MEMBER uint32_t group(uint32_t tile, uint32_t i) const { return tile * TILE + i * (TILE / 4) + thread() / 4; }
  /// Byte offset of the lane's eight elements, `size` bytes each.
  MEMBER static uint64_t offset(uint32_t group, uint32_t size) {
    return (uint64_t(group) * BLOCK + lane() % 4 * 8) * size;
  }

  /// s = x + residual of a tile, zeros beyond the row.
  MEMBER void read(uint32_t tile, Computed (&s)[4]) const {
    Fragment<TYPE> x[4] = {}, residual[4] = {};
    const auto* x_row = at(p.x, row * p.x_stride * sizeof(TYPE));
    const auto* residual_row = at(p.residual, row * p.residual_stride * sizeof(TYPE));
    for (int i = 0; i < 4; ++i) {
      if (group(tile, i) < groups) {
        const uint64_t block = uint64_t(group(tile, i)) * Fragment<TYPE>::BYTES;
        x[i] = Fragment<TYPE>::load(x_row + block);
        if (p.residual) residual[i] = Fragment<TYPE>::load(residual_row + block);
      }
    }
    for (int i = 0; i < 4; ++i) {
      for (int j = 0; j < 4; ++j) {
        auto pair = x[i].widen(j);
        // Not x + 0: that would make +0 of -0.
        if (p.residual) pair += residual[i].widen(j);
        s[i].v[2 * j] = pair.x;
        s[i].v[2 * j + 1] = pair.y;
      }
    }
  }

  MEMBER void read_weight(uint32_t tile, Fragment<TYPE> (&weight)[4]) const {
    for (int i = 0; i < 4; ++i) {
      weight[i] = {};
      if (group(tile, i) < groups) {
        weight[i] = Fragment<TYPE>::load(at(p.weight, uint64_t(group(tile, i)) * Fragment<TYPE>::BYTES));
      }
    }
  }
};

/// Eight f32 to nearest even.
template <class T>
DEVICE u32x4 narrow(const Computed& x) {
  u32x4 words;
  for (int j = 0; j < 4; ++j) {
    words[j] = bits_as<uint32_t>(__builtin_convertvector((vec<f32, 2>{x.v[2 * j], x.v[2 * j + 1]}), vec<T, 2>));
  }
  return words;
}

DEVICE f32 add(f32 a, f32 b) { return a + b; }

static_assert(ROWS_PER_WORKGROUP == 1, "the workgroup's reduction is the row's");

KERNEL(THREADS) rms_norm_mxfp4(RmsNormMxfp4 p) {
  const Row r = {p, workgroup(), p.k / BLOCK};
  const RowScales<ORDER> scales(p.scales, r.row, r.groups);
  if (r.row >= p.m) {
    if (ORDER == Scales::shuffled) {
      for (uint32_t group = thread(); group < scales.padded_groups(); group += THREADS) scales.store(group, 0);
    }
    return;
  }

  const uint32_t tiles = (scales.padded_groups() + TILE - 1) / TILE, last = tiles - 1;
  Computed s[4];
  Fragment<TYPE> weight[4];
  f32 squares[4] = {};
  for (uint32_t tile = 0; tile < tiles; ++tile) {
    r.read(tile, s);
    for (int i = 0; i < 4; ++i) {
      for (f32 x : s[i].v) squares[i] = __builtin_fmaf(x, x, squares[i]);
    }
  }
  // Before the barrier, so that it arrives behind it.
  r.read_weight(last, weight);
  const f32 sum = workgroup_reduce((squares[0] + squares[1]) + (squares[2] + squares[3]), add);
  const f32 norm = __builtin_amdgcn_rsqf(sum / f32(p.k) + p.epsilon);

  for (uint32_t tile = last;; --tile) {
    Computed y[4];
    for (int i = 0; i < 4; ++i) {
      for (int j = 0; j < 4; ++j) {
        const auto w = weight[i].widen(j);
        y[i].v[2 * j] = s[i].v[2 * j] * norm * w.x;
        y[i].v[2 * j + 1] = s[i].v[2 * j + 1] * norm * w.y;
      }
    }
    for (int i = 0; i < 4; ++i) {
      const uint32_t group = r.group(tile, i);
      if (group < r.groups) {
        if (p.normed) store(at(p.normed, r.row * p.normed_stride * 2 + Row::offset(group, 2)), narrow<bf16>(y[i]));
        if (p.sum) {
          store(at(p.sum, r.row * p.sum_stride * sizeof(TYPE) + Row::offset(group, sizeof(TYPE))), narrow<TYPE>(s[i]));
        }
      }
    }
    const Quad quad = quantise<Rounding::ROUNDING>(y, p.amax_floor);
    const uint32_t group = r.group(tile, own());
    const bool holds = group < r.groups;
    if (holds) store(at(p.data, r.row * p.data_stride + uint64_t(group) * BLOCK_BYTES), quad.codes);
    if (group < scales.padded_groups()) scales.store(group, holds ? quad.scale : 0);
    if (tile == 0) break;
    r.read(tile - 1, s);
    r.read_weight(tile - 1, weight);
  }
}
