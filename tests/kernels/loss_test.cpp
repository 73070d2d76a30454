#include <limits>

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
  for (const std::int64_t T : {1, 2, 9})
    for (const std::int64_t V : test::kAwkward) {
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
        rig->adamw(w, m, v, rig.put({n}, test::random_values(n, 4)), options);
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
