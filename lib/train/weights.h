#pragma once

#include <string>
#include <utility>
#include <vector>

#include "lib/nn/graph.h"

namespace r1 {

// Weights that are learnt, with room for their gradients, in a fixed order.
using NamedVars = std::vector<std::pair<std::string, Var>>;

// A matrix inside a layer that is no gate's, by Hugging Face's names or GGUF's.
bool is_hidden_matrix(const std::string& name, const Shape& shape);

// Tensors of a backend that live as long as this.
class DeviceTensors {
 public:
  explicit DeviceTensors(Backend& backend) : backend_(backend) {}
  Tensor take(const Shape& shape, DType dtype);
  Tensor zeros(const Shape& shape, DType dtype = DType::f32);

 private:
  Backend& backend_;
  std::vector<Buffer> memory_;
};

}  // namespace r1
