// The runtime calls of cuda_runtime.h: memory is the host's, and all is done when a call returns.
#include <cstdio>
#include <cstdlib>
#include <unordered_map>
#include <utility>

#include "tests/support/cuda_host/cuda_runtime.h"

namespace r1::cuda_host {
namespace {
Calls counted;

// Of a card as small as this one says it is. Pinned memory counts too: it is little.
constexpr std::size_t kTotalBytes = std::size_t{1} << 30;
std::size_t used_bytes = 0;
std::unordered_map<void*, std::size_t> sizes;
}  // namespace
const Calls& calls() { return counted; }
void count_library_product() { ++counted.library_products; }

void queue(cudaStream_t stream, std::function<void()> call) {
  if (stream != nullptr && stream->capture != nullptr)
    stream->capture->calls.push_back(std::move(call));
  else
    call();
}
}  // namespace r1::cuda_host

using r1::cuda_host::counted;

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInvalidConfiguration:
      return "invalid configuration argument";
    case cudaErrorInsufficientDriver:
      return "driver too old";
    case cudaErrorNoDevice:
      return "no device";
  }
  return "?";
}

cudaError_t cudaGetLastError() { return cudaSuccess; }

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = 13010;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetPCIBusId(char* id, int length, int) {
  std::snprintf(id, static_cast<std::size_t>(length), "0000:00:00.0");
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int) { return cudaSuccess; }

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {"this machine's processor", 8, 0, 1, r1::cuda_host::kTotalBytes, 1 << 20};
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  constexpr std::size_t kAlignment = 256;
  using namespace r1::cuda_host;
  ++counted.allocations;
  if (bytes > kTotalBytes - used_bytes) return cudaErrorMemoryAllocation;
  if (posix_memalign(memory, kAlignment, bytes) != 0) return cudaErrorMemoryAllocation;
  std::memset(*memory, 0xff, bytes);
  sizes[*memory] = bytes;
  used_bytes += bytes;
  return cudaSuccess;
}

cudaError_t cudaFree(void* memory) {
  using namespace r1::cuda_host;
  if (memory == nullptr) return cudaSuccess;
  const auto size = sizes.find(memory);
  used_bytes -= size->second;
  sizes.erase(size);
  std::free(memory);
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  *total = r1::cuda_host::kTotalBytes;
  *free = *total - r1::cuda_host::used_bytes;
  return cudaSuccess;
}

// Not the card's memory, and not filled: most of it is never touched.
cudaError_t cudaMallocHost(void** memory, std::size_t bytes) {
  ++r1::cuda_host::counted.allocations;
  *memory = std::malloc(bytes);
  return *memory == nullptr ? cudaErrorMemoryAllocation : cudaSuccess;
}

cudaError_t cudaFreeHost(void* memory) {
  std::free(memory);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  r1::cuda_host::queue(stream, [=] { std::memcpy(to, from, bytes); });
  return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void* memory, int value, std::size_t bytes, cudaStream_t stream) {
  r1::cuda_host::queue(stream, [=] { std::memset(memory, value, bytes); });
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = new CUstream_st;
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t) {
  ++counted.waits;
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new CUevent_st;
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) { return cudaSuccess; }
cudaError_t cudaEventSynchronize(cudaEvent_t) {
  ++counted.waits;
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  stream->capture = new CUgraph_st;
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  *graph = std::exchange(stream->capture, nullptr);
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  *exec = new CUgraph_st(*graph);
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t) {
  ++counted.graph_launches;
  for (const auto& call : exec->calls) call();
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) { return cudaGraphDestroy(exec); }

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
