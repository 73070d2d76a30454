#pragma once

#include <cstdint>

namespace r1::quant {

// A matrix in rows that lie `stride` numbers apart.
template <typename T>
struct MatrixView {
  T* data;
  std::int64_t stride;
  T* row(std::int64_t i) const { return data + i * stride; }
  operator MatrixView<const T>() const { return {data, stride}; }
};

// c [m, n] += a [m, k] b [k, n]; n is a multiple of 16. Each sum has one order, whatever m and n
// are, so that a row has the same bits in any company.
void add_product(MatrixView<float> c, MatrixView<const float> a, MatrixView<const float> b,
                 std::int64_t m, std::int64_t n, std::int64_t k);
// c [m, n] += a [m, k] b^T with b [n, k].
void add_product_transposed(MatrixView<float> c, MatrixView<const float> a,
                            MatrixView<const float> b, std::int64_t m, std::int64_t n,
                            std::int64_t k);

}  // namespace r1::quant
