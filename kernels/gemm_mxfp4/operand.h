// One operand of the product, as a wave takes it from memory: TILES tiles of 16 rows, KSTEP columns of K at a time,
// straight into the registers that the matrix cores read. In every layout a lane's bytes of a step are at an offset that
// depends on lane, tile and half, plus the step times a constant: one addition for each load. The part of an operand
// that a wave may read is a buffer; what is outside of it reads as 0, which as codes adds nothing.
#pragma once
#include "buffer.h"
#include "memory.h"
#include "mfma.h"
#include "mx.h"
#include "unroll.h"

enum class Order { raw, shuffled };

/// MFMA steps of a K step: a shuffled scale word holds the scales of two.
constexpr int HALVES = KSTEP / TILE_K;
static_assert(HALVES == 1 || HALVES == 2);
/// Scales of a row in a K step.
constexpr uint32_t STEP_GROUPS = KSTEP / BLOCK;

/// Where a wave's rows of an operand are.
struct Rows {
  /// The first, a multiple of 16, and how many there are: 0 when they are all past the end.
  uint32_t first, count;
  /// Rows of the tensor, and groups of a row.
  uint32_t total, groups;

  MEMBER Rows(uint32_t first, uint32_t most, uint32_t total, uint32_t k)
      : first(first), count(first < total ? min_of(most, total - first) : 0), total(total), groups(k / BLOCK) {}
};

/// Which K steps exist, and which lanes of the last one.
struct Columns {
  /// The step of which a part exists, if any.
  uint32_t partial;
  /// Of that step, by half: OUTSIDE in lanes whose block is past the end of K.
  uint32_t outside[HALVES];
  /// Of that step: the bytes of a shuffled scale word whose blocks exist. The others are padding and may be NaN.
  uint32_t exist;

  MEMBER explicit Columns(uint32_t k) {
    const uint32_t groups = k / BLOCK, rest = groups % STEP_GROUPS;
    partial = rest != 0 ? groups / STEP_GROUPS : ~0u;
    for (uint32_t h = 0; h < HALVES; ++h) outside[h] = 4 * h + lane() / 16 < rest ? 0 : OUTSIDE;
    exist = (outside[0] == 0 ? 0xffff : 0) | (outside[HALVES - 1] == 0 ? 0xffff0000 : 0);
  }
};

/// `body` with every tile and half.
template <int TILES, class Body>
DEVICE void each_half(Body&& body) {
  unroll<TILES>([&](auto t) { unroll<HALVES>([&](auto h) { body(t, h); }); });
}

/// The scales of TILES tiles. `word`s of a step, of which byte `select` belongs to a tile's half.
template <int TILES, Order ORDER>
struct Scales;

/// `[rows, groups]`: a byte for each tile and half.
template <int TILES>
struct Scales<TILES, Order::raw> {
  static constexpr int WORDS = TILES * HALVES;
  struct Words {
    uint32_t of[WORDS];
  };

  Buffer buffer;
  uint32_t offset[TILES][HALVES];

  MEMBER Scales(const uint8_t* scales, const Rows& rows)
      : buffer(at(scales, uint64_t(rows.first) * rows.groups), rows.count * rows.groups) {
    each_half<TILES>([&](auto t, auto h) {
      offset[t][h] = (t * TILE + lane() % 16) * rows.groups + lane() / 16 + 4 * h;
    });
  }

  MEMBER void cut(const Columns& columns) {
    each_half<TILES>([&](auto t, auto h) { offset[t][h] |= columns.outside[h]; });
  }

  MEMBER Words load(uint32_t step, bool exists) const {
    Words words;
    const uint32_t start = exists ? step * STEP_GROUPS : OUTSIDE;
    each_half<TILES>([&](auto t, auto h) { words.of[t * HALVES + h] = buffer.load1(offset[t][h] + start); });
    return words;
  }

  MEMBER static void clear_padding(Words&, const Columns&) {}

  template <int T, int H>
  static constexpr int SELECT = 0;
  template <int T, int H>
  MEMBER static uint32_t word(const Words& words) {
    return words.of[T * HALVES + H];
  }
};

/// `e8m0_shuffle`: a word for each pair of tiles and 256 columns, byte 0 and 1 the tiles, 2 and 3 the same 128 columns
/// further on. A lone tile or half step shifts its byte down.
template <int TILES>
struct Scales<TILES, Order::shuffled> {
  static_assert(TILES == 1 || TILES % 2 == 0);
  static constexpr int WORDS = (TILES + 1) / 2;
  struct Words {
    uint32_t of[WORDS];
  };

  Buffer buffer;
  uint32_t offset[WORDS];
  uint32_t shift;

  MEMBER Scales(const uint8_t* scales, const Rows& rows)
      : buffer(base(scales, rows), size(rows)), shift(TILES == 1 ? rows.first % 32 / 16 * 8 : 0) {
    for (uint32_t w = 0; w < WORDS; ++w) offset[w] = w * 32 * padded(rows) + lane() * 4;
  }

  MEMBER void cut(const Columns&) {}

  MEMBER Words load(uint32_t step, bool exists) const {
    Words words;
    const uint32_t start = exists ? step * STEP_GROUPS / 8 * 256 : OUTSIDE;
    unroll<WORDS>([&](auto w) { words.of[w] = buffer.load4(offset[w] + start); });
    if constexpr (TILES == 1 || HALVES == 1) {
      const uint32_t down = shift + (HALVES == 1 ? step % 2 * 16 : 0);
      unroll<WORDS>([&](auto w) { words.of[w] >>= down; });
    }
    return words;
  }

  MEMBER static void clear_padding(Words& words, const Columns& columns) {
    unroll<WORDS>([&](auto w) { words.of[w] &= columns.exist; });
  }

  template <int T, int H>
  static constexpr int SELECT = T % 2 + 2 * H;
  template <int T, int H>
  MEMBER static uint32_t word(const Words& words) {
    return words.of[T / 2];
  }

 private:
  MEMBER static uint32_t padded(const Rows& rows) { return (rows.groups + 7) / 8 * 8; }
  MEMBER static const uint8_t* base(const uint8_t* scales, const Rows& rows) {
    return at(scales, uint64_t(rows.first / 32 * 32) * padded(rows));
  }
  /// Padding rows exist, up to a multiple of 256.
  MEMBER static uint32_t size(const Rows& rows) {
    const uint32_t left = (rows.total + 255) / 256 * 256 - rows.first / 32 * 32;
    return rows.count == 0 ? 0 : min_of(left, uint32_t(WORDS * 32)) * padded(rows);
  }
};

/// MXFP4 in memory.
template <int TILES, Order CODES, Order SCALES>
struct Packed {
  using S = ::Scales<TILES, SCALES>;
  struct Step {
    Codes codes[TILES][HALVES];
    S::Words scales;
  };

  Buffer buffer;
  S scales;
  uint32_t offset[TILES][HALVES];

  /// `stride`: bytes from row to row; of shuffled codes that of one row.
  MEMBER Packed(const void* data, const uint8_t* scales, const Rows& rows, uint64_t stride)
      : buffer(at(data, rows.first * stride), size(rows, stride)), scales(scales, rows) {
    const uint32_t row = uint32_t(stride);
    each_half<TILES>([&](auto t, auto h) {
      offset[t][h] = CODES == Order::raw ? (t * TILE + lane() % 16) * row + lane() / 16 * 16 + h * 64
                                         : t * TILE * row + lane() * 16 + h * 1024;
    });
  }

  /// From now on: only what of the partial step exists.
  MEMBER void cut(const Columns& columns) {
    each_half<TILES>([&](auto t, auto h) { offset[t][h] |= columns.outside[h]; });
    scales.cut(columns);
  }

  MEMBER Step load(uint32_t step, bool exists) const {
    constexpr uint32_t BYTES = CODES == Order::raw ? KSTEP / 2 : KSTEP / 2 * 16;
    Step loaded;
    const uint32_t start = exists ? step * BYTES : OUTSIDE;
    each_half<TILES>([&](auto t, auto h) { loaded.codes[t][h] = buffer.load16(offset[t][h] + start); });
    loaded.scales = scales.load(step, exists);
    return loaded;
  }

  /// Of the partial step: scales of blocks that do not exist become 0.
  MEMBER static void clear_padding(Step& step, const Columns& columns) { S::clear_padding(step.scales, columns); }

  /// What the matrix cores read: here, what came.
  MEMBER static const Step& ready(const Step& step) { return step; }

 private:
  MEMBER static uint32_t size(const Rows& rows, uint64_t stride) {
    if (rows.count == 0) return 0;
    if (CODES == Order::shuffled) return rows.count * uint32_t(stride);
    return (rows.count - 1) * uint32_t(stride) + rows.groups * BLOCK_BYTES;
  }
};

/// bf16 in memory, made MXFP4 by each wave: the block that a lane quantises is the one that its matrix core reads.
template <int TILES, Rounding ROUND>
struct Plain {
  using Chunk8 = Fragment<bf16>;
  struct Step {
    u32x4 words[TILES][HALVES][4];
  };
  struct Ready {
    Codes codes[TILES][HALVES];
    struct Words {
      uint32_t of[TILES * HALVES];
    } scales;
  };
  struct S {
    template <int T, int H>
    static constexpr int SELECT = 0;
    template <int T, int H>
    MEMBER static uint32_t word(const Ready::Words& words) {
      return words.of[T * HALVES + H];
    }
  };

  Buffer buffer;
  uint32_t offset[TILES][HALVES];

  MEMBER Plain(const void* data, const uint8_t*, const Rows& rows, uint64_t stride)
      : buffer(at(data, rows.first * stride),
               rows.count == 0 ? 0 : (rows.count - 1) * uint32_t(stride) + rows.groups * BLOCK * 2) {
    each_half<TILES>([&](auto t, auto h) {
      offset[t][h] = (t * TILE + lane() % 16) * uint32_t(stride) + lane() / 16 * 64 + h * 256;
    });
  }

  MEMBER void cut(const Columns& columns) {
    each_half<TILES>([&](auto t, auto h) { offset[t][h] |= columns.outside[h]; });
  }

  MEMBER Step load(uint32_t step, bool exists) const {
    Step loaded;
    const uint32_t start = exists ? step * KSTEP * 2 : OUTSIDE;
    each_half<TILES>([&](auto t, auto h) {
      unroll<4>([&](auto c) { loaded.words[t][h][c] = buffer.load16(offset[t][h] + start + c * 16); });
    });
    return loaded;
  }

  MEMBER static void clear_padding(Step&, const Columns&) {}

  MEMBER static Ready ready(const Step& step) {
    Ready made;
    each_half<TILES>([&](auto t, auto h) {
      Chunk8 chunks[4];
      uint32_t key = 0;
      for (int c = 0; c < 4; ++c) {
        chunks[c] = bits_as<Chunk8>(step.words[t][h][c]);
        key = max_of(key, chunks[c].magnitude());
      }
      const uint32_t byte = scale_byte<ROUND>(Chunk8::amax(key));
      for (int c = 0; c < 4; ++c) made.codes[t][h][c] = chunks[c].encode(scale_of(byte));
      made.scales.of[t * HALVES + h] = byte;
    });
    return made;
  }
};
