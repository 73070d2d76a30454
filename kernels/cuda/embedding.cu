// Rows picked by number, and their gradients added up.
#include <cstdint>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/weight_source.cuh"

namespace r1 {
namespace {

constexpr int kThreads = 256;

// A block an id.
template <typename Source>
__global__ void embedding_kernel(float* y, Source w, const std::int32_t* ids, std::int64_t D) {
  cuda::wait_for_earlier();
  const std::int64_t t = blockIdx.x, id = ids[t];
  for (std::int64_t d = 4 * threadIdx.x; d < D; d += 4 * kThreads) {
    float values[4];
    w.four(values, id, d);
    for (int i = 0; i < 4 && d + i < D; ++i) y[t * D + d + i] = values[i];
  }
}

__global__ void gather_kernel(float* y, const float* x, const std::int32_t* rows, std::int64_t D) {
  cuda::wait_for_earlier();
  const float* from = x + rows[blockIdx.x] * D;
  float* to = y + blockIdx.x * D;
  for (std::int64_t d = threadIdx.x; d < D; d += kThreads) to[d] = from[d];
}

// The block of the first of equal row numbers adds up all of them, in order: no atomics. Threads
// look for equal ones side by side, T^2 looks in all.
__global__ void scatter_kernel(float* dx, const float* dy, const std::int32_t* rows, std::int64_t T,
                               std::int64_t D) {
  __shared__ std::int32_t equal[kThreads];  // of kThreads numbers at a time
  __shared__ int found[kThreads / cuda::kWarp];
  const std::int64_t first = blockIdx.x;
  const std::int32_t row = rows[first];
  const int lane = static_cast<int>(threadIdx.x) % cuda::kWarp;
  const int warp = static_cast<int>(threadIdx.x) / cuda::kWarp;
  bool earlier = false;
  for (std::int64_t j = threadIdx.x; j < first; j += kThreads) earlier |= rows[j] == row;
  if (__syncthreads_or(earlier)) return;
  for (std::int64_t from = first; from < T; from += kThreads) {
    const std::int64_t j = from + threadIdx.x;
    const bool hit = j < T && rows[j] == row;
    if (!__syncthreads_or(hit)) continue;
    const unsigned votes = __ballot_sync(cuda::kAllLanes, hit);
    if (lane == 0) found[warp] = __popc(votes);
    __syncthreads();
    int before = 0, all = 0;
    for (int w = 0; w < kThreads / cuda::kWarp; ++w) {
      if (w < warp) before += found[w];
      all += found[w];
    }
    if (hit) equal[before + __popc(votes & ((1u << lane) - 1))] = static_cast<std::int32_t>(j);
    __syncthreads();
    for (std::int64_t d = threadIdx.x; d < D; d += kThreads) {
      float sum = dx[row * D + d];
      for (int i = 0; i < all; ++i) sum += dy[equal[i] * D + d];
      dx[row * D + d] = sum;
    }
    __syncthreads();  // `equal` has been read
  }
}

}  // namespace

void CudaBackend::embedding(const Tensor& y, const Tensor& w, const Tensor& ids) {
  cuda::with_source(w, [&](auto source) {
    cuda::launch_early("embedding", stream_, {cuda::blocks_of(y.rows(), 1), kThreads},
                       embedding_kernel<decltype(source)>, y.as<float>(), source,
                       ids.as<std::int32_t>(), y.cols());
  });
}

void CudaBackend::embedding_backward(const Tensor& dw, const Tensor& dy, const Tensor& ids) {
  gather_rows_backward(dw, dy, ids);
}

void CudaBackend::gather_rows(const Tensor& y, const Tensor& x, const Tensor& rows) {
  cuda::launch_early("gather_rows", stream_, {cuda::blocks_of(y.rows(), 1), kThreads},
                     gather_kernel, y.as<float>(), x.as<float>(), rows.as<std::int32_t>(),
                     y.cols());
}

void CudaBackend::gather_rows_backward(const Tensor& dx, const Tensor& dy, const Tensor& rows) {
  if (dx.empty()) return;
  cuda::launch("gather_rows_backward", stream_, {cuda::blocks_of(dy.rows(), 1), kThreads},
               scatter_kernel, dx.as<float>(), dy.as<float>(), rows.as<std::int32_t>(), dy.rows(),
               dy.cols());
}

}  // namespace r1
