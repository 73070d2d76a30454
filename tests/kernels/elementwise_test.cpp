#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "tests/support/kernel_test.h"

namespace r1 {
namespace {

using test::Op;
using test::Rig;
using ElementwiseTest = test::KernelTest;

// silu may come out smaller than the smallest normal number: flushed to zero is right too.
constexpr double kSmallest = std::numeric_limits<float>::min();

// Gates from the flat ends of the sigmoid to its middle.
std::vector<float> gates(std::int64_t n) {
  std::vector<float> g = test::random_values(n, 1, -12.0f, 12.0f);
  const float ends[] = {0.0f, -0.0f, 88.0f, -88.0f, 104.0f, -104.0f, 1e4f, -1e4f};
  for (std::size_t i = 0; i < std::min(g.size(), std::size(ends)); ++i) g[i] = ends[i];
  return g;
}

TEST_F(ElementwiseTest, SwigluAgrees) {
  for (const std::int64_t T : {1, 3})
    for (const std::int64_t K : test::kAwkward) {
      SCOPED_TRACE(to_string(Shape{T, K}));
      const Op op = [&](Rig& rig) -> std::vector<std::vector<float>> {
        const Tensor y = rig.unwritten({T, K}), gate = rig.put({T, K}, gates(T * K));
        rig->swiglu(y, gate, rig.put({T, K}, test::random_values(T * K, 2)));
        return {rig.get(y)};
      };
      expect_agreement(op, {test::tolerances(on_ref(op)[0], 2.0 * test::kFunction, kSmallest)});
    }
}

// Both gradients are at most (1 + |gate|) |dy| in size, what they are added to at most 1.
TEST_F(ElementwiseTest, SwigluBackwardAgrees) {
  for (const std::int64_t K : test::kAwkward) {
    SCOPED_TRACE(K);
    const std::vector<float> gate = gates(3 * K);
    const Op op = [&](Rig& rig) -> std::vector<std::vector<float>> {
      const Tensor dgate = rig.begun({3, K}), dup = rig.begun({3, K});
      const Tensor only_dgate = rig.begun({3, K}), only_dup = rig.begun({3, K});
      const Tensor dy = rig.put({3, K}, test::random_values(3 * K, 3));
      const Tensor g = rig.put({3, K}, gate), up = rig.put({3, K}, test::random_values(3 * K, 2));
      rig->swiglu_backward(dgate, dup, dy, g, up);
      rig->swiglu_backward(only_dgate, {}, dy, g, up);
      rig->swiglu_backward({}, only_dup, dy, g, up);
      return {rig.get(dgate), rig.get(dup), rig.get(only_dgate), rig.get(only_dup)};
    };
    const auto tolerance = test::tolerances(gate, 3.0 * test::kFunction, 3.0 * test::kFunction);
    expect_agreement(op, {tolerance, tolerance, tolerance, tolerance});
  }
}

TEST_F(ElementwiseTest, DropoutDropsTheSameElementsEverywhere) {
  constexpr Dropout kSome{.share = 0.3f, .seed = 5, .stream = 9};
  for (const std::int64_t n : test::kAwkward) {
    SCOPED_TRACE(n);
    const Op op = [&](Rig& rig) -> std::vector<std::vector<float>> {
      const Tensor y = rig.unwritten({n}), x = rig.put({n}, test::random_values(n, 1));
      rig->dropout(y, x, kSome);
      const Tensor dx = rig.begun({n});
      rig->dropout_backward(dx, x, kSome);
      return {rig.get(y), rig.get(dx)};
    };
    const std::vector<double> exact(static_cast<std::size_t>(n), 0.0);
    const std::vector<double> added(static_cast<std::size_t>(n), test::roundings(2) * 3.0);
    expect_agreement(op, {exact, added});
  }
}

// A mean of n numbers that are 0 or 1 / (1 - share) is off by at most five deviations.
TEST_F(ElementwiseTest, DropoutKeepsTheMeanAndDropsItsShare) {
  constexpr std::int64_t n = 1 << 16;
  for (const float share : {0.0f, 0.1f, 0.5f, 0.9f})
    for (const std::uint64_t stream : {0u, 7u}) {
      const auto values = on_ref([&](Rig& rig) -> std::vector<std::vector<float>> {
        const Tensor y = rig.unwritten({n});
        rig->dropout(y, rig.put({n}, std::vector<float>(n, 1.0f)), {share, 3, stream});
        return {rig.get(y)};
      })[0];
      double sum = 0;
      std::int64_t dropped = 0;
      for (const float v : values) {
        sum += v;
        dropped += v == 0.0f;
      }
      const double deviation = std::sqrt(double{share} / (1.0 - double{share}) / n);
      EXPECT_NEAR(sum / n, 1.0, 5 * deviation + 1e-5) << share;
      EXPECT_NEAR(static_cast<double>(dropped) / n, share, 5 * deviation + 1e-5) << share;
    }
}

// z of gelu(x) = x sigmoid(z), its slope, and what e^-|z| is off by: z has four roundings.
struct Gelu {
  explicit Gelu(double x)
      : z(kGeluSlope * (x + kGeluCube * x * x * x)),
        dz(kGeluSlope * (1.0 + 3.0 * kGeluCube * x * x)),
        share(2.0 * test::kFunction + 4.0 * test::kF32 * std::min(std::abs(z), 104.0)) {}
  double sigmoid() const { return 1.0 / (1.0 + std::exp(-z)); }
  double z, dz, share;
};

TEST_F(ElementwiseTest, GeluAgrees) {
  for (const std::int64_t n : test::kAwkward) {
    SCOPED_TRACE(n);
    const std::vector<float> x = gates(n);
    const Op op = [&](Rig& rig) -> std::vector<std::vector<float>> {
      const Tensor y = rig.unwritten({n});
      rig->gelu(y, rig.put({n}, x));
      return {rig.get(y)};
    };
    std::vector<double> tolerance;
    for (const float v : x)
      tolerance.push_back(std::abs(v) * Gelu(v).sigmoid() * Gelu(v).share + 12.0 * kSmallest);
    expect_agreement(op, {tolerance});
  }
}

// The two terms of the slope, s and x z' s (1 - s), are each off by their share; the sum is added
// to at most 1.
TEST_F(ElementwiseTest, GeluBackwardAgrees) {
  for (const std::int64_t n : test::kAwkward) {
    SCOPED_TRACE(n);
    const std::vector<float> x = gates(n), dy = test::random_values(n, 3);
    const Op op = [&](Rig& rig) -> std::vector<std::vector<float>> {
      const Tensor dx = rig.begun({n});
      rig->gelu_backward(dx, rig.put({n}, dy), rig.put({n}, x));
      rig->gelu_backward({}, rig.put({n}, dy), rig.put({n}, x));
      return {rig.get(dx)};
    };
    std::vector<double> tolerance;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const Gelu g(x[i]);
      const double s = g.sigmoid(), slope = s + std::abs(x[i] * g.dz) * s * (1.0 - s);
      tolerance.push_back(std::abs(dy[i]) * slope * g.share + test::roundings(2) * (1.0 + slope));
    }
    expect_agreement(op, {tolerance});
  }
}

// Where nothing of the slope's second term is left, nothing comes of it either.
TEST_F(ElementwiseTest, TheSlopeOfGeluIsOneOrNoneFarOut) {
  const Op op = [](Rig& rig) -> std::vector<std::vector<float>> {
    const Tensor dx = rig.begun({4});
    rig->gelu_backward(dx, rig.put({4}, std::vector<float>(4, 1.0f)),
                       rig.put({4}, {1e14f, -1e14f, 1e30f, -1e30f}));
    return {rig.get(dx)};
  };
  expect_agreement(op, {std::vector<double>(4, 1e-6)});
}

TEST_F(ElementwiseTest, AddIsExact) {
  for (const std::int64_t D : test::kAwkward) {
    SCOPED_TRACE(D);
    const Op op = [&](Rig& rig) -> std::vector<std::vector<float>> {
      const Tensor y = rig.unwritten({3, D}), a = rig.put({3, D}, test::random_values(3 * D, 1));
      rig->add(y, a, rig.put({3, D}, test::random_values(3 * D, 2)));
      return {rig.get(y)};
    };
    expect_agreement(op, {std::vector<double>(static_cast<std::size_t>(3 * D), 0.0)});
  }
}

TEST_F(ElementwiseTest, AddScaledRoundsAtMostTwice) {
  for (const std::int64_t n : test::kAwkward) {
    SCOPED_TRACE(n);
    const Op op = [&](Rig& rig) -> std::vector<std::vector<float>> {
      const Tensor y = rig.begun({n});
      rig->add_scaled(y, rig.put({n}, test::random_values(n, 1)), -0.37f);
      return {rig.get(y)};
    };
    expect_agreement(op,
                     {std::vector<double>(static_cast<std::size_t>(n), test::roundings(2) * 1.4)});
  }
}

TEST_F(ElementwiseTest, BlendRoundsAtMostThreeTimes) {
  for (const std::int64_t n : test::kAwkward) {
    SCOPED_TRACE(n);
    const Op op = [&](Rig& rig) -> std::vector<std::vector<float>> {
      const Tensor x = rig.put({n}, test::random_values(n, 1));
      const Tensor z = rig.put({n}, test::random_values(n, 2)), y = rig.unwritten({n});
      const Tensor alone = rig.unwritten({n});
      rig->blend(y, -0.37f, x, 1.7f, z);
      rig->blend(alone, -0.37f, x, 1.7f, {});
      rig->blend(x, 0.63f, x, 0.2f, z);
      rig->blend(z, 0.63f, y, 0.2f, z);
      return {rig.get(y), rig.get(alone), rig.get(x), rig.get(z)};
    };
    const std::vector<double> tolerance(static_cast<std::size_t>(n), test::roundings(6) * 2.1);
    expect_agreement(op, {tolerance, tolerance, tolerance, tolerance});
  }
}

TEST_F(ElementwiseTest, RowsAreGatheredAndTheirGradientsAddUp) {
  const std::vector<std::int32_t> rows = {4, 0, 4, 2, 4};
  for (const std::int64_t D : test::kAwkward) {
    SCOPED_TRACE(D);
    const Op op = [&](Rig& rig) -> std::vector<std::vector<float>> {
      const Tensor y = rig.unwritten({5, D}), x = rig.put({6, D}, test::random_values(6 * D, 1));
      rig->gather_rows(y, x, rig.put(rows));
      const Tensor dx = rig.begun({6, D});
      rig->gather_rows_backward(dx, x, rig.put(std::vector<std::int32_t>{1, 2, 1, 1, 5, 1}));
      rig->gather_rows_backward({}, x, rig.put(std::vector<std::int32_t>{1, 2, 1, 1, 5, 1}));
      return {rig.get(y), rig.get(dx)};
    };
    expect_agreement(
        op, {std::vector<double>(static_cast<std::size_t>(5 * D), 0.0),
             std::vector<double>(static_cast<std::size_t>(6 * D), test::roundings(5) * 5.0)});
  }
}

// More than a block looks at together.
TEST_F(ElementwiseTest, GradientsOfManyRowsAddUp) {
  constexpr std::int64_t T = 700, D = 5, kRows = 12;
  std::vector<std::int32_t> rows;
  for (std::int32_t t = 0; t < T; ++t) rows.push_back(t < 300 ? t * t % 11 : 11 - t % 3);
  const Op op = [&](Rig& rig) -> std::vector<std::vector<float>> {
    const Tensor dx = rig.begun({kRows, D});
    rig->gather_rows_backward(dx, rig.put({T, D}, test::random_values(T * D, 1)), rig.put(rows));
    return {rig.get(dx)};
  };
  expect_agreement(op, {std::vector<double>(kRows * D, test::roundings(T) * 300.0)});
}

}  // namespace
}  // namespace r1
