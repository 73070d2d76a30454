#include "lib/tensor/tensor.h"

#include <fmt/format.h>

namespace r1 {

std::string to_string(const Shape& shape) {
  std::string s = "[";
  for (int i = 0; i < shape.rank(); ++i) s += fmt::format("{}{}", i > 0 ? ", " : "", shape[i]);
  return s + "]";
}

std::size_t Tensor::bytes() const {
  return static_cast<std::size_t>(shape.elements() / block_elements(dtype)) * block_bytes(dtype);
}

Tensor Tensor::reshaped(const Shape& to) const {
  assert(to.elements() == shape.elements() && !packed);
  Tensor t = *this;
  t.shape = to;
  return t;
}

}  // namespace r1
