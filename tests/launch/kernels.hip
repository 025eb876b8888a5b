// Kernels to launch by `mi355x run`: one for each way of passing arguments, and two with matrix instructions.
#include <hip/hip_runtime.h>

// y[i] = factor * x[i]; a branch, so that there are several basic blocks.
extern "C" __global__ void scale(const float* x, float* y, float factor, unsigned count) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) y[i] = factor * x[i];
}

struct Params {
    const unsigned* x;
    unsigned* y;
    unsigned add;
    unsigned pad;
};

// The same with one struct by value, and with all three dimensions of grid and block.
extern "C" __global__ void add(Params p) {
    const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    const unsigned i = block * blockDim.x * blockDim.y * blockDim.z + thread;
    p.y[i] = p.x[i] + p.add;
}

// y[i] = table[2^x[i]]: an approximated exponential selects an address.
extern "C" __global__ void look_up(const float* x, const float* table, float* y) {
    y[threadIdx.x] = table[static_cast<unsigned>(__builtin_amdgcn_exp2f(x[threadIdx.x])) % 64];
}

// Reverses a workgroup's elements through dynamic LDS.
extern "C" __global__ void reverse(const unsigned short* x, unsigned short* y) {
    extern __shared__ unsigned short lds[];
    lds[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = lds[blockDim.x - 1 - threadIdx.x];
}

typedef float f32x4 __attribute__((ext_vector_type(4)));
typedef __bf16 bf16x8 __attribute__((ext_vector_type(8)));
typedef int i32x4 __attribute__((ext_vector_type(4)));
typedef int i32x8 __attribute__((ext_vector_type(8)));

// One wave: the sum of `steps` products of 16x32 by 32x16 fragments, each fragment 8 elements per lane.
extern "C" __global__ void __launch_bounds__(64) matmul_bf16(const bf16x8* a, const bf16x8* b, f32x4* c, int steps) {
    f32x4 sum = {0, 0, 0, 0};
    for (int k = 0; k < steps; ++k)
        sum = __builtin_amdgcn_mfma_f32_16x16x32_bf16(
            a[64 * k + threadIdx.x], b[64 * k + threadIdx.x], sum, 0, 0, 0);
    c[threadIdx.x] = sum;
}

// One wave: the sum of `steps` products of 16x128 by 128x16 MXFP4 fragments, each 32 elements and one scale per lane.
extern "C" __global__ void __launch_bounds__(64) matmul_mxfp4(
    const i32x4* a, const i32x4* b, const unsigned char* a_scales, const unsigned char* b_scales, f32x4* c, int steps) {
    f32x4 sum = {0, 0, 0, 0};
    for (int k = 0; k < steps; ++k) {
        const int i = 64 * k + threadIdx.x;
        const i32x8 x = {a[i].x, a[i].y, a[i].z, a[i].w, 0, 0, 0, 0};
        const i32x8 y = {b[i].x, b[i].y, b[i].z, b[i].w, 0, 0, 0, 0};
        sum = __builtin_amdgcn_mfma_scale_f32_16x16x128_f8f6f4(
            x, y, sum, 4, 4, 0, a_scales[i], 0, b_scales[i]);
    }
    c[threadIdx.x] = sum;
}

// A function that stays one: the kernel below calls it.
__device__ __attribute__((noinline)) f32x4 multiply(bf16x8 a, bf16x8 b, f32x4 c) {
    return __builtin_amdgcn_mfma_f32_16x16x32_bf16(a, b, c, 0, 0, 0);
}

// The matrix instruction lies in the function.
extern "C" __global__ void __launch_bounds__(64) calls(const bf16x8* a, f32x4* c) {
    c[threadIdx.x] = multiply(a[threadIdx.x], a[threadIdx.x], c[threadIdx.x]);
}
