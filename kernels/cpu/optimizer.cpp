#include <algorithm>
#include <cmath>

#include "kernels/cpu/cpu_backend.h"

namespace r1 {

void CpuBackend::adamw(const Tensor& w, const Tensor& m, const Tensor& v, const Tensor& g,
                       const AdamwOptions& options) {
  const auto step = static_cast<double>(options.step);
  const auto seen1 = static_cast<float>(1.0 - std::pow(double{options.beta1}, step));
  const auto seen2 = static_cast<float>(1.0 - std::pow(double{options.beta2}, step));
  const float beta1 = options.beta1, beta2 = options.beta2, rate = options.learning_rate;
  const float scale = options.gradient_scale;
  float *ws = w.as<float>(), *ms = m.as<float>(), *vs = v.as<float>();
  const float* gs = g.as<float>();
  for_rows(w.shape.elements(), 4, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const float gi = scale * gs[i];
      ms[i] = beta1 * ms[i] + (1.0f - beta1) * gi;
      vs[i] = beta2 * vs[i] + (1.0f - beta2) * gi * gi;
      const float change = ms[i] / seen1 / (std::sqrt(vs[i] / seen2) + options.epsilon);
      ws[i] -= rate * (change + options.weight_decay * ws[i]);
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
