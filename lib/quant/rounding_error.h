#pragma once

#include <cstdint>
#include <span>

#include "lib/base/parallel.h"
#include "lib/quant/plan.h"

namespace r1 {

// How a row is rounded, and what its errors count.
struct Rounding {
  std::span<const float> importance = {};  // [K], or empty: all count 1
  std::span<const float> scales = {};      // [K], or empty: columns are multiplied by them before
  bool search = true;                      // as QuantizeOptions
};

// What a tensor loses in `dtype`: the sum of importance (w - decoded)^2, in terms of columns before
// they are scaled. Taken from 64 rows spread evenly.
double rounding_error(const PlannedTensor& tensor, DType dtype, const Rounding& rounding,
                      ThreadPool& pool);

}  // namespace r1
