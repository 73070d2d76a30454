#pragma once

#include "lib/backend/backend.h"

namespace r1 {

// An epilogue by the operations it stands for, which read each element before they write it: for
// backends whose `linear` leaves a plain product in y.
inline void finish(Backend& backend, const Tensor& y, const Epilogue& then) {
  if (!then.bias.empty()) backend.add_bias(y, y, then.bias);
  if (then.activation == Activation::gelu) backend.gelu(y, y);
  if (!then.residual.empty()) backend.add(y, y, then.residual);
}

}  // namespace r1
