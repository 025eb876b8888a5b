// printf from kernels, constant memory, templates, a cooperative launch and occupancy. Exits with the number
// of the first check that fails.
#include <hip/hip_runtime.h>

#include <cstdio>

#define CHECK(number, condition)                                         \
  do {                                                                   \
    if (!(condition)) {                                                  \
      std::fprintf(stderr, "check %d failed: %s\n", number, #condition); \
      return number;                                                     \
    }                                                                    \
  } while (0)

__constant__ char names[2][8] = {"even", "odd"};
__constant__ float weights[4] = {0.5f, 0.25f, 0.125f, 0.0625f};

__global__ void greet() { printf("lane %d is %s\n", static_cast<int>(threadIdx.x), names[threadIdx.x & 1]); }

// Every kind of conversion, with more arguments than one packet holds.
__global__ void conversions(long big, int* result) {
  int written = printf("%5d|%-5d|%05u|%x|%lx|%c|%s|%.3f|%e|%g|%%|%*d|%.2s\n", -42, 42, 42u, -1, big, 'A', "text", 3.14159,
                       12345.678, 0.5f, 6, 7, "cut");
  result[0] = written;
  result[1] = printf("no conversion\n");
  printf("%hhd %hu %lld %zu %p\n", 300, 70000, -5ll, sizeof(int), static_cast<void*>(nullptr));
  printf("a line that is longer than the fifty-six bytes that one packet of the protocol can carry: %d\n", 1);
}

// Lanes that diverge print in turns.
__global__ void diverge() {
  if (threadIdx.x < 2) {
    printf("low %d\n", static_cast<int>(threadIdx.x));
  } else {
    printf("high %d\n", static_cast<int>(threadIdx.x));
  }
}

template <typename T, int Scale>
__global__ void weigh(const T* in, T* out) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  out[i] = static_cast<T>(Scale * in[i] * weights[i % 4]);
}

template <typename T, int Scale>
bool weighs() {
  const int n = 128;
  T values[n], results[n];
  for (int i = 0; i < n; ++i) values[i] = static_cast<T>(16 * i);
  T *in, *out;
  bool good = hipMalloc(&in, sizeof values) == hipSuccess && hipMalloc(&out, sizeof values) == hipSuccess;
  good &= hipMemcpy(in, values, sizeof values, hipMemcpyHostToDevice) == hipSuccess;
  weigh<T, Scale><<<2, 64>>>(in, out);
  good &= hipMemcpy(results, out, sizeof values, hipMemcpyDeviceToHost) == hipSuccess;
  const float host_weights[4] = {0.5f, 0.25f, 0.125f, 0.0625f};
  for (int i = 0; i < n; ++i) good &= results[i] == static_cast<T>(Scale * values[i] * host_weights[i % 4]);
  return good && hipFree(in) == hipSuccess && hipFree(out) == hipSuccess;
}

__global__ void mark(int* out) { out[blockIdx.x] = blockIdx.x + 1; }

int main() {
  std::printf("before\n");
  greet<<<1, 4>>>();
  CHECK(1, hipDeviceSynchronize() == hipSuccess);
  std::printf("between\n");
  int* result;
  CHECK(2, hipMalloc(&result, 1024 * sizeof(int)) == hipSuccess);
  conversions<<<1, 1>>>(0x123456789abcdefl, result);
  int written[2];
  CHECK(3, hipMemcpy(written, result, sizeof written, hipMemcpyDeviceToHost) == hipSuccess);
#ifndef BUFFERED
  CHECK(4, written[0] == 85 && written[1] == 14);
#endif
  diverge<<<1, 4>>>();
  CHECK(5, hipDeviceSynchronize() == hipSuccess);

  CHECK(10, (weighs<float, 3>()));
  CHECK(11, (weighs<int, 2>()));
  CHECK(12, (weighs<double, -1>()));

  int per_unit = 0, grid = 0, block = 0;
  hipDeviceProp_t properties;
  CHECK(20, hipGetDeviceProperties(&properties, 0) == hipSuccess && properties.cooperativeLaunch == 1);
  CHECK(21, hipOccupancyMaxActiveBlocksPerMultiprocessor(&per_unit, mark, 64, 0) == hipSuccess && per_unit > 0);
  CHECK(22, hipOccupancyMaxPotentialBlockSize(&grid, &block, mark, 0, 0) == hipSuccess);
  CHECK(23, block % 64 == 0 && grid >= properties.multiProcessorCount);
  void* arguments[] = {&result};
  const void* kernel = reinterpret_cast<const void*>(mark);
  CHECK(24, hipLaunchCooperativeKernel(kernel, dim3(32), dim3(64), arguments, 0, nullptr) == hipSuccess);
  int marks[32];
  CHECK(25, hipMemcpy(marks, result, sizeof marks, hipMemcpyDeviceToHost) == hipSuccess);
  for (int i = 0; i < 32; ++i) CHECK(26, marks[i] == i + 1);
  dim3 all(per_unit * properties.multiProcessorCount + 1);
  CHECK(27, hipLaunchCooperativeKernel(kernel, all, dim3(64), arguments, 0, nullptr) ==
                hipErrorCooperativeLaunchTooLarge);
  CHECK(28, hipGetLastError() == hipErrorCooperativeLaunchTooLarge);
  CHECK(29, hipFree(result) == hipSuccess);
  std::printf("all checks passed\n");
  return 0;
}
