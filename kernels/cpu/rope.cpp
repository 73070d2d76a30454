#include <cmath>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/rows.h"

namespace r1 {

using cpu::row;

void CpuBackend::rope_table(const Tensor& table, const Tensor& positions, const Tensor& frequencies,
                            float magnitude) {
  const std::int64_t half = frequencies.shape[0];
  for_rows(positions.shape[0], 16 * half, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t)
      for (std::int64_t i = 0; i < half; ++i) {
        const auto position = static_cast<float>(positions.as<std::int32_t>()[t]);
        const float angle = position * frequencies.as<float>()[i];
        float* pair = table.as<float>() + (t * half + i) * 2;
        pair[0] = magnitude * std::cos(angle);
        pair[1] = magnitude * std::sin(angle);
      }
  });
}

void CpuBackend::rope(const Tensor& y, const Tensor& x, const Tensor& table, bool interleaved) {
  const std::int64_t H = x.shape[1], hd = x.shape[2];
  for_rows(x.rows(), hd, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r)
      kernels_.rotate(row(y, r), row(x, r), table.as<float>() + r / H * hd, hd / 2, interleaved);
  });
}

void CpuBackend::rope_backward(const Tensor& dx, const Tensor& dy, const Tensor& table,
                               bool interleaved) {
  if (dx.empty()) return;
  const std::int64_t H = dy.shape[1], hd = dy.shape[2];
  for_rows(dy.rows(), hd, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r)
      kernels_.rotate_backward(row(dx, r), row(dy, r), table.as<float>() + r / H * hd, hd / 2,
                               interleaved);
  });
}

}  // namespace r1
