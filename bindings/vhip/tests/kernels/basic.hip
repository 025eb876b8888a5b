// Kernels of the tests: one purpose each, unmangled names.
#include <hip/hip_runtime.h>
#include <hip/hip_cooperative_groups.h>

// c[i] = a[i] + b[i] for i < n.
extern "C" __global__ void vadd(const float* a, const float* b, float* c, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) c[i] = a[i] + b[i];
}

// data[i] *= factor for i < n.
extern "C" __global__ void scale(float* data, float factor, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) data[i] *= factor;
}

// Arguments of every size, with gaps between them.
extern "C" __global__ void mixed(char a, double b, short c, long d, float e, double* out) {
  out[0] = a + b + c + d + e;
}

// One store, anywhere.
extern "C" __global__ void store_at(int* base, long index, int value) { base[index] = value; }

// Every workgroup reads what the next one wrote before the grid's barrier, many times.
extern "C" __global__ void rotate(unsigned* data, int rounds) {
  cooperative_groups::grid_group grid = cooperative_groups::this_grid();
  unsigned n = grid.num_threads(), self = grid.thread_rank();
  for (int round = 0; round < rounds; ++round) {
    unsigned value = data[(self + blockDim.x) % n];
    grid.sync();
    data[self] = value + 1;
    grid.sync();
  }
}

// Ends when the flag is set.
extern "C" __global__ void spin(int* flag) {
  while (*(volatile int*)flag == 0) {
  }
}

// Only the first wave reaches the barrier.
extern "C" __global__ void diverge(int* out) {
  if (threadIdx.x < 64) {
    __builtin_amdgcn_s_barrier();
    out[threadIdx.x] = 1;
  }
}

// The order in which waves take a ticket.
extern "C" __global__ void tickets(unsigned* counter, unsigned* out) {
  if (threadIdx.x % 64 == 0) {
    unsigned wave = (blockIdx.x * blockDim.x + threadIdx.x) / 64;
    out[wave] = atomicAdd(counter, 1u);
  }
}

// Uses a loaded value before it has arrived: there is no s_waitcnt between load and use.
extern "C" __global__ void missing_wait(const int* in, int* out) {
  int value = -1;
  const int* at = in + threadIdx.x;
  asm volatile("global_load_dword %0, %1, off\n\tv_add_u32 %0, 1, %0" : "+v"(value) : "v"(at));
  out[threadIdx.x] = value;
}

// The same with the wait.
extern "C" __global__ void waited(const int* in, int* out) {
  int value = -1;
  const int* at = in + threadIdx.x;
  asm volatile("global_load_dword %0, %1, off\n\ts_waitcnt vmcnt(0)\n\tv_add_u32 %0, 1, %0"
               : "+v"(value)
               : "v"(at));
  out[threadIdx.x] = value;
}

// Dwords at odd addresses.
typedef unsigned __attribute__((aligned(1))) unaligned_unsigned;
extern "C" __global__ void unaligned(const char* in, unsigned* out) {
  out[threadIdx.x] = *(const unaligned_unsigned*)(in + 1 + 4 * threadIdx.x);
}

__device__ int table[4] = {2, 3, 5, 7};
extern "C" __global__ void read_table(int* out) { out[threadIdx.x] = table[threadIdx.x]; }

// Sum of a workgroup's values through dynamic LDS.
extern "C" __global__ void lds_sum(const int* in, int* out) {
  extern __shared__ int values[];
  values[threadIdx.x] = in[threadIdx.x];
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) values[threadIdx.x] += values[threadIdx.x + half];
  }
  __syncthreads();
  if (threadIdx.x == 0) out[0] = values[0];
}

// At most 64 work-items, 8 KiB of LDS.
extern "C" __global__ void __launch_bounds__(64) bounded(int* out) {
  __shared__ int values[2048];
  for (int i = threadIdx.x; i < 2048; i += 64) values[i] = i;
  __syncthreads();
  out[threadIdx.x] = values[2047 - threadIdx.x];
}

// No arguments.
extern "C" __global__ void nothing() {}

// One matrix product whose sums are 1 + 31 * 2^-25: exact, or 1 when each addition rounds.
typedef __bf16 bf16x8 __attribute__((ext_vector_type(8)));
typedef float f32x4 __attribute__((ext_vector_type(4)));
extern "C" __global__ void mfma_sum(float* out) {
  bf16x8 a, b;
  for (int k = 0; k < 8; ++k) {
    a[k] = (__bf16)1.0f;
    b[k] = (__bf16)(k == 0 && threadIdx.x < 16 ? 1.0f : 0x1p-25f);
  }
  f32x4 sum = __builtin_amdgcn_mfma_f32_16x16x32_bf16(a, b, f32x4{0, 0, 0, 0}, 0, 0, 0);
  out[threadIdx.x] = sum[0];
}
