// The smallest code object that has everything a loader reads: kernels with arguments, a device variable, and a
// table of addresses, which needs relocations.
#include <hip/hip_runtime.h>

__device__ int offset = 7;
__device__ int values[4] = {1, 2, 3, 4};
__device__ int* const table[2] = {&offset, values};

extern "C" __global__ void pick(int* out, int which) { out[threadIdx.x] = *table[which] + offset; }

extern "C" __global__ void scale(float* out, float factor) { out[threadIdx.x] *= factor; }
