// MXFP4: 32 elements that share one E8M0 scale byte (2^(byte - 127); 255 is NaN), as fragments of 8 elements in
// the four lanes of a quad.
#pragma once
#include "chunk.h"
#include "dpp.h"

/// Elements that share a scale, and bytes of their packed codes.
constexpr uint32_t BLOCK = 32, BLOCK_BYTES = BLOCK / 2;

/// Of an f32: one exponent step, its mantissa, half of its mantissa.
constexpr uint32_t EXPONENT_ONE = 0x00800000, MANTISSA = 0x007fffff, HALF_MANTISSA = 0x00400000;

/// How a block's largest magnitude becomes its scale byte. For amax in [4, 8) the scale steps from 2^0 to 2^1 at:
/// round_down never, round_up above 6, even at 7, ceil above 4, legacy at 6.
enum class Rounding { round_down, round_up, even, ceil, legacy };

/// The scale byte of a block whose largest magnitude has these f32 bits (sign clear). Inf and NaN give 255.
///
/// Everything is a carry: adding c to the bits carries into the exponent where the mantissa is at least
/// 2^23 - c. Products are by powers of two, except for round_up.
template <Rounding MODE>
DEVICE uint32_t scale_byte(uint32_t amax) {
  amax = min_of(amax, INFINITE);
  const uint32_t quarter = bits_as<uint32_t>(bits_as<f32>(amax) * 0.25f);
  if constexpr (MODE == Rounding::round_down) {
    return quarter >> 23;
  } else if constexpr (MODE == Rounding::ceil) {
    return (quarter + MANTISSA) >> 23;
  } else if constexpr (MODE == Rounding::legacy) {
    // Half a step rounds up; among the denormals half a step is 2^-127, which byte 0 is exactly.
    return (quarter + HALF_MANTISSA - (quarter < EXPONENT_ONE)) >> 23;
  } else if constexpr (MODE == Rounding::even) {
    const uint32_t byte = __builtin_elementwise_sub_sat((amax + HALF_MANTISSA / 2) >> 23, 2u);
    return amax == INFINITE ? 255 : byte;
  } else {
    // amax / 6 by its reciprocal: rounded differently for one f32 only, 3 * 2^-149, which a division ties to 0.
    const uint32_t sixth = bits_as<uint32_t>(bits_as<f32>(amax) * (1.0f / 6.0f));
    return amax == 3 ? 0 : (sixth + MANTISSA) >> 23;
  }
}

/// The f32 whose exponent byte is the scale, as the scaled converts read it.
DEVICE f32 scale_of(uint32_t byte) { return bits_as<f32>(byte << 23); }

/// A quad's lane's 8 elements of one block.
///
/// `load` takes the address of the block. `magnitude` and `amax` are those of `Chunk`. `encode` gives the lane's
/// dword of the block's codes; `in_order` takes what the four lanes' `encode` gave.
template <class T>
struct Fragment;

/// Elements of 16 bits: lane l holds elements 8 l to 8 l + 7.
template <class T>
struct HalfFragment : Chunk<T> {
  static constexpr uint32_t BYTES = BLOCK * 2;

  MEMBER static Fragment<T> load(const void* block) { return {{Chunk<T>::load(at(block, lane() % 4 * 16))}}; }
  MEMBER static u32x4 in_order(const uint32_t (&v)[4]) { return {v[0], v[1], v[2], v[3]}; }
};

template <>
struct Fragment<bf16> : HalfFragment<bf16> {
  MEMBER uint32_t encode(f32 scale) const {
    // All four bytes are overwritten: any word serves as the first.
    uint32_t codes = words[0];
    codes = __builtin_amdgcn_cvt_scalef32_pk_fp4_bf16(codes, bits_as<vec<bf16, 2>>(words[0]), scale, 0);
    codes = __builtin_amdgcn_cvt_scalef32_pk_fp4_bf16(codes, bits_as<vec<bf16, 2>>(words[1]), scale, 1);
    codes = __builtin_amdgcn_cvt_scalef32_pk_fp4_bf16(codes, bits_as<vec<bf16, 2>>(words[2]), scale, 2);
    return __builtin_amdgcn_cvt_scalef32_pk_fp4_bf16(codes, bits_as<vec<bf16, 2>>(words[3]), scale, 3);
  }
};

template <>
struct Fragment<f16> : HalfFragment<f16> {
  MEMBER uint32_t encode(f32 scale) const {
    uint32_t codes = words[0];
    codes = __builtin_amdgcn_cvt_scalef32_pk_fp4_f16(codes, bits_as<vec<f16, 2>>(words[0]), scale, 0);
    codes = __builtin_amdgcn_cvt_scalef32_pk_fp4_f16(codes, bits_as<vec<f16, 2>>(words[1]), scale, 1);
    codes = __builtin_amdgcn_cvt_scalef32_pk_fp4_f16(codes, bits_as<vec<f16, 2>>(words[2]), scale, 2);
    return __builtin_amdgcn_cvt_scalef32_pk_fp4_f16(codes, bits_as<vec<f16, 2>>(words[3]), scale, 3);
  }
};

/// Eight f32 that a kernel computed: element i of the lane's 8 is `v[i]`.
struct Computed {
  f32 v[8];

  MEMBER uint32_t magnitude() const {
    // v_maximum3_f32 takes magnitudes for nothing, and unlike the older maxima it keeps NaN.
    f32 most = 0;
    for (f32 x : v) most = __builtin_elementwise_maximum(most, __builtin_fabsf(x));
    return bits_as<uint32_t>(most);
  }
  MEMBER static uint32_t amax(uint32_t key) { return key; }
  MEMBER static u32x4 in_order(const uint32_t (&v)[4]) { return {v[0], v[1], v[2], v[3]}; }

  MEMBER uint32_t encode(f32 scale) const {
    uint32_t codes = bits_as<uint32_t>(v[0]);
    codes = __builtin_amdgcn_cvt_scalef32_pk_fp4_f32(codes, v[0], v[1], scale, 0);
    codes = __builtin_amdgcn_cvt_scalef32_pk_fp4_f32(codes, v[2], v[3], scale, 1);
    codes = __builtin_amdgcn_cvt_scalef32_pk_fp4_f32(codes, v[4], v[5], scale, 2);
    return __builtin_amdgcn_cvt_scalef32_pk_fp4_f32(codes, v[6], v[7], scale, 3);
  }
};

/// f32: two loads that are each contiguous over the quad give lane l elements 4 l to 4 l + 3 and 16 + 4 l to
/// 16 + 4 l + 3: two half dwords of codes, of which neighbours swap one.
template <>
struct Fragment<f32> {
  static constexpr uint32_t BYTES = BLOCK * 4;

  Computed x;

  MEMBER static Fragment load(const void* block) {
    const auto* address = at(block, lane() % 4 * 16);
    const auto a = ::load<vec<f32, 4>>(address), b = ::load<vec<f32, 4>>(address + 64);
    return {{{a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w}}};
  }

  MEMBER uint32_t magnitude() const { return x.magnitude(); }
  MEMBER static uint32_t amax(uint32_t key) { return key; }

  /// Lanes 0 to 3 get dwords 0, 2, 1, 3, which `in_order` of the transposed words puts right for nothing.
  MEMBER uint32_t encode(f32 scale) const {
    const uint32_t own = x.encode(scale), other = dpp<XOR_1>(own);
    // Even lanes: low halves, own first; odd lanes: high halves, the other's first.
    const uint32_t halves = lane() & 1 ? 0x03020706 : 0x05040100;
    return __builtin_amdgcn_perm(other, own, halves);
  }
  MEMBER static u32x4 in_order(const uint32_t (&v)[4]) { return {v[0], v[2], v[1], v[3]}; }
};

/// A quad's four blocks, of which lane i looks after the i-th: its scale byte and its 16 bytes of codes.
struct Quad {
  u32x4 codes;
  uint32_t scale;
};

/// Quantises four blocks of a quad. Codes of a block with scale byte 255 carry no value.
template <Rounding MODE, class T>
DEVICE Quad quantise(const T (&x)[4], f32 amax_floor) {
  const uint32_t keys[4] = {x[0].magnitude(), x[1].magnitude(), x[2].magnitude(), x[3].magnitude()};
  const uint32_t key = quad_reduce(keys, max_of<uint32_t>);
  const uint32_t byte = scale_byte<MODE>(raise(T::amax(key), amax_floor));
  const f32 scale = scale_of(byte);
  uint32_t codes[4] = {x[0].encode(quad_broadcast<0>(scale)), x[1].encode(quad_broadcast<1>(scale)),
                       x[2].encode(quad_broadcast<2>(scale)), x[3].encode(quad_broadcast<3>(scale))};
  quad_transpose(codes);
  return {T::in_order(codes), byte};
}
