#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>

#include "lib/base/parallel.h"
#include "lib/train/export.h"
#include "lib/train/weights.h"

namespace r1 {

// Weights as a file of blocks will have them, beside those that are learnt: the network reads the
// former, and gradients go to the latter as if nothing was rounded (the straight-through estimator,
// arXiv:1308.3432). An adapter's product is in them before they are rounded.
class RoundedWeights {
 public:
  using Types = std::map<std::string, DType>;  // by the base's name; others are not rounded
  // A row of numbers becomes what its blocks stand for.
  using RoundRow = std::function<void(std::span<float> row, DType type)>;

  // `model` and what it refers to outlive it.
  RoundedWeights(const TrainedModel& model, const Types& types, RoundRow round, int threads);

  void refresh();  // after what is learnt has changed
  // In place of a weight; itself where it is not rounded.
  Tensor of(const Tensor& weight) const;
  // The same for a graph; outlived by this.
  Graph::Replace replacement() const {
    return [this](const Tensor& weight) { return of(weight); };
  }
  NamedVars weights() const;  // in whose place; without gradients

 private:
  struct Weight {
    NamedTensor source;  // in the base's files
    Tensor learnt;       // or what an adapter stands beside
    DType type = DType::f32;
    Tensor rounded;       // f32, on the backend
    bool changes = true;  // while it is taught
  };
  void renew(const Weight& weight);

  TrainedModel model_;
  RoundRow round_;
  ThreadPool pool_;
  DeviceTensors memory_;
  std::map<const void*, Weight> weights_;  // by the memory of Weight::learnt
};

}  // namespace r1
