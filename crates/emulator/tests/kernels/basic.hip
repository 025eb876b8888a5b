// Kernels of the engine's own tests: one language feature each.
#include <hip/hip_runtime.h>

extern "C" __global__ void vector_add(const float* a, const float* b, float* c, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) c[i] = a[i] + b[i];
}

extern "C" __global__ void reduce(const int* input, int* sums) {
    __shared__ int tile[256];
    int t = threadIdx.x;
    tile[t] = input[blockIdx.x * 256 + t];
    __syncthreads();
    for (int half = 128; half > 0; half /= 2) {
        if (t < half) tile[t] += tile[t + half];
        __syncthreads();
    }
    if (t == 0) sums[blockIdx.x] = tile[0];
}

extern "C" __global__ void collatz(const unsigned* start, unsigned* steps, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    unsigned x = start[i], count = 0;
    while (x > 1) {
        if (x & 1) x = 3 * x + 1; else x >>= 1;
        ++count;
    }
    steps[i] = count;
}

extern "C" __global__ void histogram(const unsigned char* data, unsigned* bins, int n) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) atomicAdd(&bins[data[i]], 1u);
}

extern "C" __global__ void transpose(const int* source, int* target, int rows, int columns) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x < columns && y < rows) target[x * rows + y] = source[y * columns + x];
}

extern "C" __global__ void scratch_array(const int* order, int* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    volatile int local[33];
    for (int k = 0; k < 33; ++k) local[k] = k * i;
    if (i < n) out[i] = local[order[i] % 33] + local[(order[i] + 7) % 33];
}

__device__ __attribute__((noinline)) int polynomial(int x, int depth) {
    return depth == 0 ? x : x * polynomial(x + 1, depth - 1) + depth;
}

extern "C" __global__ void recursion(int* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = polynomial(i, i % 5);
}

__device__ int table[64] = {7, 5, 3};
__device__ unsigned counter;

extern "C" __global__ void globals(int* out) {
    out[threadIdx.x] = table[threadIdx.x];
    atomicAdd(&counter, 2u);
}

extern "C" __global__ void dynamic_lds(int* out) {
    extern __shared__ int tile[];
    tile[threadIdx.x] = threadIdx.x * 3;
    __syncthreads();
    out[threadIdx.x] = tile[blockDim.x - 1 - threadIdx.x];
}

extern "C" __global__ void endless(volatile int* flag) {
    while (*flag == 0) {}
}

extern "C" __global__ void skipped_barrier(int* out) {
    if (threadIdx.x < 64) __builtin_amdgcn_s_barrier();
    out[threadIdx.x] = 1;
}

extern "C" __global__ void split_barrier(int* out) {
    if (threadIdx.x < 64) {
        out[threadIdx.x] = 1;
        __builtin_amdgcn_s_barrier();
    } else {
        out[threadIdx.x] = 2;
        __builtin_amdgcn_s_barrier();
        out[threadIdx.x] += 2;
    }
}

extern "C" __global__ void illegal(int* out) {
    out[threadIdx.x] = 1;
    asm volatile(".long 0xbfff0000");
}

extern "C" __global__ void trapped(int* out) {
    if (out[threadIdx.x] == 0) __builtin_trap();
}
