// Exchange between lanes without LDS: DPP within rows of 16 lanes, permlane swaps between rows.
#pragma once
#include "types.h"

/// DPP controls (CDNA3 ISA, "DPP_CTRL").
constexpr int quad_perm(int a, int b, int c, int d) { return a | b << 2 | c << 4 | d << 6; }
constexpr int row_ror(int lanes) { return 0x120 + lanes; }

/// Lane XOR 1 and lane XOR 2.
constexpr int XOR_1 = quad_perm(1, 0, 3, 2), XOR_2 = quad_perm(2, 3, 0, 1);

template <int CTRL, class T>
DEVICE T dpp(T value) {
  static_assert(sizeof(T) == 4);
  return bits_as<T>(__builtin_amdgcn_mov_dpp(bits_as<int>(value), CTRL, 0xf, 0xf, true));
}

/// The value of lane `LANE` of each quad.
template <int LANE, class T>
DEVICE T quad_broadcast(T value) {
  return dpp<quad_perm(LANE, LANE, LANE, LANE)>(value);
}

/// Four values per lane, the i-th of all lanes of a quad belonging together: lane i gets what `op` makes of the
/// i-th. Nine operations, where four reductions to all lanes take sixteen.
template <class T, class Op>
DEVICE T quad_reduce(const T (&v)[4], Op op) {
  const bool bit0 = lane() & 1, bit1 = lane() & 2;
  const T low = op(bit0 ? v[1] : v[0], dpp<XOR_1>(bit0 ? v[0] : v[1]));
  const T high = op(bit0 ? v[3] : v[2], dpp<XOR_1>(bit0 ? v[2] : v[3]));
  return op(bit1 ? high : low, dpp<XOR_2>(bit1 ? low : high));
}

/// Completes a `quad_reduce` over the four quads of each row of 16 lanes.
template <class T, class Op>
DEVICE T reduce_quads_of_row(T value, Op op) {
  value = op(value, dpp<row_ror(4)>(value));
  return op(value, dpp<row_ror(8)>(value));
}

/// What `op` makes of all 64 lanes, in every lane; a tree of depth 6.
template <class T, class Op>
DEVICE T wave_reduce(T value, Op op) {
  value = op(value, dpp<XOR_1>(value));
  value = op(value, dpp<XOR_2>(value));
  value = reduce_quads_of_row(value, op);
  const auto word = bits_as<uint32_t>(value);
  const auto rows = __builtin_amdgcn_permlane16_swap(word, word, false, false);
  value = op(bits_as<T>(rows[0]), bits_as<T>(rows[1]));
  const auto half = bits_as<uint32_t>(value);
  const auto halves = __builtin_amdgcn_permlane32_swap(half, half, false, false);
  return op(bits_as<T>(halves[0]), bits_as<T>(halves[1]));
}

/// 2×2 transposition between lanes XOR `CTRL`: the lower lane keeps its a and gets the other's, the upper gets both b.
template <int CTRL>
DEVICE void exchange(bool upper, uint32_t& a, uint32_t& b) {
  const uint32_t given = dpp<CTRL>(a), taken = dpp<CTRL>(b);
  a = upper ? taken : a;
  b = upper ? b : given;
}

/// 4×4 transposition within quads: lane i's word j becomes lane j's word i.
DEVICE void quad_transpose(uint32_t (&v)[4]) {
  const bool bit0 = lane() & 1, bit1 = lane() & 2;
  exchange<XOR_1>(bit0, v[0], v[1]);
  exchange<XOR_1>(bit0, v[2], v[3]);
  exchange<XOR_2>(bit1, v[0], v[2]);
  exchange<XOR_2>(bit1, v[1], v[3]);
}
