#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lib/io/weights.h"

namespace r1 {

// The tensors of a decoder as Hugging Face folders and GGUF files name them.
struct TensorName {
  std::string hugging_face, gguf;
  bool optional = false;  // not every family has it
};

// All that a decoder of so many layers can have.
std::vector<TensorName> tensor_names(std::int64_t layers);

// Fails with `model` where the folder lacks one that every decoder of so many layers has.
void need_tensors(const ModelFiles& folder, std::int64_t layers);

// GGUF's word for a name that stands in no layer, or for the part behind "model.layers.3.":
// "mlp.up_proj.weight" is "ffn_up.weight". Only for names that there are.
std::string_view gguf_name(std::string_view hugging_face);

}  // namespace r1
