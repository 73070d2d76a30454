#include "lib/train/precision.h"

#include <algorithm>

namespace r1 {

WeightCopies::WeightCopies(Backend& backend, const NamedVars& weights, const Var& head, DType type,
                           bool replaced)
    : backend_(backend), memory_(backend) {
  if (type == DType::f32) return;
  for (const auto& [name, weight] : weights) {
    const Tensor& w = weight.value;
    const bool is_head = w.data == head.value.data;
    if (!is_head && !is_hidden_matrix(name, w.shape)) continue;
    const DType own = is_head && is_float8(type) ? DType::bf16 : type;
    if (w.dtype == own && !replaced) continue;
    Operand copy{memory_.take(w.shape, own), {}, {}};
    if (is_float8(own)) {
      copy.turned = memory_.take({w.cols(), w.rows()}, own);
      copy.scale = memory_.take({1}, DType::f32);
    }
    weights_.emplace_back(w, copy);
    copies_.emplace(w.data, copy);
  }
}

void WeightCopies::refresh(const RoundedWeights* rounded) {
  for (const auto& [weight, copy] : weights_)
    round_to(backend_, copy, rounded == nullptr ? weight : rounded->of(weight));
}

void LossScale::count(bool finite) {
  good = finite ? good + 1 : 0;
  if (!finite) value = std::max(1.0, value / 2);
  if (good < kGood) return;
  value *= 2;
  good = 0;
}

}  // namespace r1
