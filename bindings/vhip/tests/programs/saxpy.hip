// A program as users write it: <<<>>>, device and managed variables, symbol copies, events, streams.
// Exits with the number of the first check that fails.
#include <hip/hip_runtime.h>

#include <cstdio>
#include <vector>

#define CHECK(number, condition)                                        \
  do {                                                                  \
    if (!(condition)) {                                                 \
      std::fprintf(stderr, "check %d failed: %s\n", number, #condition); \
      return number;                                                    \
    }                                                                   \
  } while (0)

__device__ float factor = 1.0f;
__managed__ int runs = 40;
__constant__ int offsets[3];

__global__ void saxpy(int n, const float* x, float* y) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i == 0) atomicAdd(&runs, 1);
  if (i < n) y[i] += factor * x[i] + offsets[i % 3];
}

template <typename T>
__global__ void fill(T* out, T value) {
  out[threadIdx.x] = value;
}

// The headers have overloads for plain names only with the legacy default stream.
const void* symbol(const void* variable) { return variable; }

int main() {
  int devices = 0;
  CHECK(1, hipGetDeviceCount(&devices) == hipSuccess && devices == 1);
  hipDeviceProp_t properties;
  CHECK(2, hipGetDeviceProperties(&properties, 0) == hipSuccess && properties.warpSize == 64);
  std::printf("%s\n", properties.name);

  const int n = 1000;
  std::vector<float> x(n), y(n, 1.0f);
  for (int i = 0; i < n; ++i) x[i] = i;
  float *device_x, *device_y;
  CHECK(3, hipMalloc(&device_x, n * sizeof(float)) == hipSuccess);
  CHECK(4, hipMalloc(&device_y, n * sizeof(float)) == hipSuccess);
  CHECK(5, hipMemcpy(device_x, x.data(), n * sizeof(float), hipMemcpyHostToDevice) == hipSuccess);
  CHECK(6, hipMemcpy(device_y, y.data(), n * sizeof(float), hipMemcpyHostToDevice) == hipSuccess);

  float two = 2.0f;
  int steps[3] = {10, 20, 30};
  CHECK(7, hipMemcpyToSymbol(symbol(&factor), &two, sizeof two) == hipSuccess);
  CHECK(8, hipMemcpyToSymbol(symbol(&offsets), steps, sizeof steps) == hipSuccess);

  hipStream_t stream;
  hipEvent_t start, stop;
  CHECK(9, hipStreamCreate(&stream) == hipSuccess);
  CHECK(10, hipEventCreate(&start) == hipSuccess && hipEventCreate(&stop) == hipSuccess);
  CHECK(11, hipEventRecord(start, stream) == hipSuccess);
  saxpy<<<(n + 255) / 256, 256, 0, stream>>>(n, device_x, device_y);
  CHECK(12, hipGetLastError() == hipSuccess);
  CHECK(13, hipEventRecord(stop, stream) == hipSuccess);
  CHECK(14, hipStreamSynchronize(stream) == hipSuccess);
  float milliseconds = 0;
  CHECK(15, hipEventElapsedTime(&milliseconds, start, stop) == hipSuccess && milliseconds > 0);

  CHECK(16, hipMemcpy(y.data(), device_y, n * sizeof(float), hipMemcpyDeviceToHost) == hipSuccess);
  for (int i = 0; i < n; ++i) CHECK(17, y[i] == 1.0f + 2.0f * i + steps[i % 3]);
  CHECK(18, runs == 41);

  float read_back = 0;
  CHECK(19, hipMemcpyFromSymbol(&read_back, symbol(&factor), sizeof read_back) == hipSuccess);
  CHECK(20, read_back == 2.0f);
  // Slices, and a graph that sets and reads the variable.
  hipPitchedPtr box;
  CHECK(40, hipMalloc3D(&box, hipExtent{8, 2, 2}) == hipSuccess);
  CHECK(41, hipMemset3D(box, 7, hipExtent{8, 2, 2}) == hipSuccess);
  unsigned char bytes[32] = {};
  hipMemcpy3DParms copy = {};
  copy.srcPtr = box;
  copy.dstPtr = hipPitchedPtr{bytes, 8, 8, 2};
  copy.extent = hipExtent{8, 2, 2};
  copy.kind = hipMemcpyDeviceToHost;
  CHECK(42, hipMemcpy3D(&copy) == hipSuccess && bytes[0] == 7 && bytes[31] == 7);
  CHECK(43, hipFree(box.ptr) == hipSuccess);
  hipGraph_t graph;
  hipGraphNode_t set, get;
  hipGraphExec_t executable;
  float five = 5.0f, found = 0;
  CHECK(44, hipGraphCreate(&graph, 0) == hipSuccess);
  CHECK(45, hipGraphAddMemcpyNodeToSymbol(&set, graph, nullptr, 0, symbol(&factor), &five, sizeof five, 0,
                                          hipMemcpyHostToDevice) == hipSuccess);
  CHECK(46, hipGraphAddMemcpyNodeFromSymbol(&get, graph, &set, 1, &found, symbol(&factor), sizeof found, 0,
                                            hipMemcpyDeviceToHost) == hipSuccess);
  CHECK(47, hipGraphInstantiate(&executable, graph, nullptr, nullptr, 0) == hipSuccess);
  CHECK(48, hipGraphLaunch(executable, stream) == hipSuccess && hipStreamSynchronize(stream) == hipSuccess);
  CHECK(49, found == 5.0f);
  CHECK(50, hipGraphExecMemcpyNodeSetParamsToSymbol(executable, set, symbol(&factor), &two, sizeof two, 0,
                                                    hipMemcpyHostToDevice) == hipSuccess);
  CHECK(51, hipGraphLaunch(executable, stream) == hipSuccess && hipStreamSynchronize(stream) == hipSuccess);
  CHECK(52, found == 2.0f);
  CHECK(53, hipGraphExecDestroy(executable) == hipSuccess && hipGraphDestroy(graph) == hipSuccess);

  fill<<<1, 64>>>(device_x, -3.0f);
  CHECK(21, hipMemcpy(x.data(), device_x, 65 * sizeof(float), hipMemcpyDeviceToHost) == hipSuccess);
  CHECK(22, x[0] == -3.0f && x[63] == -3.0f && x[64] == 64.0f);

  fill<<<1, 2048>>>(device_x, 0.0f);
  CHECK(23, hipGetLastError() != hipSuccess);
  CHECK(24, hipGetLastError() == hipSuccess);

  hipFuncAttributes attributes;
  CHECK(25, hipFuncGetAttributes(&attributes, reinterpret_cast<const void*>(saxpy)) == hipSuccess);
  CHECK(26, attributes.maxThreadsPerBlock == 1024 && attributes.numRegs > 0);
  int groups = 0;
  CHECK(27, hipOccupancyMaxActiveBlocksPerMultiprocessor(&groups, saxpy, 256, 0) == hipSuccess && groups == 8);

  // Not implemented: an error each time, one line of log.
  CHECK(28, hipFreeMipmappedArray(nullptr) == hipErrorNotSupported);
  CHECK(29, hipFreeMipmappedArray(nullptr) == hipErrorNotSupported);

  CHECK(30, hipEventDestroy(start) == hipSuccess && hipEventDestroy(stop) == hipSuccess);
  CHECK(31, hipStreamDestroy(stream) == hipSuccess);
  CHECK(32, hipFree(device_x) == hipSuccess && hipFree(device_y) == hipSuccess);
  std::printf("all checks passed\n");
  return 0;
}
