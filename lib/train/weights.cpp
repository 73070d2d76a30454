#include "lib/train/weights.h"

namespace r1 {

Tensor DeviceTensors::zeros(const Shape& shape) {
  Tensor t{nullptr, shape, DType::f32, backend_.device()};
  t.data = memory_.emplace_back(backend_, t.bytes()).data();
  backend_.zero(t);
  return t;
}

}  // namespace r1
