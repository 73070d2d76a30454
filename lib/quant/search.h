#pragma once

#include <span>

#include "lib/tensor/dtype.h"

namespace r1 {

// blocks <- one row [K] of a weight, finite, on the grid of `dtype`: the quantized types with the
// least sum over k of importance_k (w_k - decoded_k)^2 that a search finds, never more than `pack`
// leaves; f32, f16 and bf16 as `pack` does. importance [K] >= 0, or empty: without calibration.
void pack_row(void* blocks, std::span<const float> row, std::span<const float> importance,
              DType dtype);

}  // namespace r1
