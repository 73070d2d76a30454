// AdamW, and the sum of squares that clipping needs. Bound by memory: 28 bytes an element, less
// with bf16.
#include <cmath>
#include <cstdint>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/reduce.cuh"
#include "lib/backend/stochastic.h"

namespace r1 {
namespace {

constexpr int kThreads = 256;
constexpr std::int64_t kChunk = 16384;  // elements that a block sums up

__global__ void squares_kernel(float* sums, const float* x, std::int64_t n) {
  const std::int64_t begin = blockIdx.x * kChunk, end = begin + kChunk < n ? begin + kChunk : n;
  float sum = 0.0f;
  for (std::int64_t i = begin + threadIdx.x; i < end; i += kThreads) sum += x[i] * x[i];
  sum = cuda::over_row<cuda::Sum, kThreads>(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

__global__ void total_kernel(float* out, const float* sums, std::int64_t n) {
  float sum = 0.0f;
  for (std::int64_t i = threadIdx.x; i < n; i += kThreads) sum += sums[i];
  sum = cuda::over_row<cuda::Sum, kThreads>(sum);
  if (threadIdx.x == 0) out[0] += sum;
}

// A tensor of f32 or bf16.
struct Either {
  explicit Either(const Tensor& t)
      : wide(t.dtype == DType::f32 ? t.as<float>() : nullptr), narrow(t.as<std::uint16_t>()) {}
  __device__ float operator[](std::int64_t i) const {
    return wide != nullptr ? wide[i] : cuda::bfloat_to_float(narrow[i]);
  }
  __device__ void set(std::int64_t i, float value, std::uint32_t chance) const {
    if (wide != nullptr)
      wide[i] = value;
    else
      narrow[i] = bf16_by_chance(value, chance);
  }
  float* wide;
  std::uint16_t* narrow;
};

}  // namespace

void CudaBackend::adamw(const Tensor& w, const Tensor& m, const Tensor& v, const Tensor& g,
                        const AdamwOptions& options) {
  const auto seen = [&](float beta) {  // 1 / (1 - beta^step), where f32 would cancel
    return static_cast<float>(1.0 /
                              (1.0 - std::pow(double{beta}, static_cast<double>(options.step))));
  };
  const float seen1 = seen(options.beta1), seen2 = seen(options.beta2);
  const float new1 = static_cast<float>(1.0 - double{options.beta1});
  const float new2 = static_cast<float>(1.0 - double{options.beta2});
  const Either weights(w), means(m), squares(v);
  const float* gradients = g.as<float>();
  const bool rounds = weights.wide == nullptr || means.wide == nullptr || squares.wide == nullptr;
  cuda::each("adamw", stream_, w.shape.elements(), [=] __device__(std::int64_t i) {
    const float gi = options.gradient_scale * gradients[i], wi = weights[i];
    const float mi = options.beta1 * means[i] + new1 * gi;
    const float vi = options.beta2 * squares[i] + new2 * gi * gi;
    const float change = mi * seen1 / (sqrtf(vi * seen2) + options.epsilon);
    const WeightChances chances = rounds ? weight_chances(options.seed, i) : WeightChances{};
    means.set(i, mi, chances.first);
    squares.set(i, vi, chances.second);
    weights.set(i, wi - options.learning_rate * (change + options.weight_decay * wi),
                chances.weight);
  });
}

// Chunks of fixed size, then their sums, each in one order.
void CudaBackend::sum_squares(const Tensor& out, const Tensor& x) {
  const std::int64_t n = x.shape.elements();
  const unsigned chunks = cuda::blocks_of(n, kChunk);
  float* sums = static_cast<float*>(scratch(chunks * sizeof(float)));
  cuda::launch("sum_squares", stream_, {chunks, kThreads}, squares_kernel, sums, x.as<float>(), n);
  cuda::launch("sum_squares", stream_, {1, kThreads}, total_kernel, out.as<float>(), sums,
               std::int64_t{chunks});
}

}  // namespace r1
