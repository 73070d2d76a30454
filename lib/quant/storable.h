#pragma once

#include <span>
#include <string_view>

#include "lib/io/safetensors.h"

namespace r1 {

// Fails with `model` for integers and for what holds nothing.
void need_weight(const NamedTensor& tensor);

// Can numbers be stored as they are meant to be?
enum class Storable { yes, not_finite, too_large };

// The largest magnitude that any number of a block may have: its scale, an f16, reaches no farther.
float reach(DType dtype);
Storable storable(std::span<const float> values, float reach);

// Fails with `model`, naming the tensor and the type it was to become; not where all is well.
void need_storable(Storable found, std::string_view tensor, std::string_view type);

}  // namespace r1
