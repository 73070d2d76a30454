// Cross entropy: a block a row, which is read once for the largest logit and the sum of
// exponentials beside it, and (backward) once more for the gradient, from the L2 cache where it
// fits.
#include <cfloat>
#include <cstdint>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/reduce.cuh"

namespace r1 {
namespace {

constexpr int kThreads = 256;

// Neighbours that are read and written together.
template <int kWide>
struct alignas(sizeof(float) * kWide) Numbers {
  float at[kWide];
};

// log sum exp of z [V]. A thread whose largest grows makes its sum smaller to match.
template <int kWide>
__device__ float log_sum(const float* z, std::int64_t V) {
  float largest = -FLT_MAX, sum = 0.0f;
  for (std::int64_t i = threadIdx.x * kWide; i < V; i += kThreads * kWide) {
    const auto here = *reinterpret_cast<const Numbers<kWide>*>(z + i);
#pragma unroll
    for (int k = 0; k < kWide; ++k) {
      const float larger = fmaxf(largest, here.at[k]);
      if (larger > largest) sum *= expf(largest - larger);
      largest = larger;
      sum += expf(here.at[k] - largest);
    }
  }
  const float of_all = cuda::over_row<cuda::Largest, kThreads>(largest);
  return of_all + logf(cuda::over_row<cuda::Sum, kThreads>(sum * expf(largest - of_all)));
}

template <int kWide>
__global__ void cross_entropy_kernel(float* loss, const float* logits, const std::int32_t* targets,
                                     std::int64_t V) {
  const std::int64_t t = blockIdx.x;
  const std::int32_t target = targets[t];
  const float* z = logits + t * V;
  const float value = target < 0 ? 0.0f : log_sum<kWide>(z, V) - z[target];
  if (threadIdx.x == 0) loss[t] = value;
}

template <int kWide>
__global__ void cross_entropy_backward_kernel(float* __restrict__ dlogits, const float* dloss,
                                              const float* __restrict__ logits,
                                              const std::int32_t* targets, std::int64_t V) {
  const std::int64_t t = blockIdx.x;
  const std::int32_t target = targets[t];
  if (target < 0) return;
  const float* z = logits + t * V;
  const float d = dloss[t];
  const float sum = log_sum<kWide>(z, V);
  for (std::int64_t i = threadIdx.x * kWide; i < V; i += kThreads * kWide) {
    const auto here = *reinterpret_cast<const Numbers<kWide>*>(z + i);
    auto& to = *reinterpret_cast<Numbers<kWide>*>(dlogits + t * V + i);
    Numbers<kWide> gradient = to;
#pragma unroll
    for (int k = 0; k < kWide; ++k)
      gradient.at[k] += d * (expf(here.at[k] - sum) - (i + k == target ? 1.0f : 0.0f));
    to = gradient;
  }
}

// Rows of whole fours, as those of nearly every vocabulary are.
bool in_fours(const Tensor& a) {
  return a.cols() % 4 == 0 && reinterpret_cast<std::uintptr_t>(a.data) % 16 == 0;
}

}  // namespace

void CudaBackend::cross_entropy(const Tensor& loss, const Tensor& logits, const Tensor& targets) {
  cuda::launch("cross_entropy", stream_, {cuda::blocks_of(logits.rows(), 1), kThreads},
               in_fours(logits) ? cross_entropy_kernel<4> : cross_entropy_kernel<1>,
               loss.as<float>(), logits.as<float>(), targets.as<std::int32_t>(), logits.cols());
}

void CudaBackend::cross_entropy_backward(const Tensor& dlogits, const Tensor& dloss,
                                         const Tensor& logits, const Tensor& targets) {
  if (dlogits.empty()) return;
  cuda::launch("cross_entropy_backward", stream_, {cuda::blocks_of(logits.rows(), 1), kThreads},
               in_fours(logits) && in_fours(dlogits) ? cross_entropy_backward_kernel<4>
                                                     : cross_entropy_backward_kernel<1>,
               dlogits.as<float>(), dloss.as<float>(), logits.as<float>(),
               targets.as<std::int32_t>(), logits.cols());
}

}  // namespace r1
