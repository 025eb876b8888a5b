// Kernels whose assumed results go to different places.
#include <hip/hip_runtime.h>

extern "C" __global__ void to_address(const float* x, const int* table, int* out) {
    int i = threadIdx.x;
    out[i] = table[static_cast<int>(__builtin_amdgcn_exp2f(x[i])) & 63];
}

extern "C" __global__ void to_branch(const float* x, const int* table, int* out) {
    int i = threadIdx.x;
    if (__builtin_amdgcn_exp2f(x[i]) > 4.0f) {
        out[i] = table[i] * 3;
        __threadfence();
        out[i + 64] = table[63 - i];
    }
}

extern "C" __global__ void to_output(const float* x, const int*, float* out) {
    int i = threadIdx.x;
    out[i] = __builtin_amdgcn_exp2f(x[i]) + 1.0f;
}

extern "C" __global__ void integers(const int* x, const int* table, int* out) {
    int i = threadIdx.x;
    int sum = 0;
    for (int k = 0; k < (x[i] & 7); ++k) sum += table[(sum + k) & 63];
    out[i] = sum;
}

extern "C" __global__ void through_lds(const float* x, const int* table, int* out) {
    __shared__ volatile float shared[64];
    int i = threadIdx.x;
    shared[63 - i] = __builtin_amdgcn_exp2f(x[i]);
    __syncthreads();
    out[i] = table[static_cast<int>(shared[i]) & 63];
}

extern "C" __global__ void overwritten_in_lds(const float* x, const int* table, int* out) {
    __shared__ volatile int shared[64];
    int i = threadIdx.x;
    shared[i] = __builtin_bit_cast(int, __builtin_amdgcn_exp2f(x[i]));
    __syncthreads();
    shared[63 - i] = i;
    __syncthreads();
    out[i] = table[shared[i] & 63];
}

extern "C" __global__ void through_memory(const float* x, const int* table, volatile int* out) {
    int i = threadIdx.x;
    out[i] = static_cast<int>(__builtin_amdgcn_exp2f(x[i]));
    out[i + 64] = table[out[i] & 63];
}

extern "C" __global__ void unordered_sum(const float* x, const int*, float* out) {
    __builtin_amdgcn_global_atomic_fadd_f32((__attribute__((address_space(1))) float*)out, x[threadIdx.x]);
}

typedef _Float16 half8 __attribute__((ext_vector_type(8)));
typedef float float4v __attribute__((ext_vector_type(4)));
typedef int int4v __attribute__((ext_vector_type(4)));

extern "C" __global__ void matrix(const half8* a, const half8* b, float4v* out) {
    int i = threadIdx.x;
    out[i] = __builtin_amdgcn_mfma_f32_16x16x32_f16(a[i], b[i], float4v{}, 0, 0, 0);
}

extern "C" __global__ void integer_matrix(const int4v* a, const int4v* b, int4v* out) {
    int i = threadIdx.x;
    out[i] = __builtin_amdgcn_mfma_i32_16x16x64_i8(a[i], b[i], int4v{}, 0, 0, 0);
}
