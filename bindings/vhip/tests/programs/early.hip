// Launches as programs of HIP's first years wrote them, and the same kernel on several devices.
// Exits with the number of the first check that fails.
#include <hip/hip_ext.h>
#include <hip/hip_runtime.h>

#include <cstdio>

#define CHECK(number, condition)                                        \
  do {                                                                  \
    if (!(condition)) {                                                 \
      std::fprintf(stderr, "check %d failed: %s\n", number, #condition); \
      return number;                                                    \
    }                                                                   \
  } while (0)

extern "C" hipError_t hipSetupArgument(const void* argument, size_t bytes, size_t offset);
extern "C" hipError_t hipLaunchByPtr(const void* symbol);

__global__ void add(int* data, int value) { data[threadIdx.x] += value; }

int main() {
  int devices = 0;
  CHECK(1, hipGetDeviceCount(&devices) == hipSuccess && devices == 2);
  const void* symbol = reinterpret_cast<const void*>(add);
  int *data[2], value = 5;
  hipStream_t streams[2];
  for (int device = 0; device < 2; ++device) {
    CHECK(2, hipSetDevice(device) == hipSuccess);
    CHECK(3, hipMalloc(&data[device], 64 * sizeof(int)) == hipSuccess);
    CHECK(4, hipMemset(data[device], 0, 64 * sizeof(int)) == hipSuccess);
    CHECK(5, hipStreamCreate(&streams[device]) == hipSuccess);
  }
  CHECK(6, hipSetDevice(0) == hipSuccess);

  CHECK(10, hipSetupArgument(&value, sizeof value, 8) == hipErrorMissingConfiguration);
  CHECK(11, hipLaunchByPtr(symbol) == hipErrorMissingConfiguration);
  CHECK(12, hipConfigureCall(dim3(1), dim3(64), 0, streams[0]) == hipSuccess);
  CHECK(13, hipSetupArgument(&value, sizeof value, 8) == hipSuccess);
  CHECK(14, hipSetupArgument(&data[0], sizeof data[0], 0) == hipSuccess);
  CHECK(15, hipSetupArgument(&value, sizeof value, 1 << 20) == hipErrorInvalidValue);
  CHECK(16, hipLaunchByPtr(symbol) == hipSuccess);
  // An argument is missing.
  CHECK(17, hipConfigureCall(dim3(1), dim3(64), 0, streams[0]) == hipSuccess);
  CHECK(18, hipSetupArgument(&data[0], sizeof data[0], 0) == hipSuccess);
  CHECK(19, hipLaunchByPtr(symbol) == hipErrorInvalidValue);

  hipLaunchParams parts[2];
  void* arguments[2][2] = {{&data[0], &value}, {&data[1], &value}};
  for (int device = 0; device < 2; ++device) {
    parts[device] = {const_cast<void*>(symbol), dim3(1), dim3(64), arguments[device], 0, streams[device]};
  }
  CHECK(20, hipLaunchCooperativeKernelMultiDevice(parts, 2, 0) == hipSuccess);
  CHECK(21, hipExtLaunchMultiKernelMultiDevice(parts, 2, 0) == hipSuccess);
  parts[1].gridDim = dim3(2);
  CHECK(22, hipLaunchCooperativeKernelMultiDevice(parts, 2, 0) == hipErrorInvalidValue);
  CHECK(23, hipFuncSetSharedMemConfig(symbol, hipSharedMemBankSizeEightByte) == hipSuccess);
  CHECK(24, hipFuncSetSharedMemConfig(symbol, static_cast<hipSharedMemConfig>(7)) == hipErrorInvalidValue);

  int results[2];
  for (int device = 0; device < 2; ++device) {
    CHECK(30, hipMemcpy(&results[device], data[device] + 63, sizeof(int), hipMemcpyDeviceToHost) == hipSuccess);
  }
  CHECK(31, results[0] == 15 && results[1] == 10);
  std::printf("all checks passed\n");
  return 0;
}
