#include <cmath>
#include <vector>

#include "kernels/ref/ref_backend.h"
#include "kernels/ref/rows.h"
#include "lib/tensor/float8.h"
#include "lib/tensor/quant_block.h"

namespace r1 {
namespace {

std::vector<float> widened(const Tensor& t) {
  std::vector<float> values(static_cast<std::size_t>(t.shape.elements()));
  unpack(values, t.data, t.dtype);
  return values;
}

}  // namespace

void RefBackend::round_to_fp8(const Tensor& y, const Tensor& scale, const Tensor& x) {
  with_float8(y.dtype, [&](auto format) {
    using Format = decltype(format);
    const std::int64_t n = x.shape.elements();
    float most = 0.0f;
    for (std::int64_t i = 0; i < n; ++i) most = std::fmax(most, std::fabs(x.as<float>()[i]));
    const float s = float8_scale<Format>(most);
    scale.as<float>()[0] = s;
    for (std::int64_t i = 0; i < n; ++i)
      y.as<std::uint8_t>()[i] = f32_to_float8<Format>(x.as<float>()[i] / s);
  });
}

void RefBackend::linear_fp8(const Tensor& y, const Tensor& x, const Tensor& x_scale,
                            const Tensor& w, const Tensor& w_scale) {
  const std::vector<float> xs = widened(x), ws = widened(w);  // [T, K], [N, K]
  const double scale = double{x_scale.as<float>()[0]} * w_scale.as<float>()[0];
  const auto K = static_cast<std::size_t>(w.cols());
  for (std::int64_t t = 0; t < x.rows(); ++t)
    for (std::int64_t n = 0; n < w.rows(); ++n) {
      const float *xt = xs.data() + static_cast<std::size_t>(t) * K,
                  *wn = ws.data() + static_cast<std::size_t>(n) * K;
      double sum = 0.0;
      for (std::size_t k = 0; k < K; ++k) sum += double{xt[k]} * wn[k];
      ref::row(y, t)[n] = static_cast<float>(scale * sum);
    }
}

}  // namespace r1
