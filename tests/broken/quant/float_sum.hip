// Workgroups add to one float in the order in which they happen to run: 2^25, 1 and -2^25 by turns. In order nothing is
// left of the ones, which 2^25 swallows; in another order some are, and go into the first scale.
#include "naive.h"

__device__ float sum;
__device__ uint32_t arrived;

extern "C" __global__ __launch_bounds__(THREADS) void quantise_mxfp4(QuantiseMxfp4 p) {
  const uint32_t groups = p.k / 32, block = block_index();
  if (block < p.m * groups) {
    const uint64_t row = block / groups, group = block % groups;
    const uint16_t* x = (const uint16_t*)p.x + row * p.x_stride + group * 32;
    quantise_block(x, p.data + row * p.data_stride + group * 16, p.scales + block, p.amax_floor, scale_even, low_first);
  }
  if (threadIdx.x != 0) return;
  const float terms[3] = {0x1p25f, 1.0f, -0x1p25f};
  unsafeAtomicAdd(&sum, terms[blockIdx.x % 3]);
  __threadfence();
  if (atomicAdd(&arrived, 1u) != gridDim.x - 1) return;
  // The last one has everybody's term, and leaves the variables as it found them.
  const uint32_t left = (uint32_t)fabsf(sum) & 7;
  if (p.scales[0] < 240) p.scales[0] += left;
  sum = 0;
  arrived = 0;
}
