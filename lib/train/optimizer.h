#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lib/io/safetensors.h"
#include "lib/train/weights.h"

namespace r1 {

enum class OptimizerKind { adamw, muon };

struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::adamw;
  double rate = 1e-5;       // at its peak, of AdamW
  double muon_rate = 0.02;  // likewise
  double beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8;
  double weight_decay = 0.01;   // of matrices; vectors have none
  double momentum = 0.95;       // of Muon
  DType products = DType::f32;  // that Muon is made of; or bf16
  DType moments = DType::f32;   // of AdamW's; or bf16 or f8_e4m3, rounded by chance, as weights are
  std::uint64_t seed = 0;       // of that
};

// Moves weights against their gradients. AdamW: arXiv:1711.05101. Muon: hidden matrices go along
// the nearest orthogonal matrix to their momentum, found by five Newton-Schulz steps; embeddings,
// norms, biases and gates by AdamW (arXiv:2502.16982, and K. Jordan's description of 2024).
class Optimizer {
 public:
  // `gradients` holds one tensor for each weight, of its shape.
  Optimizer(Backend& backend, const NamedVars& weights, const std::vector<Tensor>& gradients,
            const OptimizerOptions& options);

  // Step `step`, from 1. Rates are `share` of their peaks; gradients are multiplied by `scale`.
  void step(std::int64_t step, double share, double scale);
  // What a run goes on with: moments by the names of their weights, on the device.
  std::vector<NamedTensor> state() const;

 private:
  struct Moments {
    Tensor weight, gradient;
    Moment first, second;  // no second one for Muon
    std::string name;
    double weight_decay = 0;
    std::uint64_t number = 0;  // of the weight

    bool turned() const { return second.values.empty(); }  // by Muon
  };
  Moment no_moment(const Shape& shape, DType type);
  void adamw(const Moments& m, std::int64_t step, double share, double scale);
  using Group = std::vector<const Moments*>;  // of matrices of one shape
  std::vector<Group> turned_together() const;
  void muon(const Group& group, double share, double scale);

  Backend& backend_;
  OptimizerOptions options_;
  DeviceTensors memory_;
  std::vector<Moments> moments_;
  std::vector<Group> groups_;  // all that Muon turns
  Arena scratch_;
};
}  // namespace r1
