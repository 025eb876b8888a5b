// The scale is rounded down where the instance promises "even".
#include "naive.h"

__device__ inline uint32_t scale_down(uint32_t amax_bits) {
  if (amax_bits >= 0x7f800000) return 255;
  const uint32_t exponent = amax_bits >> 23;
  return exponent > 2 ? exponent - 2 : 0;
}

extern "C" __global__ __launch_bounds__(THREADS) void quantise_mxfp4(QuantiseMxfp4 p) {
  const uint32_t groups = p.k / 32, block = block_index();
  if (block >= p.m * groups) return;
  const uint64_t row = block / groups, group = block % groups;
  const uint16_t* x = (const uint16_t*)p.x + row * p.x_stride + group * 32;
  quantise_block(x, p.data + row * p.data_stride + group * 16, p.scales + block, p.amax_floor, scale_down, low_first);
}
