// A whole network backwards is the slope of its loss, and following it down teaches it its text.
#include <cmath>

#include <gtest/gtest.h>

#include "tests/support/backends.h"
#include "tests/support/close.h"
#include "tests/support/run_network.h"
#include "tests/support/tiny.h"

namespace r1 {
namespace {

using test::Ids;

class Training : public testing::TestWithParam<std::string> {
 protected:
  test::Runner open(const test::Candidate& candidate) const {
    test::Runner runner(candidate.open(), test::kTiny / GetParam(),
                        {.compute = DType::f32, .trainable = true});
    for (std::size_t id = 0; id < golden_.newline.size(); ++id)
      runner.newline.push_back(id % 3 == 0);
    return runner;
  }
  // Two documents in a row.
  std::vector<Ids> texts() const {
    return {Ids(golden_.ids.begin(), golden_.ids.begin() + 8),
            Ids(golden_.ids.begin() + 8, golden_.ids.end())};
  }
  const test::Golden golden_ = test::read_golden(GetParam());
};

std::vector<float> values(test::Runner& runner, const Tensor& t) {
  std::vector<float> out(test::count(t.shape));
  runner.backend().copy_to_host(out.data(), t);
  return out;
}

double dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * b[i];
  return sum;
}

void scale(std::vector<float>& v, double s) {
  for (float& x : v) x = static_cast<float>(x * s);
}

constexpr double kStep = 0x1p-7;

// (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12h along `direction`, a vector of length 1.
double slope(test::Runner& runner, const Tensor& weight, const std::vector<float>& direction,
             const std::vector<Ids>& texts) {
  const std::vector<float> start = values(runner, weight);
  const auto f = [&](double shift) {
    std::vector<float> moved = start;
    for (std::size_t i = 0; i < moved.size(); ++i)
      moved[i] = static_cast<float>(moved[i] + shift * direction[i]);
    runner.backend().copy_from_host(weight, moved.data());
    return runner.loss(texts);
  };
  const double d = (8 * (f(kStep) - f(-kStep)) - (f(2 * kStep) - f(-2 * kStep))) / (12 * kStep);
  runner.backend().copy_from_host(weight, start.data());
  return d;
}

// What `slope` may be off by, each loss being of the size of the largest logit:
//   rounding: `ref` rounds each result once, and a loss hangs on some 14 operations a layer and 4
//   more; the four sums weigh 18/12 over h;
//   the formula: h^4 f'''''/30, f''''' <= 5! M / r^5 (Cauchy) for a function of at most M within r.
//   M is taken as four times the largest logit, and r as 1/4: q and k are divided by their lengths,
//   which some rows have that short.
double tolerance(const test::Runner& runner, double largest) {
  const double depth = static_cast<double>(14 * runner.network().shape().layers + 4);
  return 1.5 * depth * test::kF32 / kStep * largest +
         16 * std::pow(kStep, 4) * std::pow(4, 5) * largest;
}

TEST_P(Training, TheGradientOfEveryWeightIsTheSlopeOfTheLoss) {
  test::Runner runner = open({"ref"});
  // The checkpoint's newlines nearly shut the gates, where every slope is 0: open them a little.
  for (const auto& [name, weight] : runner.params().taken())
    if (name.ends_with("newline"))
      runner.backend().copy_from_host(weight.value, std::vector<float>(2, 2.0f).data());
  runner.loss(texts(), true);
  const double allowed = tolerance(runner, test::largest(golden_.logits));
  std::uint64_t seed = 0;
  for (const auto& [name, weight] : runner.params().taken()) {
    const std::vector<float> gradient = values(runner, weight.grad);
    const double length = std::sqrt(dot(gradient, gradient));
    EXPECT_LT(allowed, length / 3) << name << ": the test would be blind";
    // Straight up, and somewhere.
    std::vector<float> up = gradient;
    std::vector<float> somewhere = test::random_values(weight.value.shape.elements(), ++seed);
    scale(up, 1 / length);
    scale(somewhere, 1 / std::sqrt(dot(somewhere, somewhere)));
    for (const std::vector<float>& direction : {up, somewhere})
      EXPECT_NEAR(slope(runner, weight.value, direction, texts()), dot(gradient, direction),
                  allowed)
          << name;
  }
}

TEST_P(Training, EveryBackendLearnsItsTextByHeart) {
  for (const test::Candidate& candidate : test::backends_and_ref()) {
    // One checkpoint, with all operations, is enough for those that take long.
    if (!candidate.fast() && (candidate.invariant() || GetParam() != "r1plus")) continue;
    SCOPED_TRACE(candidate.name);
    test::Runner runner = open(candidate);
    struct Moments {
      Buffer m_memory, v_memory;
      Tensor m, v;
    };
    std::vector<Moments> moments;
    for (const auto& [name, weight] : runner.params().taken()) {
      Moments& x = moments.emplace_back();
      for (auto [memory, t] : {std::pair{&x.m_memory, &x.m}, std::pair{&x.v_memory, &x.v}}) {
        *memory = Buffer(runner.backend(), weight.value.bytes());
        *t = weight.value;
        t->data = memory->data();
        runner.backend().zero(*t);
      }
    }
    const double before = runner.loss(texts());
    for (int step = 1; step <= 60; ++step) {
      runner.loss(texts(), true);
      for (std::size_t i = 0; i < moments.size(); ++i) {
        const Var& weight = runner.params().taken()[i].second;
        runner.backend().adamw(weight.value, {moments[i].m}, {moments[i].v}, weight.grad,
                               {.learning_rate = 0.03f, .step = step});
        runner.backend().zero(weight.grad);
      }
    }
    EXPECT_GT(before, 1.0);
    EXPECT_LT(runner.loss(texts()), 0.1);
  }
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, Training,
                         testing::Values("llama", "qwen2", "qwen3_tied", "r1plus",
                                         "r1plus_gate_only"),
                         [](const auto& tiny) { return tiny.param; });

}  // namespace
}  // namespace r1
