// The largest magnitude of a tensor: a maximum per workgroup, then one atomic maximum on its f32 bits, which order
// as the numbers do. A workgroup that cannot raise the result leaves it alone: most of them, so that the one
// address is no bottleneck.
#include "params.h"
#include "tensor.h"

static_assert(ELEMENTS_PER_WORKGROUP == 32 * THREADS, "a lane takes 32 elements");

KERNEL(THREADS) tensor_amax(TensorAmax p) {
  const uint64_t stride = p.x_stride * sizeof(TYPE);
  const RowMajor blocks(p.m, p.k, stride != p.k * sizeof(TYPE));
  uint32_t key = 0;
  if (!blocks.empty()) key = Share::read(blocks, p.x, stride).magnitude();
  const uint32_t amax = Chunk<TYPE>::amax(workgroup_reduce(key, max_of<uint32_t>));
  auto* result = (global<uint32_t>*)p.amax;
  if (thread() == 0 && amax > __hip_atomic_load(result, __ATOMIC_RELAXED, __HIP_MEMORY_SCOPE_AGENT)) {
    __hip_atomic_fetch_max(result, amax, __ATOMIC_RELAXED, __HIP_MEMORY_SCOPE_AGENT);
  }
}
