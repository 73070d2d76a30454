#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/rows.h"

namespace r1 {

using cpu::row;

namespace {

// In double where the sum of squares is more than f32 holds.
float inverse_rms(const cpu::Kernels& kernels, const float* x, std::int64_t D, float eps) {
  const float squares = kernels.dot(x, x, D);
  if (std::isfinite(squares)) return 1.0f / std::sqrt(squares / static_cast<float>(D) + eps);
  double sum = 0;
  for (std::int64_t i = 0; i < D; ++i) sum += double{x[i]} * x[i];
  return static_cast<float>(1 / std::sqrt(sum / static_cast<double>(D) + double{eps}));
}

}  // namespace

void CpuBackend::rms_norm(const Tensor& y, const Tensor& rstd, const Tensor& x, const Tensor& w,
                          float eps) {
  const std::int64_t D = x.cols();
  const float* weight = w.as<float>();
  for_rows(x.rows(), D, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> room(static_cast<std::size_t>(y.dtype == DType::f32 ? 0 : D));
    for (std::int64_t r = begin; r < end; ++r) {
      const float* in = row(x, r);
      float* out = room.empty() ? row(y, r) : room.data();
      const float scale = inverse_rms(kernels_, in, D, eps);
      kernels_.scale_by(out, scale, in, weight, D);
      if (!room.empty()) store(y, r * D, out, D);
      if (!rstd.empty()) rstd.as<float>()[r] = scale;
    }
  });
}

// With n = x rstd:  dx += rstd (dy w - n mean(dy w n)),  dw += sum of dy n over rows.
void CpuBackend::rms_norm_backward(const Tensor& dx, const Tensor& dw, const Tensor& dy,
                                   const Tensor& x, const Tensor& w, const Tensor& rstd) {
  const std::int64_t R = x.rows(), D = x.cols();
  if (!dx.empty())
    for_rows(R, D, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r)
        kernels_.rms_norm_backward(row(dx, r), row(dy, r), row(x, r), w.as<float>(),
                                   rstd.as<float>()[r], D);
    });
  if (!dw.empty())  // by columns, so that threads do not share them, nor the line where they meet
    for_rows(D, R, [&](std::int64_t begin, std::int64_t end) {
      float* to = dw.as<float>();
      std::vector<float> sums(to + begin, to + end);
      for (std::int64_t r = 0; r < R; ++r)
        kernels_.add_scaled_by(sums.data(), rstd.as<float>()[r], row(x, r) + begin,
                               row(dy, r) + begin, end - begin);
      std::copy(sums.begin(), sums.end(), to + begin);
    });
}

}  // namespace r1
