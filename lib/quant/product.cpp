#include "lib/quant/product.h"

#include <algorithm>
#include <cassert>

#include "lib/quant/product_tile.h"

namespace r1::quant {
namespace {

AddRows choose_add_rows() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) return kAddRowsAvx2;
#endif
  return add_rows<FourFloats>;
}

// load(panel, k, column, depth) fills a panel with the rows k … k + depth of b.
template <typename Load>
void add(MatrixView<float> c, MatrixView<const float> a, std::int64_t m, std::int64_t n,
         std::int64_t k, const Load& load) {
  assert(n % kPanelColumns == 0);
  const AddRows add_rows = choose_add_rows();
  for (std::int64_t k0 = 0; k0 < k; k0 += kPanelDepth) {
    const int depth = static_cast<int>(std::min<std::int64_t>(kPanelDepth, k - k0));
    for (std::int64_t column = 0; column < n; column += kPanelColumns) {
      alignas(64) Panel panel;
      load(panel, k0, column, depth);
      add_rows({c.data + column, c.stride}, {a.data + k0, a.stride}, panel, m, depth);
    }
  }
}

}  // namespace

void add_product(MatrixView<float> c, MatrixView<const float> a, MatrixView<const float> b,
                 std::int64_t m, std::int64_t n, std::int64_t k) {
  constexpr std::int64_t kAhead = 16;  // each row is on a page of its own
  add(c, a, m, n, k, [b, k](Panel& panel, std::int64_t k0, std::int64_t column, int depth) {
    for (int i = 0; i < depth; ++i) {
      __builtin_prefetch(b.row(std::min(k0 + i + kAhead, k - 1)) + column);
      std::memcpy(panel[i], b.row(k0 + i) + column, sizeof panel[i]);
    }
  });
}

void add_product_transposed(MatrixView<float> c, MatrixView<const float> a,
                            MatrixView<const float> b, std::int64_t m, std::int64_t n,
                            std::int64_t k) {
  add(c, a, m, n, k, [b](Panel& panel, std::int64_t k0, std::int64_t column, int depth) {
    for (int j = 0; j < kPanelColumns; ++j)
      for (int i = 0; i < depth; ++i) panel[i][j] = b.row(column + j)[k0 + i];
  });
}

}  // namespace r1::quant
