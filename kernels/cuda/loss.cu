// Cross entropy: a block a row, which is read for its largest logit, for the sum of exponentials
// and (backward) for the gradient; the second and third time from the L2 cache where it fits.
#include <cstdint>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/reduce.cuh"

namespace r1 {
namespace {

constexpr int kThreads = 256;

// log sum exp of z [V].
__device__ float log_sum(const float* z, std::int64_t V) {
  float largest = -INFINITY, sum = 0.0f;
  for (std::int64_t i = threadIdx.x; i < V; i += kThreads) largest = fmaxf(largest, z[i]);
  largest = cuda::over_row<cuda::Largest, kThreads>(largest);
  for (std::int64_t i = threadIdx.x; i < V; i += kThreads) sum += expf(z[i] - largest);
  return largest + logf(cuda::over_row<cuda::Sum, kThreads>(sum));
}

__global__ void cross_entropy_kernel(float* loss, const float* logits, const std::int32_t* targets,
                                     std::int64_t V) {
  const std::int64_t t = blockIdx.x;
  const std::int32_t target = targets[t];
  const float* z = logits + t * V;
  const float value = target < 0 ? 0.0f : log_sum(z, V) - z[target];
  if (threadIdx.x == 0) loss[t] = value;
}

__global__ void cross_entropy_backward_kernel(float* dlogits, const float* dloss,
                                              const float* logits, const std::int32_t* targets,
                                              std::int64_t V) {
  const std::int64_t t = blockIdx.x;
  const std::int32_t target = targets[t];
  if (target < 0) return;
  const float* z = logits + t * V;
  const float d = dloss[t];
  const float sum = log_sum(z, V);
  for (std::int64_t i = threadIdx.x; i < V; i += kThreads)
    dlogits[t * V + i] += d * (expf(z[i] - sum) - (i == target ? 1.0f : 0.0f));
}

}  // namespace

void CudaBackend::cross_entropy(const Tensor& loss, const Tensor& logits, const Tensor& targets) {
  cuda::launch("cross_entropy", stream_, {cuda::blocks_of(logits.rows(), 1), kThreads},
               cross_entropy_kernel, loss.as<float>(), logits.as<float>(),
               targets.as<std::int32_t>(), logits.cols());
}

void CudaBackend::cross_entropy_backward(const Tensor& dlogits, const Tensor& dloss,
                                         const Tensor& logits, const Tensor& targets) {
  if (dlogits.empty()) return;
  cuda::launch("cross_entropy_backward", stream_, {cuda::blocks_of(logits.rows(), 1), kThreads},
               cross_entropy_backward_kernel, dlogits.as<float>(), dloss.as<float>(),
               logits.as<float>(), targets.as<std::int32_t>(), logits.cols());
}

}  // namespace r1
