#include <cmath>
#include <vector>

#include "kernels/ref/ref_backend.h"
#include "kernels/ref/rows.h"
#include "lib/backend/finish.h"
#include "lib/tensor/float8.h"
#include "lib/tensor/quant_block.h"

namespace r1 {
namespace {

// A factor's numbers without its scale, [R, K] whichever way they lie.
std::vector<float> rows_of(const Factor& f) {
  const Tensor& t = f.values;
  std::vector<float> values(static_cast<std::size_t>(t.shape.elements()));
  unpack(values, t.data, t.dtype);
  if (f.along_k) return values;
  std::vector<float> turned;
  for (std::int64_t r = 0; r < t.cols(); ++r)
    for (std::int64_t k = 0; k < t.rows(); ++k)
      turned.push_back(values[static_cast<std::size_t>(k * t.cols() + r)]);
  return turned;
}

double scale_of(const Factor& f) { return f.scale.empty() ? 1.0 : f.scale.as<float>()[0]; }

}  // namespace

void RefBackend::round(const Tensor& y, const Tensor& x) {
  pack(y.data, {x.as<float>(), static_cast<std::size_t>(x.shape.elements())}, y.dtype);
}

void RefBackend::round_to_fp8(const Tensor& y, const Tensor& turned, const Tensor& scale,
                              const Tensor& x) {
  with_float8(y.dtype, [&](auto format) {
    using Format = decltype(format);
    const std::int64_t R = x.rows(), C = x.cols();
    float most = 0.0f;
    for (std::int64_t i = 0; i < R * C; ++i) most = std::fmax(most, std::fabs(x.as<float>()[i]));
    const float s = float8_scale<Format>(most);
    scale.as<float>()[0] = s;
    for (std::int64_t r = 0; r < R; ++r)
      for (std::int64_t c = 0; c < C; ++c) {
        const std::uint8_t bits = f32_to_float8<Format>(x.as<float>()[r * C + c] / s);
        y.as<std::uint8_t>()[r * C + c] = bits;
        if (!turned.empty()) turned.as<std::uint8_t>()[c * R + r] = bits;
      }
  });
}

void RefBackend::multiply(const Tensor& y, const Factor& a, const Factor& b, const Epilogue& then) {
  const std::vector<float> as = rows_of(a), bs = rows_of(b);
  const double scale = scale_of(a) * scale_of(b);
  const bool adds = then.residual.data == y.data;
  const std::int64_t M = y.rows(), N = y.cols(), K = a.values.shape.elements() / M;
  for (std::int64_t m = 0; m < M; ++m)
    for (std::int64_t n = 0; n < N; ++n) {
      const double sum = scale * ref::dot(as.data() + m * K, bs.data() + n * K, K);
      float& to = ref::row(y, m)[n];
      adds ? ref::add_to(to, sum) : void(to = static_cast<float>(sum));
    }
  finish(*this, y, {then.bias, adds ? Tensor{} : then.residual, then.activation});
}

}  // namespace r1
