// A workgroup's share of a whole tensor, 256 blocks of 32 elements, as strips.
#pragma once
#include "blocks.h"
#include "e4m3.h"

/// Chunks of a block that a lane has: 1, or 2 of f32.
constexpr int PARTS = sizeof(TYPE) / 2;
constexpr int CHUNKS = Strip<TYPE>::CHUNKS;
/// Strips of four blocks.
constexpr int STRIPS = 4 * PARTS / CHUNKS;

struct Share {
  Strip<TYPE> strips[STRIPS];

  /// Blocks past the end are the last again.
  MEMBER static Share read(const RowMajor& blocks, const void* x, uint64_t stride) {
    const auto offsets = offsets_of_quad(blocks, BLOCK * sizeof(TYPE), stride);
    Share share;
    for (int c = 0; c < 4 * PARTS; ++c) {
      share.strips[c / CHUNKS].chunks[c % CHUNKS] =
          Chunk<TYPE>::load(at(x, offsets.of[c / PARTS] + c % PARTS * 64 + lane() % 4 * 16));
    }
    return share;
  }

  MEMBER uint32_t magnitude() const {
    uint32_t key = 0;
    for (const auto& strip : strips) {
      for (const auto& chunk : strip.chunks) key = max_of(key, chunk.magnitude());
    }
    return key;
  }
};
