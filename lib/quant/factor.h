#pragma once

#include <cstdint>
#include <span>

#include "lib/base/parallel.h"
#include "lib/quant/product.h"

namespace r1::quant {

// c [n, n] += a [n, k] b [k, n] on and above the diagonal; n is a multiple of 16.
void add_upper(MatrixView<float> c, MatrixView<const float> a, MatrixView<const float> b,
               std::int64_t n, std::int64_t k, ThreadPool& pool);

// h [K, K], symmetric and read above the diagonal: h = R R^T with R upper triangular, which takes
// the place of h on and above the diagonal; what lies below stays. least [K]: no R_kk^2 is let go
// below it, > 0, by rounding. K is a multiple of 16. K^3 / 6 products.
void factor_upper(std::span<float> h, std::int64_t K, std::span<const float> least,
                  ThreadPool& pool);

}  // namespace r1::quant
