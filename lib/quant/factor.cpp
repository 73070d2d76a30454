#include "lib/quant/factor.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <vector>

#include "lib/quant/product.h"

// Cholesky from the last column to the first, a block of columns at a time; all but a few of the
// products are matrix products.
namespace r1::quant {
namespace {

constexpr std::int64_t kBlock = 96;

// A block of R on the diagonal, as the rows above it need it.
struct Diagonal {
  float inverse[kBlock];          // 1 / R_ii
  float columns[kBlock][kBlock];  // row i: column i of R above the diagonal, then zeros
};

// Factors the n x n block at `corner` in place.
Diagonal factor_block(MatrixView<float> corner, std::int64_t n, const float* least) {
  Diagonal diagonal{};
  for (std::int64_t i = n - 1; i >= 0; --i) {
    double pivot = corner.row(i)[i];
    for (std::int64_t k = i + 1; k < n; ++k) pivot -= std::pow(double{corner.row(i)[k]}, 2);
    const double root = std::sqrt(std::max(pivot, double{least[i]}));
    corner.row(i)[i] = static_cast<float>(root);
    diagonal.inverse[i] = static_cast<float>(1 / root);
    for (std::int64_t a = 0; a < i; ++a) {
      double v = corner.row(a)[i];
      for (std::int64_t k = i + 1; k < n; ++k)
        v -= double{corner.row(a)[k]} * double{corner.row(i)[k]};
      corner.row(a)[i] = diagonal.columns[i][a] = static_cast<float>(v / root);
    }
  }
  return diagonal;
}

// row [n] of h above a block becomes that of R: row (block of R)^-T.
void solve_row(float* row, const Diagonal& diagonal, std::int64_t n) {
  float h[kBlock] = {};
  std::copy_n(row, n, h);
  for (std::int64_t i = n - 1; i >= 0; --i) {
    row[i] = h[i] * diagonal.inverse[i];
    for (std::int64_t k = 0; k < kBlock; ++k) h[k] -= row[i] * diagonal.columns[i][k];
  }
}

// c [m, m] += a [m, k] b [k, m] on and above the diagonal.
void add_above_diagonal(MatrixView<float> c, MatrixView<const float> a, MatrixView<const float> b,
                        std::int64_t m, std::int64_t k) {
  float square[kBlock * kBlock] = {};
  add_product({square, kBlock}, a, b, m, m, k);
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t j = i; j < m; ++j) c.row(i)[j] += square[i * kBlock + j];
}

}  // namespace

void add_upper(MatrixView<float> c, MatrixView<const float> a, MatrixView<const float> b,
               std::int64_t n, std::int64_t k, ThreadPool& pool) {
  pool.run([&](int thread) {  // tiles in turn, because the upper ones are longer
    for (std::int64_t i = kBlock * thread; i < n; i += kBlock * pool.threads()) {
      const std::int64_t m = std::min(kBlock, n - i), next = i + m;
      const MatrixView<const float> rows{a.row(i), a.stride};
      add_above_diagonal({c.row(i) + i, c.stride}, rows, {b.data + i, b.stride}, m, k);
      add_product({c.row(i) + next, c.stride}, rows, {b.data + next, b.stride}, m, n - next, k);
    }
  });
}

void factor_upper(std::span<float> h, std::int64_t K, std::span<const float> least,
                  ThreadPool& pool) {
  assert(std::ssize(h) == K * K && std::ssize(least) == K && K % 16 == 0);
  const MatrixView<float> rows{h.data(), K};
  std::vector<float> negative(static_cast<std::size_t>(kBlock * K));  // -(R above the block)^T
  for (std::int64_t end = K; end > 0; end -= kBlock) {
    const std::int64_t begin = std::max<std::int64_t>(0, end - kBlock), n = end - begin;
    const Diagonal diagonal = factor_block({rows.row(begin) + begin, K}, n, least.data() + begin);
    const MatrixView<float> above{negative.data(), begin};  // [n, begin]
    pool.for_ranges(begin, kBlock, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t a = first; a < last; ++a) {
        solve_row(rows.row(a) + begin, diagonal, n);
        for (std::int64_t k = 0; k < n; ++k) above.row(k)[a] = -rows.row(a)[begin + k];
      }
    });
    add_upper(rows, {rows.data + begin, K}, above, begin, n, pool);
  }
}

}  // namespace r1::quant
