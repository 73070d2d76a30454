#include "lib/train/optimizer.h"

#include <gtest/gtest.h>

#include "tests/support/backends.h"
#include "tests/support/close.h"

namespace r1 {
namespace {

using test::Rig;
using Floats = std::vector<float>;

// Weights after two steps: wide matrices and tall ones of one shape each, which a card turns
// together, a square one, and a vector, which is AdamW's.
std::vector<Floats> learnt(Rig& rig, DType products) {
  const Shape shapes[] = {{8, 20}, {24, 8}, {8, 20}, {16, 16}, {8, 20}, {24, 8}, {8}};
  NamedVars weights;
  std::vector<Tensor> gradients;
  std::uint32_t seed = 1;
  for (const Shape& shape : shapes) {
    const std::int64_t n = shape.elements();
    Var w;
    w.value = rig.put(shape, test::random_values(n, seed));
    weights.emplace_back("model.layers." + std::to_string(seed), w);
    gradients.push_back(rig.put(shape, test::random_values(n, seed + 20)));
    ++seed;
  }
  Optimizer optimizer(rig.backend(), weights, gradients,
                      {.kind = OptimizerKind::muon, .rate = 0.01, .products = products});
  optimizer.step(1, 1.0, 1.0);
  optimizer.step(2, 0.5, 0.3);
  std::vector<Floats> values;
  for (const auto& [name, w] : weights) values.push_back(rig.get(w.value));
  return values;
}

// What is turned has numbers up to 1 and moves by 0.02 of that; five turns of four products each
// make some thousand times a rounding of it, of f32 or of bf16.
TEST(Optimizer, MuonTurnsEachMatrixByItself) {
  Rig ref({"ref"});
  const std::vector<Floats> want = learnt(ref, DType::f32);
  for (const test::Candidate& candidate : test::backends_and_ref())
    for (const DType products : {DType::f32, DType::bf16}) {
      Rig rig(candidate);
      const std::vector<Floats> got = learnt(rig, products);
      for (std::size_t i = 0; i < want.size(); ++i)
        EXPECT_TRUE(test::close(got[i], want[i], products == DType::f32 ? 1e-6 : 2e-3))
            << candidate.name << " " << to_string(products) << ", weight " << i;
    }
}

}  // namespace
}  // namespace r1
