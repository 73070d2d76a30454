#include <algorithm>
#include <cassert>
#include <vector>

#include "kernels/ref/ref_backend.h"
#include "kernels/ref/rows.h"
#include "lib/backend/finish.h"
#include "lib/tensor/quant_block.h"

namespace r1 {
namespace {

using ref::add_to;
using ref::dot;
using ref::row;

// Row n of a weight [N, K] of any type, widened.
std::vector<float> weight_row(const Tensor& w, std::int64_t n) {
  assert(!w.packed);
  const std::int64_t blocks = w.cols() / block_elements(w.dtype);
  const std::size_t row_bytes = static_cast<std::size_t>(blocks) * block_bytes(w.dtype);
  std::vector<float> values(static_cast<std::size_t>(w.cols()));  // [K]
  unpack(values, w.as<std::byte>() + static_cast<std::size_t>(n) * row_bytes, w.dtype);
  return values;
}

}  // namespace

void RefBackend::linear(const Tensor& y, const Tensor& x, const Tensor& w, const Epilogue& then) {
  for (std::int64_t n = 0; n < w.rows(); ++n) {
    const std::vector<float> wn = weight_row(w, n);
    for (std::int64_t t = 0; t < x.rows(); ++t)
      row(y, t)[n] = static_cast<float>(dot(row(x, t), wn.data(), w.cols()));
  }
  finish(*this, y, then);
}

void RefBackend::linear_backward(const Tensor& dx, const Tensor& dw, const Tensor& dy,
                                 const Tensor& x, const Tensor& w) {
  const std::int64_t T = dy.rows(), N = w.rows(), K = w.cols();
  if (!dx.empty()) {
    std::vector<double> sum(static_cast<std::size_t>(T * K));  // [T, K]
    for (std::int64_t n = 0; n < N; ++n) {
      const std::vector<float> wn = weight_row(w, n);
      for (std::int64_t t = 0; t < T; ++t) {
        double* to = sum.data() + t * K;
        const double d = row(dy, t)[n];
        for (std::int64_t k = 0; k < K; ++k) to[k] += d * wn[static_cast<std::size_t>(k)];
      }
    }
    for (std::int64_t i = 0; i < T * K; ++i)
      add_to(dx.as<float>()[i], sum[static_cast<std::size_t>(i)]);
  }
  if (!dw.empty()) {
    assert(w.dtype == DType::f32);
    for (std::int64_t n = 0; n < N; ++n)
      for (std::int64_t k = 0; k < K; ++k) {
        double sum = 0.0;
        for (std::int64_t t = 0; t < T; ++t) sum += double{row(dy, t)[n]} * row(x, t)[k];
        add_to(row(dw, n)[k], sum);
      }
  }
}

void RefBackend::add_bias(const Tensor& y, const Tensor& x, const Tensor& b) {
  for (std::int64_t t = 0; t < x.rows(); ++t)
    for (std::int64_t n = 0; n < x.cols(); ++n) row(y, t)[n] = row(x, t)[n] + b.as<float>()[n];
}

void RefBackend::add_bias_backward(const Tensor& dx, const Tensor& db, const Tensor& dy) {
  for (std::int64_t n = 0; n < dy.cols(); ++n) {
    double sum = 0.0;
    for (std::int64_t t = 0; t < dy.rows(); ++t) sum += row(dy, t)[n];
    if (!db.empty()) add_to(db.as<float>()[n], sum);
  }
  if (!dx.empty()) add_scaled(dx, dy, 1.0f);
}

void RefBackend::scale_columns(const Tensor& y, const Tensor& x, const Tensor& m, const Tensor& d) {
  for (std::int64_t t = 0; t < x.rows(); ++t)
    for (std::int64_t n = 0; n < x.cols(); ++n)
      row(y, t)[n] = static_cast<float>(double{row(x, t)[n]} * m.as<float>()[n] / d.as<float>()[n]);
}

void RefBackend::scale_columns_backward(const Tensor& dx, const Tensor& dm, const Tensor& dy,
                                        const Tensor& x, const Tensor& m, const Tensor& d) {
  for (std::int64_t n = 0; n < dy.cols(); ++n) {
    double sum = 0.0;
    for (std::int64_t t = 0; t < dy.rows(); ++t) {
      const double share = double{row(dy, t)[n]} / d.as<float>()[n];
      sum += share * row(x, t)[n];
      if (!dx.empty()) add_to(row(dx, t)[n], share * m.as<float>()[n]);
    }
    if (!dm.empty()) add_to(dm.as<float>()[n], sum);
  }
}

void RefBackend::embedding(const Tensor& y, const Tensor& w, const Tensor& ids) {
  for (std::int64_t t = 0; t < y.rows(); ++t) {
    const std::int32_t id = ids.as<std::int32_t>()[t];
    assert(0 <= id && id < w.rows());
    const std::vector<float> values = weight_row(w, id);
    std::copy(values.begin(), values.end(), row(y, t));
  }
}

void RefBackend::embedding_backward(const Tensor& dw, const Tensor& dy, const Tensor& ids) {
  gather_rows_backward(dw, dy, ids);
}

}  // namespace r1
