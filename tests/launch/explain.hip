// Kernels with one property each, for `mi355x explain`.
#include <hip/hip_runtime.h>

// Reads and writes every byte once: bound by memory.
extern "C" __global__ void copy(const float4* x, float4* y, unsigned each) {
    const size_t first = size_t(blockIdx.x) * each * blockDim.x + threadIdx.x;
    for (unsigned i = 0; i < each; ++i) y[first + i * blockDim.x] = x[first + i * blockDim.x];
}

// Each wave reads 64 rows of LDS by columns. With rows of 64 dwords all lanes aim at one bank; PITCH 65 has no conflict.
template <int PITCH>
__device__ void columns(float* y, unsigned rounds) {
    __shared__ float lds[64 * PITCH];
    for (unsigned i = threadIdx.x; i < 64 * PITCH; i += 64) lds[i] = i;
    __syncthreads();
    float sum = 0;
    for (unsigned i = 0; i < rounds; ++i) sum += lds[threadIdx.x * PITCH + (i & 63)];  // the column
    y[blockIdx.x * 64 + threadIdx.x] = sum;
}

extern "C" __global__ void __launch_bounds__(64) column_of_one_bank(float* y, unsigned rounds) { columns<64>(y, rounds); }
extern "C" __global__ void __launch_bounds__(64) column_of_all_banks(float* y, unsigned rounds) { columns<65>(y, rounds); }
