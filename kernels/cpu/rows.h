#pragma once

#include "lib/tensor/tensor.h"

namespace r1::cpu {

// Row r of an f32 tensor seen as a matrix [rows, cols].
inline float* row(const Tensor& t, std::int64_t r) { return t.as<float>() + r * t.cols(); }

}  // namespace r1::cpu
