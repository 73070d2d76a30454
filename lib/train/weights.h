#pragma once

#include <string>
#include <utility>
#include <vector>

#include "lib/nn/graph.h"

namespace r1 {

// Weights that are learnt, with room for their gradients, in a fixed order.
using NamedVars = std::vector<std::pair<std::string, Var>>;

// Tensors of a backend that live as long as this.
class DeviceTensors {
 public:
  explicit DeviceTensors(Backend& backend) : backend_(backend) {}
  Tensor zeros(const Shape& shape);  // f32

 private:
  Backend& backend_;
  std::vector<Buffer> memory_;
};

}  // namespace r1
