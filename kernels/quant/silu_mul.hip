// silu(gate) * up to MXFP4, for rows [gate(K) ; up(K)].
//
// As mxfp4.hip with two loads for a block and f32 arithmetic between load and quantisation: eight loads in flight.
#include "blocks.h"
#include "params.h"

/// gate / (1 + exp(-gate)) * up. exp overflows to Inf below -88, which makes silu 0, and underflows to 0.
/// Two at a time: all but exp and rcp are packed operations.
DEVICE vec<f32, 2> silu_mul(vec<f32, 2> gate, vec<f32, 2> up) {
  constexpr f32 LOG2_E = 1.44269504f;
  const vec<f32, 2> power = -LOG2_E * gate;
  const vec<f32, 2> below = 1.0f + vec<f32, 2>{__builtin_amdgcn_exp2f(power.x), __builtin_amdgcn_exp2f(power.y)};
  return gate * vec<f32, 2>{__builtin_amdgcn_rcpf(below.x), __builtin_amdgcn_rcpf(below.y)} * up;
}

static_assert(BLOCKS_PER_WORKGROUP == THREADS, "a lane stores one block");

KERNEL(THREADS) silu_mul_mxfp4(SiluMulMxfp4 p) {
  using Element = Fragment<TYPE>;
  const uint64_t stride = p.x_stride * sizeof(TYPE), row = uint64_t(p.k) * sizeof(TYPE);
  // Between the gates of two rows are the ups: x always has gaps.
  const Blocks<Scales::SCALES> blocks(p.m, p.k, true);
  Quad quad = {};
  if (!blocks.empty()) {
    const auto offsets = offsets_of_quad(blocks, Element::BYTES, stride);
    Element gate[4], up[4];
    for (int i = 0; i < 4; ++i) {
      gate[i] = Element::load(at(p.x, offsets.of[i]));
      up[i] = Element::load(at(p.x, offsets.of[i] + row));
    }
    Computed y[4];
    for (int i = 0; i < 4; ++i) {
      for (int j = 0; j < 4; ++j) {
        const auto pair = silu_mul(gate[i].widen(j), up[i].widen(j));
        y[i].v[2 * j] = pair.x;
        y[i].v[2 * j + 1] = pair.y;
      }
    }
    quad = quantise<Rounding::ROUNDING>(y, p.amax_floor);
  }
  store_quad(blocks, quad, p.data, p.data_stride, p.scales);
}
