// Buffer resources: a scalar base, a size, and loads that give 0 past it and stores that do nothing there. Tails of
// tensors cost no branch that way, and lanes past the end move no bytes.
#pragma once
#include "types.h"

/// Outside of every buffer, also when an offset within one is or-ed or added to it.
constexpr uint32_t OUTSIDE = 0x80000000;

struct Buffer {
  __amdgpu_buffer_rsrc_t resource;

  /// `bytes` from `base` on, less than 2^31; both the same in every lane. Last word: raw, data format 32.
  MEMBER Buffer(const void* base, uint32_t bytes)
      : resource(__builtin_amdgcn_make_buffer_rsrc(const_cast<void*>(base), 0, uniform(bytes), 0x27000)) {}

  // Offsets are per lane and in bytes. There is no scalar one: sources disagree on whether the range check counts it.
  MEMBER u32x4 load16(uint32_t offset) const {
    return __builtin_amdgcn_raw_buffer_load_b128(resource, offset, 0, 0);
  }
  MEMBER uint32_t load4(uint32_t offset) const { return __builtin_amdgcn_raw_buffer_load_b32(resource, offset, 0, 0); }
  MEMBER uint32_t load1(uint32_t offset) const { return __builtin_amdgcn_raw_buffer_load_b8(resource, offset, 0, 0); }
  MEMBER void store16(uint32_t offset, u32x4 value) const {
    __builtin_amdgcn_raw_buffer_store_b128(value, resource, offset, 0, 0);
  }
  MEMBER void store8(uint32_t offset, u32x2 value) const {
    __builtin_amdgcn_raw_buffer_store_b64(value, resource, offset, 0, 0);
  }
};
