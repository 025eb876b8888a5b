// Sixteen bytes of elements in one lane: what one load brings.
#pragma once
#include "memory.h"

/// f32 bits of Inf; the bits of NaN are above.
constexpr uint32_t INFINITE = 0x7f800000, SIGN = 0x80000000;

template <class T>
struct Chunk {
  static constexpr uint32_t BYTES = 16;
  static constexpr int ELEMENTS = BYTES / sizeof(T);

  u32x4 words;

  MEMBER static Chunk load(const void* address) { return {::load<u32x4>(address)}; }

  /// Elements 2 i and 2 i + 1 as f32, exact.
  MEMBER vec<f32, 2> widen(int i) const {
    if constexpr (sizeof(T) == 2) {
      return __builtin_convertvector((bits_as<vec<T, 2>>(words[i])), vec<f32, 2>);
    } else {
      return {bits_as<f32>(words[2 * i]), bits_as<f32>(words[2 * i + 1])};
    }
  }

  /// A key that orders like the largest magnitude, NaN above Inf. After any maximum, `amax` makes f32 bits of it.
  MEMBER uint32_t magnitude() const {
    if constexpr (sizeof(T) == 2) {
      using u16x2 = vec<uint16_t, 2>;
      const u32x4 m = words & 0x7fff7fff;
      const auto pairs = max_of(max_of(bits_as<u16x2>(m.x), bits_as<u16x2>(m.y)),
                                max_of(bits_as<u16x2>(m.z), bits_as<u16x2>(m.w)));
      // The larger half ends on top; what is below it can decide only between equals.
      const auto word = bits_as<uint32_t>(pairs);
      return max_of(word, word << 16);
    } else {
      const u32x4 m = words & ~SIGN;
      return max_of(max_of(m.x, m.y), max_of(m.z, m.w));
    }
  }

  MEMBER static uint32_t amax(uint32_t key) {
    if constexpr (sizeof(T) == 2) {
      return bits_as<uint32_t>(f32(bits_as<T>(uint16_t(key >> 16))));
    } else {
      return key;
    }
  }
};

/// f32 bits of amax raised to at least `floor`, which is ignored if negative or NaN.
DEVICE uint32_t raise(uint32_t amax, f32 floor) {
  return max_of(amax, floor > 0 ? bits_as<uint32_t>(floor) : 0u);
}
