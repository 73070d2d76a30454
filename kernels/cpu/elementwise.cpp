#include <algorithm>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/rows.h"

namespace r1 {

using cpu::row;

void CpuBackend::swiglu(const Tensor& y, const Tensor& gate, const Tensor& up) {
  for_rows(y.shape.elements(), 4, [&](std::int64_t begin, std::int64_t end) {
    kernels_.swiglu(y.as<float>() + begin, gate.as<float>() + begin, up.as<float>() + begin,
                    end - begin);
  });
}

void CpuBackend::swiglu_backward(const Tensor& dgate, const Tensor& dup, const Tensor& dy,
                                 const Tensor& gate, const Tensor& up) {
  const auto from = [](const Tensor& t, std::int64_t i) {
    return t.empty() ? nullptr : t.as<float>() + i;
  };
  for_rows(dy.shape.elements(), 4, [&](std::int64_t begin, std::int64_t end) {
    kernels_.swiglu_backward(from(dgate, begin), from(dup, begin), from(dy, begin),
                             from(gate, begin), from(up, begin), end - begin);
  });
}

void CpuBackend::gelu(const Tensor& y, const Tensor& x) {
  for_rows(y.shape.elements(), 4, [&](std::int64_t begin, std::int64_t end) {
    kernels_.gelu(y.as<float>() + begin, x.as<float>() + begin, end - begin);
  });
}

void CpuBackend::gelu_backward(const Tensor& dx, const Tensor& dy, const Tensor& x) {
  if (dx.empty()) return;
  for_rows(dy.shape.elements(), 4, [&](std::int64_t begin, std::int64_t end) {
    kernels_.gelu_backward(dx.as<float>() + begin, dy.as<float>() + begin, x.as<float>() + begin,
                           end - begin);
  });
}

void CpuBackend::add(const Tensor& y, const Tensor& a, const Tensor& b) {
  for_rows(y.shape.elements(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      y.as<float>()[i] = a.as<float>()[i] + b.as<float>()[i];
  });
}

void CpuBackend::add_scaled(const Tensor& y, const Tensor& x, float s) {
  for_rows(y.shape.elements(), 1, [&](std::int64_t begin, std::int64_t end) {
    kernels_.axpy(y.as<float>() + begin, s, x.as<float>() + begin, end - begin);
  });
}

void CpuBackend::gather_rows(const Tensor& y, const Tensor& x, const Tensor& rows) {
  for (std::int64_t i = 0; i < y.rows(); ++i) {
    const float* from = row(x, rows.as<std::int32_t>()[i]);
    std::copy(from, from + y.cols(), row(y, i));
  }
}

void CpuBackend::gather_rows_backward(const Tensor& dx, const Tensor& dy, const Tensor& rows) {
  if (dx.empty()) return;
  for (std::int64_t i = 0; i < dy.rows(); ++i)
    kernels_.axpy(row(dx, rows.as<std::int32_t>()[i]), 1.0f, row(dy, i), dy.cols());
}

}  // namespace r1
