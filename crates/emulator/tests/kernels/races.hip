// Kernels that keep or break the order of accesses to LDS and of loads. Blocks of 128: two waves.

#include <hip/hip_runtime.h>

#define KERNEL extern "C" __global__ void __launch_bounds__(128)

// LDS that the compiler accesses by DS instructions; it uses FLAT ones for a plain `volatile`.
typedef __attribute__((address_space(3))) volatile int Local;
typedef __attribute__((address_space(3))) volatile unsigned char LocalByte;

#define LOCAL(name, count) \
    __shared__ int name##_storage[count]; \
    Local *name = (Local *)name##_storage

__device__ unsigned shared_address(Local *pointer) { return (unsigned)(unsigned long long)pointer; }

KERNEL ordered(int *out) {
    LOCAL(words, 128);
    unsigned t = threadIdx.x;
    words[t] = t;
    __syncthreads();
    int read = words[127 - t];
    __syncthreads();
    words[t] = read;
    __syncthreads();
    out[t] = words[127 - t];
}

KERNEL read_after_write(int *out) {
    LOCAL(words, 128);
    unsigned t = threadIdx.x;
    words[t] = t;
    out[t] = words[127 - t];
}

KERNEL write_after_read(int *out) {
    LOCAL(words, 128);
    unsigned t = threadIdx.x;
    words[t] = t;
    __syncthreads();
    int read = words[127 - t];
    words[t] = read + 1;
    out[t] = read;
}

KERNEL write_after_write(int *out) {
    LOCAL(words, 64);
    unsigned t = threadIdx.x;
    words[t % 64] = t;
    __syncthreads();
    out[t] = words[t % 64];
}

KERNEL through_flat(int *out) {
    __shared__ volatile int words[128];
    unsigned t = threadIdx.x;
    words[t] = t;
    out[t] = words[127 - t];
}

// Two waves write the bytes of one dword, and count in one: neither needs an order.
KERNEL bytes_and_atomics(int *out) {
    __shared__ unsigned char storage[128];
    LocalByte *bytes = (LocalByte *)storage;
    __shared__ int sum;
    unsigned t = threadIdx.x;
    bytes[t % 64 * 2 + t / 64] = t;
    if (t == 0) sum = 0;
    __syncthreads();
    atomicAdd(&sum, (int)bytes[127 - t]);
    __syncthreads();
    out[t] = sum;
}

// The write to LDS is not waited for before the barrier.
KERNEL unwaited(int *out) {
    LOCAL(words, 128);
    unsigned t = threadIdx.x, own = shared_address(&words[t]), other = shared_address(&words[127 - t]), read;
    asm volatile("ds_write_b32 %1, %3\n"
                 "s_barrier\n"
                 "ds_read_b32 %0, %2\n"
                 "s_waitcnt lgkmcnt(0)"
                 : "=v"(read) : "v"(own), "v"(other), "v"(t) : "memory");
    out[t] = read;
}

// A load to LDS; with `wait` its own wave waits for it.
template <bool wait> __device__ void arrive(int *out, const int *in) {
    LOCAL(words, 128);
    unsigned t = threadIdx.x, own = shared_address(&words[t]), read;
    unsigned base = __builtin_amdgcn_readfirstlane(own);
    asm volatile("s_mov_b32 m0, %0\ns_nop 4\nglobal_load_lds_dword %1, off"
                 :: "s"(base), "v"(in + t) : "memory");
    if (wait) asm volatile("s_waitcnt vmcnt(0)" ::: "memory");
    asm volatile("ds_read_b32 %0, %1\ns_waitcnt lgkmcnt(0)" : "=v"(read) : "v"(own) : "memory");
    out[t] = read;
}

KERNEL early_lds(int *out, const int *in) { arrive<false>(out, in); }
KERNEL waited_lds(int *out, const int *in) { arrive<true>(out, in); }

KERNEL early_read(int *out, const int *in) {
    int loaded, read;
    asm volatile("global_load_dword %0, %2, off\n"
                 "v_mov_b32 %1, %0\n"
                 "s_waitcnt vmcnt(0)"
                 : "=&v"(loaded), "=&v"(read) : "v"(in + threadIdx.x) : "memory");
    out[threadIdx.x] = loaded + read;
}

KERNEL early_write(int *out, const int *in) {
    int loaded;
    asm volatile("global_load_dword %0, %1, off\n"
                 "v_mov_b32 %0, 7\n"
                 "s_waitcnt vmcnt(0)"
                 : "=&v"(loaded) : "v"(in + threadIdx.x) : "memory");
    out[threadIdx.x] = loaded;
}

// Two loads under way, in order: vmcnt(1) proves the first. The second has the first one's address registers.
KERNEL counted(int *out, const int *in) {
    int first, second;
    asm volatile("global_load_dword %0, %2, off\n"
                 "global_load_dword %1, %2, off offset:4\n"
                 "s_waitcnt vmcnt(1)\n"
                 "v_add_u32 %0, 1, %0\n"
                 "s_waitcnt vmcnt(0)"
                 : "=&v"(first), "=&v"(second) : "v"(in + threadIdx.x) : "memory");
    out[threadIdx.x] = first + second;
}
