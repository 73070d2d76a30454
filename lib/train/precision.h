#pragma once

#include <cstdint>

#include "lib/nn/graph.h"
#include "lib/train/rounded_weights.h"
#include "lib/train/weights.h"

namespace r1 {

// Copies of matrices that are kept in more bits, rounded to what products are made in
// (arXiv:1710.03740): of layers, but for DAW's gates, whose sums run over whole documents; and of
// the head, which has bf16 where layers have 8-bit floats.
class WeightCopies {
 public:
  // `type`: f32 (no copies), bf16, f16 or f8_e4m3. `replaced`: something stands for the weights,
  // and those of this type have copies too. What it is given outlives it.
  WeightCopies(Backend& backend, const NamedVars& weights, const Var& head, DType type,
               bool replaced = false);

  void refresh(const RoundedWeights* rounded);  // after weights, or what stands for them, changed
  const Operands& operands() const { return copies_; }

 private:
  Backend& backend_;
  DeviceTensors memory_;
  std::vector<std::pair<Tensor, Operand>> weights_;  // with their copies
  Operands copies_;
};

// What losses are multiplied by on the way back, so that f16 holds small gradients too: halved when
// a gradient is not finite, doubled when so many were in a row.
struct LossScale {
  static constexpr std::int64_t kGood = 2000;
  double value = 1;
  std::int64_t good = 0;  // finite gradients in a row

  static LossScale of(DType type) { return {type == DType::f16 ? 65536.0 : 1.0}; }
  void count(bool finite);
};

}  // namespace r1
