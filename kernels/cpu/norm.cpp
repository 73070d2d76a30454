#include <cmath>
#include <vector>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/rows.h"

namespace r1 {

using cpu::row;

void CpuBackend::rms_norm(const Tensor& y, const Tensor& rstd, const Tensor& x, const Tensor& w,
                          float eps) {
  const std::int64_t D = x.cols();
  const float* weight = w.as<float>();
  for_rows(x.rows(), D, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> room(static_cast<std::size_t>(y.dtype == DType::f32 ? 0 : D));
    for (std::int64_t r = begin; r < end; ++r) {
      const float* in = row(x, r);
      float* out = room.empty() ? row(y, r) : room.data();
      const float mean = kernels_.dot(in, in, D) / static_cast<float>(D);
      const float scale = 1.0f / std::sqrt(mean + eps);
      for (std::int64_t d = 0; d < D; ++d) out[d] = in[d] * scale * weight[d];
      if (!room.empty()) store(y, r * D, out, D);
      if (!rstd.empty()) rstd.as<float>()[r] = scale;
    }
  });
}

// With n = x rstd:  dx += rstd (dy w - n mean(dy w n)),  dw += sum of dy n over rows.
void CpuBackend::rms_norm_backward(const Tensor& dx, const Tensor& dw, const Tensor& dy,
                                   const Tensor& x, const Tensor& w, const Tensor& rstd) {
  const std::int64_t R = x.rows(), D = x.cols();
  const float* weight = w.as<float>();
  if (!dx.empty())
    for_rows(R, D, [&](std::int64_t begin, std::int64_t end) {
      std::vector<float> dn(static_cast<std::size_t>(D));
      for (std::int64_t r = begin; r < end; ++r) {
        const float *in = row(x, r), *d = row(dy, r), scale = rstd.as<float>()[r];
        for (std::int64_t i = 0; i < D; ++i) dn[static_cast<std::size_t>(i)] = d[i] * weight[i];
        const float mean = kernels_.dot(dn.data(), in, D) * scale / static_cast<float>(D);
        kernels_.axpy(row(dx, r), scale, dn.data(), D);
        kernels_.axpy(row(dx, r), -scale * scale * mean, in, D);
      }
    });
  if (!dw.empty())  // by columns, so that threads do not share them
    for_rows(D, R, [&](std::int64_t begin, std::int64_t end) {
      float* __restrict sums = dw.as<float>();
      for (std::int64_t r = 0; r < R; ++r) {
        const float *in = row(x, r), *dout = row(dy, r), scale = rstd.as<float>()[r];
        for (std::int64_t d = begin; d < end; ++d) sums[d] += dout[d] * in[d] * scale;
      }
    });
}

}  // namespace r1
