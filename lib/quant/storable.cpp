#include "lib/quant/storable.h"

#include <cmath>
#include <limits>

#include "lib/base/error.h"
#include "lib/base/vectorized.h"
#include "lib/tensor/largest_magnitude.h"

namespace r1 {

void need_weight(const NamedTensor& t) {
  if (is_integer(t.tensor.dtype) || t.tensor.shape.elements() == 0)
    fail(ErrorKind::model, "{} is {} of {}, which is no weight", escaped(t.name),
         to_string(t.tensor.shape), to_string(t.tensor.dtype));
}

float reach(DType dtype) {
  constexpr float kHalf = 65504.0f;  // the largest f16
  switch (dtype) {
    case DType::f16:
      return kHalf;
    case DType::bf16:
      return 0x1.fep127f;
    case DType::q8_0:
    case DType::iq4_nl:
      return 127 * kHalf;
    case DType::q4_0:
      return 8 * kHalf;
    case DType::q4_k:
    case DType::q5_k:
      return 63 * kHalf;  // of the minima; scales reach farther
    case DType::q6_k:
      return 127 * 31 * kHalf;
    case DType::iq4_xs:
      return 31 * 127 * kHalf;
    default:
      return std::numeric_limits<float>::max();
  }
}

R1_VECTORIZED Storable storable(std::span<const float> values, float reach) {
  const float largest = largest_magnitude(values.data(), values.size());
  if (!std::isfinite(largest)) return Storable::not_finite;
  return largest <= reach ? Storable::yes : Storable::too_large;
}

void need_storable(Storable found, std::string_view tensor, std::string_view type) {
  if (found == Storable::not_finite)
    fail(ErrorKind::model, "{} holds a number that is not finite", escaped(tensor));
  if (found == Storable::too_large)
    fail(ErrorKind::model, "{} holds a number too large for {}", escaped(tensor), type);
}

}  // namespace r1
