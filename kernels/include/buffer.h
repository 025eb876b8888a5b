// Buffer resources: a scalar base, a size, and loads that give 0 past it and stores that do nothing there. Tails of
// tensors cost no branch that way, and lanes past the end move no bytes.
//
// Offsets are per lane and in bytes. There is no scalar one: sources disagree on whether the range check counts it.
#pragma once
#include "types.h"

/// Outside of every buffer, also when an offset within one is or-ed or added to it.
constexpr uint32_t OUTSIDE = 0x80000000;

// With the resource as four words, which a kernel finds ready in its arguments: nothing is computed before a load.
__attribute__((device)) u32x4 buffer_load16(u32x4 resource, uint32_t offset, uint32_t scalar,
                                            uint32_t policy) __asm("llvm.amdgcn.raw.buffer.load.v4i32");
__attribute__((device)) uint32_t buffer_load4(u32x4 resource, uint32_t offset, uint32_t scalar,
                                              uint32_t policy) __asm("llvm.amdgcn.raw.buffer.load.i32");
__attribute__((device)) uint8_t buffer_load1(u32x4 resource, uint32_t offset, uint32_t scalar,
                                             uint32_t policy) __asm("llvm.amdgcn.raw.buffer.load.i8");

__attribute__((device)) void buffer_store16(u32x4 value, u32x4 resource, uint32_t offset, uint32_t scalar,
                                            uint32_t policy) __asm("llvm.amdgcn.raw.buffer.store.v4i32");
__attribute__((device)) void buffer_store8(u32x2 value, u32x4 resource, uint32_t offset, uint32_t scalar,
                                           uint32_t policy) __asm("llvm.amdgcn.raw.buffer.store.v2i32");

/// What a kernel reads. Words: base (48 bits, stride 0), bytes (less than 2^31), 0x27000 (raw, data format 32).
struct Source {
  u32x4 resource;

  MEMBER explicit Source(const uint32_t (&words)[4]) : resource{words[0], words[1], words[2], words[3]} {}

  /// The same `bytes` further on.
  MEMBER void move(uint64_t bytes) {
    const uint64_t base = (uint64_t(resource.y) << 32 | resource.x) + bytes;
    resource.x = uint32_t(base);
    resource.y = uint32_t(base >> 32);
  }

  MEMBER u32x4 load16(uint32_t offset) const { return buffer_load16(resource, offset, 0, 0); }
  MEMBER uint32_t load4(uint32_t offset) const { return buffer_load4(resource, offset, 0, 0); }
  MEMBER uint32_t load1(uint32_t offset) const { return buffer_load1(resource, offset, 0, 0); }
};

/// What a kernel writes: `bytes` from `base` on, both the same in every lane.
struct Sink {
  uint64_t base;
  uint32_t bytes;

  MEMBER Sink(const void* base, uint32_t bytes) : base(reinterpret_cast<uint64_t>(base)), bytes(bytes) {}

  MEMBER void store16(uint32_t offset, u32x4 value) const { buffer_store16(value, resource(), offset, 0, 0); }
  MEMBER void store8(uint32_t offset, u32x2 value) const { buffer_store8(value, resource(), offset, 0, 0); }

 private:
  MEMBER u32x4 resource() const {
    return {uniform(uint32_t(base)), uniform(uint32_t(base >> 32)), uniform(bytes), 0x27000};
  }
};
