#include <algorithm>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/rows.h"

namespace r1 {

using cpu::row;

namespace {

// Draws of so many elements.
std::int64_t draws_of(const Tensor& t) {
  return (t.shape.elements() + kDropoutDraw - 1) / kDropoutDraw;
}

// body(i, factor) for the elements of draws [begin, end) of a tensor.
template <typename Body>
void each_kept(const Tensor& t, const Dropout& options, std::int64_t begin, std::int64_t end,
               const Body& body) {
  for (std::int64_t draw = begin; draw < end; ++draw) {
    const DropoutFactors factors = dropout_factors(options, draw);
    const std::int64_t first = draw * kDropoutDraw;
    for (std::int64_t i = first; i < std::min(t.shape.elements(), first + kDropoutDraw); ++i)
      body(i, factors.of[i - first]);
  }
}

}  // namespace

void CpuBackend::swiglu(const Tensor& y, const Tensor& gate, const Tensor& up) {
  constexpr std::int64_t kAtOnce = 1024;
  for_rows(y.shape.elements(), 4, [&](std::int64_t begin, std::int64_t end) {
    if (y.dtype == DType::f32)
      return kernels_.swiglu(y.as<float>() + begin, gate.as<float>() + begin,
                             up.as<float>() + begin, end - begin);
    float room[kAtOnce];
    for (std::int64_t i = begin; i < end; i += kAtOnce) {
      const std::int64_t n = std::min(kAtOnce, end - i);
      kernels_.swiglu(room, gate.as<float>() + i, up.as<float>() + i, n);
      store(y, i, room, n);
    }
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

void CpuBackend::dropout(const Tensor& y, const Tensor& x, const Dropout& options) {
  for_rows(draws_of(y), 32, [&](std::int64_t begin, std::int64_t end) {
    each_kept(y, options, begin, end,
              [&](std::int64_t i, float factor) { y.as<float>()[i] = x.as<float>()[i] * factor; });
  });
}

void CpuBackend::dropout_backward(const Tensor& dx, const Tensor& dy, const Dropout& options) {
  if (dx.empty()) return;
  for_rows(draws_of(dy), 32, [&](std::int64_t begin, std::int64_t end) {
    each_kept(dy, options, begin, end, [&](std::int64_t i, float factor) {
      dx.as<float>()[i] += dy.as<float>()[i] * factor;
    });
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

void CpuBackend::blend(const Tensor& y, float a, const Tensor& x, float b, const Tensor& z) {
  for_rows(y.shape.elements(), 1, [&](std::int64_t begin, std::int64_t end) {
    kernels_.blend(y.as<float>() + begin, a, x.as<float>() + begin, b,
                   z.empty() ? nullptr : z.as<float>() + begin, end - begin);
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
