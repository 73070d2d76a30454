#include <cmath>
#include <limits>

#include "lib/backend/stochastic.h"
#include "tests/support/kernel_test.h"

namespace r1 {
namespace {

using test::Op;
using test::Rig;
using LossTest = test::KernelTest;

std::vector<std::int32_t> targets(std::int64_t T, std::int64_t V) {
  std::vector<std::int32_t> ids;
  for (std::int64_t t = 0; t < T; ++t)
    ids.push_back(t % 3 == 1 ? -1 : static_cast<std::int32_t>((t * 5 + V - 1) % V));
  return ids;
}

// The sum of V exponentials, all positive, is off by a share of itself, its logarithm by as much;
// logits up to 20 and their differences round too.
TEST_F(LossTest, CrossEntropyAgrees) {
  std::vector<std::int64_t> sizes = test::kAwkward;
  sizes.insert(sizes.end(), {2050, 2052});  // more than a card's block reads at once
  for (const std::int64_t T : {1, 2, 9})
    for (const std::int64_t V : sizes) {
      SCOPED_TRACE(to_string(Shape{T, V}));
      const Op op = [&](Rig& rig) -> std::vector<std::vector<float>> {
        const Tensor logits = rig.put({T, V}, test::random_values(T * V, 1, -20.0f, 20.0f));
        const Tensor ids = rig.put(targets(T, V)), loss = rig.unwritten({T});
        rig->cross_entropy(loss, logits, ids);
        const Tensor dlogits = rig.begun({T, V});
        rig->cross_entropy_backward(dlogits, rig.put({T}, test::random_values(T, 2)), logits, ids);
        rig->cross_entropy_backward({}, rig.put({T}, test::random_values(T, 2)), logits, ids);
        return {rig.get(loss), rig.get(dlogits)};
      };
      const double sum = test::roundings(V) + 2.0 * test::kFunction + 4.0 * 40.0 * test::kF32;
      const auto t = static_cast<std::size_t>(T), all = static_cast<std::size_t>(T * V);
      expect_agreement(op, {std::vector<double>(t, sum), std::vector<double>(all, 2.0 * sum)});
    }
}

TEST_F(LossTest, LogitsThatLieFarApartDoNotOverflow) {
  const Op op = [](Rig& rig) -> std::vector<std::vector<float>> {
    const Tensor logits = rig.put({2, 3}, {1e4f, 0.0f, -1e4f, -1e4f, -1e4f, -1e4f});
    const Tensor ids = rig.put(std::vector<std::int32_t>{2, 1}), loss = rig.unwritten({2});
    const Tensor dlogits = rig.put({2, 3}, std::vector<float>(6, 0.0f));
    rig->cross_entropy(loss, logits, ids);
    rig->cross_entropy_backward(dlogits, rig.put({2}, {1.0f, 1.0f}), logits, ids);
    return {rig.get(loss), rig.get(dlogits)};
  };
  expect_agreement(op, {std::vector<double>(2, 2e4 * 4.0 * test::kF32),
                        std::vector<double>(6, 1e4 * 4.0 * test::kF32)});
}

// Each result is a few roundings of terms up to 1; the step is at most learning_rate times
// sqrt(1 / (1 - beta2)), and some more for the decay.
TEST_F(LossTest, AdamwAgrees) {
  for (const std::int64_t n : test::kAwkward)
    for (const std::int64_t step : {1, 2, 1000}) {
      SCOPED_TRACE(std::to_string(n) + " elements, step " + std::to_string(step));
      const AdamwOptions options{
          .learning_rate = 0.01f, .weight_decay = 0.1f, .gradient_scale = 0.5f, .step = step};
      const Op op = [&](Rig& rig) -> std::vector<std::vector<float>> {
        const Tensor w = rig.put({n}, test::random_values(n, 1));
        const Tensor m = rig.put({n}, test::random_values(n, 2, -0.1f, 0.1f));
        const Tensor v = rig.put({n}, test::random_values(n, 3, 0.001f, 0.1f));
        rig->adamw(w, {m}, {v}, rig.put({n}, test::random_values(n, 4)), options);
        return {rig.get(w), rig.get(m), rig.get(v)};
      };
      // The ends of both corrections at step 1: m / 0.1 up to 2, sqrt(v / 0.05) at least 0.13.
      const double change = 0.01 * (2.0 / 0.13 + 0.1);
      const auto all = static_cast<std::size_t>(n);
      expect_agreement(op, {std::vector<double>(all, test::roundings(16) * (1.0 + change)),
                            std::vector<double>(all, test::roundings(4) * 0.2),
                            std::vector<double>(all, test::roundings(4) * 0.2)});
    }
}

// Of every combination of f32 and bf16: what backends differ by in f32 may carry a number over the
// chance that it was given, one step of bf16 up or down.
TEST_F(LossTest, AdamwInHalfAgrees) {
  constexpr std::int64_t n = 1021;
  for (int half = 1; half < 8; ++half) {
    SCOPED_TRACE(half);
    const auto type = [half](int bit) { return half >> bit & 1 ? DType::bf16 : DType::f32; };
    const Op op = [&](Rig& rig) -> std::vector<std::vector<float>> {
      const Tensor w = rig.plain_weight({1, n}, test::random_values(n, 1), type(0));
      const Tensor m = rig.plain_weight({1, n}, test::random_values(n, 2, -0.1f, 0.1f), type(1));
      const Tensor v = rig.plain_weight({1, n}, test::random_values(n, 3, 0.001f, 0.1f), type(2));
      rig->adamw(w, {m}, {v}, rig.put({n}, test::random_values(n, 4)), {.seed = 7});
      const auto widened = [&](const Tensor& t) {
        if (t.dtype == DType::f32) return rig.get(t);
        std::vector<float> values(static_cast<std::size_t>(n));
        unpack(values, rig.get<std::uint16_t>(t).data(), t.dtype);
        return values;
      };
      return {widened(w), widened(m), widened(v)};
    };
    std::vector<std::vector<double>> allowed;
    for (int i = 0; const auto& values : on_ref(op))
      allowed.push_back(test::tolerances(
          test::magnitudes(values), type(i++) == DType::bf16 ? 0x1p-7 : test::roundings(32), 1e-6));
    expect_agreement(op, allowed);
  }
}

// One step of e4m3 up or down, as above: an eighth of a number, of the smallest a fixed part of the
// scale; twice that of a square.
TEST_F(LossTest, AdamwInEightBitsAgrees) {
  for (const std::int64_t n : {1, 127, 1021}) {
    SCOPED_TRACE(n);
    const std::int64_t blocks = (n + kMomentBlock - 1) / kMomentBlock;
    const Op op = [&](Rig& rig) -> std::vector<std::vector<float>> {
      const auto moment = [&](std::uint64_t seed, float least) {
        return Moment{
            rig.plain_weight({1, n}, test::random_values(n, seed, least, 400.0f), DType::f8_e4m3),
            rig.put({blocks}, test::random_values(blocks, seed, 1e-4f, 1e-3f))};
      };
      const Tensor w = rig.put({n}, test::random_values(n, 1));
      const Moment m = moment(2, -400.0f), v = moment(3, 1.0f);
      rig->adamw(w, m, v, rig.put({n}, test::random_values(n, 4)), {.seed = 7});
      std::vector<std::vector<float>> all = {rig.get(w)};
      for (const Moment& x : {m, v}) {
        const std::vector<float> scales = rig.get(x.scale);
        std::vector<float>& values = all.emplace_back(static_cast<std::size_t>(n));
        unpack(values, rig.get<std::uint8_t>(x.values).data(), DType::f8_e4m3);
        for (std::size_t i = 0; i < values.size(); ++i) values[i] *= scales[i / kMomentBlock];
        all.push_back(scales);
      }
      return all;
    };
    const auto ref = on_ref(op);
    const double step = 0.125, least = 1.2e-3 * 0x1p-9;
    expect_agreement(op, {test::tolerances(test::magnitudes(ref[0]), test::roundings(32), 1e-6),
                          test::tolerances(test::magnitudes(ref[1]), step, least),
                          test::tolerances(test::magnitudes(ref[2]), test::roundings(8)),
                          test::tolerances(test::magnitudes(ref[3]), step, least),
                          test::tolerances(test::magnitudes(ref[4]), test::roundings(8))});
  }
}

// A weight whose gradient is a millionth of its neighbour's: its root would be rounded to nothing,
// and its step be one by epsilon.
TEST_F(LossTest, ARootOfEightBitsIsNoZero) {
  for (const test::Candidate& candidate : test::backends_and_ref()) {
    SCOPED_TRACE(candidate.name);
    test::Rig rig(candidate);
    const Tensor w = rig.put({3}, {0, 0, 0});
    const auto none = [&] {
      return Moment{rig.plain_weight({1, 3}, {0, 0, 0}, DType::f8_e4m3), rig.put({1}, {0})};
    };
    const Moment m = none(), v = none();
    for (std::int64_t step = 1; step <= 50; ++step)
      rig->adamw(w, m, v, rig.put({3}, {1.0f, 1e-6f, 0.0f}),
                 {.learning_rate = 0.01f,
                  .epsilon = 1e-20f,
                  .step = step,
                  .seed = static_cast<std::uint64_t>(step)});
    const std::vector<float> moved = rig.get(w);
    EXPECT_NEAR(moved[0], -0.5f, 0.05f);
    EXPECT_LT(std::abs(moved[1]), 0.5f);
    EXPECT_EQ(rig.get<std::uint8_t>(v.values)[2], 0);
  }
}

// A change of a hundredth of a step of bf16 is nothing to the nearest number, but to the mean it
// is.
TEST_F(LossTest, RoundingByChanceIsRightInTheMean) {
  constexpr float kStep = 0x1p-7f, kValue = 1.0f + kStep / 100;
  int up = 0;
  for (std::int64_t i = 0; i < 20000; ++i) {
    const float rounded = bf16_to_f32(bf16_by_chance(kValue, weight_chances(3, i).weight));
    ASSERT_TRUE(rounded == 1.0f || rounded == 1.0f + kStep);
    up += rounded > 1.0f;
  }
  EXPECT_NEAR(up, 200, 5 * std::sqrt(200));
  EXPECT_EQ(bf16_to_f32(bf16_by_chance(INFINITY, 0xFFFF)), INFINITY);
  EXPECT_TRUE(std::isnan(bf16_to_f32(bf16_by_chance(NAN, 0xFFFF))));
  EXPECT_EQ(bf16_to_f32(bf16_by_chance(-2.5f, 0xFFFF)), -2.5f);
}

TEST_F(LossTest, EightBitsByChanceAreRightInTheMean) {
  constexpr int kDraws = 20000;
  for (const float value : {0.3f, -5.25f, 447.0f, 0x1p-6f, 0.7f * 0x1p-9f, -5.4f * 0x1p-9f}) {
    SCOPED_TRACE(value);
    const float near = float8_to_f32<E4M3>(f32_to_float8<E4M3>(value));
    const float step = std::max(std::abs(value) / 8, 0x1p-9f);
    double sum = 0;
    for (std::int64_t i = 0; i < kDraws; ++i) {
      const float drawn =
          float8_to_f32<E4M3>(float8_by_chance<E4M3>(value, weight_chances(3, i).second));
      ASSERT_LE(std::abs(drawn - near), step);
      sum += drawn;
    }
    EXPECT_NEAR(sum / kDraws, value, 5 * step / std::sqrt(kDraws));
  }
  EXPECT_EQ((float8_by_chance<E4M3>(1e9f, 0)), 0x7E);
  EXPECT_EQ((float8_by_chance<E4M3>(0.0f, 0xFFFF)), 0);
  EXPECT_EQ((float8_by_chance<E4M3>(2.0f, 0xFFFF)), (f32_to_float8<E4M3>(2.0f)));
}

TEST_F(LossTest, SumOfSquaresAgreesAndAdds) {
  for (const std::int64_t n : {1, 7, 255, 257, 1023, 70001}) {
    SCOPED_TRACE(n);
    const Op op = [&](Rig& rig) -> std::vector<std::vector<float>> {
      const Tensor out = rig.put({1}, {5.0f});
      rig->sum_squares(out, rig.put({n}, test::random_values(n, 1)));
      return {rig.get(out)};
    };
    expect_agreement(op, {test::tolerances(on_ref(op)[0], test::roundings(n + 1))});
  }
}

}  // namespace
}  // namespace r1
