// The argument struct of this folder's kernels. The build generates the Rust side from this file.
//
// out[b] = a[b] · w[b]^T + bias, b being the batch. K is a multiple of 64, N of 16; M may be anything. Alignment: base
// addresses and row starts of a, w and out are multiples of 16 bytes; scale buffers need 4 bytes when shuffled, none
// when raw. a, w and their scales are smaller than 2 GiB each.
//
// What a kernel reads comes as buffer resources, ready for its loads: address (64 bits), bytes, and 0x27000. What
// depends on the shape only is computed by the host: a scalar instruction costs a lone wave eight cycles.
#pragma once
#include <stdint.h>

/// One MXFP4 product, or a batch of them.
struct GemmMxfp4 {
  /// Resource. ACTIVATIONS = mxfp4: `[M, K/2]` bytes, two E2M1 each, low nibble first. ACTIVATIONS = bf16: `[M, K]`.
  /// Rows `a_stride` bytes apart.
  uint32_t a[4];
  /// Resource. `[N, K/2]` bytes, two E2M1 each. WEIGHTS = raw: rows `w_stride` bytes apart. WEIGHTS = shuffled: in the
  /// order of `shuffle_weight((16, 16))`, without gaps.
  uint32_t w[4];
  /// Resource. ACTIVATIONS = mxfp4: E8M0 scales of a, `[M, K/32]` in the order SCALES. ACTIVATIONS = bf16: unused.
  uint32_t a_scales[4];
  /// Resource. E8M0 scales of w, `[N, K/32]` in the order SCALES.
  uint32_t w_scales[4];
  /// Bytes from row to row of a.
  uint32_t a_stride;
  /// Bytes from row to row of w. WEIGHTS = shuffled: K/2.
  uint32_t w_stride;
  /// SCALES = raw: bytes of a row, K/32. SCALES = shuffled: bytes of 32 rows, 32 times K/32 rounded up to 8.
  uint32_t scale_pitch;
  /// Whole steps of KSTEP columns, and all steps: one more where K is no multiple of KSTEP.
  uint32_t whole_steps;
  /// See there.
  uint32_t steps;
  /// Steps of one wave; the last waves may have fewer.
  uint32_t steps_per_part;
  /// Groups of 32 columns in the step that is not whole.
  uint32_t rest;
  /// Workgroups that share a tile, each with its part of K; 1 in a batch.
  uint32_t splits;
  /// Rows of a and out, M.
  uint32_t m;
  /// Rows of w, columns of out, N.
  uint32_t n;
  /// `[M, N]` of the type OUT, rows `out_stride` elements apart.
  void* out;
  /// Elements from row to row, less than 2^22.
  uint64_t out_stride;
  /// `[N]` f32 that is added to every row; null for none.
  const float* bias;
  /// splits > 1: a uint32_t counter for each tile, 0 before the launch and 0 after it, and from byte `partials` on
  /// tiles * splits * BM * BN f32; else null.
  uint8_t* workspace;
  /// splits > 1: bytes of counters, rounded up to 256.
  uint64_t partials;
  /// BATCHED: bytes from one a to the next.
  uint64_t a_batch;
  /// BATCHED: bytes from one w to the next.
  uint64_t w_batch;
  /// BATCHED: bytes from one w_scales to the next.
  uint64_t w_scales_batch;
  /// BATCHED: elements from one out to the next.
  uint64_t out_batch;
};
