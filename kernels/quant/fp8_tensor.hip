// A tensor to E4M3 with one f32 scale, made from the magnitude that tensor_amax.hip found.
#include "params.h"
#include "tensor.h"

static_assert(ELEMENTS_PER_WORKGROUP == 32 * THREADS, "a lane takes 32 elements");

KERNEL(THREADS) quantise_fp8(QuantiseFp8 p) {
  const uint64_t stride = p.x_stride * sizeof(TYPE);
  const RowMajor blocks(p.m, p.k, stride != p.k * sizeof(TYPE) || p.data_stride != p.k);
  if (blocks.empty()) return;
  const auto share = Share::read(blocks, p.x, stride);
  const auto scale = Fp8Scale::of(load<uint32_t>(p.amax), p.amax_floor);
  if (workgroup() == 0 && thread() == 0) store(p.scales, scale.value);

  const bool special = any(!scale.is_plain());
  Fp8Scale scales[CHUNKS];
  for (auto& same : scales) same = scale;
  for (int s = 0; s < STRIPS; ++s) {
    const u32x4 codes = share.strips[s].encode(scales, special);
    const uint32_t mine = Strip<TYPE>::own(), c = s * CHUNKS + mine, i = c / PARTS;
    const uint32_t element = c % PARTS * 16 + (lane() % 4 - mine) * Chunk<TYPE>::ELEMENTS;
    if (blocks.holds(i)) store(at(p.data, blocks.offsets({i}, BLOCK, p.data_stride).of[0] + element), codes);
  }
}
