#pragma once

#include <cstdint>

namespace r1::quant {

// A matrix in rows that lie `stride` numbers apart.
template <typename T>
struct Rows {
  T* data;
  std::int64_t stride;
  T* row(std::int64_t i) const { return data + i * stride; }
  operator Rows<const T>() const { return {data, stride}; }
};

// c [m, n] += a [m, k] b [k, n]; n is a multiple of 16. Each sum has one order, whatever m and n
// are, so that a row has the same bits in any company.
void add_product(Rows<float> c, Rows<const float> a, Rows<const float> b, std::int64_t m,
                 std::int64_t n, std::int64_t k);
// c [m, n] += a [m, k] b^T with b [n, k].
void add_product_transposed(Rows<float> c, Rows<const float> a, Rows<const float> b, std::int64_t m,
                            std::int64_t n, std::int64_t k);

}  // namespace r1::quant
