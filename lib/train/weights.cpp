#include "lib/train/weights.h"

namespace r1 {

bool is_hidden_matrix(const std::string& name, const Shape& shape) {
  const bool in_layer =
      name.find("layers.") != std::string::npos || name.find("blk.") != std::string::npos;
  return shape.rank() == 2 && in_layer && name.find("daw") == std::string::npos;
}

Tensor DeviceTensors::take(const Shape& shape, DType dtype) {
  Tensor t{nullptr, shape, dtype, backend_.device()};
  t.data = memory_.emplace_back(backend_, t.bytes()).data();
  return t;
}

Tensor DeviceTensors::zeros(const Shape& shape, DType dtype) {
  const Tensor t = take(shape, dtype);
  backend_.zero(t);
  return t;
}

}  // namespace r1
