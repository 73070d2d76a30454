#include <algorithm>
#include <cmath>

#include "kernels/cpu/cpu_backend.h"
#include "lib/backend/stochastic.h"
#include "lib/tensor/quant_block.h"

namespace r1 {
namespace {

// What of AdamW's is not f32 is widened, and narrowed again, so many at a time.
constexpr std::int64_t kAtOnce = 4 * kMomentBlock;

// n numbers of a moment, from `begin`, a multiple of kMomentBlock; the second one has roots.
void widen(float* to, const Moment& m, std::int64_t begin, std::int64_t n, bool roots) {
  if (!is_float8(m.values.dtype))
    return unpack({to, static_cast<std::size_t>(n)}, m.values.as<std::uint16_t>() + begin,
                  m.values.dtype);
  const auto* codes = m.values.as<std::uint8_t>() + begin;
  const float* scales = m.scale.as<float>() + begin / kMomentBlock;
  for (std::int64_t i = 0; i < n; ++i) {
    const float value = float8_to_f32<E4M3>(codes[i]) * scales[i / kMomentBlock];
    to[i] = roots ? value * value : value;
  }
}

// chances[i]: the random bits of element begin + i.
void narrow(const Moment& m, std::int64_t begin, float* from, std::int64_t n, bool roots,
            const std::uint32_t* chances) {
  if (!is_float8(m.values.dtype)) {
    for (std::int64_t i = 0; i < n; ++i)
      m.values.as<std::uint16_t>()[begin + i] = bf16_by_chance(from[i], chances[i]);
    return;
  }
  auto* codes = m.values.as<std::uint8_t>() + begin;
  float* scales = m.scale.as<float>() + begin / kMomentBlock;
  for (std::int64_t first = 0; first < n; first += kMomentBlock) {
    const std::int64_t end = std::min(n, first + kMomentBlock);
    float most = 0.0f;
    for (std::int64_t i = first; i < end; ++i) {
      if (roots) from[i] = std::sqrt(from[i]);
      most = std::max(most, std::abs(from[i]));
    }
    const float scale = scales[first / kMomentBlock] = moment_scale(most);
    for (std::int64_t i = first; i < end; ++i)
      codes[i] = moment_by_chance(from[i], scale, chances[i], roots);
  }
}

}  // namespace

void CpuBackend::adamw(const Tensor& w, const Moment& m, const Moment& v, const Tensor& g,
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
  const auto plain = [](const Tensor& t) { return t.dtype == DType::f32; };
  const std::int64_t all = w.shape.elements(), pieces = (all + kAtOnce - 1) / kAtOnce;
  for_rows(pieces, 4 * kAtOnce, [&](std::int64_t first, std::int64_t last) {
    const std::int64_t end = std::min(all, last * kAtOnce);
    if (plain(w) && plain(m.values) && plain(v.values)) {
      const std::int64_t i = first * kAtOnce;
      return kernels_.adamw(w.as<float>() + i, m.values.as<float>() + i, v.values.as<float>() + i,
                            g.as<float>() + i, end - i, how);
    }
    float room[3][kAtOnce];
    std::uint32_t chances[3][kAtOnce];
    for (std::int64_t i = first * kAtOnce; i < end; i += kAtOnce) {
      const std::int64_t n = std::min(kAtOnce, end - i);
      const auto wide = [&](const Moment& t, float* to, bool roots) {
        if (plain(t.values)) return t.values.as<float>() + i;
        widen(to, t, i, n, roots);
        return to;
      };
      float* const at[] = {wide({w, {}}, room[0], false), wide(m, room[1], false),
                           wide(v, room[2], true)};
      kernels_.adamw(at[0], at[1], at[2], g.as<float>() + i, n, how);
      for (std::int64_t k = 0; k < n; ++k) {
        const WeightChances c = weight_chances(options.seed, i + k);
        chances[0][k] = c.weight;
        chances[1][k] = c.first;
        chances[2][k] = c.second;
      }
      if (!plain(w)) narrow({w, {}}, i, at[0], n, false, chances[0]);
      if (!plain(m.values)) narrow(m, i, at[1], n, false, chances[1]);
      if (!plain(v.values)) narrow(v, i, at[2], n, true, chances[2]);
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
