#include "lib/quant/gptq.h"

#include <cmath>
#include <numbers>
#include <vector>

#include <gtest/gtest.h>

#include "lib/base/random.h"
#include "lib/quant/factor.h"
#include "lib/quant/row_tile.h"
#include "lib/quant/scale_group.h"
#include "lib/quant/search.h"
#include "lib/tensor/quant_block.h"
#include "tests/support/close.h"

namespace r1 {
namespace {

constexpr DType kQuantized[] = {DType::q8_0, DType::q4_0,   DType::q4_k,  DType::q5_k,
                                DType::q6_k, DType::iq4_nl, DType::iq4_xs};
using Bytes = std::vector<std::byte>;
using Floats = std::vector<float>;

double normal(std::uint64_t seed, std::uint64_t i) {
  const double u = 1 - random_uniform(seed, 0, i), v = random_uniform(seed, 1, i);
  return std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v);
}

Floats normals(std::size_t n, std::uint64_t seed) {
  Floats v(n);
  for (std::size_t i = 0; i < n; ++i) v[i] = static_cast<float>(normal(seed, i));
  return v;
}

// Inputs [T, K] of a few directions, some noise, and columns of very different sizes.
Floats correlated_inputs(std::size_t T, std::size_t K, std::uint64_t seed) {
  constexpr std::size_t kDirections = 24;
  const Floats direction = normals(kDirections * K, seed), size = normals(K, seed + 1);
  const Floats z = normals(T * kDirections, seed + 2);
  Floats x = normals(T * K, seed + 3);
  for (std::size_t t = 0; t < T; ++t)
    for (std::size_t k = 0; k < K; ++k) {
      float sum = x[t * K + k];
      for (std::size_t d = 0; d < kDirections; ++d)
        sum += z[t * kDirections + d] * direction[d * K + k] * 0.5f;
      x[t * K + k] = sum * std::exp(0.7f * size[k]);
    }
  return x;
}

struct Problem {
  std::size_t N, K;
  Floats w, hessian;  // [N, K], [K, K]
};

Problem correlated(std::size_t N, std::size_t K, std::size_t T) {
  Problem p{N, K, normals(N * K, 1), Floats(K * K)};
  ThreadPool pool(1);
  add_to_hessian(p.hessian, correlated_inputs(T, K, 2), static_cast<std::int64_t>(K), pool);
  for (std::size_t i = 0; i < K; ++i)
    for (std::size_t j = 0; j < i; ++j) p.hessian[i * K + j] = p.hessian[j * K + i];
  return p;
}

std::size_t bytes_of(std::size_t n, DType dtype) {
  return n / static_cast<std::size_t>(block_elements(dtype)) * block_bytes(dtype);
}

Bytes fed_back(const Problem& p, DType dtype, int sweeps, int threads = 2, double damping = 0.1) {
  ThreadPool pool(threads);
  const Gptq gptq(p.hessian, static_cast<std::int64_t>(p.K), pool, damping);
  Bytes blocks(bytes_of(p.w.size(), dtype));
  gptq.quantize(blocks.data(), p.w, dtype, sweeps);
  return blocks;
}

// By rows alone, with the importance that their inputs have.
Bytes searched(const Problem& p, DType dtype) {
  Floats importance(p.K);
  for (std::size_t k = 0; k < p.K; ++k) importance[k] = p.hessian[k * p.K + k];
  Bytes blocks(bytes_of(p.w.size(), dtype));
  for (std::size_t n = 0; n < p.N; ++n)
    pack_row(blocks.data() + bytes_of(n * p.K, dtype), std::span(p.w).subspan(n * p.K, p.K),
             importance, dtype);
  return blocks;
}

// tr(E H E^T) for E = W - decoded, with the diagonal of H raised by a share.
double output_error(const Problem& p, const Floats& decoded, double raised = 0) {
  double sum = 0;
  for (std::size_t n = 0; n < p.N; ++n)
    for (std::size_t i = 0; i < p.K; ++i) {
      const double e = double{p.w[n * p.K + i]} - double{decoded[n * p.K + i]};
      double row = raised * double{p.hessian[i * p.K + i]} * e;
      for (std::size_t j = 0; j < p.K; ++j)
        row += double{p.hessian[i * p.K + j]} *
               (double{p.w[n * p.K + j]} - double{decoded[n * p.K + j]});
      sum += e * row;
    }
  return sum;
}

double output_error(const Problem& p, const Bytes& blocks, DType dtype, double raised = 0) {
  Floats decoded(p.w.size());
  unpack(decoded, blocks.data(), dtype);
  return output_error(p, decoded, raised);
}

Floats decoded_groups(const Bytes& groups, DType scale) {
  Floats decoded;
  for (std::size_t g = 0; g < groups.size(); g += quant::kScaleGroupBytes) {
    float step = 0;
    unpack({&step, 1}, groups.data() + g, scale);
    for (std::size_t i = 0; i < 128; ++i) {
      const int both = std::to_integer<int>(groups[g + 2 + i / 2]);
      decoded.push_back(step * static_cast<float>((i % 2 == 0 ? both & 15 : both >> 4) - 8));
    }
  }
  return decoded;
}

TEST(Hessian, IsTheSumOfOuterProducts) {
  constexpr std::size_t T = 261, K = 80;
  const Floats x = normals(T * K, 1);
  for (const int threads : {1, 2}) {
    ThreadPool pool(threads);
    Floats h(K * K, 1.0f);  // adds to what is there
    add_to_hessian(h, std::span(x).first(7 * K), K, pool);
    add_to_hessian(h, std::span(x).subspan(7 * K), K, pool);
    for (std::size_t i = 0; i < K; ++i)
      for (std::size_t j = i; j < K; ++j) {
        double want = 1, size = 1;
        for (std::size_t t = 0; t < T; ++t) {
          want += double{x[t * K + i]} * double{x[t * K + j]};
          size += std::abs(double{x[t * K + i]} * double{x[t * K + j]});
        }
        ASSERT_NEAR(h[i * K + j], want, test::roundings(2 * (T + 1)) * size) << i << ", " << j;
      }
  }
}

TEST(Factor, TimesItselfIsTheMatrix) {
  for (const std::int64_t K : {16, 64, 80, 224}) {
    const Problem p = correlated(1, static_cast<std::size_t>(K), 512);
    for (const int threads : {1, 2}) {
      ThreadPool pool(threads);
      Floats r = p.hessian;
      quant::factor_upper(r, K, Floats(static_cast<std::size_t>(K), 1e-3f), pool);
      for (std::int64_t i = 0; i < K; ++i)
        for (std::int64_t j = 0; j < K; ++j) {
          const auto at = [K](std::int64_t a, std::int64_t b) {
            return static_cast<std::size_t>(a * K + b);
          };
          if (j < i) {
            ASSERT_EQ(r[at(i, j)], p.hessian[at(i, j)]) << "below the diagonal";
            continue;
          }
          double sum = 0;
          for (std::int64_t k = j; k < K; ++k) sum += double{r[at(i, k)]} * double{r[at(j, k)]};
          const double size = std::sqrt(double{p.hessian[at(i, i)]} * double{p.hessian[at(j, j)]});
          // Higham, Accuracy and Stability of Numerical Algorithms, theorem 10.3; two roundings a
          // product here.
          ASSERT_LE(std::abs(sum - double{p.hessian[at(i, j)]}),
                    test::roundings(2 * (K + 1)) * 1.01 * size)
              << K << ": " << i << ", " << j;
        }
    }
  }
}

// No inputs at all, and inputs of one size: no column has anything to make good. What has one scale
// a block comes to the same bytes; the others look around once more for each sub-block.
TEST(Gptq, WithoutCorrelationsItIsTheSearch) {
  constexpr std::size_t K = 512;
  Problem p{3, K, normals(3 * K, 1), Floats(K * K)};
  Problem even = p;
  for (std::size_t k = 0; k < K; ++k) even.hessian[k * (K + 1)] = 1;
  for (const float size : {0.0f, 1.0f, 1000.0f}) {
    for (std::size_t k = 0; k < K; ++k) p.hessian[k * (K + 1)] = size;
    for (const DType dtype : kQuantized) {
      const Bytes got = fed_back(p, dtype, 2), want = searched(even, dtype);
      if (block_elements(dtype) == 32) {
        EXPECT_EQ(got, want) << to_string(dtype) << " " << size;
      } else {
        const double least = output_error(even, want, dtype);
        EXPECT_LE(output_error(even, got, dtype), least * (1 + 1e-5)) << to_string(dtype);
        EXPECT_GE(output_error(even, got, dtype), least * 0.95) << to_string(dtype);
      }
    }
  }
}

TEST(Gptq, CorrelatedInputsLoseLess) {
  const Problem p = correlated(24, 512, 2048);
  for (const DType dtype : kQuantized) {
    const double share =
        output_error(p, fed_back(p, dtype, 2), dtype) / output_error(p, searched(p, dtype), dtype);
    EXPECT_LT(share, 0.2) << to_string(dtype);
    RecordProperty(std::string(to_string(dtype)), std::to_string(share));
  }
}

// Groups of 128 with a scale in 16 bits, as folders have them. Beside scales that are searched by
// the sizes of the inputs, and these beside scales searched by nothing.
TEST(Gptq, GroupsOfFoldersLoseLessToo) {
  const Problem p = correlated(24, 512, 2048);
  Floats importance(p.K);
  for (std::size_t k = 0; k < p.K; ++k) importance[k] = p.hessian[k * p.K + k];
  const std::size_t row = p.K / 128 * quant::kScaleGroupBytes;
  for (const DType scale : {DType::f16, DType::bf16}) {
    ThreadPool pool(2);
    Bytes fed(p.N * row), weighted(p.N * row), even(p.N * row);
    const Gptq gptq(p.hessian, static_cast<std::int64_t>(p.K), pool);
    gptq.quantize(fed.data(), p.w, quant::BlockType::groups(scale));
    for (std::size_t n = 0; n < p.N; ++n) {
      const auto w = std::span(p.w).subspan(n * p.K, p.K);
      quant::pack_groups(weighted.data() + n * row, w, importance, scale, true);
      quant::pack_groups(even.data() + n * row, w, {}, scale, true);
    }
    const double searched = output_error(p, decoded_groups(weighted, scale));
    EXPECT_LT(output_error(p, decoded_groups(fed, scale)), 0.2 * searched) << to_string(scale);
    EXPECT_LT(searched, 0.95 * output_error(p, decoded_groups(even, scale))) << to_string(scale);
  }
}

// On what it is to keep small, the damped error, no sweep loses ground.
TEST(Gptq, EverySweepLosesLess) {
  const Problem p = correlated(5, 256, 1024);
  for (const DType dtype : kQuantized) {
    double before = HUGE_VAL;
    for (const int sweeps : {0, 1, 2, 3}) {
      const double now = output_error(p, fed_back(p, dtype, sweeps), dtype, 0.1);
      EXPECT_LT(now, before) << to_string(dtype) << ", " << sweeps << " sweeps";
      before = now;
    }
  }
}

TEST(Gptq, ThreadsAndCompanyChangeNoByte) {
  const Problem p = correlated(quant::RowTile::kRows + 21, 512, 600);  // a second tile, with a rest
  for (const DType dtype : kQuantized) {
    const Bytes one = fed_back(p, dtype, 1, 1);
    for (const int threads : {2, 3}) EXPECT_EQ(fed_back(p, dtype, 1, threads), one) << threads;
    Problem alone = p;
    alone.N = 1;
    const auto row = static_cast<std::ptrdiff_t>(bytes_of(512, dtype));
    for (const std::ptrdiff_t r : {std::ptrdiff_t{77}, static_cast<std::ptrdiff_t>(p.N) - 1}) {
      alone.w.assign(p.w.begin() + r * 512, p.w.begin() + (r + 1) * 512);
      EXPECT_EQ(fed_back(alone, dtype, 1),
                Bytes(one.begin() + r * row, one.begin() + (r + 1) * row));
    }
  }
}

// Fewer inputs than columns, and columns without any.
TEST(Gptq, ASingularHessianIsSafe) {
  Problem p = correlated(4, 256, 3);
  for (std::size_t i = 0; i < 256; ++i)
    for (std::size_t j = 0; j < 256; ++j)
      if (i % 7 == 2 || j % 7 == 2) p.hessian[i * 256 + j] = 0;
  for (const DType dtype : kQuantized)
    for (const double damping : {1e-3, 0.1}) {
      const Bytes blocks = fed_back(p, dtype, 2, 2, damping);
      // Also false for NaN. The inputs span three directions: rounding can nearly keep them.
      EXPECT_LT(output_error(p, blocks, dtype), 0.2 * output_error(p, searched(p, dtype), dtype))
          << to_string(dtype) << " " << damping;
      Floats decoded(p.w.size());
      unpack(decoded, blocks.data(), dtype);
      for (std::size_t i = 2; i < p.w.size(); ++i)
        if (i % 256 % 7 == 2) {  // a column without inputs: cut off at most
          ASSERT_LE(std::abs(decoded[i] - p.w[i]), test::largest(p.w)) << i;
        }
    }
}

}  // namespace
}  // namespace r1
