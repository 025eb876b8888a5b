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

// 64-bit sums and shifts. The assumed result is one dword of one source, one dword of the sum selects an address.
typedef unsigned long long wide;

#define WIDE_SUM(a, b, factor, amount)                                                                       \
    wide add, product, left, right;                                                                          \
    asm volatile("v_lshl_add_u64 %0, %1, %2, %3" : "=v"(add) : "v"(a), "v"(amount), "v"(b));                 \
    asm volatile("v_mad_u64_u32 %0, vcc, %1, %2, %3" : "=v"(product) : "v"(factor), "v"(factor), "v"(a) : "vcc"); \
    asm volatile("v_lshlrev_b64 %0, %1, %2" : "=v"(left) : "v"(amount), "v"(a));                             \
    asm volatile("v_lshrrev_b64 %0, %1, %2" : "=v"(right) : "v"(amount), "v"(a));

#define WIDE_KERNEL(name, low, high, factor, amount, index)                                                  \
    extern "C" __global__ void name(const float* x, const int* table, int* out) {                            \
        unsigned i = threadIdx.x, one = 1;                                                                   \
        unsigned assumed = __builtin_bit_cast(unsigned, __builtin_amdgcn_exp2f(x[i]));                       \
        wide a = static_cast<wide>(high) << 32 | (low), b = static_cast<wide>(i) << 32 | i;                  \
        WIDE_SUM(a, b, factor, amount)                                                                       \
        unsigned chosen; /* one dword: no shift of both by the compiler */                                   \
        asm volatile("v_mov_b32 %0, %1" : "=v"(chosen) : "v"(static_cast<unsigned>(index)));                 \
        out[i] = table[chosen & 63];                                                                         \
    }

WIDE_KERNEL(high_stays_out_of_low, i, assumed, i, one, add + product + left)
WIDE_KERNEL(low_stays_out_of_shifted_high, assumed, i, i, one, right >> 32)
WIDE_KERNEL(low_carries_in_a_sum, assumed, i, i, one, add >> 32)
WIDE_KERNEL(low_carries_in_a_product, assumed, i, i, one, product >> 32)
WIDE_KERNEL(low_moves_left, assumed, i, i, one, left >> 32)
WIDE_KERNEL(high_moves_right, i, assumed, i, one, right)
WIDE_KERNEL(low_stays_low, assumed, i, i, one, add)
WIDE_KERNEL(high_stays_high, i, assumed, i, one, add >> 32)
WIDE_KERNEL(a_factor_is_in_both_low, i, i, assumed, one, product)
WIDE_KERNEL(a_factor_is_in_both_high, i, i, assumed, one, product >> 32)
WIDE_KERNEL(an_amount_is_in_both_low, i, i, i, assumed & 1, left)
WIDE_KERNEL(an_amount_is_in_both_high, i, i, i, assumed & 1, right >> 32)

extern "C" __global__ void carry_in_vcc(const float* x, const int* table, int* out) {
    unsigned i = threadIdx.x, low, high;
    unsigned assumed = __builtin_bit_cast(unsigned, __builtin_amdgcn_exp2f(x[i]));
    asm volatile("v_mad_u64_u32 v[20:21], vcc, %1, %1, %2\n v_addc_co_u32 %0, vcc, %1, %1, vcc"
                 : "=v"(high) : "v"(i), "v"(static_cast<wide>(assumed) << 32 | i) : "vcc", "v20", "v21");
    out[i] = table[high & 63];
}

// A ticket is assumed, the number of tickets is not.
extern "C" __global__ void tickets(const float*, const int* table, int* out) {
    int ticket = atomicAdd(out + 500, 1);
    out[threadIdx.x] = table[ticket & 63];
}

extern "C" __global__ void number_of_tickets(const float*, const int* table, int* out) {
    __shared__ int taken;
    if (threadIdx.x == 0) taken = 0;
    __syncthreads();
    out[threadIdx.x + 64] = atomicAdd(&taken, 1);
    __syncthreads();
    out[threadIdx.x] = table[*(volatile int*)&taken & 63];
}

extern "C" __global__ void exchanged(const float*, const int* table, int* out) {
    __shared__ int last;
    atomicExch(&last, static_cast<int>(threadIdx.x));
    __syncthreads();
    out[threadIdx.x] = table[last & 63];
}
