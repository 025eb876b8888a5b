// The argument structs of this folder's kernels. The build generates the Rust side from this file.
//
// Alignment: every base address and every row start of a tensor is a multiple of 16 bytes, so that all
// accesses are 16 bytes wide; scale buffers need none. The host checks this before it launches.
#pragma once
#include <stdint.h>

/// `[M, K]` of the instance's TYPE to MXFP4, one E8M0 scale for 32 elements of a row.
struct QuantiseMxfp4 {
  /// `[M, K]` elements, rows `x_stride` elements apart.
  const void* x;
  /// `[M, K/2]` bytes, two E2M1 each, low nibble first, rows `data_stride` bytes apart.
  uint8_t* data;
  /// SCALES = raw: `[M, K/32]` bytes without gaps. SCALES = shuffled: `e8m0_shuffle` order, rows padded to
  /// 256, groups to 8, padding written as 0.
  uint8_t* scales;
  /// Elements from row to row.
  uint64_t x_stride;
  /// Bytes from row to row.
  uint64_t data_stride;
  /// Rows, M.
  uint32_t m;
  /// Columns, K, a multiple of 32.
  uint32_t k;
  /// A block's largest magnitude is raised to at least this; 0 for none.
  float amax_floor;
  /// Zero.
  uint32_t reserved;
};

/// MXFP4 to `[M, K]` bf16.
struct DequantiseMxfp4 {
  /// `[M, K/2]` bytes, two E2M1 each, low nibble first, rows `data_stride` bytes apart.
  const uint8_t* data;
  /// E8M0 scales in the instance's SCALES layout.
  const uint8_t* scales;
  /// `[M, K]` bf16, rows `out_stride` elements apart.
  uint16_t* out;
  /// Bytes from row to row.
  uint64_t data_stride;
  /// Elements from row to row.
  uint64_t out_stride;
  /// Rows, M.
  uint32_t m;
  /// Columns, K, a multiple of 32.
  uint32_t k;
};

/// silu(gate) * up to MXFP4; silu(g) = g / (1 + exp(-g)), all in f32, quantised from the f32 product.
struct SiluMulMxfp4 {
  /// `[M, 2 K]` elements of the instance's TYPE, a row being `[gate(K) ; up(K)]`, rows `x_stride` elements apart.
  const void* x;
  /// `[M, K/2]` bytes, two E2M1 each, low nibble first, rows `data_stride` bytes apart.
  uint8_t* data;
  /// E8M0 scales in the instance's SCALES layout, padding written as 0.
  uint8_t* scales;
  /// Elements from row to row.
  uint64_t x_stride;
  /// Bytes from row to row.
  uint64_t data_stride;
  /// Rows, M.
  uint32_t m;
  /// Outputs of a row, K, a multiple of 32.
  uint32_t k;
  /// A block's largest magnitude is raised to at least this; 0 for none.
  float amax_floor;
  /// Zero.
  uint32_t reserved;
};

/// RMSNorm of x + residual to MXFP4: s = x + residual, y = s * rsqrt(mean(s^2) + epsilon) * weight in f32,
/// quantised from the f32 y.
struct RmsNormMxfp4 {
  /// `[M, K]` elements of the instance's TYPE, rows `x_stride` elements apart.
  const void* x;
  /// `[M, K]` elements of TYPE to add before the norm, rows `residual_stride` elements apart; null for none.
  const void* residual;
  /// `[K]` elements of TYPE.
  const void* weight;
  /// `[M, K/2]` bytes, two E2M1 each, low nibble first, rows `data_stride` bytes apart.
  uint8_t* data;
  /// E8M0 scales in the instance's SCALES layout, padding written as 0.
  uint8_t* scales;
  /// `[M, K]` bf16 copy of y, rows `normed_stride` elements apart; null for none.
  uint16_t* normed;
  /// `[M, K]` of TYPE, receives s rounded to nearest even, rows `sum_stride` elements apart; null for none.
  void* sum;
  /// Elements from row to row.
  uint64_t x_stride;
  /// Elements from row to row.
  uint64_t residual_stride;
  /// Bytes from row to row.
  uint64_t data_stride;
  /// Elements from row to row.
  uint64_t normed_stride;
  /// Elements from row to row.
  uint64_t sum_stride;
  /// Rows, M.
  uint32_t m;
  /// Columns, K, a multiple of 32.
  uint32_t k;
  /// Added to the mean of squares.
  float epsilon;
  /// A block's largest magnitude is raised to at least this; 0 for none.
  float amax_floor;
};

/// `[M, K]` of the instance's TYPE to FP8 E4M3 (OCP): scale = amax / 448, code = x / scale, nearest even,
/// saturating. GRANULARITY says which elements share a scale.
struct QuantiseFp8 {
  /// `[M, K]` elements, rows `x_stride` elements apart.
  const void* x;
  /// `[M, K]` E4M3 codes, rows `data_stride` bytes apart.
  uint8_t* data;
  /// tensor: one f32. token: `[M]`. block128: `[M, ceil(K/128)]`. block128_transposed: `[ceil(K/128), M]`.
  float* scales;
  /// tensor only: one uint32_t, the largest magnitude as f32 bits, that `tensor_amax` made; else null.
  uint32_t* amax;
  /// Elements from row to row.
  uint64_t x_stride;
  /// Bytes from row to row.
  uint64_t data_stride;
  /// Rows, M.
  uint32_t m;
  /// Columns, K, a multiple of 32.
  uint32_t k;
  /// A group's largest magnitude is raised to at least this; 0 for none: a group of zeros then has scale 1.
  float amax_floor;
  /// Zero.
  uint32_t reserved;
};

/// The largest magnitude of `[M, K]` of the instance's TYPE; NaN counts as the largest, Inf as the next.
struct TensorAmax {
  /// `[M, K]` elements, rows `x_stride` elements apart.
  const void* x;
  /// One uint32_t of f32 bits, which the host sets to 0 before; the order of the maximum does not show.
  uint32_t* amax;
  /// Elements from row to row.
  uint64_t x_stride;
  /// Rows, M.
  uint32_t m;
  /// Columns, K, a multiple of 32.
  uint32_t k;
};

/// Packed weights between row-major order and that of `shuffle_weight((16, 16))`.
struct ShuffleWeights {
  /// `[rows, row_bytes]` in the source order.
  const uint8_t* source;
  /// The same bytes in the other order.
  uint8_t* target;
  /// A multiple of 16; stacked experts are one tall matrix.
  uint32_t rows;
  /// A multiple of 32.
  uint32_t row_bytes;
};

/// E8M0 scales between `[M, groups]` and `e8m0_shuffle` order.
struct ShuffleScales {
  /// shuffle: `[M, groups]` bytes without gaps. unshuffle: the shuffled buffer.
  const uint8_t* source;
  /// shuffle: the shuffled buffer, padding written as 0. unshuffle: `[M, groups]`.
  uint8_t* target;
  /// Rows, M.
  uint32_t m;
  /// Groups of a row, K/32.
  uint32_t groups;
};
