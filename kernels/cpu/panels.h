#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/isa/layout.h"
#include "lib/tensor/tensor.h"

namespace r1::cpu {

// The panel of a weight's dtype; `DType::f32` and `bf16` for the weights that are no blocks.
PanelType panel_type(DType dtype);

// Panel p of w [N, K], which is plain. f16 and f32 may become bf16, all three may become f32.
void pack_panel(std::byte* panel, PanelType type, const Tensor& w, std::int64_t p);
// Row n of a packed w [N, K], widened.
void unpack_row(float* values, const Tensor& w, std::int64_t n);

}  // namespace r1::cpu
