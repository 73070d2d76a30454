#include "lib/train/rounded_weights.h"

#include <utility>
#include <vector>

namespace r1 {

RoundedWeights::RoundedWeights(const TrainedModel& model, const Types& types, RoundRow round,
                               int threads)
    : model_(model), round_(std::move(round)), pool_(threads), memory_(model.backend) {
  for (const auto& [name, weight] : model.params.taken()) {
    const auto type = types.find(name);
    if (type == types.end()) continue;
    const bool changes =
        model.adapter == nullptr || model.adapter->matrices().contains(weight.value.data);
    renew(weights_[weight.value.data] = {{name, *model.base.find(name)},
                                         weight.value,
                                         type->second,
                                         memory_.zeros(weight.value.shape),
                                         changes});
  }
}

void RoundedWeights::refresh() {
  for (const auto& [memory, weight] : weights_)
    if (weight.changes) renew(weight);
}

void RoundedWeights::renew(const Weight& w) {
  std::vector<float> values = model_.values(w.source);
  const auto K = static_cast<std::size_t>(w.rounded.cols());
  pool_.for_ranges(w.rounded.rows(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r)
      round_(std::span(values).subspan(static_cast<std::size_t>(r) * K, K), w.type);
  });
  model_.backend.copy_from_host(w.rounded, values.data());
}

Tensor RoundedWeights::of(const Tensor& weight) const {
  const auto found = weights_.find(weight.data);
  return found == weights_.end() ? weight : found->second.rounded;
}

NamedVars RoundedWeights::weights() const {
  NamedVars all;
  for (const auto& [memory, weight] : weights_)
    all.emplace_back(weight.source.name, Var{weight.learnt, {}});
  return all;
}

}  // namespace r1
