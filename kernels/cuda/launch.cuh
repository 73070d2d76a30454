#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <cuda_runtime.h>

#include "kernels/cuda/check.h"
#include "kernels/cuda/intrinsics.cuh"

namespace r1::cuda {

// Shared memory that a block may have on every card we build for: sm_86 has the least.
inline constexpr std::size_t kSharedBytesEverywhere = 99 * 1024;

struct Grid {
  dim3 blocks, threads;
  std::size_t shared_bytes = 0;  // dynamic
  // The kernel may begin while those before it run: all its threads call `wait_for_earlier`, and
  // its way onto the card and what it reads of weights until then take no time of their own.
  // CUDA C++ Programming Guide, "Programmatic Dependent Launch and Synchronization".
  bool early = false;
};

// How many blocks of `each` cover n. Fails when a grid cannot be so large (2^31 - 1 blocks).
inline unsigned blocks_of(std::int64_t n, std::int64_t each) {
  const std::int64_t blocks = (n + each - 1) / each;
  if (blocks > 0x7fffffff) check(cudaErrorInvalidConfiguration, "a grid of this size");
  return static_cast<unsigned>(blocks);
}

// Whether the build has code for this card that waits in `wait_for_earlier`. The kernels of a build
// are compiled for the same cards, so that one speaks for all.
template <typename... Wanted>
bool can_wait(const char* op, void (*kernel)(Wanted...)) {
  static const bool can = [&] {
    cudaFuncAttributes compiled{};
    check(cudaFuncGetAttributes(&compiled, kernel), op);
    return compiled.ptxVersion >= 90;
  }();
  return can;
}

// Queues a kernel; an empty grid is none. Shared memory beyond 48 KiB is asked for first: of that,
// what kernels have of their own takes at most 8.
template <typename... Wanted, typename... Given>
void launch(const char* op, cudaStream_t stream, const Grid& grid, void (*kernel)(Wanted...),
            Given&&... arguments) {
  constexpr std::size_t kUnasked = 40 * 1024;
  if (grid.blocks.x == 0 || grid.blocks.y == 0 || grid.blocks.z == 0) return;
  if (grid.shared_bytes > kUnasked)
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(grid.shared_bytes)),
          op);
  cudaLaunchAttribute overlap{};
  overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  overlap.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = grid.blocks;
  config.blockDim = grid.threads;
  config.dynamicSmemBytes = grid.shared_bytes;
  config.stream = stream;
  config.attrs = &overlap;
  config.numAttrs = grid.early && can_wait(op, kernel) ? 1 : 0;
  check(cudaLaunchKernelEx(&config, kernel, std::forward<Given>(arguments)...), op);
}

template <typename... Wanted, typename... Given>
void launch_early(const char* op, cudaStream_t stream, Grid grid, void (*kernel)(Wanted...),
                  Given&&... arguments) {
  grid.early = true;
  launch(op, stream, grid, kernel, std::forward<Given>(arguments)...);
}

inline constexpr int kEachThreads = 256;

template <typename Body>
__global__ void each_kernel(std::int64_t n, Body body) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kEachThreads + threadIdx.x;
  wait_for_earlier();
  if (i < n) body(i);
}

// body(i) for 0 <= i < n, a thread each.
template <typename Body>
void each(const char* op, cudaStream_t stream, std::int64_t n, const Body& body) {
  launch_early(op, stream, {blocks_of(n, kEachThreads), kEachThreads}, each_kernel<Body>, n, body);
}

}  // namespace r1::cuda
