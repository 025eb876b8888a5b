// Sums by shared memory, wave shuffles and atomics, on two streams that events join, and once more as a
// captured graph that is launched with other data. Exits with the number of the first check that fails.
#include <hip/hip_runtime.h>

#include <cstdio>
#include <vector>

#define CHECK(number, condition)                                         \
  do {                                                                   \
    if (!(condition)) {                                                  \
      std::fprintf(stderr, "check %d failed: %s\n", number, #condition); \
      return number;                                                     \
    }                                                                    \
  } while (0)

constexpr int kThreads = 256;

// One atomic addition for each workgroup.
__global__ void sum(const int* in, int n, unsigned long long* total) {
  __shared__ int partial[kThreads / 64];
  int value = 0;
  for (int i = blockIdx.x * kThreads + threadIdx.x; i < n; i += gridDim.x * kThreads) value += in[i];
  for (int offset = 32; offset > 0; offset /= 2) value += __shfl_down(value, offset);
  if (threadIdx.x % 64 == 0) partial[threadIdx.x / 64] = value;
  __syncthreads();
  if (threadIdx.x == 0) {
    long long all = 0;
    for (int wave = 0; wave < kThreads / 64; ++wave) all += partial[wave];
    atomicAdd(total, static_cast<unsigned long long>(all));
  }
}

// Counts by value in shared memory, then adds the counts up.
__global__ void histogram(const int* in, int n, unsigned* counts) {
  extern __shared__ unsigned own[];
  for (int i = threadIdx.x; i < 16; i += blockDim.x) own[i] = 0;
  __syncthreads();
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
    atomicAdd(&own[in[i] & 15], 1u);
  }
  __syncthreads();
  for (int i = threadIdx.x; i < 16; i += blockDim.x) atomicAdd(&counts[i], own[i]);
}

__global__ void largest(const int* in, int n, int* result) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) atomicMax(result, in[i]);
}

struct Expected {
  unsigned long long total = 0;
  unsigned counts[16] = {};
  int most = -1;
  explicit Expected(const std::vector<int>& values) {
    for (int value : values) {
      total += value;
      ++counts[value & 15];
      if (value > most) most = value;
    }
  }
};

void generate(std::vector<int>& values, unsigned seed) {
  for (int& value : values) {
    seed = seed * 1664525u + 1013904223u;
    value = seed >> 12;
  }
}

int main() {
  const int n = 100003;
  std::vector<int> values(n);
  generate(values, 1);
  int *in, *most;
  unsigned long long* total;
  unsigned* counts;
  CHECK(1, hipMalloc(&in, n * sizeof(int)) == hipSuccess && hipMalloc(&most, sizeof(int)) == hipSuccess);
  CHECK(2, hipMalloc(&total, sizeof *total) == hipSuccess && hipMalloc(&counts, 64) == hipSuccess);
  hipStream_t first, second;
  CHECK(3, hipStreamCreateWithFlags(&first, hipStreamNonBlocking) == hipSuccess);
  CHECK(4, hipStreamCreateWithFlags(&second, hipStreamNonBlocking) == hipSuccess);
  hipEvent_t loaded, counted;
  CHECK(5, hipEventCreateWithFlags(&loaded, hipEventDisableTiming) == hipSuccess);
  CHECK(6, hipEventCreateWithFlags(&counted, hipEventDisableTiming) == hipSuccess);

  auto enqueue = [&] {
    bool good = hipMemcpyAsync(in, values.data(), n * sizeof(int), hipMemcpyHostToDevice, first) == hipSuccess;
    good &= hipEventRecord(loaded, first) == hipSuccess;
    good &= hipStreamWaitEvent(second, loaded, 0) == hipSuccess;
    good &= hipMemsetAsync(counts, 0, 64, second) == hipSuccess;
    histogram<<<8, 128, 16 * sizeof(unsigned), second>>>(in, n, counts);
    good &= hipEventRecord(counted, second) == hipSuccess;
    good &= hipMemsetAsync(total, 0, sizeof *total, first) == hipSuccess;
    good &= hipMemsetAsync(most, 0, sizeof *most, first) == hipSuccess;
    sum<<<64, kThreads, 0, first>>>(in, n, total);
    largest<<<(n + 255) / 256, 256, 0, first>>>(in, n, most);
    good &= hipStreamWaitEvent(first, counted, 0) == hipSuccess;
    return good && hipGetLastError() == hipSuccess;
  };
  auto matches = [&] {
    Expected expected(values);
    unsigned long long found = 0;
    unsigned found_counts[16];
    int found_most = 0;
    bool good = hipMemcpy(&found, total, sizeof found, hipMemcpyDeviceToHost) == hipSuccess;
    good &= hipMemcpy(found_counts, counts, 64, hipMemcpyDeviceToHost) == hipSuccess;
    good &= hipMemcpy(&found_most, most, sizeof found_most, hipMemcpyDeviceToHost) == hipSuccess;
    good &= found == expected.total && found_most == expected.most;
    for (int i = 0; i < 16; ++i) good &= found_counts[i] == expected.counts[i];
    return good;
  };

  CHECK(10, enqueue());
  CHECK(11, hipStreamSynchronize(first) == hipSuccess && matches());

  hipGraph_t graph;
  hipGraphExec_t executable;
  CHECK(20, hipStreamBeginCapture(first, hipStreamCaptureModeGlobal) == hipSuccess);
  CHECK(21, enqueue());
  CHECK(22, hipStreamEndCapture(first, &graph) == hipSuccess);
  size_t nodes = 0;
  CHECK(23, hipGraphGetNodes(graph, nullptr, &nodes) == hipSuccess && nodes == 7);
  CHECK(24, hipGraphInstantiate(&executable, graph, nullptr, nullptr, 0) == hipSuccess);
  for (unsigned seed = 2; seed < 5; ++seed) {
    generate(values, seed);
    CHECK(25, !matches());
    CHECK(26, hipGraphLaunch(executable, first) == hipSuccess);
    CHECK(27, hipStreamSynchronize(first) == hipSuccess && matches());
  }
  CHECK(28, hipGraphExecDestroy(executable) == hipSuccess && hipGraphDestroy(graph) == hipSuccess);
  CHECK(29, hipEventDestroy(loaded) == hipSuccess && hipEventDestroy(counted) == hipSuccess);
  CHECK(30, hipStreamDestroy(first) == hipSuccess && hipStreamDestroy(second) == hipSuccess);
  CHECK(31, hipFree(in) == hipSuccess && hipFree(most) == hipSuccess);
  CHECK(32, hipFree(total) == hipSuccess && hipFree(counts) == hipSuccess);
  std::printf("all checks passed\n");
  return 0;
}
