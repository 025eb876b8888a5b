// The argument struct of this folder's kernels. The build generates the Rust side from this file.
//
// out[b] = a[b] · w[b]^T + bias, b being the batch. K is a multiple of 64, N of 16; M may be anything. Alignment: base
// addresses and row starts of a, w and out are multiples of 16 bytes; scale buffers need 4 bytes when shuffled, none
// when raw.
#pragma once
#include <stdint.h>

/// One MXFP4 product, or a batch of them.
struct GemmMxfp4 {
  /// ACTIVATIONS = mxfp4: `[M, K/2]` bytes, two E2M1 each, low nibble first. ACTIVATIONS = bf16: `[M, K]`. Rows `a_stride` bytes apart.
  const void* a;
  /// ACTIVATIONS = mxfp4: E8M0 scales of a, `[M, K/32]` in the order SCALES. ACTIVATIONS = bf16: null.
  const uint8_t* a_scales;
  /// `[N, K/2]` bytes, two E2M1 each. WEIGHTS = raw: rows `w_stride` bytes apart. WEIGHTS = shuffled: in the order of
  /// `shuffle_weight((16, 16))`, without gaps.
  const uint8_t* w;
  /// E8M0 scales of w, `[N, K/32]` in the order SCALES.
  const uint8_t* w_scales;
  /// `[N]` f32 that is added to every row; null for none.
  const float* bias;
  /// `[M, N]` of the type OUT, rows `out_stride` elements apart.
  void* out;
  /// splits > 1: f32 partial sums, tiles * splits * BM * BN of them; else null.
  float* partials;
  /// splits > 1: a counter for each tile, 0 before the launch and 0 after it; else null.
  uint32_t* counters;
  /// Bytes from row to row, less than 2^22.
  uint64_t a_stride;
  /// Bytes from row to row, less than 2^22. WEIGHTS = shuffled: K/2.
  uint64_t w_stride;
  /// Elements from row to row, less than 2^22.
  uint64_t out_stride;
  /// Bytes from one a of the batch to the next.
  uint64_t a_batch;
  /// Bytes from one w of the batch to the next.
  uint64_t w_batch;
  /// Bytes from one w_scales of the batch to the next.
  uint64_t w_scales_batch;
  /// Elements from one out of the batch to the next.
  uint64_t out_batch;
  /// Rows of a and out, M.
  uint32_t m;
  /// Rows of w, columns of out, N.
  uint32_t n;
  /// K.
  uint32_t k;
  /// Workgroups that share a tile, each with its part of K; 1 in a batch of more than one.
  uint32_t splits;
  /// Products in the batch.
  uint32_t batch;
  /// Zero.
  uint32_t reserved;
};
