#pragma once

// What kernels/cuda uses of CUDA's C++ and of its runtime, for the CPU. A kernel source that says
// <cuda_runtime.h> finds this file instead of NVIDIA's when its tests are built, and compiles
// unchanged with any C++ compiler. No CUDA toolkit is needed. README.md says what is covered.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/support/cuda_host/engine.h"

// NOLINTBEGIN(bugprone-reserved-identifier): the names are CUDA's.

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static  // one block runs at a time; not thread_local, which has no red zones
#define __syncthreads() ::r1::cuda_host::wait_for_block(__LINE__)

// --- vectors ------------------------------------------------------------------------------------

struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) int2 {
  int x, y;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};

using r1::cuda_host::blockDim;
using r1::cuda_host::blockIdx;
using r1::cuda_host::dim3;
using r1::cuda_host::gridDim;
using r1::cuda_host::threadIdx;

// --- what threads do together -------------------------------------------------------------------

inline void __syncwarp(unsigned mask = ~0u, int line = __builtin_LINE()) {
  r1::cuda_host::wait_for_warp(mask, line);
}

inline int __syncthreads_or(int predicate, int line = __builtin_LINE()) {
  return r1::cuda_host::any_of_block(predicate != 0, line);
}

template <typename T>
T __shfl_sync(unsigned mask, T value, int lane, int = 32, int line = __builtin_LINE()) {
  return r1::cuda_host::exchange(mask, value, line).of(lane & 31);
}

template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int = 32, int line = __builtin_LINE()) {
  return r1::cuda_host::exchange(mask, value, line).of(r1::cuda_host::lane() ^ bits);
}

inline int __any_sync(unsigned mask, int predicate, int line = __builtin_LINE()) {
  const auto all = r1::cuda_host::exchange(mask, predicate, line);
  for (int i = 0; i < 32; ++i)
    if ((mask >> i & 1u) != 0 && all.of(i) != 0) return 1;
  return 0;
}

inline unsigned __ballot_sync(unsigned mask, int predicate, int line = __builtin_LINE()) {
  const auto all = r1::cuda_host::exchange(mask, predicate, line);
  unsigned votes = 0;
  for (int i = 0; i < 32; ++i)
    if ((mask >> i & 1u) != 0 && all.of(i) != 0) votes |= 1u << i;
  return votes;
}
inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
inline int __ffs(int bits) { return __builtin_ffs(bits); }

inline int atomicAdd(int* at, int value) {
  const int before = *at;
  *at += value;
  return before;
}

inline int atomicMax(int* at, int value) {
  const int before = *at;
  if (value > before) *at = value;
  return before;
}

// --- numbers ------------------------------------------------------------------------------------

using std::isnan;
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }

template <typename To, typename From>
To r1_bits(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}
inline float __uint_as_float(unsigned bits) { return r1_bits<float>(bits); }
inline unsigned __float_as_uint(float value) { return r1_bits<unsigned>(value); }
inline int __float_as_int(float value) { return r1_bits<int>(value); }

// c + the products of the four signed bytes of a and b.
inline int __dp4a(int a, int b, int c) {
  for (int i = 0; i < 4; ++i) {
    const auto byte = [i](int word) {
      return static_cast<std::int8_t>(static_cast<unsigned>(word) >> (8 * i));
    };
    c += byte(a) * byte(b);
  }
  return c;
}

// The four bytes of the eight in low and high that the lowest four nibbles of `places` name.
inline unsigned __byte_perm(unsigned low, unsigned high, unsigned places) {
  const std::uint64_t eight = std::uint64_t{high} << 32 | low;
  unsigned word = 0;
  for (int i = 0; i < 4; ++i)
    word |= static_cast<std::uint8_t>(eight >> (8 * (places >> (4 * i) & 7u))) * 1u << (8 * i);
  return word;
}

// --- the runtime: everything is done at once ----------------------------------------------------

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorInsufficientDriver = 35,
  cudaErrorNoDevice = 100
};
enum cudaMemcpyKind {
  cudaMemcpyHostToDevice = 1,
  cudaMemcpyDeviceToHost = 2,
  cudaMemcpyDeviceToDevice = 3
};
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
inline constexpr unsigned cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2;
enum cudaStreamCaptureMode { cudaStreamCaptureModeThreadLocal = 1 };

struct CUgraph_st {
  std::vector<std::function<void()>> calls;
};
using cudaGraph_t = CUgraph_st*;
using cudaGraphExec_t = CUgraph_st*;
struct CUstream_st {
  cudaGraph_t capture = nullptr;  // where calls go instead of being done
};
struct CUevent_st {};
using cudaStream_t = CUstream_st*;
using cudaEvent_t = CUevent_st*;
struct cudaDeviceProp {
  char name[256];
  int major, minor, multiProcessorCount;
  std::size_t totalGlobalMem;
  int l2CacheSize;
};
enum cudaLaunchAttributeID { cudaLaunchAttributeProgrammaticStreamSerialization = 6 };
struct cudaLaunchAttribute {
  cudaLaunchAttributeID id;
  struct {
    int programmaticStreamSerializationAllowed;
  } val;
};
struct cudaFuncAttributes {
  int binaryVersion, ptxVersion;
};
struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  std::size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
  cudaLaunchAttribute* attrs = nullptr;
  unsigned numAttrs = 0;
};

namespace r1::cuda_host {
// How often memory was taken, the host waited for the device, a graph was launched, and cuBLASLt
// multiplied, since the start.
struct Calls {
  int allocations = 0, waits = 0, graph_launches = 0, library_products = 0;
};
const Calls& calls();
void count_library_product();
// Does the call, or puts it into the graph that the stream is being captured into.
void queue(cudaStream_t stream, std::function<void()> call);
}  // namespace r1::cuda_host

const char* cudaGetErrorString(cudaError_t error);
cudaError_t cudaGetLastError();
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaDriverGetVersion(int* version);
cudaError_t cudaRuntimeGetVersion(int* version);
cudaError_t cudaDeviceGetPCIBusId(char* id, int length, int device);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
cudaError_t cudaMalloc(void** memory, std::size_t bytes);  // of exactly this size, all NaN
cudaError_t cudaFree(void* memory);
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total);
cudaError_t cudaMallocHost(void** memory, std::size_t bytes);
cudaError_t cudaFreeHost(void* memory);
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream);
cudaError_t cudaMemsetAsync(void* memory, int value, std::size_t bytes, cudaStream_t stream);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph,
                                 unsigned long long flags);
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);

// As on a card of sm_90; kernels for all cards assert kSharedBytesEverywhere themselves.
inline constexpr int kMostSharedBytes = 227 << 10;

template <typename Kernel>
cudaError_t cudaFuncSetAttribute(Kernel*, cudaFuncAttribute, int bytes) {
  return bytes <= kMostSharedBytes ? cudaSuccess : cudaErrorInvalidValue;
}

template <typename Kernel>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, Kernel*) {
  *attributes = {90, 90};  // early launches are made, and watched; warp groups are there
  return cudaSuccess;
}

template <typename... Wanted, typename... Given>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Wanted...),
                               Given&&... arguments) {
  const auto ok = [](const dim3& d, unsigned x, unsigned y, unsigned z) {
    return d.x >= 1 && d.x <= x && d.y >= 1 && d.y <= y && d.z >= 1 && d.z <= z;
  };
  const dim3& block = config->blockDim;
  if (!ok(config->gridDim, 0x7fffffff, 65535, 65535) || !ok(block, 1024, 1024, 64) ||
      block.x * block.y * block.z > 1024)
    return cudaErrorInvalidConfiguration;
  if (config->dynamicSmemBytes > std::size_t{kMostSharedBytes}) return cudaErrorInvalidValue;
  r1::cuda_host::queue(
      config->stream, [grid = config->gridDim, block, bytes = config->dynamicSmemBytes,
                       early = config->numAttrs > 0, kernel,
                       values = std::tuple<Wanted...>(static_cast<Wanted>(arguments)...)] {
        r1::cuda_host::run_grid(grid, block, bytes, early, [&] { std::apply(kernel, values); });
      });
  return cudaSuccess;
}

// NOLINTEND(bugprone-reserved-identifier)
