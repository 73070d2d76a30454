#pragma once

#include <string_view>

#include "lib/io/quantized_module.h"

namespace r1 {

// Is this the E4M3 weight of a module?
bool is_scaled_float8(std::string_view part, const Tensor& tensor);

// weight [N, K] with weight_scale_inv or weight_scale: one for all, [N, 1] or [N], or a block each.
// `block`: of zeros where the folder has none.
QuantizedWeight read_scaled_float8(QuantizedModule& module, const QuantizationConfig::Block& block);

}  // namespace r1
