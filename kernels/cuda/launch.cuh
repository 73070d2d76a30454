#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <cuda_runtime.h>

#include "kernels/cuda/check.h"

namespace r1::cuda {

// Shared memory that a block may have on every card we build for: sm_86 has the least.
inline constexpr std::size_t kSharedBytesEverywhere = 99 * 1024;

struct Grid {
  dim3 blocks, threads;
  std::size_t shared_bytes = 0;  // dynamic
};

// How many blocks of `each` cover n. Fails when a grid cannot be so large (2^31 - 1 blocks).
inline unsigned blocks_of(std::int64_t n, std::int64_t each) {
  const std::int64_t blocks = (n + each - 1) / each;
  if (blocks > 0x7fffffff) check(cudaErrorInvalidConfiguration, "a grid of this size");
  return static_cast<unsigned>(blocks);
}

// Queues a kernel; an empty grid is none. Shared memory beyond 48 KiB is asked for first.
template <typename... Wanted, typename... Given>
void launch(const char* op, cudaStream_t stream, const Grid& grid, void (*kernel)(Wanted...),
            Given&&... arguments) {
  constexpr std::size_t kUnasked = 48 * 1024;
  if (grid.blocks.x == 0 || grid.blocks.y == 0 || grid.blocks.z == 0) return;
  if (grid.shared_bytes > kUnasked)
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(grid.shared_bytes)),
          op);
  cudaLaunchConfig_t config{};
  config.gridDim = grid.blocks;
  config.blockDim = grid.threads;
  config.dynamicSmemBytes = grid.shared_bytes;
  config.stream = stream;
  check(cudaLaunchKernelEx(&config, kernel, std::forward<Given>(arguments)...), op);
}

inline constexpr int kEachThreads = 256;

template <typename Body>
__global__ void each_kernel(std::int64_t n, Body body) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kEachThreads + threadIdx.x;
  if (i < n) body(i);
}

// body(i) for 0 <= i < n, a thread each.
template <typename Body>
void each(const char* op, cudaStream_t stream, std::int64_t n, const Body& body) {
  launch(op, stream, {blocks_of(n, kEachThreads), kEachThreads}, each_kernel<Body>, n, body);
}

}  // namespace r1::cuda
