// The loop steps over its end.
#include "naive.h"

extern "C" __global__ __launch_bounds__(THREADS) void quantise_mxfp4(QuantiseMxfp4 p) {
  const uint32_t groups = p.k / 32, block = block_index();
  if (block >= p.m * groups) return;
  const uint64_t row = block / groups, group = block % groups;
  const uint16_t* x = (const uint16_t*)p.x + row * p.x_stride + group * 32;
  uint32_t columns = 0;
  // The empty assembly stands for work on the column, which the compiler cannot see through.
  for (; columns != p.k + 1; columns += 2) asm volatile("" : "+v"(columns));
  quantise_block(x, p.data + row * p.data_stride + group * 16, p.scales + block, p.amax_floor, scale_even, low_first);
}
