#include <cassert>
#include <cmath>
#include <vector>

#include "kernels/ref/ref_backend.h"
#include "kernels/ref/rows.h"
#include "lib/tensor/quant_block.h"

namespace r1 {

using ref::add_to;
using ref::row;
using ref::sigmoid;

void RefBackend::swiglu(const Tensor& y, const Tensor& gate, const Tensor& up) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < y.shape.elements(); ++i) {
    const double g = gate.as<float>()[i];
    values.push_back(static_cast<float>(g * sigmoid(g) * up.as<float>()[i]));
  }
  pack(y.data, values, y.dtype);
}

// silu'(g) = s (1 + g (1 - s)) with s = sigmoid(g).
void RefBackend::swiglu_backward(const Tensor& dgate, const Tensor& dup, const Tensor& dy,
                                 const Tensor& gate, const Tensor& up) {
  for (std::int64_t i = 0; i < dy.shape.elements(); ++i) {
    const double g = gate.as<float>()[i], s = sigmoid(g), d = dy.as<float>()[i];
    if (!dgate.empty())
      add_to(dgate.as<float>()[i], d * up.as<float>()[i] * s * (1.0 + g * (1.0 - s)));
    if (!dup.empty()) add_to(dup.as<float>()[i], d * g * s);
  }
}

// 1 + tanh(u) = 2 sigmoid(2u), so that gelu(x) = x sigmoid(z).
void RefBackend::gelu(const Tensor& y, const Tensor& x) {
  for (std::int64_t i = 0; i < y.shape.elements(); ++i) {
    const double v = x.as<float>()[i], z = kGeluSlope * (v + kGeluCube * v * v * v);
    y.as<float>()[i] = static_cast<float>(v * sigmoid(z));
  }
}

void RefBackend::gelu_backward(const Tensor& dx, const Tensor& dy, const Tensor& x) {
  if (dx.empty()) return;
  for (std::int64_t i = 0; i < dy.shape.elements(); ++i) {
    const double v = x.as<float>()[i], z = kGeluSlope * (v + kGeluCube * v * v * v);
    const double dz = kGeluSlope * (1.0 + 3.0 * kGeluCube * v * v);
    const double slope = sigmoid(z) + v * dz * sigmoid(z) * sigmoid(-z);
    add_to(dx.as<float>()[i], dy.as<float>()[i] * slope);
  }
}

void RefBackend::dropout(const Tensor& y, const Tensor& x, const Dropout& options) {
  for (std::int64_t i = 0; i < y.shape.elements(); ++i)
    y.as<float>()[i] =
        x.as<float>()[i] * dropout_factors(options, i / kDropoutDraw).of[i % kDropoutDraw];
}

void RefBackend::dropout_backward(const Tensor& dx, const Tensor& dy, const Dropout& options) {
  if (dx.empty()) return;
  for (std::int64_t i = 0; i < dy.shape.elements(); ++i)
    add_to(dx.as<float>()[i], double{dy.as<float>()[i]} *
                                  dropout_factors(options, i / kDropoutDraw).of[i % kDropoutDraw]);
}

void RefBackend::add(const Tensor& y, const Tensor& a, const Tensor& b) {
  for (std::int64_t i = 0; i < y.shape.elements(); ++i)
    y.as<float>()[i] = a.as<float>()[i] + b.as<float>()[i];
}

void RefBackend::add_scaled(const Tensor& y, const Tensor& x, float s) {
  for (std::int64_t i = 0; i < y.shape.elements(); ++i)
    add_to(y.as<float>()[i], double{x.as<float>()[i]} * s);
}

void RefBackend::blend(const Tensor& y, float a, const Tensor& x, float b, const Tensor& z) {
  for (std::int64_t i = 0; i < y.shape.elements(); ++i)
    y.as<float>()[i] = static_cast<float>(double{a} * x.as<float>()[i] +
                                          (z.empty() ? 0.0 : double{b} * z.as<float>()[i]));
}

void RefBackend::gather_rows(const Tensor& y, const Tensor& x, const Tensor& rows) {
  for (std::int64_t i = 0; i < y.rows(); ++i) {
    const std::int32_t from = rows.as<std::int32_t>()[i];
    assert(0 <= from && from < x.rows());
    for (std::int64_t d = 0; d < y.cols(); ++d) row(y, i)[d] = row(x, from)[d];
  }
}

void RefBackend::gather_rows_backward(const Tensor& dx, const Tensor& dy, const Tensor& rows) {
  if (dx.empty()) return;
  for (std::int64_t i = 0; i < dy.rows(); ++i)
    for (std::int64_t d = 0; d < dy.cols(); ++d)
      row(dx, rows.as<std::int32_t>()[i])[d] += row(dy, i)[d];
}

}  // namespace r1
