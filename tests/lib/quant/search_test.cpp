#include "lib/quant/search.h"

#include <cmath>
#include <cstring>
#include <numbers>
#include <vector>

#include <gtest/gtest.h>

#include "lib/base/random.h"
#include "lib/tensor/nearest_in_codebook.h"
#include "lib/tensor/quant_block.h"
#include "tests/support/close.h"

namespace r1 {
namespace {

constexpr DType kQuantized[] = {DType::q8_0, DType::q4_0,   DType::q4_k,  DType::q5_k,
                                DType::q6_k, DType::iq4_nl, DType::iq4_xs};
using Bytes = std::vector<std::byte>;

std::size_t row_bytes(std::size_t K, DType dtype) {
  return K / static_cast<std::size_t>(block_elements(dtype)) * block_bytes(dtype);
}

Bytes searched(std::span<const float> row, std::span<const float> importance, DType dtype) {
  Bytes blocks(row_bytes(row.size(), dtype), std::byte{0xA5});
  pack_row(blocks.data(), row, importance, dtype);
  return blocks;
}

Bytes rounded(std::span<const float> row, DType dtype) {
  Bytes blocks(row_bytes(row.size(), dtype));
  pack(blocks.data(), row, dtype);
  return blocks;
}

std::vector<float> decoded(const Bytes& blocks, std::size_t K, DType dtype) {
  std::vector<float> y(K);
  unpack(y, blocks.data(), dtype);
  return y;
}

// sum of importance (w - decoded)^2; importance may be empty: ones.
double error(std::span<const float> row, std::span<const float> importance, const Bytes& blocks,
             DType dtype) {
  const std::vector<float> y = decoded(blocks, row.size(), dtype);
  double sum = 0;
  for (std::size_t k = 0; k < row.size(); ++k) {
    const double e = double{row[k]} - double{y[k]};
    sum += (importance.empty() ? 1.0 : double{importance[k]}) * e * e;
  }
  return sum;
}

double normal(std::uint64_t seed, std::uint64_t i) {
  const double u = 1 - random_uniform(seed, 0, i), v = random_uniform(seed, 1, i);
  return std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v);
}

std::vector<float> made(std::size_t n, double (*f)(std::uint64_t)) {
  std::vector<float> values(n);
  for (std::size_t i = 0; i < n; ++i) values[i] = static_cast<float>(f(i));
  return values;
}

double heavy_tailed(std::uint64_t i) {
  return 0.02 * normal(1, i) / (0.2 + random_uniform(1, 2, i));
}
double log_normal(std::uint64_t i) { return std::exp(1.5 * normal(2, i)); }

struct Distribution {
  const char* name;
  double (*of)(std::uint64_t);
};
constexpr Distribution kDistributions[] = {
    {"normal", [](std::uint64_t i) { return normal(3, i); }},
    {"heavy-tailed", heavy_tailed},
    {"constant", [](std::uint64_t) { return 0.37; }},
    {"negative constant", [](std::uint64_t) { return -0.37; }},
    {"one outlier", [](std::uint64_t i) { return i % 256 == 77 ? 40.0 : 0.1 * normal(4, i); }},
    {"mostly zeros", [](std::uint64_t i) { return i % 37 == 5 ? normal(5, i) : 0.0; }},
    {"zeros", [](std::uint64_t) { return 0.0; }},
    {"all above zero", [](std::uint64_t i) { return std::abs(normal(6, i)); }},
    {"far below zero", [](std::uint64_t i) { return -1.0 + 0.01 * normal(7, i); }},
    {"two values", [](std::uint64_t i) { return random_uniform(8, 0, i) < 0.3 ? -0.5 : 0.25; }},
    {"a ramp", [](std::uint64_t i) { return 0.001 * static_cast<double>(i); }},
    {"the smallest halves", [](std::uint64_t i) { return 3e-7 * normal(9, i); }},
    {"below all halves", [](std::uint64_t i) { return 1e-30 * normal(10, i); }},
    {"denormal", [](std::uint64_t i) { return 1e-41 * normal(11, i); }},
};

TEST(Search, IsNeverWorseThanRoundingToNearest) {
  constexpr std::size_t K = 256 * 9;
  const std::vector<float> calibrated = made(K, log_normal);
  for (const Distribution& distribution : kDistributions) {
    const std::vector<float> row = made(K, distribution.of);
    for (const DType dtype : kQuantized) {
      for (const bool with : {false, true}) {
        const std::span<const float> importance(calibrated.data(), with ? K : 0);
        const double ours = error(row, importance, searched(row, importance, dtype), dtype);
        const double plain = error(row, importance, rounded(row, dtype), dtype);
        // Block by block what is compared are sums of 256 terms in f32.
        EXPECT_LE(ours, plain * (1 + test::roundings(256)))
            << distribution.name << " " << to_string(dtype) << (with ? " with" : " without")
            << " importance";
      }
    }
  }
}

// Scales down to the halves of few bits, columns that count for nothing, most weights zero.
TEST(Search, IsNeverWorseOnAnyBlock) {
  std::vector<float> row(256), importance(256);
  for (std::uint64_t block = 0; block < 600; ++block) {
    const double size = std::exp(-10 * random_uniform(20, 0, block));
    const double spread = 3 * random_uniform(20, 1, block), kept = random_uniform(20, 2, block);
    for (std::uint64_t i = 0; i < 256; ++i) {
      const bool zero = random_uniform(block, 6, i) > kept;
      row[i] = zero ? 0.0f : static_cast<float>(size * normal(21 + block, i));
      const bool unused = random_uniform(block, 7, i) < 0.02;
      importance[i] = unused ? 0.0f : static_cast<float>(std::exp(spread * normal(block, 256 + i)));
    }
    for (const DType dtype : kQuantized) {
      const double ours = error(row, importance, searched(row, importance, dtype), dtype);
      const double plain = error(row, importance, rounded(row, dtype), dtype);
      ASSERT_LE(ours, plain * (1 + test::roundings(256))) << to_string(dtype) << " " << block;
    }
  }
}

// What the search is for, by the type: at most this share of the error of rounding to nearest.
TEST(Search, TakesAGoodPartOfTheErrorAway) {
  constexpr std::size_t K = 256 * 60;
  const std::vector<float> row = made(K, heavy_tailed), importance = made(K, log_normal);
  const double shares[] = {0.75, 0.8, 0.65, 0.7, 0.75, 0.8, 0.8};
  for (std::size_t i = 0; i < std::size(kQuantized); ++i) {
    const DType dtype = kQuantized[i];
    const double ours = error(row, importance, searched(row, importance, dtype), dtype);
    EXPECT_LT(ours, shares[i] * error(row, importance, rounded(row, dtype), dtype))
        << to_string(dtype) << " " << ours / error(row, importance, rounded(row, dtype), dtype);
  }
}

// Every half there is as the scale of one block, both signs: the least error possible.
double least_possible(std::span<const float> row, std::span<const float> importance, DType dtype) {
  const int least = dtype == DType::q8_0 ? -127 : -8, most = dtype == DType::q8_0 ? 127 : 7;
  const auto level = [&](double scaled) -> double {
    if (dtype == DType::iq4_nl) return nearest_in_codebook(static_cast<float>(scaled));
    return std::clamp<double>(std::nearbyint(scaled), least, most);
  };
  double best = HUGE_VAL;
  for (std::uint32_t half = 0; half < 0x10000; ++half) {
    const double d = f16_to_f32(static_cast<std::uint16_t>(half));
    if (!std::isfinite(d)) continue;
    double sum = 0;
    for (std::size_t k = 0; k < row.size() && sum < best; ++k) {
      const double q = d == 0 ? 0 : level(row[k] / d);
      sum += importance[k] * (row[k] - d * q) * (row[k] - d * q);
    }
    best = std::min(best, sum);
  }
  return best;
}

TEST(Search, ComesCloseToTryingEveryScale) {
  constexpr std::size_t kBlocks = 40;
  const std::vector<float> importance = made(32 * kBlocks, log_normal);
  for (const double size : {1.0, 1e-5}) {  // the second has scales with few bits
    std::vector<float> row = made(32 * kBlocks, heavy_tailed);
    for (float& w : row) w = static_cast<float>(w * size);
    for (const auto& [dtype, slack] :
         {std::pair{DType::q8_0, 1.03}, {DType::q4_0, 1.001}, {DType::iq4_nl, 1.002}}) {
      double least = 0;
      for (std::size_t k = 0; k < row.size(); k += 32)
        least += least_possible(std::span(row).subspan(k, 32), std::span(importance).subspan(k, 32),
                                dtype);
      const double ours = error(row, importance, searched(row, importance, dtype), dtype);
      EXPECT_LE(ours, slack * least) << to_string(dtype) << " " << ours / least;
      EXPECT_GE(ours, least * (1 - 1e-6)) << "less than possible";
    }
  }
}

TEST(Search, WhatLiesOnAGridComesBackAsItWas) {
  std::vector<float> row(32 * 50);
  for (const DType dtype : {DType::q8_0, DType::q4_0, DType::iq4_nl}) {
    const int most = dtype == DType::q4_0 ? 7 : 127;
    for (std::size_t k = 0; k < row.size(); ++k) {
      const auto level = std::floor((2 * most + 1) * random_uniform(12, k / 32, k % 32)) - most;
      const float d = f16_to_f32(static_cast<std::uint16_t>(0x2000 + 7 * (k / 32)));
      const auto whole = static_cast<float>(k % 32 == 3 ? -most : level);
      row[k] = d * (dtype == DType::iq4_nl ? nearest_in_codebook(whole) : whole);
    }
    EXPECT_EQ(decoded(searched(row, {}, dtype), row.size(), dtype), row) << to_string(dtype);
  }
}

TEST(Search, FollowsTheImportance) {
  constexpr std::size_t K = 256 * 8;
  const std::vector<float> row = made(K, heavy_tailed), importance = made(K, log_normal);
  for (const DType dtype : kQuantized) {
    const Bytes with = searched(row, importance, dtype), without = searched(row, {}, dtype);
    EXPECT_LT(error(row, importance, with, dtype), error(row, importance, without, dtype));
    EXPECT_LT(error(row, {}, without, dtype), error(row, {}, with, dtype));
  }
}

// Powers of two change no bit of the choice, however far they reach.
TEST(Search, OnlyTheProportionsOfTheImportanceCount) {
  const std::vector<float> row = made(512, heavy_tailed), importance = made(512, log_normal);
  for (const float size : {0x1p-120f, 0x1p+100f}) {
    std::vector<float> other = importance;
    for (float& w : other) w *= size;
    for (const DType dtype : kQuantized)
      EXPECT_EQ(searched(row, importance, dtype), searched(row, other, dtype)) << to_string(dtype);
  }
  const std::vector<float> nothing(512, 0.0f), even(512, 1.0f);
  for (const DType dtype : kQuantized)
    EXPECT_EQ(searched(row, nothing, dtype), searched(row, even, dtype)) << to_string(dtype);
}

// Blocks are searched four at a time, and stay alone.
TEST(Search, ABlockHasTheSameBytesInAnyRow) {
  const std::vector<float> row = made(256 * 7, heavy_tailed),
                           importance = made(256 * 7, log_normal);
  for (const DType dtype : kQuantized) {
    const Bytes whole = searched(row, importance, dtype);
    const auto elements = static_cast<std::size_t>(block_elements(dtype));
    Bytes pieces;
    for (std::size_t k = 0; k < row.size(); k += elements) {
      const Bytes piece = searched(std::span(row).subspan(k, elements),
                                   std::span(importance).subspan(k, elements), dtype);
      pieces.insert(pieces.end(), piece.begin(), piece.end());
    }
    EXPECT_EQ(whole, pieces) << to_string(dtype);
  }
}

TEST(Search, AnyFiniteRowDecodesToFiniteNumbers) {
  for (const double size : {1e-45, 1e-38, 1e-20, 1e-7, 1e5, 1e10, 1e38}) {
    std::vector<float> row = made(512, [](std::uint64_t i) { return normal(13, i) / 4; });
    for (float& w : row) w = static_cast<float>(w * size);
    for (const DType dtype : kQuantized)
      for (const float y : decoded(searched(row, {}, dtype), row.size(), dtype))
        ASSERT_TRUE(std::isfinite(y)) << to_string(dtype) << " " << size;
  }
}

TEST(Search, PlainTypesAreRounded) {
  const std::vector<float> row = made(37, heavy_tailed);
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16})
    EXPECT_EQ(searched(row, row, dtype), rounded(row, dtype)) << to_string(dtype);
}

}  // namespace
}  // namespace r1
