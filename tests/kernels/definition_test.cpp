// Small cases worked out by hand: what `ref` itself is held to, and the others with it.
#include <cmath>
#include <functional>

#include "tests/support/kernel_test.h"

namespace r1 {
namespace {

using test::Rig;
using Floats = std::vector<float>;
using Ints = std::vector<std::int32_t>;

// Numbers up to 10, each a few roundings from the truth.
constexpr double kNear = 10.0 * test::kFunction;

void everywhere(const std::function<Floats(Rig&)>& op, const Floats& want,
                double tolerance = kNear) {
  for (const test::Candidate& candidate : test::backends_and_ref()) {
    Rig rig(candidate);
    EXPECT_TRUE(test::close(op(rig), want, tolerance)) << candidate.name;
  }
}

float log_sigmoid(double x) { return static_cast<float>(-std::log1p(std::exp(-x))); }

TEST(Definition, LinearMultipliesByTheTransposedWeight) {
  everywhere(
      [](Rig& rig) {
        const Tensor y = rig.unwritten({2, 3});
        rig->linear(y, rig.put({2, 2}, {1, 2, 3, 4}), rig.put({3, 2}, {1, 0, 0, 1, 2, -1}), {});
        return rig.get(y);
      },
      {1, 2, 0, 3, 4, 2});
}

TEST(Definition, RmsNormDividesByTheRootOfTheMeanSquare) {
  everywhere(
      [](Rig& rig) {
        const Tensor y = rig.unwritten({1, 4});
        rig->rms_norm(y, {}, rig.put({1, 4}, {1, -1, 5, 3}), rig.put({4}, {1, 2, 3, 0}), 0.0f);
        return rig.get(y);
      },
      {1.0f / 3.0f, -2.0f / 3.0f, 5.0f, 0.0f});
}

TEST(Definition, RmsNormAddsEpsilonToTheMeanSquare) {
  everywhere(
      [](Rig& rig) {
        const Tensor y = rig.unwritten({1, 2});
        rig->rms_norm(y, {}, rig.put({1, 2}, {1, 1}), rig.put({2}, {1, 2}), 3.0f);
        return rig.get(y);
      },
      {0.5f, 1.0f});
}

// z = 2u is log 3 at x, so that the sigmoid of z is 3/4: 1.59577 (x + 0.044715 x^3) = log 3.
TEST(Definition, GeluIsXTimesASigmoid) {
  constexpr float x = 0.67471841f;
  everywhere(
      [](Rig& rig) {
        const Tensor y = rig.unwritten({1, 5});
        rig->gelu(y, rig.put({1, 5}, {0.0f, x, -x, 9.0f, -9.0f}));
        return rig.get(y);
      },
      {0.0f, 0.75f * x, -0.25f * x, 9.0f, 0.0f});
}

TEST(Definition, SwigluGatesWithSilu) {
  everywhere(
      [](Rig& rig) {
        const Tensor y = rig.unwritten({1, 3});
        rig->swiglu(y, rig.put({1, 3}, {0, std::log(3.0f), -std::log(3.0f)}),
                    rig.put({1, 3}, {5, 4, 4}));
        return rig.get(y);
      },
      {0.0f, 3.0f * std::log(3.0f), -std::log(3.0f)});
}

TEST(Definition, RopeTurnsByPositionTimesFrequency) {
  everywhere(
      [](Rig& rig) {
        const Tensor table = rig.unwritten({2, 2, 2});
        rig->rope_table(table, rig.put(Ints{0, 3}), rig.put({2}, {1.0f, 0.5f}), 2.0f);
        return rig.get(table);
      },
      {2.0f, 0.0f, 2.0f, 0.0f, 2.0f * std::cos(3.0f), 2.0f * std::sin(3.0f), 2.0f * std::cos(1.5f),
       2.0f * std::sin(1.5f)});
}

// a + b = 1 everywhere; l = 4 makes a newline cost 8 log 2; a document starts at row 2.
TEST(Definition, DecayAddsUpLogGatesWithinADocument) {
  const double cost = 8.0 * std::log(2.0);
  everywhere(
      [](Rig& rig) {
        const Tensor A = rig.unwritten({4, 1});
        rig->daw_decay(A, rig.put({4, 1}, {0, 0, 0, 0}), rig.put({1}, {1}), rig.put({1}, {4}),
                       rig.put(Ints{0, 1, 0, 0}), rig.put(Ints{0, 0, 2, 2}),
                       rig.put({4, 1}, {-3, -9, -1, -9}));
        return rig.get(A);
      },
      {-3 + log_sigmoid(1), -3 + log_sigmoid(1) + log_sigmoid(1 - cost), -1 + log_sigmoid(1),
       -1 + 2 * log_sigmoid(1)});
}

TEST(Definition, GainIsTwiceASigmoidByGroup) {
  everywhere(
      [](Rig& rig) {
        const Tensor y = rig.unwritten({1, 4, 1});
        rig->daw_gain(y, rig.put({1, 4, 1}, {1, 2, 3, 4}), rig.put({1, 2}, {1, 2}),
                      rig.put({2}, {-1, std::log(3.0f) - 2}));
        return rig.get(y);
      },
      {1.0f, 2.0f, 4.5f, 6.0f});
}

// Row 1 sees two keys with scores 2 log 3 and 0 and decays -log 3 and -2 log 3: the older one's
// weight is 9 · 1/3 to 1.
TEST(Definition, AttentionWeighsByScoreAndDecay) {
  const float log3 = std::log(3.0f);
  everywhere(
      [&](Rig& rig) {
        const Tensor y = rig.unwritten({2, 1, 2}), lse = rig.unwritten({2, 1});
        rig->attention(y, lse, rig.put({2, 1, 2}, {0, 0, log3, 0}),
                       rig.put({2, 1, 2}, {1, 0, 0, 1}), rig.put({2, 1, 2}, {4, 8, -4, 0}),
                       rig.put({2, 1}, {-log3, -2 * log3}), rig.put(Ints{0, 0}), {.scale = 2.0f});
        Floats all = rig.get(y);
        for (const float sum : rig.get(lse)) all.push_back(sum);
        return all;
      },
      {4.0f, 8.0f, 2.0f, 6.0f, 0.0f, std::log(4.0f)});
}

TEST(Definition, CrossEntropyIsTheLogOfTheTargetsShare) {
  everywhere(
      [](Rig& rig) {
        const Tensor loss = rig.unwritten({3});
        rig->cross_entropy(loss, rig.put({3, 2}, {0, std::log(3.0f), 7, 7, 100, 0}),
                           rig.put(Ints{1, -1, 1}));
        return rig.get(loss);
      },
      {std::log(4.0f / 3.0f), 0.0f, 100.0f});
}

TEST(Definition, CrossEntropyOfLogitsFarApartDoesNotOverflow) {
  everywhere(
      [](Rig& rig) {
        const Tensor logits = rig.put({2, 3}, {-1e4f, 0, 1e4f, -1e4f, -1e4f, -1e4f});
        const Tensor loss = rig.unwritten({2});
        rig->cross_entropy(loss, logits, rig.put(Ints{0, 1}));
        return rig.get(loss);
      },
      {2e4f, std::log(3.0f)}, 1e4 * 4.0 * test::kF32);
}

// At the first step the corrected moments are g and g², so the step is the sign of g.
TEST(Definition, AdamwBeginsWithStepsOfTheLearningRate) {
  everywhere(
      [](Rig& rig) {
        const Tensor w = rig.put({2}, {1, 2}), m = rig.put({2}, {0, 0}), v = rig.put({2}, {0, 0});
        rig->adamw(w, {m}, {v}, rig.put({2}, {0.5f, -2.0f}),
                   {.learning_rate = 0.125f, .epsilon = 0.0f, .weight_decay = 0.5f});
        Floats all = rig.get(w);
        for (const Tensor& t : {m, v})
          for (const float x : rig.get(t)) all.push_back(x);
        return all;
      },
      {1 - 0.125f * 1.5f, 2 + 0.125f * 0.0f, 0.05f, -0.2f, 0.0125f, 0.2f});
}

TEST(Definition, SumOfSquaresAddsToWhatIsThere) {
  everywhere(
      [](Rig& rig) {
        const Tensor out = rig.put({1}, {2});
        rig->sum_squares(out, rig.put({3}, {1, -2, 0.5f}));
        return rig.get(out);
      },
      {7.25f});
}

}  // namespace
}  // namespace r1
