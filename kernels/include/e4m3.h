// FP8 E4M3 (OCP): scale = amax / 448, code = x / scale, both IEEE f32 quotients, codes nearest even and saturating.
#pragma once
#include "chunk.h"
#include "dpp.h"

/// Largest E4M3 number.
constexpr f32 E4M3_MAX = 448.0f;

/// A group's scale, and its reciprocal rounded to nearest.
struct Fp8Scale {
  f32 value, reciprocal;

  /// From f32 bits of the largest magnitude, raised to at least `floor`; 1 for a group of zeros. NaN and Inf pass.
  MEMBER static Fp8Scale of(uint32_t amax, f32 floor) {
    amax = raise(amax, floor);
    const f32 value = amax == 0 ? 1.0f : bits_as<f32>(amax) / E4M3_MAX;
    return {value, 1.0f / value};
  }

  /// Lane `LANE`'s scale of each quad.
  template <int LANE>
  MEMBER Fp8Scale broadcast() const {
    return {quad_broadcast<LANE>(value), quad_broadcast<LANE>(reciprocal)};
  }

  /// False where a quotient may be NaN or overflow, or `divide` inexact: NaN, Inf, and below 2^-80.
  MEMBER bool is_plain() const { return value >= 0x1p-80f && value < __builtin_inff(); }

  /// x / value for plain scales: the IEEE quotient, at two and a half packed operations instead of ten.
  ///
  /// x times the reciprocal is at most 1.5 units off; one correction by the remainder makes it faithful, and a
  /// second one then rounds correctly (Markstein, IBM J. Res. Dev. 34, 1990), as long as nothing underflows. Where
  /// it matters, from half the smallest code up, |x| >= 2^-10 value >= 2^-90, whose remainders end above 2^-149.
  MEMBER vec<f32, 2> divide(vec<f32, 2> x) const {
    vec<f32, 2> q = x * reciprocal;
    for (int correction = 0; correction < 2; ++correction) {
      // Negated, so that -0 stays -0: x - q * value would be +0, and +0 plus -0 too.
      const auto remainder = __builtin_elementwise_fma(q, vec<f32, 2>(value), -x);
      q = __builtin_elementwise_fma(-remainder, vec<f32, 2>(reciprocal), q);
    }
    return q;
  }

  /// x / value in all cases: saturated, and every NaN the positive one.
  MEMBER vec<f32, 2> divide_any(vec<f32, 2> x) const {
    vec<f32, 2> result;
    for (int i = 0; i < 2; ++i) {
      const f32 q = x[i] / value;
      result[i] = q != q ? __builtin_nanf("") : __builtin_amdgcn_fmed3f(q, -E4M3_MAX, E4M3_MAX);
    }
    return result;
  }
};

/// Four codes of quotients that round to at most ±448, first in the low byte.
DEVICE uint32_t e4m3(vec<f32, 2> low, vec<f32, 2> high) {
  const int codes = __builtin_amdgcn_cvt_pk_fp8_f32(low.x, low.y, 0, false);
  return __builtin_amdgcn_cvt_pk_fp8_f32(high.x, high.y, codes, true);
}

/// As many chunks as have 16 codes: two of 16-bit elements, four of f32. Neighbouring lanes exchange codes so
/// that each stores 16 contiguous bytes: lane i of every two (four) has those of chunk i of all of them.
template <class T>
struct Strip {
  static constexpr int CHUNKS = sizeof(T);
  /// Dwords of a chunk's codes.
  static constexpr int WORDS = 4 / CHUNKS;

  Chunk<T> chunks[CHUNKS];

  /// Which chunk's codes this lane gets.
  MEMBER static uint32_t own() { return lane() % CHUNKS; }

  /// `scales[i]` is that of chunk i; `special` if some scale of the wave is not plain. All lanes must be here.
  MEMBER u32x4 encode(const Fp8Scale (&scales)[CHUNKS], bool special) const {
    uint32_t codes[CHUNKS][WORDS];
    for (int i = 0; i < CHUNKS; ++i) {
      for (int j = 0; j < WORDS; ++j) {
        const auto low = chunks[i].widen(2 * j), high = chunks[i].widen(2 * j + 1);
        codes[i][j] = special ? e4m3(scales[i].divide_any(low), scales[i].divide_any(high))
                              : e4m3(scales[i].divide(low), scales[i].divide(high));
      }
    }
    if constexpr (CHUNKS == 2) {
      const bool odd = lane() & 1;
      exchange<XOR_1>(odd, codes[0][0], codes[1][0]);
      exchange<XOR_1>(odd, codes[0][1], codes[1][1]);
      return {codes[0][0], codes[0][1], codes[1][0], codes[1][1]};
    } else {
      uint32_t words[4] = {codes[0][0], codes[1][0], codes[2][0], codes[3][0]};
      quad_transpose(words);
      return {words[0], words[1], words[2], words[3]};
    }
  }
};
