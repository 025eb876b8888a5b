// A plain MXFP4 quantiser, one block per lane, and the places where its variants go wrong.
#pragma once
#include <hip/hip_runtime.h>

#include "params.h"

// The scale byte of a block with this largest magnitude, rounding mode "even": steps at 7/4 of a power of two.
__device__ inline uint32_t scale_even(uint32_t amax_bits) {
  if (amax_bits >= 0x7f800000) return 255;
  const uint32_t exponent = (amax_bits + 0x200000) >> 23;
  return exponent > 2 ? exponent - 2 : 0;
}

// The E2M1 code nearest to x, ties to even.
__device__ inline uint32_t encode(float x) {
  const float a = fabsf(x);
  const uint32_t sign = __float_as_uint(x) >> 28 & 8;
  const uint32_t code = (a > 0.25f) + (a >= 0.75f) + (a > 1.25f) + (a >= 1.75f) + (a > 2.5f) + (a >= 3.5f) + (a > 5.0f);
  return sign | code;
}

// Quantises one block of 32 bf16 at x to 16 bytes at data; `scale` and `pack` are what variants change.
template <typename Scale, typename Pack>
__device__ inline void quantise_block(const uint16_t* x, uint8_t* data, uint8_t* scales, float floor, Scale scale, Pack pack) {
  uint32_t amax = __float_as_uint(floor);
  for (int i = 0; i < 32; ++i) amax = max(amax, (uint32_t)x[i] << 16 & 0x7fffffff);
  const uint32_t byte = scale(amax);
  for (int i = 0; i < 32; i += 2) {
    const float low = ldexpf(__uint_as_float((uint32_t)x[i] << 16), 127 - (int)byte);
    const float high = ldexpf(__uint_as_float((uint32_t)x[i + 1] << 16), 127 - (int)byte);
    data[i / 2] = pack(encode(low), encode(high));
  }
  *scales = byte;
}

__device__ inline uint8_t low_first(uint32_t low, uint32_t high) { return low | high << 4; }

// This lane's block.
__device__ inline uint32_t block_index() { return blockIdx.x * THREADS + threadIdx.x; }
