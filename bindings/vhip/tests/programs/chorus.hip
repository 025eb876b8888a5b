// Many waves print at once, and an assertion fails. Exits with the number of the first check that fails.
#include <hip/hip_runtime.h>

#include <cassert>
#include <cstdio>

#define CHECK(number, condition)                                         \
  do {                                                                   \
    if (!(condition)) {                                                  \
      std::fprintf(stderr, "check %d failed: %s\n", number, #condition); \
      return number;                                                     \
    }                                                                    \
  } while (0)

__global__ void chorus() { printf("%d/%d\n", static_cast<int>(blockIdx.x), static_cast<int>(threadIdx.x)); }

__global__ void expect(int n) { assert(n == 3); }

int main() {
  chorus<<<20, 256>>>();
  CHECK(1, hipDeviceSynchronize() == hipSuccess);
  expect<<<1, 64>>>(3);
  CHECK(2, hipDeviceSynchronize() == hipSuccess);
  expect<<<1, 1>>>(4);
  CHECK(3, hipDeviceSynchronize() == hipErrorLaunchFailure);
  return 0;
}
