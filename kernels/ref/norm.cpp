#include <cmath>
#include <vector>

#include "kernels/ref/ref_backend.h"
#include "kernels/ref/rows.h"
#include "lib/tensor/quant_block.h"

namespace r1 {

using ref::add_to;
using ref::row;

void RefBackend::rms_norm(const Tensor& y, const Tensor& rstd, const Tensor& x, const Tensor& w,
                          float eps) {
  const std::int64_t D = x.cols();
  std::vector<float> values(static_cast<std::size_t>(x.shape.elements()));
  for (std::int64_t r = 0; r < x.rows(); ++r) {
    double squares = 0.0;
    for (std::int64_t d = 0; d < D; ++d) squares += double{row(x, r)[d]} * row(x, r)[d];
    const double scale = 1.0 / std::sqrt(squares / static_cast<double>(D) + eps);
    for (std::int64_t d = 0; d < D; ++d)
      values[static_cast<std::size_t>(r * D + d)] =
          static_cast<float>(row(x, r)[d] * scale * w.as<float>()[d]);
    if (!rstd.empty()) rstd.as<float>()[r] = static_cast<float>(scale);
  }
  pack(y.data, values, y.dtype);
}

// With n = x rstd:  dx += rstd (dy w - n mean(dy w n)),  dw += sum of dy n over rows.
void RefBackend::rms_norm_backward(const Tensor& dx, const Tensor& dw, const Tensor& dy,
                                   const Tensor& x, const Tensor& w, const Tensor& rstd) {
  const std::int64_t R = x.rows(), D = x.cols();
  const auto n = [&](std::int64_t r, std::int64_t d) {
    return double{row(x, r)[d]} * rstd.as<float>()[r];
  };
  const auto dn = [&](std::int64_t r, std::int64_t d) {
    return double{row(dy, r)[d]} * w.as<float>()[d];
  };
  if (!dx.empty())
    for (std::int64_t r = 0; r < R; ++r) {
      double sum = 0.0;
      for (std::int64_t d = 0; d < D; ++d) sum += dn(r, d) * n(r, d);
      const double mean = sum / static_cast<double>(D);
      for (std::int64_t d = 0; d < D; ++d)
        add_to(row(dx, r)[d], rstd.as<float>()[r] * (dn(r, d) - n(r, d) * mean));
    }
  if (!dw.empty())
    for (std::int64_t d = 0; d < D; ++d) {
      double sum = 0.0;
      for (std::int64_t r = 0; r < R; ++r) sum += row(dy, r)[d] * n(r, d);
      add_to(dw.as<float>()[d], sum);
    }
}

}  // namespace r1
