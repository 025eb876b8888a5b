// Loops of one kind of instruction each, for the throughput benchmark: 16 (matrix: 8) of them an iteration.
#include <hip/hip_runtime.h>

typedef float f32x4 __attribute__((ext_vector_type(4)));
typedef int i32x4 __attribute__((ext_vector_type(4)));
typedef int i32x8 __attribute__((ext_vector_type(8)));

#define FOUR(x) x x x x
#define SIXTEEN(x) FOUR(x) FOUR(x) FOUR(x) FOUR(x)

extern "C" __global__ void valu_f32(int n, float* out) {
    float a = threadIdx.x, b = 0.5f, c = 1.0f;
    for (int i = 0; i < n; ++i) asm volatile(SIXTEEN("v_fma_f32 %0, %1, %2, %0\n") : "+v"(a) : "v"(b), "v"(c));
    out[threadIdx.x] = a;
}

extern "C" __global__ void valu_i32(int n, int* out) {
    int a = threadIdx.x, b = 3;
    for (int i = 0; i < n; ++i) asm volatile(SIXTEEN("v_add_u32 %0, %1, %0\n") : "+v"(a) : "v"(b));
    out[threadIdx.x] = a;
}

extern "C" __global__ void valu_half_exec(int n, float* out) {
    float a = threadIdx.x, b = 0.5f, c = 1.0f;
    if (threadIdx.x & 1) {
        for (int i = 0; i < n; ++i) asm volatile(SIXTEEN("v_fma_f32 %0, %1, %2, %0\n") : "+v"(a) : "v"(b), "v"(c));
    }
    out[threadIdx.x] = a;
}

extern "C" __global__ void valu_dpp(int n, float* out) {
    float a = threadIdx.x, b = 0.5f;
    for (int i = 0; i < n; ++i)
        asm volatile(SIXTEEN("v_mul_f32_dpp %0, %1, %1 row_newbcast:3 row_mask:0xf bank_mask:0xf\n") : "+v"(a) : "v"(b));
    out[threadIdx.x] = a;
}

extern "C" __global__ void valu_exp(int n, float* out) {
    float a = threadIdx.x;
    for (int i = 0; i < n; ++i) asm volatile(SIXTEEN("v_exp_f32 %0, %0\n") : "+v"(a));
    out[threadIdx.x] = a;
}

extern "C" __global__ void valu_fp4(int n, float* out) {
    float a = 0, b = threadIdx.x, c = 1.0f;
    for (int i = 0; i < n; ++i)
        asm volatile(SIXTEEN("v_cvt_scalef32_pk_fp4_f32 %0, %1, %1, %2\n") : "+v"(a) : "v"(b), "v"(c));
    out[threadIdx.x] = a;
}

extern "C" __global__ void salu(int n, int* out) {
    int a = n, b = 3;
    for (int i = 0; i < n; ++i) asm volatile(SIXTEEN("s_add_u32 %0, %0, %1\n") : "+s"(a) : "s"(b) : "scc");
    out[threadIdx.x] = a;
}

extern "C" __global__ void lds_read(int n, float* out) {
    __shared__ i32x4 tile[256];
    tile[threadIdx.x & 255] = i32x4{1, 2, 3, 4};
    __syncthreads();
    i32x4 a;
    unsigned at = 16 * threadIdx.x;
    for (int i = 0; i < n; ++i)
        asm volatile(SIXTEEN("ds_read_b128 %0, %1\n") "s_waitcnt lgkmcnt(0)\n" : "=v"(a) : "v"(at) : "memory");
    out[threadIdx.x] = a.x + tile[threadIdx.x & 255].y;
}

extern "C" __global__ void lds_write(int n, float* out) {
    __shared__ i32x4 tile[256];
    i32x4 a = {1, 2, 3, 4};
    unsigned at = 16 * threadIdx.x;
    tile[threadIdx.x & 255] = a;
    for (int i = 0; i < n; ++i)
        asm volatile(SIXTEEN("ds_write_b128 %0, %1\n") "s_waitcnt lgkmcnt(0)\n" : : "v"(at), "v"(a) : "memory");
    out[threadIdx.x] = tile[threadIdx.x & 255].x;
}

extern "C" __global__ void global_load(int n, i32x4* out) {
    i32x4 a;
    i32x4* at = out + threadIdx.x;
    for (int i = 0; i < n; ++i)
        asm volatile(SIXTEEN("global_load_dwordx4 %0, %1, off\n") "s_waitcnt vmcnt(0)\n" : "=v"(a) : "v"(at) : "memory");
    out[threadIdx.x] = a;
}

extern "C" __global__ void mfma_fp4(int n, f32x4* out) {
    i32x4 a = {0x12345678, 0x34567812, 0x56781234, 0x78123456}, b = a * (int)threadIdx.x;
    f32x4 c = {};
    int scale = 0x7f7f7f7f;
    for (int i = 0; i < n; ++i)
        asm volatile(FOUR("v_mfma_scale_f32_16x16x128_f8f6f4 %0, %1, %2, %0, %3, %3 op_sel_hi:[0,0,0] cbsz:4 blgp:4\n")
                     FOUR("v_mfma_scale_f32_16x16x128_f8f6f4 %0, %2, %1, %0, %3, %3 op_sel_hi:[0,0,0] cbsz:4 blgp:4\n")
                     : "+v"(c) : "v"(a), "v"(b), "v"(scale));
    asm volatile("s_nop 15\ns_nop 15");
    out[threadIdx.x] = c;
}

extern "C" __global__ void mfma_fp8_scaled(int n, f32x4* out) {
    i32x8 a = {0x12345678, 0x34567812, 0x16781234, 0x38123456, 1, 2, 3, 4};
    i32x8 b = a & (0x3f3f3f00 | (int)threadIdx.x);
    f32x4 c = {};
    int scale = 0x7f7f7f7f;
    for (int i = 0; i < n; ++i)
        asm volatile(FOUR("v_mfma_scale_f32_16x16x128_f8f6f4 %0, %1, %2, %0, %3, %3 op_sel_hi:[0,0,0]\n")
                     FOUR("v_mfma_scale_f32_16x16x128_f8f6f4 %0, %2, %1, %0, %3, %3 op_sel_hi:[0,0,0]\n")
                     : "+v"(c) : "v"(a), "v"(b), "v"(scale));
    asm volatile("s_nop 15\ns_nop 15");
    out[threadIdx.x] = c;
}

extern "C" __global__ void mfma_fp8(int n, f32x4* out) {
    long a = 0x1234567812345678, b = a & (0x3f3f3f3f3f3f3f00 | threadIdx.x);
    f32x4 c = {};
    for (int i = 0; i < n; ++i)
        asm volatile(FOUR("v_mfma_f32_16x16x32_fp8_fp8 %0, %1, %2, %0\n") FOUR("v_mfma_f32_16x16x32_fp8_fp8 %0, %2, %1, %0\n")
                     : "+v"(c) : "v"(a), "v"(b));
    asm volatile("s_nop 15\ns_nop 15");
    out[threadIdx.x] = c;
}

extern "C" __global__ void mfma_bf16(int n, f32x4* out) {
    i32x4 a = {0x3f803f00, 0x3f003f80, 0x3e803f80, 0x3f803f80}, b = a;
    f32x4 c = {};
    for (int i = 0; i < n; ++i)
        asm volatile(FOUR("v_mfma_f32_16x16x32_bf16 %0, %1, %2, %0\n") FOUR("v_mfma_f32_16x16x32_bf16 %0, %2, %1, %0\n")
                     : "+v"(c) : "v"(a), "v"(b));
    asm volatile("s_nop 15\ns_nop 15");
    out[threadIdx.x] = c;
}
