// 8-bit floats. Here for agreement with the other backends: no CPU of today multiplies them, so x
// and w are widened on the way.
#include <cmath>
#include <vector>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/rows.h"
#include "lib/tensor/float8.h"
#include "lib/tensor/quant_block.h"

namespace r1 {

void CpuBackend::round_to_fp8(const Tensor& y, const Tensor& scale, const Tensor& x) {
  with_float8(y.dtype, [&](auto format) {
    using Format = decltype(format);
    const float* from = x.as<float>();
    float most = 0.0f;
    for (std::int64_t i = 0; i < x.shape.elements(); ++i)
      most = std::fmax(most, std::fabs(from[i]));
    const float s = float8_scale<Format>(most);
    scale.as<float>()[0] = s;
    for_rows(x.shape.elements(), 4, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        y.as<std::uint8_t>()[i] = f32_to_float8<Format>(from[i] / s);
    });
  });
}

void CpuBackend::linear_fp8(const Tensor& y, const Tensor& x, const Tensor& x_scale,
                            const Tensor& w, const Tensor& w_scale) {
  const std::int64_t T = x.rows(), K = x.cols();
  const float scale = x_scale.as<float>()[0] * w_scale.as<float>()[0];
  std::vector<float> xs(static_cast<std::size_t>(T * K));
  unpack(xs, x.data, x.dtype);
  for_rows(w.rows(), T * K, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> wn(static_cast<std::size_t>(K));
    for (std::int64_t n = begin; n < end; ++n) {
      unpack(wn, w.as<std::uint8_t>() + n * K, w.dtype);
      for (std::int64_t t = 0; t < T; ++t)
        cpu::row(y, t)[n] = scale * kernels_.dot(xs.data() + t * K, wn.data(), K);
    }
  });
}

}  // namespace r1
