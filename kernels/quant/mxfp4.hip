// bf16, f16 or f32 to MXFP4, one E8M0 scale per 32 elements.
//
// Load four blocks per quad, reduce their largest magnitudes across the quad so that each lane makes one scale
// byte, hand the scales round, convert, transpose, store a whole block per lane. No LDS, no barrier.
#include "blocks.h"
#include "params.h"

static_assert(BLOCKS_PER_WORKGROUP == THREADS, "a lane stores one block");

KERNEL(THREADS) quantise_mxfp4(QuantiseMxfp4 p) {
  using Element = Fragment<TYPE>;
  const uint64_t stride = p.x_stride * sizeof(TYPE);
  const Blocks<Scales::SCALES> blocks(p.m, p.k, stride != p.k * sizeof(TYPE) || p.data_stride != p.k / 2);
  Quad quad = {};
  if (!blocks.empty()) {
    const auto offsets = offsets_of_quad(blocks, Element::BYTES, stride);
    Element x[4];
    for (int i = 0; i < 4; ++i) x[i] = Element::load(at(p.x, offsets.of[i]));
    quad = quantise<Rounding::ROUNDING>(x, p.amax_floor);
  }
  store_quad(blocks, quad, p.data, p.data_stride, p.scales);
}
