#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lib/io/weights.h"
#include "lib/quant/types.h"

namespace r1 {

// A tensor on its way from one file to another.
struct PlannedTensor {
  std::string name;  // in the new file
  Tensor from;       // in the old one, which stays open
  DType to = DType::f32;
  bool fell_back = false;     // as ChosenType
  std::int64_t head_dim = 0;  // rows of q and k become pairs (2i, 2i + 1) in each head; 0: as is

  Tensor target() const { return {nullptr, from.shape, to}; }
  std::int64_t source_row(std::int64_t row) const;  // where a row of the new tensor comes from
};

// What is to be written: a GGUF v3 file with all of the old one's metadata but for what says how
// its tensors are stored.
struct QuantizePlan {
  GgufMetadata metadata;
  std::vector<PlannedTensor> tensors;
  std::string header;
  std::vector<std::uint64_t> begins;  // of each tensor, in the new file
  std::uint64_t bytes = 0;            // of the new file

  std::uint64_t weights() const;  // numbers in all tensors
};

// Fails with `usage` where a quantized tensor would be quantized again, unless `requantize`. The
// files outlive the plan.
QuantizePlan plan_quantization(const ModelFiles& files, const TypeChoice& choice, bool requantize);

}  // namespace r1
