#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/bytes.h"
#include "lib/base/json.h"
#include "lib/io/safetensors.h"

namespace r1 {

// A weight that files keep in a form that nothing is computed in, as models take it.
struct QuantizedWeight {
  std::string name;  // "model.layers.0.mlp.up_proj.weight"
  Shape shape;       // [N, K]
  DType dtype;       // of the numbers that `unpack` writes
  // Writes all of them. Fails with `model` for scales that are no numbers.
  std::function<void(void* plain)> unpack;
  std::vector<ByteSpan> made_of = {};
};

// What `quantization_config` in config.json says of the tensors, by quant_method:
//   fp8                 DeepSeek's: E4M3 and weight_scale_inv by blocks of weight_block_size
//   compressed-tensors  float-quantized (E4M3, a scale a tensor, row or block) and pack-quantized
//                       (4 or 8 bits, a scale a row or group)
//   gptq, awq           4 (gptq: or 8) bits, a scale and a zero point a group
// A module is quantized if its tensors are: lists of modules to leave out only repeat that.
//
// E4M3 times its scale becomes bf16, rounded to nearest, as programs that compute in bf16 do.
// Whole numbers become q4_0 or q8_0 where those hold exactly the same numbers: the zero point in
// the middle, scales that f16 can hold, groups of whole blocks in order. Else they become numbers
// of the type of their scales, rounded to nearest.
//
// The tensors that they are made of, and scales of activations and of a cache, are taken out of
// `tensors`, which they point into. Nothing without a quantization_config. `where` names the folder
// in messages. Fails with `model`, and with `format` for what is not read.
std::vector<QuantizedWeight> quantized_weights(const Json& config,
                                               std::vector<NamedTensor>& tensors,
                                               const std::string& where);

}  // namespace r1
