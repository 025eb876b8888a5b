// Names of the device: scalar and vector types, and which lane of what this is. Clang's own vocabulary only, so
// that a kernel compiles without the HIP headers.
#pragma once
#include <stdint.h>

#define DEVICE inline __attribute__((device, always_inline))
#define MEMBER __attribute__((device, always_inline))
/// A kernel for workgroups of exactly `threads` work-items in one dimension.
#define KERNEL(threads) \
  extern "C" __attribute__((global, visibility("protected"), amdgpu_flat_work_group_size(threads, threads))) void
#define SHARED static __attribute__((shared))

using bf16 = __bf16;
using f16 = _Float16;
using f32 = float;

template <class T, int N>
using vec = T __attribute__((ext_vector_type(N)));

using u32x2 = vec<uint32_t, 2>;
/// What one 16-byte access moves.
using u32x4 = vec<uint32_t, 4>;

template <class To, class From>
DEVICE To bits_as(From value) {
  return __builtin_bit_cast(To, value);
}

/// Lanes of a wave on gfx950.
constexpr uint32_t WAVE = 64;

/// The same in every lane, said so that it is kept in a scalar register.
DEVICE uint32_t uniform(uint32_t value) { return __builtin_amdgcn_readfirstlane(value); }

/// Makes the compiler compute scalars here, where there is time, rather than where they are used.
template <class... T>
DEVICE void keep(T&... scalars) {
  const auto one = [](auto& scalar) {
    using Scalar = __remove_reference_t(decltype(scalar));
    if constexpr (sizeof(Scalar) == 8) {
      const auto bits = bits_as<uint64_t>(scalar);
      const uint64_t same = uint64_t(uniform(uint32_t(bits >> 32))) << 32 | uniform(uint32_t(bits));
      scalar = bits_as<Scalar>(same);
    } else {
      scalar = uniform(scalar);
    }
    asm volatile("" : "+s"(scalar));
  };
  (one(scalars), ...);
}

DEVICE uint32_t workgroup() { return __builtin_amdgcn_workgroup_id_x(); }
DEVICE uint32_t thread() { return __builtin_amdgcn_workitem_id_x(); }
DEVICE uint32_t lane() { return thread() % WAVE; }
/// Which wave of the workgroup.
DEVICE uint32_t wave() { return uniform(thread() / WAVE); }

/// True if any active lane says so; the same in every lane.
DEVICE bool any(bool condition) { return __builtin_amdgcn_ballot_w64(condition) != 0; }

template <class T>
DEVICE T min_of(T a, T b) {
  return __builtin_elementwise_min(a, b);
}

template <class T>
DEVICE T max_of(T a, T b) {
  return __builtin_elementwise_max(a, b);
}
