#include "lib/train/precision.h"

#include <gtest/gtest.h>

#include "kernels/ref/ref_backend.h"

namespace r1 {
namespace {

TEST(WeightCopies, AreOfMatricesOfLayersAndTheHead) {
  RefBackend backend;
  DeviceTensors memory(backend);
  const auto var = [&](const Shape& shape) {
    return Var{memory.zeros(shape), memory.zeros(shape)};
  };
  const Var head = var({6, 4}), q = var({4, 4}), gate = var({2, 4}), norm = var({4});
  const NamedVars weights = {{"model.embed_tokens.weight", head},
                             {"model.layers.0.self_attn.q_proj.weight", q},
                             {"model.layers.0.self_attn.daw.gate.weight", gate},
                             {"model.norm.weight", norm}};
  EXPECT_TRUE(WeightCopies(backend, weights, head, DType::f32).operands().empty());
  const WeightCopies copies(backend, weights, head, DType::f8_e4m3);
  ASSERT_EQ(copies.operands().size(), 2u);
  EXPECT_EQ(copies.operands().at(head.value.data).values.dtype, DType::bf16);
  const Operand& copy = copies.operands().at(q.value.data);
  EXPECT_EQ(copy.values.dtype, DType::f8_e4m3);
  EXPECT_EQ(copy.turned.shape, (Shape{4, 4}));
}

TEST(WeightCopies, AreOfMatricesOfTheirTypeTooWhereSomethingStandsForThem) {
  RefBackend backend;
  DeviceTensors memory(backend);
  const Var q{memory.take({4, 4}, DType::bf16), {}};
  const NamedVars weights = {{"model.layers.0.self_attn.q_proj.weight", q}};
  EXPECT_TRUE(WeightCopies(backend, weights, {}, DType::bf16).operands().empty());
  EXPECT_EQ(WeightCopies(backend, weights, {}, DType::bf16, true).operands().size(), 1u);
}

TEST(LossScale, DoublesAfterManyGoodStepsAndNeverFallsBelowOne) {
  LossScale scale = LossScale::of(DType::f16);
  EXPECT_EQ(scale.value, 65536);
  for (std::int64_t i = 1; i < LossScale::kGood; ++i) scale.count(true);
  EXPECT_EQ(scale.value, 65536);
  scale.count(true);
  EXPECT_EQ(scale.value, 131072);
  for (int i = 0; i < 30; ++i) scale.count(false);
  EXPECT_EQ(scale.value, 1);
  EXPECT_EQ(LossScale::of(DType::bf16).value, 1);
}

}  // namespace
}  // namespace r1
