// A load's result is used without waiting for it: right whenever memory happens to be fast enough.
#include "naive.h"

extern "C" __global__ __launch_bounds__(THREADS) void quantise_mxfp4(QuantiseMxfp4 p) {
  const uint32_t groups = p.k / 32, block = block_index();
  if (block >= p.m * groups) return;
  const uint64_t row = block / groups, group = block % groups;
  const uint16_t* x = (const uint16_t*)p.x + row * p.x_stride + group * 32;
  uint32_t pair, magnitude;
  // The second element's magnitude as a first amax; no s_waitcnt between load and use.
  asm volatile(
      "global_load_dword %0, %2, off\n\t"
      "v_and_b32 %1, 0x7fff0000, %0\n\t"
      "s_waitcnt vmcnt(0)"
      : "=&v"(pair), "=&v"(magnitude)
      : "v"(x));
  quantise_block(x, p.data + row * p.data_stride + group * 16, p.scales + block,
                 __uint_as_float(max(magnitude, __float_as_uint(p.amax_floor))), scale_even, low_first);
}
