#include "lib/quant/product.h"

#include <vector>

#include <gtest/gtest.h>

#include "lib/base/random.h"
#include "lib/quant/product_tile.h"
#include "tests/support/close.h"

namespace r1::quant {
namespace {

std::vector<float> random_values(std::int64_t n, std::uint64_t seed) {
  std::vector<float> v(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < v.size(); ++i)
    v[i] = static_cast<float>(2 * random_uniform(seed, 0, i) - 1);
  return v;
}

struct Sizes {
  std::int64_t m, n, k;
};
constexpr Sizes kSizes[] = {{1, 16, 1}, {5, 48, 129}, {6, 16, 256}, {7, 32, 257}, {66, 64, 700}};

TEST(Product, IsTheSumOfProducts) {
  for (const auto [m, n, k] : kSizes) {
    SCOPED_TRACE(testing::Message() << m << " x " << n << " x " << k);
    const std::vector<float> a = random_values(m * k, 1), b = random_values(k * n, 2);
    std::vector<float> got = random_values(m * n, 3), want = got;
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t j = 0; j < n; ++j) {
        double sum = double{want[static_cast<std::size_t>(i * n + j)]};
        for (std::int64_t l = 0; l < k; ++l)
          sum += double{a[static_cast<std::size_t>(i * k + l)]} *
                 double{b[static_cast<std::size_t>(l * n + j)]};
        want[static_cast<std::size_t>(i * n + j)] = static_cast<float>(sum);
      }
    add_product({got.data(), n}, {a.data(), k}, {b.data(), n}, m, n, k);
    const auto terms = static_cast<double>(k + 1);  // none above one
    EXPECT_TRUE(test::close(got, want, test::roundings(2 * (k + 1)) * terms));
  }
}

TEST(Product, TransposedHasTheSameBits) {
  for (const auto [m, n, k] : kSizes) {
    SCOPED_TRACE(testing::Message() << m << " x " << n << " x " << k);
    const std::vector<float> a = random_values(m * k, 1), b = random_values(k * n, 2);
    std::vector<float> turned(b.size()), c(static_cast<std::size_t>(m * n)), d = c;
    for (std::int64_t l = 0; l < k; ++l)
      for (std::int64_t j = 0; j < n; ++j)
        turned[static_cast<std::size_t>(j * k + l)] = b[static_cast<std::size_t>(l * n + j)];
    add_product({c.data(), n}, {a.data(), k}, {b.data(), n}, m, n, k);
    add_product_transposed({d.data(), n}, {a.data(), k}, {turned.data(), k}, m, n, k);
    EXPECT_EQ(c, d);
  }
}

TEST(Product, EveryVectorGivesTheSameBits) {
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx2")) GTEST_SKIP() << "skipped: no AVX2";
#endif
  constexpr std::int64_t m = 7;
  const std::vector<float> a = random_values(m * kPanelDepth, 1);
  const std::vector<float> b = random_values(kPanelDepth * kPanelColumns, 2);
  Panel panel;
  std::copy(b.begin(), b.end(), &panel[0][0]);
  std::vector<float> four(m * kPanelColumns), eight = four;
  add_rows<FourFloats>({four.data(), kPanelColumns}, {a.data(), kPanelDepth}, panel, m,
                       kPanelDepth);
  kAddRowsAvx2({eight.data(), kPanelColumns}, {a.data(), kPanelDepth}, panel, m, kPanelDepth);
  EXPECT_EQ(four, eight);
  EXPECT_NE(kAddRowsAvx2, &add_rows<FourFloats>);  // else one was held against itself
}

}  // namespace
}  // namespace r1::quant
