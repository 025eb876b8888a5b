// Matrix instructions on MXFP4: D[16][16] += X[16][128] · Y[16][128]^T.
//
// X and Y have the same form, a `Codes` per lane: lane l holds row l % 16, K block l / 16 of 32 codes, and one byte of
// a scale word is that block's E8M0 scale. D: lane l, component r is D[4 (l / 16) + r][l % 16]. A lane's four values
// are neighbours along X, so X is whatever is contiguous in the result.
#pragma once
#include "types.h"

using f32x4 = vec<f32, 4>;
/// 32 E2M1 codes, element 0 in the lowest nibble.
using Codes = u32x4;

/// Rows of a tile, and columns of K that one instruction takes.
constexpr uint32_t TILE = 16, TILE_K = 128;

/// `SELECT_X`, `SELECT_Y`: which byte of the scale words.
template <int SELECT_X, int SELECT_Y>
DEVICE f32x4 mfma(Codes x, Codes y, f32x4 sum, uint32_t scale_x, uint32_t scale_y) {
  // The instruction's operands are eight registers for FP8; of FP4 it reads the first four.
  using Wide = vec<int, 8>;
  const Wide wide_x = {int(x.x), int(x.y), int(x.z), int(x.w)}, wide_y = {int(y.x), int(y.y), int(y.z), int(y.w)};
  constexpr int E2M1 = 4;
  return __builtin_amdgcn_mfma_scale_f32_16x16x128_f8f6f4(wide_x, wide_y, sum, E2M1, E2M1, SELECT_X, scale_x, SELECT_Y,
                                                          scale_y);
}
