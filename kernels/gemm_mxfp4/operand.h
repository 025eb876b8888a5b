// One operand of the product, as a wave takes it from memory: TILES tiles of 16 rows, KSTEP columns of K at a time,
// straight into the registers that the matrix cores read. In every layout a lane's bytes of a step are at an offset that
// depends on lane, tile and half, plus the step times a constant: one addition for each load. Outside of the tensor
// reads as 0, which as codes adds nothing.
#pragma once
#include "buffer.h"
#include "mfma.h"
#include "mx.h"
#include "unroll.h"

enum class Order { raw, shuffled };

/// MFMA steps of a K step: a shuffled scale word holds the scales of two.
constexpr int HALVES = KSTEP / TILE_K;
static_assert(HALVES == 1 || HALVES == 2);
/// Scales of a row in a K step.
constexpr uint32_t STEP_GROUPS = KSTEP / BLOCK;

/// `body` with every tile and half.
template <int TILES, class Body>
DEVICE void each_half(Body&& body) {
  unroll<TILES>([&](auto t) { unroll<HALVES>([&](auto h) { body(t, h); }); });
}

/// OUTSIDE in lanes whose block of a half is not among the step's first `groups`.
DEVICE uint32_t outside(uint32_t half, uint32_t groups) { return 4 * half + lane() / 16 < groups ? 0 : OUTSIDE; }

/// A step of K, and how much of it exists.
struct Which {
  uint32_t number;
  bool exists;
  /// By half: OUTSIDE in lanes whose blocks do not exist. 0 for TAIL = 0.
  uint32_t outside[HALVES];

  MEMBER Which(uint32_t number, uint32_t last, uint32_t whole, uint32_t rest) : number(number), exists(number < last) {
    for (int h = 0; h < HALVES; ++h) outside[h] = TAIL && number == whole ? ::outside(h, rest) : 0;
  }

  /// Where it begins, with `bytes` for each step.
  MEMBER uint32_t start(uint32_t bytes) const { return exists ? number * bytes : OUTSIDE; }
};

/// The scales of TILES tiles from row `first` on. Of a step they are some `Words`; byte SELECT of `word` belongs to a
/// tile's half.
template <int TILES, Order ORDER>
struct Scales;

/// `[rows, groups]`: a byte for each tile and half.
template <int TILES>
struct Scales<TILES, Order::raw> {
  static constexpr int WORDS = TILES * HALVES;
  struct Words {
    uint32_t of[WORDS];
  };

  Source source;
  uint32_t offset[TILES][HALVES];

  MEMBER Scales(const Source& source, uint32_t pitch, uint32_t first) : source(source) {
    const uint32_t begin = first * pitch;
    each_half<TILES>([&](auto t, auto h) {
      offset[t][h] = begin + (t * TILE + lane() % 16) * pitch + lane() / 16 + 4 * h;
    });
  }

  MEMBER static void clear_padding(Words&, uint32_t) {}

  MEMBER Words load(const Which& step) const {
    Words words;
    const uint32_t start = step.start(STEP_GROUPS);
    each_half<TILES>([&](auto t, auto h) {
      words.of[t * HALVES + h] = source.load1(offset[t][h] + start | step.outside[h]);
    });
    return words;
  }

  template <int T, int H>
  static constexpr int SELECT = 0;
  template <int T, int H>
  MEMBER uint32_t word(const Words& words, uint32_t) const {
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

  Source source;
  uint32_t offset[WORDS];
  /// Bits to the first tile's byte.
  uint32_t shift;

  MEMBER Scales(const Source& source, uint32_t pitch, uint32_t first)
      : source(source), shift(TILES == 1 ? first / 16 % 2 * 8 : 0) {
    const uint32_t begin = first / 32 * pitch;
    unroll<WORDS>([&](auto w) { offset[w] = begin + w * pitch + lane() * 4; });
  }

  /// Of a step with `groups` only: bytes of blocks that do not exist are padding, which may be NaN.
  MEMBER static void clear_padding(Words& words, uint32_t groups) {
    const uint32_t low = outside(0, groups) == 0 ? 0xffff : 0, high = outside(1, groups) == 0 ? 0xffff0000 : 0;
    unroll<WORDS>([&](auto w) { words.of[w] &= HALVES == 1 ? (low != 0 ? ~0u : 0) : low | high; });
  }

  MEMBER Words load(const Which& step) const {
    Words words;
    const uint32_t start = step.exists ? step.number * HALVES / 2 * 256 : OUTSIDE;
    unroll<WORDS>([&](auto w) { words.of[w] = source.load4(offset[w] + start); });
    return words;
  }

  template <int T, int H>
  static constexpr int SELECT = T % 2 + 2 * H;
  template <int T, int H>
  MEMBER uint32_t word(const Words& words, uint32_t step) const {
    const uint32_t down = shift + (HALVES == 1 ? step % 2 * 16 : 0);
    return TILES == 1 || HALVES == 1 ? words.of[T / 2] >> down : words.of[T / 2];
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

  Source source;
  S scales;
  uint32_t offset[TILES][HALVES];

  /// Bytes from step to step.
  static constexpr uint32_t BYTES = CODES == Order::raw ? KSTEP / 2 : KSTEP / 2 * 16;

  /// `stride`: bytes from row to row; of shuffled codes those of one row.
  MEMBER Packed(const Source& source, const Source& scales, uint32_t stride, uint32_t pitch, uint32_t first)
      : source(source), scales(scales, pitch, first) {
    const uint32_t begin = first * stride;
    each_half<TILES>([&](auto t, auto h) {
      offset[t][h] = CODES == Order::raw ? begin + (t * TILE + lane() % 16) * stride + lane() / 16 * 16 + h * 64
                                         : begin + t * TILE * stride + lane() * 16 + h * 1024;
    });
  }

  /// Of a step of which only the first `groups` exist.
  MEMBER static void clear_padding(Step& step, uint32_t groups) { S::clear_padding(step.scales, groups); }

  MEMBER Step load(const Which& step) const {
    Step loaded;
    const uint32_t start = step.start(BYTES);
    each_half<TILES>([&](auto t, auto h) {
      loaded.codes[t][h] = source.load16(offset[t][h] + start | step.outside[h]);
    });
    loaded.scales = scales.load(step);
    return loaded;
  }

  /// What the matrix cores read: here, what came.
  MEMBER static const Step& ready(const Step& step) { return step; }
  template <int T, int H>
  MEMBER uint32_t scale(const Step& step, uint32_t number) const {
    return scales.template word<T, H>(step.scales, number);
  }
};

/// bf16 in memory, made MXFP4 by each wave: the block that a lane quantises is the one that its matrix core reads.
template <int TILES, Rounding ROUND>
struct Plain {
  using Eight = Fragment<bf16>;
  struct Step {
    u32x4 words[TILES][HALVES][4];
  };
  struct Ready {
    Codes codes[TILES][HALVES];
    uint32_t scales[TILES][HALVES];
  };
  struct S {
    template <int T, int H>
    static constexpr int SELECT = 0;
  };

  Source source;
  uint32_t offset[TILES][HALVES];

  MEMBER Plain(const Source& source, const Source&, uint32_t stride, uint32_t, uint32_t first) : source(source) {
    const uint32_t begin = first * stride;
    each_half<TILES>([&](auto t, auto h) {
      offset[t][h] = begin + (t * TILE + lane() % 16) * stride + lane() / 16 * 64 + h * 256;
    });
  }

  MEMBER static void clear_padding(Step&, uint32_t) {}

  MEMBER Step load(const Which& step) const {
    Step loaded;
    const uint32_t start = step.start(KSTEP * 2);
    each_half<TILES>([&](auto t, auto h) {
      const uint32_t at = offset[t][h] + start | step.outside[h];
      unroll<4>([&](auto c) { loaded.words[t][h][c] = source.load16(at + c * 16); });
    });
    return loaded;
  }

  MEMBER static Ready ready(const Step& step) {
    Ready made;
    each_half<TILES>([&](auto t, auto h) {
      Eight eights[4];
      uint32_t key = 0;
      for (int c = 0; c < 4; ++c) {
        eights[c] = bits_as<Eight>(step.words[t][h][c]);
        key = max_of(key, eights[c].magnitude());
      }
      const uint32_t byte = scale_byte<ROUND>(Eight::amax(key));
      for (int c = 0; c < 4; ++c) made.codes[t][h][c] = eights[c].encode(scale_of(byte));
      made.scales[t][h] = byte;
    });
    return made;
  }
  template <int T, int H>
  MEMBER uint32_t scale(const Ready& made, uint32_t) const {
    return made.scales[T][H];
  }
};
