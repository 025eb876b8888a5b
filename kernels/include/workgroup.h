// Reductions over a workgroup of THREADS: waves by DPP, then one word per wave through LDS.
#pragma once
#include "dpp.h"

constexpr uint32_t WAVES = THREADS / WAVE;

/// Waits for all waves of the workgroup; what they wrote to LDS before is there after.
DEVICE void workgroup_barrier() {
  __builtin_amdgcn_fence(__ATOMIC_RELEASE, "workgroup", "local");
  __builtin_amdgcn_s_barrier();
  __builtin_amdgcn_fence(__ATOMIC_ACQUIRE, "workgroup", "local");
}

/// What `op` makes of all threads' values, in every thread; waves in their order. Once per kernel.
template <class T, class Op>
DEVICE T workgroup_reduce(T value, Op op) {
  SHARED T of_wave[WAVES];
  value = wave_reduce(value, op);
  if (lane() == 0) of_wave[wave()] = value;
  workgroup_barrier();
  T all = of_wave[0];
  for (uint32_t i = 1; i < WAVES; ++i) all = op(all, of_wave[i]);
  return all;
}
