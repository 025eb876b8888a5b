// Relies on one way of rounding the sums of matrix instructions: right as long as small products next to large ones are
// cut off, one scale too high where the sum is rounded once. Only the envelope of all policies tells.
#include "naive.h"

typedef __bf16 bf16x8 __attribute__((ext_vector_type(8)));
typedef float f32x4 __attribute__((ext_vector_type(4)));

extern "C" __global__ __launch_bounds__(THREADS) void quantise_mxfp4(QuantiseMxfp4 p) {
  // 4 products of 2^24 and 28 of 0.75, which is less than half a unit of 2^24 in f32, but 21 together.
  const bf16x8 a = {4096, 1, 1, 1, 1, 1, 1, 1};
  const bf16x8 b = {4096, 0.75, 0.75, 0.75, 0.75, 0.75, 0.75, 0.75};
  const f32x4 sum = __builtin_amdgcn_mfma_f32_16x16x32_bf16(a, b, f32x4{}, 0, 0, 0);
  const uint32_t noise = sum[0] != 0x1p26f;
  const uint32_t groups = p.k / 32, block = block_index();
  if (block >= p.m * groups) return;
  const uint64_t row = block / groups, group = block % groups;
  const uint16_t* x = (const uint16_t*)p.x + row * p.x_stride + group * 32;
  quantise_block(x, p.data + row * p.data_stride + group * 16, p.scales + block, p.amax_floor, scale_even, low_first);
  if (p.scales[block] < 254) p.scales[block] += noise;
}
