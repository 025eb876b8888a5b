// Operations whose result C++ defines, compiled twice: for gfx950 by hipcc, for the host by clang. Each entry of OPS
// is a kernel of its name; the host program applies the same expression. A value of an argument list stands in 64
// bits, of which a type takes its low ones; results are stored with one NaN for all NaNs. An EXCHANGE passes data
// between lanes or through memory: the second argument is what lane i (t of its wave) does with x, its first value, the
// third what the host does for each i in turn. Outputs start as zeros.
#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __HIP__
#include <hip/hip_runtime.h>
#define FN __device__ static inline
#else
#include <stdio.h>
#include <stdlib.h>
#define FN static inline
#endif
#pragma clang fp contract(off)

typedef _Float16 f16;

template <typename T> FN T get(uint64_t bits) {
    T value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

template <typename T> FN uint64_t put(T value) {
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof value);
    return bits;
}
FN uint64_t put(float value) { return value != value ? 0x7fc00000u : put<float>(value); }
FN uint64_t put(double value) { return value != value ? 0x7ff8000000000000ull : put<double>(value); }
FN uint64_t put(f16 value) { return value != value ? 0x7e00u : put<f16>(value); }

// Conversions to integers are undefined outside the range in C++; inside, both compilers must truncate.
FN int to_int(double x) { return x > -2147483648.0 && x < 2147483648.0 ? (int)x : 0; }
FN unsigned to_unsigned(double x) { return x > -1.0 && x < 4294967296.0 ? (unsigned)x : 0; }
FN long long to_long(double x) { return x > -9.2e18 && x < 9.2e18 ? (long long)x : 0; }
FN unsigned long long to_ulong(double x) { return x > -1.0 && x < 1.8e19 ? (unsigned long long)x : 0; }
FN int leading(unsigned x) { return x ? __builtin_clz(x) : 32; }
FN int leading(unsigned long long x) { return x ? __builtin_clzll(x) : 64; }
FN int trailing(unsigned x) { return x ? __builtin_ctz(x) : 32; }
FN int trailing(unsigned long long x) { return x ? __builtin_ctzll(x) : 64; }
FN long long divide(long long a, long long b) { return b == 0 || b == -1 ? a : a / b; }
FN long long rest(long long a, long long b) { return b == 0 || b == -1 ? a : a % b; }
FN float bf16_to_float(uint16_t x) { return get<float>((uint64_t)x << 16); }
FN uint16_t float_to_bf16(float x) {
    uint32_t bits = (uint32_t)put<float>(x);
    if (x != x) return 0x7fc0;
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
FN int sign_of(double x) { return x > 0 ? 1 : x < 0 ? -1 : 0; }

typedef unsigned u32;
typedef unsigned long long u64;
typedef long long i64;

// OP(name, types of a, b, c, expression)
#define OPS(OP) \
    OP(add_f32, float, float, int, a + b) \
    OP(sub_f32, float, float, int, a - b) \
    OP(mul_f32, float, float, int, a * b) \
    OP(div_f32, float, float, int, a / b) \
    OP(fma_f32, float, float, float, fmaf(a, b, c)) \
    OP(sqrt_f32, float, int, int, sqrtf(a)) \
    OP(floor_f32, float, int, int, floorf(a)) \
    OP(ceil_f32, float, int, int, ceilf(a)) \
    OP(trunc_f32, float, int, int, truncf(a)) \
    OP(rint_f32, float, int, int, rintf(a)) \
    OP(round_f32, float, int, int, roundf(a)) \
    OP(ldexp_f32, float, int, int, ldexpf(a, b % 300)) \
    OP(min_f32, float, float, int, a != a || b != b ? 0.0f : a == b ? a : fminf(a, b)) \
    OP(max_f32, float, float, int, a != a || b != b ? 0.0f : a == b ? a : fmaxf(a, b)) \
    OP(abs_f32, float, float, int, fabsf(a) - fabsf(b)) \
    OP(copysign_f32, float, float, int, copysignf(a, b)) \
    OP(negate_f32, float, float, int, -a * -fabsf(b)) \
    OP(compare_f32, float, float, int, (a < b) | (a <= b) << 1 | (a > b) << 2 | (a >= b) << 3 | (a == b) << 4 | (a != b) << 5) \
    OP(select_f32, float, float, float, a < b ? c : a) \
    OP(class_f32, float, int, int, isnan(a) | isinf(a) << 1 | isfinite(a) << 2 | (signbit(a) != 0) << 3) \
    OP(add_f64, double, double, int, a + b) \
    OP(sub_f64, double, double, int, a - b) \
    OP(mul_f64, double, double, int, a * b) \
    OP(div_f64, double, double, int, a / b) \
    OP(fma_f64, double, double, double, fma(a, b, c)) \
    OP(sqrt_f64, double, int, int, sqrt(a)) \
    OP(floor_f64, double, int, int, floor(a)) \
    OP(ceil_f64, double, int, int, ceil(a)) \
    OP(trunc_f64, double, int, int, trunc(a)) \
    OP(rint_f64, double, int, int, rint(a)) \
    OP(ldexp_f64, double, int, int, ldexp(a, b % 2300)) \
    OP(compare_f64, double, double, int, (a < b) | (a <= b) << 1 | (a > b) << 2 | (a >= b) << 3 | (a == b) << 4 | (a != b) << 5) \
    OP(class_f64, double, int, int, isnan(a) | isinf(a) << 1 | isfinite(a) << 2 | (signbit(a) != 0) << 3) \
    OP(sign_f64, double, int, int, sign_of(a)) \
    OP(add_f16, f16, f16, int, (f16)(a + b)) \
    OP(sub_f16, f16, f16, int, (f16)(a - b)) \
    OP(mul_f16, f16, f16, int, (f16)(a * b)) \
    OP(div_f16, f16, f16, int, (f16)(a / b)) \
    OP(compare_f16, f16, f16, int, (a < b) | (a <= b) << 1 | (a > b) << 2 | (a >= b) << 3 | (a == b) << 4 | (a != b) << 5) \
    OP(f16_to_f32, f16, int, int, (float)a) \
    OP(f32_to_f16, float, int, int, (f16)a) \
    OP(f64_to_f32, double, int, int, (float)a) \
    OP(f32_to_f64, float, int, int, (double)a) \
    OP(f32_to_bf16, float, int, int, float_to_bf16(a)) \
    OP(bf16_to_f32, uint16_t, int, int, bf16_to_float(a)) \
    OP(f32_to_i32, float, int, int, to_int(a)) \
    OP(f32_to_u32, float, int, int, to_unsigned(a)) \
    OP(f64_to_i32, double, int, int, to_int(a)) \
    OP(f64_to_u32, double, int, int, to_unsigned(a)) \
    OP(f32_to_i64, float, int, int, to_long(a)) \
    OP(f64_to_i64, double, int, int, to_long(a)) \
    OP(f64_to_u64, double, int, int, to_ulong(a)) \
    OP(i32_to_f32, int, int, int, (float)a) \
    OP(u32_to_f32, u32, int, int, (float)a) \
    OP(i32_to_f64, int, int, int, (double)a) \
    OP(u32_to_f64, u32, int, int, (double)a) \
    OP(i64_to_f32, i64, int, int, (float)a) \
    OP(u64_to_f32, u64, int, int, (float)a) \
    OP(i64_to_f64, i64, int, int, (double)a) \
    OP(u64_to_f64, u64, int, int, (double)a) \
    OP(i16_to_f16, int16_t, int, int, (f16)a) \
    OP(u8_to_f32, uint8_t, int, int, (float)a) \
    OP(add_u32, u32, u32, u32, a + b + c) \
    OP(sub_u32, u32, u32, u32, a - b - c) \
    OP(mul_u32, u32, u32, int, a * b) \
    OP(mul_hi_u32, u32, u32, int, (u32)((u64)a * b >> 32)) \
    OP(mul_hi_i32, int, int, int, (int)((i64)a * b >> 32)) \
    OP(mad_u64_u32, u32, u32, u64, (u64)a * b + c) \
    OP(mad_i64_i32, int, int, i64, (i64)((u64)((i64)a * b) + (u64)c)) \
    OP(div_u32, u32, u32, int, b ? a / b : a) \
    OP(rem_u32, u32, u32, int, b ? a % b : a) \
    OP(div_i32, int, int, int, (int)divide(a, b)) \
    OP(rem_i32, int, int, int, (int)rest(a, b)) \
    OP(div_i64, i64, i64, int, divide(a, b)) \
    OP(rem_i64, i64, i64, int, rest(a, b)) \
    OP(div_u64, u64, u64, int, b ? a / b : a) \
    OP(add_u64, u64, u64, u64, a + b - c) \
    OP(mul_u64, u64, u64, int, a * b) \
    OP(mul_hi_u64, u64, u64, int, (u64)((unsigned __int128)a * b >> 64)) \
    OP(shl_u32, u32, u32, int, a << (b & 31)) \
    OP(shr_u32, u32, u32, int, a >> (b & 31)) \
    OP(sar_i32, int, u32, int, a >> (b & 31)) \
    OP(shl_u64, u64, u32, int, a << (b & 63)) \
    OP(shr_u64, u64, u32, int, a >> (b & 63)) \
    OP(sar_i64, i64, u32, int, a >> (b & 63)) \
    OP(rotate_u32, u32, u32, int, a << (b & 31) | a >> (-b & 31)) \
    OP(funnel, u32, u32, u32, (u32)(((u64)a << 32 | b) >> (c & 31))) \
    OP(logic_u32, u32, u32, u32, ((a & b) | ~c) ^ (a | c)) \
    OP(logic_u64, u64, u64, u64, ((a & b) | ~c) ^ (a & ~b)) \
    OP(bitselect, u32, u32, u32, (a & b) | (~a & c)) \
    OP(xor3, u32, u32, u32, a ^ b ^ c) \
    OP(majority, u32, u32, u32, (a & b) | (a & c) | (b & c)) \
    OP(and_or, u32, u32, u32, (a & b) | c) \
    OP(shift_add, u32, u32, u32, (a << 3) + b * 5 + (c << 7)) \
    OP(shift_or, u32, u32, u32, a << 9 | b) \
    OP(extract, u32, u32, int, a >> 5 & 0x7ff) \
    OP(extract_signed, int, int, int, a << 7 >> 20) \
    OP(low_bits, u32, u32, int, a & ((1u << (b & 31)) - 1)) \
    OP(clz_u32, u32, int, int, leading(a)) \
    OP(ctz_u32, u32, int, int, trailing(a)) \
    OP(clz_u64, u64, int, int, leading(a)) \
    OP(ctz_u64, u64, int, int, trailing(a)) \
    OP(popcount_u32, u32, int, int, __builtin_popcount(a)) \
    OP(popcount_u64, u64, int, int, __builtin_popcountll(a)) \
    OP(reverse_u32, u32, int, int, __builtin_bitreverse32(a)) \
    OP(reverse_u64, u64, int, int, __builtin_bitreverse64(a)) \
    OP(bytes_u32, u32, int, int, __builtin_bswap32(a)) \
    OP(bytes_u64, u64, int, int, __builtin_bswap64(a)) \
    OP(min_i32, int, int, int, a < b ? a : b) \
    OP(max_i32, int, int, int, a > b ? a : b) \
    OP(min_u32, u32, u32, int, a < b ? a : b) \
    OP(max_u32, u32, u32, int, a > b ? a : b) \
    OP(clamp_i32, int, int, int, a < -1000 ? -1000 : a > 1000 ? 1000 : a) \
    OP(min3_i32, int, int, int, (a < b ? a : b) < c ? (a < b ? a : b) : c) \
    OP(max3_u32, u32, u32, u32, (a > b ? a : b) > c ? (a > b ? a : b) : c) \
    OP(abs_i32, int, int, int, a < 0 ? (int)-(u32)a : a) \
    OP(min_i64, i64, i64, int, a < b ? a : b) \
    OP(compare_i32, int, int, int, (a < b) | (a <= b) << 1 | (a > b) << 2 | (a == b) << 3) \
    OP(compare_u32, u32, u32, int, (a < b) | (a <= b) << 1 | (a > b) << 2 | (a != b) << 3) \
    OP(compare_i64, i64, i64, int, (a < b) | (a <= b) << 1 | (a > b) << 2 | (a == b) << 3) \
    OP(compare_u64, u64, u64, int, (a < b) | (a <= b) << 1 | (a > b) << 2 | (a != b) << 3) \
    OP(compare_i16, int16_t, int16_t, int, (a < b) | (a <= b) << 1 | (a > b) << 2 | (a == b) << 3) \
    OP(add_u16, uint16_t, uint16_t, int, (uint16_t)(a + b)) \
    OP(sub_u16, uint16_t, uint16_t, int, (uint16_t)(a - b)) \
    OP(mul_u16, uint16_t, uint16_t, int, (uint16_t)((u32)a * b)) \
    OP(shl_u16, uint16_t, u32, int, (uint16_t)(a << (b & 15))) \
    OP(sar_i16, int16_t, u32, int, (int16_t)(a >> (b & 15))) \
    OP(select_u64, u64, u64, u64, a > b ? c : a) \
    OP(pack, uint16_t, uint16_t, int, (u32)a | (u32)b << 16) \
    OP(permute_bytes, u32, u32, int, (a & 0xff) << 24 | (a >> 24) | (b & 0xff0000) | (b & 0xff00))

#ifdef __HIP__

#define EXCHANGE(name, device, host)                                                        \
    extern "C" __global__ void name(const uint64_t* in, uint64_t* out) {                    \
        int t = threadIdx.x, i = blockIdx.x * 64 + t;                                       \
        u64 x = in[3 * i];                                                                  \
        (void)t, (void)x;                                                                   \
        device;                                                                             \
    }

#else

typedef void Run(const uint64_t* in, uint64_t* out, long i, long t);

struct Entry {
    const char* name;
    Run* run;
    Entry* next;
    Entry(const char* name, Run* run);
};

static Entry* first;
static Entry** last = &first;

Entry::Entry(const char* name, Run* run) : name(name), run(run), next(NULL) {
    *last = this;
    last = &next;
}

#define EXCHANGE(name, device, host)                                                        \
    static void name(const uint64_t* in, uint64_t* out, long i, long t) {                   \
        (void)in, (void)t;                                                                  \
        host;                                                                               \
    }                                                                                       \
    static Entry name##_entry(#name, name);

#endif

// The first value of lane k of lane i's wave.
#define OF(k) in[3 * (i - t + (k))]

EXCHANGE(shuffle_xor, out[i] = __shfl_xor((int)x, 5), out[i] = (int)OF(t ^ 5))
EXCHANGE(shuffle_up, out[i] = __shfl_up((int)x, 3), out[i] = (int)OF(t < 3 ? t : t - 3))
EXCHANGE(shuffle_down, out[i] = __shfl_down((int)x, 9), out[i] = (int)OF(t > 54 ? t : t + 9))
EXCHANGE(shuffle_any, out[i] = __shfl((int)x, (int)(in[3 * i + 1] & 63)), out[i] = (int)OF((long)(in[3 * i + 1] & 63)))
EXCHANGE(shuffle_row,
         out[i] = (u32)__shfl_xor((int)x, 1) + (u32)__shfl_xor((int)x, 2) * 3u + (u32)__shfl_xor((int)x, 16) * 5u,
         out[i] = (u32)OF(t ^ 1) + (u32)OF(t ^ 2) * 3u + (u32)OF(t ^ 16) * 5u)
EXCHANGE(shuffle_f64, out[i] = put(__shfl_xor(get<double>(x), 32)), out[i] = put(get<double>(OF(t ^ 32))))
EXCHANGE(dpp_row_shift, out[i] = __builtin_amdgcn_update_dpp(7, (int)x, 0x111, 0xf, 0xf, false),
         out[i] = t % 16 ? (int)OF(t - 1) : 7)
EXCHANGE(dpp_row_rotate, out[i] = __builtin_amdgcn_update_dpp(7, (int)x, 0x124, 0xf, 0xf, false),
         out[i] = (int)OF((t & 48) | ((t - 4) & 15)))
EXCHANGE(dpp_mirror, out[i] = __builtin_amdgcn_update_dpp(7, (int)x, 0x140, 0xf, 0xf, false), out[i] = (int)OF(t ^ 15))
EXCHANGE(vote, out[i] = __ballot((int)x > 0), {
    u64 mask = 0;
    for (int k = 0; k < 64; ++k) mask |= (u64)((int)OF(k) > 0) << k;
    out[i] = mask;
})
EXCHANGE(first_lane, out[i] = __builtin_amdgcn_readfirstlane((int)x), out[i] = (int)OF(0))
EXCHANGE(lane_number, out[i] = __lane_id() + 64 * __popcll(__ballot((x & 1) != 0)), {
    u64 count = 0;
    for (int k = 0; k < 64; ++k) count += OF(k) & 1;
    out[i] = t + 64 * count;
})
EXCHANGE(divergent, if (x & 1) out[i] = __ballot(1); else out[i] = ~__ballot(1), {
    u64 mask = 0;
    for (int k = 0; k < 64; ++k) mask |= (u64)((OF(k) & 1) == (OF(t) & 1)) << k;
    out[i] = OF(t) & 1 ? mask : ~mask;
})
EXCHANGE(through_lds, {
    __shared__ u64 tile[64];
    tile[t] = x;
    __syncthreads();
    out[i] = tile[63 - t];
}, out[i] = OF(63 - t))
EXCHANGE(through_lds_bytes, {
    __shared__ uint8_t tile[512];
    for (int k = 0; k < 8; ++k) tile[64 * k + t] = (uint8_t)(x >> 8 * k);
    __syncthreads();
    u64 y = 0;
    for (int k = 0; k < 8; ++k) y = y << 8 | tile[64 * k + (t ^ 7)];
    out[i] = y;
}, out[i] = __builtin_bswap64(OF(t ^ 7)))
EXCHANGE(through_lds_halves, {
    __shared__ uint16_t tile[64];
    tile[t] = (uint16_t)x;
    __syncthreads();
    out[i] = tile[t * 5 & 63];
}, out[i] = (uint16_t)OF(t * 5 & 63))
EXCHANGE(through_lds_quads, {
    __shared__ uint4 tile[64];
    tile[t] = make_uint4((u32)x, (u32)(x >> 32), (u32)t, 7u);
    __syncthreads();
    uint4 q = tile[t ^ 33];
    out[i] = (q.x ^ q.z * q.w) | (u64)q.y << 32;
}, out[i] = OF(t ^ 33) ^ (u32)((t ^ 33) * 7))
EXCHANGE(lds_sum, {
    __shared__ u32 sums[4];
    if (t < 4) sums[t] = 0;
    __syncthreads();
    atomicAdd(&sums[x & 3], (u32)(x >> 7));
    __syncthreads();
    out[i] = sums[t & 3];
}, {
    u32 sum = 0;
    for (int k = 0; k < 64; ++k) sum += (OF(k) & 3) == (u64)(t & 3) ? (u32)(OF(k) >> 7) : 0;
    out[i] = sum;
})

#define SAME(name, action) EXCHANGE(name, action, action)
SAME(load_bytes, const uint8_t* b = (const uint8_t*)in; out[i] = b[24 * i + 3] | (u64)(int8_t)b[24 * i + 5] << 8)
SAME(load_halves, const int16_t* b = (const int16_t*)in; out[i] = (u64)((i64)b[12 * i + 1] * (uint16_t)b[12 * i + 2]))
SAME(store_bytes, uint8_t* b = (uint8_t*)out; for (int k = 0; k < 8; k += 3) b[8 * i + k] = (uint8_t)(in[3 * i] >> 8 * k))
SAME(store_halves, uint16_t* b = (uint16_t*)out; b[4 * i + 1] = (uint16_t)in[3 * i]; b[4 * i + 2] = (uint16_t)(in[3 * i] >> 40))
SAME(scratch_array, {
    volatile u32 local[32];
    for (int k = 0; k < 32; ++k) local[k] = (u32)in[3 * i] * (2 * k + 1);
    out[i] = local[in[3 * i + 1] & 31] + local[in[3 * i + 2] & 31];
})
SAME(scratch_halves, {
    volatile uint16_t local[32];
    for (int k = 0; k < 32; ++k) local[k] = (uint16_t)((u32)in[3 * i] * (2 * k + 1) >> 3);
    out[i] = local[in[3 * i + 1] & 31] | (u32)local[in[3 * i + 2] & 31] << 16;
})

// Many lanes and waves on a few cells; every operation gives the same sum in any order.
#define CELL(T) ((T*)out + (in[3 * i] & 31))
EXCHANGE(atomic_add_u32, atomicAdd(CELL(u32), (u32)(x >> 5)), *CELL(u32) += (u32)(in[3 * i] >> 5))
EXCHANGE(atomic_add_u64, atomicAdd(CELL(u64), x), *CELL(u64) += in[3 * i])
EXCHANGE(atomic_sub_u32, atomicSub(CELL(u32), (u32)(x >> 5)), *CELL(u32) -= (u32)(in[3 * i] >> 5))
EXCHANGE(atomic_min_i32, atomicMin(CELL(int), (int)x), if ((int)in[3 * i] < *CELL(int)) *CELL(int) = (int)in[3 * i])
EXCHANGE(atomic_max_i32, atomicMax(CELL(int), (int)x), if ((int)in[3 * i] > *CELL(int)) *CELL(int) = (int)in[3 * i])
EXCHANGE(atomic_max_u32, atomicMax(CELL(u32), (u32)x), if ((u32)in[3 * i] > *CELL(u32)) *CELL(u32) = (u32)in[3 * i])
EXCHANGE(atomic_max_u64, atomicMax(CELL(u64), x), if (in[3 * i] > *CELL(u64)) *CELL(u64) = in[3 * i])
EXCHANGE(atomic_or_u32, atomicOr(CELL(u32), (u32)x & (u32)(x >> 32)), *CELL(u32) |= (u32)in[3 * i] & (u32)(in[3 * i] >> 32))
EXCHANGE(atomic_xor_u64, atomicXor(CELL(u64), x), *CELL(u64) ^= in[3 * i])
EXCHANGE(atomic_inc, atomicInc(CELL(u32), 12u), *CELL(u32) = *CELL(u32) >= 12u ? 0u : *CELL(u32) + 1u)
EXCHANGE(atomic_dec, atomicDec(CELL(u32), 12u), *CELL(u32) = *CELL(u32) - 1u < 12u ? *CELL(u32) - 1u : 12u)
EXCHANGE(atomic_add_f32, atomicAdd(CELL(float), (float)(int)(x >> 8 & 63)), *CELL(float) += (float)(int)(in[3 * i] >> 8 & 63))
EXCHANGE(atomic_add_f64, atomicAdd(CELL(double), (double)(int)(x >> 8 & 63)), *CELL(double) += (double)(int)(in[3 * i] >> 8 & 63))
EXCHANGE(atomic_cas_u32, {
    u32 old = *(volatile u32*)CELL(u32);
    u32 seen;
    do {
        seen = old;
        old = atomicCAS(CELL(u32), seen, seen * 5u + 1u);
    } while (old != seen);
}, *CELL(u32) = *CELL(u32) * 5u + 1u)
EXCHANGE(atomic_cas_u64, {
    u64 old = *(volatile u64*)CELL(u64);
    u64 seen;
    do {
        seen = old;
        old = atomicCAS(CELL(u64), seen, seen * 5u + 1u);
    } while (old != seen);
}, *CELL(u64) = *CELL(u64) * 5u + 1u)

#ifdef __HIP__

#define KERNEL(name, A, B, C, expression)                                                   \
    extern "C" __global__ void name(const uint64_t* in, uint64_t* out) {                    \
        int i = blockIdx.x * 64 + threadIdx.x;                                              \
        A a = get<A>(in[3 * i]);                                                            \
        B b = get<B>(in[3 * i + 1]);                                                        \
        C c = get<C>(in[3 * i + 2]);                                                        \
        (void)a, (void)b, (void)c;                                                          \
        out[i] = put(expression);                                                           \
    }
OPS(KERNEL)

#else

#define HOST(name, A, B, C, expression)                                                     \
    puts(#name);                                                                            \
    for (long i = 0; i < n; ++i) {                                                          \
        A a = get<A>(in[3 * i]);                                                            \
        B b = get<B>(in[3 * i + 1]);                                                        \
        C c = get<C>(in[3 * i + 2]);                                                        \
        (void)a, (void)b, (void)c;                                                          \
        uint64_t result = put(expression);                                                  \
        fwrite(&result, 8, 1, to);                                                          \
    }

// program INPUTS OUTPUTS: names on standard output, in the order of the results.
int main(int count, char** names) {
    FILE* from = count == 3 ? fopen(names[1], "rb") : NULL;
    FILE* to = count == 3 ? fopen(names[2], "wb") : NULL;
    if (!from || !to) return 2;
    fseek(from, 0, SEEK_END);
    long n = ftell(from) / 24;
    rewind(from);
    uint64_t* in = (uint64_t*)malloc(24 * n);
    if (fread(in, 24, n, from) != (size_t)n) return 2;
    OPS(HOST)
    uint64_t* out = (uint64_t*)malloc(8 * n);
    for (Entry* entry = first; entry; entry = entry->next) {
        puts(entry->name);
        memset(out, 0, 8 * n);
        for (long i = 0; i < n; ++i) entry->run(in, out, i, i % 64);
        fwrite(out, 8, n, to);
    }
    return fclose(to);
}

#endif
