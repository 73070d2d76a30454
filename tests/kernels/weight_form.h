#pragma once

#include <string>
#include <vector>

#include "tests/support/backends.h"

namespace r1::test {

inline constexpr DType kWeightTypes[] = {DType::f32,    DType::f16,   DType::bf16, DType::q8_0,
                                         DType::q4_0,   DType::q4_k,  DType::q5_k, DType::q6_k,
                                         DType::iq4_nl, DType::iq4_xs};

// How the weight is handed to the operation.
struct Form {
  DType dtype;
  bool loaded = false;  // by load_weight
  DType compute = DType::f32;

  Tensor make(Rig& rig, const Shape& shape, const std::vector<float>& w) const {
    return loaded ? rig.loaded_weight(shape, w, dtype, compute) : rig.plain_weight(shape, w, dtype);
  }
  // Of the operands of a product, how many may be rounded to bf16 without being so already.
  int bf16_roundings() const {
    if (!loaded || compute != DType::bf16 || is_quantized(dtype)) return 0;
    return dtype == DType::bf16 ? 1 : 2;
  }
};

inline std::string to_string(const Form& form) {
  const std::string dtype(to_string(form.dtype));
  return form.loaded ? dtype + " loaded for " + std::string(to_string(form.compute))
                     : dtype + " plain";
}

inline std::vector<Form> forms() {
  std::vector<Form> all;
  for (const DType dtype : kWeightTypes) {
    all.push_back({dtype});
    all.push_back({dtype, true, DType::f32});
    all.push_back({dtype, true, DType::bf16});
  }
  return all;
}

// One, primes, a panel of 16 and its neighbours; whole blocks where the type wants them.
inline std::vector<std::int64_t> inner_sizes(DType dtype) {
  if (block_elements(dtype) == 256) return {256, 512, 768};
  if (block_elements(dtype) == 32) return {32, 64, 96, 224, 544};
  return kAwkward;
}

}  // namespace r1::test
