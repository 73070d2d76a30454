#include <algorithm>
#include <cmath>

#include "kernels/cpu/cpu_backend.h"
#include "lib/backend/stochastic.h"

namespace r1 {
void CpuBackend::adamw(const Tensor& w, const Tensor& m, const Tensor& v, const Tensor& g,
                       const AdamwOptions& options) {
  const auto seen = [&](float beta) {
    return static_cast<float>(1.0 - std::pow(double{beta}, static_cast<double>(options.step)));
  };
  const cpu::Adamw how{.beta1 = options.beta1,
                       .beta2 = options.beta2,
                       .seen1 = seen(options.beta1),
                       .seen2 = seen(options.beta2),
                       .rate = options.learning_rate,
                       .epsilon = options.epsilon,
                       .weight_decay = options.weight_decay,
                       .gradient_scale = options.gradient_scale};
  constexpr std::int64_t kAtOnce = 512;
  const bool plain = w.dtype == DType::f32 && m.dtype == DType::f32 && v.dtype == DType::f32;
  for_rows(w.shape.elements(), 4, [&](std::int64_t begin, std::int64_t end) {
    if (plain)
      return kernels_.adamw(w.as<float>() + begin, m.as<float>() + begin, v.as<float>() + begin,
                            g.as<float>() + begin, end - begin, how);
    float room[3][kAtOnce];
    for (std::int64_t i = begin; i < end; i += kAtOnce) {
      const std::int64_t n = std::min(kAtOnce, end - i);
      const auto wide = [&](const Tensor& t, float* to) {
        if (t.dtype == DType::f32) return t.as<float>() + i;
        load(to, t, i, n);
        return to;
      };
      float* const at[] = {wide(w, room[0]), wide(m, room[1]), wide(v, room[2])};
      kernels_.adamw(at[0], at[1], at[2], g.as<float>() + i, n, how);
      for (std::int64_t k = 0; k < n; ++k) {
        const WeightChances chances = weight_chances(options.seed, i + k);
        if (at[0] == room[0])
          w.as<std::uint16_t>()[i + k] = bf16_by_chance(at[0][k], chances.weight);
        if (at[1] == room[1])
          m.as<std::uint16_t>()[i + k] = bf16_by_chance(at[1][k], chances.first);
        if (at[2] == room[2])
          v.as<std::uint16_t>()[i + k] = bf16_by_chance(at[2][k], chances.second);
      }
    }
  });
}

// In chunks of one size, added in their order: the same for any number of threads.
void CpuBackend::sum_squares(const Tensor& out, const Tensor& x) {
  constexpr std::int64_t kChunk = 16384;
  const std::int64_t n = x.shape.elements(), chunks = (n + kChunk - 1) / kChunk;
  std::vector<float> sums(static_cast<std::size_t>(chunks));
  for_rows(chunks, kChunk, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t c = begin; c < end; ++c) {
      const float* from = x.as<float>() + c * kChunk;
      sums[static_cast<std::size_t>(c)] =
          kernels_.dot(from, from, std::min(kChunk, n - c * kChunk));
    }
  });
  double sum = out.as<float>()[0];
  for (const float s : sums) sum += s;
  out.as<float>()[0] = static_cast<float>(sum);
}

}  // namespace r1
