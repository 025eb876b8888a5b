// MXFP4 to bf16: the quantiser backwards. A lane loads a whole block, a transposition deals its four dwords out to
// the quad, so that each of the four stores is contiguous.
#include "blocks.h"
#include "params.h"

/// Eight codes to bf16; exact, but ±4 and ±6 under scale byte 254 overflow to ±Inf.
DEVICE u32x4 decode(uint32_t codes, f32 scale) {
  return {bits_as<uint32_t>(__builtin_amdgcn_cvt_scalef32_pk_bf16_fp4(codes, scale, 0)),
          bits_as<uint32_t>(__builtin_amdgcn_cvt_scalef32_pk_bf16_fp4(codes, scale, 1)),
          bits_as<uint32_t>(__builtin_amdgcn_cvt_scalef32_pk_bf16_fp4(codes, scale, 2)),
          bits_as<uint32_t>(__builtin_amdgcn_cvt_scalef32_pk_bf16_fp4(codes, scale, 3))};
}

static_assert(BLOCKS_PER_WORKGROUP == THREADS, "a lane loads one block");

KERNEL(THREADS) dequantise_mxfp4(DequantiseMxfp4 p) {
  const uint64_t stride = p.out_stride * sizeof(bf16);
  const Blocks<Scales::SCALES> blocks(p.m, p.k, stride != p.k * sizeof(bf16) || p.data_stride != p.k / 2);
  if (blocks.empty()) return;
  const auto packed = load<u32x4>(at(p.data, offset_of_own(blocks, BLOCK_BYTES, p.data_stride)));
  const uint32_t byte = load<uint8_t>(at(p.scales, blocks.scale_offset(own())));
  uint32_t codes[4] = {packed.x, packed.y, packed.z, packed.w};
  quad_transpose(codes);
  // Byte 255 makes NaN of any code: under scale 1 a code's bits are all within the bits of the NaN 0x7fc0, so OR
  // completes it and the code's sign stays.
  const bool is_nan = byte == 255;
  const f32 scale = is_nan ? 1.0f : scale_of(byte);
  const uint32_t nan = is_nan ? 0x7fc07fc0 : 0;
  const u32x4 values[4] = {decode(codes[0], quad_broadcast<0>(scale)) | quad_broadcast<0>(nan),
                           decode(codes[1], quad_broadcast<1>(scale)) | quad_broadcast<1>(nan),
                           decode(codes[2], quad_broadcast<2>(scale)) | quad_broadcast<2>(nan),
                           decode(codes[3], quad_broadcast<3>(scale)) | quad_broadcast<3>(nan)};
  const auto offsets = offsets_of_quad(blocks, BLOCK * sizeof(bf16), stride);
  for (int i = 0; i < 4; ++i) {
    if (blocks.holds(i)) store(at(p.out, offsets.of[i] + lane() % 4 * 16), values[i]);
  }
}
