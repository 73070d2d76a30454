// AdamW, and the sum of squares that clipping needs. Bound by memory: 28 bytes an element, less
// with bf16 and moments of 8 bits.
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

// A tensor of f32 or bf16, or a moment.
struct Numbers {
  explicit Numbers(const Moment& m, bool has_roots = false)
      : type(m.values.dtype), data(m.values.data), scale(m.scale.as<float>()), roots(has_roots) {}

  __device__ float operator[](std::int64_t i) const {
    if (type == DType::f32) return static_cast<const float*>(data)[i];
    if (type == DType::bf16)
      return cuda::bfloat_to_float(static_cast<const std::uint16_t*>(data)[i]);
    const float value =
        float8_to_f32<E4M3>(static_cast<const std::uint8_t*>(data)[i]) * scale[i / kMomentBlock];
    return roots ? value * value : value;
  }
  __device__ void set(std::int64_t i, float value, std::uint32_t chance) const {
    if (type == DType::f32)
      static_cast<float*>(data)[i] = value;
    else
      static_cast<std::uint16_t*>(data)[i] = bf16_by_chance(value, chance);
  }
  // By a warp: a lane has every 32nd of the block's elements.
  __device__ void set_block(std::int64_t begin, std::int64_t end, float* values,
                            const std::uint32_t* chances) const {
    const bool eight = type == DType::f8_e4m3;
    float most = 0.0f;
    if (eight) {
#pragma unroll
      for (int k = 0; k < kPerLane; ++k) {
        if (roots) values[k] = sqrtf(values[k]);
        most = fmaxf(most, fabsf(values[k]));
      }
      most = moment_scale(cuda::warp_max(most));
      if (threadIdx.x % cuda::kWarp == 0 && begin < end) scale[begin / kMomentBlock] = most;
    }
#pragma unroll
    for (int k = 0; k < kPerLane; ++k) {
      const std::int64_t i = begin + k * cuda::kWarp + threadIdx.x % cuda::kWarp;
      if (i >= end) continue;
      if (eight)
        static_cast<std::uint8_t*>(data)[i] = moment_by_chance(values[k], most, chances[k], roots);
      else
        set(i, values[k], chances[k]);
    }
  }
  static constexpr int kPerLane = kMomentBlock / cuda::kWarp;

  DType type;
  void* data;
  float* scale;
  bool roots;
};

struct Corrections {
  float seen1, seen2;  // 1 / (1 - beta^step)
  float new1, new2;    // 1 - beta
};

// A warp to each block of moments.
__global__ void adamw_kernel(Numbers w, Numbers m, Numbers v, const float* g, std::int64_t n,
                             AdamwOptions o, Corrections c, bool rounds) {
  const std::int64_t warp = (std::int64_t{blockIdx.x} * kThreads + threadIdx.x) / cuda::kWarp;
  const std::int64_t begin = warp * kMomentBlock;
  const std::int64_t end = begin + kMomentBlock < n ? begin + kMomentBlock : n;
  float first[Numbers::kPerLane], second[Numbers::kPerLane];
  std::uint32_t chances1[Numbers::kPerLane], chances2[Numbers::kPerLane];
#pragma unroll
  for (int k = 0; k < Numbers::kPerLane; ++k) {
    const std::int64_t i = begin + k * cuda::kWarp + threadIdx.x % cuda::kWarp;
    first[k] = second[k] = 0.0f;
    if (i >= end) continue;
    const float gi = o.gradient_scale * g[i], wi = w[i];
    first[k] = o.beta1 * m[i] + c.new1 * gi;
    second[k] = o.beta2 * v[i] + c.new2 * gi * gi;
    const float change = first[k] * c.seen1 / (sqrtf(second[k] * c.seen2) + o.epsilon);
    const WeightChances chances = rounds ? weight_chances(o.seed, i) : WeightChances{};
    chances1[k] = chances.first;
    chances2[k] = chances.second;
    w.set(i, wi - o.learning_rate * (change + o.weight_decay * wi), chances.weight);
  }
  m.set_block(begin, end, first, chances1);
  v.set_block(begin, end, second, chances2);
}

}  // namespace

void CudaBackend::adamw(const Tensor& w, const Moment& m, const Moment& v, const Tensor& g,
                        const AdamwOptions& options) {
  // In double, where f32 would cancel.
  const auto left = [](float beta) { return 1.0 - double{beta}; };
  const auto seen = [&](float beta) {
    return static_cast<float>(1.0 /
                              (1.0 - std::pow(double{beta}, static_cast<double>(options.step))));
  };
  const Corrections corrections{seen(options.beta1), seen(options.beta2),
                                static_cast<float>(left(options.beta1)),
                                static_cast<float>(left(options.beta2))};
  const auto plain = [](const Tensor& t) { return t.dtype == DType::f32; };
  const bool rounds = !plain(w) || !plain(m.values) || !plain(v.values);
  const std::int64_t n = w.shape.elements(), elements = kThreads / cuda::kWarp * kMomentBlock;
  cuda::launch("adamw", stream_, {cuda::blocks_of(n, elements), kThreads}, adamw_kernel,
               Numbers({w, {}}), Numbers(m), Numbers(v, true), g.as<float>(), n, options,
               corrections, rounds);
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
