// Loops whose index is a constant in each turn: instruction fields and register arrays need that.
#pragma once
#include "types.h"

template <int N>
struct Index {
  static constexpr int value = N;
  MEMBER constexpr operator int() const { return N; }
};

/// `body(Index<0>)`, …, `body(Index<N - 1>)`.
template <int N, int I = 0, class Body>
DEVICE void unroll(Body&& body) {
  if constexpr (I < N) {
    body(Index<I>{});
    unroll<N, I + 1>(body);
  }
}
